//! Nodes on sockets, on loopback.
#![cfg(feature = "tokio")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tinytorrent_dht::message::{Body, Message, Method, Query};
use tinytorrent_dht::{
    Announce, DhtNode, Event, Family, Item, Lookup, NodeConfig, NodeId, SearchReport, SharedSocket,
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
        while node.stats().nodes() < 4 {
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
    assert!(node.save().await.is_some());
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

/// A relay, say, that carries datagrams of a node which has no socket of its own.
#[tokio::test]
async fn a_node_without_a_socket_asks_and_is_asked_in_both_families() {
    let carriers = ["127.0.0.1:0", "[::1]:0"];
    let mut sockets = Vec::new();
    for address in carriers {
        let socket = UdpSocket::bind(address).await.unwrap();
        // The runtime does not know yet that there is room.
        socket.writable().await.unwrap();
        sockets.push(Arc::new(socket));
    }
    let families = [Family::V4, Family::V6];
    let mut inlets = Vec::new();
    let shared = families.into_iter().zip(&sockets).map(|(family, socket)| {
        let sender = Arc::clone(socket);
        let send = move |datagram: &[u8], to| _ = sender.try_send_to(datagram, to);
        let (shared, inlet) = SharedSocket::by(family, send);
        inlets.push(inlet);
        shared
    });
    let node = DhtNode::over(shared.collect::<Vec<_>>(), NodeConfig::new([2; 32])).unwrap();
    assert!(node.local_addresses().iter().all(|address| address.port() == 0));
    for ((socket, inlet), address) in sockets.iter().zip(inlets).zip(carriers) {
        let ours = socket.local_addr().unwrap();
        let reading = Arc::clone(socket);
        let reading = tokio::spawn(async move {
            let mut buffer = [0; 2_048];
            loop {
                let (length, from) = reading.recv_from(&mut buffer).await.unwrap();
                inlet.pass(from, &buffer[..length]);
            }
        });
        let config = NodeConfig::new([1; 32]);
        let other = DhtNode::bind(&[address.parse().unwrap()], config).await.unwrap();
        let theirs = other.local_addresses()[0];
        assert_eq!(node.ping(theirs).await.unwrap().node.address, theirs);
        assert_eq!(other.ping(ours).await.unwrap().node.address, ours);
        reading.abort();
    }
}

/// Asks an address if it is there, and returns who answers and its id.
async fn ping(to: SocketAddr) -> (SocketAddr, NodeId) {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut query = Vec::new();
    let ping = Query::new(NodeId::from_bytes([1; 20]), Method::Ping);
    Message::new(b"aa", Body::Query(ping)).encode(&mut query);
    socket.send_to(&query, to).await.unwrap();
    let mut buffer = [0; 1_500];
    loop {
        let received = timeout(Duration::from_secs(20), socket.recv_from(&mut buffer)).await;
        let (length, from) = received.expect("it is answered").unwrap();
        // The node asks us as well.
        if let Body::Response(response) = Message::decode(&buffer[..length]).unwrap().body {
            return (from, response.id);
        }
    }
}

#[tokio::test]
async fn nodes_of_one_host_answer_by_the_socket_that_was_asked_and_are_far_apart() {
    // D-71
    let addresses = ["127.0.0.1:0", "127.0.0.2:0", "127.0.0.1:0"].map(|text| text.parse().unwrap());
    let nodes = DhtNode::bind_each(&addresses, NodeConfig::new([3; 32])).await.unwrap();
    assert_eq!(nodes.len(), 3);
    let mut ids = Vec::new();
    for node in &nodes {
        let address = node.local_addresses()[0];
        let (from, id) = ping(address).await;
        assert_eq!(from, address);
        assert!(ids.iter().all(|other| id.shared_bits(*other) < 2));
        ids.push(id);
    }
    assert!(DhtNode::bind_each(&[], NodeConfig::new([3; 32])).await.is_err());
}

#[tokio::test]
async fn names_of_routers_hold_nothing_up_and_lead_into_the_network_though_it_comes_late() {
    // D-53
    let reserved = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = reserved.local_addr().unwrap().port();
    let address = "127.0.0.1:0".parse().unwrap();
    let node = DhtNode::bind(&[address], NodeConfig::new([4; 32])).await.unwrap();
    node.bootstrap(["no name at all".to_owned(), format!("localhost:{port}")]);
    assert!(node.save().await.is_some(), "it does not wait for the names");
    assert!(timeout(Duration::from_millis(200), node.is_in_network()).await.is_err());
    drop(reserved);
    let late = format!("127.0.0.1:{port}").parse().unwrap();
    let router = DhtNode::bind(&[late], NodeConfig::new([5; 32])).await.unwrap();
    // A router itself is not kept.
    let other = DhtNode::bind(&[address], NodeConfig::new([6; 32])).await.unwrap();
    other.add_node(router.local_addresses()[0]);
    timeout(Duration::from_secs(60), node.is_in_network()).await.expect("it is found");
    assert_eq!(node.save().await.unwrap().nodes[0].address, other.local_addresses()[0]);
}

#[tokio::test]
async fn events_of_the_node_come_to_all_who_listen() {
    let address = "127.0.0.1:0".parse().unwrap();
    let node = DhtNode::bind(&[address], NodeConfig::new([6; 32])).await.unwrap();
    let mut listeners = [node.events(), node.events()];
    for listener in &mut listeners {
        let event = timeout(Duration::from_secs(20), listener.next()).await.expect("it comes");
        assert!(matches!(event, Some(Event::TableEmpty { .. })), "{event:?}");
    }
    drop(node);
    for listener in &mut listeners {
        let end = timeout(Duration::from_secs(20), listener.next()).await.expect("it ends");
        assert_eq!(end, None);
    }
}

#[tokio::test]
async fn a_node_is_asked_for_a_sample_once_in_its_interval() {
    // D-74
    let nodes = nodes("127.0.0.1:0", 5).await;
    let (to, target) = (nodes[0].local_addresses()[0], NodeId::from_bytes([0; 20]));
    assert!(nodes[1].sample(to, target).await.is_some());
    let sent = nodes[1].stats().queries_out;
    assert!(nodes[1].sample(to, target).await.is_none());
    assert!(nodes[1].stats().queries_out <= sent + 1, "upkeep alone");
    assert!(nodes[2].sample(to, target).await.is_some(), "others may ask it");
}
