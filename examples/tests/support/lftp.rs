//! lftp, whose `torrent` command fetches and seeds.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::client::OtherClient;
use super::need::Need;
use super::process::Process;
use super::scene::{Scene, Source};
use super::{COMPLETE, START, net};

/// Settings that keep traffic on loopback. A complete torrent ends the command at once, or never.
const SETTINGS: [&str; 6] = [
    "set torrent:ip 127.0.0.1",
    "set torrent:use-dht no",
    "set torrent:save-metadata no",
    "set net:timeout 10",
    "set dns:order inet",
    "set torrent:timeout 1d",
];

/// An lftp process with one torrent.
pub struct Lftp {
    address: SocketAddr,
    process: Process,
}

impl OtherClient for Lftp {
    const NEED: Need = Need::Lftp;

    fn seed(scene: &Scene) -> Self {
        let words = ["set torrent:seed-max-time 1d", "set torrent:stop-on-ratio 1000000"];
        let seeder = Self::spawn("seed", &words, Source::Torrent, scene, &scene.seed_dir());
        net::wait_listening(seeder.address.port(), START);
        seeder
    }

    fn leech(scene: &Scene, source: Source, dir: &Path) -> Self {
        let words = ["set torrent:seed-max-time 0", "set torrent:stop-on-ratio 0"];
        Self::spawn("leech", &words, source, scene, dir)
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn wait_complete(&mut self) {
        let status = self.process.wait(COMPLETE);
        assert!(status.success(), "lftp: {status}");
    }
}

impl Lftp {
    fn spawn(role: &str, words: &[&str], source: Source, scene: &Scene, dir: &Path) -> Self {
        let address = net::free_address("127.0.0.1");
        let port = format!("set torrent:port-range {0}-{0}", address.port());
        let torrent = format!("torrent -O \"{}\" \"{}\"", dir.display(), scene.source(source));
        let commands = [&SETTINGS[..], words, &[&port, &torrent]].concat().join("; ");
        let mut command = Command::new("lftp");
        command.args(["-c", &commands]).env("HOME", scene.room(&format!("lftp-{role}")));
        let process = Process::spawn(&format!("lftp-{role}"), &command, scene.path());
        Self { address, process }
    }
}
