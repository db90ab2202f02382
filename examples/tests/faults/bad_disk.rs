//! A disk whose calls fail, now and then or for a while.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::dice::{Dice, full_or};
use crate::disks::BadDisk;
use crate::node::{Node, PATIENCE};
use crate::seeder::Seeder;
use crate::support::content::Content;
use crate::support::need::{Need, need};
use crate::support::runner::tests;
use crate::support::scene::Scene;

tests![
    a_disk_that_fails_pauses_a_download_until_it_has_recovered,
    writes_that_are_short_or_interrupted_are_gone_on_with,
    a_sync_that_fails_costs_the_record_and_nothing_else,
    a_seed_goes_on_after_reads_that_failed,
    a_disk_that_fails_at_random_makes_nothing_wrong_complete,
];

fn content() -> Content {
    Content::multi("bad", &[("a", 1_500_000), ("b", 2_000_000)])
}

/// A content, a seeder of it, and a program whose folder is on a bad disk.
struct Case {
    scene: Scene,
    disk: BadDisk,
    seeder: Seeder,
    node: Node,
}

impl Case {
    fn new(rules: &str) -> Self {
        let scene = Scene::new(content());
        let disk = BadDisk::new(&scene.room("shim"), &scene.room("out"));
        let seeder = Seeder::start(&[&scene], Some(4 << 20));
        disk.set_rules(rules);
        let mut node = start(&scene, &disk);
        node.add(&scene.torrent(), &scene.room("out"));
        node.tell(&format!("peer {}", seeder.address));
        Self { scene, disk, seeder, node }
    }

    /// Kills the program, and starts it again. The torrent is in its session.
    fn restart(&mut self) {
        self.node.kill();
        self.node = start(&self.scene, &self.disk);
        if self.node.torrents.is_empty() {
            // It was not saved yet.
            self.node.add(&self.scene.torrent(), &self.scene.room("out"));
        }
        self.node.tell(&format!("peer {}", self.seeder.address));
    }

    /// Lets it go on until it has everything.
    fn finish(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        self.node.tell(&format!("peer {}", self.seeder.address));
        loop {
            let status = self.node.status("bad");
            match status["state"].as_str() {
                Some("seeding") => break,
                Some("paused") => self.node.tell("resume bad"),
                None => self.restart(),
                Some(_) => {}
            }
            assert!(Instant::now() < deadline, "{status}");
            std::thread::sleep(Duration::from_millis(30));
        }
        self.scene.assert_complete(&self.scene.room("out"));
        self.node.stop();
    }
}

fn start(scene: &Scene, disk: &BadDisk) -> Node {
    let here = scene.room("node");
    Node::start_as(&here, &disk.command(&Node::command(&here, "127.0.0.1:0")))
}

// S-13
fn a_disk_that_fails_pauses_a_download_until_it_has_recovered() {
    need!(Need::Cc, Need::Supervision);
    for (fault, cause) in [("EIO", "Input/output error"), ("ENOSPC", "No space left")] {
        let mut case = Case::new(&format!("write {fault} 3"));
        let error = case.node.wait_for_event("pause", "bad", PATIENCE, |event| {
            event["swarm"]["paused"]["error"].as_str().map(str::to_owned)
        });
        let folder = case.scene.room("out").join("bad");
        assert!(error.contains(folder.to_str().unwrap()), "it names no file: {error}");
        assert!(error.contains(cause), "it names no cause: {error}");
        assert_eq!(case.node.status("bad")["state"], "paused");
        case.disk.set_rules("");
        case.finish();
    }
}

fn writes_that_are_short_or_interrupted_are_gone_on_with() {
    need!(Need::Cc, Need::Supervision);
    for fault in ["SHORT", "EINTR"] {
        let mut case = Case::new(&format!("write {fault} 2\nread EINTR 3\nsync EINTR 3"));
        case.node.wait_for_state("bad", "seeding");
        let told = case.node.events("bad");
        let pause = told.iter().find(|event| event["swarm"].get("paused").is_some());
        assert_eq!(pause, None, "{fault}");
        case.finish();
    }
}

