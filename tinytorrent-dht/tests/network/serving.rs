//! What a node gives to others, and what it does not.

use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_dht::message::{
    Body, ErrorCode, MAX_WRITTEN, Message, Method, PutMutable, Query, Response, Want,
};
use tinytorrent_dht::{Event, Item, Node, NodeConfig, NodeId, Raw, Transmit};
use tinytorrent_types::WireInfoHash;

use crate::world::World;

const ASKER: NodeId = NodeId::from_bytes([5; 20]);
const HASH: WireInfoHash = WireInfoHash::from_bytes([6; 20]);

fn asker() -> SocketAddr {
    "99.1.2.3:4444".parse().unwrap()
}

/// Sends bytes to node 0 from an address, and returns the answers.
fn send(world: &mut World, from: SocketAddr, bytes: &[u8]) -> Vec<Vec<u8>> {
    let now = world.now;
    let node = &mut world.nodes[0].node;
    node.handle_datagram(now, from, bytes);
    let mut answers = Vec::new();
    while let Some(transmit) = node.poll_transmit() {
        // A node that knows few asks who asked it, too.
        let message = Message::decode(&transmit.bytes).unwrap();
        if transmit.to == from && !matches!(message.body, Body::Query(_)) {
            answers.push(transmit.bytes);
        }
    }
    node.check_invariants();
    answers
}

fn ask(world: &mut World, from: SocketAddr, method: Method<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Message::new(b"tt", Body::Query(Query::new(ASKER, method))).encode(&mut bytes);
    let mut answers = send(world, from, &bytes);
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

fn response(bytes: &[u8]) -> Response<'_> {
    match Message::decode(bytes).unwrap().body {
        Body::Response(response) => *response,
        other => panic!("{other:?}"),
    }
}

fn error(bytes: &[u8]) -> i64 {
    match Message::decode(bytes).unwrap().body {
        Body::Error(error) => error.code,
        other => panic!("{other:?}"),
    }
}

fn announce(token: &[u8], port: u16) -> Method<'_> {
    Method::AnnouncePeer { info_hash: HASH, port, implied_port: false, is_seed: false, token }
}

const GET_PEERS: Method<'static> =
    Method::GetPeers { info_hash: HASH, no_seeds: false, scrape: false };

#[test]
fn a_query_is_answered_with_its_own_transaction_id_and_address() {
    // D-01, D-28, D-30
    let mut world = World::network(20, 30);
    for id in [&b"a"[..], b"ab", b"abcd", &[0xff; 20], &[0; 64]] {
        let mut bytes = Vec::new();
        Message::new(id, Body::Query(Query::new(ASKER, Method::Ping))).encode(&mut bytes);
        let answers = send(&mut world, asker(), &bytes);
        let answer = Message::decode(&answers[0]).unwrap();
        assert_eq!((answer.transaction, answer.ip), (id, Some(asker())));
    }
}

#[test]
fn an_announcement_needs_the_token_of_its_address() {
    // D-06, D-37
    let mut world = World::network(21, 30);
    let answer = ask(&mut world, asker(), GET_PEERS);
    let token = response(&answer).token.unwrap();
    assert!(response(&answer).values.is_empty());
    for (from, method) in [
        (asker(), announce(b"wrong", 80)),
        (asker(), announce(token, 0)),
        ("99.1.2.4:4444".parse().unwrap(), announce(token, 80)),
    ] {
        assert_eq!(error(&ask(&mut world, from, method)), ErrorCode::Protocol.number());
    }
    assert_eq!(world.nodes[0].node.stats().peers, 0);
    let other_port: SocketAddr = "99.1.2.3:9".parse().unwrap();
    assert_eq!(response(&ask(&mut world, other_port, announce(token, 80))).token, None);
    let answer = ask(&mut world, asker(), GET_PEERS);
    assert_eq!(response(&answer).values, ["99.1.2.3:80".parse().unwrap()]);
    assert_eq!(response(&answer).nodes.unwrap().len(), 8, "nodes come beside peers");
}

