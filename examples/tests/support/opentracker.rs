//! opentracker, over HTTP and UDP. Debian builds it for IPv4, and for listed torrents only.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;

use super::need::on_path;
use super::process::Process;
use super::scene::Scene;
use super::{START, net};

/// A tracker that knows the torrent of one scene.
pub struct Opentracker {
    port: u16,
    _process: Process,
}

impl Opentracker {
    /// Starts it and waits until it answers.
    pub fn start(scene: &Scene) -> Self {
        let port = net::free_port();
        let room = scene.room("opentracker");
        let whitelist = room.join("whitelist");
        fs::write(&whitelist, format!("{}\n", scene.content.info_hash_hex())).unwrap();
        let mut command = Command::new(on_path("opentracker").expect("asked for by the test"));
        command.args(["-i", &Ipv4Addr::LOCALHOST.to_string()]);
        command.args(["-p", &port.to_string(), "-P", &port.to_string(), "-u", "nobody"]);
        command.arg("-w").arg(&whitelist).current_dir(&room);
        let process = Process::spawn("opentracker", &command, scene.path());
        net::wait_listening(port, START);
        Self { port, _process: process }
    }

    /// Its HTTP announce URL.
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}/announce", self.port)
    }

    /// Its UDP announce URL.
    pub fn udp(&self) -> String {
        format!("udp://127.0.0.1:{}/announce", self.port)
    }
}
