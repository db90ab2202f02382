//! Nodes on sockets, on loopback.
#![cfg(feature = "tokio")]

use std::sync::Arc;
use std::time::Duration;

use tinytorrent_dht::{
    Announce, DhtNode, Event, Item, Lookup, NodeConfig, NodeId, SearchReport, SharedSocket,
};
use tokio::net::UdpSocket;
use tokio::time::timeout;

async fn nodes(address: &str, count: u8) -> Vec<DhtNode> {
    let mut nodes: Vec<DhtNode> = Vec::new();
    for n in 0..count {
        let mut config = NodeConfig::new([n; 32]);
        config.queries_per_host(10_000);
        let node = DhtNode::bind(&[address.parse().unwrap()], config).await.unwrap();
        if let Some(first) = nodes.first() {
            node.add_node(first.local_addresses()[0]);
        }
        nodes.push(node);
    }
    for node in &nodes {
        let end = tokio::time::Instant::now() + Duration::from_secs(20);
        while node.stats().await.is_some_and(|stats| stats.nodes_v4 + stats.nodes_v6 < 4) {
            assert!(tokio::time::Instant::now() < end, "it finds no others");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    nodes
}

async fn end_of(mut lookup: Lookup) -> (Vec<Event>, SearchReport) {
    let mut events = Vec::new();
    loop {
        let event = timeout(Duration::from_secs(20), lookup.next()).await.expect("it ends");
        match event.expect("the end is an event") {
            Event::SearchEnded { report, .. } => return (events, report),
            event => events.push(event),
        }
    }
}

#[tokio::test]
async fn peers_and_items_go_through_sockets_of_either_family() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let nodes = nodes(address, 8).await;
        let announce = Announce { port: Some(7_000), is_seed: false };
        let (_, report) = end_of(nodes[2].announce([1; 20].into(), announce)).await;
        assert!(report.stored > 0, "{report:?}");
        let (events, report) = end_of(nodes[5].find_peers([1; 20].into())).await;
        let mut peer = nodes[2].local_addresses()[0];
        peer.set_port(7_000);
        assert_eq!(report.peers, 1);
        assert!(matches!(&events[0], Event::PeersFound { peers, .. } if peers == &[peer]));
        let item = Item::from_text("text").unwrap();
        end_of(nodes[1].put(item.clone(), None)).await;
        let (events, _) = end_of(nodes[6].get(item.target())).await;
        assert!(matches!(&events[0], Event::ItemFound { item: found, .. } if *found == item));
        let to = nodes[0].local_addresses()[0];
        let answer = nodes[1].ping(to).await.unwrap();
        assert_eq!(answer.node.address, to);
        let answer = nodes[1].sample(to, NodeId::from_bytes([0; 20])).await.unwrap();
        assert!(answer.sample.is_some());
        assert!(!nodes[1].save().await.unwrap().nodes.is_empty());
    }
}

#[tokio::test]
async fn a_dropped_look_up_is_cancelled_and_two_sockets_of_a_family_are_an_error() {
    let node =
        DhtNode::bind(&["127.0.0.1:0".parse().unwrap()], NodeConfig::new([1; 32])).await.unwrap();
    // Nobody answers there.
    let silent = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    node.add_router(silent);
    drop(node.find_peers([1; 20].into()));
    let mut kept = node.find_peers([2; 20].into());
    assert!(timeout(Duration::from_millis(50), kept.next()).await.is_err(), "it waits");
    drop(kept);
    assert!(node.stats().await.is_some());
    let two = ["127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()];
    assert!(DhtNode::bind(&two, NodeConfig::new([1; 32])).await.is_err());
    assert!(DhtNode::bind(&[], NodeConfig::new([1; 32])).await.is_err());
}

#[tokio::test]
async fn a_socket_may_have_other_protocols_beside_the_dht() {
    let other = DhtNode::bind(&["127.0.0.1:0".parse().unwrap()], NodeConfig::new([1; 32])).await;
    let other = other.unwrap();
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let (shared, inlet) = SharedSocket::new(Arc::clone(&socket));
    let node = DhtNode::over([shared], NodeConfig::new([2; 32])).unwrap();
    assert_eq!(node.local_addresses(), [socket.local_addr().unwrap()]);
    let reading = tokio::spawn(async move {
        let mut buffer = [0; 2_048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            inlet.pass(from, &buffer[..length]);
        }
    });
    // Each asks the other.
    let (ours, theirs) = (node.local_addresses()[0], other.local_addresses()[0]);
    assert_eq!(node.ping(theirs).await.unwrap().node.address, theirs);
    assert_eq!(other.ping(ours).await.unwrap().node.address, ours);
    reading.abort();
    assert!(DhtNode::over([], NodeConfig::new([3; 32])).is_err());
}