#[test]
fn unknown_queries_are_answered_by_nodes_or_by_an_error() {
    // D-02, D-03
    let mut world = World::network(22, 30);
    let target = Some(NodeId::from_bytes([1; 20]));
    let answer = ask(&mut world, asker(), Method::Unknown { name: b"vote", target });
    assert_eq!(response(&answer).nodes.unwrap().len(), 8);
    let answer = ask(&mut world, asker(), Method::Unknown { name: b"vote", target: None });
    assert_eq!(error(&answer), ErrorCode::MethodUnknown.number());
}

#[test]
fn what_is_malformed_has_no_answer_and_what_is_wrong_has_an_error() {
    // D-26, D-36
    let mut world = World::network(23, 30);
    for silent in [
        &b"junk"[..],
        b"",
        b"le",
        b"i5e",
        b"d1:t2:aa1:y1:ze",
        b"d1:rd2:id20:abcdefghij0123456789e1:t2:aa1:y1:re",
    ] {
        assert!(send(&mut world, asker(), silent).is_empty());
    }
    let answers = send(&mut world, asker(), b"d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe");
    assert_eq!(error(&answers[0]), ErrorCode::Protocol.number());
}

#[test]
fn a_read_only_node_answers_nothing_and_is_not_asked() {
    // D-14, D-47, D-60
    let mut world = World::network(24, 30);
    let reader = world.add(false, |config| {
        config.read_only(true);
    });
    let router = world.nodes[0].address;
    world.nodes[reader].node.add_router(router);
    world.run_for(Duration::from_secs(600));
    assert!(world.nodes[reader].node.nodes().count() > 8, "it knows others");
    let address = world.nodes[reader].address;
    assert!(
        world.nodes[..reader]
            .iter()
            .all(|peer| peer.node.nodes().all(|node| node.address != address))
    );
    let before = world.nodes[reader].node.stats().answers_out;
    let mut bytes = Vec::new();
    Message::new(b"tt", Body::Query(Query::new(ASKER, Method::Ping))).encode(&mut bytes);
    world.inject(asker(), reader, &bytes);
    world.inject(asker(), reader, b"d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe");
    assert_eq!((before, world.nodes[reader].node.stats().answers_out), (0, 0));
}

#[test]
fn a_node_that_asks_comes_into_the_table_once_it_has_answered() {
    // D-46, D-47
    let mut world = World::new(25);
    let node = world.add(false, |_| {});
    let asker = world.add(false, |_| {});
    world.nodes[asker].is_dead = true;
    let (id, address) = (world.info(asker).id, world.nodes[asker].address);
    let mut bytes = Vec::new();
    Message::new(b"tt", Body::Query(Query::new(id, Method::Ping))).encode(&mut bytes);
    world.inject(address, node, &bytes);
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.nodes[node].node.nodes().count(), 0, "it has answered nothing");
    world.nodes[asker].is_dead = false;
    world.inject(address, node, &bytes);
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.nodes[node].node.nodes().count(), 1);
}

#[test]
fn no_answer_is_longer_than_it_may_be() {
    // D-25, D-31, D-35, D-61
    let mut world = World::network(26, 60);
    for n in 0..200u8 {
        let from = SocketAddr::from(([98, n, 1, 1], 1_000));
        let answer = ask(&mut world, from, GET_PEERS);
        let token = response(&answer).token.unwrap().to_vec();
        ask(&mut world, from, announce(&token, 1));
        world.now += Duration::from_millis(100);
    }
    for scrape in [false, true] {
        let mut query =
            Query::new(ASKER, Method::GetPeers { info_hash: HASH, no_seeds: false, scrape });
        query.want = Want::BOTH;
        let mut bytes = Vec::new();
        Message::new(&[7; 64], Body::Query(query)).encode(&mut bytes);
        let answers = send(&mut world, asker(), &bytes);
        assert!(answers[0].len() <= MAX_WRITTEN);
        let response = response(&answers[0]);
        assert_eq!(response.peers.is_some(), scrape);
        assert!(!response.values.is_empty() && response.token.is_some());
        assert!(!response.nodes.unwrap().is_empty());
        if let Some(peers) = response.peers {
            assert!((180.0..220.0).contains(&peers.estimate()), "{}", peers.estimate());
        }
    }
}

