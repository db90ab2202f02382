#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const OWN: NodeId = NodeId::from_bytes([0; 20]);
const TRIP: Duration = Duration::from_millis(100);

/// A node that shares `bits` with our id, told apart by `n` in its id and its network.
fn node(bits: usize, n: u8) -> NodeInfo {
    let mut id = [0; 20];
    if bits < 160 {
        id[bits / 8] |= 0x80 >> (bits % 8);
    }
    id[19] = n;
    NodeInfo {
        id: NodeId::from_bytes(id),
        address: SocketAddr::from(([5 + bits as u8 / 64, n, bits as u8, 1], 6881)),
    }
}

fn filled(now: Instant, bits: usize, count: u8) -> Table {
    let mut table = Table::new(OWN);
    (0..count).for_each(|n| _ = table.on_answer(now, node(bits, n), TRIP));
    table.check_invariants();
    table
}

fn has(table: &Table, node: NodeInfo) -> bool {
    table.entries().any(|entry| entry.node == node)
}

#[test]
fn a_bucket_has_eight_nodes_and_a_good_one_stays() {
    // D-08
    let now = Instant::now();
    let mut table = filled(now, 0, 8);
    let fast = node(0, 8);
    assert_eq!(table.on_answer(now, fast, Duration::ZERO), Placed::Spare);
    assert!(!has(&table, fast));
    assert!((0..8).all(|n| has(&table, node(0, n))));
    assert_eq!(table.good(now), 8);
    assert_eq!(table.good(now + GOOD_FOR), 0);
    table.on_query(now + GOOD_FOR, node(0, 3));
    assert_eq!(table.good(now + GOOD_FOR), 1, "who answered once and asks us is good");
}

#[test]
fn a_node_gets_two_tries_and_the_best_spare_one_takes_its_place() {
    // D-49
    let now = Instant::now();
    let mut table = filled(now, 0, 8);
    table.on_answer(now, node(0, 8), TRIP * 3);
    table.on_answer(now, node(0, 9), TRIP);
    table.on_answer(now, node(0, 10), TRIP * 2);
    table.on_failure(node(0, 1));
    assert!(has(&table, node(0, 1)));
    table.on_failure(node(0, 1));
    assert!(!has(&table, node(0, 1)) && has(&table, node(0, 9)), "the fastest");
    table.check_invariants();
}

#[test]
fn an_answer_forgives_a_failure() {
    let now = Instant::now();
    let mut table = filled(now, 0, 1);
    for _ in 0..5 {
        table.on_failure(node(0, 0));
        assert_eq!(table.on_answer(now, node(0, 0), TRIP), Placed::Refreshed);
    }
    assert_eq!(table.len(), 1);
}

#[test]
fn a_spare_node_in_an_empty_part_goes_before_a_fast_one() {
    let now = Instant::now();
    let mut table = filled(now, 0, 8);
    let mut far = node(0, 8);
    let mut id = *far.id.as_bytes();
    id[0] |= 0x40;
    far.id = NodeId::from_bytes(id);
    table.on_answer(now, node(0, 9), TRIP / 2);
    table.on_answer(now, far, TRIP * 5);
    (0..2).for_each(|_| table.on_failure(node(0, 1)));
    assert!(has(&table, far));
}

#[test]
fn only_the_bucket_of_our_own_id_splits() {
    // D-09
    let now = Instant::now();
    let mut table = filled(now, 0, 20);
    assert_eq!(table.len(), 8);
    (0..20).for_each(|n| _ = table.on_answer(now, node(30, n), TRIP));
    assert_eq!(table.len(), 16, "eight far away and eight close by");
    for bits in 1..30 {
        (0..20).for_each(|n| _ = table.on_answer(now, node(bits, n), TRIP));
    }
    assert_eq!(table.len(), 31 * 8);
    table.check_invariants();
}

#[test]
fn a_host_has_one_node_and_a_network_one_in_a_bucket() {
    // D-10, D-41
    let now = Instant::now();
    let mut table = filled(now, 0, 1);
    let first = node(0, 0);
    let at =
        |bits, n, address: &str| NodeInfo { address: address.parse().unwrap(), ..node(bits, n) };
    let same_host = at(7, 1, "5.0.0.1:1000");
    assert!(!table.would_take(same_host));
    assert_eq!(table.on_answer(now, same_host, TRIP), Placed::Refused);
    let neighbour = at(0, 2, "5.0.0.2:1000");
    assert_eq!(table.on_answer(now, neighbour, TRIP), Placed::Refused);
    assert!(has(&table, first));
    for (n, host) in ["127.0.0.1:1", "127.0.0.1:2", "192.168.0.1:1"].into_iter().enumerate() {
        let local = at(0, 10 + n as u8, host);
        assert_eq!(
            table.on_answer(now, local, TRIP),
            Placed::Added,
            "local addresses are not limited"
        );
    }
    table.check_invariants();
}

#[test]
fn another_id_at_an_endpoint_replaces_the_one_before() {
    // D-48
    let now = Instant::now();
    let mut table = filled(now, 0, 1);
    let changed = NodeInfo { id: node(3, 9).id, ..node(0, 0) };
    assert_eq!(table.on_answer(now, changed, TRIP), Placed::Added);
    assert!(has(&table, changed) && !has(&table, node(0, 0)));
    table.check_invariants();
}

