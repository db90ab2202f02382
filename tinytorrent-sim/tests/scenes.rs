//! Scenes of one's own in which nodes get hashes from each other, and find each other in the DHT.

use std::time::Duration;

use tinytorrent_sim::{Behaviour, Geometry, LeaveReason, Node, World};

const MINUTE: Duration = Duration::from_secs(60);

fn geometry() -> Geometry {
    Geometry::new(100 << 14, 1 << 14).unwrap()
}

/// A node that has only a link.
fn link(world: &mut World) -> Node {
    world.add_unready(geometry(), |config| {
        config.needs_metadata(true);
    })
}

#[test]
fn a_link_gets_the_hashes_of_all_files_from_those_who_tell_them_right() {
    for behaviour in
        [Behaviour::LiesAboutHashes, Behaviour::RejectsHashes, Behaviour::HoldsHashesBack]
    {
        let mut world = World::new();
        // Eleven files: ten of nine pieces, whose hashes are more than one request each, and one of ten.
        world.add_hashes(&geometry(), 9);
        let [seed, other] = [(); 2].map(|()| world.add(geometry(), "all", |_| {}));
        world.nodes[other].behaviour = behaviour;
        let link = link(&mut world);
        world.introduce(link, &[other, seed]);
        assert!(world.run(2 * MINUTE, World::all_finished), "{behaviour:?}");
        assert!(world.nodes[link].count_sent("hash request") > 30, "{behaviour:?}");
        let liar = (world.nodes[other].address, LeaveReason::Banned);
        let is_banned = world.nodes[link].disconnected.contains(&liar);
        assert_eq!(is_banned, behaviour == Behaviour::LiesAboutHashes, "{behaviour:?}");
    }
}

/// A node that looks for others in the DHT alone.
fn wanderer(world: &mut World, have: &str) -> Node {
    let node = world.add(geometry(), have, |config| _ = config.dht(true));
    // On the internet, or the DHT would not tell of it.
    world.set_address(node, ([20, node as u8, 0, 1], 6881).into());
    node
}

#[test]
fn nodes_find_each_other_in_the_dht_alone() {
    let mut world = World::new();
    world.add_dht(1, 30, None);
    wanderer(&mut world, "all");
    // Its announce is under way.
    world.run(Duration::from_secs(20), |_| false);
    wanderer(&mut world, "none");
    assert!(world.run(MINUTE, World::all_finished));
}
