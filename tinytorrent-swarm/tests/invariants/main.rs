//! Whatever peers, disk and clock do, in any order: the parts never contradict each other.
#![allow(clippy::disallowed_methods, reason = "a story begins at some instant")]

mod web_seeds;
mod words;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use tinytorrent_sim::Tape;
use tinytorrent_swarm::record::{Recorded, replay};
use tinytorrent_swarm::{
    Action, BlockVerdict, ConnectionError, Content, DiskError, Input, PeerKey, PeerSource,
    ReaderKey, SwarmConfig, Transport, Transports,
};
use tinytorrent_types::{
    Bitfield, BlockDigest, BlockInfo, Geometry, InfoHashV1, InfoHashV2, InfoHashes, PeerId,
    PieceIndex,
};
use tinytorrent_wire::{Feature, Handshake, HashRequest, Message, PieceHeader, Request, Reserved};
use web_seeds::{Deed, WebSeeds, deed};
use words::{hash_request, message, range};

/// Bytes that may wait for the disk.
const BUDGET: u64 = 100_000;

#[derive(Debug, Clone)]
enum Step {
    Join {
        fast: bool,
        extended: bool,
        id: u8,
    },
    Say {
        peer: usize,
        message: Message,
    },
    /// A block that was asked for, if any was.
    Answer {
        peer: usize,
        nth: usize,
    },
    /// A block out of the blue.
    Block {
        peer: usize,
        header: PieceHeader,
    },
    Verdict {
        is_right: bool,
    },
    Serve {
        is_sent: bool,
    },
    Store,
    Wait {
        millis: u64,
    },
    Leave {
        peer: usize,
    },
    Found {
        host: u8,
    },
    Urgent {
        pieces: Vec<u32>,
    },
    Read {
        at: u64,
        count: u64,
        way: u8,
    },
    Limit {
        bytes: Option<u64>,
    },
    SuperSeed {
        wanted: bool,
    },
    /// Bits of pieces: low ones, and high ones.
    Prioritize(u8, u8),
    Pause,
    LeaveOne,
    Resume,
    DiskFails,
    /// The content is looked at again, or that has come to its end.
    Check,
    WebSeed(Deed),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), any::<bool>(), 0..8_u8)
            .prop_map(|(fast, extended, id)| Step::Join { fast, extended, id }),
        20 => (0..6_usize, message()).prop_map(|(peer, message)| Step::Say { peer, message }),
        20 => (0..6_usize, 0..40_usize).prop_map(|(peer, nth)| Step::Answer { peer, nth }),
        1 => (0..6_usize, range()).prop_map(|(peer, r)| Step::Block { peer, header: r.into() }),
        6 => prop::bool::weighted(0.7).prop_map(|is_right| Step::Verdict { is_right }),
        4 => any::<bool>().prop_map(|is_sent| Step::Serve { is_sent }),
        4 => Just(Step::Store),
        3 => prop_oneof![0..100_u64, 0..50_000_u64].prop_map(|millis| Step::Wait { millis }),
        1 => (0..6_usize).prop_map(|peer| Step::Leave { peer }),
        1 => (0..6_u8).prop_map(|host| Step::Found { host }),
        1 => prop::collection::vec(0..8_u32, 0..4).prop_map(|pieces| Step::Urgent { pieces }),
        2 => (0..300_000_u64, 0..100_000_u64, 0..4_u8)
            .prop_map(|(at, count, way)| Step::Read { at, count, way }),
        1 => prop::option::of(0..100_000_u64).prop_map(|bytes| Step::Limit { bytes }),
        1 => any::<bool>().prop_map(|wanted| Step::SuperSeed { wanted }),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(low, high)| Step::Prioritize(low, high)),
        1 => Just(Step::Pause),
        1 => Just(Step::LeaveOne),
        2 => Just(Step::Resume),
        1 => Just(Step::DiskFails),
        1 => Just(Step::Check),
        20 => deed().prop_map(Step::WebSeed),
    ]
}

