//! Two hosts on a path, for uTP alone and beside others.
//!
//! Each direction is a [`Link`] with a rate, a queue, a delay and faults. The clocks of the hosts are apart and may drift.
//! One seed gives one history.
//!
//! ```
//! use std::time::Duration;
//! use tinytorrent_sim::utp::{Link, World};
//!
//! let mut world = World::new([Link::new(20.0, Duration::from_millis(25)), Link::default()]);
//! world.connect(0, 1 << 20);
//! assert!(world.run(Duration::from_secs(10)), "nothing is left to happen");
//! assert_eq!(world.hosts[1].streams[0].read, 1 << 20);
//! ```

mod host;
mod link;
mod socket;
mod stream;
mod tcp;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tinytorrent_utp::EndpointConfig;

pub use self::host::{Clock, Host};
use self::link::Size;
pub use self::link::{Link, Traffic, Waits};
pub use self::socket::Socket;
pub use self::stream::Stream;
pub use self::tcp::Flow;
use crate::queue::Queue;

/// Two hosts, the link from each to the other, and streams between them.
///
/// Fields may be changed between two runs.
#[derive(Debug)]
pub struct World {
    /// The time that has passed.
    pub at: Duration,
    /// The two ends.
    pub hosts: [Host; 2],
    /// The links from each host to the other.
    pub links: [Link; 2],
    /// The packets that pass them.
    pub traffic: [Traffic; 2],
    /// Flows of TCP on the same links.
    pub neighbours: Vec<Flow>,
    rng: StdRng,
    queue: Queue<Duration, Happening>,
    buffer: Vec<u8>,
    /// Times that a host sent, to check it now and then.
    turns: u64,
}

#[derive(Debug)]
enum Happening {
    /// A datagram reaches a host.
    Datagram { to: usize, bytes: Vec<u8> },
    /// A packet of a neighbour reaches its receiver.
    Segment { flow: usize, number: u64 },
    /// An acknowledgement reaches the sender of a neighbour.
    Ack { flow: usize, ack: tcp::Ack },
}

impl World {
    /// A world with default settings, and a seed of 1.
    pub fn new(links: [Link; 2]) -> Self {
        Self::with_configs(links, 1, |_| ())
    }

    /// A world with other settings of both endpoints.
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the first one")]
    pub fn with_configs(links: [Link; 2], seed: u8, change: impl Fn(&mut EndpointConfig)) -> Self {
        let start = Instant::now();
        let host = |n: u8| {
            let mut config = EndpointConfig::new([seed.wrapping_add(n); 32]);
            // A world in which nothing is left to do ends.
            config.keep_alive(None);
            change(&mut config);
            // Clocks are apart by any time.
            let clock = Clock::new(start + Duration::from_secs(u64::from(n) * 1_000));
            Host::new(SocketAddr::from(([n + 1, 1, 1, 1], 6881)), clock, config)
        };
        Self {
            at: Duration::ZERO,
            hosts: [host(0), host(1)],
            links,
            traffic: Default::default(),
            neighbours: Vec::new(),
            rng: StdRng::from_seed([seed; 32]),
            queue: Queue::default(),
            buffer: vec![0; BATCH],
            turns: 0,
        }
    }

    /// Opens a connection from a host to the other one, over which it writes so many bytes, and returns its place in
    /// [`Host::streams`].
    ///
    /// # Panics
    /// If the endpoint has too many connections.
    pub fn connect(&mut self, host: usize, to_write: u64) -> usize {
        let (to, now) = (self.hosts[1 - host].address, self.now(host));
        let host = &mut self.hosts[host];
        let id = host.endpoint.connect(now, to).expect("there is room");
        host.add(id, to_write)
    }

    /// Begins a flow of TCP from a host to the other one, and returns its place among the neighbours.
    pub fn add_neighbour(&mut self, from: usize) -> usize {
        self.neighbours.push(Flow::new(from, self.at));
        self.send_segments(self.neighbours.len() - 1);
        self.neighbours.len() - 1
    }

    /// The time that the clock of a host shows.
    pub fn now(&self, host: usize) -> Instant {
        self.hosts[host].clock.now(self.at)
    }

