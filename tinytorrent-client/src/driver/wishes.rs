//! The wishes of the user, which handles pass on while the torrent runs.

use std::time::Instant;

use tinytorrent_swarm::PeerSource;

use super::Driver;
use crate::session::Entry;
use crate::{PauseReason, PeerAddress, TorrentOptions};

impl Driver {
    /// Adds peers that the user names.
    pub(crate) fn add_user_peers(&mut self, now: Instant, peers: Vec<PeerAddress>) {
        self.add_peers(now, PeerSource::User, peers);
    }

    pub(crate) fn add_trackers(&mut self, now: Instant, tiers: Vec<Vec<String>>) {
        self.user_trackers.add(&tiers);
        self.keeping.add_trackers(&tiers);
        self.options_mut().trackers.extend(tiers.iter().cloned());
        self.swarm.add_trackers(now, tiers);
    }

    pub(crate) fn set_trackers(&mut self, now: Instant, tiers: Vec<Vec<String>>) {
        let of_torrent = &self.keeping.origin().trackers;
        let of_user = self.user_trackers.replace(&tiers, of_torrent);
        self.options_mut().trackers = of_user;
        self.swarm.set_trackers(now, &tiers);
        self.keeping.set_trackers(tiers);
    }

    pub(crate) fn scrape(&mut self, now: Instant) {
        self.swarm.scrape(now);
        // D-64: whoever has a tracker knows better.
        if self.swarm.trackers().next().is_none() && self.uses_dht() {
            self.scrape_dht();
        }
    }

    /// Has the swarm avoid whom the client does.
    pub(crate) fn follow_filter(&mut self, now: Instant) {
        self.swarm.set_blocked(now, self.resources.network.filter().ranges());
    }

    pub(crate) fn pause(&mut self, now: Instant) {
        self.pause_for(now, PauseReason::User);
    }

    /// Pauses the torrent for this reason.
    pub(super) fn pause_for(&mut self, now: Instant, reason: PauseReason) {
        self.options_mut().paused = Some(reason);
        self.leave_dht();
        self.swarm.pause(now);
    }

    pub(crate) fn resume(&mut self, now: Instant) {
        let options = self.options_mut();
        // Whoever goes on after the goal wants more than that.
        options.seed_goals.is_waived |= options.paused == Some(PauseReason::SeedGoal);
        options.paused = None;
        if !self.turns.is_waiting {
            self.swarm.resume(now);
        }
        if self.swarm.is_finished()
            && let Some(job) = self.lifecycle.look(true)
        {
            self.spawn_thread(job);
        }
    }

    pub(crate) fn reannounce(&mut self, now: Instant) {
        self.swarm.reannounce(now);
    }

    pub(crate) fn set_urgent(&mut self, now: Instant, pieces: Vec<u32>) {
        self.swarm.set_urgent(now, pieces);
    }

    pub(crate) fn set_sequential(&mut self, now: Instant, sequential: bool) {
        self.options_mut().sequential = sequential;
        self.swarm.set_sequential(now, sequential);
    }

    pub(crate) fn set_super_seeding(&mut self, now: Instant, super_seeding: bool) {
        self.options_mut().super_seeding = super_seeding;
        self.swarm.set_super_seeding(now, super_seeding);
    }

    pub(crate) fn set_download_limit(&mut self, now: Instant, limit: Option<u64>) {
        self.options_mut().download_limit = limit;
        self.apply_limits(now);
    }

    pub(crate) fn set_upload_limit(&mut self, now: Instant, limit: Option<u64>) {
        self.options_mut().upload_limit = limit;
        self.apply_limits(now);
    }

    pub(crate) fn set_max_peers(&mut self, now: Instant, count: usize) {
        self.options_mut().max_peers = count;
        self.swarm.set_max_peers(now, count);
    }

    pub(crate) fn set_upload_slots(&mut self, now: Instant, count: usize) {
        self.options_mut().upload_slots = count;
        self.apply_slots(now);
    }

    /// The memory of the client has changed.
    pub(crate) fn follow_memory(&mut self, now: Instant) {
        if let Some(budget) = self.lifecycle.store_budget() {
            self.swarm.set_store_budget(now, budget);
        }
    }

    /// The place in the order of the torrents has changed.
    pub(crate) fn keep_position(&mut self) {
        self.keeping.change();
    }

    /// The settings, to be changed and kept.
    pub(super) fn options_mut(&mut self) -> &mut TorrentOptions {
        self.keeping.change();
        self.lifecycle.options_mut()
    }

    /// Takes the torrent out of the kept session. Returns its files there, which are to be removed.
    pub(crate) fn forget(&mut self) -> Option<Entry> {
        self.keeping.take_entry()
    }

    /// Begins to stop. The end comes in a later turn.
    pub(crate) fn stop(&mut self, now: Instant) {
        if !self.lifecycle.stage().is_stopping_or_over() {
            let state = self.state();
            self.leave_dht();
            self.swarm.stop(now);
            let totals = self.totals(now);
            self.lifecycle.stop(now, state, totals);
        }
    }
}