struct Stage {
    swarm: Recorded,
    tape: Tape,
    now: Instant,
    geometry: Geometry,
    peers: Vec<PeerKey>,
    asked: Vec<(PeerKey, Request)>,
    verify: Vec<PieceIndex>,
    serve: Vec<(PeerKey, BlockInfo)>,
    /// Hashes that are needed before the content is ready.
    hashes: Vec<HashRequest>,
    unstored: u64,
    joined: u8,
    readers: Vec<ReaderKey>,
    is_checking: bool,
    web_seeds: WebSeeds,
    /// There are no peers.
    is_alone: bool,
}

impl Stage {
    fn new(needs_metadata: bool, sequential: bool, is_seed: bool, is_alone: bool) -> Self {
        let geometry = Geometry::new(5 * 49_152 + 20_000, 49_152).unwrap();
        let hashes =
            InfoHashes::from_both(InfoHashV1::from_bytes([7; 20]), InfoHashV2::from_bytes([8; 32]));
        let now = Instant::now();
        let mut config = SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 42);
        config.max_peers(5).upload_slots(2).store_budget(BUDGET);
        config.needs_metadata(needs_metadata).sequential(sequential);
        config.dht(true).transports(Transports::Both);
        config.trackers(vec![vec!["udp://192.0.2.1:1/a".into()], vec!["not a url".into()]]);
        config.tracker_exchange(Some(vec!["udp://192.0.2.1:1/a".into()]));
        let tape = Tape::default();
        let swarm = Recorded::with_recording(now, config, tape.clone());
        let mut stage = Self {
            swarm,
            tape,
            now,
            geometry,
            peers: Vec::new(),
            asked: Vec::new(),
            verify: Vec::new(),
            serve: Vec::new(),
            hashes: (0..3).map(|at| hash_request(2 * at)).collect(),
            unstored: 0,
            joined: 0,
            readers: Vec::new(),
            is_checking: false,
            web_seeds: WebSeeds::new(!is_alone),
            is_alone,
        };
        if !needs_metadata {
            stage.ready(is_seed);
        }
        stage
    }

    fn ready(&mut self, is_seed: bool) {
        let count = self.geometry.piece_count();
        let mut have = Bitfield::new(count);
        have.insert(self.geometry.piece(1).unwrap());
        let content = Content {
            geometry: self.geometry.clone(),
            have: if is_seed { Bitfield::full(count) } else { have },
            wanted: Bitfield::full(count),
            partial: self.geometry.blocks(self.geometry.piece(2).unwrap()).skip(1).collect(),
            info: tinytorrent_sim::info(),
            is_private: false,
        };
        self.swarm.handle_input(self.now, Input::ContentReady(content));
    }

    fn step(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Join { .. } | Step::Found { .. } if self.is_alone => {}
            Step::Join { fast, extended, id } => self.join(fast, extended, id),
            Step::Say { peer, message } => {
                if let Some(&peer) = self.peers.get(peer) {
                    self.swarm.handle_input(now, Input::MessageReceived { peer, message });
                }
            }
            Step::Answer { peer, nth } => {
                let Some(&peer) = self.peers.get(peer) else { return };
                let mut own = self.asked.iter().enumerate().filter(|(_, (by, _))| *by == peer);
                if let Some((at, (_, request))) = own.nth(nth % 8) {
                    let header = PieceHeader::from(*request);
                    self.asked.remove(at);
                    self.block(peer, header);
                }
            }
            Step::Block { peer, header } => {
                if let Some(&peer) = self.peers.get(peer) {
                    self.block(peer, header);
                }
            }
            Step::Verdict { is_right } => {
                let Some(piece) = self.verify.pop() else { return };
                let digests = vec![
                    BlockDigest::from_bytes([u8::from(is_right); 20]);
                    self.geometry.block_count(piece) as usize
                ];
                if !is_right {
                    self.web_seeds.begin_anew(piece.get());
                }
                let input = if is_right {
                    Input::PieceVerified { piece, digests }
                } else {
                    Input::PieceFailed { piece, digests }
                };
                self.swarm.handle_input(now, input);
            }
            Step::Serve { is_sent } => {
                let Some((peer, block)) = self.serve.pop() else { return };
                self.swarm.handle_input(now, Input::BlockServed { peer, block, sent: is_sent });
            }
            Step::Store => {
                let bytes = std::mem::take(&mut self.unstored);
                self.swarm.handle_input(now, Input::BlocksWritten { bytes });
            }
            Step::Wait { millis } => self.wait(Duration::from_millis(millis)),
            Step::Leave { peer } => {
                if let Some(&peer) = self.peers.get(peer) {
                    let error = ConnectionError::Closed;
                    self.swarm.handle_input(now, Input::ConnectionClosed { peer, error });
                }
            }
            Step::Found { host } => {
                let addresses = vec![SocketAddr::from(([10, 1, 0, host], 1))];
                let source = PeerSource::LocalTracker;
                self.swarm.handle_input(now, Input::PeersFound { source, addresses });
            }
            Step::Urgent { pieces } => self.swarm.set_urgent(now, pieces),
            Step::Read { at, count, way } => self.read(at, count, way),
            Step::Limit { bytes } => {
                self.swarm.set_download_limit(now, bytes);
                self.swarm.set_upload_limit(now, bytes);
            }
            Step::SuperSeed { wanted } => self.swarm.set_super_seeding(now, wanted),
            Step::Prioritize(low, high) => {
                let count = self.geometry.piece_count();
                let [low, high] = [low, high]
                    .map(|bits| Bitfield::from_bytes_lenient(&[bits], count).expect("one byte"));
                self.swarm.set_priorities(now, low, high);
            }
            Step::Pause => self.swarm.pause(now),
            Step::Resume => self.swarm.resume(now),
            Step::LeaveOne => _ = self.swarm.leave_one(now),
            Step::Check if self.is_checking => {
                // What was under way before has come to its end by then.
                self.verify.clear();
                self.is_checking = false;
                self.ready(false);
            }
            Step::Check if self.swarm.have().is_some() => {
                self.swarm.begin_check(now);
                self.is_checking = true;
            }
            Step::Check => {}
            Step::WebSeed(deed) => {
                for verdict in self.web_seeds.act(now, deed, &mut self.swarm) {
                    self.store(&verdict);
                }
            }
            Step::DiskFails => {
                self.web_seeds.begin_anew(0);
                self.swarm.handle_input(
                    now,
                    Input::DiskFailed {
                        piece: self.geometry.piece(0),
                        error: DiskError { kind: ErrorKind::StorageFull, message: "full".into() },
                    },
                );
            }
        }
    }

    fn read(&mut self, at: u64, count: u64, way: u8) {
        let (now, bytes) = (self.now, at..at + count);
        match (way, self.readers.last().copied()) {
            (0, Some(reader)) => {
                self.readers.pop();
                self.swarm.remove_reader(now, reader);
            }
            (1, Some(reader)) => self.swarm.advance_reader(now, reader, count),
            (2, Some(reader)) => self.swarm.move_reader(now, reader, bytes),
            _ => self.readers.push(self.swarm.add_reader(now, bytes)),
        }
    }

    fn join(&mut self, fast: bool, extended: bool, id: u8) {
        self.joined = self.joined.wrapping_add(1);
        let address = SocketAddr::from(([10, 0, 0, self.joined], 5_000));
        let Some(peer) = self.swarm.accept(self.now, address) else { return };
        let mut reserved = Reserved::empty().with(Feature::V2);
        for (has, feature) in [(fast, Feature::Fast), (extended, Feature::Extended)] {
            reserved = if has { reserved.with(feature) } else { reserved };
        }
        let info_hash = self.swarm.handshake().info_hash;
        let handshake = Handshake { reserved, info_hash, peer_id: PeerId::from_bytes([id; 20]) };
        let transport = if id.is_multiple_of(2) { Transport::Tcp } else { Transport::Utp };
        self.swarm.handle_input(self.now, Input::HandshakeCompleted { peer, transport, handshake });
        self.peers.push(peer);
        if self.peers.len() > 6 {
            self.peers.remove(0);
        }
    }

    fn block(&mut self, peer: PeerKey, header: PieceHeader) {
        let verdict = self.swarm.handle_block(self.now, peer, header);
        self.store(&verdict);
    }

    fn store(&mut self, verdict: &BlockVerdict) {
        self.unstored += verdict.block().map_or(0, |block| u64::from(block.length()));
        if let BlockVerdict::StoreLast { block, .. } = verdict {
            self.verify.push(block.piece());
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        let mut turns = 0;
        while let Some(at) = self.swarm.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.swarm.handle_timeout(self.now);
            self.drain();
            turns += 1;
            assert!(turns < 10_000, "time-outs come without end");
        }
        self.now = end;
    }

    /// The recording of all that was played gives the same answers.
    fn replay(mut self) {
        self.swarm.end_recording();
        let recording = self.tape.bytes();
        let replayed = replay(Instant::now(), &recording[..], &[]).expect("it can be read");
        assert!(replayed.parting.is_none(), "{:#?}", replayed.parting);
    }

    fn drain(&mut self) {
        while let Some(action) = self.swarm.poll_action() {
            match action {
                Action::Send { peer, message: Message::Request(request) } => {
                    self.asked.push((peer, request));
                }
                Action::Send { peer, message: Message::Cancel(request) } => {
                    self.asked.retain(|asked| *asked != (peer, request));
                }
                Action::VerifyPiece { piece, .. } => self.verify.push(piece),
                Action::ServeBlock { peer, block } => self.serve.push((peer, block)),
                Action::CheckMetadata { info } if info == tinytorrent_sim::info() => {
                    let needed = Input::HashesNeeded(self.hashes.clone());
                    self.swarm.handle_input(self.now, needed);
                }
                Action::CheckHashes { peer, hashes } => {
                    let (request, is_right) = (hashes.request, !hashes.hashes.is_empty());
                    let checked = Input::HashesChecked { peer, request, is_right };
                    self.swarm.handle_input(self.now, checked);
                    self.hashes.retain(|needed| !is_right || *needed != request);
                    if self.hashes.is_empty() {
                        self.ready(false);
                    }
                }
                Action::ReadHashes { peer, request } => {
                    let hashes = (request.index > 0).then(|| Bytes::from(vec![1; 96]));
                    let read = Input::HashesRead { peer, request, hashes };
                    self.swarm.handle_input(self.now, read);
                }
                Action::CheckMetadata { .. } => {
                    self.swarm.handle_input(self.now, Input::MetadataRefused);
                }
                Action::Connect { peer, .. } => {
                    let error = ConnectionError::Closed;
                    self.swarm.handle_input(self.now, Input::ConnectFailed { peer, error });
                }
                Action::Disconnect { peer, .. } => {
                    self.asked.retain(|(by, _)| *by != peer);
                    self.peers.retain(|known| *known != peer);
                }
                Action::Fetch(task) => self.web_seeds.begin(task, &self.swarm),
                Action::GrantFetch { fetch, blocks } => {
                    self.web_seeds.grant(fetch, blocks, self.unstored, BUDGET);
                }
                Action::CancelFetch { fetch } => self.web_seeds.cancel(fetch),
                Action::DoubtFiles { seed, piece } => {
                    self.web_seeds.doubt(self.now, seed, piece.get(), &mut self.swarm);
                }
                Action::Send { .. }
                | Action::Announce(_)
                | Action::Scrape(_)
                | Action::LookUp(_) => {}
            }
        }
        while self.swarm.poll_event().is_some() {}
        assert!(!self.swarm.is_paused() || !self.web_seeds.is_busy(), "a pause ends all fetches");
        self.swarm.check_invariants();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_parts_never_contradict_each_other(
        needs_metadata: bool,
        sequential: bool,
        is_seed: bool,
        is_alone: bool,
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let mut stage = Stage::new(needs_metadata, sequential, is_seed, is_alone && !needs_metadata);
        stage.drain();
        for step in steps {
            stage.step(step);
            stage.drain();
        }
        stage.replay();
    }
}
