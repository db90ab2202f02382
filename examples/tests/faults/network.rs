//! A network that goes away and comes back, with the same address and with another one.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::dice::full_or;
use crate::node::{Node, PATIENCE};
use crate::support::content::Content;
use crate::support::hosts::Host;
use crate::support::need::{Need, need};
use crate::support::runner::tests;
use crate::support::scene::Scene;

tests![a_download_goes_on_once_the_link_is_back, a_download_goes_on_with_another_address];

/// The time within which it is done once there is a network. A connection that is dead is noticed after a minute, and
/// another one is made; then there are some seconds of the download.
const RECOVERY: Duration = Duration::from_secs(80);

/// A download on one host from a seed on another one.
struct Case {
    scene: Scene,
    hosts: (Host, Host),
    node: Node,
    seed: Node,
}

impl Case {
    fn new() -> Self {
        let scene = Scene::new(Content::single("network", 8 << 20));
        let hosts = Host::pair(&["10.77.0.1/24"], &["10.77.0.2/24"]);
        let seed_room = scene.room("seed-node");
        scene.content.write_to(&seed_room.join("content"));
        let command = |host: &Host, room| host.command(&Node::command(room, "0.0.0.0:7700"));
        let mut seed = Node::start_as(&seed_room, &command(&hosts.1, &seed_room));
        seed.add(&scene.torrent(), &seed_room.join("content"));
        seed.wait_for_state("network", "seeding");
        let room = scene.room("node");
        let mut node = Node::start_as(&room, &command(&hosts.0, &room));
        node.add(&scene.torrent(), &scene.room("out"));
        node.tell("limit network 2000000");
        node.tell("peer 10.77.0.2:7700");
        node.wait_for_event("piece", "network", PATIENCE, |event| {
            event["swarm"].get("piece_completed").map(|_| ())
        });
        Self { scene, hosts, node, seed }
    }

    /// The network is there again: it goes on by itself, and is done in time.
    fn finish(mut self) {
        let since = Instant::now();
        self.node.wait_for_state("network", "seeding");
        let took = since.elapsed();
        assert!(took < RECOVERY, "it took {took:?} to go on");
        self.node.stop();
        self.seed.stop();
        self.scene.assert_complete(&self.scene.room("out"));
    }
}

fn a_download_goes_on_once_the_link_is_back() {
    need!(Need::Hosts);
    for seconds in full_or(vec![5, 150], vec![5]) {
        let case = Case::new();
        case.hosts.0.run("ip", &["link", "set", "eth0", "down"]);
        sleep(Duration::from_secs(seconds));
        case.hosts.0.run("ip", &["link", "set", "eth0", "up"]);
        case.finish();
    }
}

fn a_download_goes_on_with_another_address() {
    // It takes a minute to notice.
    need!(Need::Hosts, Need::Time);
    let case = Case::new();
    case.hosts.0.run("ip", &["address", "del", "10.77.0.1/24", "dev", "eth0"]);
    sleep(Duration::from_secs(1));
    case.hosts.0.run("ip", &["address", "add", "10.77.0.9/24", "dev", "eth0"]);
    case.finish();
}
