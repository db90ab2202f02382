//! Downloads of a program that has fewer descriptors than it could use: many files, from many peers.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tinytorrent_client::{Client, ClientOptions, State, Torrent, TorrentOptions};
use tinytorrent_metainfo::{CreateOptions, Metainfo};

const FILES: usize = 200;
const FILE: usize = 40_000;
const PEERS: usize = 30;

/// Timeout of a download. It is long, since the machine may be busy.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The built file of an example, of the same profile as this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a file lies in a folder");
    deps.with_file_name("examples").join(name)
}

fn bytes_of(file: usize) -> Vec<u8> {
    vec![file as u8; FILE]
}

/// A content of many files, and peers of this process that have it.
struct Scene {
    folder: TempDir,
    /// The runtime of the seeds.
    _runtime: tokio::runtime::Runtime,
    seeds: Vec<(Client, Torrent)>,
}

impl Scene {
    /// Makes a content and its seeds, each of which sends this many bytes a second.
    fn new(upload_limit: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let content = folder.path().join("seed/many");
        for file in 0..FILES {
            let path = content.join(format!("{}/{file}", file / 20));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes_of(file)).unwrap();
        }
        let mut options = CreateOptions::new();
        options.piece_length(32 << 10).unwrap();
        let metainfo = options.create_unobserved(&content).unwrap();
        fs::write(folder.path().join("x.torrent"), metainfo.to_bytes()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let root = folder.path().join("seed");
        let seed = || seed(&metainfo, root.clone(), upload_limit);
        let seeds = runtime.block_on(async {
            let mut seeds = Vec::new();
            for _ in 0..PEERS {
                seeds.push(seed().await);
            }
            seeds
        });
        Self { folder, _runtime: runtime, seeds }
    }

    /// Starts `download` from all peers, with so many descriptors.
    fn download(&self, descriptors: u32) -> Program {
        let line = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
        let mut shell = Command::new("bash");
        shell.args(["-c", &line]).arg(example("download"));
        shell.arg(self.folder.path().join("x.torrent"));
        shell.args(["--no-trackers", "--quiet", "--listen", "127.0.0.1:0"]);
        shell.arg("--output").arg(self.folder.path().join("leech"));
        for (client, _) in &self.seeds {
            shell.args(["--peer", &client.listen_addresses()[0].to_string()]);
        }
        Program(shell.stdin(Stdio::null()).spawn().unwrap())
    }

    /// Number of peers that have sent something.
    fn givers(&self) -> usize {
        let has_given =
            |torrent: &Torrent| torrent.stats().uploaded > 0 && torrent.state() == State::Seeding;
        self.seeds.iter().filter(|(_, torrent)| has_given(torrent)).count()
    }

    fn assert_complete(&self) {
        for file in 0..FILES {
            let path = self.folder.path().join(format!("leech/many/{}/{file}", file / 20));
            assert!(fs::read(path).unwrap() == bytes_of(file), "file {file}");
        }
    }
}

async fn seed(metainfo: &Metainfo, root: PathBuf, upload_limit: u64) -> (Client, Torrent) {
    let mut options = ClientOptions::default();
    options.listen("127.0.0.1:0".parse().unwrap()).open_files(4).disk_threads(1);
    let client = Client::start(options).unwrap();
    let mut options = TorrentOptions::new(root);
    options.read_only(true).resume(false).assume_complete(true).upload_limit(Some(upload_limit));
    let torrent = client.add(metainfo, options).unwrap();
    torrent.finished().await.unwrap();
    (client, torrent)
}

/// A program, which is ended with the test.
struct Program(Child);

impl Program {
    fn assert_success(&mut self) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            assert!(start.elapsed() < TIMEOUT, "it runs on");
            sleep(Duration::from_millis(20));
        }
    }

    /// Number of its open descriptors, once it is the program and no more the shell that starts it.
    fn descriptors(&self) -> usize {
        let of_process = PathBuf::from(format!("/proc/{}", self.0.id()));
        let is_begun =
            fs::read_link(of_process.join("exe")).is_ok_and(|exe| exe == example("download"));
        if is_begun { fs::read_dir(of_process.join("fd")).map_or(0, Iterator::count) } else { 0 }
    }

    fn set_limit(&self, descriptors: u32) {
        let process = rustix::process::Pid::from_child(&self.0);
        let limit = rustix::process::Rlimit {
            current: Some(descriptors.into()),
            maximum: Some(descriptors.into()),
        };
        rustix::process::prlimit(Some(process), rustix::process::Resource::Nofile, limit).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// S-11, S-28
#[test]
fn few_descriptors_are_enough_for_many_files_and_many_peers() {
    for descriptors in [64, 20] {
        let scene = Scene::new(200_000);
        scene.download(descriptors).assert_success();
        scene.assert_complete();
        assert!(scene.givers() > 1, "several had a part in it");
    }
}

// S-11, S-28: what is open stays open, and what is closed cannot be opened again.
#[test]
fn a_limit_that_sinks_below_what_is_open_does_not_end_a_download() {
    let scene = Scene::new(20_000);
    let mut download = scene.download(512);
    let start = Instant::now();
    while download.descriptors() < PEERS + 20 {
        assert!(start.elapsed() < TIMEOUT, "it has {} descriptors", download.descriptors());
        sleep(Duration::from_millis(10));
    }
    download.set_limit(32);
    scene.seeds.iter().for_each(|(_, torrent)| torrent.set_upload_limit(None));
    download.assert_success();
    scene.assert_complete();
}
