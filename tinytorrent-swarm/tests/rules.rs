//! Rules of the wire that the engine keeps in its messages to a peer, and in what it makes of theirs.
//! `docs/conformance` says each of them in a sentence.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use play::{BLOCK, Play, request, requests};
use tinytorrent_swarm::{Action, BlockVerdict, Content, Event, Input, LeaveReason, PeerKey};
use tinytorrent_types::compact::Family;
use tinytorrent_types::{Bitfield, Geometry, InfoHashV1, InfoHashes, PeerId};
use tinytorrent_wire::extension::Holepunch;
use tinytorrent_wire::{Extended, Feature, Message, Request};

const FAST: &[Feature] = &[Feature::Fast, Feature::Extended];

/// BEP 6, "Allowed Fast Set Generation": the torrent and the peer of its example.
fn example_of_bep_6() -> (Play, SocketAddr) {
    let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([0xaa; 20]));
    let mut play = Play::of(hashes, |config| _ = config.upload_slots(0));
    play.geometry = Geometry::new(1313 * u64::from(BLOCK), BLOCK).unwrap();
    play.open(true);
    (play, SocketAddr::from(([80, 4, 4, 200], 5_000)))
}

fn allowed_fast(messages: &[Message]) -> Vec<u32> {
    let allowed = messages.iter().filter_map(|message| match message {
        Message::AllowedFast(index) => Some(*index),
        _ => None,
    });
    allowed.collect()
}

#[test]
fn a_newcomer_is_allowed_the_fast_set_of_bep_6() {
    // W-43
    let (mut play, address) = example_of_bep_6();
    let peer = play.join_from(address, PeerId::from_bytes([5; 20]), FAST);
    assert!(allowed_fast(&play.heard(peer)).is_empty(), "it has not said what it has");
    play.say(peer, Message::HaveNone);
    let allowed = allowed_fast(&play.heard(peer));
    assert_eq!(allowed[..9], [1059, 431, 808, 1217, 287, 376, 1188, 353, 508]);
    assert_eq!(allowed.len(), 10);
    let v6 = SocketAddr::new("2001:db8::1".parse().unwrap(), 5_000);
    let plain = SocketAddr::from(([80, 4, 4, 201], 5_000));
    for (id, address, features) in [(6, v6, FAST), (7, plain, &[])] {
        let peer = play.join_from(address, PeerId::from_bytes([id; 20]), features);
        play.say(peer, Message::Interested);
        assert!(allowed_fast(&play.heard(peer)).is_empty(), "{address} has no set");
    }
}

#[test]
fn allowed_fast_pieces_are_served_to_a_choked_peer_three_times_over() {
    // W-44
    let (mut play, address) = example_of_bep_6();
    let peer = play.join_from(address, PeerId::from_bytes([5; 20]), FAST);
    play.say(peer, Message::HaveNone);
    play.say(peer, Message::Interested);
    assert!(!play.heard(peer).contains(&Message::Unchoke));
    play.say(peer, Message::Request(request(2, 0)));
    assert_eq!(play.heard(peer), [Message::Reject(request(2, 0))], "it is no piece of the set");
    for times in 1..=3 {
        play.say(peer, Message::Request(request(1059, 0)));
        assert_eq!((play.served(), play.heard(peer)), (times, vec![]));
        let block = play.geometry.block(1059, 0, BLOCK).unwrap();
        play.tell(Input::BlockServed { peer, block, sent: true });
    }
    play.say(peer, Message::Request(request(1059, 0)));
    assert_eq!(play.heard(peer), [Message::Reject(request(1059, 0))]);
    assert_eq!((play.served(), play.left(peer)), (3, None));
}

