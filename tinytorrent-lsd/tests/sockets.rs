//! Nodes on loopback, with a group of their own.

#![cfg(feature = "tokio")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "sockets are what is tested"
)]

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tinytorrent_lsd::{Family, Found, LsdConfig, LsdNode, message};
use tinytorrent_types::WireInfoHash;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Long enough for a machine with other work.
const PATIENCE: Duration = Duration::from_secs(60);

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn hash(n: u8) -> WireInfoHash {
    WireInfoHash::from_bytes([n; 20])
}

/// A port that nobody has, for a group that no other test hears.
fn free_port() -> u16 {
    UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
}

struct Node {
    node: LsdNode,
    found: mpsc::UnboundedReceiver<Found>,
    _task: JoinSet<()>,
}

impl Node {
    fn new(
        seed: u8,
        group_port: u16,
        port_at: impl Fn(IpAddr) -> Option<u16> + Send + 'static,
    ) -> Self {
        let mut config = LsdConfig::new([seed; 32], port_at);
        config.group_port(group_port);
        let (sender, found) = mpsc::unbounded_channel();
        let (node, task) = LsdNode::new(config, move |found| _ = sender.send(found));
        let mut tasks = JoinSet::new();
        tasks.spawn(task);
        Self { node, found, _task: tasks }
    }

    fn on_loopback(seed: u8, group_port: u16, port: u16) -> Self {
        Self::new(seed, group_port, move |address| (address == LOOPBACK).then_some(port))
    }

    async fn next(&mut self) -> Found {
        timeout(PATIENCE, self.found.recv()).await.expect("a peer in time").expect("a node")
    }
}

// L-07, L-12
#[tokio::test]
async fn two_on_one_host_find_each_other_and_not_themselves() {
    let port = free_port();
    let mut first = Node::on_loopback(1, port, 11);
    first.node.insert(hash(1));
    first.node.insert(hash(2));
    let mut second = Node::on_loopback(2, port, 22);
    second.node.insert(hash(1));
    second.node.insert(hash(3));
    let due = |port| Found { hash: hash(1), address: (LOOPBACK, port).into() };
    assert_eq!(first.next().await, due(22));
    // The second may have come too late for the first announcement, and the third hears it again after a minute: this
    // is the answer to its own.
    let third = Node::on_loopback(3, port, 33);
    third.node.insert(hash(3));
    assert_eq!(second.next().await.hash.as_ref().len(), 20);
    assert!(first.found.try_recv().is_err(), "nothing else concerns it");
}

// L-08
#[tokio::test]
async fn a_link_that_fails_silences_itself_alone() {
    let port = free_port();
    // Nobody can join a group there, as the port is taken by a socket that shares it with nobody.
    let taken = UdpSocket::bind(("0.0.0.0", port)).unwrap();
    let mut blocked = Node::on_loopback(1, port, 11);
    blocked.node.insert(hash(1));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let other = free_port();
    let mut first = Node::on_loopback(2, other, 22);
    let second = Node::on_loopback(3, other, 33);
    first.node.insert(hash(1));
    second.node.insert(hash(1));
    assert_eq!(first.next().await.address.port(), 33);
    assert!(blocked.found.try_recv().is_err());
    drop(taken);
}

// L-08, L-11
#[tokio::test]
async fn datagrams_of_all_kinds_are_survived() {
    let port = free_port();
    let mut node = Node::on_loopback(1, port, 11);
    node.node.insert(hash(1));
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let done = Arc::new(AtomicU64::new(0));
    let sent = Arc::clone(&done);
    let heard = Mutex::new(None);
    tokio::task::spawn_blocking(move || {
        let mut good = Vec::new();
        message::write(&mut good, Family::V4, 7, "other", &[hash(2), hash(1)]);
        while sent.load(Ordering::Relaxed) == 0 {
            for bytes in [&b""[..], b"BT-SEARCH", &[0xff; 1_000], &[b'\n'; 5_000], &good] {
                // The node's socket may not be there yet.
                let _ = stranger.send_to(bytes, (LOOPBACK, port));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    *heard.lock().unwrap() = Some(node.next().await);
    done.store(1, Ordering::Relaxed);
    let due = Found { hash: hash(1), address: (LOOPBACK, 7).into() };
    assert_eq!(heard.into_inner().unwrap(), Some(due));
}
