//! libtorrent through its Python binding.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::need::PYTHON;
use super::process::Process;
use super::scene::{Scene, Source};
use super::{COMPLETE, START, net, script};

const ENCRYPTED: [&str; 2] = ["--encryption", "require"];

/// A libtorrent session with one torrent.
pub struct Libtorrent {
    /// The address at which it accepts peers.
    pub address: SocketAddr,
    process: Process,
}

impl Libtorrent {
    /// A seeder on this host, ready to serve, that speaks plainly only.
    pub fn seed(scene: &Scene, host: &str) -> Self {
        Self::seed_with(scene, host, &[])
    }

    /// A seeder on this host, ready to serve, that speaks encrypted only.
    pub fn seed_encrypted(scene: &Scene, host: &str) -> Self {
        Self::seed_with(scene, host, &ENCRYPTED)
    }

    fn seed_with(scene: &Scene, host: &str, words: &[&str]) -> Self {
        let torrent = scene.source(Source::Torrent);
        let words = [&["--torrent", &torrent], words].concat();
        let mut seeder = Self::spawn("seed", &words, &scene.seed_dir(), scene, host);
        seeder.process.wait_for_line("READY", START);
        net::wait_listening(seeder.address.port(), START);
        seeder
    }

    /// Waits until a tracker has answered its announce.
    pub fn wait_announced(&mut self) {
        let answered = |out: &str| out.contains("tracker_reply_alert").then_some(());
        self.process.wait_for("answer of a tracker", START, answered);
    }

    /// A leecher on this host that dials `peers` besides those its trackers tell it of.
    pub fn leech(
        scene: &Scene,
        source: Source,
        dir: &Path,
        host: &str,
        peers: &[SocketAddr],
    ) -> Self {
        Self::leech_with(scene, source, dir, host, peers, &[])
    }

    /// The same, speaking encrypted only.
    pub fn leech_encrypted(
        scene: &Scene,
        source: Source,
        dir: &Path,
        host: &str,
        peers: &[SocketAddr],
    ) -> Self {
        Self::leech_with(scene, source, dir, host, peers, &ENCRYPTED)
    }

    fn leech_with(
        scene: &Scene,
        source: Source,
        dir: &Path,
        host: &str,
        peers: &[SocketAddr],
        more: &[&str],
    ) -> Self {
        let text = scene.source(source);
        let peers: Vec<String> = peers.iter().map(SocketAddr::to_string).collect();
        let mut words = match source {
            Source::Torrent => vec!["--torrent", text.as_str()],
            Source::Magnet | Source::MagnetOf(_) => vec!["--magnet", text.as_str()],
        };
        words.extend(peers.iter().flat_map(|peer| ["--peer", peer.as_str()]));
        words.extend(more);
        Self::spawn("leech", &words, dir, scene, host)
    }

    /// Waits until the leecher has all of the content on its disk.
    pub fn wait_complete(&mut self) {
        let status = self.process.wait(COMPLETE);
        assert!(status.success(), "libtorrent: {status}");
    }

    /// Its alerts, a line each.
    pub fn alerts(&self) -> String {
        self.process.stdout()
    }

    /// Waits until it tells of this kind of alert.
    pub fn wait_for_alert(&mut self, kind: &str) {
        self.process.wait_for(kind, COMPLETE, |out| out.contains(kind).then_some(()));
    }

    fn spawn(role: &str, words: &[&str], dir: &Path, scene: &Scene, host: &str) -> Self {
        let address = net::free_address(host);
        let mut command = Command::new(PYTHON);
        command.arg(script("lt_peer.py")).arg(role).args(words);
        command.arg("--dir").arg(dir).args(["--listen", &address.to_string()]);
        let name = format!("libtorrent-{role}-{}", address.port());
        Self { address, process: Process::spawn(&name, &command, scene.path()) }
    }
}