#[test]
fn answers_keep_to_their_budget_whoever_asks() {
    // D-36
    let mut world = World::new(27);
    let node = world.add(false, |config| {
        config.answer_bytes_per_second(1_000);
    });
    assert_eq!(node, 0);
    let (mut given, start) = (0, world.now);
    for n in 0..2_000u32 {
        let from = SocketAddr::from(([97, (n >> 8) as u8, n as u8, 1], 1));
        let mut bytes = Vec::new();
        Message::new(b"tt", Body::Query(Query::new(ASKER, GET_PEERS))).encode(&mut bytes);
        given += send(&mut world, from, &bytes).iter().map(Vec::len).sum::<usize>();
        world.now += Duration::from_millis(5);
    }
    let seconds = (world.now - start).as_secs() as usize;
    assert!(
        given <= 1_000 * (seconds + 1) && given > 1_000 * (seconds - 1),
        "{given} in {seconds} s"
    );
    assert!(world.nodes[0].node.stats().over_budget > 0);
}

#[test]
fn a_flood_is_blocked_and_others_are_served() {
    // D-17
    let mut world = World::network(28, 30);
    let mut bytes = Vec::new();
    Message::new(b"tt", Body::Query(Query::new(ASKER, Method::Ping))).encode(&mut bytes);
    let answered = (0..500).filter(|_| !send(&mut world, asker(), &bytes).is_empty()).count();
    assert!((1..=50).contains(&answered), "{answered}");
    assert!(!send(&mut world, "99.1.2.4:4".parse().unwrap(), &bytes).is_empty());
    assert_eq!(world.nodes[0].node.stats().blocked, 1);
}

#[test]
fn samples_stay_the_same_for_their_interval_and_do_not_depend_on_the_target() {
    // D-24, D-73
    let mut world = World::network(29, 30);
    let sample_of = |world: &mut World, target: u8| {
        let target = NodeId::from_bytes([target; 20]);
        let answer = ask(world, asker(), Method::SampleInfohashes { target });
        let response = response(&answer);
        assert!(response.nodes.is_some());
        let sample = response.sample.expect("it is there, even if it is empty");
        (sample.interval, sample.total, sample.info_hashes().collect::<Vec<_>>())
    };
    assert_eq!(sample_of(&mut world, 1), (3_600, 0, vec![]));
    for n in 0..30u8 {
        let info_hash = WireInfoHash::from_bytes([n; 20]);
        let from = SocketAddr::from(([98, n, 1, 1], 1_000));
        let answer =
            ask(&mut world, from, Method::GetPeers { info_hash, no_seeds: false, scrape: false });
        let token = response(&answer).token.unwrap().to_vec();
        ask(
            &mut world,
            from,
            Method::AnnouncePeer {
                info_hash,
                port: 1,
                implied_port: false,
                is_seed: false,
                token: &token,
            },
        );
    }
    assert_eq!(sample_of(&mut world, 2).2, []);
    world.now += Duration::from_secs(3_600);
    let (_, total, some) = sample_of(&mut world, 3);
    assert_eq!((total, some.len()), (0, 0), "peers have left meanwhile");
}

#[test]
fn answers_of_those_who_were_not_asked_change_nothing() {
    // D-16
    let mut world = World::new(30);
    let node = world.add(false, |_| {});
    let router = "55.1.1.1:6881".parse().unwrap();
    world.nodes[node].node.add_router(router);
    world.with(node, |now, node| node.find_peers(now, HASH));
    let mut lie = Response::new(ASKER);
    lie.values = vec!["6.6.6.6:6".parse().unwrap()];
    for transaction in [[0; 4], [1; 4], [255; 4]] {
        let mut bytes = Vec::new();
        Message::new(&transaction, Body::Response(Box::new(lie.clone()))).encode(&mut bytes);
        world.inject(router, node, &bytes);
    }
    assert_eq!(world.nodes[node].node.stats().unsolicited, 3);
    assert!(
        !world.nodes[node]
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::PeersFound { .. }))
    );
}

