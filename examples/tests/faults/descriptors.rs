//! A limit of descriptors that sinks below those that are open, while files move and are checked.
//!
//! `tests/descriptors.rs` has downloads with few descriptors.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::node::Node;
use crate::seeder::Seeder;
use crate::support::content::Content;
use crate::support::runner::tests;
use crate::support::scene::Scene;

tests![without_descriptors_downloads_moves_and_checks_wait];

// S-11
fn without_descriptors_downloads_moves_and_checks_wait() {
    let names: Vec<String> = (0..80).map(|at| format!("{at}")).collect();
    let scenes: Vec<Scene> = (0..3)
        .map(|at| {
            let files: Vec<_> = names.iter().map(|name| (&**name, 20_000 + 100 * at)).collect();
            Scene::new(Content::multi(&format!("few-{at}"), &files))
        })
        .collect();
    let seeder = Seeder::start(&scenes.iter().collect::<Vec<_>>(), Some(500_000));
    let here = scenes[0].room("node");
    let mut node = Node::start(&here);
    for scene in &scenes {
        node.add(&scene.torrent(), &scene.room("out"));
    }
    node.tell(&format!("peer {}", seeder.address));
    node.wait_for_event("piece", "few-0", crate::node::PATIENCE, |event| {
        event["swarm"].get("piece_completed").map(|_| ())
    });
    let pid = Pid::from_raw(node.id().cast_signed());
    let set = |count| {
        let limit = Rlimit { current: Some(count), maximum: Some(1024) };
        prlimit(pid, Resource::Nofile, limit).unwrap()
    };
    set(8);
    node.tell("check few-1");
    node.tell(&format!("move few-2 {}", scenes[2].room("moved").display()));
    sleep(Duration::from_secs(2));
    node.assert_runs();
    set(1024);
    for at in 0..3 {
        node.wait_for_state(&format!("few-{at}"), "seeding");
    }
    node.stop();
    scenes[0].assert_complete(&scenes[0].room("out"));
    scenes[1].assert_complete(&scenes[1].room("out"));
    scenes[2].assert_complete(&scenes[2].room("moved"));
    let node = Node::start(&here);
    assert_eq!(node.torrents, ["few-0", "few-1", "few-2"]);
}