#[test]
fn the_node_that_was_silent_longest_is_asked_next() {
    let start = Instant::now();
    let mut table = Table::new(OWN);
    let mut rng = StdRng::from_seed([1; 32]);
    (0..8u8)
        .for_each(|n| _ = table.on_answer(start + Duration::from_secs(n.into()), node(3, n), TRIP));
    let age = Duration::from_secs(600);
    assert_eq!(table.due(start + age - TRIP, age, &mut rng), None);
    let (due, target) = table.due(start + age, age, &mut rng).unwrap();
    assert_eq!(due, node(3, 0));
    assert_eq!(OWN.shared_bits(target), 0, "the bucket has not been split");
    assert_eq!(table.due(start + age, age, &mut rng), None, "it is asked once");
    table.on_failure(due);
    let retry = start + age + Duration::from_secs(30);
    assert!(
        (0..8).any(|_| table.due(retry, age * 9, &mut rng).is_some_and(|(again, _)| again == due))
    );
}

#[test]
fn closest_nodes_come_in_order_and_failed_ones_only_if_they_must() {
    let now = Instant::now();
    let mut table = filled(now, 2, 4);
    table.on_answer(now, node(9, 1), TRIP);
    let target = node(2, 1).id;
    let closest = table.closest(target, 3);
    assert_eq!(closest, [node(2, 1), node(2, 0), node(2, 3)]);
    table.on_failure(node(2, 1));
    assert_eq!(table.closest(target, 3), [node(2, 0), node(2, 3), node(2, 2)]);
    assert_eq!(table.closest(target, 99).len(), 5);
}

#[test]
fn a_new_id_of_ours_keeps_the_nodes() {
    let now = Instant::now();
    let mut table = filled(now, 0, 6);
    (0..6).for_each(|n| _ = table.on_answer(now, node(5, n), TRIP));
    let before = table.len();
    table.set_own(NodeId::from_bytes([0xff; 20]));
    table.check_invariants();
    assert!(table.len() >= 8 && table.len() <= before);
}

#[test]
fn sybils_of_one_network_get_few_places_in_a_bucket() {
    // D-10
    let now = Instant::now();
    // All in one /24, or in as many /24s of one /16.
    for (is_spread, most) in [(false, 1), (true, 2)] {
        let mut table = filled(now, 0, 8);
        for n in 0..200u8 {
            let mut sybil = node(usize::from(n % 100), n);
            let third = if is_spread { n } else { 7 };
            sybil.address = SocketAddr::from(([7, 7, third, n], 6881));
            table.on_answer(now, sybil, Duration::ZERO);
            table.check_invariants();
        }
        assert!((0..8).all(|n| has(&table, node(0, n))), "good nodes stay");
        for bucket in &table.buckets {
            let sybils = bucket.live.iter();
            let sybils =
                sybils.filter(|entry| block(entry.node.address.ip()) == block([7; 4].into()));
            assert!(sybils.count() <= most);
        }
    }
}

/// The nodes that [`Table::closest`] has to return, found by sorting all.
fn closest_of_all(table: &Table, target: NodeId, most: usize) -> Vec<NodeInfo> {
    let mut entries: Vec<_> = table.entries().collect();
    entries.sort_by_key(|entry| (entry.failures > 0, entry.node.id.distance(target)));
    let mut nodes: Vec<_> = entries.iter().take(most).map(|entry| entry.node).collect();
    nodes.sort_by_key(|node| node.id.distance(target));
    nodes
}

#[derive(Debug, Clone)]
enum Step {
    Answer(usize, u8, u8, u64),
    Failure(usize, u8),
    Query(usize, u8),
    SetOwn(u8),
    Wait(u64),
    Due,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bits = 0..6usize;
    let step = prop_oneof![
        8 => (bits.clone(), 0..24u8, 0..24u8, 0..500u64).prop_map(|(b, n, host, trip)| Step::Answer(b, n, host, trip)),
        3 => (bits.clone(), 0..24u8).prop_map(|(bits, n)| Step::Failure(bits, n)),
        1 => (bits, 0..24u8).prop_map(|(bits, n)| Step::Query(bits, n)),
        1 => any::<u8>().prop_map(Step::SetOwn),
        1 => (0..2_000u64).prop_map(Step::Wait),
        1 => Just(Step::Due),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn books_agree_after_any_steps(steps in steps()) {
        let mut now = Instant::now();
        let mut table = Table::new(OWN);
        let mut rng = StdRng::from_seed([1; 32]);
        for step in steps {
            match step {
                Step::Answer(bits, n, host, trip) => {
                    let mut node = node(bits, n);
                    node.address = SocketAddr::from(([5, bits as u8 / 2, host / 2, host], 6881));
                    let placed = table.on_answer(now, node, Duration::from_millis(trip));
                    prop_assert_eq!(placed == Placed::Added, placed != Placed::Refreshed && has(&table, node));
                }
                Step::Failure(bits, n) => table.on_failure(node(bits, n)),
                Step::Query(bits, n) => table.on_query(now, node(bits, n)),
                Step::SetOwn(byte) => table.set_own(NodeId::from_bytes([byte; 20])),
                Step::Wait(seconds) => now += Duration::from_secs(seconds),
                Step::Due => {
                    if let Some((node, _)) = table.due(now, Duration::from_secs(600), &mut rng) {
                        prop_assert!(has(&table, node));
                    }
                }
            }
            table.check_invariants();
            let all = table.closest(OWN, 1_000);
            prop_assert_eq!(all.len(), table.len());
            prop_assert!(all.is_sorted_by_key(|node| node.id.distance(OWN)));
            let bits = rng.random_range(0..8);
            let target = OWN.random_sharing(bits, &mut rng);
            prop_assert_eq!(table.closest(target, 5), closest_of_all(&table, target, 5));
        }
    }
}
