//! Two endpoints of uTP under any operations, on a link that drops, doubles, delays and changes datagrams, beside
//! strangers: what is read is what was written, in order and without a gap, or the connection fails; and when the link
//! gets honest, all that was written arrives.
#![no_main]

use std::collections::HashMap;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tinytorrent_utp::{ConnectionId, Endpoint, EndpointConfig, Event, StreamError};

fuzz_target!(|bytes: &[u8]| run(bytes));

/// The most bytes that are written to a connection.
const MOST: usize = 1 << 20;

struct World {
    now: Instant,
    ends: [Endpoint; 2],
    /// Datagrams on their way, to which end.
    link: Vec<(usize, Vec<u8>)>,
    streams: [HashMap<ConnectionId, Stream>; 2],
    /// True if an end has closed or reset a connection: what the other end has has no pair.
    is_cut: bool,
    /// True if a datagram was made by somebody else: numbers may be guessed then, and anything be read.
    is_forged: bool,
}

#[derive(Default)]
struct Stream {
    written: u64,
    read: u64,
    has_ended: bool,
    is_shut: bool,
    failed: bool,
}

fn address(end: usize) -> SocketAddr {
    SocketAddr::from(([end as u8 + 1, 1, 1, 1], 1))
}

/// The byte at a place of every stream.
fn byte(place: u64) -> u8 {
    ((place % 65_521) * 31 % 251) as u8
}

fn run(bytes: &[u8]) {
    let [setup, operations @ ..] = bytes else { return };
    let mut input = operations;
    let now = Instant::now();
    let ends = [1, 2].map(|n| {
        let mut config = EndpointConfig::new([n; 32]);
        config.max_connections(4).max_half_open(2).backlog(2).keep_alive(None);
        if setup & n != 0 {
            config.receive_buffer(16 << 10).send_buffer(16 << 10);
        }
        Endpoint::new(now, config)
    });
    let mut world = World {
        now,
        ends,
        link: Vec::new(),
        streams: Default::default(),
        is_cut: false,
        is_forged: false,
    };
    while let [operation, argument, rest @ ..] = input {
        input = rest;
        let (end, n) = (usize::from(argument & 1), usize::from(argument >> 1));
        match operation % 13 {
            0 => world.pass(Duration::from_millis((n * n) as u64)),
            1 => world.pass(Duration::from_micros(n as u64 * 100)),
            2 => world.connect(end),
            3 => world.write(end, n, n * n * 4),
            4 => world.read(end, n * 512 + 1),
            5 => world.shut(end, n),
            6 => world.reset(end, n),
            7 => {
                world.take(n);
            }
            8 => {
                // It is lost on the way.
                world.pick(n);
            }
            9 => {
                if let Some((to, datagram)) = world.pick(n) {
                    world.link.push((to, datagram.clone()));
                    world.link.push((to, datagram));
                }
            }
            10 => {
                if let Some((to, mut datagram)) = world.pick(n) {
                    let at = n % datagram.len();
                    datagram[at] ^= input.first().copied().unwrap_or(1);
                    world.is_forged = true;
                    world.link.push((to, datagram));
                }
            }
            11 => {
                let (datagram, rest) = input.split_at(n.min(input.len()));
                input = rest;
                let (now, from) = (world.now, SocketAddr::from(([7, 7, 7, n as u8], 7)));
                world.ends[end].handle_datagram(now, from, datagram);
            }
            _ => world.deliver(),
        }
        world.exchange();
    }
    world.settle();
}

impl World {
    fn pass(&mut self, time: Duration) {
        self.now += time;
        for end in &mut self.ends {
            end.handle_timeout(self.now);
        }
    }

    fn connect(&mut self, end: usize) {
        if let Ok(id) = self.ends[end].connect(self.now, address(1 - end)) {
            self.streams[end].insert(id, Stream::default());
        }
    }

    /// One of the connections of an end.
    fn choose(&self, end: usize, n: usize) -> Option<ConnectionId> {
        let mut ids: Vec<_> = self.streams[end].keys().copied().collect();
        ids.sort();
        (!ids.is_empty()).then(|| ids[n % ids.len()])
    }

    fn write(&mut self, end: usize, n: usize, length: usize) {
        let Some(id) = self.choose(end, n) else { return };
        let stream = self.streams[end].get_mut(&id).expect("it was chosen");
        let length = length.min(MOST - stream.written as usize);
        let bytes: Vec<u8> = (stream.written..).take(length).map(byte).collect();
        let (first, second) = bytes.split_at(length / 2);
        let room = self.ends[end].writable(id);
        match self.ends[end].write(self.now, id, &[IoSlice::new(first), IoSlice::new(second)]) {
            Ok(taken) => {
                assert!(taken == length.min(room) && !stream.is_shut);
                stream.written += taken as u64;
            }
            Err(StreamError::WouldBlock) => assert_eq!(room, 0),
            Err(StreamError::Ended) => assert!(stream.is_shut),
            Err(StreamError::Failed(_)) => stream.failed = true,
            Err(error) => panic!("{error}"),
        }
    }