#[test]
fn our_address_is_what_several_networks_say_and_our_id_fits_it() {
    // D-12, D-13, D-50
    let mut world = World::network(31, 30);
    let node = world.add(false, |config| {
        config.saved(tinytorrent_dht::SavedNodes::default());
    });
    let (router, ip) = (world.nodes[0].address, world.nodes[node].address.ip());
    world.nodes[node].node.add_router(router);
    assert!(!world.info(node).id.fits_address(ip));
    world.run_for(Duration::from_secs(60));
    assert!(world.info(node).id.fits_address(ip));
    let agreed =
        world.nodes[node].events.iter().filter(|(_, event)| *event == Event::AddressAgreed { ip });
    assert_eq!(agreed.count(), 1);
    assert!(world.nodes[node].node.nodes().count() > 4, "nodes stay when the id changes");
    world.check_invariants();
}

#[test]
fn a_node_that_no_stranger_asks_is_read_only_until_one_does() {
    // D-15, D-60
    let mut now = std::time::Instant::now();
    let mut node = Node::new(now, NodeConfig::new([1; 32]));
    for n in 0..100 {
        node.add_node(now, ([20, n, 1, 1], 6881).into());
    }
    let mut ping = Vec::new();
    Message::new(b"tt", Body::Query(Query::new(ASKER, Method::Ping))).encode(&mut ping);
    // Everybody whom it asks answers, and asks it as well.
    while !node.is_read_only() {
        assert!(node.stats().datagrams_out < 10_000, "it believes to be reachable");
        while let Some(Transmit { to, bytes }) = node.poll_transmit() {
            let message = Message::decode(&bytes).unwrap();
            assert!(!message.read_only);
            if matches!(message.body, Body::Query(_)) {
                let std::net::IpAddr::V4(ip) = to.ip() else { panic!("{to} is no IPv4") };
                let id = NodeId::from_bytes([ip.octets()[1]; 20]);
                let answer = Body::Response(Box::new(Response::new(id)));
                let mut answered = Vec::new();
                Message::new(message.transaction, answer).encode(&mut answered);
                node.handle_datagram(now, to, &answered);
                node.handle_datagram(now, to, &ping);
            }
        }
        now = now.max(node.poll_timeout().unwrap());
        node.handle_timeout(now);
    }
    let mut events = std::iter::from_fn(|| node.poll_event());
    assert!(events.any(|event| event == Event::ReachChanged { is_reachable: false }));
    let asked = |node: &mut Node, from: SocketAddr| {
        node.handle_datagram(now, from, &ping);
        let sent = std::iter::from_fn(|| node.poll_transmit());
        sent.map(|sent| Message::decode(&sent.bytes).unwrap().read_only).collect::<Vec<_>>()
    };
    let ended = asked(&mut node, ([192, 168, 1, 1], 1).into());
    assert!(ended.iter().all(|is_read_only| *is_read_only), "no answer, and queries that say so");
    assert!(node.stats().is_read_only, "the local network proves nothing");
    assert!(!asked(&mut node, ([30, 1, 1, 1], 1).into()).is_empty(), "a stranger is answered");
    assert!(!node.is_read_only());
    let reached = Event::ReachChanged { is_reachable: true };
    assert!(std::iter::from_fn(|| node.poll_event()).any(|event| event == reached));
}

#[test]
fn an_empty_table_is_filled_when_the_network_comes_late() {
    // D-18, D-19
    let mut world = World::network(32, 30);
    let late = world.add(false, |_| {});
    let router = world.nodes[0].address;
    world.nodes[late].node.add_router(router);
    world.nodes[0].is_dead = true;
    world.run_for(Duration::from_secs(1_800));
    assert_eq!(world.nodes[late].node.nodes().count(), 0);
    let told = world.nodes[late]
        .events
        .iter()
        .filter(|(_, event)| *event == (Event::TableEmpty { family: tinytorrent_dht::Family::V4 }))
        .count();
    assert_eq!(told, 1);
    world.nodes[0].is_dead = false;
    world.run_for(Duration::from_secs(400));
    assert!(world.nodes[late].node.nodes().count() > 8);
    assert!(
        world.nodes[late].node.nodes().all(|node| node.address != router),
        "routers are not kept"
    );
}

