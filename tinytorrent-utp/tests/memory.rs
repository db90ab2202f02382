//! The memory and the time that connections take while nothing happens.
#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_utp::packet::{Header, Kind, Packet};
use tinytorrent_utp::{ConnectionId, Endpoint, EndpointConfig, SeqNr};

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

/// Ten thousand idle connections, and the bytes that each of them takes.
fn idle(now: Instant, keep_alive: Option<Duration>) -> (Endpoint, usize) {
    let (before, count) = (BYTES.get(), 10_000);
    let mut config = EndpointConfig::new([1; 32]);
    config.keep_alive(keep_alive);
    let mut endpoint = Endpoint::new(now, config);
    for n in 0..count {
        // A thousand of them a second.
        let now = now + Duration::from_millis(n as u64);
        let address = SocketAddr::from(([9, 1, (n / 250) as u8, (n % 250) as u8], 1));
        talk(&mut endpoint, now, address);
    }
    endpoint.handle_timeout(now + Duration::from_secs(20));
    assert_eq!(endpoint.stats().connections, count);
    (endpoint, (BYTES.get() - before) as usize / count)
}

#[test]
fn ten_thousand_idle_connections_take_1_5_kib_each() {
    for keep_alive in [None, Some(Duration::from_secs(29))] {
        let (endpoint, bytes) = idle(Instant::now(), keep_alive);
        println!("{bytes} bytes each, {keep_alive:?}");
        assert!(bytes < 1_536, "{bytes} bytes each");
        assert_eq!(endpoint.poll_timeout().is_none(), keep_alive.is_none());
    }
}

#[test]
fn idle_connections_are_kept_alive_together_on_the_second() {
    let start = Instant::now();
    let (mut endpoint, _) = idle(start, Some(Duration::from_secs(29)));
    let (mut wakes, mut packets, mut buffer) = (0, 0, [0; 2_000]);
    while let Some(now) =
        endpoint.poll_timeout().filter(|at| *at < start + Duration::from_secs(320))
    {
        endpoint.handle_timeout(now);
        while let Some(transmit) = endpoint.poll_transmit(now, &mut buffer) {
            let header = Packet::decode(&buffer[..transmit.length]).unwrap().header;
            assert_eq!((header.kind, transmit.length), (Kind::State, 20));
            packets += 1;
        }
        wakes += 1;
    }
    // Ten times in 300 seconds, for each thousand of one second.
    println!("{packets} packets of {wakes} wakes");
    assert!((100_000..=110_000).contains(&packets), "{packets}");
    assert!(wakes <= 320, "{wakes}");
}

/// Our end of a connection: its id at the endpoint, the number of our next packet, and the last one of theirs.
struct Peer {
    address: SocketAddr,
    id: ConnectionId,
    seq: SeqNr,
    ack: SeqNr,
}

/// Hands a packet to the endpoint, and returns the first header of the answer.
fn give(
    endpoint: &mut Endpoint,
    now: Instant,
    from: SocketAddr,
    (kind, connection, seq, ack): (Kind, u16, SeqNr, SeqNr),
    payload: &[u8],
) -> Option<Header> {
    let header = Header { kind, connection, timestamp: 1, delay: 1, window: 1 << 20, seq, ack };
    let (mut bytes, mut buffer) = ([0; 4_096], [0; 16 << 10]);
    let length = Packet { header, selective_ack: None, payload }.encode(&mut bytes);
    endpoint.handle_datagram(now, from, &bytes[..length]);
    let mut first = None;
    while let Some(transmit) = endpoint.poll_transmit(now, &mut buffer) {
        let packet = Packet::decode(&buffer[..transmit.segment]).unwrap();
        first = first.or(Some(packet.header));
    }
    first
}

