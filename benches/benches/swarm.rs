//! What the engine costs a block: its verdict, the next request, the bookkeeping of pieces.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tinytorrent_swarm::{Action, BlockVerdict, Config, Content, Input, Swarm};
use tinytorrent_types::{Bitfield, Geometry, InfoHashV1, InfoHashes, PeerId};
use tinytorrent_wire::{Feature, Handshake, Message, PieceHeader, Request, Reserved};

/// A swarm with so many unchoking seeds, and what it has asked of them.
struct Busy {
    swarm: Swarm,
    now: Instant,
    asked: VecDeque<(tinytorrent_swarm::PeerKey, Request)>,
    verified: u32,
}

impl Busy {
    fn new(geometry: &Geometry, seeds: u16) -> Self {
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let now = Instant::now();
        let mut config = Config::new(hashes, PeerId::from_bytes([1; 20]), 42);
        config.max_peers(500);
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
        let mut busy = Self { swarm, now, asked: VecDeque::new(), verified: 0 };
        (0..seeds).for_each(|n| busy.join(n));
        busy
    }

    fn join(&mut self, n: u16) {
        let [a, b] = n.to_be_bytes();
        let address = SocketAddr::from(([10, 0, a, b], 6881));
        let peer = self.swarm.accept(self.now, address).expect("there is room");
        let mut id = [9; 20];
        id[..2].copy_from_slice(&[a, b]);
        let handshake = Handshake {
            reserved: Reserved::empty().with(Feature::Fast),
            info_hash: self.swarm.handshake().info_hash,
            peer_id: PeerId::from_bytes(id),
        };
        self.swarm.handle_input(self.now, Input::HandshakeCompleted { peer, handshake });
        for message in [Message::HaveAll, Message::Unchoke] {
            self.swarm.handle_input(self.now, Input::MessageReceived { peer, message });
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.swarm.poll_action() {
            if let Action::Send { peer, message: Message::Request(request) } = action {
                self.asked.push_back((peer, request));
            }
        }
        while self.swarm.poll_event().is_some() {}
    }

    /// Answers what is asked, a socket's read at a time, until everything is here.
    fn finish(&mut self) -> u32 {
        while !self.swarm.is_finished() {
            self.now += Duration::from_micros(100);
            let mut stored = 0;
            for _ in 0..16 {
                let Some((peer, request)) = self.asked.pop_front() else { break };
                let header = PieceHeader::from(request);
                let verdict = self.swarm.handle_block(self.now, peer, header);
                stored += verdict.block().map_or(0, |block| u64::from(block.length()));
                if let BlockVerdict::StoreLast { block, .. } = verdict {
                    self.verified += 1;
                    let (piece, digests) = (block.piece(), Vec::new());
                    let verified = Input::PieceVerified { piece, digests };
                    self.swarm.handle_input(self.now, verified);
                }
            }
            self.swarm.handle_input(self.now, Input::BlocksWritten { bytes: stored });
            self.drain();
        }
        self.verified
    }
}

fn blocks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("swarm/block");
    group.sample_size(10);
    for (seeds, pieces, length) in [(1, 4_096, 1 << 18), (40, 4_096, 1 << 18), (40, 64, 1 << 24)] {
        let geometry = Geometry::new(pieces * u64::from(length), length).expect("it is small");
        group.throughput(Throughput::Elements(geometry.total_length() / 16_384));
        let name = format!("{seeds} seeds, {pieces} pieces of {} KiB", length >> 10);
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            let setup = || Busy::new(&geometry, seeds);
            bencher.iter_batched(setup, |mut busy| busy.finish(), BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, blocks);
criterion_main!(benches);
