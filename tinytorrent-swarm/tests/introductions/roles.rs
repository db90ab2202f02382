//! One engine as the relay, the initiator and the target.

use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_swarm::{ConnectionError, Input, PeerKey, Route, Transport, Transports};
use tinytorrent_types::PeerId;
use tinytorrent_wire::extension::{Holepunch, HolepunchFailure, PexFlags, PexMessage, PexPeer};
use tinytorrent_wire::{Extended, Message};

use crate::play::Play;
use crate::{
    THEIR_PEX, address, dials, heard, join, join_from, learn_of_unreachable, say, tell, utp,
};

#[test]
fn two_peers_are_introduced_by_what_we_see_of_them() {
    //
    let mut play = Play::new(false, utp);
    let [initiator, target] = [1, 2].map(|host| join(&mut play, host));
    say(&mut play, initiator, Holepunch::Rendezvous(address(2)));
    assert_eq!(heard(&mut play, initiator), [Holepunch::Connect(address(2))]);
    assert_eq!(heard(&mut play, target), [Holepunch::Connect(address(1))]);
    assert_eq!(play.swarm.introductions().relayed, 1);
}

#[test]
fn an_introduction_that_cannot_be_made_is_answered_with_the_reason() {
    // X-29, BEP 55, "error codes"
    let ours = address(9);
    let mut play =
        Play::new(false, |config| _ = config.own_address(ours).transports(Transports::Both));
    let initiator = join(&mut play, 1);
    let deaf = join_from(&mut play, address(2), false);
    let hidden = join_from(&mut play, SocketAddr::from(([192, 168, 0, 1], 6_881)), true);
    for (target, reason) in [
        ("20.3.0.1:0", HolepunchFailure::NoSuchPeer),
        ("0.0.0.0:6881", HolepunchFailure::NoSuchPeer),
        ("255.255.255.255:6881", HolepunchFailure::NoSuchPeer),
        ("20.1.0.1:6881", HolepunchFailure::NoSuchPeer),
        ("20.3.0.1:6881", HolepunchFailure::NotConnected),
        ("192.168.0.1:6881", HolepunchFailure::NotConnected),
        ("20.2.0.1:6881", HolepunchFailure::NoSupport),
        ("20.9.0.1:6881", HolepunchFailure::NoSelf),
        ("[::ffff:20.9.0.1]:6881", HolepunchFailure::NoSelf),
    ] {
        let target: SocketAddr = target.parse().unwrap();
        say(&mut play, initiator, Holepunch::Rendezvous(target));
        // The address comes back as it was, but for a mapping that no message has.
        let canonical = SocketAddr::new(target.ip().to_canonical(), target.port());
        let answer = [Holepunch::Error { target: canonical, reason }];
        assert_eq!(heard(&mut play, initiator), answer, "{target}");
    }
    assert!(heard(&mut play, hidden).is_empty());
    say(&mut play, deaf, Holepunch::Rendezvous(address(1)));
    assert!(heard(&mut play, deaf).is_empty() && heard(&mut play, initiator).is_empty());
}

#[test]
fn whoever_told_of_a_peer_out_of_reach_is_asked_once_to_introduce_us() {
    //
    let mut play = Play::new(false, utp);
    let relay = join(&mut play, 1);
    learn_of_unreachable(&mut play, relay, address(7));
    assert_eq!(heard(&mut play, relay), [Holepunch::Rendezvous(address(7))]);
    say(&mut play, relay, Holepunch::Connect(address(7)));
    let [(punched, to, route)] = dials(&mut play)[..] else { panic!("it connects at once") };
    assert_eq!((to, route), (address(7), Route::Only(Transport::Utp)));
    play.tell(Input::ConnectFailed { peer: punched, error: ConnectionError::TimedOut });
    let again = dials(&mut play).len();
    assert_eq!(again, 0);
    play.wait(Duration::from_secs(1_200));
    for (peer, ..) in dials(&mut play) {
        play.tell(Input::ConnectFailed { peer, error: ConnectionError::TimedOut });
    }
    assert!(heard(&mut play, relay).is_empty());
    let counts = play.swarm.introductions();
    assert_eq!((counts.asked, counts.connected), (1, 0));
}