/// Has a peer connect; both say something, and all of it is acknowledged and read.
fn talk(endpoint: &mut Endpoint, now: Instant, address: SocketAddr) -> Peer {
    let first = SeqNr::new(1);
    let syn = (Kind::Syn, 7, first, SeqNr::new(0));
    let ack = give(endpoint, now, address, syn, &[]).unwrap().seq.minus(1);
    give(endpoint, now, address, (Kind::Data, 8, first.plus(1), ack), &[1; 1_000]).unwrap();
    let id = endpoint.accept().unwrap();
    assert_eq!(endpoint.read(now, id, &mut [0; 4_096]), Ok(1_000));
    assert_eq!(endpoint.write(now, id, &[IoSlice::new(&[2; 3_000])]), Ok(3_000));
    let more = (Kind::Data, 8, first.plus(2), ack);
    assert_eq!(give(endpoint, now, address, more, b"more").unwrap().seq, ack.plus(1));
    assert_eq!(endpoint.read(now, id, &mut [0; 4_096]), Ok(4));
    let peer = Peer { address, id, seq: first.plus(3), ack: ack.plus(3) };
    give(endpoint, now, address, (Kind::State, 8, peer.seq, peer.ack), &[]);
    while endpoint.poll_event().is_some() {}
    peer
}

/// An endpoint with connections that share some memory, and what it is to take at most: all of that, four packets of
/// each, and what an idle connection takes.
fn crowd(now: Instant) -> (Endpoint, Vec<Peer>, usize) {
    let (memory, count) = (16 << 20, 1_000);
    let mut config = EndpointConfig::new([1; 32]);
    config.memory(memory);
    let mut endpoint = Endpoint::new(now, config);
    let address = |n: usize| SocketAddr::from(([9, 2, (n / 250) as u8, (n % 250) as u8], 1));
    let peers = (0..count).map(|n| talk(&mut endpoint, now, address(n))).collect();
    (endpoint, peers, memory + count * ((6 << 10) + 1_536))
}

#[test]
fn a_thousand_connections_that_nobody_reads_share_the_memory() {
    let before = BYTES.get();
    let now = Instant::now();
    let (mut endpoint, mut peers, most) = crowd(now);
    // They send more than there is room for, whatever windows say, and a part of it beyond gaps.
    for round in 0..100 {
        for peer in &mut peers {
            let packet = (Kind::Data, 8, peer.seq.plus(round % 2), peer.ack);
            let answer = give(&mut endpoint, now, peer.address, packet, &[1; 1_200]).unwrap();
            peer.seq = answer.ack.plus(1);
        }
    }
    let bytes = (BYTES.get() - before) as usize;
    println!("{bytes} bytes of {most}, {} counted", endpoint.stats().memory);
    // Rings have a quarter more than is in them.
    assert!(bytes < most * 5 / 4, "{bytes}");
    endpoint.check_invariants();
    // The last one is read, and goes on.
    let Some(Peer { address, id, seq, ack }) = peers.pop() else { return };
    let held = endpoint.readable(id);
    assert!((6 << 10..30 << 10).contains(&held), "{held} bytes");
    let mut read = 0;
    for n in 0..100 {
        let length = endpoint.read(now, id, &mut [0; 64 << 10]).unwrap();
        let packet = (Kind::Data, 8, seq.plus(n), ack);
        let answer = give(&mut endpoint, now, address, packet, &[1; 1_200]).unwrap();
        assert_eq!(answer.ack, seq.plus(n));
        assert!(answer.window >= 4 << 10, "{answer:?}");
        read += length;
    }
    assert_eq!(read, held + 99 * 1_200);
}

#[test]
fn a_thousand_connections_whose_peers_take_nothing_share_the_memory() {
    let before = BYTES.get();
    let now = Instant::now();
    let (mut endpoint, peers, most) = crowd(now);
    for _ in 0..100 {
        for peer in &peers {
            let room = endpoint.writable(peer.id);
            let written = endpoint.write(now, peer.id, &[IoSlice::new(&[1; 10_000])]);
            assert_eq!(written.unwrap_or(0), room.min(10_000));
        }
    }
    let bytes = (BYTES.get() - before) as usize;
    println!("{bytes} bytes of {most}, {} counted", endpoint.stats().memory);
    assert!(bytes < most * 5 / 4, "{bytes}");
    for peer in &peers {
        endpoint.reset(peer.id);
    }
    assert_eq!(endpoint.stats().memory, 0);
}
