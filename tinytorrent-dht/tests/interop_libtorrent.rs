//! Against nodes of libtorrent, on loopback.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test is a driver too")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tinytorrent_dht::{
    Announce, Event, Family, Item, Node, NodeConfig, NodeId, SearchId, SearchReport,
};
use tinytorrent_types::WireInfoHash;

/// Debian's; the binding is no package of other Pythons.
const PYTHON: &str = "/usr/bin/python3";

/// libtorrent nodes, in a process that ends with this.
struct Nodes {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Nodes {
    fn start(count: u32, router: u16) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/libtorrent/nodes.py");
        let mut process = Command::new(PYTHON)
            .args([script, &count.to_string(), &router.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, commands, answers }
    }

    /// Sends a command, and serves as a node until its answer comes.
    fn ask(&mut self, driver: &mut Driver, command: &str) -> Vec<String> {
        writeln!(self.commands, "{command}").unwrap();
        self.answer(driver)
    }

    fn answer(&mut self, driver: &mut Driver) -> Vec<String> {
        let mut line = String::new();
        let answers = &mut self.answers;
        std::thread::scope(|scope| {
            let read = scope.spawn(|| answers.read_line(&mut line).unwrap());
            while !read.is_finished() {
                driver.turn();
            }
        });
        line.split_whitespace().map(str::to_owned).collect()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A node on a socket.
struct Driver {
    socket: UdpSocket,
    node: Node,
    events: Vec<Event>,
}

impl Driver {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut config = NodeConfig::new([42; 32]);
        // All others have one address.
        config.only(Family::V4).queries_per_host(10_000).answer_bytes_per_second(10_000_000);
        Self { socket, node: Node::new(Instant::now(), config), events: Vec::new() }
    }

    fn turn(&mut self) {
        while let Some(transmit) = self.node.poll_transmit() {
            let _ = self.socket.send_to(&transmit.bytes, transmit.to);
        }
        self.events.extend(std::iter::from_fn(|| self.node.poll_event()));
        let wait = self.node.poll_timeout().unwrap().saturating_duration_since(Instant::now());
        let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(20));
        self.socket.set_read_timeout(Some(wait)).unwrap();
        let mut datagram = [0; 2_048];
        match self.socket.recv_from(&mut datagram) {
            Ok((length, from)) => {
                self.node.handle_datagram(Instant::now(), from, &datagram[..length]);
            }
            Err(_) => self.node.handle_timeout(Instant::now()),
        }
    }

    #[track_caller]
    fn run_until(&mut self, mut is_reached: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !is_reached(self) {
            assert!(Instant::now() < end, "it never came: {:?}", self.node.stats());
            self.turn();
        }
    }

    #[track_caller]
    fn end_of(&mut self, search: SearchId) -> SearchReport {
        let report = |driver: &Self| {
            driver.events.iter().find_map(|event| match event {
                Event::SearchEnded { search: ended, report } if *ended == search => {
                    Some(report.clone())
                }
                _ => None,
            })
        };
        self.run_until(|driver| report(driver).is_some());
        report(self).unwrap()
    }

    fn peers(&self) -> Vec<SocketAddr> {
        let peers = self.events.iter().filter_map(|event| match event {
            Event::PeersFound { peers, .. } => Some(peers.clone()),
            _ => None,
        });
        peers.flatten().collect()
    }

    fn items(&self) -> Vec<Item> {
        let items = self.events.iter().filter_map(|event| match event {
            Event::ItemFound { item, .. } => Some(item.clone()),
            _ => None,
        });
        items.collect()
    }
}

fn is_installed() -> bool {
    let import =
        Command::new(PYTHON).args(["-c", "import libtorrent"]).stderr(Stdio::null()).status();
    let is_installed = import.is_ok_and(|status| status.success());
    let is_required = std::env::var("TINYTORRENT_INTEROP").is_ok_and(|value| value == "require");
    assert!(is_installed || !is_required, "python3-libtorrent is not installed");
    is_installed
}

/// D-01, D-04, D-20, D-22, D-23, D-44, D-69
#[test]
fn libtorrent_finds_what_we_store_and_we_find_what_it_stores() {
    if !is_installed() {
        return;
    }
    let mut driver = Driver::start();
    let ours = driver.socket.local_addr().unwrap().port();
    // We are their router: they find each other through us.
    let mut nodes = Nodes::start(20, ours);
    let ports = nodes.answer(&mut driver);
    assert_eq!((ports[0].as_str(), ports.len()), ("ports", 21));
    let first: SocketAddr = format!("127.0.0.1:{}", ports[1]).parse().unwrap();
    driver.run_until(|driver| driver.node.nodes().count() >= 12);

    let [their, our] = [0x11, 0x22].map(|byte| WireInfoHash::from_bytes([byte; 20]));
    nodes.ask(&mut driver, &format!("announce {their}"));
    driver.run_until(|driver| {
        // It announces when its look-up has ended.
        driver.peers().contains(&first) || driver.node.stats().peers > 0
    });
    let search = driver.node.find_peers(Instant::now(), their);
    driver.end_of(search);
    assert!(driver.peers().contains(&first), "{:?}", driver.peers());

    let announce = Announce { port: Some(5_555), is_seed: false };
    let search = driver.node.announce(Instant::now(), our, announce);
    let report = driver.end_of(search);
    assert_eq!(report.stored, 8, "{report:?}");
    let peers = nodes.ask(&mut driver, &format!("peers {our}"));
    assert!(peers.contains(&"127.0.0.1:5555".to_owned()), "{peers:?}");

    let item = Item::from_text("from-tinytorrent").unwrap();
    let search = driver.node.put(Instant::now(), item.clone(), None);
    assert_eq!(driver.end_of(search).stored, 8);
    let found = nodes.ask(&mut driver, &format!("get {}", item.target()));
    assert_eq!(found, ["from-tinytorrent"]);

    let put = nodes.ask(&mut driver, "put from-libtorrent");
    let target: NodeId = put[1].parse().unwrap();
    let search = driver.node.get(Instant::now(), target);
    driver.end_of(search);
    assert_eq!(driver.items(), [Item::from_text("from-libtorrent").unwrap()]);

    let signed = Item::sign(&[5; 32], b"name", 1, b"9:by-a-name").unwrap();
    let key = signed.mutable_part().unwrap().key;
    let search = driver.node.put(Instant::now(), signed, None);
    assert_eq!(driver.end_of(search).stored, 8);
    let key = tinytorrent_types::hex::encode(key);
    assert_eq!(nodes.ask(&mut driver, &format!("get_mutable {key} name")), ["by-a-name"]);
    driver.node.check_invariants();
}
