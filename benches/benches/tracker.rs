//! What trackers cost: reading answers, one exchange over UDP, and the answer to an announce without
//! the sockets. `benches/trackers` measures whole trackers.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tinytorrent_tracker::http::{PeerFormat, read_announce, write_announce};
use tinytorrent_tracker::server::{ServerConfig, Tracker};
use tinytorrent_tracker::udp::{
    Announce, Exchange, ExchangeConfig, Request, RequestBody, Response, ResponseBody,
};
use tinytorrent_tracker::{AnnounceEvent, AnnounceRequest, AnnounceResponse, Peer};
use tinytorrent_types::compact::{self, Family};
use tinytorrent_types::{PeerId, WireInfoHash};

const PEERS: usize = 200;
const TORRENTS: u32 = 1_000_000;

fn peers() -> Vec<Peer> {
    let address = |n: usize| SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 6881));
    let id = Some(PeerId::from_bytes([7; 20]));
    (0..PEERS).map(|n| Peer { address: address(n), id }).collect()
}

fn reading(c: &mut Criterion) {
    let mut packed = Vec::new();
    peers().iter().for_each(|peer| compact::write(peer.address, &mut packed));
    let mut response = AnnounceResponse::default();
    response.interval = Some(Duration::from_secs(1800));
    response.peers = peers();
    let body = |format| {
        let mut out = Vec::new();
        write_announce(&response, format, &mut out);
        out
    };
    let dictionaries = body(PeerFormat::Dictionaries { no_peer_id: false });
    let compact_body = body(PeerFormat::Compact);
    let mut group = c.benchmark_group("tracker/read");
    group.throughput(Throughput::Elements(PEERS as u64));
    let mut read = Vec::with_capacity(PEERS);
    group.bench_function("200 compact peers", |b| {
        b.iter(|| {
            read.clear();
            read.extend(compact::peers(black_box(&packed), Family::V4));
            read.len()
        });
    });
    group.bench_function("compact response", |b| {
        b.iter(|| read_announce(black_box(&compact_body)).map(|read| read.peers.len()));
    });
    group.bench_function("dictionary response", |b| {
        b.iter(|| read_announce(black_box(&dictionaries)).map(|read| read.peers.len()));
    });
    group.finish();
}

/// Connect, announce, and a reply with fifty peers.
fn exchange(c: &mut Criterion) {
    let tracker: SocketAddr = (Ipv4Addr::LOCALHOST, 6969).into();
    let mut exchange = Exchange::new(ExchangeConfig::new([7; 32]));
    let (mut now, mut sent, mut reply) = (Instant::now(), Vec::new(), Vec::new());
    let packed = [7; 50 * 6];
    c.bench_function("tracker/one udp exchange", |b| {
        b.iter(|| {
            // So that each exchange has to connect.
            now += Duration::from_secs(61);
            exchange.handle_timeout(now);
            exchange.start_announce(now, tracker, &announce(0), b"/announce");
            for body in [
                ResponseBody::Connect { connection_id: 7 },
                ResponseBody::Announce { interval: 1800, leechers: 1, seeders: 1, peers: &packed },
            ] {
                exchange.poll_transmit(&mut sent).expect("a datagram");
                let transaction_id = transaction_of(&sent);
                reply.clear();
                Response { transaction_id, body }.write(&mut reply);
                exchange.handle_datagram(now, tracker, &reply);
            }
            exchange.poll_outcome().expect("an outcome")
        });
    });
}

/// Announces of known peers, one for each of many torrents, as a tracker without sockets answers them.
fn answering(c: &mut Criterion) {
    let (now, from) = (Instant::now(), SocketAddr::from(([192, 0, 2, 1], 6881)));
    let mut config = ServerConfig::default();
    // Nobody has to make room.
    config.max_torrents(2 * TORRENTS as usize).max_addresses(2 * TORRENTS as usize);
    let tracker = Tracker::new(config, 7, now);
    let (mut datagram, mut reply) = (Vec::new(), Vec::new());
    Request { transaction_id: 1, body: RequestBody::Connect }.write(&mut datagram);
    tracker.handle_datagram(now, from, &datagram, &mut reply);
    let Ok(Response { body: ResponseBody::Connect { connection_id }, .. }) = Response::read(&reply)
    else {
        panic!("no connection id")
    };
    let mut torrent = 0;
    let mut next = || {
        // An odd step goes through all of them, and nothing is in the cache when its turn comes.
        torrent = (torrent + 611_953) % TORRENTS;
        datagram.clear();
        Announce::from(&announce(torrent)).write(connection_id, 1, &mut datagram);
        reply.clear();
        tracker.handle_datagram(now, from, &datagram, &mut reply);
        reply.len()
    };
    (0..TORRENTS).for_each(|_| assert!(next() >= 20));
    c.bench_function("tracker/an announce to one of a million torrents", |b| b.iter(&mut next));
}

fn announce(torrent: u32) -> AnnounceRequest {
    let mut hash = [0xab; 20];
    hash[..4].copy_from_slice(&torrent.to_be_bytes());
    let (hash, id) = (WireInfoHash::from_bytes(hash), PeerId::from_bytes([3; 20]));
    let mut request = AnnounceRequest::new(hash, id, 6881, 9);
    (request.event, request.left) = (AnnounceEvent::Started, Some(5));
    request
}

fn transaction_of(request: &[u8]) -> u32 {
    u32::from_be_bytes(request[12..16].try_into().expect("four bytes"))
}

criterion_group!(benches, reading, exchange, answering);
criterion_main!(benches);
