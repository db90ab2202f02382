//! libtorrent through its Python binding.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::hosts::Host;
use super::need::PYTHON;
use super::process::Process;
use super::scene::{Scene, Source};
use super::{COMPLETE, START, net, script};

/// Words for a session that speaks encrypted only; by default it speaks plainly only.
pub const ENCRYPTED: &[&str] = &["--encryption", "require"];

/// Words for a session that has uTP alone; by default it has TCP alone.
pub const OVER_UTP: &[&str] = &["--transport", "utp"];

/// Words for a session that has uTP alone, and keeps its connection where packets are lost. By default libtorrent gives
/// one up once a packet was lost three times, which of 9,000 packets is one in 14 times at 2 %; then it dials the
/// peer where that listens, past a relay between them.
pub const OVER_A_BAD_PATH: &[&str] = &["--transport", "utp", "--utp-resends", "10"];

/// Words for a session that has both transports.
pub const OVER_BOTH: &[&str] = &["--transport", "both"];

/// A libtorrent session with one torrent.
pub struct Libtorrent {
    /// The address at which it accepts peers.
    pub address: SocketAddr,
    process: Process,
    command: Command,
    folder: PathBuf,
}

impl Libtorrent {
    /// A seeder on this host, ready to serve, that speaks plainly only.
    pub fn seed(scene: &Scene, host: &str) -> Self {
        Self::seed_with(scene, host, &[])
    }

    /// A seeder on this host, ready to serve, that speaks encrypted only.
    pub fn seed_encrypted(scene: &Scene, host: &str) -> Self {
        Self::seed_with(scene, host, ENCRYPTED)
    }

    /// A seeder on this host, ready to serve, with more words.
    pub fn seed_with(scene: &Scene, host: &str, words: &[&str]) -> Self {
        let torrent = scene.source(Source::Torrent);
        let words = [&["--torrent", &torrent], words].concat();
        let mut seeder = Self::spawn("seed", &words, &scene.seed_dir(), scene, host);
        seeder.wait_ready();
        seeder
    }

    /// Starts a seeder again that has ended, at the same address.
    pub fn restart(&mut self) {
        self.process = start(&self.command, "seed-again", self.address, &self.folder);
        self.wait_ready();
    }

    fn wait_ready(&mut self) {
        self.process.wait_for_line("READY", START);
        net::wait_listening(self.address.port(), START);
    }

    /// A peer on this host that wants nothing, has nothing, and tells those that it dials of each other.
    pub fn idle(scene: &Scene, dir: &Path, host: &str, peer: SocketAddr, words: &[&str]) -> Self {
        let (torrent, peer) = (scene.source(Source::Torrent), peer.to_string());
        let words = [&["--torrent", &torrent, "--peer", &peer], words].concat();
        Self::spawn("idle", &words, dir, scene, host)
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
        Self::leech_with(scene, source, dir, host, peers, ENCRYPTED)
    }

    /// A leecher on this host, with more words.
    pub fn leech_with(
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

    /// A peer on a host of its own, at this port of all of its addresses, that looks for others in its network (BEP 14).
    pub fn lsd_on(host: &Host, role: &str, port: u16, dir: &Path, scene: &Scene) -> Self {
        let mut command = Command::new(PYTHON);
        command.arg(script("lt_peer.py")).args([role, "--lsd", "--transport", "both", "--torrent"]);
        command.arg(scene.torrent()).arg("--dir").arg(dir);
        command.args(["--listen", &format!("0.0.0.0:{port},[::]:{port}")]);
        let (command, folder) = (host.command(&command), scene.path().to_owned());
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let process = start(&command, role, address, &folder);
        Self { address, process, command, folder }
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

    /// Sends it a signal by name; with TERM it closes its connections first.
    pub fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// Waits until it has ended by itself, with its connections closed.
    pub fn wait_closed(&mut self) {
        let status = self.process.wait(START);
        assert!(status.success() && self.alerts().contains("CLOSED"), "libtorrent: {status}");
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
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
        let folder = scene.path().to_owned();
        let process = start(&command, role, address, &folder);
        Self { address, process, command, folder }
    }
}

fn start(command: &Command, role: &str, address: SocketAddr, folder: &Path) -> Process {
    Process::spawn(&format!("libtorrent-{role}-{}", address.port()), command, folder)
}
