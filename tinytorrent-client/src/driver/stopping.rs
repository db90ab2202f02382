//! The end of a torrent, in good order and in bounded time.

use std::time::{Duration, Instant};

use super::Driver;
use crate::torrent::State;
use crate::{Event, TorrentError};

/// How long the disk may take to write what is in memory and the resume data. With some slack
/// below the 5 s that [`Torrent::stop`](crate::Torrent::stop) promises.
const DISK_PATIENCE: Duration = Duration::from_millis(4_500);

/// How often the resume data is written while something changes. After a kill, what was written
/// since has to be hashed again, which takes a minute's writing much less than a minute.
pub(super) const SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// What is waited for, and how long.
#[derive(Debug)]
pub(super) struct Stopping {
    trackers_until: Instant,
    disk_until: Instant,
    /// The disk has not yet said that the resume data is written.
    pub(super) is_saving: bool,
}

impl Driver {
    pub(super) fn begin_to_stop(&mut self, now: Instant) {
        if self.stopping.is_some() {
            return;
        }
        self.swarm.stop(now);
        let stats = self.swarm.stats(now);
        self.stopping = Some(Stopping {
            trackers_until: now + self.client.options.stop_patience,
            disk_until: now + DISK_PATIENCE,
            is_saving: self.save(&stats),
        });
    }

    /// When the resume data is due to be written, if there is any.
    pub(super) fn next_save(&self) -> Option<Instant> {
        (self.data.is_some() && self.stopping.is_none()).then_some(self.save_at)
    }

    pub(super) fn save_in_time(&mut self, now: Instant) {
        if self.next_save().is_some_and(|at| at <= now) {
            self.save_at = now + SAVE_INTERVAL;
            let stats = self.swarm.stats(now);
            if self.saved_bytes != stats.have_bytes {
                self.saved_bytes = stats.have_bytes;
                self.save(&stats);
            }
        }
    }

    pub(super) fn on_saved(&mut self) {
        if let Some(stopping) = &mut self.stopping {
            stopping.is_saving = false;
        }
    }

    /// Whether there is nothing left to be done or to be waited for.
    pub(super) fn is_over(&self) -> bool {
        if self.failure.is_some() {
            return true;
        }
        let Some(stopping) = &self.stopping else { return false };
        let now = Instant::now();
        (self.swarm.is_stopped() || now >= stopping.trackers_until)
            && (!stopping.is_saving || now >= stopping.disk_until)
    }

    /// When something that is waited for on the way to the end is given up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let stopping = self.stopping.as_ref()?;
        let now = Instant::now();
        [stopping.trackers_until, stopping.disk_until].into_iter().filter(|&at| at > now).min()
    }

    /// Tells everybody that it is over.
    pub(super) fn end(mut self) {
        self.client.registry.remove(self.hashes, &self.door);
        let stats = self.swarm.stats(Instant::now());
        let error = self.failure.take();
        self.tell(error.clone().map_or(Event::Stopped, Event::Failed));
        self.status.send_modify(|status| {
            status.state = if error.is_some() { State::Failed } else { State::Stopped };
            status.error = Some(error.unwrap_or(TorrentError::Stopped));
            status.stats = stats;
        });
    }
}
