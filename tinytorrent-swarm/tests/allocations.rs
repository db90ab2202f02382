//! Memory that a download asks for: everything at its start, and nothing for a block later on.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_swarm::{
    Action, BlockVerdict, Content, Input, PeerKey, Swarm, SwarmConfig, Transport,
};
use tinytorrent_types::{Bitfield, Geometry, InfoHashV1, InfoHashes, PeerId, PieceIndex};
use tinytorrent_wire::{Feature, Handshake, Message, PieceHeader, Request, Reserved};

/// The allocator of the system, which counts what each thread asks of it.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.with(|count| count.set(count.get() + 1));
}

// SAFETY: All is left to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: The caller keeps the same promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: The caller keeps the same promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: The caller keeps the same promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Blocks in one read of a socket, before the actions are drained.
const BATCH: u32 = 16;

/// Blocks a second of each peer.
const RATE: u32 = 32;

/// A download, and what it has asked of its peers.
struct Download {
    swarm: Swarm,
    now: Instant,
    tick: Duration,
    asked: VecDeque<(PeerKey, Request)>,
    hashing: Vec<PieceIndex>,
    verified: u32,
    haves: u64,
    /// What was asked for beside the rounds of every few seconds, which choose whom to unchoke.
    allocations: u64,
}

impl Download {
    /// Of this many pieces of this length, from so many seeds and as many peers that have every second
    /// piece.
    fn new(pieces: u32, piece_length: u32, peers: u8) -> Self {
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let now = Instant::now();
        let mut swarm = Swarm::new(now, SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 42));
        let length = u64::from(pieces) * u64::from(piece_length);
        let content = Content {
            geometry: Geometry::new(length, piece_length).unwrap(),
            have: Bitfield::new(pieces),
            wanted: Bitfield::full(pieces),
            partial: Vec::new(),
            info: Default::default(),
            is_private: false,
        };
        swarm.handle_input(now, Input::ContentReady(content));
        let mut download = Self {
            swarm,
            now,
            tick: Duration::from_secs(1) * BATCH / (2 * u32::from(peers) * RATE),
            asked: VecDeque::with_capacity(1 << 16),
            hashing: Vec::with_capacity(BATCH as usize),
            verified: 0,
            haves: 0,
            allocations: 0,
        };
        let half = Bitfield::from_bytes(&vec![0b1010_1010; pieces as usize / 8], pieces).unwrap();
        for peer in 0..peers {
            download.join(2 * peer, Message::HaveAll);
            download.join(2 * peer + 1, Message::Bitfield(half.as_bytes().to_vec().into()));
        }
        download
    }

    fn join(&mut self, number: u8, pieces: Message) {
        let address = SocketAddr::from(([10, 0, 0, number], 6881));
        let peer = self.swarm.accept(self.now, address).unwrap();
        let handshake = Handshake {
            reserved: Reserved::from([Feature::Fast]),
            info_hash: self.swarm.handshake().info_hash,
            peer_id: PeerId::from_bytes([100 + number; 20]),
        };
        self.swarm.handle_input(
            self.now,
            Input::HandshakeCompleted { peer, transport: Transport::Tcp, handshake },
        );
        for message in [pieces, Message::Unchoke] {
            self.swarm.handle_input(self.now, Input::MessageReceived { peer, message });
        }
        self.drain();
    }

    /// Receives blocks in the order in which they were asked for, until so many pieces are verified.
    fn receive(&mut self, pieces: u32) {
        let enough = self.verified + pieces;
        while self.verified < enough {
            self.now += self.tick;
            if self.swarm.poll_timeout().is_some_and(|at| at <= self.now) {
                self.swarm.handle_timeout(self.now);
                self.drain();
            }
            let before = ALLOCATIONS.get();
            let bytes = (0..BATCH).map(|_| self.receive_block()).sum();
            while let Some(piece) = self.hashing.pop() {
                self.verified += 1;
                let verified = Input::PieceVerified { piece, digests: Vec::new() };
                self.swarm.handle_input(self.now, verified);
            }
            self.swarm.handle_input(self.now, Input::BlocksWritten { bytes });
            self.drain();
            self.allocations += ALLOCATIONS.get() - before;
        }
    }

    fn receive_block(&mut self) -> u64 {
        let (peer, request) = self.asked.pop_front().expect("something is asked for");
        let verdict = self.swarm.handle_block(self.now, peer, PieceHeader::from(request));
        if let BlockVerdict::StoreLast { block, .. } = verdict {
            self.hashing.push(block.piece());
        }
        u64::from(verdict.block().expect("it is wanted").length())
    }

    fn drain(&mut self) {
        while let Some(action) = self.swarm.poll_action() {
            match action {
                Action::Send { peer, message: Message::Request(request) } => {
                    self.asked.push_back((peer, request));
                }
                Action::Send { message: Message::Have(_), .. } => self.haves += 1,
                Action::Disconnect { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
        while self.swarm.poll_event().is_some() {}
    }
}

/// A pool or a queue may still grow, when more is under way than ever before: so some stretch has to do
/// without memory, and all of them together with next to none.
#[test]
fn a_block_in_the_steady_state_allocates_nothing() {
    let lengths = [1 << 18, 1 << 16, 1 << 14, 1 << 20];
    for (pieces, piece_length) in [8_192, 8_192, 16_384, 4_096].into_iter().zip(lengths) {
        let mut download = Download::new(pieces, piece_length, 8);
        download.receive(pieces / 4);
        let haves = download.haves;
        let stretch = |_| {
            let before = download.allocations;
            download.receive(pieces / 16);
            download.allocations - before
        };
        let stretches = [0; 8].map(stretch);
        assert!(download.haves > haves, "peers are told of pieces");
        assert!(stretches.contains(&0), "{piece_length}: {stretches:?}");
        assert!(stretches.iter().sum::<u64>() <= u64::from(pieces / 100), "{stretches:?}");
    }
}
