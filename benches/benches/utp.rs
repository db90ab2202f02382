//! The cost of a packet of uTP without sockets: two endpoints that hand each other datagrams, 40 at a time as sockets do.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tinytorrent_utp::{ConnectionId, Endpoint, EndpointConfig};

/// Bytes of a transfer, and those that are written and read at once.
const BYTES: usize = 16 << 20;
const CHUNK: usize = 64 << 10;

/// Payload of a packet for a link of 1,500 bytes.
const PACKET: usize = 1_452;

/// Two endpoints with a connection, a tenth of a millisecond apart.
struct Pair {
    now: Instant,
    ends: [Endpoint; 2],
    addresses: [SocketAddr; 2],
    ids: [ConnectionId; 2],
    buffer: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let mut ends = [1, 2].map(|n| Endpoint::new(now, EndpointConfig::new([n; 32])));
        let addresses = [1, 2].map(|n| SocketAddr::from(([n, 1, 1, 1], 1)));
        let id = ends[0].connect(now, addresses[1]).expect("there is room");
        let mut pair = Self { now, ends, addresses, ids: [id; 2], buffer: vec![0; 60 << 10] };
        for _ in 0..3 {
            pair.exchange();
        }
        pair.ids[1] = pair.ends[1].accept().expect("it is confirmed");
        pair
    }

    /// Hands over what both ends have to send, and what the time brings.
    fn exchange(&mut self) {
        for from in 0..2 {
            let to = 1 - from;
            while let Some(transmit) = self.ends[from].poll_transmit(self.now, &mut self.buffer) {
                self.now += Duration::from_micros(1);
                for datagram in self.buffer[..transmit.length].chunks(transmit.segment) {
                    self.ends[to].handle_datagram(self.now, self.addresses[from], datagram);
                }
            }
        }
        self.now += Duration::from_micros(100);
        for end in &mut self.ends {
            end.handle_timeout(self.now);
            while end.poll_event().is_some() {}
        }
    }

    /// Sends so many bytes, and reads them.
    fn transfer(&mut self, bytes: usize) {
        let (chunk, mut read_into) = (vec![7; CHUNK], vec![0; CHUNK]);
        let (mut written, mut read) = (0, 0);
        while read < bytes {
            // As much as a window of a fast path.
            while written < bytes && written - read < 8 * CHUNK {
                let slices = [IoSlice::new(&chunk[..CHUNK.min(bytes - written)])];
                let Ok(taken) = self.ends[0].write(self.now, self.ids[0], &slices) else { break };
                written += taken;
            }
            self.exchange();
            while let Ok(length) = self.ends[1].read(self.now, self.ids[1], &mut read_into) {
                read += length;
            }
        }
    }
}

fn transfer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("utp");
    group.throughput(Throughput::Elements((BYTES / PACKET) as u64));
    let mut pair = Pair::new();
    pair.transfer(BYTES);
    group.bench_function("packets", |bench| bench.iter(|| pair.transfer(BYTES)));
    group.finish();
}

criterion_group!(benches, transfer);
criterion_main!(benches);
