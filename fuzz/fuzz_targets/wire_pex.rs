//! Peer exchange over time: in the end a peer knows who is connected and nobody else, no message is larger or earlier
//! than BEP 11 has it, and what a peer tells us is limited, whatever it tells.
#![no_main]

use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_wire::extension::{
    ExtendedHandshake, Extension, ExtensionMessage, OurExtensions, PexFlags, PexMessage, PexPeer,
    TheirExtensions,
};
use tinytorrent_wire::pex::{PexReceiver, PexSender};

const MINUTE: Duration = Duration::from_secs(60);

fuzz_target!(|bytes: &[u8]| {
    let [peer, steps @ ..] = bytes else { return };
    // Three bytes connect up to 255 peers, each of which is in five lists and sets, of the parts and of the world.
    within(bytes.len(), 16 << 10, 64 << 10, || run(*peer, steps));
});

fn run(peer: u8, steps: &[u8]) {
    let mut world = World::new(address(peer, 0));
    let mut input = steps;
    while let [operation, a, b, rest @ ..] = input {
        input = rest;
        match operation % 6 {
            0 => _ = world.connected.insert(address(*a, *b)),
            1 => _ = world.connected.remove(&address(*a, *b)),
            // Many at once, or none.
            2 => world.connected.extend((0..*b).map(|at| address(a.wrapping_add(at), at))),
            3 => world.connected.clear(),
            4 => {
                world.now += Duration::from_secs(u64::from(*a));
                world.poll();
            }
            _ => {
                let (payload, tail) = rest.split_at(rest.len().min(usize::from(*b)));
                input = tail;
                world.now += Duration::from_secs(u64::from(a % 16));
                world.hear(payload);
            }
        }
    }
    world.finish();
}

/// Addresses of both families, some of one host, some without a port, some of IPv4 within IPv6.
fn address(a: u8, b: u8) -> SocketAddr {
    let port = u16::from(b % 5) * 1_000;
    match a % 4 {
        0 | 1 => ([192, 0, a, b], port).into(),
        2 => ([0x2001, 0xdb8, 0, 0, 0, 0, u16::from(a), u16::from(b)], port).into(),
        _ => ([0, 0, 0, 0, 0, 0xffff, u16::from(a), u16::from(b)], port).into(),
    }
}

struct World {
    now: Instant,
    peer: SocketAddr,
    connected: BTreeSet<SocketAddr>,
    sender: PexSender,
    ours: OurExtensions,
    theirs: TheirExtensions,
    /// The other end: what it was told, and its limits on us.
    told: BTreeSet<SocketAddr>,
    limits: PexReceiver,
    last: Option<Instant>,
    /// Our limits on a hostile peer, and when it spoke.
    receiver: PexReceiver,
    heard: Vec<Instant>,
}

impl World {
    fn new(peer: SocketAddr) -> Self {
        let ours = OurExtensions::new([Extension::PeerExchange]);
        let mut theirs = TheirExtensions::default();
        theirs.update(&ExtendedHandshake::new(&ours));
        Self {
            now: Instant::now(),
            peer,
            connected: BTreeSet::new(),
            sender: PexSender::new(peer),
            ours,
            theirs,
            told: BTreeSet::new(),
            limits: PexReceiver::new(),
            last: None,
            receiver: PexReceiver::new(),
            heard: Vec::new(),
        }
    }

    /// Those that the peer is to know.
    fn due(&self) -> BTreeSet<SocketAddr> {
        let canonical = |at: &SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
        let all = self.connected.iter().map(canonical);
        all.filter(|at| *at != canonical(&self.peer) && at.port() != 0).collect()
    }

    /// Returns `false` if there was nothing to say.
    fn poll(&mut self) -> bool {
        let entry = |&address: &SocketAddr| PexPeer { address, flags: PexFlags::REACHABLE };
        let connected: Vec<_> = self.connected.iter().map(entry).collect();
        let Some(message) = self.sender.poll_message(self.now, connected) else { return false };
        let is_first = self.last.is_none();
        assert!(self.last.is_none_or(|last| self.now >= last + MINUTE), "too early");
        assert!(!message.is_empty() && message.dropped.len() <= 50);
        assert!(message.added.len() <= if is_first { 100 } else { 50 });
        self.last = Some(self.now);
        let due = self.due();
        for peer in &message.added {
            assert!(due.contains(&peer.address), "it is not connected");
            assert!(self.told.insert(peer.address), "it was told already");
        }
        for address in &message.dropped {
            assert!(!due.contains(address) && self.told.remove(address));
        }
        self.carry(&message);
        true
    }

    /// The message comes to the other end as it is, and within its limits.
    fn carry(&mut self, message: &PexMessage) {
        let id = self.theirs.id(Extension::PeerExchange).expect("it speaks so");
        let read = self.ours.read(&message.to_message(id));
        let Ok(ExtensionMessage::PeerExchange(read)) = read else {
            panic!("what we write, we read")
        };
        let set = |message: &PexMessage| -> BTreeSet<_> {
            message.added.iter().map(|peer| peer.address).collect()
        };
        assert_eq!(set(&read), set(message));
        let taken = self.limits.handle_message(self.now, &read).expect("no flood");
        assert!(taken.len() <= message.added.len());
        assert!(!taken.is_empty() || message.added.is_empty());
    }

    /// A hostile peer says this.
    fn hear(&mut self, payload: &[u8]) {
        // A compact peer is six bytes, and an entry 40; the list grows by doubling.
        let parsed = within(payload.len(), 64, 16 << 10, || PexMessage::parse(payload));
        let Ok(message) = parsed else { return };
        self.heard.retain(|&at| at + MINUTE > self.now);
        self.heard.push(self.now);
        match self.receiver.handle_message(self.now, &message) {
            Ok(taken) => {
                assert!(self.heard.len() <= 6);
                assert!(taken.is_empty() || self.heard.len() <= 2);
                let hosts: HashSet<_> = taken.iter().map(|peer| peer.address.ip()).collect();
                assert!(hosts.len() == taken.len() && taken.len() <= PexMessage::MAX_PEERS);
            }
            Err(flood) => assert!(flood.count == self.heard.len() && flood.count > 6),
        }
    }

    /// Nobody comes or goes any more.
    fn finish(&mut self) {
        let rounds = (self.due().len() + self.told.len()) / 50 + 3;
        for _ in 0..rounds {
            self.now += MINUTE;
            self.poll();
        }
        assert_eq!(self.told, self.due());
        assert!(!self.poll());
    }
}
