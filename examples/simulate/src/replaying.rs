//! Replays of recorded engines.

use std::fs::File;
use std::io::{self, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use serde_json::json;
use tinytorrent_examples::{Failure, Output};
use tinytorrent_sim::scramble;
use tinytorrent_swarm::Sha1;
use tinytorrent_swarm::record::{Entry, Parting, Replay, ReplayError, Replayed};

use crate::Options;

/// The functions that engines are given for SHA-1: by clients, and in worlds.
pub(crate) const SHA1: [Sha1; 2] = [tinytorrent_hash::sha1, scramble];

pub(crate) fn replay(options: &Options, path: &Path) -> Result<(), Failure> {
    let out = options.common.output();
    let file = File::open(path).map_err(|error| cannot_read(path, &error))?;
    let replay = Replay::new(now(), BufReader::new(file), &SHA1);
    let mut replay = replay.map_err(|error| unreadable(path, &error))?;
    // A change of the engine may have it panic, and the place is worth knowing.
    let outcome = catch_unwind(AssertUnwindSafe(|| replay.run()));
    let replayed = replay.replayed();
    match outcome {
        Ok(result) => result.map_err(|error| unreadable(path, &error))?,
        Err(_) => {
            let call = replayed.calls + 1;
            let told = format!("the engine panics in call {call} of {}", path.display());
            return Err(Failure::CouldNot(told));
        }
    }
    if let Some(parting) = &replayed.parting {
        tell_parting(parting, &out);
        let Entry { number, offset, at, .. } = &parting.entry;
        return Err(Failure::CouldNot(format!(
            "the engine differs from {} in call {number}, at byte {offset}, after {:.3} s",
            path.display(),
            at.as_secs_f64(),
        )));
    }
    tell_equal(replayed, replay.is_masked(), path, &out);
    Ok(())
}

/// Any instant will do: a replay has a clock of its own.
pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::could_not(format!("cannot read {}", path.display()), error)
}

pub(crate) fn unreadable(path: &Path, error: &ReplayError) -> Failure {
    Failure::invalid_input(format!("cannot replay {}", path.display()), error)
}

fn tell_equal(replayed: &Replayed, is_masked: bool, path: &Path, out: &Output) {
    let Replayed { calls, actions, events, time, is_cut, .. } = replayed;
    let seconds = time.as_secs_f64();
    let cut = if *is_cut { "; its last entry is not whole, and was left out" } else { "" };
    out.say(format!(
        "{}: equal to the last action: {calls} calls in {seconds:.1} s, {actions} actions, \
         {events} events{cut}",
        path.display()
    ));
    out.event(&json!({
        "event": "replayed", "calls": calls, "actions": actions, "events": events,
        "seconds": seconds, "cut": is_cut, "masked": is_masked,
    }));
}

/// Tells where an engine differs from its recording, and what came before.
pub(crate) fn tell_parting(parting: &Parting, out: &Output) {
    let line = |entry: &Entry| {
        format!("{:10.6} s  call {}: {:?}", entry.at.as_secs_f64(), entry.number, entry.call)
    };
    for (entry, answer) in &parting.before {
        out.say(format!("{} -> {answer}", line(entry)));
    }
    out.say(line(&parting.entry));
    out.say(format!("  recorded: {}", parting.expected));
    out.say(format!("  today:    {}", parting.found));
    out.event(&json!({
        "event": "differs",
        "call": parting.entry.number,
        "offset": parting.entry.offset,
        "seconds": parting.entry.at.as_secs_f64(),
        "made": format!("{:?}", parting.entry.call),
        "recorded": parting.expected,
        "today": parting.found,
    }));
}
