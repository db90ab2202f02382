//! Addresses that the user avoids.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tinytorrent_dht::message::{Body, Message, Method, Query};
use tinytorrent_dht::{Event, Node, NodeId};
use tinytorrent_types::IpRanges;

use crate::world::World;

/// The nodes with odd numbers, in a world of nodes of IPv4.
fn odd(world: &World) -> Option<Arc<IpRanges>> {
    let mut ranges = IpRanges::builder();
    for peer in world.nodes.iter().skip(1).step_by(2) {
        ranges.add(peer.address.ip(), peer.address.ip()).unwrap();
    }
    Some(Arc::new(ranges.build()))
}

fn knows_any(node: &Node, ranges: &IpRanges) -> bool {
    node.nodes().any(|known| ranges.contains(known.address.ip()))
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn nothing_comes_from_or_goes_to_a_node_that_is_avoided() {
    // D-56
    let mut world = World::network(56, 60);
    let ranges = odd(&world).unwrap();
    let at = 2;
    assert!(knows_any(&world.nodes[at].node, &ranges), "it knew some");
    // A look-up is under way, to some of them.
    world.with(at, |now, node| _ = node.find_nodes(now, NodeId::from_bytes([7; 20])));
    world.nodes[at].node.set_blocked(Some(Arc::clone(&ranges)));
    world.nodes[at].node.check_invariants();
    assert!(!knows_any(&world.nodes[at].node, &ranges));
    let before = world.nodes[at].node.stats().avoided;
    let forbidden = Arc::clone(&ranges);
    world.forbid(at, move |to| forbidden.contains(to));
    world.run_for(30 * MINUTE);
    for target in [[1; 20], [99; 20], [200; 20]] {
        world.with(at, |now, node| _ = node.find_nodes(now, NodeId::from_bytes(target)));
        world.run_for(MINUTE);
    }
    let node = &world.nodes[at].node;
    assert!(!knows_any(node, &ranges) && node.stats().nodes() > 10);
    assert!(node.stats().avoided > before, "they go on asking it");
    for search in world.nodes[at].events.iter() {
        if let (_, Event::SearchEnded { report, .. }) = search {
            assert!(report.closest.iter().all(|known| !ranges.contains(known.address.ip())));
        }
    }
    // By a mapped address as well.
    let mapped = world.nodes[1].address.ip();
    let IpAddr::V4(mapped) = mapped else { panic!("it is IPv4") };
    let from = (mapped.to_ipv6_mapped(), 6881).into();
    let mut ping = Vec::new();
    let query = Query::new(NodeId::from_bytes([5; 20]), Method::Ping);
    Message::new(b"tt", Body::Query(query)).encode(&mut ping);
    let avoided = world.nodes[at].node.stats().avoided;
    world.inject(from, at, &ping);
    assert_eq!(world.nodes[at].node.stats().avoided, avoided + 1);
}

#[test]
fn a_query_by_name_fails_at_once_and_a_router_is_asked_once_it_is_allowed() {
    // D-56
    let mut world = World::network(57, 20);
    let router = world.nodes[0].address;
    let mut ranges = IpRanges::builder();
    ranges.add(router.ip(), router.ip()).unwrap();
    let ranges = Some(Arc::new(ranges.build()));
    let at = world.add(false, |config| _ = config.blocked(ranges));
    world.with(at, |_, node| node.add_router(router));
    let query = world.with(at, |now, node| node.ping(now, router));
    let failed = (world.now, Event::Failed { query, refusal: None });
    assert!(world.nodes[at].events.contains(&failed));
    world.run_for(10 * MINUTE);
    assert_eq!(world.nodes[at].node.stats().datagrams_out, 0);
    world.with(at, |_, node| node.set_blocked(None));
    world.run_until(|world| world.nodes[at].node.stats().nodes() > 0);
}
