//! Kills at random moments of a download, a check, a move, and of changes to the session.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::dice::{Dice, full_or};
use crate::node::{Node, folder_of, verified};
use crate::seeder::Seeder;
use crate::support::content::Content;
use crate::support::runner::tests;
use crate::support::scene::Scene;

tests![
    a_kill_during_a_download_costs_what_was_in_flight,
    a_kill_during_a_check_costs_nothing,
    a_kill_during_a_move_leaves_each_file_whole_in_one_place,
    a_kill_during_a_move_to_another_disk_leaves_each_file_whole_in_one_place,
    a_kill_while_the_session_changes_breaks_nothing_of_it,
];

const MIB: u64 = 1 << 20;

/// Bytes a second of the seeder of a download that is killed.
const RATE: u64 = 2 * MIB;

/// The bytes that a kill may cost: blocks that were sent and are on their way, in buffers of sockets, or not yet
/// written. At [`RATE`] this is what comes in a quarter of a second, for which a busy machine may leave the program
/// alone. It is 32 KiB as a rule.
const IN_FLIGHT: u64 = 512 << 10;

// S-15, S-16: what was verified is there after the next start, and is not fetched again.
fn a_kill_during_a_download_costs_what_was_in_flight() {
    let mut dice = Dice::new();
    let mut left = full_or(80, 5);
    while left > 0 {
        let files = [("a", 3_000_001), ("b/c", 70_000), ("b/empty", 0), ("d", 3_000_000)];
        let content = Content::multi(&format!("download-{left}"), &files);
        let size = content.size();
        let scene = Scene::new(content);
        let name = scene.content.name.clone();
        let (here, out) = (scene.room("node"), scene.room("out"));
        let seeder = Seeder::start(&[&scene], Some(RATE));
        let (mut have, mut kills) = (0, 0);
        loop {
            let mut node = Node::start(&here);
            if node.torrents.is_empty() {
                node.add(&scene.torrent(), &out);
            }
            node.tell(&format!("peer {}", seeder.address));
            let is_last = left == 0 || have == size;
            if is_last {
                node.wait_for_state(&name, "seeding");
                node.stop();
            } else {
                dice.sleep(Duration::from_millis(900));
                node.kill();
                (kills, left) = (kills + 1, left - 1);
            }
            let events = node.events(&name);
            let checked = events.iter().find_map(|event| event["checked"]["have"].as_u64());
            if let Some(checked) = checked {
                assert!(checked >= have, "{checked} bytes are left of {have}");
            }
            have = have.max(verified(&events, &scene.content));
            if is_last {
                break;
            }
        }
        scene.assert_complete(&out);
        let again = seeder.sent().saturating_sub(size);
        assert!(again <= kills * IN_FLIGHT, "{again} bytes were sent again after {kills} kills");
    }
}

// A check writes nothing, and its result is there in the end, whoever was killed.
fn a_kill_during_a_check_costs_nothing() {
    let mut dice = Dice::new();
    let scene = Scene::new(Content::single("check", 24 << 20));
    let out = scene.room("out");
    scene.content.write_to(&out);
    let time = |path: &Path| -> SystemTime { fs::metadata(path).unwrap().modified().unwrap() };
    let before = time(&out.join("check"));
    let here = scene.room("node");
    for _ in 0..full_or(30, 3) {
        let mut node = Node::start(&here);
        if node.torrents.is_empty() {
            node.add(&scene.torrent(), &out);
        }
        if dice.roll(2) == 0 {
            node.wait_for_state("check", "seeding");
            node.tell("check check");
        }
        dice.sleep(Duration::from_millis(300));
        node.kill();
    }
    let mut node = Node::start(&here);
    node.wait_for_state("check", "seeding");
    // Nobody else has it, so that all of this was on the disk.
    let status = node.status("check");
    assert_eq!(status["stats"]["have_bytes"], scene.content.size(), "{status}");
    node.stop();
    scene.assert_complete(&out);
    assert_eq!(time(&out.join("check")), before, "it was written");
}

// Between folders of one disk.
fn a_kill_during_a_move_leaves_each_file_whole_in_one_place() {
    let scene = Scene::new(many_files());
    let places = ["one", "other"].map(|name| scene.room(name));
    kill_while_it_moves(&scene, places, Duration::from_millis(40));
}

// The copy is another matter than the renaming.
fn a_kill_during_a_move_to_another_disk_leaves_each_file_whole_in_one_place() {
    let scene = Scene::new(many_files());
    let Some(memory) = another_disk(scene.path()) else {
        // It says so, as the cases do that lack a program.
        println!("/dev/shm is no disk of its own here, and moves to another disk are left out");
        return;
    };
    let places = [scene.room("one"), memory.path().to_owned()];
    kill_while_it_moves(&scene, places, Duration::from_millis(150));
}

