//! Whom we are connected to, and what they say of us.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use play::Play;
use tinytorrent_swarm::{Action, ConnectionError, Event, Input, LeaveReason, PeerKey};
use tinytorrent_types::PeerId;
use tinytorrent_wire::{Feature, Message};

const MINUTE: Duration = Duration::from_secs(60);

/// Ours are `[1; 20]`.
const LOWER: PeerId = PeerId::from_bytes([0; 20]);
const HIGHER: PeerId = PeerId::from_bytes([9; 20]);

/// Where the peer listens, and where it calls from.
fn addresses() -> (SocketAddr, SocketAddr) {
    (SocketAddr::from(([10, 0, 0, 1], 6881)), SocketAddr::from(([10, 0, 0, 1], 50_123)))
}

/// Both ends dial; the handshakes come in either order. Gives our connection and the peer's.
fn twins(play: &mut Play, id: PeerId, ours_first: bool) -> (PeerKey, PeerKey) {
    let (listens_at, calls_from) = addresses();
    let ours = play.dial(listens_at);
    if ours_first {
        play.greet(ours, id, &[Feature::Extended]);
    }
    let theirs = play.join_from(calls_from, id, &[Feature::Extended]);
    if !ours_first {
        play.greet(ours, id, &[Feature::Extended]);
    }
    play.say_extended(theirs, b"d1:mde1:pi6881ee");
    (ours, theirs)
}

fn dials(play: &Play) -> usize {
    play.actions.iter().filter(|action| matches!(action, Action::Connect { .. })).count()
}

/// libtorrent compares listen ports, or ids, and transmission keeps what it had first: whatever
/// the other end's rule is, it alone acts, and the connection that it keeps is not closed by us.
#[test]
fn of_two_connections_the_one_that_the_peer_keeps_stays() {
    // W-56
    for id in [LOWER, HIGHER] {
        for (ours_first, closes_ours) in
            [(true, true), (true, false), (false, true), (false, false)]
        {
            let mut play = Play::new(false, |_| {});
            let (ours, theirs) = twins(&mut play, id, ours_first);
            play.wait(Duration::from_secs(1));
            assert_eq!((play.left(ours), play.left(theirs)), (None, None));
            let closed = if closes_ours { ours } else { theirs };
            play.tell(Input::ConnectionClosed { peer: closed, error: ConnectionError::Closed });
            play.wait(3 * MINUTE);
            assert_eq!((play.left(ours), play.left(theirs)), (None, None));
            assert_eq!(play.swarm.stats(play.now).peers, 1);
            assert_eq!(dials(&play), 1, "the peer is there, be it that it came to us");
        }
    }
}

/// Two ends that wait for each other come to the same end, that of libtorrent's rule for ids.
#[test]
fn two_connections_that_the_peer_keeps_become_the_one_that_the_higher_id_made() {
    // W-56
    for ours_first in [true, false] {
        for (id, ours_stays) in [(LOWER, true), (HIGHER, false)] {
            let mut play = Play::new(false, |_| {});
            let (ours, theirs) = twins(&mut play, id, ours_first);
            play.wait(Duration::from_secs(6));
            let (stays, goes) = if ours_stays { (ours, theirs) } else { (theirs, ours) };
            assert_eq!(play.left(goes), Some(&LeaveReason::Duplicate));
            play.wait(3 * MINUTE);
            assert_eq!(play.left(stays), None);
            assert_eq!(dials(&play), 1);
        }
    }
}

/// Ids of our own make: the first three bytes are the client's.
fn of_our_make(rest: u8) -> PeerId {
    let mut id = [rest; 20];
    id[..3].copy_from_slice(&[1; 3]);
    PeerId::from_bytes(id)
}

#[test]
fn of_two_connections_to_our_own_make_one_goes_at_once() {
    // W-56
    for ours_first in [true, false] {
        for (id, ours_stays) in [(of_our_make(0), true), (of_our_make(9), false)] {
            let mut play = Play::new(false, |_| {});
            let (ours, theirs) = twins(&mut play, id, ours_first);
            let (stays, goes) = if ours_stays { (ours, theirs) } else { (theirs, ours) };
            assert_eq!(play.left(goes), Some(&LeaveReason::Duplicate));
            play.wait(3 * MINUTE);
            assert_eq!(play.left(stays), None);
            assert_eq!(dials(&play), 1);
        }
    }
}

#[test]
fn an_id_alone_closes_nothing() {
    // W-56
    let elsewhere = SocketAddr::from(([10, 0, 0, 2], 50_123));
    for id in [LOWER, HIGHER, of_our_make(0), of_our_make(9)] {
        for honest_first in [true, false] {
            let mut play = Play::new(false, |_| {});
            let join = |play: &mut Play, is_honest: bool| {
                let (listens_at, _) = addresses();
                let peer = if is_honest {
                    let peer = play.dial(listens_at);
                    play.greet(peer, id, &[Feature::Extended]);
                    peer
                } else {
                    play.join_from(elsewhere, id, &[Feature::Extended])
                };
                play.say_extended(peer, b"d1:mde1:pi6881ee");
                peer
            };
            let first = join(&mut play, honest_first);
            let second = join(&mut play, !honest_first);
            play.wait(3 * MINUTE);
            assert_eq!((play.left(first), play.left(second)), (None, None));
        }
    }
}

