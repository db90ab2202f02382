//! Two swarms on one link, with hostile peers around them: whatever comes in, the parts agree, the queue
//! of actions is bounded, only what is there is served, and each request has one answer (BEP 6).
#![no_main]

#[path = "swarm_inputs/driver.rs"]
mod driver;
#[path = "swarm_inputs/hostile.rs"]
mod hostile;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use driver::{Driver, Frame};
use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_swarm::{ConnectionError, Input, PeerKey, PeerSource};
use tinytorrent_tracker::{AnnounceResponse, Failure, Peer};
use tinytorrent_wire::{Feature, Handshake, Reserved};

/// Operations of one run: enough for a download with all that can go wrong.
const MAX_OPERATIONS: usize = 400;

fuzz_target!(|bytes: &[u8]| {
    let [setup, input @ ..] = bytes else { return };
    // Two swarms with their drivers; an operation brings one peer at most, or a message of up to 16 KiB.
    within(input.len(), 8 << 10, 1 << 20, || {
        let mut world = World::new(*setup);
        for operation in input.chunks_exact(4).take(MAX_OPERATIONS) {
            world.step(operation.try_into().expect("four bytes"));
            world.settle_link();
        }
        world.finish();
    });
});

/// The two swarms, each with its driver, and the connection between them.
struct World {
    now: Instant,
    ends: [Driver; 2],
    /// The key of the link at each end.
    link: Option<[PeerKey; 2]>,
    /// Hostile peers so far.
    hostile: u8,
}

impl World {
    fn new(setup: u8) -> Self {
        let now = Instant::now();
        let ends = [0, 1].map(|end| Driver::new(now, end, setup));
        let mut world = Self { now, ends, link: None, hostile: 0 };
        for end in [0, 1] {
            world.ends[end].drain();
        }
        world
    }

    fn step(&mut self, [operation, a, b, c]: [u8; 4]) {
        let now = self.now;
        let end = usize::from(a & 1);
        let driver = &mut self.ends[end];
        match operation % 16 {
            0 => self.join(end, b),
            1..4 => {
                if let Some(peer) = self.hostile_peer(end, a >> 1) {
                    self.ends[end].say(now, peer, hostile::message(operation, b, c));
                }
            }
            4 | 5 => driver.answer_hostile(now, usize::from(b), c % 4 != 0),
            6 => {
                if let Some(peer) = self.hostile_peer(end, a >> 1) {
                    self.ends[end].receive_block(
                        now,
                        peer,
                        hostile::range(b, c).into(),
                        c & 1 == 0,
                    );
                }
            }
            7 => driver.verify(now, usize::from(b)),
            8 => self.serve(end, usize::from(b), c % 8 != 0),
            9 => driver.write(now),
            10 => self.wait(Duration::from_millis(u64::from(b) << (c % 9))),
            11 => {
                if let Some(peer) = self.hostile_peer(end, a >> 1) {
                    self.ends[end].close(now, peer);
                }
            }
            12 => self.find(end, b, c),
            13 => self.track(end, b, c),
            14 => driver.command(now, b, c),
            _ => self.deliver(end, usize::from(b)),
        }
        self.ends[end].drain();
    }

    /// A hostile peer connects to this end.
    fn join(&mut self, end: usize, features: u8) {
        self.hostile = self.hostile.wrapping_add(1);
        // Of a few hosts, so that some have the same name and the same host.
        let port = 5_000 + u16::from(self.hostile);
        let address = SocketAddr::from(([20, 0, 0, self.hostile % 5], port));
        if let Some(peer) = self.ends[end].swarm.accept(self.now, address) {
            self.shake_hands(end, peer, features);
        }
    }

    fn shake_hands(&mut self, end: usize, peer: PeerKey, features: u8) {
        let all = [Feature::Fast, Feature::Extended, Feature::V2, Feature::Dht];
        let chosen = all.into_iter().enumerate().filter(|(at, _)| features & 1 << at == 0);
        let handshake = Handshake {
            reserved: chosen.map(|(_, feature)| feature).collect::<Reserved>(),
            info_hash: self.ends[end].swarm.handshake().info_hash,
            peer_id: tinytorrent_types::PeerId::from_bytes([50 + (features >> 4); 20]),
        };
        self.ends[end].shake_hands(self.now, peer, handshake);
    }

    fn hostile_peer(&self, end: usize, at: u8) -> Option<PeerKey> {
        let link = self.link.map(|link| link[end]);
        let peers = self.ends[end].peers.keys().copied().filter(|&peer| Some(peer) != link);
        let peers: Vec<_> = peers.collect();
        (!peers.is_empty()).then(|| peers[usize::from(at) % peers.len()])
    }

