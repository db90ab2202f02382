//! A process that is stopped for a while, as by a laptop that sleeps.

use std::time::{Duration, Instant};

use crate::dice::full_or;
use crate::node::Node;
use crate::seeder::Seeder;
use crate::support::content::Content;
use crate::support::runner::tests;
use crate::support::scene::Scene;

tests![a_download_goes_on_after_a_suspend, a_download_goes_on_after_its_seed_was_suspended];

/// Longer than peers wait for a sign of life (two minutes), in a full run.
fn pauses() -> Vec<Duration> {
    full_or(vec![5, 150], vec![5]).into_iter().map(Duration::from_secs).collect()
}

/// The time within which bytes flow again: a peer that has hung up is dialled again after a pause.
const RECOVERY: Duration = Duration::from_secs(60);

fn content() -> Content {
    Content::single("suspended", 6 << 20)
}

fn a_download_goes_on_after_a_suspend() {
    for pause in pauses() {
        let scene = Scene::new(content());
        let seeder = Seeder::start(&[&scene], Some(2 << 20));
        let mut node = Node::start(&scene.room("node"));
        node.add(&scene.torrent(), &scene.room("out"));
        node.tell(&format!("peer {}", seeder.address));
        suspend(&node, || wait_for_a_third(&seeder), pause);
        finish(&scene, &mut node);
        let again = seeder.sent() - scene.content.size();
        assert!(again < 4 << 20, "{again} bytes came in vain");
    }
}

fn a_download_goes_on_after_its_seed_was_suspended() {
    for pause in pauses() {
        let scene = Scene::new(content());
        let seed = scene.room("seed-node");
        scene.content.write_to(&seed.join("content"));
        let mut seed_node = Node::start(&seed);
        seed_node.add(&scene.torrent(), &seed.join("content"));
        seed_node.wait_for_state("suspended", "seeding");
        let mut node = Node::start(&scene.room("node"));
        node.add(&scene.torrent(), &scene.room("out"));
        node.tell("limit suspended 2000000");
        node.tell(&format!("peer {}", seed_node.address));
        node.wait_for_event("piece", "suspended", RECOVERY, |event| {
            event["swarm"].get("piece_completed").map(|_| ())
        });
        suspend(&seed_node, || (), pause);
        finish(&scene, &mut node);
        seed_node.assert_runs();
    }
}

/// Stops the program once something has happened, and lets it go on after a pause.
fn suspend(node: &Node, until: impl FnOnce(), pause: Duration) {
    until();
    node.signal("STOP");
    std::thread::sleep(pause);
    node.signal("CONT");
}

fn wait_for_a_third(seeder: &Seeder) {
    let deadline = Instant::now() + RECOVERY;
    while seeder.sent() < 2 << 20 {
        assert!(Instant::now() < deadline, "nothing is downloaded");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn finish(scene: &Scene, node: &mut Node) {
    let since = Instant::now();
    node.wait_for_state("suspended", "seeding");
    assert!(since.elapsed() < RECOVERY, "it took {:?} to go on", since.elapsed());
    node.stop();
    scene.assert_complete(&scene.room("out"));
}
