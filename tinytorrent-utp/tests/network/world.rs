//! Endpoints on links, with clocks that are apart, and streams of known bytes over them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tinytorrent_utp::{
    ConnectionId, ConnectionStats, Endpoint, EndpointConfig, Event, StreamError,
};

use crate::link::Link;

/// Two endpoints, the link from each to the other, and streams between them.
pub(crate) struct World {
    pub(crate) at: Duration,
    pub(crate) nodes: [Node; 2],
    pub(crate) links: [Link; 2],
    rng: StdRng,
    arrivals: BinaryHeap<Arrival>,
    sent: u64,
    buffer: Vec<u8>,
}

/// The arrival of a datagram, its number in the order of sending, its receiver, and its bytes; the earliest first.
type Arrival = Reverse<(Duration, u64, usize, Vec<u8>)>;

pub(crate) struct Node {
    pub(crate) endpoint: Endpoint,
    pub(crate) address: SocketAddr,
    start: Instant,
    /// Seconds by which the clock runs fast in each second.
    drift: f64,
    pub(crate) streams: Vec<Stream>,
    /// Bytes to be written to each connection of the other.
    pub(crate) answer: u64,
}

/// The application's end of a connection.
pub(crate) struct Stream {
    pub(crate) id: ConnectionId,
    /// Bytes to be written, and those that were.
    pub(crate) to_write: u64,
    pub(crate) written: u64,
    pub(crate) read: u64,
    /// True if the stream is ended after all was written.
    pub(crate) ends: bool,
    /// False while nothing is read.
    pub(crate) reads: bool,
    pub(crate) has_ended: bool,
    pub(crate) is_delivered: bool,
    pub(crate) failure: Option<StreamError>,
    is_shut: bool,
}

impl Stream {
    fn new(id: ConnectionId, to_write: u64) -> Self {
        Self {
            id,
            to_write,
            written: 0,
            read: 0,
            ends: true,
            reads: true,
            has_ended: false,
            is_delivered: false,
            failure: None,
            is_shut: false,
        }
    }
}

/// Bytes that repeat after a prime, so that no shift by whole packets goes unseen.
fn pattern(from: u64, length: usize) -> Vec<u8> {
    (from..from + length as u64).map(|n| ((n % 65_521) * 31 % 251) as u8).collect()
}

impl World {
    pub(crate) fn new(links: [Link; 2]) -> Self {
        Self::with_configs(links, 1, |_| ())
    }

    pub(crate) fn with_configs(
        links: [Link; 2],
        seed: u8,
        change: impl Fn(&mut EndpointConfig),
    ) -> Self {
        let start = Instant::now();
        let node = |n: u8| {
            let mut config = EndpointConfig::new([seed.wrapping_add(n); 32]);
            change(&mut config);
            // Clocks that nobody has set.
            let start = start + Duration::from_secs(u64::from(n) * 1_000);
            let address = SocketAddr::from(([n + 1, 1, 1, 1], 6881));
            Node {
                endpoint: Endpoint::new(start, config),
                address,
                start,
                drift: 0.0,
                streams: Vec::new(),
                answer: 0,
            }
        };
        Self {
            at: Duration::ZERO,
            nodes: [node(0), node(1)],
            links,
            rng: StdRng::from_seed([seed; 32]),
            arrivals: BinaryHeap::new(),
            sent: 0,
            buffer: vec![0; 16 << 10],
        }
    }

    /// Has the clock of a node run fast by so many parts of a million.
    pub(crate) fn drift(&mut self, node: usize, millionths: f64) {
        self.nodes[node].drift = millionths / 1e6;
    }

    /// Opens a connection from `node` to the other one, over which it writes so many bytes.
    pub(crate) fn connect(&mut self, node: usize, to_write: u64) -> usize {
        let to = self.nodes[1 - node].address;
        let now = self.now(node);
        let node = &mut self.nodes[node];
        let id = node.endpoint.connect(now, to).unwrap();
        node.streams.push(Stream::new(id, to_write));
        node.streams.len() - 1
    }

    pub(crate) fn now(&self, node: usize) -> Instant {
        let node = &self.nodes[node];
        node.start + self.at.mul_f64(1.0 + node.drift)
    }

    /// The instant of a node as time of the world, rounded up.
    fn time_of(&self, node: usize, instant: Instant) -> Duration {
        let node = &self.nodes[node];
        let local = instant.saturating_duration_since(node.start);
        local.div_f64(1.0 + node.drift) + Duration::from_nanos(2)
    }

