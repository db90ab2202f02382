//! The commands of the application.

use std::net::SocketAddr;
use std::time::Instant;

use super::{Run, Swarm};
use crate::PeerKey;
use crate::contract::LeaveReason;

impl Swarm {
    /// Pieces that can be [urgent](Self::set_urgent) at once: each that is verified costs a walk over
    /// them.
    pub const MAX_URGENT: usize = 1_024;

    /// Takes in a connection from outside that named this torrent. `None`: refuse it, without an answer.
    ///
    /// With a key, answer with [`handshake`](Self::handshake), naming the hash that the peer named, and
    /// tell [`Input::HandshakeCompleted`](crate::Input::HandshakeCompleted) or
    /// [`Input::ConnectFailed`](crate::Input::ConnectFailed).
    pub fn accept(&mut self, now: Instant, address: SocketAddr) -> Option<PeerKey> {
        self.advance(now);
        if self.is_paused() || !self.roster.admits(&self.peers, address) {
            return None;
        }
        if !self.roster.has_place(&self.peers) {
            // As long as nobody knows what the content is, nobody is useless.
            self.stage.picker()?;
            let useless = self.roster.useless(&self.peers)?;
            self.leave(useless, LeaveReason::Crowded);
            if !self.roster.has_place(&self.peers) {
                return None; // somebody else was waiting for the place
            }
        }
        Some(self.roster.accept(self.now, &mut self.peers, &mut self.out, address))
    }

    /// Leaves all peers and tells the trackers `stopped`. [`resume`](Self::resume) goes on.
    pub fn pause(&mut self, now: Instant) {
        self.advance(now);
        if self.run == Run::Running {
            self.run = Run::Paused;
        }
        for peer in self.peers.keys().collect::<Vec<_>>() {
            self.leave(peer, LeaveReason::Stopped);
        }
        self.trackers.stop(now);
        self.announce();
    }

    /// Goes on after a [`pause`](Self::pause); nothing follows a [`stop`](Self::stop).
    pub fn resume(&mut self, now: Instant) {
        self.advance(now);
        if self.run == Run::Ended {
            return;
        }
        self.run = Run::Running;
        self.trackers.restart(now);
        self.announce();
        self.dial();
    }

    /// Ends the torrent: as [`pause`](Self::pause), for good. Go on driving until
    /// [`is_stopped`](Self::is_stopped), so that the trackers hear of it.
    pub fn stop(&mut self, now: Instant) {
        self.run = Run::Ended;
        self.pause(now);
    }

    /// Adds trackers while the torrent runs, each tier after those that are there.
    pub fn add_trackers(&mut self, now: Instant, tiers: Vec<Vec<String>>) {
        self.advance(now);
        self.trackers.add(now, tiers);
        self.announce();
    }

    /// Asks the trackers for peers as soon as they allow.
    pub fn reannounce(&mut self, now: Instant) {
        self.advance(now);
        self.trackers.reannounce(now);
        self.announce();
    }

    /// Limits the content to ask for from now on, in bytes a second; zero for none, `None` for no limit.
    pub fn set_download_limit(&mut self, now: Instant, bytes_per_second: Option<u64>) {
        self.advance(now);
        self.download.set_limit(bytes_per_second);
    }

    /// Limits the content to send from now on, in bytes a second; zero for none, `None` for no limit.
    pub fn set_upload_limit(&mut self, now: Instant, bytes_per_second: Option<u64>) {
        self.advance(now);
        let (peers, out) = (&mut self.peers, &mut self.out);
        self.upload.set_limit(self.now, peers, out, bytes_per_second);
    }

    /// Fetches these pieces before all others, in this order, from everybody who has them: what a player
    /// will read next. They take the place of those that were urgent before; an empty list goes back to
    /// the rarest first. Those that are there or not wanted are left out, and so is what goes beyond
    /// [`MAX_URGENT`](Self::MAX_URGENT).
    pub fn set_urgent(&mut self, now: Instant, pieces: impl IntoIterator<Item = u32>) {
        self.advance(now);
        let pieces = pieces.into_iter().take(Self::MAX_URGENT);
        match self.stage.picker_mut() {
            Some(picker) => picker.set_urgent(pieces),
            None => self.urgent = pieces.collect(),
        }
        self.download.choice_has_changed();
    }

    /// Bytes that may wait for the disk from now on, before peers are asked for no more.
    pub fn set_store_budget(&mut self, now: Instant, bytes: u64) {
        self.advance(now);
        self.download.set_budget(bytes);
    }
}
