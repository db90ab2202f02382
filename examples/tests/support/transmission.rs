//! transmission-daemon, driven over its RPC.
//!
//! It refuses loopback addresses that a tracker tells it of, so as a leecher it waits for the
//! seeder to dial; the tracker tells the seeder where.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::hosts::Host;
use super::process::Process;
use super::scene::{Scene, Source};
use super::{COMPLETE, START, net};

/// `status` of a torrent that is being fetched.
const DOWNLOADING: u64 = 4;

/// `status` of a torrent that is complete and served.
const SEEDING: u64 = 6;

/// Settings of a daemon beside those that all have.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Encrypted connections only; otherwise plain ones are preferred, and encrypted ones served.
    pub is_encrypted: bool,
    /// Peers are told of each other.
    pub exchanges: bool,
    /// uTP, beside TCP, which it always has.
    pub has_utp: bool,
}

const ENCRYPTED: Manner = Manner { is_encrypted: true, exchanges: false, has_utp: false };

/// A daemon with one torrent.
pub struct Transmission {
    /// The address at which it accepts peers.
    pub address: SocketAddr,
    rpc: SocketAddr,
    process: Process,
}

impl Transmission {
    /// A seeder on this host that has checked the content.
    pub fn seed(scene: &Scene, host: &str) -> Self {
        Self::seed_in(Manner::default(), scene, host)
    }

    /// The same, speaking encrypted only.
    pub fn seed_encrypted(scene: &Scene, host: &str) -> Self {
        Self::seed_in(ENCRYPTED, scene, host)
    }

    /// A seeder with these settings.
    pub fn seed_in(manner: Manner, scene: &Scene, host: &str) -> Self {
        let mut seeder = Self::spawn("seed", manner, &scene.seed_dir(), scene, host);
        seeder.add(&scene.source(Source::Torrent));
        seeder.wait_until("seeding", START, |torrent| {
            torrent["status"] == SEEDING && torrent["percentDone"] == 1
        });
        seeder
    }

    /// A leecher on this host, which has announced itself to the torrent's trackers.
    pub fn leech(scene: &Scene, source: Source, dir: &Path, host: &str) -> Self {
        Self::leech_in(Manner::default(), scene, source, dir, host)
    }

    /// The same, speaking encrypted only.
    pub fn leech_encrypted(scene: &Scene, source: Source, dir: &Path, host: &str) -> Self {
        Self::leech_in(ENCRYPTED, scene, source, dir, host)
    }

    /// A leecher on this host that waits for peers to come, and tells them of each other.
    pub fn exchange(scene: &Scene, dir: &Path, host: &str) -> Self {
        let manner = Manner { exchanges: true, ..Manner::default() };
        let mut leecher = Self::spawn("exchange", manner, dir, scene, host);
        leecher.add(&scene.source(Source::Torrent));
        leecher.wait_until("start", START, |torrent| torrent["status"] == DOWNLOADING);
        leecher
    }