#[test]
fn an_unreachable_address_fails_its_own_queries_alone() {
    // D-52
    let mut world = World::network(33, 30);
    let gone = "44.1.1.1:1".parse().unwrap();
    let there = world.nodes[3].address;
    let (lost, answered) = world.with(1, |now, node| (node.ping(now, gone), node.ping(now, there)));
    world.with(1, |now, node| node.handle_unreachable(now, gone));
    let has = |world: &World, event: &dyn Fn(&Event) -> bool| {
        world.nodes[1].events.iter().any(|(_, found)| event(found))
    };
    assert!(has(
        &world,
        &|event| matches!(event, Event::Failed { query, refusal: None } if *query == lost)
    ));
    world.run_for(Duration::from_secs(1));
    assert!(has(
        &world,
        &|event| matches!(event, Event::Answered { query, .. } if *query == answered)
    ));
}

#[test]
fn an_idle_node_sends_little_and_a_call_too_early_changes_nothing() {
    let mut world = World::network(34, 40);
    world.run_for(Duration::from_secs(1_800));
    let before = world.nodes[5].node.stats();
    world.run_for(Duration::from_secs(1_200));
    let after = world.nodes[5].node.stats();
    let rate = (after.bytes_out - before.bytes_out) / 1_200;
    assert!(rate < 1_000, "{rate} B/s");
    assert!(
        world.nodes[5].node.good_nodes(world.now) * 10 >= world.nodes[5].node.nodes().count() * 9
    );
    let timeout = world.nodes[5].node.poll_timeout();
    let now = world.now;
    world.nodes[5].node.handle_timeout(now);
    assert_eq!(world.nodes[5].node.poll_timeout(), timeout);
    assert_eq!(world.nodes[5].node.poll_transmit(), None);
}

#[test]
fn nodes_on_the_internet_name_none_in_our_network() {
    let mut world = World::new(35);
    let node = world.add(false, |_| {});
    let liar: SocketAddr = "55.1.1.1:6881".parse().unwrap();
    world.nodes[node].node.add_router(liar);
    let now = world.now;
    world.nodes[node].node.handle_timeout(now);
    let query = world.nodes[node].node.poll_transmit().unwrap();
    let transaction = Message::decode(&query.bytes).unwrap().transaction.to_vec();
    let mut lie = Response::new(ASKER);
    let at = |n: u8, address: &str| tinytorrent_dht::NodeInfo {
        id: NodeId::from_bytes([n; 20]),
        address: address.parse().unwrap(),
    };
    lie.nodes = Some(vec![
        at(1, "192.168.1.1:53"),
        at(2, "127.0.0.1:53"),
        at(3, "7.7.7.7:0"),
        at(4, "224.0.0.1:5"),
    ]);
    let mut bytes = Vec::new();
    Message::new(&transaction, Body::Response(Box::new(lie))).encode(&mut bytes);
    world.nodes[node].node.handle_datagram(now, liar, &bytes);
    assert_eq!(world.nodes[node].node.poll_transmit(), None);
}

#[test]
fn an_item_that_the_asker_has_already_is_left_out() {
    // D-68
    let mut world = World::network(36, 10);
    let item = Item::sign(&[3; 32], b"salt", 4, b"5:value").unwrap();
    let part = item.mutable_part().unwrap().clone();
    let target = item.target();
    let answer = ask(&mut world, asker(), Method::Get { target, seq: None });
    let token = response(&answer).token.unwrap().to_vec();
    let (key, signature) = (&part.key, &part.signature);
    let mutable = Some(PutMutable { key, signature, seq: 4, salt: b"salt", cas: None });
    let value = Raw::new(b"5:value").unwrap();
    response(&ask(&mut world, asker(), Method::Put { token: &token, value, mutable }));
    for (known, is_sent) in [(None, true), (Some(3), true), (Some(4), false), (Some(5), false)] {
        let answer = ask(&mut world, asker(), Method::Get { target, seq: known });
        let fields = response(&answer).item;
        assert_eq!(fields.seq, Some(4));
        assert_eq!((fields.value.is_some(), fields.key.is_some()), (is_sent, is_sent), "{known:?}");
        assert!(!answer.windows(6).any(|part| part == b"4:salt"));
    }
}
