//! Contents, torrents, a seeder, and the program `watch`.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tinytorrent_client::{Client, ClientOptions, Torrent, TorrentOptions};
use tinytorrent_metainfo::{CreateOptions, Metainfo};
use tokio::runtime::Runtime;

/// Patience for a step. It is long, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The built program, of the same profile as this test.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a file lies in a folder");
    deps.with_file_name("examples").join("watch")
}

/// A place with the folders `in` and `out`, and a seeder of contents.
pub struct Scene {
    place: TempDir,
    runtime: Runtime,
    seeder: Client,
}

/// A content of one file, its torrent, and its seed.
pub struct Content {
    pub metainfo: Metainfo,
    pub seed: Torrent,
    bytes: Vec<u8>,
}

impl Scene {
    pub fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        for folder in ["in", "out", "seed"] {
            fs::create_dir(place.path().join(folder)).unwrap();
        }
        let runtime = Runtime::new().unwrap();
        let mut options = ClientOptions::default();
        options.listen("127.0.0.1:0".parse().unwrap());
        let _context = runtime.enter();
        let seeder = Client::start(options).unwrap();
        Self { place, runtime, seeder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub fn seeder(&self) -> SocketAddr {
        self.seeder.listen_addresses()[0]
    }

    /// Makes a content of one file of this name, and seeds it.
    pub fn content(&self, name: &str, size: usize) -> Content {
        let path = self.path("seed").join(name);
        let start = name.bytes().fold(7_usize, |sum, byte| (sum * 31 + usize::from(byte)) % 65_521);
        let bytes: Vec<u8> = (start..start + size).map(|at| ((at * at) >> 7) as u8).collect();
        fs::write(&path, &bytes).unwrap();
        let mut options = CreateOptions::new();
        options.piece_length(16 << 10).unwrap();
        let metainfo = options.create(&path, &|_| ControlFlow::Continue(())).unwrap();
        let mut options = TorrentOptions::new(self.path("seed"));
        options.read_only(true).resume(false);
        let seed = self.runtime.block_on(async {
            let seed = self.seeder.add(&metainfo, options).unwrap();
            seed.finished().await.unwrap();
            seed
        });
        Content { metainfo, seed, bytes }
    }

    /// Puts the torrent of a content into the watched folder.
    pub fn put(&self, name: &str, content: &Content) {
        self.write(name, &content.metainfo.to_bytes());
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path("in").join(name), bytes).unwrap();
    }

    pub fn take(&self, name: &str) {
        fs::remove_file(self.path("in").join(name)).unwrap();
    }

    /// Starts the program with the folders of the scene and the seeder as a peer.
    pub fn watch(&self, words: &[&str]) -> Watch {
        self.watch_into("out", words)
    }

    pub fn watch_into(&self, output: &str, words: &[&str]) -> Watch {
        let mut command = Command::new(program());
        command.current_dir(self.place.path()).args(["in", "--output", output, "--json"]);
        command.args(["--listen", "127.0.0.1:0", "--no-trackers"]);
        command.args(["--peer", &self.seeder().to_string()]).args(words);
        Watch::spawn(command)
    }
}

impl Content {
    pub fn hash(&self) -> String {
        self.metainfo.hashes().v1().unwrap().to_string()
    }

    pub fn link(&self) -> String {
        format!("magnet:?xt=urn:btih:{}", self.hash())
    }

    /// Panics unless the folder has the content.
    pub fn assert_in(&self, folder: &Path) {
        let path = folder.join(self.metainfo.info().name());
        let found = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(found == self.bytes, "{} differs", path.display());
    }
}

/// A running `watch --json`, which is ended with the test.
pub struct Watch {
    child: Child,
    lines: Receiver<Value>,
    /// What was told so far.
    told: Vec<Value>,
    /// The part of it that nobody has waited for.
    unseen: Vec<Value>,
}

impl Watch {
    fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it was built");
        let stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // A kill may cut the last line.
                let Ok(value) = serde_json::from_str(&line) else { return };
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, told: Vec::new(), unseen: Vec::new() }
    }

    /// Waits for an event of this name, of which this is true, and which was not waited for before.
    pub fn wait(&mut self, name: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let is_it = |told: &Value| told["event"] == name && is_it(told);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.unseen.iter().position(is_it) {
                return self.unseen.remove(at);
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(rest) {
                Ok(told) => self.hear(told),
                Err(error) => {
                    let told = self.told.iter().filter(|told| told["event"] != "progress");
                    let told: Vec<_> = told.map(Value::to_string).collect();
                    panic!("no {name}: {error}; told was {told:#?}");
                }
            }
        }
    }

    /// Waits for an event of this torrent.
    pub fn wait_for(&mut self, name: &str, content: &Content) -> Value {
        self.wait(name, |told| told["info_hash_v1"] == content.hash())
    }

    fn hear(&mut self, told: Value) {
        self.told.push(told.clone());
        self.unseen.push(told);
    }

    /// The events of this name that were told so far.
    pub fn told(&mut self, name: &str) -> Vec<&Value> {
        while let Ok(told) = self.lines.try_recv() {
            self.hear(told);
        }
        self.told.iter().filter(|told| told["event"] == name).collect()
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Interrupts it, and waits for its end. All that it told is known then.
    pub fn interrupt(&mut self) -> ExitStatus {
        self.signal("INT");
        self.end()
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.end();
    }

    pub fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(told) = self.lines.recv_timeout(PATIENCE) {
            self.hear(told);
            assert!(Instant::now() < deadline, "it runs on");
        }
        self.child.wait().unwrap()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
