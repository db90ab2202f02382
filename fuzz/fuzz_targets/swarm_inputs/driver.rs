//! The driver of one swarm: sockets, disk and trackers that do as they are told, and note what they
//! were told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use tinytorrent_swarm::{
    Action, AnnounceOutcome, AnnounceTask, BlockVerdict, ConnectionError, Content, DiskError,
    FetchKey, FetchOutcome, Input, PeerKey, ReaderKey, Swarm, SwarmConfig, Transport, Transports,
    WebSeedKey,
};
use tinytorrent_tracker::{AnnounceResponse, Failure};
use tinytorrent_types::{
    Bitfield, BlockDigest, BlockInfo, Geometry, InfoHashV1, InfoHashV2, InfoHashes, PeerId,
    PieceIndex,
};
use tinytorrent_wire::{Feature, Handshake, Message, PieceHeader, Request};

/// Actions of one input at most: a few messages for each piece and each request of each peer.
const MAX_ACTIONS: usize = 4_096;

/// Turns of the clock in one wait at most.
const MAX_TURNS: usize = 10_000;

const INFO: &[u8] = &[b'i'; 300];

pub(crate) struct Driver {
    pub(crate) swarm: Swarm,
    now: Instant,
    geometry: Geometry,
    /// The peers that have shaken hands, and whether both ends speak the fast extension.
    pub(crate) peers: BTreeMap<PeerKey, bool>,
    /// Requests to hostile peers.
    asked: Vec<(PeerKey, Request)>,
    /// Requests that have to be answered, and how often.
    due: BTreeMap<(PeerKey, u32, u32, u32), u32>,
    /// Blocks to be sent.
    pub(crate) serving: Vec<(PeerKey, BlockInfo)>,
    /// Pieces to be hashed.
    hashing: Vec<PieceIndex>,
    /// Wrong blocks that were stored.
    wrong: BTreeSet<(u32, u32)>,
    unwritten: u64,
    announces: Vec<AnnounceTask>,
    pub(crate) dials: VecDeque<(PeerKey, SocketAddr)>,
    link: Option<PeerKey>,
    reader: Option<ReaderKey>,
    web_seed: Option<WebSeedKey>,
    /// Fetches from web seeds, and the number of blocks of each that may come.
    fetches: BTreeMap<FetchKey, (VecDeque<BlockInfo>, usize)>,
    /// Frames on their way to the other end.
    pub(crate) frames: VecDeque<Frame>,
}

/// A message or block on its way to the link.
pub(crate) enum Frame {
    Message(Message),
    Block(PieceHeader),
}

/// The address of one of the two ends.
pub(crate) fn address(end: usize) -> SocketAddr {
    SocketAddr::from(([10, 2, 0, end as u8], 6_881))
}

impl Driver {
    /// The first end has most of the content, the second one piece, or not even the metadata.
    pub(crate) fn new(now: Instant, end: usize, setup: u8) -> Self {
        let hashes =
            InfoHashes::from_both(InfoHashV1::from_bytes([7; 20]), InfoHashV2::from_bytes([8; 32]));
        let mut config =
            SwarmConfig::new(hashes, PeerId::from_bytes([end as u8; 20]), u64::from(setup));
        let needs_metadata = end == 1 && setup & 1 != 0;
        config.max_peers(5).upload_slots(2).max_requests(8).store_budget(100_000);
        config
            .needs_metadata(needs_metadata)
            // Both ends are at such addresses, whoever tells of them.
            .local_peers(true)
            .transports(Transports::Both)
            .sequential(setup & 2 != 0)
            .sha1(tinytorrent_hash::sha1);
        config.trackers(vec![vec!["udp://192.0.2.1:1/a".into()], vec!["not a url".into()]]);
        let mut driver = Self {
            swarm: Swarm::new(now, config),
            now,
            geometry: Geometry::new(5 * 49_152 + 20_000, 49_152).expect("it is small"),
            peers: BTreeMap::new(),
            asked: Vec::new(),
            due: BTreeMap::new(),
            serving: Vec::new(),
            hashing: Vec::new(),
            wrong: BTreeSet::new(),
            unwritten: 0,
            announces: Vec::new(),
            dials: VecDeque::new(),
            link: None,
            reader: None,
            web_seed: None,
            fetches: BTreeMap::new(),
            frames: VecDeque::new(),
        };
        if !needs_metadata {
            let have = [0b1111_1000, 0b0100_0000][end] | (setup & 0b1000_0100);
            driver.content_ready(&[have]);
        }
        driver
    }