fn many_files() -> Content {
    let names: Vec<String> = (0..60).map(|at| format!("{}/{at}", at / 10)).collect();
    let file =
        |(at, name): (usize, &'static str)| (name, 9_000 * at % 70_000 + 3_000_000 * (at / 59));
    // Names of contents live as long as the test.
    let names = names.into_iter().map(|name| &*name.leak());
    Content::multi("moved", &names.enumerate().map(file).collect::<Vec<_>>())
}

/// A folder on another disk than this one.
fn another_disk(than: &Path) -> Option<tempfile::TempDir> {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::Builder::new().prefix("tinytorrent-").tempdir_in("/dev/shm").ok()?;
    let device = |path: &Path| fs::metadata(path).ok().map(|found| found.dev());
    (device(folder.path()) != device(than)).then_some(folder)
}

fn kill_while_it_moves(scene: &Scene, places: [PathBuf; 2], longest: Duration) {
    let mut dice = Dice::new();
    let here = scene.room("node");
    scene.content.write_to(&places[0]);
    let mut node = Node::start(&here);
    node.add(&scene.torrent(), &places[0]);
    node.wait_for_state("moved", "seeding");
    let mut at = 0;
    for _ in 0..full_or(20, 3) {
        node.tell(&format!("move moved {}", places[1 - at].display()));
        dice.sleep(longest);
        node.kill();
        for (path, bytes) in &scene.content.files {
            let is_whole =
                |place: &PathBuf| fs::read(place.join(path)).is_ok_and(|found| found == *bytes);
            assert!(places.iter().any(is_whole), "{} is lost", path.display());
        }
        node = Node::start(&here);
        node.wait_for_state("moved", "seeding");
        let status = node.status("moved");
        assert_eq!(status["stats"]["have_bytes"], scene.content.size(), "{status}");
        let folder = folder_of(&status).expect("it was checked");
        at = places.iter().position(|place| *place == folder).expect("it is in one of both");
        scene.assert_complete(&places[at]);
        // A kill between the record of the new folder and the end of the move leaves its note, which the next move from
        // there or to there deletes.
        let is_note = |name: &String| name.ends_with(".tinytorrent-move");
        let left: Vec<_> = names(&places[1 - at]).into_iter().filter(|n| !is_note(n)).collect();
        assert_eq!(left, [""; 0], "it is all in {}", folder.display());
    }
    // It was of use: the last move succeeds, and leaves nothing.
    assert_eq!(node.ask(&format!("move moved {}", places[1 - at].display())), None);
    node.stop();
    scene.assert_complete(&places[1 - at]);
    assert_eq!(names(&places[at]), [""; 0]);
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

// Torrents come back with a setting that they had, none that was removed does, and nothing is damaged.
fn a_kill_while_the_session_changes_breaks_nothing_of_it() {
    const COUNT: u64 = 12;
    let mut dice = Dice::new();
    let scenes: Vec<Scene> = (0..COUNT)
        .map(|at| Scene::new(Content::single(&format!("session-{at}"), 70_000)))
        .collect();
    let (here, out) = (scenes[0].room("node"), scenes[0].room("out"));
    // Those that have come back once, or have gone, for good; others may have come too late.
    let mut kept: BTreeMap<String, bool> = BTreeMap::new();
    // The limits that each may have: the one that it had, and those that were asked for since.
    let mut limits: BTreeMap<String, Vec<Option<u64>>> = BTreeMap::new();
    for run in 0..=full_or(50, 4) {
        let mut node = Node::start(&here);
        for (name, &is_there) in &kept {
            assert_eq!(node.torrents.contains(name), is_there, "run {run}: {name}");
        }
        for name in node.torrents.clone() {
            let limit = node.status(&name)["limit"].as_u64();
            let known = limits.entry(name.clone()).or_default();
            assert!(known.contains(&limit), "run {run}: {name} has {limit:?} of {known:?}");
            *known = vec![limit];
            kept.insert(name, true);
        }
        let log = node.log();
        let warning = log.lines().find(|line| line.contains("WARN"));
        assert_eq!(warning, None, "run {run}");
        let mut present = node.torrents.clone();
        for _ in 0..dice.roll(30) {
            let at = dice.roll(COUNT) as usize;
            let name = format!("session-{at}");
            match dice.roll(4) {
                _ if !present.contains(&name) => {
                    kept.remove(&name);
                    limits.insert(name.clone(), vec![None]);
                    present.push(name);
                    node.add(&scenes[at].torrent(), &out);
                }
                0 => {
                    kept.remove(&name);
                    present.retain(|other| *other != name);
                    if dice.roll(2) == 0 {
                        assert_eq!(node.ask(&format!("forget {name}")), None);
                        kept.insert(name, false);
                    } else {
                        node.tell(&format!("forget {name}"));
                        // It may be on its way out when it is added again.
                        break;
                    }
                }
                1 => node.tell(&format!("pause {name}")),
                _ => {
                    let limit = 1 + dice.roll(1 << 30);
                    limits.entry(name.clone()).or_default().push(Some(limit));
                    node.tell(&format!("limit {name} {limit}"));
                }
            }
        }
        dice.sleep(Duration::from_millis(60));
        node.kill();
    }
}
