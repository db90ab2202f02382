//! What a peer makes us do is in proportion to what it says, however large the torrent and the
//! swarm are. The sizes are such that nobody would wait for the end of anything else.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use tinytorrent_swarm::{Action, Config, Content, Input, PeerKey, Swarm};
use tinytorrent_types::{Bitfield, Geometry, InfoHashV1, InfoHashV2, InfoHashes, PeerId};
use tinytorrent_wire::{Extended, Feature, Handshake, HashRequest, Message, Request, Reserved};

/// Two blocks.
const PIECE: u32 = 32 << 10;

/// Of these we have the first half.
const PIECES: u32 = 1 << 18;

const HALF: u32 = PIECES / 2;

const MAX_PEERS: usize = 200;

/// Some places are kept for those whom we find ourselves.
const STRANGERS: usize = MAX_PEERS / 4 * 3;

/// A swarm whose actions are counted, not kept.
struct Large {
    swarm: Swarm,
    now: Instant,
    requested: usize,
    served: usize,
    haves: usize,
    peers: u32,
}

impl Large {
    fn new() -> Self {
        let now = Instant::now();
        let hashes =
            InfoHashes::from_both(InfoHashV1::from_bytes([7; 20]), InfoHashV2::from_bytes([8; 32]));
        let mut config = Config::new(hashes, PeerId::from_bytes([1; 20]), 42);
        config.sequential(true).max_peers(MAX_PEERS);
        let swarm = Swarm::new(now, config);
        Self { swarm, now, requested: 0, served: 0, haves: 0, peers: 0 }
    }

    /// The content is there, in part.
    fn with_content() -> Self {
        let mut large = Self::new();
        large.content_comes();
        large
    }

    fn content_comes(&mut self) {
        let geometry = Geometry::new(u64::from(PIECES) * u64::from(PIECE), PIECE).unwrap();
        self.tell(Input::ContentReady(Content {
            geometry,
            have: pieces(0..HALF),
            wanted: Bitfield::full(PIECES),
            partial: Vec::new(),
            info: Bytes::new(),
            is_private: false,
        }));
    }

    fn join(&mut self, features: &[Feature]) -> PeerKey {
        self.peers += 1;
        let host = (10 << 24 | self.peers).to_be_bytes();
        let address = SocketAddr::from((host, 5_000));
        let peer = self.swarm.accept(self.now, address).expect("there is room");
        let mut id = [9; 20];
        id[..4].copy_from_slice(&host);
        let handshake = Handshake {
            reserved: features.iter().copied().collect::<Reserved>(),
            info_hash: self.swarm.handshake().info_hash,
            peer_id: PeerId::from_bytes(id),
        };
        self.tell(Input::HandshakeCompleted { peer, handshake });
        peer
    }

    /// Peers that have nothing to be asked for but what `busy` is asked for already.
    fn with_idle_peers(count: usize) -> Self {
        let mut large = Self::with_content();
        let busy = large.join(&[]);
        large.say(busy, Message::Have(PIECES - 1));
        large.say(busy, Message::Unchoke);
        assert_eq!(large.requested, 2);
        for _ in 0..count {
            let idle = large.join(&[]);
            large.say(idle, Message::Have(PIECES - 1));
            large.say(idle, Message::Unchoke);
        }
        assert_eq!(large.requested, 2);
        large
    }

    fn say(&mut self, peer: PeerKey, message: Message) {
        self.tell(Input::MessageReceived { peer, message });
    }

    fn tell(&mut self, input: Input) {
        self.swarm.handle_input(self.now, input);
        while let Some(action) = self.swarm.poll_action() {
            match action {
                Action::Send { message: Message::Request(_), .. } => self.requested += 1,
                Action::Send { message: Message::Have(_), .. } => self.haves += 1,
                Action::ServeBlock { .. } => self.served += 1,
                Action::Disconnect { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
        while self.swarm.poll_event().is_some() {}
    }
}

fn pieces(range: std::ops::Range<u32>) -> Bitfield {
    let geometry = Geometry::new(PIECES.into(), 1).unwrap();
    let mut pieces = Bitfield::new(PIECES);
    for index in range {
        pieces.insert(geometry.piece(index).unwrap());
    }
    pieces
}

#[test]
fn a_piece_that_a_peer_loses_and_gets_again_is_one_piece_to_count() {
    let mut large = Large::with_content();
    let peer = large.join(&[Feature::Extended, Feature::Fast]);
    large.say(peer, Message::HaveAll);
    for index in 0..PIECES {
        // `lt_donthave` is the second of our extensions.
        let payload = Bytes::copy_from_slice(&index.to_be_bytes());
        large.say(peer, Message::Extended(Extended { id: 2, payload }));
        large.say(peer, Message::Have(index));
    }
    assert_eq!(large.swarm.stats(large.now).seeds, 1);
    large.swarm.check_invariants();
}

#[test]
fn pieces_that_are_given_back_are_all_that_idle_peers_look_at() {
    let mut large = Large::with_idle_peers(50);
    let fickle = large.join(&[]);
    large.say(fickle, Message::Have(HALF));
    for _ in 0..2_000 {
        large.say(fickle, Message::Unchoke);
        large.say(fickle, Message::Choke);
    }
    assert_eq!(large.requested, 2 + 2 * 2_000);
}

#[test]
fn who_gets_what_we_have_is_not_searched_for_what_we_lack() {
    let mut large = Large::with_idle_peers(1);
    let idle = large.join(&[]);
    large.say(idle, Message::Have(PIECES - 1));
    large.say(idle, Message::Unchoke);
    for index in 0..HALF {
        large.say(idle, Message::Have(index));
    }
    assert_eq!(large.requested, 2);
    large.say(idle, Message::Have(HALF));
    assert_eq!(large.requested, 4, "what can be asked for is");
}

#[test]
fn requests_of_a_byte_take_no_more_places_than_whole_blocks() {
    let mut large = Large::with_content();
    let places = |large: &mut Large, length| {
        let peer = large.join(&[]);
        large.say(peer, Message::Interested);
        let before = large.served;
        for begin in 0..1_000 {
            large.say(peer, Message::Request(Request { index: 0, begin, length }));
        }
        large.served - before
    };
    assert_eq!(places(&mut large, 1), places(&mut large, 16_384));
}

#[test]
fn seeds_are_not_told_what_we_have_when_the_content_comes() {
    let mut large = Large::new();
    for _ in 0..100 {
        let seed = large.join(&[Feature::Fast]);
        large.say(seed, Message::HaveAll);
    }
    let leech = large.join(&[Feature::Fast]);
    large.say(leech, Message::HaveNone);
    large.content_comes();
    assert_eq!(large.haves, HALF as usize);
}

#[test]
fn words_of_peers_do_not_have_all_peers_looked_at_for_hashes() {
    let mut large = Large::new();
    let request = |at| HashRequest {
        pieces_root: [1; 32],
        base_layer: 2,
        index: 512 * at,
        length: 512,
        proof_layers: 20,
    };
    large.tell(Input::HashesNeeded((0..PIECES).map(request).collect()));
    let peers: Vec<_> = (0..STRANGERS).map(|_| large.join(&[Feature::V2])).collect();
    for &peer in &peers {
        large.say(peer, Message::Have(0));
    }
    for at in 0..PIECES {
        large.say(peers[at as usize % STRANGERS], Message::Have(1));
        large.say(peers[0], Message::HashReject(request(PIECES - 1)));
    }
}
