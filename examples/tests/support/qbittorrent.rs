//! qbittorrent-nox, asked over its web interface.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::OtherClient;
use super::need::Need;
use super::process::Process;
use super::scene::{Scene, Source};
use super::{COMPLETE, START, net};

/// States of a torrent that is complete and served, whether or not anybody fetches.
const SEEDING: [&str; 2] = ["uploading", "stalledUP"];

/// A qbittorrent-nox process with one torrent.
pub struct Qbittorrent {
    address: SocketAddr,
    web: SocketAddr,
    process: Process,
}

impl OtherClient for Qbittorrent {
    const NEED: Need = Need::Qbittorrent;

    fn seed(scene: &Scene) -> Self {
        let mut seeder = Self::spawn("seed", Source::Torrent, scene, &scene.seed_dir());
        seeder.wait_seeding(START);
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
        self.wait_seeding(COMPLETE);
    }
}

impl Qbittorrent {
    fn spawn(role: &str, source: Source, scene: &Scene, dir: &Path) -> Self {
        let address = net::free_address("127.0.0.1");
        let web = net::free_address("127.0.0.1");
        let profile = scene.room(&format!("qbittorrent-{role}"));
        let folder = profile.join("qBittorrent/config");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("qBittorrent.conf"), config(address.port(), web.port())).unwrap();
        let mut command = Command::new("qbittorrent-nox");
        command.arg(format!("--profile={}", profile.display()));
        command.arg(format!("--save-path={}", dir.display()));
        command.args(["--skip-dialog=true", &scene.source(source)]).env("HOME", &profile);
        let process = Process::spawn(&format!("qbittorrent-{role}"), &command, scene.path());
        net::wait_listening(web.port(), START);
        Self { address, web, process }
    }

    fn wait_seeding(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            let torrents = self.torrents();
            let state = torrents[0]["state"].as_str().unwrap_or_default();
            if SEEDING.contains(&state) {
                return;
            }
            assert!(self.process.is_running(), "qbittorrent ended: {torrents:#}");
            assert!(Instant::now() < deadline, "qbittorrent does not seed: {torrents:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// All torrents that it has. The connection is left open by it, so the answer's length counts.
    fn torrents(&self) -> Value {
        let mut stream = TcpStream::connect(self.web).expect("the web interface listens");
        stream.set_read_timeout(Some(START)).unwrap();
        let web = self.web;
        write!(stream, "GET /api/v2/torrents/info HTTP/1.1\r\nHost: {web}\r\n\r\n").unwrap();
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            answer.read_line(&mut line).unwrap();
            let (name, value) = line.trim().split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().expect("a length is a number");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).expect("the interface speaks JSON")
    }
}

fn config(port: u16, web_port: u16) -> String {
    format!(
        "[LegalNotice]
Accepted=true
[BitTorrent]
Session\\Port={port}
Session\\Interface=lo
Session\\InterfaceName=lo
Session\\InterfaceAddress=127.0.0.1
Session\\DHTEnabled=false
Session\\LSDEnabled=false
Session\\PeXEnabled=false
Session\\BTProtocol=TCP
Session\\Encryption=2
Session\\MultiConnectionsPerIp=true
Session\\QueueingSystemEnabled=false
[Network]
PortForwardingEnabled=false
[Preferences]
WebUI\\Address=127.0.0.1
WebUI\\Port={web_port}
WebUI\\UseUPnP=false
WebUI\\LocalHostAuth=false
WebUI\\CSRFProtection=false
WebUI\\HostHeaderValidation=false
"
    )
}
