//! What the application asks for.

use std::time::Instant;

use super::Swarm;
use crate::contract::LeaveReason;

impl Swarm {
    /// Pieces that can be [urgent](Self::set_urgent) at once: each that is verified costs a walk over
    /// them.
    pub const MAX_URGENT: usize = 1_024;

    /// Leaves all peers and tells the trackers `stopped`. [`resume`](Self::resume) goes on.
    pub fn pause(&mut self, now: Instant) {
        self.advance(now);
        self.is_running = false;
        let peers: Vec<_> = self.peers.keys().collect();
        for peer in peers {
            self.disconnect(peer, LeaveReason::Stopped);
        }
        self.trackers.stop(now);
        self.poll_trackers();
    }

    /// Goes on after a [`pause`](Self::pause); nothing follows a [`stop`](Self::stop).
    pub fn resume(&mut self, now: Instant) {
        self.advance(now);
        if self.is_ended {
            return;
        }
        self.is_running = true;
        self.trackers.restart(now);
        self.poll_trackers();
        self.connect_more();
    }

    /// Ends the torrent: as [`pause`](Self::pause), for good. Go on driving until
    /// [`is_stopped`](Self::is_stopped), so that the trackers hear of it.
    pub fn stop(&mut self, now: Instant) {
        self.is_ended = true;
        self.pause(now);
    }

    /// Bytes a second of content to ask for from now on; zero for none, `None` for no limit.
    pub fn set_download_limit(&mut self, now: Instant, bytes_per_second: Option<u64>) {
        self.advance(now);
        self.download_limit.set(bytes_per_second);
        self.feed_waiting();
    }

    /// Bytes a second of content to send from now on; zero for none, `None` for no limit.
    pub fn set_upload_limit(&mut self, now: Instant, bytes_per_second: Option<u64>) {
        self.advance(now);
        self.upload_limit.set(bytes_per_second);
        self.serve_waiting();
    }

    /// Pieces to fetch before all others, in this order, from everybody who has them: what a player will
    /// read next. They take the place of those that were urgent before; an empty list goes back to the
    /// rarest first. Those that are there or not wanted are left out, and so is what goes beyond
    /// [`MAX_URGENT`](Self::MAX_URGENT).
    pub fn set_urgent(&mut self, now: Instant, pieces: impl IntoIterator<Item = u32>) {
        self.advance(now);
        let pieces = pieces.into_iter().take(Self::MAX_URGENT);
        match &mut self.picker {
            Some(picker) => picker.set_urgent(pieces),
            None => self.urgent = pieces.collect(),
        }
        self.feed_waiting();
    }

    /// Bytes that the disk may owe us from now on before we stop asking peers for more.
    pub fn set_store_budget(&mut self, now: Instant, bytes: u64) {
        self.advance(now);
        self.config.store_budget = bytes;
        self.feed_waiting();
    }
}
