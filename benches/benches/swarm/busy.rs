use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_swarm::{
    Action, BlockVerdict, Content, Input, PeerKey, Swarm, SwarmConfig, Transport,
};
use tinytorrent_types::{Bitfield, Geometry, InfoHashV1, InfoHashes, PeerId, PieceIndex};
use tinytorrent_wire::{Feature, Handshake, Message, PieceHeader, Request, Reserved};

/// The peers of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowd {
    /// All have everything.
    Seeds,
    /// Every second one has every second piece, more or less.
    HalfPartial,
    /// All have everything, and are so slow that they share each piece.
    Slow,
    /// All have everything, and the disk holds up each batch of blocks.
    SlowDisk,
}

/// A swarm in the middle of a download, and what it has asked of its peers.
pub(crate) struct Busy {
    swarm: Swarm,
    now: Instant,
    begin: Instant,
    /// The time that the peers take to send [`BATCH`] blocks.
    tick: Duration,
    /// Virtual time before anything is measured.
    warm_up: Duration,
    asked: VecDeque<(PeerKey, Request)>,
    /// Pieces that wait for their verdict.
    hashing: Vec<PieceIndex>,
    blocks: u32,
    received: u32,
    verified: u32,
    /// Messages so far that tell peers of a piece.
    pub(crate) haves: u64,
}

/// Blocks a second that each peer sends.
const RATE: u32 = 32;

/// Slow peers take so many times as long.
const SLOWNESS: u32 = 64;

/// Virtual time in which peers at the full rate get to know each other.
const WARM_UP: Duration = Duration::from_secs(8);

/// Pieces that are verified before anything is measured.
const WARM_UP_PIECES: u32 = 300;

/// Blocks in one read of a socket, before the actions are drained.
const BATCH: u32 = 16;

impl Busy {
    pub(crate) fn new(peers: u16, pieces: u32, piece_length: u32, crowd: Crowd) -> Self {
        let length = u64::from(pieces) * u64::from(piece_length);
        let geometry = Geometry::new(length, piece_length).expect("there is such a torrent");
        let now = Instant::now();
        let slowness = if crowd == Crowd::Slow { SLOWNESS } else { 1 };
        let mut busy = Self {
            swarm: swarm(now, &geometry, usize::from(peers), crowd == Crowd::SlowDisk),
            now,
            begin: now,
            tick: Duration::from_secs(1) * BATCH * slowness / (u32::from(peers) * RATE),
            warm_up: WARM_UP * slowness,
            asked: VecDeque::with_capacity(1 << 17),
            hashing: Vec::with_capacity(BATCH as usize),
            blocks: (length / 16_384) as u32,
            received: 0,
            verified: 0,
            haves: 0,
        };
        for peer in 0..peers {
            let is_partial = crowd == Crowd::HalfPartial && peer % 2 == 1;
            let pieces = if is_partial { half(pieces, peer) } else { Message::HaveAll };
            busy.join(peer, pieces);
        }
        busy
    }

    fn join(&mut self, number: u16, pieces: Message) {
        let [a, b] = number.to_be_bytes();
        let address = SocketAddr::from(([10, 0, a, b], 6881));
        let peer = self.swarm.accept(self.now, address).expect("there is room");
        let mut id = [9; 20];
        id[..2].copy_from_slice(&[a, b]);
        let handshake = Handshake {
            reserved: Reserved::empty().with(Feature::Fast),
            info_hash: self.swarm.handshake().info_hash,
            peer_id: PeerId::from_bytes(id),
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

    /// Blocks that have not come.
    pub(crate) fn left(&self) -> u32 {
        self.blocks - self.received
    }

    /// Downloads until rates are known and queues have their length, and until some pieces are there; or
    /// half of the content.
    pub(crate) fn warm_up(&mut self) {
        while (self.now < self.begin + self.warm_up || self.verified < WARM_UP_PIECES)
            && self.received < self.blocks / 2
        {
            self.receive(BATCH);
        }
    }

    /// Receives so many blocks in the order in which they were asked for, some in each turn.
    pub(crate) fn receive(&mut self, blocks: u32) {
        for _ in 0..blocks / BATCH {
            self.now += self.tick;
            if self.swarm.poll_timeout().is_some_and(|at| at <= self.now) {
                self.swarm.handle_timeout(self.now);
                self.drain();
            }
            let bytes = (0..BATCH).map(|_| self.receive_block()).sum();
            while let Some(piece) = self.hashing.pop() {
                self.verified += 1;
                let verified = Input::PieceVerified { piece, digests: Vec::new() };
                self.swarm.handle_input(self.now, verified);
            }
            self.swarm.handle_input(self.now, Input::BlocksWritten { bytes });
            self.drain();
        }
    }

    /// Receives the block that was asked for first. Returns the bytes to be written.
    fn receive_block(&mut self) -> u64 {
        let Some((peer, request)) = self.asked.pop_front() else { return 0 };
        let verdict = self.swarm.handle_block(self.now, peer, PieceHeader::from(request));
        self.received += 1;
        if let BlockVerdict::StoreLast { block, .. } = verdict {
            self.hashing.push(block.piece());
        }
        verdict.block().map_or(0, |block| u64::from(block.length()))
    }

    fn drain(&mut self) {
        while let Some(action) = self.swarm.poll_action() {
            match action {
                Action::Send { peer, message: Message::Request(request) } => {
                    self.asked.push_back((peer, request));
                }
                Action::Disconnect { reason, .. } => panic!("{reason}"),
                Action::Send { message: Message::Have(_), .. } => self.haves += 1,
                _ => {}
            }
        }
        while self.swarm.poll_event().is_some() {}
    }
}

/// A swarm that lacks everything.
fn swarm(now: Instant, geometry: &Geometry, peers: usize, has_slow_disk: bool) -> Swarm {
    let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
    let mut config = SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 42);
    config.max_peers(peers);
    if has_slow_disk {
        config.store_budget(u64::from(BATCH) * 16_384);
    }
    let mut swarm = Swarm::new(now, config);
    let content = Content {
        geometry: geometry.clone(),
        have: Bitfield::new(geometry.piece_count()),
        wanted: Bitfield::full(geometry.piece_count()),
        partial: Vec::new(),
        info: Default::default(),
        is_private: false,
    };
    swarm.handle_input(now, Input::ContentReady(content));
    swarm
}

/// Half of the pieces, others for each peer.
fn half(pieces: u32, peer: u16) -> Message {
    let bytes = Bitfield::byte_length(pieces) as u64;
    let bits: Vec<u8> = (0..bytes).map(|at| scrambled(u64::from(peer) << 32 | at) as u8).collect();
    let bits = Bitfield::from_bytes_lenient(&bits, pieces).expect("the length is right");
    Message::Bitfield(bits.as_bytes().to_vec().into())
}

/// A number that looks random, and is the same each time: the end of splitmix64.
fn scrambled(number: u64) -> u64 {
    let mixed = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Crowd::Seeds => "seeds",
            Crowd::HalfPartial => "half of them partial",
            Crowd::Slow => "slow seeds",
            Crowd::SlowDisk => "seeds, slow disk",
        })
    }
}