    fn content_ready(&mut self, have: &[u8]) {
        let count = self.geometry.piece_count();
        let have = Bitfield::from_bytes_lenient(have, count).expect("one byte");
        let unfinished = self.geometry.piece(3).filter(|&piece| !have.contains(piece));
        let partial = unfinished.into_iter().flat_map(|p| self.geometry.blocks(p).skip(1));
        let content = Content {
            partial: partial.collect(),
            have,
            wanted: Bitfield::full(count),
            geometry: self.geometry.clone(),
            info: Bytes::from_static(INFO),
            is_private: false,
        };
        self.swarm.handle_input(self.now, Input::ContentReady(content));
    }

    pub(crate) fn tell(&mut self, now: Instant, input: Input) {
        self.now = now;
        self.swarm.handle_input(now, input);
    }

    pub(crate) fn begin_link(&mut self, peer: PeerKey) {
        self.link = Some(peer);
    }

    pub(crate) fn shake_hands(&mut self, now: Instant, peer: PeerKey, handshake: Handshake) {
        let is_fast = handshake.reserved.contains(Feature::Fast);
        self.peers.insert(peer, is_fast);
        let transport = if peer.slot().is_multiple_of(2) { Transport::Tcp } else { Transport::Utp };
        self.tell(now, Input::HandshakeCompleted { peer, transport, handshake });
    }

    /// A peer says something.
    pub(crate) fn say(&mut self, now: Instant, peer: PeerKey, message: Message) {
        if let Message::Request(Request { index, begin, length }) = message
            && self.peers.get(&peer) == Some(&true)
        {
            *self.due.entry((peer, index, begin, length)).or_default() += 1;
        }
        self.tell(now, Input::MessageReceived { peer, message });
    }

    /// An answer goes out: with the fast extension, a request has to have been there.
    fn answer(&mut self, peer: PeerKey, Request { index, begin, length }: Request) {
        if self.peers.get(&peer) == Some(&true) {
            let key = (peer, index, begin, length);
            let count = self.due.get_mut(&key).expect("nothing is answered twice, or unasked");
            *count -= 1;
            if *count == 0 {
                self.due.remove(&key);
            }
        }
    }

    /// Every request has had its answer.
    pub(crate) fn check_answers(&self) {
        assert!(self.due.is_empty(), "without an answer: {:?}", self.due);
    }

    /// A hostile peer sends a block that it was asked for.
    pub(crate) fn answer_hostile(&mut self, now: Instant, at: usize, is_right: bool) {
        if !self.asked.is_empty() {
            let (peer, request) = self.asked.remove(at % self.asked.len());
            self.receive_block(now, peer, request.into(), is_right);
        }
    }

    pub(crate) fn receive_block(
        &mut self,
        now: Instant,
        peer: PeerKey,
        header: PieceHeader,
        is_right: bool,
    ) {
        self.now = now;
        let verdict = self.swarm.handle_block(now, peer, header);
        self.store(verdict, is_right);
    }

    fn store(&mut self, verdict: BlockVerdict, is_right: bool) {
        let Some(block) = verdict.block() else { return };
        assert!(!self.has(block.piece()), "a block of a verified piece is stored");
        self.unwritten += u64::from(block.length());
        if is_right {
            self.wrong.remove(&(block.piece().get(), block.number()));
        } else {
            self.wrong.insert((block.piece().get(), block.number()));
        }
        if let BlockVerdict::StoreLast { block, .. } = verdict {
            self.hashing.push(block.piece());
        }
    }

    /// The disk has hashed a piece.
    pub(crate) fn verify(&mut self, now: Instant, at: usize) {
        if self.hashing.is_empty() {
            return;
        }
        let piece = self.hashing.remove(at % self.hashing.len());
        let is_wrong = |number| self.wrong.contains(&(piece.get(), number));
        let digests: Vec<_> = (0..self.geometry.block_count(piece))
            .map(|number| BlockDigest::from_bytes([u8::from(is_wrong(number)); 20]))
            .collect();
        if digests.contains(&BlockDigest::from_bytes([1; 20])) {
            self.wrong.retain(|(index, _)| *index != piece.get());
            self.tell(now, Input::PieceFailed { piece, digests });
        } else {
            self.tell(now, Input::PieceVerified { piece, digests });
        }
    }

    /// A block goes out, or cannot be read.
    pub(crate) fn serve(&mut self, now: Instant, at: usize, sent: bool, link: Option<PeerKey>) {
        if self.serving.is_empty() {
            return;
        }
        let (peer, block) = self.serving.remove(at % self.serving.len());
        let request =
            Request { index: block.piece().get(), begin: block.begin(), length: block.length() };
        if sent {
            self.answer(peer, request);
            if Some(peer) == link {
                self.frames.push_back(Frame::Block(request.into()));
            }
        }
        self.tell(now, Input::BlockServed { peer, block, sent });
    }

