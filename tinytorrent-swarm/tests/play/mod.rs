//! One swarm and peers played by the test: we say this, it must say that.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tinytorrent_sim::Tape;
use tinytorrent_swarm::record::{Recorded, replay};
use tinytorrent_swarm::{
    Action, BlockVerdict, Content, Event, Input, LeaveReason, PeerKey, PeerSource, SwarmConfig,
    Transport,
};
use tinytorrent_types::{Bitfield, Geometry, InfoHashV1, InfoHashes, PeerId};
use tinytorrent_wire::{Extended, Feature, Handshake, Message, PieceHeader, Request};

pub(crate) const BLOCK: u32 = 16_384;

pub(crate) struct Play {
    pub(crate) swarm: Recorded,
    pub(crate) now: Instant,
    pub(crate) geometry: Geometry,
    pub(crate) actions: Vec<Action>,
    pub(crate) events: Vec<Event>,
    peers: u8,
    // Dropped after the engine.
    _proof: Proof,
}

/// Whatever is played, its recording replays alike. Proven at the end of each test that passes.
struct Proof(Tape);

impl Drop for Proof {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let recording = self.0.bytes();
            let replayed = replay(Instant::now(), &recording[..], &[tinytorrent_hash::sha1]);
            let replayed = replayed.expect("the recording can be read");
            assert!(replayed.parting.is_none(), "{:#?}", replayed.parting);
            assert!(!replayed.is_cut);
        }
    }
}

impl Play {
    /// Eight pieces of 512 KiB; we have them all, or none.
    pub(crate) fn new(have_all: bool, tune: impl FnOnce(&mut SwarmConfig)) -> Self {
        let mut play = Self::without_content(tune);
        play.open(have_all);
        play
    }

    /// The content is known.
    pub(crate) fn open(&mut self, have_all: bool) {
        let count = self.geometry.piece_count();
        self.content(if have_all { Bitfield::full(count) } else { Bitfield::new(count) });
    }

    /// The content was looked at, and these pieces are right.
    pub(crate) fn content(&mut self, have: Bitfield) {
        self.tell(Input::ContentReady(Content {
            geometry: self.geometry.clone(),
            have,
            wanted: Bitfield::full(self.geometry.piece_count()),
            partial: Vec::new(),
            info: tinytorrent_sim::info(),
            is_private: false,
        }));
    }

    /// Nobody has told us of the content yet.
    pub(crate) fn without_content(tune: impl FnOnce(&mut SwarmConfig)) -> Self {
        Self::of(InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20])), tune)
    }

    /// The torrent of these hashes; nobody has told us of the content yet.
    pub(crate) fn of(hashes: InfoHashes, tune: impl FnOnce(&mut SwarmConfig)) -> Self {
        let geometry = Geometry::new(8 << 19, 1 << 19).unwrap();
        let mut config = SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 42);
        config.sha1(tinytorrent_hash::sha1);
        tune(&mut config);
        let now = Instant::now();
        let tape = Tape::default();
        Self {
            swarm: Recorded::with_recording(now, config, tape.clone()),
            now,
            geometry,
            actions: Vec::new(),
            events: Vec::new(),
            peers: 0,
            _proof: Proof(tape),
        }
    }

    /// A peer connects to us and shakes hands.
    pub(crate) fn join(&mut self, features: &[Feature]) -> PeerKey {
        self.peers += 1;
        let address = SocketAddr::from(([10, 0, 0, self.peers], 5_000));
        self.join_from(address, PeerId::from_bytes([100 + self.peers; 20]), features)
    }

    /// A peer of this name connects to us and shakes hands.
    pub(crate) fn join_from(
        &mut self,
        address: SocketAddr,
        id: PeerId,
        features: &[Feature],
    ) -> PeerKey {
        let peer = self.swarm.accept(self.now, address).expect("there is room");
        self.greet(peer, id, features);
        peer
    }

    /// A tracker in the network of the peers tells of one, and we connect to it.
    pub(crate) fn dial(&mut self, address: SocketAddr) -> PeerKey {
        self.tell(Input::PeersFound { source: PeerSource::LocalTracker, addresses: vec![address] });
        let dialed = self.actions.iter().find_map(|action| match action {
            Action::Connect { peer, address: to, .. } if *to == address => Some(*peer),
            _ => None,
        });
        dialed.expect("it connects")
    }

    /// A peer shakes hands.
    pub(crate) fn greet(&mut self, peer: PeerKey, peer_id: PeerId, features: &[Feature]) {
        self.greet_by(Transport::Tcp, peer, peer_id, features);
    }

    /// A peer shakes hands over this transport.
    pub(crate) fn greet_by(
        &mut self,
        transport: Transport,
        peer: PeerKey,
        peer_id: PeerId,
        features: &[Feature],
    ) {
        let reserved = features.iter().copied().collect();
        let info_hash = self.swarm.handshake().info_hash;
        let handshake = Handshake { reserved, info_hash, peer_id };
        self.tell(Input::HandshakeCompleted { peer, transport, handshake });
    }

    /// A handshake of the extension protocol comes.
    pub(crate) fn say_extended(&mut self, peer: PeerKey, handshake: &'static [u8]) {
        let payload = Bytes::from_static(handshake);
        self.say(peer, Message::Extended(Extended { id: 0, payload }));
    }

    pub(crate) fn tell(&mut self, input: Input) {
        self.swarm.handle_input(self.now, input);
        self.drain();
    }

    pub(crate) fn say(&mut self, peer: PeerKey, message: Message) {
        self.tell(Input::MessageReceived { peer, message });
    }

    pub(crate) fn block(&mut self, peer: PeerKey, request: Request) -> BlockVerdict {
        let verdict = self.swarm.handle_block(self.now, peer, PieceHeader::from(request));
        self.drain();
        verdict
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.swarm.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.swarm.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(action) = self.swarm.poll_action() {
            self.actions.push(action);
        }
        self.events.extend(std::iter::from_fn(|| self.swarm.poll_event()));
        self.swarm.check_invariants();
    }

    /// What was said to the peer since the last look.
    pub(crate) fn heard(&mut self, by: PeerKey) -> Vec<Message> {
        let mut heard = Vec::new();
        self.actions.retain(|action| match action {
            Action::Send { peer, message } if *peer == by => {
                heard.push(message.clone());
                false
            }
            _ => true,
        });
        heard
    }

    pub(crate) fn left(&self, who: PeerKey) -> Option<&LeaveReason> {
        self.actions.iter().find_map(|action| match action {
            Action::Disconnect { peer, reason } if *peer == who => Some(reason),
            _ => None,
        })
    }

    pub(crate) fn served(&self) -> usize {
        self.actions.iter().filter(|action| matches!(action, Action::ServeBlock { .. })).count()
    }
}

pub(crate) fn request(index: u32, number: u32) -> Request {
    Request { index, begin: number * BLOCK, length: BLOCK }
}

pub(crate) fn requests(messages: &[Message]) -> Vec<Request> {
    let requests = messages.iter().filter_map(|message| match message {
        Message::Request(request) => Some(*request),
        _ => None,
    });
    requests.collect()
}
