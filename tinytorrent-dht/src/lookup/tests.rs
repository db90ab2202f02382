use super::*;

const TARGET: NodeId = NodeId::from_bytes([0; 20]);

/// A local node, whose id fits, at this distance.
fn node(distance: u8) -> NodeInfo {
    let mut id = [0; 20];
    id[0] = distance;
    NodeInfo { id: NodeId::from_bytes(id), address: SocketAddr::from(([10, 0, 0, distance], 1)) }
}

/// A node on the internet, whose id does not fit.
fn stranger(distance: u8) -> NodeInfo {
    NodeInfo { address: SocketAddr::from(([8, distance, 0, 1], 1)), ..node(distance) }
}

fn lookup(nodes: impl IntoIterator<Item = u8>) -> Lookup {
    let mut lookup = Lookup::new(TARGET, 3);
    nodes.into_iter().for_each(|distance| lookup.add(node(distance)));
    lookup
}

/// All that may be asked now, by the distance.
fn asked(lookup: &mut Lookup) -> Vec<u8> {
    let mut asked = Vec::new();
    while let Some((_, Some(id))) = lookup.next() {
        asked.push(id.as_bytes()[0]);
        lookup.check_invariants();
    }
    asked
}

fn answer(lookup: &mut Lookup, distance: u8) {
    let node = node(distance);
    lookup.on_answer(node.address, node.id, Some(&[distance]));
    lookup.check_invariants();
}

#[test]
fn the_closest_are_asked_first_and_a_few_at_a_time() {
    let mut lookup = lookup([9, 3, 5, 7, 1]);
    assert_eq!(asked(&mut lookup), [1, 3, 5]);
    answer(&mut lookup, 3);
    assert_eq!(asked(&mut lookup), [7]);
}

#[test]
fn it_ends_when_the_eight_closest_that_answer_have_answered() {
    // D-20, D-40
    let mut lookup = lookup(1..=20);
    let mut order = Vec::new();
    while !lookup.is_done() {
        for distance in asked(&mut lookup) {
            order.push(distance);
            if distance % 2 == 0 {
                answer(&mut lookup, distance);
            } else {
                lookup.on_failure(node(distance).address);
            }
        }
    }
    assert_eq!(order, (1..=16).collect::<Vec<_>>(), "eight of them answer");
    let closest: Vec<_> = lookup.closest().map(|node| node.id.as_bytes()[0]).collect();
    assert_eq!(closest, [2, 4, 6, 8, 10, 12, 14, 16]);
    assert_eq!(lookup.counts(), (16, 8));
}

#[test]
fn an_answer_that_names_a_closer_node_goes_on() {
    // D-40
    let mut lookup = lookup(10..18);
    loop {
        let asked = asked(&mut lookup);
        if asked.is_empty() {
            break;
        }
        asked.into_iter().for_each(|distance| answer(&mut lookup, distance));
    }
    assert!(lookup.is_done());
    lookup.add(node(1));
    assert!(!lookup.is_done());
    assert_eq!(asked(&mut lookup), [1]);
}

#[test]
fn a_slow_node_makes_room_and_its_answer_counts() {
    // D-39
    let mut lookup = lookup(1..=12);
    assert_eq!(asked(&mut lookup), [1, 2, 3]);
    lookup.on_slow(node(1).address);
    assert_eq!(asked(&mut lookup), [4]);
    answer(&mut lookup, 1);
    (2..=8).for_each(|distance| {
        asked(&mut lookup);
        answer(&mut lookup, distance);
    });
    assert!(lookup.is_done());
    assert_eq!(lookup.closest().next(), Some(node(1)));
}

#[test]
fn silent_nodes_do_not_hold_up_the_end_if_there_are_others() {
    let mut lookup = lookup(1..=12);
    for distance in 1..=12 {
        asked(&mut lookup);
        match distance {
            1..=3 => lookup.on_slow(node(distance).address),
            _ => answer(&mut lookup, distance),
        }
    }
    assert!(lookup.is_done());
    let mut few = self::lookup(1..=4);
    for distance in 1..=4 {
        asked(&mut few);
        match distance {
            1 => few.on_slow(node(distance).address),
            _ => answer(&mut few, distance),
        }
    }
    assert!(!few.is_done(), "of so few nodes each is worth the wait");
    few.on_given_up(node(1).address);
    assert!(few.is_done());
}

