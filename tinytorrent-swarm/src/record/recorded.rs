//! An engine that writes down its calls.

use std::fmt;
use std::io::{self, Write};
use std::ops::Deref;
use std::time::{Duration, Instant};

use super::code::Writer;
use super::head::{self, MAX_ENTRY};
use super::primitives::nanos_between;
use crate::{Swarm, SwarmConfig};

/// A [`Swarm`] that can be recorded. It has the methods of one, and is one for whoever only reads.
///
/// Without a recording each call costs a look whether there is one.
#[derive(Debug)]
pub struct Recorded {
    pub(super) swarm: Swarm,
    /// `None` without a recording, and after a failure.
    pub(super) recorder: Option<Box<Recorder>>,
    failure: Option<io::Error>,
}

impl Recorded {
    /// As [`Swarm::new`], without a recording.
    pub fn new(now: Instant, config: SwarmConfig) -> Self {
        Self { swarm: Swarm::new(now, config), recorder: None, failure: None }
    }

    /// As [`Swarm::new`], and recorded from the first call on.
    ///
    /// `sink` is handed many calls at a time, as soon as they are 64 KiB or a quarter of a second passes, and the
    /// rest when the engine is dropped. So it needs no buffer. A call of the engine waits for it.
    ///
    /// If `sink` fails the recording ends, and the engine goes on: see [`take_failure`](Self::take_failure).
    pub fn with_recording(
        now: Instant,
        config: SwarmConfig,
        sink: impl Write + Send + 'static,
    ) -> Self {
        let recorder = Recorder::new(now, &config, Box::new(sink));
        let mut recorded = Self::new(now, config);
        recorded.recorder = Some(Box::new(recorder));
        recorded
    }

    /// Returns true while calls are written down.
    pub fn is_recording(&self) -> bool {
        self.recorder.is_some()
    }

    /// Hands out what was written down and waits, as before a pause without calls.
    pub fn flush_recording(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.flush();
        }
    }

    /// Ends the recording.
    pub fn end_recording(&mut self) {
        self.flush_recording();
        self.failure = self.take_failure();
        self.recorder = None;
    }

    /// Returns the error by which the recording has ended, once.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        if let Some(mut recorder) = self.recorder.take_if(|recorder| recorder.failure.is_some()) {
            self.failure = recorder.failure.take();
            // What is left is not written behind a gap.
            recorder.sink = Box::new(io::sink());
        }
        self.failure.take()
    }
}

/// An engine that is only read needs no record.
impl Deref for Recorded {
    type Target = Swarm;

    fn deref(&self) -> &Swarm {
        &self.swarm
    }
}

/// The recording of one engine.
pub(super) struct Recorder {
    out: Writer,
    /// Whole entries that wait for the sink.
    waiting: Vec<u8>,
    /// The instant of the last call that had one.
    last: Instant,
    /// The instant of the last call that was handed to the sink.
    flushed: Instant,
    sink: Box<dyn Write + Send>,
    failure: Option<io::Error>,
}

/// Bytes that wait for the sink at most, but for one entry.
const ENOUGH: usize = 64 << 10;

/// Time for which calls wait for the sink: what a killed program loses of its recording.
const LONG: Duration = Duration::from_millis(250);

impl Recorder {
    fn new(now: Instant, config: &SwarmConfig, sink: Box<dyn Write + Send>) -> Self {
        let mut out = Writer::new(now);
        let mut waiting = head::MAGIC.to_vec();
        head::encode(config, false, &mut out);
        head::append(&mut waiting, &mut out.bytes);
        Self { out, waiting, last: now, flushed: now, sink, failure: None }
    }

    /// Begins the entry of a call.
    pub(super) fn begin(&mut self, tag: u8) -> &mut Writer {
        // It is not empty if the call before ended in a panic that somebody caught.
        self.out.bytes.clear();
        self.out.bytes.push(tag);
        &mut self.out
    }

    /// Begins the entry of a call at an instant.
    pub(super) fn begin_at(&mut self, tag: u8, now: Instant) -> &mut Writer {
        let since = nanos_between(self.last, now);
        self.last = now;
        let out = self.begin(tag);
        out.signed(since);
        out
    }

    /// The call has been answered.
    pub(super) fn end(&mut self) {
        if self.out.bytes.len() > MAX_ENTRY {
            self.fail(io::Error::new(
                io::ErrorKind::InvalidData,
                "a call is too large to be recorded",
            ));
        }
        head::append(&mut self.waiting, &mut self.out.bytes);
        if self.waiting.len() >= ENOUGH || self.last.saturating_duration_since(self.flushed) >= LONG
        {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.flushed = self.last;
        if self.failure.is_none()
            && let Err(error) = self.sink.write_all(&self.waiting)
        {
            self.fail(error);
        }
        self.waiting.clear();
        // An info dictionary has gone by, which comes once.
        self.waiting.shrink_to(4 * ENOUGH);
        self.out.bytes.shrink_to(4 * ENOUGH);
    }

    /// Nothing is written any more: an entry without those before it says nothing.
    fn fail(&mut self, error: io::Error) {
        self.failure.get_or_insert(error);
    }
}

/// A call that ended in a panic is written without an answer, so that a replay comes to the same place.
impl Drop for Recorder {
    fn drop(&mut self) {
        if !self.out.bytes.is_empty() {
            head::append(&mut self.waiting, &mut self.out.bytes);
        }
        self.flush();
        if self.failure.is_none() {
            // Nobody is left who could be told.
            let _ = self.sink.flush();
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("failure", &self.failure).finish_non_exhaustive()
    }
}