    /// Goes on until nothing happens any more, or for so long. True if nothing happens any more.
    pub(crate) fn run(&mut self, most: Duration) -> bool {
        let end = self.at + most;
        self.exchange();
        loop {
            let timeouts = (0..2).filter_map(|node| {
                Some(self.time_of(node, self.nodes[node].endpoint.poll_timeout()?))
            });
            let arrival = self.arrivals.peek().map(|Reverse((at, ..))| *at);
            let next = timeouts.chain(arrival).min();
            let Some(next) = next.map(|next| next.max(self.at)) else { return true };
            if next > end {
                self.at = end;
                return false;
            }
            self.at = next;
            // A batch of what comes within as much as a host takes to wake.
            while self.arrivals.peek().is_some_and(|Reverse((at, ..))| *at <= next) {
                let Some(Reverse((_, _, to, bytes))) = self.arrivals.pop() else { break };
                let (now, from) = (self.now(to), self.nodes[1 - to].address);
                self.nodes[to].endpoint.handle_datagram(now, from, &bytes);
            }
            for node in 0..2 {
                let now = self.now(node);
                self.nodes[node].endpoint.handle_timeout(now);
            }
            self.exchange();
        }
    }

    /// Has the applications do their part, and the endpoints send.
    pub(crate) fn exchange(&mut self) {
        for node in 0..2 {
            let now = self.now(node);
            self.nodes[node].work(now);
            if self.sent.is_multiple_of(64) {
                self.nodes[node].endpoint.check_invariants();
            }
            while let Some(transmit) =
                self.nodes[node].endpoint.poll_transmit(now, &mut self.buffer)
            {
                assert_eq!(transmit.to, self.nodes[1 - node].address);
                assert!(
                    transmit.segment <= transmit.length && transmit.length <= self.buffer.len()
                );
                assert!(!transmit.dont_fragment || transmit.length == transmit.segment);
                for segment in self.buffer[..transmit.length].chunks(transmit.segment) {
                    let link = &mut self.links[node];
                    for comes in
                        link.carry(self.at, segment.len(), transmit.dont_fragment, &mut self.rng)
                    {
                        self.sent += 1;
                        self.arrivals.push(Reverse((comes, self.sent, 1 - node, segment.to_vec())));
                    }
                }
            }
        }
    }

    pub(crate) fn stats(&self, node: usize, stream: usize) -> ConnectionStats {
        let Node { endpoint, streams, .. } = &self.nodes[node];
        endpoint.connection_stats(streams[stream].id).expect("it is not closed")
    }

    /// The bytes that a stream of the second node has read, by the order in which it was accepted.
    pub(crate) fn received(&self, stream: usize) -> u64 {
        self.nodes[1].streams.get(stream).map_or(0, |stream| stream.read)
    }

    /// Both ends of all streams have ended, each with what the other wrote.
    pub(crate) fn assert_all_delivered(&self) {
        for (node, other) in [(0, 1), (1, 0)] {
            let (ours, theirs) = (&self.nodes[node].streams, &self.nodes[other].streams);
            assert_eq!(ours.len(), theirs.len());
            for stream in ours {
                assert_eq!(stream.failure, None);
                assert_eq!(stream.written, stream.to_write);
                assert!(stream.has_ended && stream.is_delivered);
            }
            let written: u64 = ours.iter().map(|stream| stream.written).sum();
            let read: u64 = theirs.iter().map(|stream| stream.read).sum();
            assert_eq!(written, read);
        }
    }
}

impl Node {
    /// Takes events and connections, reads all and writes what there is room for.
    fn work(&mut self, now: Instant) {
        while let Some(id) = self.endpoint.accept() {
            self.streams.push(Stream::new(id, self.answer));
        }
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::Delivered(id) = event {
                let stream = self.streams.iter_mut().find(|stream| stream.id == id);
                stream.expect("it is of a stream").is_delivered = true;
            }
        }
        for stream in &mut self.streams {
            read(&mut self.endpoint, now, stream);
            write(&mut self.endpoint, now, stream);
        }
    }
}

fn read(endpoint: &mut Endpoint, now: Instant, stream: &mut Stream) {
    let mut buffer = [0; 4 << 10];
    while stream.reads && !stream.has_ended && stream.failure.is_none() {
        match endpoint.read(now, stream.id, &mut buffer) {
            Ok(0) => stream.has_ended = true,
            Ok(length) => {
                assert!(buffer[..length] == pattern(stream.read, length), "at {}", stream.read);
                stream.read += length as u64;
            }
            Err(StreamError::WouldBlock) => break,
            Err(error) => stream.failure = Some(error),
        }
    }
}

fn write(endpoint: &mut Endpoint, now: Instant, stream: &mut Stream) {
    while stream.written < stream.to_write && stream.failure.is_none() {
        // A single byte finds out whether there is no room or no connection.
        let room = endpoint.writable(stream.id).clamp(1, 16 << 10);
        let length = (stream.to_write - stream.written).min(room as u64) as usize;
        let bytes = pattern(stream.written, length);
        let (first, second) = bytes.split_at(length / 3);
        match endpoint.write(now, stream.id, &[IoSlice::new(first), IoSlice::new(second)]) {
            Ok(taken) => stream.written += taken as u64,
            Err(StreamError::WouldBlock) => break,
            Err(error) => stream.failure = Some(error),
        }
    }
    if stream.ends && stream.written == stream.to_write && !stream.is_shut {
        stream.is_shut = endpoint.shutdown(now, stream.id).is_ok();
    }
}
