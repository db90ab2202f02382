//! TCP and uTP: the way to a peer, and what the others hear of it.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_sim::World;
use tinytorrent_swarm::{
    Action, ConnectionError, Event, Input, PeerKey, PeerSource, Route, Transport, Transports,
};
use tinytorrent_types::{Geometry, PeerId};
use tinytorrent_wire::extension::{PexFlags, PexMessage, PexPeer};
use tinytorrent_wire::{Feature, Message};

use self::play::Play;

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

const PEER: PeerId = PeerId::from_bytes([5; 20]);
const CLOSED: ConnectionError = ConnectionError::Closed;

fn address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 9], 6_881))
}

fn play_with(transports: Transports) -> Play {
    let mut play = Play::new(false, |config| _ = config.transports(transports));
    play.tell(Input::PeersFound { source: PeerSource::User, addresses: vec![address()] });
    play
}

/// The dial since the last look, after a wait.
fn dial(play: &mut Play) -> (PeerKey, Route) {
    play.wait(Duration::from_secs(60));
    let dials = play.actions.drain(..).filter_map(|action| match action {
        Action::Connect { peer, route, .. } => Some((peer, route)),
        _ => None,
    });
    let dials: Vec<_> = dials.collect();
    let [dial] = dials[..] else { panic!("{dials:?}") };
    dial
}

#[test]
fn what_worked_last_time_goes_first_and_what_failed_races_again() {
    // P-41
    let mut play = play_with(Transports::Both);
    let (mut peer, route) = dial(&mut play);
    assert_eq!(route, Route::Either);
    for transport in [Transport::Utp, Transport::Tcp, Transport::Utp] {
        play.greet_by(transport, peer, PEER, &[]);
        play.tell(Input::ConnectionClosed { peer, error: CLOSED });
        let route;
        (peer, route) = dial(&mut play);
        assert_eq!(route, Route::First(transport));
    }
    play.tell(Input::ConnectFailed { peer, error: ConnectionError::TimedOut });
    assert_eq!(dial(&mut play).1, Route::Either);
}

#[test]
fn a_peer_that_hangs_up_on_one_transport_is_tried_by_the_other_first() {
    // P-41: libtorrent without TCP accepts connections of TCP and closes them.
    let mut play = play_with(Transports::Both);
    let (mut peer, _) = dial(&mut play);
    for error in [CLOSED, ConnectionError::Io(ErrorKind::ConnectionReset)] {
        for next in [Route::First(Transport::Utp), Route::Either] {
            play.tell(Input::ConnectFailed { peer, error });
            let route;
            (peer, route) = dial(&mut play);
            assert_eq!(route, next);
        }
    }
}

#[test]
fn a_transport_that_is_left_out_is_never_used() {
    for (transports, only) in [(Transports::Tcp, Transport::Tcp), (Transports::Utp, Transport::Utp)]
    {
        let mut play = play_with(transports);
        let (peer, route) = dial(&mut play);
        assert_eq!(route, Route::Only(only));
        play.tell(Input::ConnectFailed { peer, error: CLOSED });
        assert_eq!(dial(&mut play).1, Route::Only(only));
    }
}

#[test]
fn whoever_comes_by_utp_listens_where_he_sends_from() {
    let mut play = Play::new(false, |_| {});
    for (transport, listens_at) in [(Transport::Tcp, None), (Transport::Utp, Some(address()))] {
        let peer = play.swarm.accept(play.now, address()).expect("there is room");
        play.greet_by(transport, peer, PEER, &[]);
        let views = play.swarm.peers(play.now);
        assert_eq!((views[0].transport, views[0].listens_at), (transport, listens_at));
        play.tell(Input::ConnectionClosed { peer, error: CLOSED });
    }
}

#[test]
fn an_address_is_not_dialed_while_its_peer_is_here_by_utp() {
    // W-56
    let mut play = play_with(Transports::Both);
    let (peer, _) = dial(&mut play);
    let came = play.swarm.accept(play.now, address()).expect("there is room");
    play.greet_by(Transport::Utp, came, PEER, &[]);
    play.tell(Input::ConnectFailed { peer, error: ConnectionError::TimedOut });
    play.wait(Duration::from_secs(100));
    assert!(!play.actions.iter().any(|action| matches!(action, Action::Connect { .. })));
}

#[test]
fn peers_hear_who_is_reached_by_utp() {
    //
    let mut play = Play::new(false, |_| {});
    let listener = play.join(&[Feature::Extended]);
    play.say_extended(listener, b"d1:md6:ut_pexi1eee");
    for (host, transport) in [(1, Transport::Tcp), (2, Transport::Utp)] {
        let address = SocketAddr::from(([20, 0, 0, host], 6_881));
        let peer = play.swarm.accept(play.now, address).expect("there is room");
        play.greet_by(transport, peer, PeerId::from_bytes([50 + host; 20]), &[Feature::Extended]);
        play.say_extended(peer, b"d1:mde1:pi6881ee");
    }
    play.wait(Duration::from_secs(10));
    let told = play.heard(listener).into_iter().find_map(|message| match message {
        Message::Extended(extended) if extended.id == 1 => {
            Some(PexMessage::parse(&extended.payload).unwrap().added)
        }
        _ => None,
    });
    let told = told.expect("it is told of them");
    let is_utp = |peer: &PexPeer| (peer.address.ip(), peer.flags.contains(PexFlags::SUPPORTS_UTP));
    let mut told: Vec<_> = told.iter().map(is_utp).collect();
    told.sort();
    assert_eq!(told, [([20, 0, 0, 1].into(), false), ([20, 0, 0, 2].into(), true)]);
}

#[test]
fn of_two_connections_by_different_transports_one_stays() {
    // W-56
    let geometry = Geometry::new(8 << 18, 1 << 18).unwrap();
    let mut world = World::new();
    // Nobody is done before the end.
    world.uplink = 1_000;
    let nodes = [("####....", Transports::Tcp), ("....####", Transports::Utp)];
    let nodes = nodes.map(|(have, transports)| {
        world.add(geometry.clone(), have, |config| _ = config.transports(transports))
    });
    // They dial each other at once.
    world.introduce(nodes[0], &nodes[1..]);
    world.introduce(nodes[1], &nodes[..1]);
    world.run(Duration::from_secs(120), |_| false);
    let now = world.now;
    let seen = nodes.map(|node| {
        let joins = |event: &&Event| matches!(event, Event::PeerJoined { .. });
        let joins = world.nodes[node].events.iter().filter(joins).count();
        let peers = world.nodes[node].swarm.peers(now);
        (joins, peers.iter().map(|peer| peer.transport).collect::<Vec<_>>())
    });
    assert_eq!(seen[0], seen[1]);
    assert_eq!((seen[0].0, seen[0].1.len()), (2, 1), "{seen:?}");
}
