//! A relay and two nodes behind NATs.

use std::time::Duration;

use tinytorrent_sim::{Node, World};
use tinytorrent_swarm::{Content, Event, Input, Introductions, Transports};
use tinytorrent_types::{Bitfield, Geometry};
use tinytorrent_wire::extension::Holepunch;
use tinytorrent_wire::{Extended, Message};

use crate::play::Play;
use crate::{address, dials, heard, join, say, utp};

const MINUTE: Duration = Duration::from_secs(60);

/// A relay that everybody reaches, and two nodes behind NATs that know it alone.
fn behind_nats(tune: impl Fn(&mut World)) -> (World, [Node; 3]) {
    let geometry = Geometry::new(8 << 18, 1 << 18).unwrap();
    let mut world = World::new();
    // Nobody is done with anybody before the end.
    world.uplink = 1_000;
    tune(&mut world);
    let nodes = [("........", true), ("####....", true), ("....####", false)];
    let nodes = nodes.map(|(have, exchanges)| {
        // One of them is not told of the other: two that dial each other by chance at the same time meet by that.
        world.add(geometry.clone(), have, |config| {
            config.transports(Transports::Both).exchange(exchanges);
        })
    });
    for &node in &nodes[1..] {
        world.put_behind_nat(node);
        world.introduce(node, &nodes[..1]);
    }
    (world, nodes)
}

fn has_met(world: &World, node: Node, other: Node) -> bool {
    let other = world.nodes[other].address;
    let is_join =
        |event: &Event| matches!(event, Event::PeerJoined { address, .. } if *address == other);
    world.nodes[node].has_event(is_join)
}

#[test]
fn two_behind_nats_meet_through_a_third() {
    //
    let (mut world, [relay, a, b]) = behind_nats(|_| {});
    assert!(world.run(MINUTE, |world| has_met(world, a, b) && has_met(world, b, a)));
    // Both have connected at once. One of the two connections is enough, and it stays.
    world.run(MINUTE, |_| false);
    let introductions = [relay, a, b].map(|node| world.nodes[node].swarm.introductions());
    let [relayed, asked, obeyed] = introductions;
    assert_eq!((relayed.relayed, relayed.asked), (1, 0));
    assert_eq!((asked.asked, asked.refused, obeyed.asked), (1, 0, 0));
    assert!(asked.connected + obeyed.connected > 0, "{introductions:?}");
    let now = world.now;
    for node in [a, b] {
        let transports = world.nodes[node].swarm.peers(now).into_iter().map(|peer| peer.transport);
        let mut transports: Vec<_> = transports.map(|transport| transport.to_string()).collect();
        transports.sort();
        assert_eq!(transports, ["TCP", "uTP"]);
    }
}

#[test]
fn a_private_torrent_introduces_nobody() {
    // X-29, BEP 27
    let (mut world, nodes) = behind_nats(|world| world.is_private = true);
    let [_, a, b] = nodes;
    world.introduce(a, &[b]);
    assert!(!world.run(3 * MINUTE, |world| has_met(world, a, b)));
    for node in nodes {
        assert_eq!(world.nodes[node].swarm.introductions(), Introductions::default());
    }
    let mut play = Play::without_content(utp);
    let [peer, other] = [1, 2].map(|host| join(&mut play, host));
    play.tell(Input::ContentReady(Content {
        geometry: play.geometry.clone(),
        have: Bitfield::new(8),
        wanted: Bitfield::full(8),
        partial: Vec::new(),
        info: Default::default(),
        is_private: true,
    }));
    let taken_back = |message: &Message| match message {
        Message::Extended(Extended { id: 0, payload }) => {
            payload.windows(17).any(|part| part == b"12:ut_holepunchi0")
        }
        _ => false,
    };
    assert!(play.heard(peer).iter().any(taken_back));
    say(&mut play, peer, Holepunch::Rendezvous(address(2)));
    say(&mut play, peer, Holepunch::Connect(address(3)));
    assert!(heard(&mut play, peer).is_empty() && heard(&mut play, other).is_empty());
    assert!(dials(&mut play).is_empty());
}
