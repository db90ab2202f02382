//! Items that are followed and published (BEP 44, "Expiration"; BEP 46).

use std::time::Duration;

use tinytorrent_dht::{Event, Follow, Item, SearchId, SearchReport, WireInfoHash};

use crate::world::World;

const HOUR: Duration = Duration::from_secs(60 * 60);
const OWNER: [u8; 32] = [9; 32];

fn torrent(byte: u8) -> WireInfoHash {
    WireInfoHash::from_bytes([byte; 20])
}

fn names(seq: i64, byte: u8) -> Item {
    Item::sign_torrent(&OWNER, b"n", seq, torrent(byte)).unwrap()
}

fn follow() -> Follow {
    let key = names(1, 1).mutable_part().unwrap().key;
    Follow::new(key, b"n")
}

/// A network in which hours pass quickly: nodes seldom look after their tables.
fn network(seed: u64, count: usize, item_lifetime: Duration) -> World {
    let mut world = World::new(seed);
    for index in 0..count {
        world.add(false, |config| {
            config.upkeep_interval(Duration::from_secs(5 * 60)).item_lifetime(item_lifetime);
        });
        let router = world.nodes[0].address;
        if index > 0 {
            world.nodes[index].node.add_router(router);
        }
    }
    world.run_for(Duration::from_secs(60));
    world
}

/// The torrents that a node was told of, by look-ups of any kind.
fn torrents(world: &World, index: usize) -> Vec<WireInfoHash> {
    let found = world.nodes[index].events.iter().filter_map(|(_, event)| match event {
        Event::ItemFound { item, .. } => item.torrent(),
        _ => None,
    });
    found.collect()
}

fn rounds(world: &World, index: usize, id: SearchId) -> Vec<SearchReport> {
    let reports = world.nodes[index].events.iter().filter_map(|(_, event)| match event {
        Event::RoundEnded { search, report } if *search == id => Some(report.clone()),
        _ => None,
    });
    reports.collect()
}

/// The findings of one node now.
fn found_by(world: &mut World, index: usize) -> Vec<WireInfoHash> {
    world.nodes[index].events.clear();
    let key = names(1, 1).mutable_part().unwrap().key;
    world.with(index, |now, node| node.get_mutable(now, key, b"n"));
    world.run_for(Duration::from_secs(20));
    torrents(world, index)
}

/// Puts once, and returns what came of it.
fn put(world: &mut World, index: usize, item: Item, cas: Option<i64>) -> SearchReport {
    let id = world.with(index, |now, node| node.put(now, item, cas));
    let report = |world: &World| {
        world.nodes[index].events.iter().find_map(|(_, event)| match event {
            Event::SearchEnded { search, report } if *search == id => Some(report.clone()),
            _ => None,
        })
    };
    world.run_until(|world| report(world).is_some());
    report(world).unwrap()
}

#[test]
fn a_key_is_resolved_and_its_changes_are_followed() {
    // D-68, D-69, D-72
    let mut world = network(11, 40, 2 * HOUR);
    let published = world.with(1, |now, node| node.publish(now, names(1, 0xa1), None));
    world.run_for(Duration::from_secs(20));
    assert_eq!(rounds(&world, 1, published)[0].stored, 8);
    let id = world.with(5, |now, node| node.follow(now, follow()));
    world.run_for(Duration::from_secs(20));
    assert_eq!(torrents(&world, 5), [torrent(0xa1)]);

    world.with(1, |now, node| {
        node.cancel(published);
        node.publish(now, names(2, 0xa2), Some(1))
    });
    // One who does not know of the change puts the old one again.
    put(&mut world, 2, names(1, 0xa1), None);
    world.run_for(Duration::from_secs(6 * 60));
    assert_eq!(
        torrents(&world, 5),
        [torrent(0xa1), torrent(0xa2)],
        "each once, the older one first"
    );

    let before = rounds(&world, 5, id).len();
    world.run_for(HOUR);
    let reports = rounds(&world, 5, id).split_off(before);
    assert!((10..=13).contains(&reports.len()), "{} rounds of about five minutes", reports.len());
    assert!(reports.iter().all(|report| report.queries <= 40 && report.copies >= 8));

    world.with(5, |_, node| node.cancel(id));
    world.run_for(HOUR);
    assert_eq!(rounds(&world, 5, id).len(), before + reports.len());
    let mut known = follow();
    known.newer_than(Some(2));
    world.with(7, |now, node| node.follow(now, known));
    world.run_for(Duration::from_secs(60));
    assert!(torrents(&world, 7).is_empty(), "what was known in an earlier run is not new");
    world.check_invariants();
}

#[test]
fn a_published_item_outlives_the_two_hours_and_then_its_owner() {
    // D-70
    let mut world = network(12, 30, 2 * HOUR);
    put(&mut world, 1, names(1, 1), None);
    world.run_for(3 * HOUR);
    assert!(found_by(&mut world, 2).is_empty(), "it was put once");

    world.with(3, |now, node| node.publish(now, names(1, 1), None));
    world.run_for(5 * HOUR);
    assert_eq!(found_by(&mut world, 2), [torrent(1)]);
    world.with(4, |now, node| node.follow(now, follow()));
    world.run_for(Duration::from_secs(60));
    world.nodes[3].is_dead = true;
    world.run_for(5 * HOUR);
    assert_eq!(found_by(&mut world, 2), [torrent(1)], "its follower has kept it");
    world.check_invariants();
}

#[test]
fn an_item_is_replaced_only_if_it_is_the_one_that_was_seen() {
    // D-67
    let mut world = network(14, 30, 2 * HOUR);
    assert_eq!(put(&mut world, 1, names(1, 1), Some(77)).stored, 8, "there is nothing to replace");
    assert_eq!(put(&mut world, 2, names(3, 3), Some(2)).stored, 0);
    assert_eq!(put(&mut world, 2, names(3, 3), Some(1)).stored, 8);
    let again = put(&mut world, 4, names(3, 3), Some(1));
    assert_eq!((again.stored, again.copies), (8, 8), "the same again replaces nothing");
    let older = put(&mut world, 5, names(2, 2), None);
    assert_eq!((older.stored, torrents(&world, 5)), (0, vec![torrent(3)]), "a newer one is told");
}

#[test]
fn a_key_is_resolved_soon_after_the_network_comes() {
    // D-72
    let mut world = network(15, 30, 2 * HOUR);
    put(&mut world, 1, names(1, 1), None);
    let late = world.add(false, |_| {});
    let id = world.with(late, |now, node| node.follow(now, follow()));
    world.run_for(Duration::from_secs(60));
    let reports = rounds(&world, late, id);
    assert!(reports.len() <= 6 && reports.iter().all(|report| report.answers == 0), "{reports:?}");
    let router = world.nodes[0].address;
    world.with(late, |_, node| node.add_router(router));
    world.run_for(Duration::from_secs(90));
    assert_eq!(torrents(&world, late), [torrent(1)]);
}
