//! Whom we are connected to, and what they say of us.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use play::{Play, requests};
use tinytorrent_swarm::{Action, ConnectionError, Event, Input, LeaveReason, PeerKey, PeerSource};
use tinytorrent_types::PeerId;
use tinytorrent_wire::{Extended, Feature, Message};

const MINUTE: Duration = Duration::from_secs(60);

/// Ours are `[1; 20]`.
const LOWER: PeerId = PeerId::from_bytes([0; 20]);
const HIGHER: PeerId = PeerId::from_bytes([9; 20]);

/// Where the peer listens, and where it calls from.
fn addresses() -> (SocketAddr, SocketAddr) {
    (SocketAddr::from(([20, 0, 0, 1], 6881)), SocketAddr::from(([20, 0, 0, 1], 50_123)))
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
            play.wait(Duration::from_secs(3));
            assert_eq!(dials(&play), 1, "the peer is there, be it that it came to us");
            play.wait(3 * MINUTE);
            assert_eq!((play.left(ours), play.left(theirs)), (None, None));
            assert_eq!(play.swarm.stats(play.now).peers, 1);
        }
    }
}

/// A client of our make says over each connection what it heard over the other, and need not wait.
#[test]
fn of_two_connections_that_prove_to_be_one_peers_one_goes_at_once() {
    // W-56
    for ours_first in [true, false] {
        for (id, ours_stays) in [(LOWER, true), (HIGHER, false)] {
            let mut play = Play::new(false, |_| {});
            let (ours, theirs) = twins(&mut play, id, ours_first);
            for peer in [ours, theirs] {
                play.say_extended(peer, b"d1:md7:tt_twini9eee");
            }
            let asked = |play: &mut Play, peer| {
                let heard = play.heard(peer).into_iter().find_map(|message| match message {
                    Message::Extended(Extended { id: 9, payload }) => Some(payload),
                    _ => None,
                });
                heard.expect("it asks")
            };
            let question = asked(&mut play, ours);
            // The fifth of our extensions.
            let answer = Bytes::from([&[1][..], &question[1..]].concat());
            play.say(theirs, Message::Extended(Extended { id: 5, payload: answer }));
            let (stays, goes) = if ours_stays { (ours, theirs) } else { (theirs, ours) };
            assert_eq!(play.left(goes), Some(&LeaveReason::Duplicate));
            play.wait(Duration::from_secs(4));
            assert_eq!(play.left(stays), None);
        }
    }
}

