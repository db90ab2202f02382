//! The programs under test.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::hosts::Host;
use super::need::example;
use super::process::Process;
use super::scene::{Scene, Source};
use super::{COMPLETE, START};

/// A running example that prints `--json`.
pub struct Ours {
    process: Process,
}

impl Ours {
    /// `download SOURCE --output DIR` and more words.
    pub fn download(scene: &Scene, source: Source, dir: &Path, words: &[&str]) -> Self {
        let mut command = Command::new(example("download"));
        command.arg(scene.source(source)).arg("--output").arg(dir);
        Self::spawn("download", command, scene, words)
    }

    /// `download SOURCE --output DIR --peer PEER…`, listening on the loopback of their family.
    pub fn download_from(scene: &Scene, source: Source, dir: &Path, peers: &[SocketAddr]) -> Self {
        let ipv6 = peers.iter().any(SocketAddr::is_ipv6);
        let peers: Vec<String> = peers.iter().map(SocketAddr::to_string).collect();
        let mut words = vec!["--listen", if ipv6 { "[::1]:0" } else { "127.0.0.1:0" }];
        words.extend(peers.iter().flat_map(|peer| ["--peer", peer.as_str()]));
        Self::download(scene, source, dir, &words)
    }

    /// `seed` of the scene's content on a free port of this host, once it serves.
    pub fn seed(scene: &Scene, host: &str, words: &[&str]) -> (Self, SocketAddr) {
        Self::seed_at(scene, SocketAddr::new(host.parse().expect("an address"), 0), words)
    }

    /// The same at this address.
    pub fn seed_at(scene: &Scene, address: SocketAddr, words: &[&str]) -> (Self, SocketAddr) {
        let mut command = Command::new(example("seed"));
        command.arg(scene.torrent()).arg(scene.seed_dir());
        let listen = address.to_string();
        let words = [&["--listen", &listen], words].concat();
        let mut seed = Self::spawn("seed", command, scene, &words);
        let address = seed.address();
        (seed, address)
    }

    /// Any example with any words.
    pub fn run(name: &str, scene: &Scene, words: &[&str]) -> Self {
        Self::spawn(name, Command::new(example(name)), scene, words)
    }

    /// Any example with any words on a host of its own.
    pub fn run_on(host: &Host, name: &str, scene: &Scene, words: &[&str]) -> Self {
        let mut command = host.command(&Command::new(example(name)));
        command.env(
            "RUST_LOG",
            "tinytorrent_client=debug,tinytorrent_lsd=trace,tinytorrent_portmap=debug",
        );
        command.args(words).arg("--json").current_dir(scene.room("cwd"));
        Self::start(name, &command, scene)
    }

    /// The address at which it listens, once it does.
    pub fn address(&mut self) -> SocketAddr {
        let listening = self.wait_for_event("listening", START);
        let address = listening["addr"].as_str().expect("`addr` is text");
        address.parse().unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    /// All objects it printed so far.
    ///
    /// # Panics
    ///
    /// When there is anything but one object a line on its stdout.
    pub fn events(&self) -> Vec<Value> {
        parse_events(&self.process.stdout())
    }

    /// Waits for the first event of this kind.
    pub fn wait_for_event(&mut self, kind: &str, patience: Duration) -> Value {
        self.wait_for(kind, patience, |event| event["event"] == kind)
    }

    /// Waits for the first event that pleases.
    pub fn wait_for(
        &mut self,
        what: &str,
        patience: Duration,
        pleases: impl Fn(&Value) -> bool,
    ) -> Value {
        self.process.wait_for(what, patience, |out| parse_events(out).into_iter().find(&pleases))
    }

    /// Waits for the end of a download that must succeed, and returns its last event.
    #[track_caller]
    pub fn finish(&mut self) -> Value {
        let status = self.process.wait(COMPLETE);
        assert!(status.success(), "{status}; {:?}", self.events().last());
        let last = self.events().pop().expect("a download prints events");
        assert_eq!(last["event"], "finished", "{last}");
        last
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        self.process.wait(patience)
    }

    /// The bytes written to stderr so far, as text.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// Waits until it has written this to stderr.
    pub fn wait_for_log(&mut self, text: &str, patience: Duration) {
        let deadline = Instant::now() + patience;
        while !self.stderr().contains(text) {
            assert!(Instant::now() < deadline, "no `{text}` after {patience:?}: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends it a signal by name.
    pub fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    fn spawn(name: &str, mut command: Command, scene: &Scene, words: &[&str]) -> Self {
        command.args(words).arg("--json").current_dir(scene.room("cwd"));
        // Listening anywhere, it would enter the DHT of the internet, and be heard in the local network.
        let is_bound = words.iter().any(|word| ["--listen", "--dht-node"].contains(word));
        if ["download", "seed", "stream"].contains(&name) && !is_bound {
            command.args(["--no-dht", "--no-lsd", "--no-port-mapping"]);
        }
        Self::start(name, &command, scene)
    }

    fn start(name: &str, command: &Command, scene: &Scene) -> Self {
        // Several of one name may run in a scene.
        static STARTED: AtomicU32 = AtomicU32::new(1);
        let name = format!("{name}-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        Self { process: Process::spawn(&name, command, scene.path()) }
    }
}

/// The objects on all whole lines.
pub fn parse_events(out: &str) -> Vec<Value> {
    let whole = out.rfind('\n').map_or("", |end| &out[..end]);
    let parse = |line: &str| -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {line}"))
    };
    whole.lines().map(parse).collect()
}
