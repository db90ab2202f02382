//! Other clients that find peers through our nodes of the DHT, and we through theirs.

use crate::support::content::Content;
use crate::support::need::{Need, PYTHON, example, namespace, need};
use crate::support::process::Process;
use crate::support::runner::tests;
use crate::support::scene::Scene;
use crate::support::{COMPLETE, script};

tests![others_resolve_a_magnet_through_our_nodes_and_we_find_peers_through_theirs];

/// D-01, D-20, D-44, G-13
fn others_resolve_a_magnet_through_our_nodes_and_we_find_peers_through_theirs() {
    need!(Need::Aria2, Need::Transmission, Need::Libtorrent, Need::Namespace, Need::Example("dht"));
    let scene = Scene::new(Content::small_single());
    let folder = scene.room("dht");
    let rooms = ["aria2", "transmission"].map(|client| {
        let room = folder.join(client);
        std::fs::create_dir(&room).unwrap();
        room
    });
    let mut command = namespace();
    command.arg(PYTHON).arg(script("dht_network.py")).arg(example("dht")).arg(scene.magnet());
    command.arg(scene.torrent()).arg(scene.seed_dir()).arg(&folder);
    let mut network = Process::spawn("dht-network", &command, scene.path());
    network.wait_for_line("END", COMPLETE);
    let said = network.stdout();
    for client in ["through-aria2", "transmission"] {
        let words = said.lines().find_map(|line| line.strip_prefix(client));
        let found = words.unwrap_or_default().split_whitespace();
        assert!({ found }.any(|peer| peer == "10.1.0.1:7000"), "{client}: {said}");
    }
    for room in rooms {
        scene.assert_complete(&room);
    }
}
