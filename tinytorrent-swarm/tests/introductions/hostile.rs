//! Peers that lie, and peers that ask too much.

use std::net::SocketAddr;
use std::sync::Arc;

use tinytorrent_swarm::{Introductions, LeaveReason, Transports};
use tinytorrent_types::IpRanges;
use tinytorrent_wire::extension::{Holepunch, HolepunchFailure, PexFlags};
use tinytorrent_wire::session::Rule;

use crate::play::Play;
use crate::{address, dials, heard, join, join_from, say, tell, utp};

#[test]
fn nobody_is_connected_to_whom_a_stranger_may_not_name() {
    //
    let ours = address(9);
    let mut play =
        Play::new(false, |config| _ = config.own_address(ours).transports(Transports::Both));
    let stranger = join(&mut play, 1);
    for target in ["127.0.0.1:80", "192.168.0.1:80", "[fe80::1]:80", "20.9.0.1:6881", "20.3.0.1:0"]
    {
        say(&mut play, stranger, Holepunch::Connect(target.parse().unwrap()));
        assert!(dials(&mut play).is_empty(), "{target}");
    }
    // As with the exchange, a neighbour may know others.
    let neighbour = join_from(&mut play, SocketAddr::from(([192, 168, 0, 2], 6_881)), true);
    say(&mut play, neighbour, Holepunch::Connect("192.168.0.1:80".parse().unwrap()));
    assert_eq!(dials(&mut play).len(), 1);
    play.swarm.pause(play.now);
    say(&mut play, stranger, Holepunch::Connect(address(3)));
    assert!(dials(&mut play).is_empty());
}

#[test]
fn nobody_is_met_at_an_address_that_the_user_avoids() {
    //
    let mut play = Play::new(false, utp);
    let (relay, there) = (join(&mut play, 1), address(2));
    let mut ranges = IpRanges::builder();
    ranges.add(there.ip(), there.ip()).unwrap();
    play.swarm.set_blocked(play.now, Some(Arc::new(ranges.build())));
    tell(&mut play, relay, there, PexFlags::SUPPORTS_HOLEPUNCH);
    say(&mut play, relay, Holepunch::Connect(there));
    assert!(dials(&mut play).is_empty());
    say(&mut play, relay, Holepunch::Rendezvous(there));
    let answer = Holepunch::Error { target: there, reason: HolepunchFailure::NoSuchPeer };
    assert_eq!(heard(&mut play, relay), [answer]);
}

#[test]
fn no_place_is_taken_for_an_introduction_that_is_not_free() {
    //
    let mut play = Play::new(false, |config| _ = config.max_peers(2).transports(Transports::Both));
    let [relay, _] = [1, 2].map(|host| join(&mut play, host));
    say(&mut play, relay, Holepunch::Connect(address(3)));
    assert!(dials(&mut play).is_empty());
    assert_eq!(play.swarm.peers(play.now).len(), 2);
    assert_eq!(play.left(relay), None);
}

#[test]
fn a_flood_of_wishes_is_ignored_and_then_ends() {
    //
    let mut play = Play::new(false, utp);
    let [greedy, target] = [1, 2].map(|host| join(&mut play, host));
    let mut introduced = 0;
    for _ in 0..300 {
        say(&mut play, greedy, Holepunch::Rendezvous(address(2)));
        introduced += heard(&mut play, target).len();
    }
    assert!((1..=20).contains(&introduced), "{introduced}");
    assert_eq!(play.left(greedy), None, "a timer may slip");
    for _ in 0..300 {
        say(&mut play, greedy, Holepunch::Rendezvous(address(3)));
    }
    let rule = match play.left(greedy) {
        Some(LeaveReason::Violation(violation)) => violation.rule,
        other => panic!("{other:?}"),
    };
    assert_eq!((rule, play.left(target)), (Rule::NoHolepunchFlood, None));
}

#[test]
fn a_flood_of_introductions_makes_few_dials_and_is_no_fault_of_the_relay() {
    //
    let mut play = Play::new(false, utp);
    let relay = join(&mut play, 1);
    let mut dialed = 0;
    for n in 0..2_000_u32 {
        let [.., high, low] = n.to_be_bytes();
        say(&mut play, relay, Holepunch::Connect(SocketAddr::from(([30, high, low, 1], 6_881))));
        dialed += dials(&mut play).len();
    }
    assert!((1..=10).contains(&dialed), "{dialed}");
    assert_eq!(play.left(relay), None);
}

#[test]
fn a_flood_of_errors_ends() {
    //
    let mut play = Play::new(false, utp);
    let liar = join(&mut play, 1);
    let reason = HolepunchFailure::Unknown(9);
    for _ in 0..1_000 {
        say(&mut play, liar, Holepunch::Error { target: address(3), reason });
    }
    assert!(matches!(play.left(liar), Some(LeaveReason::Violation(_))));
    assert_eq!(play.swarm.introductions(), Introductions::default());
}