#[test]
fn whoever_was_met_once_can_be_met_again() {
    //
    let mut play = Play::new(false, utp);
    let relay = join(&mut play, 1);
    learn_of_unreachable(&mut play, relay, address(7));
    for _ in 0..3 {
        assert_eq!(heard(&mut play, relay), [Holepunch::Rendezvous(address(7))]);
        say(&mut play, relay, Holepunch::Connect(address(7)));
        let (peer, ..) = dials(&mut play)[0];
        play.greet_by(Transport::Utp, peer, PeerId::from_bytes([5; 20]), &[]);
        play.tell(Input::ConnectionClosed { peer, error: ConnectionError::Closed });
        // The hole is closed by now.
        play.wait(Duration::from_secs(40));
        let (peer, _, route) = dials(&mut play)[0];
        assert_eq!(route, Route::First(Transport::Utp));
        play.tell(Input::ConnectFailed { peer, error: ConnectionError::TimedOut });
    }
}

#[test]
fn a_peer_is_asked_for_what_it_can_do_alone() {
    //
    let not_flagged = |play: &mut Play, relay| {
        tell(play, relay, address(7), PexFlags::SUPPORTS_UTP);
        let (peer, ..) = dials(play)[0];
        play.tell(Input::ConnectFailed { peer, error: ConnectionError::TimedOut });
    };
    let reached = |play: &mut Play, relay| {
        tell(play, relay, address(7), PexFlags::SUPPORTS_HOLEPUNCH);
        let (peer, ..) = dials(play)[0];
        play.tell(Input::ConnectFailed { peer, error: ConnectionError::Closed });
    };
    let gone = |play: &mut Play, relay| {
        tell(play, relay, address(7), PexFlags::SUPPORTS_HOLEPUNCH);
        let (peer, ..) = dials(play)[0];
        play.tell(Input::ConnectionClosed { peer: relay, error: ConnectionError::Closed });
        play.tell(Input::ConnectFailed { peer, error: ConnectionError::TimedOut });
    };
    for act in [&not_flagged as &dyn Fn(&mut Play, PeerKey), &reached, &gone] {
        let mut play = Play::new(false, utp);
        let [relay, other] = [1, 2].map(|host| join(&mut play, host));
        act(&mut play, relay);
        assert!(heard(&mut play, relay).is_empty() && heard(&mut play, other).is_empty());
    }
}

#[test]
fn an_error_ends_the_attempt_and_is_counted() {
    //
    let mut play = Play::new(false, utp);
    let relay = join(&mut play, 1);
    learn_of_unreachable(&mut play, relay, address(7));
    let reason = HolepunchFailure::NotConnected;
    for _ in 0..2 {
        say(&mut play, relay, Holepunch::Error { target: address(7), reason });
    }
    let counts = play.swarm.introductions();
    assert_eq!((counts.asked, counts.refused), (1, 1));
    assert_eq!((dials(&mut play).len(), play.left(relay)), (0, None));
}

#[test]
fn a_peer_that_is_introduced_to_us_is_met_and_counted() {
    //
    let mut play = Play::new(true, utp);
    let relay = join(&mut play, 1);
    say(&mut play, relay, Holepunch::Connect(address(7)));
    let [(peer, to, route)] = dials(&mut play)[..] else { panic!("it connects at once") };
    assert_eq!((to, route), (address(7), Route::Only(Transport::Utp)));
    // It is under way, and then it is here.
    say(&mut play, relay, Holepunch::Connect(address(7)));
    play.greet_by(Transport::Utp, peer, PeerId::from_bytes([5; 20]), &[]);
    say(&mut play, relay, Holepunch::Connect(address(7)));
    assert!(dials(&mut play).is_empty());
    assert_eq!(play.swarm.introductions().connected, 1);
}

#[test]
fn peers_hear_who_can_be_introduced() {
    //
    let mut play = Play::new(false, utp);
    let listener = join(&mut play, 1);
    join(&mut play, 2);
    join_from(&mut play, address(3), false);
    play.wait(Duration::from_secs(10));
    let told = play.heard(listener).into_iter().find_map(|message| match message {
        Message::Extended(Extended { id: THEIR_PEX, payload }) => PexMessage::parse(&payload).ok(),
        _ => None,
    });
    let is_able =
        |peer: &PexPeer| (peer.address, peer.flags.contains(PexFlags::SUPPORTS_HOLEPUNCH));
    let mut told: Vec<_> = told.expect("it is told").added.iter().map(is_able).collect();
    told.sort();
    assert_eq!(told, [(address(2), true), (address(3), false)]);
}