    pub(crate) fn write(&mut self, now: Instant) {
        let bytes = std::mem::take(&mut self.unwritten);
        self.tell(now, Input::BlocksWritten { bytes });
    }

    pub(crate) fn announced(&mut self, now: Instant, result: Result<AnnounceResponse, Failure>) {
        if let Some(AnnounceTask { id, .. }) = self.announces.pop() {
            self.tell(now, Input::Announced(AnnounceOutcome { id, result }));
        }
    }

    /// The connection is gone.
    pub(crate) fn close(&mut self, now: Instant, peer: PeerKey) {
        self.forget(peer);
        let error = ConnectionError::Closed;
        self.tell(now, Input::ConnectionClosed { peer, error });
    }

    fn forget(&mut self, peer: PeerKey) {
        self.peers.remove(&peer);
        self.asked.retain(|(of, _)| *of != peer);
        self.serving.retain(|(to, _)| *to != peer);
        self.due.retain(|(by, ..), _| *by != peer);
        self.dials.retain(|(dialed, _)| *dialed != peer);
        self.link = self.link.filter(|&link| link != peer);
    }

    /// The user, or the disk, wants something.
    pub(crate) fn command(&mut self, now: Instant, b: u8, c: u8) {
        self.now = now;
        let swarm = &mut self.swarm;
        let limit = (c < 200).then(|| u64::from(c) * 1_000);
        match b % 20 {
            0 => swarm.pause(now),
            1 | 2 => swarm.resume(now),
            3 => swarm.set_download_limit(now, limit),
            4 => swarm.set_upload_limit(now, limit),
            5 => swarm.set_urgent(now, [u32::from(c % 8), u32::from(c / 8)]),
            6 => swarm.set_store_budget(now, u64::from(c) * 1_000),
            7 => swarm.reannounce(now),
            8 => swarm.add_trackers(now, vec![vec!["http://192.0.2.2/announce".into()]]),
            9 => {
                let error = DiskError { kind: ErrorKind::StorageFull, message: "full".into() };
                let piece = self.geometry.piece(u32::from(c % 8));
                swarm.handle_input(now, Input::DiskFailed { piece, error });
            }
            10 if c % 16 == 0 => swarm.set_private(now),
            10 => _ = swarm.leave_one(now),
            11 => {
                let at = u64::from(c) * 1_000;
                match self.reader.take() {
                    Some(reader) if c % 4 == 0 => swarm.remove_reader(now, reader),
                    Some(reader) if c % 4 == 1 => {
                        swarm.advance_reader(now, reader, at);
                        self.reader = Some(reader);
                    }
                    Some(reader) => {
                        swarm.move_reader(now, reader, at..at + 100_000);
                        self.reader = Some(reader);
                    }
                    None => self.reader = Some(swarm.add_reader(now, at..at + 100_000)),
                }
            }
            12 => {
                let wanted = Bitfield::from_bytes_lenient(&[c], self.geometry.piece_count());
                swarm.set_wanted(now, wanted.expect("one byte"));
            }
            13 => {
                if let Some(have) = swarm.have().cloned() {
                    swarm.begin_check(now);
                    // A check waits for what is under way.
                    self.hashing.clear();
                    self.content_ready(have.as_bytes());
                }
            }
            14 => swarm.set_super_seeding(now, c % 2 == 0),
            15 => {
                let set = |bits| Bitfield::from_bytes_lenient(&[bits], self.geometry.piece_count());
                let [low, high] = [c & 0x0f, c & 0xf0].map(|bits| set(bits).expect("one byte"));
                swarm.set_priorities(now, low, high);
            }
            16 => {
                if let Some(piece) = self.geometry.piece(u32::from(c)) {
                    swarm.handle_input(now, Input::PieceLost { piece });
                }
            }
            17 => match self.web_seed.take_if(|_| c % 4 == 0) {
                Some(seed) => swarm.remove_web_seed(now, seed),
                None if self.web_seed.is_none() => self.web_seed = swarm.add_web_seed(now),
                None => {
                    let (seed, first) = (self.web_seed.expect("it is there"), u32::from(c % 8));
                    let pieces = first..first + u32::from(c / 64);
                    swarm.handle_input(now, Input::WebSeedLacks { seed, pieces });
                }
            },
            18 => self.receive_fetched(now, usize::from(c >> 2), c % 4 != 0),
            _ => self.end_fetch(now, usize::from(c >> 3), c),
        }
    }

    /// The next block of a fetch comes, if it may.
    fn receive_fetched(&mut self, now: Instant, at: usize, is_right: bool) {
        let count = self.fetches.len().max(1);
        let Some((&key, (blocks, granted))) = self.fetches.iter_mut().nth(at % count) else {
            return;
        };
        if *granted == 0 {
            return;
        }
        *granted -= 1;
        let block = blocks.pop_front().expect("no more is granted than is to come");
        let verdict = self.swarm.handle_fetched(now, key, block);
        self.store(verdict, is_right);
    }