#[test]
fn a_late_second_connection_does_not_end_the_first() {
    // W-56
    for id in [LOWER, HIGHER, of_our_make(0), of_our_make(9)] {
        let mut play = Play::new(false, |_| {});
        let (listens_at, calls_from) = addresses();
        let first = play.dial(listens_at);
        play.greet(first, id, &[Feature::Extended]);
        play.wait(MINUTE);
        let second = play.join_from(calls_from, id, &[Feature::Extended]);
        play.say_extended(second, b"d1:mde1:pi6881ee");
        play.wait(MINUTE);
        assert_eq!(play.left(first), None);
        assert_eq!(play.left(second), Some(&LeaveReason::Duplicate));
    }
}

#[test]
fn a_second_connection_in_the_same_direction_is_refused_at_once() {
    // W-56
    let mut play = Play::new(false, |_| {});
    let (_, calls_from) = addresses();
    let first = play.join_from(calls_from, HIGHER, &[]);
    let second = play.join_from(SocketAddr::from(([10, 0, 0, 1], 50_124)), HIGHER, &[]);
    assert_eq!(play.left(second), Some(&LeaveReason::Duplicate));
    assert_eq!(play.left(first), None);
}

#[test]
fn a_peer_that_came_to_us_is_not_dialed_until_it_has_left() {
    //
    let mut play = Play::new(false, |_| {});
    let (listens_at, calls_from) = addresses();
    let peer = play.join_from(calls_from, HIGHER, &[Feature::Extended]);
    play.say_extended(peer, b"d1:mde1:pi6881ee");
    let source = tinytorrent_swarm::PeerSource::Exchange;
    play.tell(Input::PeersFound { source, addresses: vec![listens_at] });
    play.wait(MINUTE);
    assert_eq!(dials(&play), 0);
    play.tell(Input::ConnectionClosed { peer, error: ConnectionError::Closed });
    play.wait(MINUTE);
    assert_eq!(dials(&play), 1);
}

#[test]
fn our_address_is_what_peers_of_several_networks_agree_on() {
    //
    let mut play = Play::new(false, |_| {});
    let told = |play: &Play| -> Vec<IpAddr> {
        let told = play.events.iter().filter_map(|event| match event {
            Event::OwnAddressAgreed { ip } => Some(*ip),
            _ => None,
        });
        told.collect()
    };
    let mut says = |host: [u8; 4], handshake: &'static [u8]| {
        let (address, id) = (SocketAddr::from((host, 6881)), PeerId::from_bytes([host[2]; 20]));
        let peer = play.join_from(address, id, &[Feature::Extended]);
        play.say_extended(peer, handshake);
        told(&play)
    };
    let ours = b"d1:mde6:yourip4:\x08\x08\x04\x04e";
    // The first one lies, and says it again in the voice of a neighbour.
    says([20, 1, 11, 7], b"d1:mde6:yourip4:\x09\x09\x09\x09e");
    says([20, 1, 11, 8], b"d1:mde6:yourip4:\x09\x09\x09\x09e");
    assert!(says([20, 1, 12, 7], ours).is_empty());
    assert!(says([20, 1, 13, 7], ours).is_empty());
    assert_eq!(says([20, 1, 14, 7], ours), [IpAddr::from([8, 8, 4, 4])]);
    assert_eq!(says([20, 1, 15, 7], ours).len(), 1, "it is told once");
}

#[test]
fn one_host_takes_half_of_the_places_at_most() {
    // S-28
    let mut play = Play::new(false, |config| _ = config.max_peers(10));
    let greedy = |port| SocketAddr::from(([10, 0, 1, 1], port));
    for port in 1..=5 {
        play.join_from(greedy(port), PeerId::from_bytes([50 + port as u8; 20]), &[]);
    }
    assert_eq!(play.swarm.accept(play.now, greedy(6)), None);
    for _ in 0..4 {
        play.join(&[]);
    }
    // On this host many may live.
    let local = SocketAddr::from(([127, 0, 0, 1], 9));
    assert!(play.swarm.accept(play.now, local).is_some());
}

#[test]
fn strangers_that_never_shake_hands_do_not_keep_us_from_dialing() {
    // S-28
    let mut play = Play::new(false, |config| _ = config.max_connecting(5));
    for host in 1..=20 {
        let stranger = SocketAddr::from(([10, 0, 2, host], 50_000));
        assert!(play.swarm.accept(play.now, stranger).is_some());
    }
    for host in 1..=9 {
        let addresses = vec![SocketAddr::from(([10, 0, 3, host], 6881))];
        let source = tinytorrent_swarm::PeerSource::Tracker;
        play.tell(Input::PeersFound { source, addresses });
    }
    assert_eq!(dials(&play), 5);
}

#[test]
fn a_peer_that_named_no_such_piece_before_the_metadata_is_left_when_it_comes() {
    let mut play = Play::without_content(|_| {});
    let liar = play.join(&[]);
    for index in [0, 99] {
        play.say(liar, Message::Have(index));
    }
    play.open(false);
    assert!(matches!(play.left(liar), Some(LeaveReason::Violation(_))));
    play.swarm.check_invariants();
}
