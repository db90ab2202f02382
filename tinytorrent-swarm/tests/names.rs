//! The hashes by which a torrent is named in handshakes, and the order in which peers are dialed.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::net::SocketAddr;
use std::time::Duration;

use play::Play;
use tinytorrent_swarm::{
    Action, ConnectionError, Input, LeaveReason, PeerKey, PeerSource, Transport,
};
use tinytorrent_types::{InfoHashV1, InfoHashV2, InfoHashes, PeerId, WireInfoHash};
use tinytorrent_wire::{Feature, Handshake, HashRequest, Message};

const V1: InfoHashV1 = InfoHashV1::from_bytes([7; 20]);
const V2: InfoHashV2 = InfoHashV2::from_bytes([8; 32]);
const ANOTHER: WireInfoHash = WireInfoHash::from_bytes([9; 20]);

fn hybrid() -> InfoHashes {
    InfoHashes::from_both(V1, V2)
}

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 6_881))
}

/// A peer shakes hands, naming the torrent by this hash.
fn answer(play: &mut Play, peer: PeerKey, info_hash: WireInfoHash, features: &[Feature]) {
    let reserved = features.iter().copied().collect();
    let handshake = Handshake { reserved, info_hash, peer_id: PeerId::from_bytes([5; 20]) };
    play.tell(Input::HandshakeCompleted { peer, transport: Transport::Tcp, handshake });
}

/// The dials since the last look.
fn dials(play: &mut Play) -> Vec<(PeerKey, SocketAddr, WireInfoHash)> {
    let dials = play.actions.drain(..).filter_map(|action| match action {
        Action::Connect { peer, address, info_hash, .. } => Some((peer, address, info_hash)),
        _ => None,
    });
    dials.collect()
}

fn find(play: &mut Play, addresses: Vec<SocketAddr>) {
    play.tell(Input::PeersFound { source: PeerSource::LocalTracker, addresses });
}

#[test]
fn the_v2_bit_is_set_where_the_torrent_has_a_v2_hash() {
    // W-50, BEP 52, "upgrade path"
    let v1 = InfoHashes::from_v1(V1);
    for (hashes, is_set) in [(v1, false), (hybrid(), true), (InfoHashes::from_v2(V2), true)] {
        let reserved = Play::of(hashes, |_| {}).swarm.handshake().reserved;
        assert_eq!(reserved.contains(Feature::V2), is_set);
    }
}

/// Dials a peer of a hybrid torrent that lacks hashes. Gives what the peer is asked for once it has
/// answered with this hash.
fn asked_after_answer(info_hash: WireInfoHash, features: &[Feature]) -> Vec<Message> {
    let root = [9; 32];
    let (base_layer, index, length, proof_layers) = (2, 0, 512, 9);
    let request = HashRequest { pieces_root: root, base_layer, index, length, proof_layers };
    let mut play = Play::of(hybrid(), |_| {});
    play.tell(Input::HashesNeeded(vec![request]));
    find(&mut play, vec![address(1)]);
    let (peer, _, named) = dials(&mut play)[0];
    assert_eq!(named, V1.to_wire());
    answer(&mut play, peer, info_hash, features);
    assert_eq!(play.left(peer), None);
    play.say(peer, Message::Have(0));
    let heard = play.heard(peer).into_iter();
    heard.filter(|message| matches!(message, Message::HashRequest(_))).collect()
}

#[test]
fn an_answer_by_the_v2_hash_upgrades_the_connection() {
    // W-50, BEP 52, "upgrade path"
    assert_eq!(asked_after_answer(V1.to_wire(), &[]), [], "version 2 was not agreed upon");
    assert_eq!(asked_after_answer(V2.to_wire(), &[]).len(), 1);
    assert_eq!(asked_after_answer(V1.to_wire(), &[Feature::V2]).len(), 1);
}

