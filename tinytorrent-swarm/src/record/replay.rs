//! The replay of recordings.

use std::collections::VecDeque;
use std::fmt;
use std::io::Read;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::Call;
use super::code::{Reader, Writer};
use super::head;
use super::recording::{Entry, Recording, RecordingError};
use crate::Swarm;
use crate::config::{Sha1, SwarmConfig};

/// The result of a replay.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Replayed {
    /// Calls that were made, polls included.
    pub calls: u64,
    /// Actions that came, and were compared.
    pub actions: u64,
    /// Events that came, and were compared.
    pub events: u64,
    /// Time from the beginning of the recording to its last call.
    pub time: Duration,
    /// True if the recording ends within an entry, as that of a killed program may.
    pub is_cut: bool,
    /// The place at which the engine parts from the recording; `None` if all is equal.
    pub parting: Option<Box<Parting>>,
}

/// The place at which an engine parts from a recording.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Parting {
    /// The call.
    pub entry: Entry,
    /// The answer in the recording.
    pub expected: String,
    /// The answer of the engine.
    pub found: String,
    /// The calls just before, the last one at the end, with their answers.
    pub before: Vec<(Entry, String)>,
}

/// The error of a recording that cannot be replayed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The engine was made with a function for SHA-1 that is not among those given.
    #[error("recording was made with another function for SHA-1")]
    UnknownSha1,
    /// No engine takes the call.
    #[error("call at byte {offset} of the recording does not fit the content")]
    Misfit {
        /// Offset of the entry in bytes.
        offset: u64,
    },
}

/// Calls that are shown before a parting.
const SHOWN: usize = 12;

/// Replays a recording: [`Replay::new`] and [`Replay::run`] in one. `start` is any instant.
///
/// # Errors
/// The recording cannot be read, or the engine cannot be made.
pub fn replay(start: Instant, source: impl Read, sha1: &[Sha1]) -> Result<Replayed, ReplayError> {
    let mut replay = Replay::new(start, source, sha1)?;
    replay.run()?;
    Ok(replay.replayed)
}

/// An engine that is led through a recording.
///
/// A recording that no driver made can break the contract of the engine, which may panic then.
pub struct Replay<R> {
    pub(super) recording: Recording<R>,
    swarm: Swarm,
    start: Instant,
    before: VecDeque<Step>,
    replayed: Replayed,
}

impl Replayed {
    fn count(&mut self, Step { entry, found }: &Step) {
        self.calls += 1;
        self.time = self.time.max(entry.at);
        // An answer that begins with a zero is `None`.
        let is_some = found.first().is_some_and(|first| *first != 0);
        match entry.call {
            Call::PollAction => self.actions += u64::from(is_some),
            Call::PollEvent => self.events += u64::from(is_some),
            _ => {}
        }
    }
}

/// A call that was made.
pub(super) struct Step {
    pub(super) entry: Entry,
    /// The answer, as it would be written.
    pub(super) found: Vec<u8>,
}

impl Step {
    /// Returns true if the answer is another one than that of the recording.
    pub(super) fn differs(&self) -> bool {
        // The program that was recorded may have ended in the call.
        !self.entry.answer.is_empty() && self.entry.answer != self.found
    }
}

impl<R: Read> Replay<R> {
    /// Makes the engine. `start` is any instant, at which the recording is to begin now. `sha1` are functions of which
    /// the engine may have been given one ([`SwarmConfig::sha1`](crate::SwarmConfig::sha1)).
    ///
    /// # Errors
    /// The recording cannot be read, or the function is not among those given.
    pub fn new(start: Instant, source: R, sha1: &[Sha1]) -> Result<Self, ReplayError> {
        let mut recording = Recording::new(start, source)?;
        let head = recording.head_mut();
        if let Some(sample) = head.sample {
            let known = sha1.iter().find(|sha1| head::sample(**sha1) == sample);
            head.config.sha1 = Some(*known.ok_or(ReplayError::UnknownSha1)?);
        }
        let swarm = Swarm::new(start, head.config.clone());
        let replayed = Replayed::default();
        Ok(Self { recording, swarm, start, before: VecDeque::new(), replayed })
    }

    /// Makes the recorded calls, and compares the answers, up to the first that differs or to the end.
    ///
    /// # Errors
    /// The recording cannot be read any further.
    pub fn run(&mut self) -> Result<(), ReplayError> {
        while let Some(step) = self.step()? {
            self.replayed.count(&step);
            if step.differs() {
                self.replayed.parting = Some(Box::new(self.parting(step)));
                break;
            }
            self.remember(step);
        }
        self.replayed.is_cut = self.recording.is_cut();
        Ok(())
    }

    /// Returns true if addresses and names in the recording are not the real ones.
    pub fn is_masked(&self) -> bool {
        self.recording.is_masked()
    }

    /// The result so far: of a replay that ended in a panic, too.
    pub fn replayed(&self) -> &Replayed {
        &self.replayed
    }

    /// The settings of the engine.
    pub(super) fn config(&self) -> &SwarmConfig {
        &self.recording.head().config
    }

    /// Reads the next call, which is not made.
    pub(super) fn read(&mut self) -> Result<Option<Entry>, ReplayError> {
        Ok(self.recording.next_entry()?)
    }

    /// Makes the next call.
    pub(super) fn step(&mut self) -> Result<Option<Step>, ReplayError> {
        let Some(entry) = self.read()? else { return Ok(None) };
        if let Call::SetWanted { wanted } = &entry.call
            && self.swarm.wanted().is_some_and(|now| now.piece_count() != wanted.piece_count())
        {
            return Err(ReplayError::Misfit { offset: entry.offset });
        }
        let mut answer = Writer::new(self.start);
        entry.call.clone().make(&mut self.swarm, entry.now, &mut answer);
        Ok(Some(Step { entry, found: answer.bytes }))
    }

    fn remember(&mut self, step: Step) {
        if self.before.len() == SHOWN {
            self.before.pop_front();
        }
        self.before.push_back(step);
    }

    pub(super) fn parting(&mut self, step: Step) -> Parting {
        let before = std::mem::take(&mut self.before);
        let before = before.into_iter().map(|step| {
            let answer = self.show(&step.entry, &step.found);
            (step.entry, answer)
        });
        Parting {
            before: before.collect(),
            expected: self.show(&step.entry, &step.entry.answer),
            found: self.show(&step.entry, &step.found),
            entry: step.entry,
        }
    }

    fn show(&self, entry: &Entry, answer: &[u8]) -> String {
        let mut input = Reader::new(answer, self.start, self.recording.geometry().cloned());
        let shown = Call::show(entry.call.tag(), &mut input);
        shown.unwrap_or_else(|error| format!("not {}", error.what))
    }
}

impl<R> fmt::Debug for Replay<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").finish_non_exhaustive()
    }
}