    fn end_fetch(&mut self, now: Instant, at: usize, c: u8) {
        let count = self.fetches.len().max(1);
        let Some(&fetch) = self.fetches.keys().nth(at % count) else { return };
        let (blocks, _) = self.fetches.remove(&fetch).expect("it is there");
        let outcome = match c % 8 {
            _ if blocks.is_empty() => FetchOutcome::Complete,
            0 => FetchOutcome::Missing { pieces: u32::from(c % 5)..u32::from(c % 7) },
            1 => FetchOutcome::NoRanges,
            2 => FetchOutcome::Busy { pause: None },
            3 => FetchOutcome::Complete,
            4 if c % 64 == 4 => FetchOutcome::Forbidden,
            _ => FetchOutcome::Failed,
        };
        self.swarm.handle_input(now, Input::FetchEnded { fetch, outcome });
    }

    /// Nothing holds up what is under way any more.
    pub(crate) fn lift_limits(&mut self, now: Instant) {
        self.swarm.set_upload_limit(now, None);
        self.swarm.handle_timeout(now);
    }

    pub(crate) fn wait(&mut self, until: Instant) {
        for turn in 0.. {
            assert!(turn < MAX_TURNS, "time-outs come without end");
            let Some(at) = self.swarm.poll_timeout().filter(|&at| at <= until) else { break };
            self.now = self.now.max(at);
            self.swarm.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    /// Does what the swarm wants, as far as it can be done at once.
    pub(crate) fn drain(&mut self) {
        for count in 0.. {
            assert!(count < MAX_ACTIONS, "the queue of actions grows without end");
            let Some(action) = self.swarm.poll_action() else { break };
            self.act(action);
        }
        while self.swarm.poll_event().is_some() {}
        self.swarm.check_invariants();
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send { peer, message } => self.send(peer, message),
            Action::ServeBlock { peer, block } => {
                assert!(self.has(block.piece()), "{block:?} is served and not there");
                assert!(self.peers.contains_key(&peer));
                self.serving.push((peer, block));
            }
            Action::VerifyPiece { piece, .. } => self.hashing.push(piece),
            Action::Connect { peer, address, .. } => self.dials.push_back((peer, address)),
            Action::Disconnect { peer, .. } => self.forget(peer),
            Action::Announce(task) => self.announces.push(task),
            Action::Fetch(task) => {
                assert!(task.blocks.iter().all(|block| !self.has(block.piece())), "it is there");
                self.fetches.insert(task.key, (task.blocks.into(), 0));
            }
            Action::GrantFetch { fetch, blocks } => {
                let (left, granted) = self.fetches.get_mut(&fetch).expect("it was begun");
                *granted += blocks as usize;
                assert!(*granted <= left.len(), "more than is to come");
            }
            Action::CancelFetch { fetch } => {
                self.fetches.remove(&fetch).expect("it was begun");
            }
            Action::DoubtFiles { seed, piece } => {
                let index = piece.get();
                self.tell(self.now, Input::WebSeedLacks { seed, pieces: index..index + 2 });
            }
            Action::Scrape(_) | Action::LookUp(_) => {}
            Action::CheckMetadata { info } if info == INFO => self.content_ready(&[0b0100_0000]),
            Action::CheckMetadata { .. } => self.tell(self.now, Input::MetadataRefused),
            Action::ReadHashes { peer, request } => {
                self.tell(self.now, Input::HashesRead { peer, request, hashes: None });
            }
            Action::CheckHashes { peer, hashes } => {
                let request = hashes.request;
                self.tell(self.now, Input::HashesChecked { peer, request, is_right: false });
            }
        }
    }

    fn send(&mut self, peer: PeerKey, message: Message) {
        assert!(self.peers.contains_key(&peer), "{message:?} to nobody");
        match &message {
            Message::Reject(request) => self.answer(peer, *request),
            Message::Request(request) => {
                let is_there = self.geometry.piece(request.index).is_some_and(|p| self.has(p));
                assert!(!is_there, "{request:?} is there");
            }
            _ => {}
        }
        if self.link == Some(peer) {
            return self.frames.push_back(Frame::Message(message));
        }
        match message {
            Message::Request(request) => self.asked.push((peer, request)),
            Message::Cancel(request) => self.asked.retain(|asked| *asked != (peer, request)),
            _ => {}
        }
    }

    fn has(&self, piece: PieceIndex) -> bool {
        self.swarm.have().is_some_and(|have| have.contains(piece))
    }
}