    /// A leecher with these settings.
    pub fn leech_in(manner: Manner, scene: &Scene, source: Source, dir: &Path, host: &str) -> Self {
        let mut leecher = Self::spawn("leech", manner, dir, scene, host);
        leecher.add(&scene.source(source));
        leecher.wait_until("announce", START, |torrent| {
            torrent["trackerStats"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["lastAnnounceSucceeded"] == true))
        });
        leecher
    }

    /// A peer on a host of its own that looks for others in its network (BEP 14). It takes the torrent from a folder, as
    /// its RPC is on that host as well; the content is in `dir`, or comes into it.
    pub fn lsd_on(host: &Host, dir: &Path, scene: &Scene) -> Process {
        let (config, watched) = (scene.room("transmission"), scene.room("transmission-watched"));
        fs::copy(scene.torrent(), watched.join("content.torrent")).unwrap();
        let mut settings = settings(Manner::default(), 51_413, 9_091, dir);
        settings["lpd-enabled"] = json!(true);
        settings["message-level"] = json!(3);
        settings["bind-address-ipv4"] = json!("0.0.0.0");
        settings["bind-address-ipv6"] = json!("::");
        settings["watch-dir"] = json!(watched);
        settings["watch-dir-enabled"] = json!(true);
        fs::write(config.join("settings.json"), settings.to_string()).unwrap();
        let mut command = Command::new("transmission-daemon");
        command.args(["--foreground", "--log-debug", "--config-dir"]).arg(&config);
        Process::spawn("transmission-lsd", &host.command(&command), scene.path())
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Waits until the leecher has all of the content on its disk.
    pub fn wait_complete(&mut self) {
        self.wait_until("completion", COMPLETE, |torrent| {
            torrent["status"] == SEEDING && torrent["percentDone"] == 1
        });
        // It writes blocks behind its own back, and surely when it stops.
        self.call("session-close", json!({}));
        self.process.wait(START);
    }

    fn spawn(role: &str, manner: Manner, dir: &Path, scene: &Scene, host: &str) -> Self {
        let address = net::free_address(host);
        let rpc = net::free_address("127.0.0.1");
        let config = scene.room(&format!("transmission-{role}"));
        let settings = settings(manner, address.port(), rpc.port(), dir);
        fs::write(config.join("settings.json"), settings.to_string()).unwrap();
        let mut command = Command::new("transmission-daemon");
        command.args(["--foreground", "--log-info", "--config-dir"]).arg(&config);
        let name = format!("transmission-{role}-{}", address.port());
        let process = Process::spawn(&name, &command, scene.path());
        net::wait_listening(rpc.port(), START);
        net::wait_listening(address.port(), START);
        Self { address, rpc, process }
    }

    fn add(&mut self, source: &str) {
        let answer = self.call("torrent-add", json!({ "filename": source }));
        assert_eq!(answer["result"], "success", "transmission refuses {source}: {answer}");
    }

    fn wait_until(&mut self, what: &str, patience: Duration, reached: impl Fn(&Value) -> bool) {
        let fields = ["status", "percentDone", "errorString", "trackerStats", "peers"];
        let deadline = Instant::now() + patience;
        loop {
            let answer = self.call("torrent-get", json!({ "fields": fields }));
            let torrent = &answer["arguments"]["torrents"][0];
            if reached(torrent) {
                return;
            }
            assert!(self.process.is_running(), "transmission ended before {what}");
            assert!(Instant::now() < deadline, "transmission: no {what}: {torrent:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// One request; the session id that guards the RPC is fetched anew each time.
    fn call(&self, method: &str, arguments: Value) -> Value {
        let body = json!({ "method": method, "arguments": arguments }).to_string();
        let refused = self.post(&body, "");
        let id = refused
            .lines()
            .find_map(|line| line.strip_prefix("X-Transmission-Session-Id: "))
            .expect("the daemon tells its session id when it is missing");
        let answer = self.post(&body, id);
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a head and a body");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    fn post(&self, body: &str, session: &str) -> String {
        let mut stream = TcpStream::connect(self.rpc).expect("the RPC listens");
        stream.set_read_timeout(Some(START)).unwrap();
        let head = format!(
            "POST /transmission/rpc HTTP/1.0\r\nX-Transmission-Session-Id: {session}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + body).as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn settings(manner: Manner, peer_port: u16, rpc_port: u16, dir: &Path) -> Value {
    json!({
        "bind-address-ipv4": Ipv4Addr::LOCALHOST,
        "bind-address-ipv6": "::1",
        "peer-port": peer_port,
        "rpc-bind-address": Ipv4Addr::LOCALHOST,
        "rpc-port": rpc_port,
        "rpc-whitelist-enabled": false,
        "rpc-host-whitelist-enabled": false,
        "download-dir": dir,
        "dht-enabled": false,
        "lpd-enabled": false,
        "pex-enabled": manner.exchanges,
        "utp-enabled": manner.has_utp,
        "port-forwarding-enabled": false,
        "encryption": if manner.is_encrypted { 2 } else { 0 },
        "speed-limit-up-enabled": false,
        "speed-limit-down-enabled": false,
        "ratio-limit-enabled": false,
        "start-added-torrents": true,
        "message-level": 2,
    })
}
