use std::time::{Duration, Instant};

use tinytorrent_storage::VerifyProgress;

use super::gauge::Gauge;
use super::layers::LayerFetch;
use super::running::Running;
use crate::TorrentError;
use crate::torrent::State;

/// Timeout for writing the blocks in memory and the resume data. It is a little shorter than the 5 s
/// of [`Torrent::stop`](crate::Torrent::stop).
const DISK_TIMEOUT: Duration = Duration::from_millis(4_500);

/// The stage of a torrent, with the values that exist in that stage alone.
///
/// ```text
///  FetchingMetadata ─────────────────────┐
///         │                              ▼
///         ├──▶ FetchingLayers ─────▶ Checking ──▶ Running
///         │         │                    ▲
///         │         └──▶ SavingLayers ───┘
///         ▼
///   from each stage: stop() ──▶ Stopping ──▶ Over
///                    an error ─────────────▶ Over
///   Running ◀──▶ Rechecking
/// ```
pub(super) enum Stage {
    /// The info dictionary is fetched from peers. Until it is there, a job looks for a saved one.
    FetchingMetadata,
    /// Piece layers of a v2 torrent are fetched from peers. A job looks for saved ones.
    FetchingLayers(LayerFetch),
    /// A job saves piece layers that came from peers.
    SavingLayers,
    /// A job opens the content and checks it.
    Checking(Gauge<VerifyProgress>),
    /// The content is open, and is downloaded or seeded.
    Running(Box<Running>),
    /// A job checks the open content again, as the user asked for.
    Rechecking(Box<Running>, Gauge<VerifyProgress>),
    /// The last announces and the resume data are waited for.
    Stopping(Box<Stopping>),
    /// The torrent has ended, by this error or by a stop.
    Over(Option<TorrentError>),
}

/// A torrent that is stopping, with its deadlines.
pub(super) struct Stopping {
    /// `None` if the torrent was stopped before its content was opened.
    running: Option<Box<Running>>,
    /// The state before the stop.
    state: State,
    trackers_deadline: Instant,
    disk_deadline: Instant,
    /// The disk has not yet reported that the resume data is written.
    is_saving: bool,
}

/// The facts of the engine that the published state depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct EngineFacts {
    /// The torrent is paused because others have their turn.
    pub(super) is_waiting: bool,
    pub(super) is_paused: bool,
    pub(super) is_finished: bool,
}

impl EngineFacts {
    /// Returns `true` if all wanted pieces are there and nobody looks at their files any more.
    fn is_finished_with(self, running: &Running) -> bool {
        self.is_finished && !running.last_look.is_open()
    }
}

impl Stage {
    /// Returns the state to be published.
    pub(super) fn state(&self, engine: EngineFacts) -> State {
        match self {
            Stage::Over(Some(_)) => State::Failed,
            Stage::Over(None) => State::Stopped,
            Stage::Stopping(stopping) => stopping.state(engine),
            // The check goes on meanwhile.
            _ if engine.is_waiting => State::Queued,
            _ if engine.is_paused => State::Paused,
            Stage::FetchingMetadata | Stage::FetchingLayers(_) | Stage::SavingLayers => {
                State::FetchingMetadata
            }
            Stage::Checking(_) | Stage::Rechecking(..) => State::Checking,
            Stage::Running(running) if engine.is_finished_with(running) => State::Seeding,
            Stage::Running(_) => State::Downloading,
        }
    }

