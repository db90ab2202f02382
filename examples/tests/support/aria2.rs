//! aria2, which learns of peers from trackers only.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;

use super::process::Process;
use super::scene::{Scene, Source};
use super::{COMPLETE, START, net};

/// Options that keep traffic on loopback, and keep aria2 from saving files of its own.
const OPTIONS: &str = "--no-conf --enable-dht=false --enable-dht6=false --bt-enable-lpd=false \
    --enable-peer-exchange=false --follow-torrent=mem --file-allocation=none --summary-interval=0 \
    --console-log-level=notice --bt-tracker-connect-timeout=5 --bt-tracker-timeout=5";

/// An aria2 process with one torrent.
pub struct Aria2 {
    /// The address at which it accepts peers.
    pub address: SocketAddr,
    process: Process,
}

impl Aria2 {
    /// A seeder on this host that listens.
    pub fn seed(scene: &Scene, host: &str) -> Self {
        let words = ["--seed-ratio=0.0", "--bt-seed-unverified=true"];
        let torrent = scene.source(Source::Torrent);
        let seeder = Self::spawn("seed", &words, &torrent, &scene.seed_dir(), scene, host);
        net::wait_listening(seeder.address.port(), START);
        seeder
    }

    /// A leecher on this host; the torrent must name a tracker.
    pub fn leech(scene: &Scene, source: Source, dir: &Path, host: &str) -> Self {
        Self::spawn("leech", &["--seed-time=0"], &scene.source(source), dir, scene, host)
    }

    /// Waits until the leecher has all of the content on its disk.
    pub fn wait_complete(&mut self) {
        let status = self.process.wait(COMPLETE);
        assert!(status.success(), "aria2: {status}");
    }

    fn spawn(
        role: &str,
        words: &[&str],
        source: &str,
        dir: &Path,
        scene: &Scene,
        host: &str,
    ) -> Self {
        let address = net::free_address(host);
        let mut command = Command::new("aria2c");
        command.args(OPTIONS.split_ascii_whitespace()).args(words);
        command.arg(format!("--dir={}", dir.display()));
        command.arg(format!("--listen-port={}", address.port()));
        match address.ip() {
            IpAddr::V4(host) => {
                command.args([format!("--interface={host}"), "--disable-ipv6=true".into()])
            }
            IpAddr::V6(host) => command.arg(format!("--interface={host}")),
        };
        command.arg(source);
        let name = format!("aria2-{role}-{}", address.port());
        Self { address, process: Process::spawn(&name, &command, scene.path()) }
    }
}