// S-16, S-18: the record does not claim what may not be on the disk.
fn a_sync_that_fails_costs_the_record_and_nothing_else() {
    need!(Need::Cc, Need::Supervision);
    // Of the content, not of the record.
    let mut case = Case::new("data EIO 1");
    case.node.wait_for_state("bad", "seeding");
    case.node.stop();
    let log = case.node.log();
    let folder = case.scene.room("out");
    let is_told = log.lines().any(|line| {
        line.contains("WARN")
            && line.contains(folder.to_str().unwrap())
            && line.contains("Input/output")
    });
    assert!(is_told, "nothing is said of it: {log}");
    case.disk.set_rules("");
    case.node = start(&case.scene, &case.disk);
    case.finish();
    let again = case.seeder.sent() - case.scene.content.size();
    assert_eq!(again, 0, "{again} bytes were fetched again");
}

fn a_seed_goes_on_after_reads_that_failed() {
    need!(Need::Cc, Need::Supervision);
    let mut case = Case::new("");
    case.node.wait_for_state("bad", "seeding");
    case.disk.set_rules("read EIO 4");
    // Of another process, so that it is stopped and started as one likes.
    let reader = case.scene.room("reader");
    let mut second = Node::start(&reader);
    second.add(&case.scene.torrent(), &reader.join("out"));
    second.tell(&format!("peer {}", case.node.address));
    let deadline = Instant::now() + PATIENCE;
    while !case.node.log().contains("cannot serve a block") {
        assert!(Instant::now() < deadline, "no read fails");
        std::thread::sleep(Duration::from_millis(30));
    }
    case.disk.set_rules("");
    second.wait_for_state("bad", "seeding");
    let status = second.status("bad");
    assert_eq!(status["counts"]["hash_failures"], 0, "{status}");
    case.scene.assert_complete(&reader.join("out"));
    case.node.assert_runs();
    let folder = case.scene.room("out");
    assert!(said(&case.node, &folder), "no file is named: {}", case.node.log());
    case.finish();
}

fn said(node: &Node, folder: &Path) -> bool {
    let folder = folder.to_str().unwrap();
    node.log().lines().any(|line| line.contains(folder) && line.contains("Input/output"))
}

// Whatever fails, and whenever it is killed: what it calls complete is.
fn a_disk_that_fails_at_random_makes_nothing_wrong_complete() {
    need!(Need::Cc, Need::Supervision);
    let mut dice = Dice::new();
    for _ in 0..full_or(12, 1) {
        let mut case = Case::new("");
        case.seeder.set_rate(Some(2 << 20));
        for _ in 0..full_or(12, 5) {
            let mut rules = String::new();
            for kind in ["write", "read", "sync", "size"] {
                let faults = ["EIO", "ENOSPC", "EINTR", "SHORT"];
                let fault = faults[dice.roll(4) as usize];
                if dice.roll(2) == 0 {
                    rules += &format!("{kind} {fault} {}\n", 2 + dice.roll(8));
                }
            }
            case.disk.set_rules(&rules);
            dice.sleep(Duration::from_millis(300));
            match dice.roll(6) {
                0 => {
                    case.disk.set_rules("");
                    case.restart();
                }
                1 => case.node.tell("check bad"),
                _ => case.node.tell("resume bad"),
            }
            case.node.assert_runs();
            let status = case.node.status("bad");
            if status["state"].is_null() {
                // It has failed, as the check at a start could not read.
                case.disk.set_rules("");
                case.restart();
            }
            if status["state"] == "seeding" {
                let difference = case.scene.content.difference(&case.scene.room("out"));
                assert_eq!(difference, None, "with {rules}");
            }
        }
        case.disk.set_rules("");
        case.seeder.set_rate(None);
        case.finish();
    }
}