    /// The content, if it is open.
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        match self {
            Stage::Running(running) | Stage::Rechecking(running, _) => Some(running),
            Stage::Stopping(stopping) => stopping.running.as_deref_mut(),
            Stage::FetchingMetadata
            | Stage::FetchingLayers(_)
            | Stage::SavingLayers
            | Stage::Checking(_)
            | Stage::Over(_) => None,
        }
    }

    /// Returns `true` if the content is not being opened yet.
    pub(super) fn is_before_opening(&self) -> bool {
        matches!(self, Stage::FetchingMetadata | Stage::FetchingLayers(_) | Stage::SavingLayers)
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self, Stage::Running(_))
    }

    /// Begins to check an open content again.
    pub(super) fn begin_recheck(&mut self, progress: Gauge<VerifyProgress>) {
        *self = match std::mem::replace(self, Stage::Over(None)) {
            Stage::Running(running) => Stage::Rechecking(running, progress),
            other => other,
        };
    }

    /// Goes on after a check. Returns `false` if the torrent is stopping or has ended.
    pub(super) fn end_recheck(&mut self) -> bool {
        *self = match std::mem::replace(self, Stage::Over(None)) {
            Stage::Rechecking(running, _) => Stage::Running(running),
            other => other,
        };
        self.is_running()
    }

    /// The progress of a check.
    pub(super) fn check_progress(&self) -> Option<VerifyProgress> {
        match self {
            Stage::Checking(progress) | Stage::Rechecking(_, progress) => progress.get(),
            Stage::FetchingMetadata
            | Stage::FetchingLayers(_)
            | Stage::SavingLayers
            | Stage::Running(_)
            | Stage::Stopping(_)
            | Stage::Over(_) => None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self, Stage::Over(_))
    }

    pub(super) fn is_stopping_or_over(&self) -> bool {
        matches!(self, Stage::Stopping(_) | Stage::Over(_))
    }

    /// Ends the torrent by an error. The first error stays.
    pub(super) fn fail(&mut self, error: TorrentError) {
        if !self.is_over() {
            *self = Stage::Over(Some(error));
        }
    }

    /// Returns the error that has ended the torrent; `None` after a stop.
    pub(super) fn take_error(&mut self) -> Option<TorrentError> {
        match self {
            Stage::Over(error) => error.take(),
            Stage::FetchingMetadata
            | Stage::FetchingLayers(_)
            | Stage::SavingLayers
            | Stage::Checking(_)
            | Stage::Running(_)
            | Stage::Rechecking(..)
            | Stage::Stopping(_) => None,
        }
    }

    /// Begins to stop. `state` is the present state, and `is_saving` is `true` if the resume data is
    /// being written. `trackers` is the timeout of the last announces.
    pub(super) fn stop(&mut self, now: Instant, state: State, is_saving: bool, trackers: Duration) {
        let running = match std::mem::replace(self, Stage::Over(None)) {
            Stage::Running(running) | Stage::Rechecking(running, _) => Some(running),
            Stage::FetchingMetadata
            | Stage::FetchingLayers(_)
            | Stage::SavingLayers
            | Stage::Checking(_) => None,
            ended @ (Stage::Stopping(_) | Stage::Over(_)) => {
                *self = ended;
                return;
            }
        };
        *self = Stage::Stopping(Box::new(Stopping {
            running,
            state,
            trackers_deadline: now + trackers,
            disk_deadline: now + DISK_TIMEOUT,
            is_saving,
        }));
    }

    /// Notes that the resume data is written, or cannot be.
    pub(super) fn on_saved(&mut self) {
        if let Stage::Stopping(stopping) = self {
            stopping.is_saving = false;
        }
    }

    /// Ends a torrent that is stopping, if trackers and the disk are done or out of time.
    pub(super) fn handle_timeout(&mut self, now: Instant, are_trackers_done: bool) {
        if let Stage::Stopping(stopping) = self
            && (are_trackers_done || now >= stopping.trackers_deadline)
            && (!stopping.is_saving || now >= stopping.disk_deadline)
        {
            *self = Stage::Over(None);
        }
    }

    /// The next deadline of a torrent that is stopping.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let Stage::Stopping(stopping) = self else { return None };
        let deadlines = [stopping.trackers_deadline, stopping.disk_deadline];
        // A deadline in the past would wake the driver again and again until the other one.
        deadlines.into_iter().filter(|&deadline| deadline > now).min()
    }
}

impl Stopping {
    fn state(&self, engine: EngineFacts) -> State {
        // The last pieces may be verified after the stop.
        let is_finished =
            self.running.as_ref().is_some_and(|running| engine.is_finished_with(running));
        if self.state == State::Downloading && is_finished { State::Seeding } else { self.state }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACKERS: Duration = Duration::from_secs(2);

    fn facts(is_paused: bool, is_finished: bool) -> EngineFacts {
        EngineFacts { is_waiting: false, is_paused, is_finished }
    }

    fn stopping(now: Instant, is_saving: bool) -> Stage {
        let mut stage = Stage::Checking(Gauge::default());
        stage.stop(now, State::Checking, is_saving, TRACKERS);
        stage
    }

    #[test]
    fn each_stage_has_a_state() {
        let running = facts(false, false);
        assert_eq!(Stage::FetchingMetadata.state(running), State::FetchingMetadata);
        assert_eq!(Stage::SavingLayers.state(running), State::FetchingMetadata);
        assert_eq!(Stage::Checking(Gauge::default()).state(running), State::Checking);
        assert_eq!(Stage::Checking(Gauge::default()).state(facts(true, false)), State::Paused);
        assert_eq!(Stage::Over(None).state(running), State::Stopped);
        assert_eq!(Stage::Over(Some(TorrentError::Stopped)).state(running), State::Failed);
        // The engine is paused by a stop, and the state stays what it was.
        assert_eq!(stopping(Instant::now(), false).state(facts(true, false)), State::Checking);
    }

    #[test]
    fn stopping_waits_for_trackers_and_the_disk() {
        let start = Instant::now();
        let mut stage = stopping(start, true);
        stage.handle_timeout(start, true);
        assert!(!stage.is_over(), "the disk is waited for");
        stage.on_saved();
        stage.handle_timeout(start, false);
        assert!(!stage.is_over(), "trackers are waited for");
        stage.handle_timeout(start, true);
        assert!(matches!(stage, Stage::Over(None)));
    }

    #[test]
    fn stopping_waits_for_a_bounded_time() {
        let start = Instant::now();
        let mut stage = stopping(start, true);
        assert_eq!(stage.deadline(start), Some(start + TRACKERS));
        stage.handle_timeout(start + TRACKERS, false);
        assert_eq!(stage.deadline(start + TRACKERS), Some(start + DISK_TIMEOUT));
        stage.handle_timeout(start + DISK_TIMEOUT, false);
        assert!(matches!(stage, Stage::Over(None)));
        assert!(DISK_TIMEOUT < Duration::from_secs(5), "as `Torrent::stop` promises");
    }

    #[test]
    fn a_second_stop_does_not_start_the_wait_again() {
        let start = Instant::now();
        let mut stage = stopping(start, true);
        stage.stop(start + TRACKERS, State::Checking, true, TRACKERS);
        assert_eq!(stage.deadline(start), Some(start + TRACKERS));
    }

    #[test]
    fn the_first_error_stays() {
        let mut stage = Stage::FetchingMetadata;
        stage.fail(TorrentError::NoSuchFile { index: 1, count: 1 });
        stage.fail(TorrentError::Stopped);
        stage.stop(Instant::now(), State::Failed, false, TRACKERS);
        assert!(matches!(stage, Stage::Over(Some(TorrentError::NoSuchFile { .. }))));
    }
}
