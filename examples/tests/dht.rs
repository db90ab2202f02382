//! The program for the DHT: nodes that it runs, and what it announces, stores and finds through them.
#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

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