    /// Addresses are found: that of the other end, and of a hostile peer. Or a dial ends.
    fn find(&mut self, end: usize, b: u8, c: u8) {
        if b & 1 == 0 {
            let hostile = SocketAddr::from(([10, 1, 0, c % 8], 1));
            let addresses = vec![driver::address(1 - end), hostile];
            let sources =
                [PeerSource::Tracker, PeerSource::User, PeerSource::Exchange, PeerSource::Magnet];
            let source = sources[usize::from(b >> 1) % 4];
            return self.ends[end].tell(self.now, Input::PeersFound { source, addresses });
        }
        if let Some((peer, address)) = self.ends[end].dials.pop_front() {
            if address == driver::address(1 - end) {
                self.connect(end, peer);
            } else if b & 2 == 0 {
                self.shake_hands(end, peer, c);
            } else {
                let error = ConnectionError::TimedOut;
                self.ends[end].tell(self.now, Input::ConnectFailed { peer, error });
            }
        }
    }

    /// One end connects to the other, unless they are connected.
    fn connect(&mut self, from: usize, ours: PeerKey) {
        let (now, to) = (self.now, 1 - from);
        let is_free = self.link.is_none();
        let theirs = is_free.then(|| self.ends[to].swarm.accept(now, driver::address(from)));
        let Some(theirs) = theirs.flatten() else {
            let error = ConnectionError::Closed;
            return self.ends[from].tell(now, Input::ConnectFailed { peer: ours, error });
        };
        let mut link = [ours; 2];
        link[to] = theirs;
        self.link = Some(link);
        for end in [0, 1] {
            self.ends[end].begin_link(link[end]);
        }
        for end in [from, to] {
            let handshake = self.ends[1 - end].swarm.handshake();
            self.ends[end].shake_hands(now, link[end], handshake);
            self.ends[end].drain();
        }
    }

    /// Closes the link at the end that has not closed it.
    fn settle_link(&mut self) {
        let Some(link) = self.link else { return };
        let is_open = [0, 1].map(|end| self.ends[end].peers.contains_key(&link[end]));
        if is_open == [true; 2] {
            return;
        }
        self.link = None;
        for end in [0, 1] {
            self.ends[end].frames.clear();
            if is_open[end] {
                self.ends[end].close(self.now, link[end]);
                self.ends[end].drain();
            }
        }
    }

    /// Frames of one end reach the other.
    fn deliver(&mut self, from: usize, count: usize) {
        for _ in 0..=count {
            let Some(link) = self.link else { return };
            let (to, Some(frame)) = (1 - from, self.ends[from].frames.pop_front()) else { return };
            match frame {
                Frame::Message(message) => self.ends[to].say(self.now, link[to], message),
                Frame::Block(header) => {
                    self.ends[to].receive_block(self.now, link[to], header, true)
                }
            }
            self.ends[to].drain();
            self.settle_link();
        }
    }

    fn serve(&mut self, end: usize, at: usize, is_sent: bool) {
        let link = self.link.map(|link| link[end]);
        self.ends[end].serve(self.now, at, is_sent, link);
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        for driver in &mut self.ends {
            driver.wait(until);
        }
        self.now = until;
    }

    /// A tracker answers, or does not.
    fn track(&mut self, end: usize, b: u8, c: u8) {
        let result = if b & 1 == 0 {
            let mut response = AnnounceResponse::default();
            response.interval = Some(Duration::from_secs(u64::from(c) * 16));
            response.external_ip = (b & 2 == 0).then(|| [20, 0, 1, c].into());
            let at = |host| SocketAddr::from(([20, 0, host, 1], 5_000));
            let peers = (0..b >> 5).map(at).map(|address| Peer { address, id: None });
            response.peers = peers.collect();
            Ok(response)
        } else {
            Err(Failure::Failed("no answer".into()))
        };
        self.ends[end].announced(self.now, result);
    }

    /// All that is under way comes to its end: then no request is without its answer.
    fn finish(&mut self) {
        for turn in 0.. {
            assert!(turn < 10_000, "the two ends never come to rest");
            let mut is_busy = false;
            for end in [0, 1] {
                self.ends[end].lift_limits(self.now);
                self.ends[end].drain();
                self.settle_link();
                is_busy |= !self.ends[end].serving.is_empty() || !self.ends[end].frames.is_empty();
                self.serve(end, 0, true);
                self.ends[end].drain();
                self.deliver(end, 0);
            }
            if !is_busy {
                break;
            }
        }
        self.ends.iter().for_each(Driver::check_answers);
    }
}
