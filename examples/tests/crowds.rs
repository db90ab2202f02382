//! Programs with few descriptors and a crowd at the door.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tinytorrent_client::{Client, ClientOptions, Torrent, TorrentOptions};
use tinytorrent_metainfo::CreateOptions;

/// The built file of an example, of the same profile as this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a file lies in a folder");
    deps.with_file_name("examples").join(name)
}

/// A content of 3 MiB and its torrent, seeded by a client of this process.
struct Scene {
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
    seeder: Client,
    _seed: Torrent,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let seed = folder.path().join("seed");
        let content = seed.join("many");
        fs::create_dir_all(&content).unwrap();
        for n in 0..100_u8 {
            fs::write(content.join(n.to_string()), vec![n; 32 << 10]).unwrap();
        }
        let mut options = CreateOptions::new();
        options.piece_length(32 << 10).unwrap();
        let metainfo = options.create_unobserved(&content).unwrap();
        fs::write(folder.path().join("x.torrent"), metainfo.to_bytes()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (seeder, torrent) = runtime.block_on(async {
            let mut options = ClientOptions::default();
            options.listen("127.0.0.1:0".parse().unwrap());
            let seeder = Client::start(options).unwrap();
            let mut options = TorrentOptions::new(seed);
            options.read_only(true).resume(false);
            let torrent = seeder.add(&metainfo, options).unwrap();
            torrent.finished().await.unwrap();
            (seeder, torrent)
        });
        Self { folder, runtime, seeder, _seed: torrent }
    }

    /// Starts `download` with so many descriptors. Returns it, and the address at which it listens.
    fn download(&self, descriptors: u32, words: &[&str]) -> (Program, SocketAddr) {
        // Free for as long as nobody else asks for a port.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let line = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
        let mut shell = Command::new("bash");
        shell.args(["-c", &line]).arg(example("download"));
        shell.arg(self.folder.path().join("x.torrent")).args([
            "--no-trackers",
            "--no-resume",
            "--quiet",
        ]);
        shell.arg("--output").arg(self.folder.path().join("leech"));
        shell.args(["--listen", &address.to_string()]).args(words).stdin(Stdio::null());
        (Program(shell.spawn().unwrap()), address)
    }

    fn assert_complete(&self) {
        for n in 0..100_u8 {
            let path = self.folder.path().join("leech/many").join(n.to_string());
            assert!(fs::read(path).unwrap() == vec![n; 32 << 10], "file {n}");
        }
    }
}

/// A program, which is ended with the test.
struct Program(Child);

impl Program {
    fn ends_within(&mut self, time: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < time, "it runs on");
            sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Connections that are opened again and again, and say nothing.
struct Crowd {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<usize>>,
}

impl Crowd {
    fn at(address: SocketAddr, size: usize) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let flag = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let (mut sockets, mut count) = (std::collections::VecDeque::new(), 0);
            while !flag.load(Ordering::Relaxed) {
                match TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
                    Ok(socket) => {
                        count += 1;
                        sockets.push_back(socket);
                    }
                    Err(_) => sleep(Duration::from_millis(10)),
                }
                if sockets.len() > size {
                    sockets.pop_front();
                }
                sleep(Duration::from_micros(500));
            }
            count
        });
        Self { is_over, thread: Some(thread) }
    }

    /// Ends it. Returns the number of connections that it has made.
    fn end(mut self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().unwrap()
    }
}

// S-28
#[test]
fn a_crowd_that_takes_all_descriptors_does_not_end_a_download() {
    let scene = Scene::new();
    let seeder = scene.seeder.listen_addresses()[0].to_string();
    let words = ["--peer", &seeder, "--limit-down", "1MiB"];
    let (mut download, address) = scene.download(40, &words);
    let crowd = Crowd::at(address, 400);
    assert!(download.ends_within(Duration::from_secs(90)).success());
    assert!(crowd.end() > 100, "the crowd was there");
    scene.assert_complete();
    drop(scene.runtime);
}

#[test]
fn signals_end_a_download_whatever_the_crowd_does() {
    let scene = Scene::new();
    for signal in ["INT", "TERM"] {
        let (mut download, address) = scene.download(40, &["--peer", "127.0.0.1:1"]);
        let crowd = Crowd::at(address, 400);
        sleep(Duration::from_secs(2));
        download.signal(signal);
        // 5 s are promised; the machine may be busy.
        let status = download.ends_within(Duration::from_secs(15));
        assert_eq!(status.code(), Some(130), "{signal}");
        assert!(crowd.end() > 100, "the crowd was there");
    }
}