#[test]
fn suggested_pieces_are_asked_for_first_and_odd_suggestions_are_ignored() {
    // W-45
    let mut play = Play::new(false, |_| {});
    let [rich, poor] = [(); 2].map(|()| play.join(FAST));
    play.say(rich, Message::HaveAll);
    play.say(poor, Message::Bitfield(Bytes::from_static(&[0b1000_0000])));
    for index in [5, 99] {
        play.say(rich, Message::Suggest(index));
        play.say(poor, Message::Suggest(index));
    }
    for (peer, piece) in [(rich, 5), (poor, 0)] {
        play.say(peer, Message::Unchoke);
        let asked = requests(&play.heard(peer));
        assert_eq!(asked.first().map(|first| first.index), Some(piece));
        assert_eq!(play.left(peer), None);
    }
}

fn dht_nodes(play: &Play) -> Vec<SocketAddr> {
    let nodes = play.events.iter().filter_map(|event| match event {
        Event::DhtNodeFound { address } => Some(*address),
        _ => None,
    });
    nodes.collect()
}

#[test]
fn the_port_of_our_dht_node_is_told_once_to_those_who_have_one() {
    // W-46, BEP 5
    let mut play = Play::new(false, |config| _ = config.dht_port(Family::V4, 6_999));
    assert!(play.swarm.handshake().reserved.contains(Feature::Dht));
    let [node, other] = [&[Feature::Dht][..], FAST].map(|features| play.join(features));
    assert_eq!(play.heard(node), [Message::Port(6_999)]);
    assert!(!play.heard(other).contains(&Message::Port(6_999)));
    play.say(node, Message::Port(1_234));
    play.say(node, Message::Port(1_234));
    assert!(play.heard(node).is_empty(), "a port is not answered with a port");
}

#[test]
fn each_connection_is_told_the_port_of_its_own_family() {
    // D-55, BEP 32
    let mut play = Play::new(false, |config| {
        config.dht_port(Family::V4, 4_000).dht_port(Family::V6, 6_000);
    });
    let mapped = Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped();
    for (n, address, port) in [
        (11, "10.0.0.2:5000".parse().unwrap(), 4_000),
        (12, SocketAddr::new(mapped.into(), 5_000), 4_000),
        (13, "[fd00::1]:5000".parse().unwrap(), 6_000),
    ] {
        let peer = play.join_from(address, PeerId::from_bytes([n; 20]), &[Feature::Dht]);
        assert_eq!(play.heard(peer), [Message::Port(port)], "{address}");
    }
    let mut play = Play::new(false, |config| _ = config.dht_port(Family::V6, 6_000));
    let peer = play.join(&[Feature::Dht]);
    assert_eq!(play.heard(peer), [], "there is no node for IPv4");
}

#[test]
fn a_private_torrent_neither_tells_nor_hears_of_nodes_of_the_dht() {
    // D-38, BEP 27
    let mut play = Play::new(false, |config| _ = config.dht_port(Family::V4, 6_999));
    play.swarm.set_private(play.now);
    assert!(!play.swarm.handshake().reserved.contains(Feature::Dht));
    let peer = play.join(&[Feature::Dht]);
    assert_eq!(play.heard(peer), []);
    play.say(peer, Message::Port(1_234));
    assert!(dht_nodes(&play).is_empty());
}

#[test]
fn a_port_is_a_node_of_the_dht_at_the_host_of_the_peer() {
    // W-46, BEP 5
    for port in [None, Some(6_999)] {
        let mut play =
            Play::new(false, |config| _ = config.dht_port(Family::V4, port.unwrap_or(0)));
        assert_eq!(play.swarm.handshake().reserved.contains(Feature::Dht), port.is_some());
        let mapped = SocketAddr::new(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped().into(), 5_000);
        let peer = play.join_from(mapped, PeerId::from_bytes([5; 20]), &[Feature::Dht]);
        play.say(peer, Message::Port(0));
        assert!(dht_nodes(&play).is_empty(), "nobody listens there");
        play.say(peer, Message::Port(1_234));
        assert_eq!(dht_nodes(&play), [SocketAddr::from(([10, 0, 0, 1], 1_234))]);
        assert_eq!(play.left(peer), None);
    }
}

