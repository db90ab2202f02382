use std::time::{Duration, Instant};

use super::layers::LayerFetch;
use super::running::Running;
use crate::TorrentError;
use crate::torrent::State;

/// How long the disk may take to write what is in memory and the resume data. With some slack
/// below the 5 s that [`Torrent::stop`](crate::Torrent::stop) promises.
const DISK_TIMEOUT: Duration = Duration::from_millis(4_500);

/// The stage of a torrent's life, with everything that exists in that stage alone.
///
/// ```text
///  FetchingMetadata ──▶ Checking ──▶ Running ──▶ Stopping ──▶ Over
///         │                ▲
///         ▼                │         stop() leads from each stage to Stopping,
///  FetchingLayers ──▶ SavingLayers   and an error from each stage to Over
/// ```
pub(super) enum Stage {
    /// The info dictionary is fetched from peers, or looked for on the disk.
    FetchingMetadata,
    /// Piece layers of a v2 torrent are fetched from peers, or looked for on the disk.
    FetchingLayers(LayerFetch),
    /// A job saves the piece layers.
    SavingLayers,
    /// A job opens the content and checks it.
    Checking,
    /// The content is there to be downloaded or seeded.
    Running(Box<Running>),
    /// Trackers and the disk have some time left.
    Stopping(Box<Stopping>),
    /// The torrent has ended, by this error if there is one.
    Over(Option<TorrentError>),
}

/// The waits at the end of a torrent.
pub(super) struct Stopping {
    /// `None` if the torrent was stopped before its content was opened.
    running: Option<Box<Running>>,
    /// The state before.
    state: State,
    trackers_deadline: Instant,
    disk_deadline: Instant,
    /// The disk has not yet reported that the resume data is written.
    is_saving: bool,
}

/// The facts of the engine that the published state depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct EngineFacts {
    pub(super) is_paused: bool,
    pub(super) is_finished: bool,
}

impl EngineFacts {
    /// Whether all wanted pieces are there and no file is too long any more.
    fn is_finished_with(self, running: &Running) -> bool {
        self.is_finished && !running.oversized.is_cutting()
    }
}

impl Stage {
    /// Returns the state to be published.
    pub(super) fn state(&self, engine: EngineFacts) -> State {
        match self {
            Stage::Over(Some(_)) => State::Failed,
            Stage::Over(None) => State::Stopped,
            Stage::Stopping(stopping) => stopping.state(engine),
            _ if engine.is_paused => State::Paused,
            Stage::FetchingMetadata | Stage::FetchingLayers(_) | Stage::SavingLayers => {
                State::FetchingMetadata
            }
            Stage::Checking => State::Checking,
            Stage::Running(running) if engine.is_finished_with(running) => State::Seeding,
            Stage::Running(_) => State::Downloading,
        }
    }

    /// The content, if it is open.
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        match self {
            Stage::Running(running) => Some(running),
            Stage::Stopping(stopping) => stopping.running.as_deref_mut(),
            Stage::FetchingMetadata
            | Stage::FetchingLayers(_)
            | Stage::SavingLayers
            | Stage::Checking
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

    /// The error that the torrent has ended by, if it has.
    pub(super) fn into_error(self) -> Option<TorrentError> {
        match self {
            Stage::Over(error) => error,
            Stage::FetchingMetadata
            | Stage::FetchingLayers(_)
            | Stage::SavingLayers
            | Stage::Checking
            | Stage::Running(_)
            | Stage::Stopping(_) => None,
        }
    }

    /// Begins to stop. `state` is the present one, `is_saving` tells that the resume data is being
    /// written, and `trackers` is the time that trackers have.
    pub(super) fn stop(&mut self, now: Instant, state: State, is_saving: bool, trackers: Duration) {
        let running = match std::mem::replace(self, Stage::Over(None)) {
            Stage::Running(running) => Some(running),
            Stage::FetchingMetadata
            | Stage::FetchingLayers(_)
            | Stage::SavingLayers
            | Stage::Checking => None,
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

    /// Ends a torrent that is stopping once nothing is left to wait for. `told_trackers` says that
    /// all trackers have been told, or have failed.
    pub(super) fn handle_timeout(&mut self, now: Instant, told_trackers: bool) {
        if let Stage::Stopping(stopping) = self
            && (told_trackers || now >= stopping.trackers_deadline)
            && (!stopping.is_saving || now >= stopping.disk_deadline)
        {
            *self = Stage::Over(None);
        }
    }

    /// The next deadline of a torrent that is stopping.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let Stage::Stopping(stopping) = self else { return None };
        let deadlines = [stopping.trackers_deadline, stopping.disk_deadline];
        // One that has passed would wake the driver again and again while it waits for the other.
        deadlines.into_iter().filter(|&deadline| deadline > now).min()
    }
}

impl Stopping {
    fn state(&self, engine: EngineFacts) -> State {
        // The last pieces may be verified while trackers are waited for.
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
        EngineFacts { is_paused, is_finished }
    }

    fn stopping(now: Instant, is_saving: bool) -> Stage {
        let mut stage = Stage::Checking;
        stage.stop(now, State::Checking, is_saving, TRACKERS);
        stage
    }

    #[test]
    fn each_stage_has_a_state() {
        let running = facts(false, false);
        assert_eq!(Stage::FetchingMetadata.state(running), State::FetchingMetadata);
        assert_eq!(Stage::SavingLayers.state(running), State::FetchingMetadata);
        assert_eq!(Stage::Checking.state(running), State::Checking);
        assert_eq!(Stage::Checking.state(facts(true, false)), State::Paused);
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
