//! The program for the DHT: nodes that it runs, and what it announces, stores and finds through them.
#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tinytorrent_metainfo::CreateOptions;

const HASH: &str = "0123456789abcdef0123456789abcdef01234567";

/// The built file of an example, of the same profile as this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a file lies in a folder");
    deps.with_file_name("examples").join(name)
}

/// A running node.
struct Node {
    child: Child,
    address: String,
}

impl Node {
    fn start(others: &[Node]) -> Self {
        let mut command = Command::new(example("dht"));
        command.args(["node", "--json", "--listen", "127.0.0.1:0"]);
        // The first has nobody; an address where nobody is keeps it from asking the internet.
        let first = others.first().map_or("127.0.0.1:9", |node| &node.address);
        command.args(["--node", first]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it was built");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let listening: Value = serde_json::from_str(&line).unwrap();
        let address = listening["addr"].as_str().unwrap().to_owned();
        Self { child, address }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that goes on until it is dropped.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    /// A command that enters by a node.
    fn start(node: &Node, words: &[&str]) -> Self {
        Self::run("dht", &[words, &["--timeout", "60", "--node", &node.address]].concat())
    }

    fn run(program: &str, words: &[&str]) -> Self {
        let mut command = Command::new(example(program));
        command.args(words).args(["--json", "--listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it was built");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next event of a kind.
    fn next(&mut self, kind: &str) -> Value {
        let events = self.lines.by_ref().map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        { events }.find(|event: &Value| event["event"] == kind).expect("it goes on")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command that enters by a node, and returns its events and its exit code.
fn dht(node: &Node, words: &[&str]) -> (Vec<Value>, i32) {
    let mut command = Command::new(example("dht"));
    command.args(words).args(["--json", "--timeout", "30", "--listen", "127.0.0.1:0"]);
    let output = command.args(["--node", &node.address]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let events = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (events, output.status.code().unwrap())
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}

#[test]
fn what_one_program_stores_another_finds() {
    let mut nodes: Vec<Node> = Vec::new();
    for _ in 0..4 {
        nodes.push(Node::start(&nodes));
    }
    // They find each other in a moment.
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let (events, code) = dht(&nodes[1], &["announce", HASH, "--port", "7000", "--seed"]);
        let stored = of_kind(&events, "finished")
            .first()
            .map_or(0, |event| event["stored"].as_u64().unwrap());
        if code == 0 && stored >= 3 {
            break;
        }
        assert!(Instant::now() < end, "{events:?}");
    }
    let (events, code) = dht(&nodes[2], &["peers", HASH]);
    assert_eq!((code, &of_kind(&events, "peer")[0]["peer"]), (0, &Value::from("127.0.0.1:7000")));
    let (events, _) = dht(&nodes[3], &["scrape", HASH]);
    assert_eq!(of_kind(&events, "scrape")[0]["seeds"], 1.0);
    let (events, code) = dht(&nodes[1], &["ping", &nodes[2].address]);
    assert_eq!((code, of_kind(&events, "pong").len()), (0, 1));
    let (events, code) = dht(&nodes[1], &["sample", &nodes[2].address]);
    assert_eq!((code, of_kind(&events, "finished").len()), (0, 1));
    let (events, code) = dht(&nodes[1], &["peers", "ffffffffffffffffffffffffffffffffffffffff"]);
    assert_eq!((code, of_kind(&events, "peer").len()), (1, 0));

    let (events, code) = dht(&nodes[1], &["put", "some text"]);
    assert_eq!(code, 0);
    let target = of_kind(&events, "put")[0]["target"].as_str().unwrap().to_owned();
    let (events, _) = dht(&nodes[2], &["get", &target]);
    assert_eq!(of_kind(&events, "item")[0]["text"], "some text");

    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, [7; 32]).unwrap();
    let key = key.to_str().unwrap();
    let mut public = String::new();
    for text in ["old", "new"] {
        let (events, code) = dht(&nodes[1], &["put", "--key", key, "--salt", "name", text]);
        assert_eq!(code, 0, "{events:?}");
        public = of_kind(&events, "put")[0]["public_key"].as_str().unwrap().to_owned();
    }
    let (events, _) = dht(&nodes[3], &["get", "--public-key", &public, "--salt", "name"]);
    assert_eq!(of_kind(&events, "item")[0]["text"], "new");
}

#[test]
fn the_torrent_of_a_key_is_published_resolved_and_followed() {
    // D-72
    let mut nodes: Vec<Node> = Vec::new();
    for _ in 0..3 {
        nodes.push(Node::start(&nodes));
    }
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, [7; 32]).unwrap();
    let key = key.to_str().unwrap();
    let mut publisher = Running::start(&nodes[0], &["publish", HASH, "--key", key, "--salt", "s"]);
    let link = publisher.next("publishing")["magnet"].as_str().unwrap().to_owned();
    assert!(link.starts_with("magnet:?xs=urn:btpk:") && link.ends_with("&s=73"), "{link}");
    assert!(publisher.next("round")["stored"].as_u64().unwrap() > 0);
    let (events, code) = dht(&nodes[1], &["resolve", &link]);
    let found = of_kind(&events, "torrent")[0];
    assert_eq!((code, &found["info_hash"], &found["seq"]), (0, &HASH.into(), &1.into()));
    let mut follower = Running::start(&nodes[2], &["follow", &link]);
    assert_eq!(follower.next("torrent")["info_hash"], HASH);

    // The owner names another one, in the place of the first. Nobody leaves meanwhile: in so small a network
    // look-ups wait for who does not answer.
    let other = "89abcdef0123456789abcdef0123456789abcdef";
    let mut again = Running::start(&nodes[1], &["publish", other, "--key", key, "--salt", "s"]);
    assert_eq!(again.next("publishing")["seq"], 2);
    again.next("round");
    let (events, _) = dht(&nodes[0], &["resolve", &link]);
    assert_eq!(of_kind(&events, "torrent")[0]["info_hash"], other);

    // An item that names no torrent is told apart from silence.
    let (_, code) = dht(&nodes[0], &["resolve", &link.replace("&s=73", "&s=74")]);
    assert_eq!(code, 1);
    let (_, code) = dht(&nodes[0], &["resolve", "magnet:?xs=urn:btpk:12"]);
    assert_eq!(code, 2);
}

#[test]
fn the_torrent_of_a_key_is_downloaded() {
    // D-72, G-13
    let mut nodes: Vec<Node> = Vec::new();
    for _ in 0..3 {
        nodes.push(Node::start(&nodes));
    }
    let folder = tempfile::tempdir().unwrap();
    let [seed, out] = ["seed", "out"].map(|name| folder.path().join(name));
    std::fs::create_dir(&seed).unwrap();
    let content: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(n) / 7) as u8).collect();
    std::fs::write(seed.join("nightly.bin"), &content).unwrap();
    let metainfo = CreateOptions::new().create_unobserved(seed.join("nightly.bin")).unwrap();
    let (torrent, key) = (folder.path().join("a.torrent"), folder.path().join("key"));
    std::fs::write(&torrent, metainfo.to_bytes()).unwrap();
    std::fs::write(&key, "07".repeat(32)).unwrap();
    let [seed, out_dir, torrent, key] =
        [&seed, &out, &torrent, &key].map(|path| path.to_str().unwrap().to_owned());
    let hash = metainfo.hashes().v1().unwrap().to_string();

    let entry = ["--dht-node", &nodes[0].address];
    let _seeder = Running::run("seed", &[&[torrent.as_str(), &seed][..], &entry].concat());
    let mut publisher = Running::start(&nodes[0], &["publish", &hash, "--key", &key]);
    let link = publisher.next("publishing")["magnet"].as_str().unwrap().to_owned();
    publisher.next("round");
    let end = Instant::now() + Duration::from_secs(30);
    while dht(&nodes[1], &["peers", &hash]).1 != 0 {
        assert!(Instant::now() < end, "the seeder is not announced");
    }
    let words = [&[link.as_str(), "--output", &out_dir, "--timeout", "60"][..], &entry].concat();
    let mut download = Running::run("download", &words);
    assert_eq!(download.next("finished")["info_hash_v1"], hash);
    assert!(std::fs::read(out.join("nightly.bin")).unwrap() == content);

    // Nobody else knows it.
    let words = [link.as_str(), "--output", &out_dir, "--no-dht"];
    let failed = Running::run("download", &words).next("failed")["error"].to_string();
    assert!(failed.contains("only the DHT knows"), "{failed}");
}
