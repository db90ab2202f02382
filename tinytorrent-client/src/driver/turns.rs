//! The part of a torrent in what all torrents of the client share.

use std::time::Instant;

use super::Driver;
use crate::ClientLimits;
use crate::conductor::{Standing, TorrentDials};

/// What the conductor has given the torrent.
#[derive(Debug)]
pub(super) struct Turns {
    /// Others have their turn.
    pub(super) is_waiting: bool,
    /// Parts of the limits over all torrents, in bytes a second.
    download: Option<u64>,
    upload: Option<u64>,
    /// Part of the slots over all torrents.
    slots: Option<u32>,
}

impl Turns {
    /// Nothing yet of what is limited, until the conductor has seen the torrent.
    pub(super) fn before_the_first(limits: ClientLimits) -> Self {
        let nothing = |limit: Option<u64>| limit.map(|_| 0);
        Self {
            is_waiting: limits.active_downloads.is_some() || limits.active_seeds.is_some(),
            download: nothing(limits.download),
            upload: nothing(limits.upload),
            slots: limits.upload_slots.map(|_| 0),
        }
    }
}

impl Driver {
    /// The part of the torrent that the queue goes by.
    pub(crate) fn standing(&self) -> Standing {
        // Paused though nobody wanted that: its disk has failed.
        let has_failed = self.swarm.is_paused() && !self.turns.is_waiting;
        Standing {
            wants_to_run: self.lifecycle.options().paused.is_none() && !has_failed,
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
        } else if self.lifecycle.options().paused.is_none() {
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

    /// Slots that the torrent has a use for.
    pub(crate) fn slot_wish(&self) -> usize {
        self.swarm.interested().min(self.lifecycle.options().upload_slots)
    }

    pub(crate) fn slot_part(&self) -> Option<usize> {
        self.turns.slots.map(|slots| slots as usize)
    }

    /// Sets the part of the slots over all torrents.
    pub(crate) fn set_slot_part(&mut self, now: Instant, part: Option<usize>) {
        self.turns.slots = part.map(|part| u32::try_from(part).unwrap_or(u32::MAX));
        self.apply_slots(now);
    }

    /// Passes the slots on to the engine: of its own and of its part, the lower number.
    pub(super) fn apply_slots(&mut self, now: Instant) {
        let own = self.lifecycle.options().upload_slots;
        self.swarm.set_upload_slots(now, self.slot_part().map_or(own, |part| own.min(part)));
    }

    /// The connections that the torrent makes and could make.
    pub(crate) fn dialing(&self, now: Instant) -> TorrentDials {
        let (dials, wish) = self.swarm.dials(now);
        TorrentDials { dials, wish, unspent: self.swarm.dial_credit().unwrap_or_default() }
    }

    pub(crate) fn dial_credit(&self) -> Option<u32> {
        self.swarm.dial_credit()
    }

    /// Sets the number of connections that the torrent may begin from now on.
    pub(crate) fn set_dial_credit(&mut self, now: Instant, credit: Option<u32>) {
        self.swarm.set_dial_credit(now, credit);
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
