//! The memory of a node that knows many nodes and keeps many peers.
#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tinytorrent_dht::message::{Body, Message, Method, Query, Response};
use tinytorrent_dht::{Family, Node, NodeConfig, NodeId};
use tinytorrent_types::WireInfoHash;

/// The allocator of the system, which counts the bytes that each thread has.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static BYTES: Cell<i64> = const { Cell::new(0) };
}

fn add(bytes: i64) {
    BYTES.with(|count| count.set(count.get() + bytes));
}

// SAFETY: All is left to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as i64);
        // SAFETY: The caller keeps the same promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-(layout.size() as i64));
        // SAFETY: The caller keeps the same promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size as i64 - layout.size() as i64);
        // SAFETY: The caller keeps the same promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Hosts and torrents; each host is a peer of each torrent.
const EACH: usize = 100;

/// The buckets of the table. The largest networks fill some twenty.
const BUCKETS: usize = 150;

#[test]
fn a_full_table_and_10_000_peers_take_less_than_4_mib() {
    let before = BYTES.get();
    let now = Instant::now();
    let mut config = NodeConfig::new([1; 32]);
    config.only(Family::V4).answer_bytes_per_second(u32::MAX).queries_per_host(u32::MAX);
    let mut node = Node::new(now, config);
    fill_table(&mut node, now);
    for n in 0..EACH * EACH {
        announce(&mut node, now, n / EACH, ([30, 1, (n % EACH) as u8, 1], 6881).into());
    }
    let stats = node.stats();
    assert_eq!((stats.nodes_v4, stats.peers, stats.torrents), (BUCKETS * 8, EACH * EACH, EACH));
    let bytes = BYTES.get() - before;
    println!("{bytes} bytes");
    assert!(bytes < 4 << 20);
}

/// Has the node ask hosts that answer with ids for all buckets.
fn fill_table(node: &mut Node, now: Instant) {
    let own = node.id(Family::V4).expect("it has IPv4");
    let mut rng = StdRng::from_seed([2; 32]);
    for n in 0..BUCKETS * 8 {
        let address = SocketAddr::from(([20 + (n / 250) as u8, (n % 250) as u8, 1, 1], 6881));
        let id = own.random_sharing(n / 8, &mut rng);
        node.add_node(now, address);
        while let Some(query) = node.poll_transmit() {
            let query = Message::decode(&query.bytes).unwrap();
            let answer = Body::Response(Box::new(Response::new(id)));
            node.handle_datagram(now, address, &written(query.transaction, answer));
        }
    }
}

/// Announces a host with the token that it gets.
fn announce(node: &mut Node, now: Instant, torrent: usize, from: SocketAddr) {
    let info_hash = WireInfoHash::from_bytes([torrent as u8; 20]);
    let mut ask = |method| {
        let query = Body::Query(Query::new(NodeId::from_bytes([1; 20]), method));
        node.handle_datagram(now, from, &written(b"aa", query));
        node.poll_transmit().expect("it is answered").bytes
    };
    let answer = ask(Method::GetPeers { info_hash, no_seeds: false, scrape: false });
    let Body::Response(response) = Message::decode(&answer).unwrap().body else { panic!() };
    let token = response.token.expect("there is room");
    let [implied_port, is_seed] = [false; 2];
    ask(Method::AnnouncePeer { info_hash, port: 1, implied_port, is_seed, token });
}

fn written(transaction: &[u8], body: Body<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Message::new(transaction, body).encode(&mut bytes);
    bytes
}