#[test]
fn another_torrents_hash_ends_the_connection() {
    // W-03
    for hashes in [InfoHashes::from_v1(V1), InfoHashes::from_v2(V2), hybrid()] {
        let mut play = Play::of(hashes, |_| {});
        play.open(false);
        let dialed = play.dial(address(1));
        let came = play.swarm.accept(play.now, address(2)).unwrap();
        for peer in [dialed, came] {
            answer(&mut play, peer, ANOTHER, &[]);
            assert_eq!(play.left(peer), Some(&LeaveReason::WrongTorrent));
            assert!(play.heard(peer).is_empty(), "nothing is said to it");
        }
    }
}

#[test]
fn peers_may_name_a_hybrid_by_either_hash() {
    // W-03, V-18
    for named in [V1.to_wire(), V2.to_wire()] {
        let mut play = Play::of(hybrid(), |_| {});
        play.open(false);
        let came = play.swarm.accept(play.now, address(2)).unwrap();
        answer(&mut play, came, named, &[Feature::Fast]);
        assert_eq!(play.left(came), None);
        assert_eq!(play.heard(came), [Message::HaveNone]);
    }
}

/// The next dial, within an hour.
fn next_dial(play: &mut Play) -> (PeerKey, WireInfoHash) {
    for _ in 0..3_600 {
        if let Some(&(peer, _, hash)) = dials(play).first() {
            return (peer, hash);
        }
        play.wait(Duration::from_secs(1));
    }
    panic!("it is not dialed any more")
}

#[test]
fn a_hybrid_is_dialed_by_both_hashes_in_turn_until_one_is_known() {
    // V-18, W-50
    let mut play = Play::of(hybrid(), |_| {});
    play.open(false);
    find(&mut play, vec![address(1)]);
    let mut named = Vec::new();
    for _ in 0..3 {
        let (peer, hash) = next_dial(&mut play);
        named.push(hash);
        play.tell(Input::ConnectFailed { peer, error: ConnectionError::Closed });
    }
    assert_eq!(named, [V1.to_wire(), V2.to_wire(), V1.to_wire()]);
    // It answers to the second one, and is called by that from now on.
    for _ in 0..3 {
        let (peer, hash) = next_dial(&mut play);
        assert_eq!(hash, V2.to_wire());
        answer(&mut play, peer, V2.to_wire(), &[]);
        play.tell(Input::ConnectionClosed { peer, error: ConnectionError::Closed });
    }
}

/// Three networks agree that we are at the address of the client in the examples of BEP 40.
fn vote_for_the_example(play: &mut Play) {
    for network in 1..=3 {
        let voter = SocketAddr::from(([20, 1, network, 7], 6_881));
        let id = PeerId::from_bytes([50 + network; 20]);
        let peer = play.join_from(voter, id, &[Feature::Extended]);
        play.say_extended(peer, b"d1:mde6:yourip4:\x7b\xd5\x20\x0ae");
    }
}

#[test]
fn peers_are_dialed_in_the_order_of_canonical_priority() {
    // BEP 40, "Examples": 0xec2d7224 comes before 0x99568189.
    let (first, second): (SocketAddr, SocketAddr) =
        ("98.76.54.32:1".parse().unwrap(), "123.213.32.234:1".parse().unwrap());
    for told in [[first, second], [second, first]] {
        let mut play = Play::new(false, |config| _ = config.max_connecting(1).listen_port(6_881));
        vote_for_the_example(&mut play);
        // The place is taken while both are told of.
        find(&mut play, vec![address(9)]);
        let (busy, ..) = dials(&mut play)[0];
        find(&mut play, told.to_vec());
        assert!(dials(&mut play).is_empty());
        play.tell(Input::ConnectFailed { peer: busy, error: ConnectionError::TimedOut });
        let (peer, dialed, _) = dials(&mut play)[0];
        assert_eq!(dialed, first);
        play.tell(Input::ConnectFailed { peer, error: ConnectionError::TimedOut });
        assert_eq!(dials(&mut play)[0].1, second);
    }
}