    /// Goes on until nothing happens any more, or for so long. True if nothing happens any more.
    pub fn run(&mut self, most: Duration) -> bool {
        let end = self.at + most;
        for host in 0..2 {
            let now = self.now(host);
            self.hosts[host].exchange_all(now);
            self.send(host);
        }
        loop {
            let Some(next) = self.next() else { return true };
            if next > end {
                self.at = end;
                return false;
            }
            self.at = self.at.max(next);
            self.step();
        }
    }

    /// The time of what happens next.
    fn next(&self) -> Option<Duration> {
        let hosts = self.hosts.iter().filter_map(Host::next);
        let neighbours = self.neighbours.iter().map(|flow| flow.sender.deadline());
        hosts.chain(neighbours).chain(self.queue.next()).min()
    }

    /// Does all that is due by now.
    fn step(&mut self) {
        while let Some((_, happening)) = self.queue.pop(self.at) {
            match happening {
                Happening::Datagram { to, bytes } => self.hosts[to].socket.push(self.at, bytes),
                Happening::Segment { flow, number } => {
                    let ack = self.neighbours[flow].receiver.accept(number);
                    let from = 1 - self.neighbours[flow].from;
                    self.carry(from, Size::of(tcp::ACK), || Happening::Ack { flow, ack });
                }
                Happening::Ack { flow, ack } => {
                    self.neighbours[flow].sender.on_ack(self.at, ack);
                    self.send_segments(flow);
                }
            }
        }
        for flow in 0..self.neighbours.len() {
            if self.neighbours[flow].sender.deadline() <= self.at {
                self.neighbours[flow].sender.handle_timeout(self.at);
                self.send_segments(flow);
            }
        }
        for host in 0..2 {
            let (now, from) = (self.now(host), self.hosts[1 - host].address);
            let Host { endpoint, socket, .. } = &mut self.hosts[host];
            let received = socket.pop(self.at);
            received.iter().for_each(|datagram| endpoint.handle_datagram(now, from, datagram));
            let is_late = endpoint.poll_timeout().is_some_and(|timeout| timeout <= now);
            if is_late {
                endpoint.handle_timeout(now);
            }
            if is_late || !received.is_empty() {
                self.hosts[host].exchange(now);
                self.send(host);
            }
        }
    }

    /// Has a host send what it has to send.
    ///
    /// # Panics
    /// If the endpoint is wrong about its datagrams, or about itself.
    fn send(&mut self, host: usize) {
        let now = self.now(host);
        let to = 1 - host;
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(transmit) = self.hosts[host].endpoint.poll_transmit(now, &mut buffer) {
            assert_eq!(transmit.to, self.hosts[to].address);
            assert!(transmit.segment <= transmit.length && transmit.length <= buffer.len());
            assert!(!transmit.dont_fragment || transmit.length == transmit.segment);
            for bytes in buffer[..transmit.length].chunks(transmit.segment) {
                let size = Size { payload: bytes.len(), is_whole: transmit.dont_fragment };
                self.carry(host, size, || Happening::Datagram { to, bytes: bytes.into() });
            }
        }
        self.buffer = buffer;
        self.turns += 1;
        if cfg!(debug_assertions) && self.turns.is_multiple_of(64) {
            self.hosts[host].endpoint.check_invariants();
        }
    }

    /// Has a neighbour send what its window allows.
    fn send_segments(&mut self, flow: usize) {
        let from = self.neighbours[flow].from;
        while let Some(number) = self.neighbours[flow].sender.send(self.at) {
            self.carry(from, Size::of(tcp::PACKET), || Happening::Segment { flow, number });
        }
    }

    /// Puts a packet of a host on its link.
    fn carry(&mut self, from: usize, size: Size, happening: impl Fn() -> Happening) {
        let (traffic, link) = (&mut self.traffic[from], &self.links[from]);
        for arrival in traffic.carry(link, self.at, size, &mut self.rng) {
            self.queue.push(arrival, happening());
        }
    }

    /// Checks that both ends of all streams have ended, each with all that the other has written.
    ///
    /// # Panics
    /// If they have not.
    pub fn assert_all_delivered(&self) {
        for (host, other) in [(0, 1), (1, 0)] {
            let (ours, theirs) = (&self.hosts[host].streams, &self.hosts[other].streams);
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

/// Bytes that a host sends at once.
const BATCH: usize = 16 << 10;
