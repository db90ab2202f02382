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
        let port = port_range(address);
        let torrent = format!("torrent -O \"{}\" \"{}\"", dir.display(), scene.source(source));
        let commands = [&SETTINGS[..], words, &[&port, &torrent]].concat().join("; ");
        let mut command = Command::new("lftp");
        command.args(["-c", &commands]).env("HOME", scene.room(&format!("lftp-{role}")));
        let process = Process::spawn(&format!("lftp-{role}"), &command, scene.path());
        Self { address, process }
    }
}

impl Drop for Lftp {
    /// Ends what the command has left behind: a torrent goes on in a process of its own, in another
    /// session. It is known by the port in its words, which no other has.
    fn drop(&mut self) {
        let port = port_range(self.address);
        for id in ids_with_word(&port) {
            let _ = Command::new("kill").args(["-s", "KILL", &id]).status();
        }
    }
}

fn port_range(address: SocketAddr) -> String {
    format!("set torrent:port-range {0}-{0}", address.port())
}

/// The processes in whose command line this stands.
fn ids_with_word(word: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let has_word = |id: &String| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(word)
    };
    ids.filter(|id| id.bytes().all(|byte| byte.is_ascii_digit())).filter(has_word).collect()
}
