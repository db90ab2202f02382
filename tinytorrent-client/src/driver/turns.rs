//! The part of a torrent in what all torrents of the client share.

use std::time::Instant;

use super::Driver;
use crate::ClientLimits;
use crate::conductor::Standing;

/// What the conductor has given the torrent.
#[derive(Debug)]
pub(super) struct Turns {
    /// Others have their turn.
    pub(super) is_waiting: bool,
    /// Parts of the limits over all torrents, in bytes a second.
    download: Option<u64>,
    upload: Option<u64>,
}

impl Turns {
    /// Nothing yet of what is limited, until the conductor has seen the torrent.
    pub(super) fn before_the_first(limits: ClientLimits) -> Self {
        let nothing = |limit: Option<u64>| limit.map(|_| 0);
        Self {
            is_waiting: limits.active_downloads.is_some() || limits.active_seeds.is_some(),
            download: nothing(limits.download),
            upload: nothing(limits.upload),
        }
    }
}

impl Driver {
    /// The part of the torrent that the queue goes by.
    pub(crate) fn standing(&self) -> Standing {
        // Paused though nobody wanted that: its disk has failed.
        let has_failed = self.swarm.is_paused() && !self.turns.is_waiting;
        Standing {
            wants_to_run: !self.lifecycle.options().paused && !has_failed,
            is_complete: self.swarm.is_finished(),
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.turns.is_waiting
    }

    /// Lets the torrent wait for its turn, or run.
    pub(crate) fn set_waiting(&mut self, now: Instant, is_waiting: bool) {
        self.turns.is_waiting = is_waiting;
        if is_waiting {
            self.swarm.pause(now);
        } else if !self.lifecycle.options().paused {
            self.swarm.resume(now);
        }
    }

    /// The parts of the limits over all torrents, for both directions.
    pub(crate) fn parts(&self) -> (Option<u64>, Option<u64>) {
        (self.turns.download, self.turns.upload)
    }

    /// Sets the parts of the limits over all torrents.
    pub(crate) fn set_parts(&mut self, now: Instant, download: Option<u64>, upload: Option<u64>) {
        (self.turns.download, self.turns.upload) = (download, upload);
        self.apply_limits(now);
    }

    /// Passes the limits on to the engine: of its own and of its part, the lower one.
    pub(super) fn apply_limits(&mut self, now: Instant) {
        let options = self.lifecycle.options();
        let lower = |own: Option<u64>, part: Option<u64>| own.into_iter().chain(part).min();
        let download = lower(options.download_limit, self.turns.download);
        let upload = lower(options.upload_limit, self.turns.upload);
        self.swarm.set_download_limit(now, download);
        self.swarm.set_upload_limit(now, upload);
    }
}
