//! The cost of a node of the DHT without sockets: an answer to each kind of query, and messages read and written.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tinytorrent_dht::message::{Body, Message, Method, Query, Response};
use tinytorrent_dht::{Node, NodeConfig, NodeId};
use tinytorrent_types::WireInfoHash;
use tinytorrent_types::compact::Family;

/// Hosts that ask, and torrents that each of them is announced for: 10,000 peers.
const HOSTS: usize = 100;
const TORRENTS: usize = 100;

/// Nodes that a bucket has.
const EACH: usize = 8;

/// A node with a table and peers, and hosts that ask it.
struct Asked {
    node: Node,
    now: Instant,
    rng: StdRng,
    turn: usize,
}

impl Asked {
    /// A node whose table has so many full buckets: about 20 in the Mainline DHT.
    fn new(buckets: usize) -> Self {
        let now = Instant::now();
        let mut config = NodeConfig::new([7; 32]);
        config.only(Family::V4).answer_bytes_per_second(u32::MAX).queries_per_host(u32::MAX);
        let node = Node::new(now, config);
        let mut asked = Self { node, now, rng: StdRng::from_seed([8; 32]), turn: 0 };
        let own = asked.node.id(Family::V4).expect("it has IPv4");
        for n in 0..buckets * EACH {
            let id = own.random_sharing(n / EACH, &mut asked.rng);
            asked.add_node(id, ([20 + (n / 250) as u8, (n % 250) as u8, 1, 1], 6881).into());
        }
        assert_eq!(asked.node.stats().nodes_v4, buckets * EACH);
        asked
    }

    /// Makes the node ask an address, and answers it.
    fn add_node(&mut self, id: NodeId, address: SocketAddr) {
        self.node.add_node(self.now, address);
        while let Some(query) = self.node.poll_transmit() {
            let Ok(query) = Message::decode(&query.bytes) else { continue };
            let answer = Body::Response(Box::new(Response::new(id)));
            let mut datagram = Vec::new();
            Message::new(query.transaction, answer).encode(&mut datagram);
            self.node.handle_datagram(self.now, address, &datagram);
        }
    }

    /// Hands a query to the node, and returns its answer.
    fn ask(&mut self, from: SocketAddr, query: &[u8]) -> Vec<u8> {
        // So that the budget of answers grows.
        self.now += Duration::from_micros(1);
        self.node.handle_datagram(self.now, from, query);
        self.node.poll_transmit().expect("each is answered").bytes
    }

    /// A token, and the announcement that it allows, for each host and torrent.
    fn announcements(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut announcements = Vec::new();
        for n in 0..HOSTS * TORRENTS {
            let (from, info_hash) = (host(n), torrent(n / HOSTS));
            let answer = self.ask(from, &query(n, get_peers(info_hash)));
            let answer = Message::decode(&answer).expect("it is a message");
            let Body::Response(response) = answer.body else { panic!("it is no answer") };
            let token = response.token.expect("there is room");
            let [implied_port, is_seed] = [false; 2];
            let method = Method::AnnouncePeer { info_hash, port: 1, implied_port, is_seed, token };
            announcements.push((from, query(n, method)));
        }
        announcements
    }
}

fn host(n: usize) -> SocketAddr {
    ([30, 1, (n % HOSTS) as u8, 1], 6881).into()
}

fn torrent(n: usize) -> WireInfoHash {
    WireInfoHash::from_bytes([(n % TORRENTS) as u8; 20])
}

fn get_peers(info_hash: WireInfoHash) -> Method<'static> {
    Method::GetPeers { info_hash, no_seeds: false, scrape: false }
}

fn query(n: usize, method: Method<'_>) -> Vec<u8> {
    let mut datagram = Vec::new();
    let query = Query::new(NodeId::from_bytes([(n % HOSTS) as u8; 20]), method);
    Message::new(b"abcd", Body::Query(query)).encode(&mut datagram);
    datagram
}

fn answering(c: &mut Criterion) {
    let mut group = c.benchmark_group("dht/answer");
    for buckets in [10, 150] {
        let mut asked = Asked::new(buckets);
        let announcements = asked.announcements();
        announcements.iter().for_each(|(from, query)| _ = asked.ask(*from, query));
        assert_eq!(asked.node.stats().peers, HOSTS * TORRENTS);
        let mut bench = |name: &str, queries: &[(SocketAddr, Vec<u8>)]| {
            group.bench_function(BenchmarkId::new(name, format!("{buckets} buckets")), |b| {
                b.iter(|| {
                    asked.turn = (asked.turn + 1) % queries.len();
                    let (from, query) = &queries[asked.turn];
                    asked.ask(*from, query)
                });
            });
        };
        let mut rng = StdRng::from_seed([9; 32]);
        let mut queries = |mut method: Box<dyn FnMut(usize, NodeId) -> Method<'static>>| {
            let query = |n| (host(n), query(n, method(n, rng.random::<[u8; 20]>().into())));
            (0..10_000).map(query).collect::<Vec<_>>()
        };
        bench("announce_peer", &announcements);
        bench("ping", &queries(Box::new(|_, _| Method::Ping)));
        bench("find_node", &queries(Box::new(|_, target| Method::FindNode { target })));
        bench("get_peers of 100 peers", &queries(Box::new(|n, _| get_peers(torrent(n)))));
        bench("get_peers without peers", &queries(Box::new(|_, target| get_peers(target.into()))));
    }
    group.finish();
}

fn messages(c: &mut Criterion) {
    let mut asked = Asked::new(10);
    let mut group = c.benchmark_group("dht/message");
    let query = query(0, get_peers(torrent(0)));
    let answer = asked.ask(host(0), &query);
    for (name, datagram) in [("get_peers", &query), ("its answer", &answer)] {
        group.bench_function(BenchmarkId::new("decode", name), |b| {
            b.iter(|| Message::decode(black_box(datagram)).is_ok());
        });
        let message = Message::decode(datagram).expect("it is a message");
        let mut out = Vec::new();
        group.bench_function(BenchmarkId::new("encode", name), |b| {
            b.iter(|| {
                out.clear();
                black_box(&message).encode(&mut out);
                out.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, answering, messages);
criterion_main!(benches);
