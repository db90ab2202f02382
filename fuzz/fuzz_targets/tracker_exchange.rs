//! The exchange with UDP trackers under any operations: every request ends once, and all at last.
#![no_main]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_tracker::AnnounceRequest;
use tinytorrent_tracker::udp::{Exchange, ExchangeConfig};
use tinytorrent_types::{PeerId, WireInfoHash};

fuzz_target!(|bytes: &[u8]| {
    // Two bytes of an operation name up to 255 torrents of a scrape, of 20 bytes each.
    within(bytes.len(), 4 << 10, 64 << 10, || run(bytes));
});

fn run(bytes: &[u8]) {
    let mut now = Instant::now();
    let mut exchange = Exchange::new(ExchangeConfig::new([7; 32]));
    let (mut open, mut sent, mut datagram) = (HashSet::new(), Vec::new(), Vec::new());
    let hash = WireInfoHash::from_bytes([1; 20]);
    let request = AnnounceRequest::new(hash, PeerId::from_bytes([2; 20]), 6881, 3);
    let tracker = |n: u8| SocketAddr::from(([192, 0, 2, n % 4], 6969));
    let mut input = bytes;
    while let [operation, argument, rest @ ..] = input {
        input = rest;
        match operation % 7 {
            0 => _ = open.insert(exchange.start_announce(now, tracker(*argument), &request, b"/")),
            1 => {
                let hashes = vec![hash; usize::from(*argument)];
                open.insert(exchange.start_scrape(now, tracker(*argument), &hashes));
            }
            2 => now += Duration::from_secs(u64::from(*argument)),
            3 => exchange.handle_timeout(now),
            4 => {
                let picked = open.iter().copied().nth(usize::from(*argument) % open.len().max(1));
                if let Some(id) = picked {
                    exchange.cancel(id);
                    open.remove(&id);
                }
            }
            5 if !sent.is_empty() => {
                let (to, transaction): (SocketAddr, [u8; 4]) =
                    sent[usize::from(*argument) % sent.len()];
                let (head, tail) = rest.split_at(rest.len().min(24));
                input = tail;
                let action = [0, 0, 0, head.first().copied().unwrap_or(0) % 5];
                let reply = [&action, &transaction[..], head].concat();
                exchange.handle_datagram(now, to, &reply);
            }
            _ => {
                let (noise, tail) = rest.split_at(rest.len().min(usize::from(*argument)));
                input = tail;
                exchange.handle_datagram(now, tracker(*argument), noise);
            }
        }
        drain(&mut exchange, &mut open, &mut sent, &mut datagram);
    }
    while let Some(wake) = exchange.poll_timeout() {
        exchange.handle_timeout(wake);
        drain(&mut exchange, &mut open, &mut sent, &mut datagram);
    }
    assert!(open.is_empty(), "a request never ended");
}

type Sent = Vec<(SocketAddr, [u8; 4])>;

fn drain(
    exchange: &mut Exchange,
    open: &mut HashSet<tinytorrent_tracker::udp::RequestId>,
    sent: &mut Sent,
    datagram: &mut Vec<u8>,
) {
    while let Some(to) = exchange.poll_transmit(datagram) {
        let transaction = datagram[12..16].try_into().expect("four bytes");
        sent.push((to, transaction));
    }
    while let Some((id, _)) = exchange.poll_outcome() {
        assert!(open.remove(&id), "a request ended twice, or after it was cancelled");
    }
    assert_eq!(exchange.pending_requests(), open.len());
    exchange.check_invariants();
}