#[test]
fn while_nobody_answers_all_are_waited_for() {
    // The link is slow, or there is none.
    let mut lookup = lookup(1..=3);
    asked(&mut lookup);
    for distance in 1..=3 {
        lookup.on_slow(node(distance).address);
        lookup.on_given_up(node(distance).address);
    }
    assert!(!lookup.is_done());
    answer(&mut lookup, 2);
    assert!(lookup.is_done(), "answers come, and sooner than those of the others");
    assert_eq!(lookup.closest().next(), Some(node(2)));
}

#[test]
fn tokens_are_of_the_closest_that_answered_with_one() {
    // D-20, D-44
    let mut lookup = lookup(1..=3);
    asked(&mut lookup);
    answer(&mut lookup, 1);
    lookup.on_answer(node(2).address, node(2).id, None);
    lookup.on_answer(node(3).address, node(9).id, Some(b"x"));
    let tokens: Vec<_> = lookup.tokens().collect();
    assert_eq!(tokens, [(node(1), &[1][..])], "one has no token, and one is somebody else");
}

#[test]
fn nodes_whose_ids_do_not_fit_are_asked_and_do_not_count() {
    // D-42
    let mut lookup = lookup(20..30);
    (1..=8).for_each(|distance| lookup.add(stranger(distance)));
    for distance in 1..=8 {
        asked(&mut lookup);
        let stranger = stranger(distance);
        lookup.on_answer(stranger.address, stranger.id, Some(b"x"));
    }
    assert!(!lookup.is_done());
    (20..28).for_each(|distance| {
        asked(&mut lookup);
        answer(&mut lookup, distance);
    });
    assert!(lookup.is_done());
    assert!(lookup.tokens().all(|(node, _)| node.id.as_bytes()[0] >= 20));
}

#[test]
fn a_subnet_is_asked_once_and_a_larger_network_twice() {
    // D-41
    let mut lookup = lookup([]);
    let at =
        |distance, address: &str| NodeInfo { address: address.parse().unwrap(), ..node(distance) };
    lookup.add(at(1, "8.8.8.8:1"));
    lookup.add(at(2, "8.8.8.9:1"));
    lookup.add(at(3, "8.8.9.9:1"));
    lookup.add(at(8, "8.8.10.9:1"));
    lookup.add(at(4, "[2606:4700::1]:1"));
    lookup.add(at(5, "[2606:4700::2]:1"));
    lookup.add(at(6, "10.0.0.1:1"));
    lookup.add(at(7, "10.0.0.1:2"));
    let contacts: Vec<_> =
        lookup.contacts.iter().map(|contact| contact.node.id.as_bytes()[0]).collect();
    assert_eq!(contacts, [1, 3, 4, 6, 7]);
}

#[test]
fn entry_points_are_asked_if_there_is_nobody_else() {
    let mut lookup = lookup([5]);
    let entry = "10.9.9.9:6881".parse().unwrap();
    lookup.add_entry(entry);
    assert_eq!(lookup.next(), Some((node(5).address, Some(node(5).id))));
    assert_eq!(lookup.next(), Some((entry, None)));
    assert_eq!(lookup.next(), None);
    answer(&mut lookup, 5);
    assert!(!lookup.is_done());
    lookup.on_answer(entry, NodeId::from_bytes([1; 20]), Some(b"x"));
    assert!(lookup.is_done());
    let stored = lookup.tokens().map(|(node, _)| node.address).collect::<Vec<_>>();
    assert_eq!(stored, [entry, node(5).address], "it may be one of few nodes, or the only one");
}

#[test]
fn an_entry_point_that_is_known_is_asked_once() {
    let mut lookup = lookup([5]);
    lookup.add_entry(node(5).address);
    lookup.add_entry(node(6).address);
    lookup.add(node(6));
    assert_eq!(asked(&mut lookup), [5, 6]);
    answer(&mut lookup, 5);
    answer(&mut lookup, 6);
    assert!(lookup.next().is_none() && lookup.is_done());
}

#[test]
fn liars_cannot_keep_it_going() {
    let mut lookup = Lookup::new(TARGET, 3);
    let mut named = u32::MAX;
    let liar = |named: u32| {
        let mut id = [0; 20];
        id[..4].copy_from_slice(&named.to_be_bytes());
        NodeInfo {
            id: NodeId::from_bytes(id),
            address: SocketAddr::from((
                [10, (named >> 16) as u8, (named >> 8) as u8, named as u8],
                1,
            )),
        }
    };
    lookup.add(liar(named));
    for _ in 0..10_000 {
        let Some((address, Some(id))) = lookup.next() else { break };
        lookup.on_answer(address, id, None);
        named -= 1_000;
        lookup.add(liar(named));
        lookup.check_invariants();
    }
    assert_eq!(lookup.counts().0, MOST_QUERIES);
    assert!(lookup.is_done());
}
