//! What a peer makes us do is in proportion to what it says, however large the torrent and the
//! swarm are. The sizes are such that nobody would wait for the end of anything else.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use tinytorrent_swarm::{
    Action, ConnectionError, Content, Input, PeerKey, Swarm, SwarmConfig, Transport,
};
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

/// The most pieces that content may have and their bitfield still fits a message of 256 KiB; of one
/// block each. A walk over all takes as long as thousands of messages.
const MOST: u32 = 1 << 21;

/// Pairs of messages to say. With a walk over all pieces for each of them, a test would take minutes.
const PAIRS: u32 = 2_000;

/// `lt_donthave` is the second of our extensions.
const DONT_HAVE: u8 = 2;

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
        Self::ordered(true)
    }

    fn ordered(is_sequential: bool) -> Self {
        let now = Instant::now();
        let hashes =
            InfoHashes::from_both(InfoHashV1::from_bytes([7; 20]), InfoHashV2::from_bytes([8; 32]));
        let mut config = SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 42);
        config.sequential(is_sequential).max_peers(MAX_PEERS);
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
        self.load(geometry, pieces(0..HALF));
    }

    /// As much as there can be, of which we have the first pieces.
    fn with_most_pieces(have: u32, is_sequential: bool) -> Self {
        let mut large = Self::ordered(is_sequential);
        let geometry = Geometry::new(u64::from(MOST) << 14, 1 << 14).unwrap();
        let mut first = Bitfield::new(MOST);
        geometry.pieces().take(have as usize).for_each(|piece| {
            first.insert(piece);
        });
        large.load(geometry, first);
        large
    }

    fn load(&mut self, geometry: Geometry, have: Bitfield) {
        self.tell(Input::ContentReady(Content {
            wanted: Bitfield::full(geometry.piece_count()),
            geometry,
            have,
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
        self.tell(Input::HandshakeCompleted { peer, transport: Transport::Tcp, handshake });
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

    fn leave(&mut self, peer: PeerKey) {
        self.tell(Input::ConnectionClosed { peer, error: ConnectionError::Closed });
    }

    fn lose(&mut self, peer: PeerKey, index: u32) {
        let payload = Bytes::copy_from_slice(&index.to_be_bytes());
        self.say(peer, Message::Extended(Extended { id: DONT_HAVE, payload }));
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
        large.lose(peer, index);
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

#[test]
fn nothing_is_walked_for_a_random_piece() {
    say_all_there_is(&mut Large::with_most_pieces(0, false));
}

#[test]
fn nothing_is_walked_for_the_rarest_piece() {
    // The first ones are random (S-22).
    say_all_there_is(&mut Large::with_most_pieces(8, false));
}

#[test]
fn nothing_is_walked_for_the_next_piece() {
    say_all_there_is(&mut Large::with_most_pieces(0, true));
}

/// Each scene leaves things as they were, but for the last.
fn say_all_there_is(large: &mut Large) {
    bitfields_lack_a_piece(large);
    seeds_lose_a_piece_and_leave(large);
    choke_and_unchoke(large);
    pieces_come_and_go(large);
    have_next_to_nothing(large);
}

/// They are counted by what they lack. Each is 256 KiB.
fn bitfields_lack_a_piece(large: &mut Large) {
    let mut field = vec![0xff; MOST as usize / 8];
    field[7] = 0xfe;
    let field = Bytes::from(field);
    for _ in 0..10 {
        let peer = large.join(&[Feature::Fast]);
        large.say(peer, Message::Bitfield(field.clone()));
        large.leave(peer);
    }
}

fn seeds_lose_a_piece_and_leave(large: &mut Large) {
    // Beside others, whose searches are not to begin again.
    let others = [(); 10].map(|()| {
        let other = large.join(&[]);
        large.say(other, Message::Have(MOST - 2));
        large.say(other, Message::Unchoke);
        other
    });
    for index in 0..PAIRS / 100 {
        let peer = large.join(&[Feature::Extended, Feature::Fast]);
        large.say(peer, Message::HaveAll);
        large.lose(peer, index);
        large.leave(peer);
    }
    others.into_iter().for_each(|other| large.leave(other));
}

fn choke_and_unchoke(large: &mut Large) {
    let [single, fast, few] = [&[][..], &[Feature::Fast], &[]].map(|features| large.join(features));
    large.say(single, Message::Have(MOST - 3));
    large.say(fast, Message::Have(MOST - 3));
    (0..20).for_each(|at| large.say(few, Message::Have(MOST / 2 + 40 * at)));
    let before = large.requested;
    for _ in 0..PAIRS {
        for peer in [single, fast, few] {
            large.say(peer, Message::Unchoke);
            large.say(peer, Message::Choke);
        }
    }
    assert!(large.requested > before + 2 * PAIRS as usize, "they are asked again each time");
    [single, fast, few].into_iter().for_each(|peer| large.leave(peer));
}

fn pieces_come_and_go(large: &mut Large) {
    let features = [Feature::Extended, Feature::Fast];
    let [sparse, dense] = [Message::HaveNone, Message::HaveAll].map(|says| {
        let peer = large.join(&features);
        large.say(peer, says);
        peer
    });
    large.say(sparse, Message::Unchoke);
    for _ in 0..PAIRS {
        large.say(sparse, Message::Have(MOST - 3));
        large.lose(dense, MOST - 3);
        large.lose(sparse, MOST - 3);
        large.say(dense, Message::Have(MOST - 3));
        large.say(sparse, Message::Suggest(MOST - 5));
        large.say(sparse, Message::AllowedFast(MOST - 7));
    }
    [sparse, dense].into_iter().for_each(|peer| large.leave(peer));
}

fn have_next_to_nothing(large: &mut Large) {
    let before = large.requested;
    for at in 0..PAIRS / 100 {
        let peer = large.join(&[]);
        large.say(peer, Message::Have(MOST - 1 - at));
        large.say(peer, Message::Unchoke);
    }
    assert_eq!(large.requested, before + PAIRS as usize / 100);
}
