//! The memory and the time that connections take while nothing happens.
#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_utp::packet::{Header, Kind, Packet};
use tinytorrent_utp::{Endpoint, EndpointConfig, SeqNr};

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

const CONNECTIONS: usize = 10_000;

#[test]
fn ten_thousand_idle_connections_take_1_5_kib_each_and_no_timer() {
    let before = BYTES.get();
    let now = Instant::now();
    let mut endpoint = Endpoint::new(now, EndpointConfig::new([1; 32]));
    for n in 0..CONNECTIONS {
        talk(&mut endpoint, now, SocketAddr::from(([9, 1, (n / 250) as u8, (n % 250) as u8], 1)));
    }
    endpoint.handle_timeout(now + Duration::from_secs(10));
    assert_eq!(endpoint.stats().connections, CONNECTIONS);
    assert_eq!(endpoint.poll_timeout(), None);
    let bytes = (BYTES.get() - before) as usize / CONNECTIONS;
    println!("{bytes} bytes each");
    assert!(bytes < 1_536, "{bytes} bytes each");
}

/// Has a peer connect; both say something, and all of it is acknowledged and read.
fn talk(endpoint: &mut Endpoint, now: Instant, from: SocketAddr) {
    let mut buffer = vec![0; 16 << 10];
    let mut give = |endpoint: &mut Endpoint, kind, connection, seq, ack, payload| {
        let header = Header { kind, connection, timestamp: 1, delay: 1, window: 1 << 20, seq, ack };
        let mut bytes = vec![0; 4_096];
        let length = Packet { header, selective_ack: None, payload }.encode(&mut bytes);
        endpoint.handle_datagram(now, from, &bytes[..length]);
        let mut first = None;
        while let Some(transmit) = endpoint.poll_transmit(now, &mut buffer) {
            let packet = Packet::decode(&buffer[..transmit.segment]).unwrap();
            first = first.or(Some(packet.header));
        }
        first
    };
    let first = SeqNr::new(1);
    let answer = give(endpoint, Kind::Syn, 7, first, SeqNr::new(0), &[]).unwrap();
    let theirs = answer.seq.minus(1);
    give(endpoint, Kind::Data, 8, first.plus(1), theirs, &[1; 1_000]).unwrap();
    let id = endpoint.accept().unwrap();
    assert_eq!(endpoint.read(now, id, &mut [0; 4_096]), Ok(1_000));
    assert_eq!(endpoint.write(now, id, &[IoSlice::new(&[2; 3_000])]), Ok(3_000));
    let last = give(endpoint, Kind::Data, 8, first.plus(2), theirs, b"more").unwrap();
    assert_eq!(last.seq, theirs.plus(1));
    assert_eq!(endpoint.read(now, id, &mut [0; 4_096]), Ok(4));
    give(endpoint, Kind::State, 8, first.plus(3), theirs.plus(3), &[]);
    while endpoint.poll_event().is_some() {}
}