    /// Reads of all connections of an end.
    fn read(&mut self, end: usize, length: usize) {
        let mut buffer = vec![0; length];
        for (id, stream) in &mut self.streams[end] {
            match self.ends[end].read(self.now, *id, &mut buffer) {
                Ok(0) => stream.has_ended = true,
                Ok(length) => {
                    assert!(!stream.has_ended, "bytes behind the end");
                    let expected = (stream.read..).take(length).map(byte);
                    let is_same = buffer[..length].iter().copied().eq(expected);
                    assert!(is_same || self.is_forged, "other bytes than were written");
                    stream.read += length as u64;
                }
                Err(StreamError::WouldBlock) => {}
                Err(StreamError::Failed(_)) => stream.failed = true,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn shut(&mut self, end: usize, n: usize) {
        let Some(id) = self.choose(end, n) else { return };
        if self.ends[end].shutdown(self.now, id).is_ok() {
            self.streams[end].get_mut(&id).expect("it was chosen").is_shut = true;
        }
    }

    fn reset(&mut self, end: usize, n: usize) {
        // Rarely, or little else happens.
        if n % 8 == 0
            && let Some(id) = self.choose(end, n / 8)
        {
            self.streams[end].remove(&id);
            self.is_cut = true;
            match n % 16 {
                0 => self.ends[end].reset(id),
                _ => self.ends[end].close(self.now, id),
            }
        }
    }

    fn pick(&mut self, n: usize) -> Option<(usize, Vec<u8>)> {
        let length = self.link.len();
        (length > 0).then(|| self.link.remove(n % length))
    }

    /// A datagram arrives, in any order.
    fn take(&mut self, n: usize) {
        if let Some((to, datagram)) = self.pick(n) {
            self.ends[to].handle_datagram(self.now, address(1 - to), &datagram);
        }
    }

    /// All that is on its way arrives.
    fn deliver(&mut self) {
        for (to, datagram) in std::mem::take(&mut self.link) {
            self.ends[to].handle_datagram(self.now, address(1 - to), &datagram);
        }
    }

    /// Takes connections, events and datagrams from both ends.
    fn exchange(&mut self) {
        let mut buffer = [0; 4_096];
        for end in 0..2 {
            self.ends[end].check_invariants();
            assert!(self.ends[end].stats().connections <= 4);
            while let Some(id) = self.ends[end].accept() {
                self.streams[end].insert(id, Stream::default());
            }
            while let Some(event) = self.ends[end].poll_event() {
                if let Event::Failed(id, _) = event {
                    self.streams[end].get_mut(&id).expect("it is not closed").failed = true;
                }
            }
            for _ in 0..100_000 {
                let Some(transmit) = self.ends[end].poll_transmit(self.now, &mut buffer) else {
                    break;
                };
                assert!(transmit.length <= buffer.len() && transmit.segment <= transmit.length);
                if transmit.to == address(1 - end) {
                    for datagram in buffer[..transmit.length].chunks(transmit.segment) {
                        self.link.push((1 - end, datagram.to_vec()));
                    }
                }
            }
            assert!(
                self.ends[end].poll_transmit(self.now, &mut buffer).is_none(),
                "it never stops"
            );
        }
    }

    /// The link is honest from now on: every connection ends with all that was written, or fails.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            self.deliver();
            for end in 0..2 {
                // All that is there, and the end behind it.
                for _ in 0..2 {
                    self.read(end, MOST);
                }
                let ids: Vec<_> = self.streams[end].keys().copied().collect();
                for id in ids {
                    _ = self.ends[end].shutdown(self.now, id);
                }
            }
            self.exchange();
            if !self.link.is_empty() {
                self.now += Duration::from_micros(100);
                continue;
            }
            let Some(next) = self.ends.iter().filter_map(Endpoint::poll_timeout).min() else {
                break;
            };
            self.now = self.now.max(next);
            self.pass(Duration::ZERO);
            self.exchange();
        }
        assert_eq!(self.ends.each_ref().map(Endpoint::poll_timeout), [None, None], "it never ends");
        if self.is_forged || self.is_cut {
            return;
        }
        // An end that waits, and has all acknowledged, cannot know that the other one has given up.
        if self.streams.iter().flat_map(HashMap::values).any(|stream| stream.failed) {
            return;
        }
        for end in 0..2 {
            for (id, stream) in &self.streams[end] {
                assert!(stream.has_ended, "{id:?} waits for nothing");
            }
        }
        assert_eq!(self.streams[0].len(), self.streams[1].len());
        let sum =
            |end: usize, of: fn(&Stream) -> u64| self.streams[end].values().map(of).sum::<u64>();
        assert_eq!(sum(0, |stream| stream.written), sum(1, |stream| stream.read));
        assert_eq!(sum(1, |stream| stream.written), sum(0, |stream| stream.read));
    }
}
