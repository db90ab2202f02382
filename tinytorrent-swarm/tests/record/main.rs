//! Recordings of engines and their replay. That whatever is played replays alike is proven by the tests that play
//! (`play`, `invariants`) as well.
#![allow(
    clippy::disallowed_methods,
    reason = "a story begins at some instant, and sources are read"
)]

mod masks;
mod reading;
mod worlds;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use tinytorrent_sim::Tape;
use tinytorrent_swarm::record::{Call, Recorded, Recording, replay};
use tinytorrent_swarm::{Content, Input, PeerSource, SwarmConfig};
use tinytorrent_types::{Bitfield, Geometry, InfoHashV1, InfoHashes, PeerId};

fn config() -> SwarmConfig {
    let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
    SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 42)
}

fn tell_of(swarm: &mut Recorded, now: Instant, host: u8) {
    let addresses = vec![([192, 0, 2, host], 6881).into()];
    swarm.handle_input(now, Input::PeersFound { source: PeerSource::User, addresses });
    while swarm.poll_action().is_some() {}
}

/// The calls of a recording.
fn calls(recording: &[u8]) -> Vec<Call> {
    let mut recording = Recording::new(Instant::now(), recording).expect("a recording");
    let entries = std::iter::from_fn(|| recording.next_entry().expect("it can be read"));
    entries.map(|entry| entry.call).collect()
}

/// Methods of `Swarm` in the sources that are public and change it.
fn changing_methods(folder: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder.join("swarm"))
        .expect("a folder")
        .map(|file| file.expect("a file").path());
    let mut methods = BTreeSet::new();
    for file in files.chain([folder.join("swarm.rs")]) {
        let source = std::fs::read_to_string(file).expect("a source");
        for part in source.split("pub fn ").skip(1) {
            let (name, rest) = part.split_once('(').expect("a method");
            if rest.trim_start().starts_with("&mut self") {
                methods.insert(name.to_owned());
            }
        }
    }
    methods
}

#[test]
fn every_method_that_changes_an_engine_is_recorded() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let recorded: BTreeSet<_> = Call::METHODS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(changing_methods(&sources), recorded);
}

#[test]
fn an_engine_without_a_recording_is_an_engine() {
    let now = Instant::now();
    let mut swarm = Recorded::new(now, config());
    assert!(!swarm.is_recording());
    tell_of(&mut swarm, now, 1);
    assert_eq!(swarm.connecting(), 1);
    swarm.end_recording();
    assert!(swarm.take_failure().is_none());
}

#[test]
fn calls_reach_the_sink_within_a_quarter_of_a_second_of_the_next() {
    let (start, tape) = (Instant::now(), Tape::default());
    let mut swarm = Recorded::with_recording(start, config(), tape.clone());
    tell_of(&mut swarm, start, 1);
    assert!(tape.bytes().is_empty(), "the sink is not called for each of them");
    swarm.handle_timeout(start + Duration::from_millis(250));
    assert_eq!(calls(&tape.bytes()).len(), 4);
    swarm.handle_timeout(start + Duration::from_millis(251));
    assert_eq!(calls(&tape.bytes()).len(), 4);
    drop(swarm);
    assert_eq!(calls(&tape.bytes()).len(), 5);
}

/// A disk that is full after so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_engine() {
    let start = Instant::now();
    let mut swarm = Recorded::with_recording(start, config(), Full(200));
    let at = |millis| start + Duration::from_millis(millis);
    for second in 0..10 {
        tell_of(&mut swarm, at(1_000 * second), second as u8);
    }
    assert_eq!(swarm.connecting(), 10);
    assert_eq!(swarm.take_failure().map(|error| error.kind()), Some(io::ErrorKind::StorageFull));
    assert!(swarm.take_failure().is_none(), "it is told once");
    assert!(!swarm.is_recording());
}

#[test]
fn the_call_that_an_engine_ended_in_is_the_last_one() {
    let (now, tape) = (Instant::now(), Tape::default());
    let mut swarm = Recorded::with_recording(now, config(), tape.clone());
    let geometry = Geometry::new(1 << 20, 1 << 18).expect("a geometry");
    let content = Content {
        have: Bitfield::new(4),
        wanted: Bitfield::full(4),
        geometry,
        partial: Vec::new(),
        info: tinytorrent_sim::info(),
        is_private: false,
    };
    swarm.handle_input(now, Input::ContentReady(content));
    let wanted = Bitfield::full(5);
    let call = catch_unwind(AssertUnwindSafe(|| swarm.set_wanted(now, wanted.clone())));
    call.expect_err("there are four pieces");
    drop(swarm);
    assert_eq!(calls(&tape.bytes()).last(), Some(&Call::SetWanted { wanted }));
    let replayed = replay(now, &tape.bytes()[..], &[]).map(|_| ());
    assert!(replayed.is_err_and(|error| error.to_string().contains("does not fit")));
}

#[test]
fn instants_may_come_in_any_order() {
    let (start, tape) = (Instant::now() + Duration::from_secs(9), Tape::default());
    let mut swarm = Recorded::with_recording(start, config(), tape.clone());
    swarm.handle_timeout(start - Duration::from_secs(5));
    tell_of(&mut swarm, start + Duration::from_secs(5), 1);
    swarm.handle_timeout(start + Duration::from_secs(2));
    while swarm.poll_event().is_some() {}
    drop(swarm);
    // The clock of a replay may have begun just now.
    let replayed = replay(Instant::now() + Duration::from_secs(9), &tape.bytes()[..], &[])
        .expect("it can be read");
    assert!(replayed.parting.is_none());
    assert_eq!((replayed.calls, replayed.actions), (6, 1));
    assert_eq!(replayed.time, Duration::from_secs(5));
}
