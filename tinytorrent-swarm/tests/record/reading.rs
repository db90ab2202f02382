//! Recordings come from outside: they are cut, altered, and made up.

use std::sync::OnceLock;
use std::time::Instant;

use proptest::prelude::*;
use tinytorrent_sim::{Behaviour, scramble};
use tinytorrent_swarm::fuzzing::read_recording;
use tinytorrent_swarm::record::{Call, Recording, ReplayError, Replayed, replay};

use super::worlds::leech_beside;

/// A recording with most kinds of inputs and actions.
fn recording() -> &'static [u8] {
    static RECORDING: OnceLock<Vec<u8>> = OnceLock::new();
    RECORDING.get_or_init(|| leech_beside(Behaviour::Corrupt(16)))
}

fn play(recording: &[u8]) -> Result<Replayed, ReplayError> {
    replay(Instant::now(), recording, &[scramble])
}

/// Reads all that can be read.
fn read(recording: &[u8]) -> Result<u64, String> {
    // What can be read can be written and read again.
    read_recording(Instant::now(), recording);
    let mut recording = Recording::new(Instant::now(), recording).map_err(|e| e.to_string())?;
    let mut count = 0;
    while recording.next_entry().map_err(|e| e.to_string())?.is_some() {
        count += 1;
    }
    Ok(count)
}

#[test]
fn an_action_that_is_altered_is_found() {
    let mut at = Recording::new(Instant::now(), recording()).expect("a recording");
    let (mut ends, mut polls) = (Vec::new(), Vec::new());
    while let Some(entry) = at.next_entry().expect("it can be read") {
        ends.push(entry.offset);
        // With `None` there is no byte but that.
        if entry.call == Call::PollAction {
            polls.push(entry.number);
        }
    }
    ends.push(recording().len() as u64);
    assert!(polls.len() > 50);
    for number in polls.iter().step_by(7) {
        let mut altered = recording().to_vec();
        altered[ends[*number as usize] as usize - 1] ^= 1;
        let replayed = play(&altered).expect("calls can be read");
        let parting = replayed.parting.expect("an answer is another one");
        assert_eq!(parting.entry.number, *number);
        assert_eq!(parting.entry.offset, ends[*number as usize - 1]);
        assert_ne!(parting.expected, parting.found);
        assert_eq!(parting.before.len() as u64, 12.min(number - 1));
        assert_eq!(replayed.calls, *number);
    }
}

#[test]
fn another_function_for_sha1_is_found() {
    let replayed = replay(Instant::now(), recording(), &[tinytorrent_hash::sha1]);
    assert!(matches!(replayed, Err(ReplayError::UnknownSha1)));
}

#[test]
fn other_versions_are_not_read() {
    let mut other = recording().to_vec();
    assert!(other.starts_with(b"tinytorrent recording 1\n"));
    other[22] = b'2';
    assert_eq!(read(&other).unwrap_err(), "no recording of version 1");
    assert_eq!(read(b"").unwrap_err(), "no recording of version 1");
}

#[test]
fn errors_say_where() {
    // Behind the head comes an entry of one byte, which is the number of no method.
    let mut bad = recording().to_vec();
    let first = head();
    bad.truncate(first);
    bad.extend([1, 255]);
    let expected = format!("byte {} of the recording is not the number of a method", first + 2);
    assert_eq!(read(&bad).unwrap_err(), expected);
    bad.truncate(first);
    bad.extend([0xff, 0xff, 0xff, 0x7f]);
    let limit = "is over the limit of 41943040";
    let expected = format!("entry of 268435455 bytes at byte {first} of the recording {limit}");
    assert_eq!(read(&bad).unwrap_err(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_recording_is_good_up_to_its_last_whole_entry(at in 0..recording().len()) {
        match play(&recording()[..at]) {
            Ok(replayed) => prop_assert!(replayed.parting.is_none()),
            Err(error) => {
                prop_assert!(at < 300, "{} {}", at, error);
                prop_assert_eq!(error.to_string(), "no recording of version 1");
            }
        }
    }

    #[test]
    fn whatever_is_read_is_read_or_refused(
        at in 0..recording().len(),
        bytes in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let mut altered = recording().to_vec();
        for (old, new) in altered[at..].iter_mut().zip(&bytes) {
            *old = *new;
        }
        let _ = read(&altered);
    }

    #[test]
    fn made_up_entries_are_read_or_refused(
        entries in prop::collection::vec((1..70_u8, prop::collection::vec(any::<u8>(), 0..60)), 1..20),
    ) {
        let mut made_up = recording()[..head()].to_vec();
        for (tag, entry) in entries {
            made_up.extend([entry.len() as u8 + 1, tag]);
            made_up.extend(entry);
        }
        let _ = read(&made_up);
    }
}

/// The end of the head of the recording.
fn head() -> usize {
    let mut at = Recording::new(Instant::now(), recording()).expect("a recording");
    at.next_entry().expect("it can be read").expect("there are some").offset as usize
}
