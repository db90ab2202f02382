//! When the DHT is asked for peers.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::time::Duration;

use play::Play;
use tinytorrent_swarm::{Action, Content, Input, LookUpTask, PeerSource};
use tinytorrent_types::{Bitfield, InfoHashV1, InfoHashV2, InfoHashes};

const MINUTE: Duration = Duration::from_secs(60);

fn hybrid() -> InfoHashes {
    InfoHashes::from_both(InfoHashV1::from_bytes([7; 20]), InfoHashV2::from_bytes([8; 32]))
}

/// The look-ups since the last call.
fn look_ups(play: &mut Play) -> Vec<LookUpTask> {
    let of = |action: &Action| match action {
        Action::LookUp(task) => Some(*task),
        _ => None,
    };
    let found = play.actions.iter().filter_map(of).collect();
    play.actions.clear();
    found
}

/// The time from each look-up to the next, of so many.
fn intervals(play: &mut Play, count: usize) -> Vec<Duration> {
    let mut last = None;
    let mut found = Vec::new();
    while found.len() < count {
        play.wait(Duration::from_secs(1));
        if !look_ups(play).is_empty() {
            found.extend(last.map(|last| play.now - last));
            last = Some(play.now);
        }
    }
    found
}

#[test]
fn a_link_is_looked_up_at_once_by_both_of_its_hashes() {
    let mut play = Play::of(hybrid(), |config| {
        config.dht(true).needs_metadata(true).listen_port(6881);
    });
    play.wait(Duration::ZERO);
    let asked = look_ups(&mut play);
    let hashes: Vec<_> = asked.iter().map(|task| task.hash).collect();
    assert_eq!(hashes, hybrid().wire_hashes().collect::<Vec<_>>());
    assert!(asked.iter().all(|task| task.announce && !task.is_seed));
}

#[test]
fn a_torrent_file_waits_until_it_is_known_that_it_is_not_private() {
    let mut play = Play::without_content(|config| _ = config.dht(true));
    play.wait(MINUTE);
    assert_eq!(look_ups(&mut play), []);
    play.open(true);
    let asked = look_ups(&mut play);
    assert!(asked.len() == 1 && asked[0].is_seed && !asked[0].announce, "it does not listen");
}

// BEP 27: never, whatever happens.
#[test]
fn a_private_torrent_is_never_looked_up() {
    let mut play = Play::without_content(|config| _ = config.dht(true).listen_port(6881));
    play.tell(Input::ContentReady(Content {
        geometry: play.geometry.clone(),
        have: Bitfield::new(8),
        wanted: Bitfield::full(8),
        partial: Vec::new(),
        info: tinytorrent_sim::info(),
        is_private: true,
    }));
    let nodes = vec!["20.0.0.1:6881".parse().unwrap()];
    play.tell(Input::PeersFound { source: PeerSource::Dht, addresses: nodes });
    assert!(!play.actions.iter().any(|action| matches!(action, Action::Connect { .. })));
    play.wait(60 * MINUTE);
    play.swarm.pause(play.now);
    play.swarm.resume(play.now);
    play.wait(60 * MINUTE);
    assert_eq!(look_ups(&mut play), []);
    // A link of which the metadata says so.
    let mut play = Play::without_content(|config| _ = config.dht(true).needs_metadata(true));
    play.wait(Duration::ZERO);
    assert_eq!(look_ups(&mut play).len(), 1);
    play.swarm.set_private(play.now);
    play.wait(60 * MINUTE);
    assert_eq!(look_ups(&mut play), []);
}

#[test]
fn a_seed_is_announced_before_nodes_forget_it() {
    let mut play = Play::new(true, |config| _ = config.dht(true));
    for interval in intervals(&mut play, 4) {
        assert!((15 * MINUTE..17 * MINUTE).contains(&interval), "{interval:?}");
    }
}

#[test]
fn one_that_finds_nobody_asks_more_often_and_ever_more_rarely() {
    let mut play = Play::new(false, |config| _ = config.dht(true));
    let intervals = intervals(&mut play, 6);
    assert!(intervals[0] >= MINUTE && intervals[0] <= 3 * MINUTE, "{intervals:?}");
    assert!(intervals.is_sorted(), "{intervals:?}");
    assert!(intervals[5] >= 14 * MINUTE, "{intervals:?}");
}

#[test]
fn a_pause_asks_for_nothing_and_its_end_does() {
    let mut play = Play::new(false, |config| _ = config.dht(true));
    assert_eq!(look_ups(&mut play).len(), 1);
    play.swarm.pause(play.now);
    play.wait(60 * MINUTE);
    assert_eq!(look_ups(&mut play), []);
    for _ in 0..9 {
        play.swarm.resume(play.now);
        play.tell(Input::BlocksWritten { bytes: 0 });
        play.swarm.pause(play.now);
    }
    assert_eq!(look_ups(&mut play).len(), 1, "pauses in a row ask once");
}

#[test]
fn without_the_dht_nothing_is_looked_up() {
    let mut play = Play::new(false, |_| {});
    play.wait(60 * MINUTE);
    assert_eq!(look_ups(&mut play), []);
}
