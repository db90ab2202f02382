//! WebTorrent, as a library for Node.js.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::client::OtherClient;
use super::need::{Need, node_module};
use super::process::Process;
use super::scene::{Scene, Source};
use super::{COMPLETE, START, net, script};

/// A Node.js process with one torrent.
pub struct Webtorrent {
    address: SocketAddr,
    process: Process,
}

impl OtherClient for Webtorrent {
    const NEED: Need = Need::Webtorrent;

    fn seed(scene: &Scene) -> Self {
        let mut seeder = Self::spawn("seed", Source::Torrent, scene, &scene.seed_dir());
        seeder.process.wait_for_line("READY", START);
        net::wait_listening(seeder.address.port(), START);
        seeder
    }

    fn leech(scene: &Scene, source: Source, dir: &Path) -> Self {
        Self::spawn("leech", source, scene, dir)
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn wait_complete(&mut self) {
        let status = self.process.wait(COMPLETE);
        assert!(status.success(), "webtorrent: {status}");
    }
}

impl Webtorrent {
    fn spawn(role: &str, source: Source, scene: &Scene, dir: &Path) -> Self {
        let address = net::free_address("127.0.0.1");
        let module = node_module("webtorrent").expect("the test needs it");
        let mut command = Command::new("node");
        command.arg(script("wt_peer.cjs")).arg(module).args([role, &scene.source(source)]);
        command.arg(dir).arg(address.port().to_string());
        let process = Process::spawn(&format!("webtorrent-{role}"), &command, scene.path());
        Self { address, process }
    }
}
