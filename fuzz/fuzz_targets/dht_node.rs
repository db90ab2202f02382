//! Two nodes of the DHT under any operations, with strangers who send anything: both stay within their bounds, and
//! each search ends.
#![no_main]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tinytorrent_dht::message::{MAX_WRITTEN, Message};
use tinytorrent_dht::{Announce, Event, Item, Node, NodeConfig, NodeId, Transmit};

fuzz_target!(|bytes: &[u8]| run(bytes));

fn run(bytes: &[u8]) {
    let [setup, operations @ ..] = bytes else { return };
    let mut input = operations;
    let mut now = Instant::now();
    let addresses: [SocketAddr; 2] = [([9, 9, 9, 9], 1).into(), ([8, 8, 8, 8], 2).into()];
    let mut nodes = [[1; 32], [2; 32]].map(|seed| {
        let mut config = NodeConfig::new(seed);
        config.max_peers(2, 2).max_items(2).read_only(setup & 3 == 3);
        Node::new(now, config)
    });
    nodes[0].add_router(addresses[1]);
    let (mut begun, mut ended) = (0, 0);
    let mut queries: Vec<(usize, Transmit)> = Vec::new();
    while let [operation, argument, rest @ ..] = input {
        input = rest;
        let (who, n) = (usize::from(argument & 1), argument >> 1);
        let target = NodeId::from_bytes([n; 20]);
        let stranger = SocketAddr::from(([7, n, 1, 1], 3));
        match operation % 12 {
            0 => now += Duration::from_millis(u64::from(n) * u64::from(n) * 20),
            1 => _ = nodes[who].find_peers(now, target.into()),
            2 => {
                let port = (n % 2 == 0).then_some(80);
                nodes[who].announce(now, target.into(), Announce { port, is_seed: n % 3 == 0 });
            }
            3 => _ = nodes[who].put(now, Item::from_text([n]).expect("it is short"), None),
            4 => _ = nodes[who].get(now, target),
            5 => _ = nodes[who].scrape(now, target.into()),
            6 => nodes[who].add_node(now, stranger),
            7 => nodes[who].handle_unreachable(now, addresses[1 - who]),
            8 => {
                // What a stranger sends is the rest of the input, up to a length.
                let length = usize::from(n).min(input.len());
                let (datagram, rest) = input.split_at(length);
                input = rest;
                nodes[who].handle_datagram(now, stranger, datagram);
            }
            9 if !queries.is_empty() => {
                // An answer by a node that was asked and that lies.
                let (asker, query) = queries.swap_remove(usize::from(n) % queries.len());
                let Ok(message) = Message::decode(&query.bytes) else { continue };
                let transaction = message.transaction.to_vec();
                let length = usize::from(*input.first().unwrap_or(&0)).min(input.len());
                let (nodes_field, rest) = input.split_at(length);
                input = rest;
                let mut lie = b"d1:rd2:id20:aaaaaaaaaaaaaaaaaaaa5:nodes".to_vec();
                lie.extend(format!("{}:", nodes_field.len()).bytes());
                lie.extend_from_slice(nodes_field);
                lie.extend(
                    format!("5:token1:x6:valuesl6:abcdefee1:t{}:", transaction.len()).bytes(),
                );
                lie.extend_from_slice(&transaction);
                lie.extend_from_slice(b"1:y1:re");
                nodes[asker].handle_datagram(now, query.to, &lie);
            }
            10 => nodes[who].set_read_only(n % 2 == 0),
            _ => nodes[who].handle_timeout(now),
        }
        begun += usize::from((1..=5).contains(&(operation % 12)));
        exchange(now, &mut nodes, &addresses, &mut queries, &mut ended);
    }
    // Whatever happened, each search comes to an end.
    for _ in 0..10_000 {
        let Some(next) = nodes.iter().filter_map(Node::poll_timeout).min() else { break };
        now = now.max(next);
        nodes.iter_mut().for_each(|node| node.handle_timeout(now));
        exchange(now, &mut nodes, &addresses, &mut queries, &mut ended);
        if ended == begun {
            return;
        }
    }
    assert_eq!(ended, begun, "a search has no end");
}

/// Carries what the nodes send to each other, and keeps what they send to strangers.
fn exchange(
    now: Instant,
    nodes: &mut [Node; 2],
    addresses: &[SocketAddr; 2],
    queries: &mut Vec<(usize, Transmit)>,
    ended: &mut usize,
) {
    for _ in 0..1_000 {
        let mut is_quiet = true;
        for from in 0..2 {
            nodes[from].check_invariants();
            while let Some(event) = nodes[from].poll_event() {
                *ended += usize::from(matches!(event, Event::SearchEnded { .. }));
            }
            while let Some(transmit) = nodes[from].poll_transmit() {
                assert!(transmit.bytes.len() <= MAX_WRITTEN);
                assert!(Message::decode(&transmit.bytes).is_ok());
                if transmit.to == addresses[1 - from] {
                    is_quiet = false;
                    nodes[1 - from].handle_datagram(now, addresses[from], &transmit.bytes);
                } else if queries.len() < 64 {
                    queries.push((from, transmit));
                }
            }
        }
        if is_quiet {
            let timeouts = nodes.iter().filter_map(Node::poll_timeout);
            assert!(timeouts.min().is_some());
            return;
        }
    }
    panic!("the nodes never stop");
}