/// The numbers under which the engine takes these messages.
const DONT_HAVE: u8 = 2;
const UPLOAD_ONLY: u8 = 3;

fn say_by_number(play: &mut Play, peer: PeerKey, id: u8, payload: &'static [u8]) {
    let payload = Bytes::from_static(payload);
    play.say(peer, Message::Extended(Extended { id, payload }));
}

/// The extended messages for a peer, under the numbers that it gave.
fn extended(play: &mut Play, peer: PeerKey) -> Vec<(u8, Bytes)> {
    let messages = play.heard(peer).into_iter().filter_map(|message| match message {
        Message::Extended(Extended { id, payload }) if id != 0 => Some((id, payload)),
        _ => None,
    });
    messages.collect()
}

#[test]
fn peers_hear_once_that_we_download_nothing_more() {
    // X-28, BEP 21
    let mut play = Play::without_content(|_| {});
    play.geometry = Geometry::new(u64::from(BLOCK), BLOCK).unwrap();
    play.open(false);
    let [seed, leech, plain] = [FAST, FAST, &[]].map(|features| play.join(features));
    for peer in [seed, leech] {
        play.say_extended(peer, b"d1:md11:upload_onlyi5eee");
    }
    play.say(seed, Message::HaveAll);
    play.say(seed, Message::Unchoke);
    assert!(extended(&mut play, leech).is_empty());
    assert!(matches!(play.block(seed, request(0, 0)), BlockVerdict::StoreLast { .. }));
    let piece = play.geometry.piece(0).unwrap();
    play.tell(Input::PieceVerified { piece, digests: Vec::new() });
    assert_eq!(extended(&mut play, leech), [(5, Bytes::from_static(&[1]))]);
    assert!(extended(&mut play, plain).is_empty());
    assert_eq!(play.left(seed), Some(&LeaveReason::Useless));
    // Those who come later read it in the handshake.
    let late = play.join(FAST);
    let is_told = |message: &Message| match message {
        Message::Extended(extended) => {
            String::from_utf8_lossy(&extended.payload).contains("11:upload_onlyi1e")
        }
        _ => false,
    };
    assert!(play.heard(late).iter().any(is_told));
}

#[test]
fn who_came_while_we_looked_at_the_content_hears_of_pieces_before_that_we_want_none() {
    // libtorrent leaves a peer for a minute that wants nothing and has nothing.
    let mut play = Play::without_content(|_| {});
    let peer = play.join(FAST);
    play.say(peer, Message::HaveNone);
    play.say_extended(peer, b"d1:md11:upload_onlyi5eee");
    play.heard(peer);
    play.open(true);
    let heard = play.heard(peer);
    let is_told = |message: &Message| match message {
        Message::Extended(extended) => {
            String::from_utf8_lossy(&extended.payload).contains("11:upload_onlyi1e")
        }
        _ => false,
    };
    let told = heard.iter().position(is_told).expect("it is told");
    let haves = heard.iter().filter(|message| matches!(message, Message::Have(_))).count();
    assert_eq!(haves, play.geometry.piece_count() as usize);
    assert!(!heard[told..].iter().any(|message| matches!(message, Message::Have(_))));
}

#[test]
fn a_seed_leaves_those_who_download_nothing() {
    // X-28, W-52
    let mut play = Play::new(true, |_| {});
    let [by_message, by_handshake, leech] = [(); 3].map(|()| play.join(FAST));
    say_by_number(&mut play, by_message, UPLOAD_ONLY, &[1]);
    play.say_extended(by_handshake, b"d1:mde11:upload_onlyi1ee");
    play.say_extended(leech, b"d1:mde11:upload_onlyi0ee");
    for peer in [by_message, by_handshake] {
        assert_eq!(play.left(peer), Some(&LeaveReason::Useless));
    }
    assert_eq!(play.left(leech), None);
}

