//! A clock that is set forth and back by a day, and to 1970, while the program runs.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use crate::dice::full_or;
use crate::disks::build;
use crate::node::Node;
use crate::seeder::Seeder;
use crate::support::content::Content;
use crate::support::need::{Need, need};
use crate::support::runner::tests;
use crate::support::scene::Scene;
use crate::support::tracker::RecordingTracker;

tests![a_clock_that_jumps_changes_no_interval_and_no_figure];

const DAY: i64 = 24 * 60 * 60;

// Time passes by a clock that is never set. The time of day is for people.
fn a_clock_that_jumps_changes_no_interval_and_no_figure() {
    need!(Need::Cc);
    let mut scene = Scene::new(Content::single("clock", 3 << 20));
    let seeder = Seeder::start(&[&scene], Some(1 << 20));
    let tracker = RecordingTracker::start("127.0.0.1", &[seeder.address]);
    scene.announce_to(&[&tracker.http()]);
    let shim = build(&scene.room("shim"), "clock", &["-shared", "-fPIC"]);
    let offset = scene.path().join("offset");
    let jump = |seconds: i64| fs::write(&offset, seconds.to_string()).unwrap();
    jump(0);
    let (here, out) = (scene.room("node"), scene.room("out"));
    let command = || {
        let plain = Node::command(&here, "127.0.0.1:0");
        let mut command = Command::new(plain.get_program());
        command.args(plain.get_args()).env("LD_PRELOAD", &shim).env("CLOCK_OFFSET", &offset);
        command
    };
    let mut node = Node::start_as(&here, &command());
    node.add(&scene.torrent(), &out);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
    let jumps = [DAY, -DAY, 365 * DAY, -now, -now - DAY, 0];
    for seconds in jumps {
        jump(seconds);
        sleep(Duration::from_millis(full_or(2_000, 400)));
        let shown = node.status("clock")["time"].as_i64().unwrap();
        assert!((shown - now - seconds).abs() < 600, "the clock of the program shows {shown}");
    }
    node.wait_for_state("clock", "seeding");
    scene.assert_complete(&out);
    let history = node.status("clock")["history"].clone();
    let seconds = |name: &str| history[name].as_f64().unwrap();
    assert!(seconds("active") < 60.0 && seconds("seeding") < 60.0, "{history}");
    // The tracker wants half an hour between two announces. The end of a download is told at once.
    let events: Vec<String> = tracker.announces().into_iter().map(|told| told.event).collect();
    assert_eq!(events, ["started", "completed"]);
    // A session that was written in the future, or before it began, is read.
    for seconds in [-DAY, -now, DAY] {
        node.stop();
        jump(seconds);
        node = Node::start_as(&here, &command());
        assert_eq!(node.torrents, ["clock"]);
        node.wait_for_state("clock", "seeding");
        let again = node.status("clock")["history"].clone();
        assert_eq!(again["added"], history["added"], "{again}");
        let active = again["active"].as_f64().unwrap();
        assert!((0.0..60.0).contains(&active), "{again}");
    }
    node.stop();
}