#[test]
fn an_id_alone_closes_nothing() {
    // W-56
    let elsewhere = SocketAddr::from(([10, 0, 0, 2], 50_123));
    for id in [LOWER, HIGHER] {
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

/// A host may have lost its connection; or somebody beside it takes its name.
#[test]
fn of_two_connections_in_one_direction_the_one_that_gives_stays() {
    // W-56
    for giving in 0..2 {
        let mut play = Play::new(false, |_| {});
        let at = |port| SocketAddr::from(([10, 0, 0, 1], port));
        let both = [50_123, 50_124].map(|port| play.join_from(at(port), HIGHER, &[Feature::Fast]));
        play.say(both[giving], Message::HaveAll);
        play.say(both[giving], Message::Unchoke);
        let asked = requests(&play.heard(both[giving]));
        play.wait(Duration::from_secs(4));
        assert_eq!((play.left(both[0]), play.left(both[1])), (None, None));
        play.block(both[giving], asked[0]);
        play.wait(Duration::from_secs(4));
        assert_eq!(play.left(both[1 - giving]), Some(&LeaveReason::Duplicate));
        assert_eq!(play.left(both[giving]), None);
    }
}

/// 81 bytes of a neighbour must not cost the seed its connection, in whichever order they come.
#[test]
fn a_neighbour_with_the_name_of_a_seed_costs_it_nothing() {
    // W-56
    let (listens_at, calls_from) = addresses();
    for id in [LOWER, HIGHER] {
        for neighbour_first in [true, false] {
            let mut play = Play::new(false, |_| {});
            let neighbour = |play: &mut Play| {
                let neighbour = play.join_from(calls_from, id, &[Feature::Extended]);
                play.say_extended(neighbour, b"d1:mde1:pi6881ee");
            };
            if neighbour_first {
                neighbour(&mut play);
                play.tell(Input::PeersFound {
                    source: PeerSource::Tracker,
                    addresses: vec![listens_at],
                });
                play.wait(Duration::from_secs(6));
            }
            let seed = play.dial(listens_at);
            play.greet(seed, id, &[Feature::Fast]);
            if !neighbour_first {
                neighbour(&mut play);
            }
            play.say(seed, Message::HaveAll);
            play.say(seed, Message::Unchoke);
            let asked = requests(&play.heard(seed));
            for request in &asked[..10] {
                play.wait(Duration::from_secs(3));
                play.block(seed, *request);
            }
            assert_eq!(play.left(seed), None);
        }
    }
}

#[test]
fn a_peer_that_came_to_us_is_not_dialed_until_it_has_left() {
    //
    let mut play = Play::new(false, |_| {});
    let (listens_at, calls_from) = addresses();
    let peer = play.join_from(calls_from, HIGHER, &[Feature::Extended]);
    play.say_extended(peer, b"d1:mde1:pi6881ee");
    let source = PeerSource::Exchange;
    play.tell(Input::PeersFound { source, addresses: vec![listens_at] });
    play.wait(Duration::from_secs(2));
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
    let shown: Vec<_> = play.swarm.external_addresses().collect();
    assert_eq!(shown, [IpAddr::from([8, 8, 4, 4])]);
}

#[test]
fn hosts_and_networks_take_their_share_of_the_places_at_most() {
    // S-28
    let mut play = Play::new(true, |config| _ = config.max_peers(10));
    let mut joins = |address: &str| {
        let address = address.parse().unwrap();
        let Some(peer) = play.swarm.accept(play.now, address) else { return false };
        let id = PeerId::from_bytes([address.port() as u8; 20]);
        play.greet(peer, id, &[]);
        play.say(peer, Message::Interested);
        true
    };
    let host = [6, 2, 3, 4].map(|port| joins(&format!("[2606:4700::{port}]:{port}")));
    assert_eq!(host, [true, true, true, false], "a quarter");
    let network = [5, 13, 7].map(|port| joins(&format!("[2606:4700:0:{port}::1]:{port}")));
    assert_eq!(network, [true, true, false], "half");
    assert_eq!([8, 9].map(|port| joins(&format!("10.0.0.{port}:{port}"))), [true; 2]);
    // On this host many may live.
    assert_eq!([10, 11, 12].map(|port| joins(&format!("127.0.0.1:{port}"))), [true; 3]);
}

#[test]
fn places_that_give_nothing_go_to_an_address_that_waits() {
    let mut play = Play::new(false, |config| _ = config.max_peers(8));
    for _ in 0..6 {
        let idle = play.join(&[Feature::Fast]);
        play.say(idle, Message::HaveAll);
    }
    for host in 1..=4 {
        let addresses = vec![SocketAddr::from(([20, 0, host, 1], 6881))];
        play.tell(Input::PeersFound { source: PeerSource::Tracker, addresses });
    }
    assert_eq!(dials(&play), 2, "a quarter is kept for those whom we find");
    let dialed = play.actions.iter().filter_map(|action| match action {
        Action::Connect { peer, .. } => Some(*peer),
        _ => None,
    });
    for (peer, n) in dialed.collect::<Vec<_>>().into_iter().zip(60..) {
        play.greet(peer, PeerId::from_bytes([n; 20]), &[Feature::Fast]);
    }
    play.wait(Duration::from_secs(6));
    assert_eq!(dials(&play), 4);
    let gone = play
        .events
        .iter()
        .filter(|event| matches!(event, Event::PeerLeft { reason: LeaveReason::GaveNothing, .. }));
    assert_eq!(gone.count(), 2);
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
        let addresses = vec![SocketAddr::from(([20, 0, 3, host], 6881))];
        let source = PeerSource::Tracker;
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

#[test]
fn a_connection_without_a_handshake_is_left_in_the_end_and_not_before() {
    let mut play = Play::new(false, |_| {});
    let peer = play.swarm.accept(play.now, addresses().1).unwrap();
    // The driver has a shorter time for it, as a rule.
    play.wait(MINUTE);
    assert_eq!((play.left(peer), play.swarm.connecting()), (None, 1));
    play.wait(5 * MINUTE);
    assert_eq!((play.left(peer), play.swarm.connecting()), (Some(&LeaveReason::Idle), 0));
}

#[test]
fn a_silent_peer_is_left_in_time_however_many_came_and_went_meanwhile() {
    let mut play = Play::new(false, |_| {});
    let peer = play.join(&[]);
    for n in 0..5_000_u32 {
        let [_, _, a, b] = n.to_be_bytes();
        let address = SocketAddr::from(([30, a, b, 1], 5_000));
        let passer = play.swarm.accept(play.now, address).expect("there is room");
        play.tell(Input::ConnectFailed { peer: passer, error: ConnectionError::Closed });
    }
    play.wait(5 * MINUTE);
    assert!(play.heard(peer).contains(&Message::KeepAlive));
    assert_eq!(play.left(peer), Some(&LeaveReason::Idle));
}
