//! Against nodes of libtorrent, on loopback.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test is a driver too")]

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tinytorrent_dht::{
    Announce, Event, Family, Item, Node, NodeConfig, NodeId, SearchId, SearchReport,
};
use tinytorrent_types::{WireInfoHash, hex};

/// Debian's; the binding is no package of other Pythons.
const PYTHON: &str = "/usr/bin/python3";

/// libtorrent nodes, in a process that ends with this.
struct Nodes {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Nodes {
    fn start(count: u32, router: SocketAddr) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/libtorrent/nodes.py");
        let (host, port) = (host_of(router), router.port().to_string());
        let mut process = Command::new(PYTHON)
            .args([script, &count.to_string(), &host, &port])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, commands, answers }
    }

    /// Sends a command, and serves as a node until its answer comes.
    fn ask(&mut self, driver: &mut Driver, command: impl std::fmt::Display) -> Vec<String> {
        writeln!(self.commands, "{command}").unwrap();
        self.answer(driver)
    }

    /// Asks until the answer pleases: tables of nodes that have just begun have gaps, so that a look-up of theirs
    /// may end at other nodes than ours.
    #[track_caller]
    fn ask_until(
        &mut self,
        driver: &mut Driver,
        command: impl std::fmt::Display,
        pleases: impl Fn(&[String]) -> bool,
    ) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = self.ask(driver, &command);
            if pleases(&answer) {
                return;
            }
            assert!(Instant::now() < end, "{command}: {answer:?}");
        }
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
    fn start(host: IpAddr) -> Self {
        let socket = UdpSocket::bind((host, 0)).unwrap();
        let mut config = NodeConfig::new([42; 32]);
        // All others have one address.
        config.queries_per_host(10_000).answer_bytes_per_second(10_000_000);
        config.only(Family::of(host));
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

/// The host as it stands before a port.
fn host_of(address: SocketAddr) -> String {
    let text = address.to_string();
    text.rsplit_once(':').map(|(host, _)| host.to_owned()).unwrap()
}

/// D-01, D-04, D-20, D-22, D-23, D-44, D-69, D-73
#[test]
fn libtorrent_finds_what_we_store_and_we_find_what_it_stores() {
    meet(IpAddr::V4(Ipv4Addr::LOCALHOST), 50);
}

/// D-04, D-11
#[test]
fn libtorrent_and_we_find_each_others_peers_and_items_over_ipv6() {
    meet(IpAddr::V6(Ipv6Addr::LOCALHOST), 12);
}

/// A network of ours and of so many nodes of libtorrent.
fn meet(host: IpAddr, count: u32) {
    if !is_installed() {
        return;
    }
    let mut driver = Driver::start(host);
    let ours = driver.socket.local_addr().unwrap();
    // We are their router: they find each other through us.
    let mut nodes = Nodes::start(count, ours);
    let ports = nodes.answer(&mut driver);
    assert_eq!((ports[0].as_str(), ports.len()), ("ports", 1 + count as usize));
    let first = SocketAddr::new(host, ports[1].parse().unwrap());
    let known = (count as usize / 2).min(16);
    driver.run_until(|driver| driver.node.nodes().count() >= known);
    peers_go_both_ways(&mut driver, &mut nodes, first);
    items_go_both_ways(&mut driver, &mut nodes);
    driver.node.check_invariants();
}

fn peers_go_both_ways(driver: &mut Driver, nodes: &mut Nodes, first: SocketAddr) {
    let host = first.ip();
    // So near to us that we are among those who store it.
    let own = driver.node.id(Family::of(host)).unwrap();
    let mut their = *own.as_bytes();
    their[19] ^= 1;
    let [their, our] = [their, [0x22; 20]].map(WireInfoHash::from_bytes);
    // It announces when its look-up has ended, and maybe to others than us and those whom we ask.
    let end = Instant::now() + Duration::from_secs(60);
    while driver.node.stats().peers == 0 || !driver.peers().contains(&first) {
        assert!(Instant::now() < end, "{:?}", driver.peers());
        nodes.ask(driver, format!("announce {their}"));
        let pause = Instant::now() + Duration::from_millis(500);
        driver.run_until(|_| Instant::now() > pause);
        let search = driver.node.find_peers(Instant::now(), their);
        driver.end_of(search);
    }

    let announce = Announce { port: Some(5_555), is_seed: false };
    let search = driver.node.announce(Instant::now(), our, announce);
    let report = driver.end_of(search);
    assert_eq!(report.stored, 8, "{report:?}");
    let us = format!("{host}|5555");
    nodes.ask_until(driver, format!("peers {our}"), |peers| peers.contains(&us));

    // Over IPv6 libtorrent sends no such query before it knows its address on the internet.
    if host.is_ipv4() {
        let port = driver.socket.local_addr().unwrap().port();
        let samples = nodes.ask(driver, format!("sample {host} {port} {own}"));
        assert_eq!(samples, ["1".to_owned(), their.to_string()], "they sample us");
    }
    let query = driver.node.sample(Instant::now(), report.closest[0].address, our.into());
    let sample = |driver: &Driver| {
        driver.events.iter().find_map(|event| match event {
            Event::Answered { query: of, answer } if *of == query => answer.sample.clone(),
            _ => None,
        })
    };
    driver.run_until(|driver| sample(driver).is_some());
    let sample = sample(driver).unwrap();
    assert!(sample.info_hashes.contains(&our) && sample.total >= 1, "we sample them: {sample:?}");
}

fn items_go_both_ways(driver: &mut Driver, nodes: &mut Nodes) {
    let item = Item::from_text("from-tinytorrent").unwrap();
    let search = driver.node.put(Instant::now(), item.clone(), None);
    assert_eq!(driver.end_of(search).stored, 8);
    let is_ours = |found: &[String]| found == ["from-tinytorrent"];
    nodes.ask_until(driver, format!("get {}", item.target()), is_ours);

    let put = nodes.ask(driver, "put from-libtorrent");
    let target: NodeId = put[1].parse().unwrap();
    let search = driver.node.get(Instant::now(), target);
    driver.end_of(search);
    assert_eq!(driver.items().pop(), Some(Item::from_text("from-libtorrent").unwrap()));

    let secret = [5; 32];
    for salt in [&b""[..], b"name", &[0xff; 64]] {
        let mutable = |seq, text: &str| {
            let mut value = Vec::new();
            tinytorrent_bencode::encode::bytes(&mut value, text);
            Item::sign(&secret, salt, seq, &value).unwrap()
        };
        let ours = mutable(1, "ours");
        let key = ours.mutable_part().unwrap().key;
        let (digits, salted) = (hex::encode(key), hex::encode(salt));
        let search = driver.node.put(Instant::now(), ours, None);
        assert_eq!(driver.end_of(search).stored, 8);
        let get = format!("get_mutable {digits} -{salted}");
        nodes.ask_until(driver, &get, |found| found == ["ours"]);

        // libtorrent looks for the newest, and puts one with a higher number.
        let secret = hex::encode(secret);
        let put = nodes.ask(driver, format!("put_mutable {secret} {digits} -{salted} theirs"));
        assert!(!put.is_empty(), "with the salt {salted}");
        let search = driver.node.get_mutable(Instant::now(), key, salt);
        driver.end_of(search);
        assert_eq!(driver.items().pop(), Some(mutable(2, "theirs")), "the same signature");
        let replaced = mutable(3, "ours-again");
        let search = driver.node.put(Instant::now(), replaced, None);
        assert_eq!(driver.end_of(search).stored, 8);
        nodes.ask_until(driver, &get, |found| found == ["ours-again"]);
    }
}