#[test]
fn a_piece_that_is_lost_is_taken_back_and_not_served() {
    // X-27, BEP 54
    let mut play = Play::new(true, |_| {});
    let [listener, plain] = [FAST, &[]].map(|features| play.join(features));
    play.say_extended(listener, b"d1:md11:lt_donthavei7eee");
    play.say(listener, Message::Interested);
    let piece = play.geometry.piece(3).unwrap();
    for _ in 0..2 {
        play.tell(Input::PieceLost { piece });
    }
    assert_eq!(extended(&mut play, listener), [(7, Bytes::from_static(&[0, 0, 0, 3]))]);
    assert!(extended(&mut play, plain).is_empty());
    play.say(listener, Message::Request(request(3, 0)));
    assert_eq!(play.heard(listener), [Message::Reject(request(3, 0))]);
    assert_eq!(play.served(), 0);
}

#[test]
fn a_piece_that_a_peer_took_back_is_not_asked_of_it() {
    // X-27, BEP 54
    let mut play = Play::new(false, |_| {});
    let peer = play.join(&[Feature::Extended]);
    play.say(peer, Message::Bitfield(Bytes::from_static(&[0b1000_0000])));
    play.say(peer, Message::Unchoke);
    let asked = requests(&play.heard(peer));
    assert!(asked.iter().all(|request| request.index == 0) && !asked.is_empty());
    // It has not announced that it speaks of such pieces.
    say_by_number(&mut play, peer, DONT_HAVE, &[0; 4]);
    assert_eq!(play.heard(peer), [Message::NotInterested]);
    let other = play.join(&[]);
    play.say(other, Message::Have(0));
    play.say(other, Message::Unchoke);
    let again: Vec<Request> = requests(&play.heard(other));
    assert!(again.contains(&asked[0]), "its requests are void");
}

#[test]
fn a_stranger_cannot_have_us_punch_holes_nor_end_the_connection_by_odd_messages() {
    //
    let mut play = Play::new(false, |_| {});
    let peer = play.join(FAST);
    let heard = play.heard(peer);
    let announces = |message: &Message| match message {
        Message::Extended(e) => e.payload.windows(12).any(|name| name == b"ut_holepunch"),
        _ => false,
    };
    assert!(!heard.iter().any(announces));
    let mut payload = Vec::new();
    Holepunch::Connect(SocketAddr::from(([192, 0, 2, 1], 1))).encode(&mut payload);
    for id in 0..=20 {
        for payload in [Bytes::from(payload.clone()), Bytes::new(), Bytes::from_static(b"i1e")] {
            play.say(peer, Message::Extended(Extended { id, payload }));
        }
    }
    assert_eq!((play.heard(peer), play.left(peer)), (vec![], None));
    assert!(!play.actions.iter().any(|action| matches!(action, Action::Connect { .. })));
}

#[test]
fn a_part_that_is_complete_leaves_those_who_download_nothing() {
    // W-52, BEP 21: neither side has anything for the other.
    let mut play = Play::without_content(|_| {});
    let mut first = Bitfield::new(8);
    first.insert(play.geometry.piece(0).unwrap());
    play.tell(Input::ContentReady(Content {
        geometry: play.geometry.clone(),
        have: first.clone(),
        wanted: first,
        partial: Vec::new(),
        info: Bytes::new(),
        is_private: false,
    }));
    let [seed, partial, leech] = [(); 3].map(|()| play.join(FAST));
    play.say(seed, Message::HaveAll);
    play.say(partial, Message::HaveNone);
    say_by_number(&mut play, partial, UPLOAD_ONLY, &[1]);
    play.say(leech, Message::HaveNone);
    for peer in [seed, partial] {
        assert_eq!(play.left(peer), Some(&LeaveReason::Useless));
    }
    assert_eq!(play.left(leech), None);
}
