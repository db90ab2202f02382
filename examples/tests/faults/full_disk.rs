//! A disk that is full, and has room again later.

use std::fs;
use std::time::Instant;

use crate::disks::SmallDisk;
use crate::node::{Node, PATIENCE};
use crate::seeder::Seeder;
use crate::support::content::Content;
use crate::support::need::{Need, need};
use crate::support::runner::tests;
use crate::support::scene::Scene;

tests![
    a_full_disk_pauses_a_download_until_there_is_room,
    a_move_to_a_full_disk_leaves_everything_where_it_was,
];

const MIB: u64 = 1 << 20;

// S-13, S-16
fn a_full_disk_pauses_a_download_until_there_is_room() {
    need!(Need::Disk);
    let scene = Scene::new(Content::multi("large", &[("a", 3_000_000), ("b", 3_500_000)]));
    let other = Scene::new(Content::single("other", 2_000_000));
    let disk = SmallDisk::new(&scene.path().join("disk"), 10 * MIB);
    let filler = disk.reach(&disk.path.join("filler"));
    fs::write(&filler, vec![1; 6 * MIB as usize]).unwrap();
    let seeder = Seeder::start(&[&scene, &other], Some(2 * MIB));
    // The session and the content are on it.
    let here = disk.path.clone();
    let out = here.join("out");
    let logs = scene.room("logs");
    let start = || Node::start_as(&logs, &disk.command(&Node::command(&here, "127.0.0.1:0")));
    let mut node = start();
    node.add(&scene.torrent(), &out);
    node.add(&other.torrent(), &other.room("out"));
    node.tell(&format!("peer {}", seeder.address));
    let error = node.wait_for_event("pause", "large", PATIENCE, |event| {
        event["swarm"]["paused"]["error"].as_str().map(str::to_owned)
    });
    let folder = out.join("large");
    assert!(error.contains(folder.to_str().unwrap()), "it names no file: {error}");
    assert!(error.contains("No space left"), "it names no cause: {error}");
    assert_eq!(node.status("large")["paused_by"], "disk");
    node.wait_for_state("other", "seeding");
    let have = node.status("large")["stats"]["have_bytes"].as_u64().unwrap();
    assert!(have > 0, "this test could not fail");
    // Nothing of the session was lost by the full disk, nor by a kill while it is full.
    node.kill();
    let mut node = start();
    assert_eq!(node.torrents, ["large", "other"]);
    node.wait_for_event("check", "large", PATIENCE, |event| {
        let found = event["checked"]["have"].as_u64()?;
        assert!(found >= have, "{found} bytes are left of {have}");
        Some(())
    });
    node.tell(&format!("peer {}", seeder.address));
    node.wait_for_event("pause", "large", PATIENCE, |event| {
        event["swarm"].get("paused").map(|_| ())
    });
    fs::remove_file(filler).unwrap();
    let deadline = Instant::now() + PATIENCE;
    node.tell("resume large");
    node.tell(&format!("peer {}", seeder.address));
    // Blocks that were under way may have failed after it once more.
    while node.status("large")["state"] != "seeding" {
        assert!(Instant::now() < deadline, "{}", node.status("large"));
        node.tell("resume large");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    node.stop();
    scene.assert_complete(&disk.reach(&out));
    other.assert_complete(&other.room("out"));
}

fn a_move_to_a_full_disk_leaves_everything_where_it_was() {
    need!(Need::Disk);
    let scene = Scene::new(Content::multi("large", &[("a", 3_000_000), ("b", 3_500_000)]));
    let disk = SmallDisk::new(&scene.path().join("disk"), 5 * MIB);
    let (here, out) = (scene.room("node"), scene.room("out"));
    scene.content.write_to(&out);
    let mut node = Node::start_as(&here, &disk.command(&Node::command(&here, "127.0.0.1:0")));
    node.add(&scene.torrent(), &out);
    node.wait_for_state("large", "seeding");
    let error = node.ask(&format!("move large {}", disk.path.display())).expect("there is no room");
    assert!(error.contains(disk.path.to_str().unwrap()), "it names no folder: {error}");
    assert!(error.contains("No space left"), "it names no cause: {error}");
    node.wait_for_state("large", "seeding");
    scene.assert_complete(&out);
    assert_eq!(fs::read_dir(disk.reach(&disk.path)).unwrap().count(), 0, "something is left there");
    node.stop();
}
