//! The wishes of the user and of the program while the torrent runs.

use std::sync::Arc;
use std::time::Instant;

use tinytorrent_types::{Bitfield, IpRanges};

use super::{Run, Swarm};
use crate::contract::{Event, LeaveReason};
use crate::piece::Priorities;
use crate::planted::{Bug, is_planted};
use crate::stage::Stage;

impl Swarm {
    /// Leaves all peers and tells the trackers `stopped`. [`resume`](Self::resume) goes on.
    pub fn pause(&mut self, now: Instant) {
        self.advance(now);
        if self.run == Run::Running {
            self.run = Run::Paused;
        }
        self.cancel_fetches();
        if !is_planted(Bug::StaysConnected) {
            self.leave_all(LeaveReason::Stopped);
        }
        if !is_planted(Bug::StopsSilently) {
            self.trackers.stop(now);
        }
        self.announce();
    }

    /// Goes on after a [`pause`](Self::pause); nothing follows a [`stop`](Self::stop).
    pub fn resume(&mut self, now: Instant) {
        self.advance(now);
        if self.run == Run::Ended || is_planted(Bug::StaysPaused) {
            return;
        }
        self.run = Run::Running;
        self.roster.note_gift(now);
        let progress = self.progress();
        self.trackers.restart(now, progress);
        self.announce();
        if let Some(look_ups) = &mut self.look_ups {
            look_ups.restart(now);
        }
        self.look_up();
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

    /// Replaces the trackers by others, in tiers (BEP 12). Those that are in both lists go on as they are;
    /// those that are removed are sent `stopped` if they know us, and their peers are used no more. A private
    /// torrent whose tracker in use is removed leaves all peers (BEP 27). The time grows with the product
    /// of the lengths of both lists.
    pub fn set_trackers(&mut self, now: Instant, tiers: &[Vec<String>]) {
        self.advance(now);
        if self.trackers.set(now, tiers) {
            self.on_tracker_changed();
        }
        self.announce();
    }

    /// Asks all trackers for the numbers of their peers (BEP 48). One that was scraped less than a minute
    /// ago, or than it wants, is left out. [`trackers`](Self::trackers) has the numbers once an event
    /// tells that they are there.
    pub fn scrape(&mut self, now: Instant) {
        self.advance(now);
        if self.run != Run::Ended {
            self.trackers.scrape(now, &mut self.out);
        }
    }

    /// Asks the trackers for peers as soon as they allow.
    pub fn reannounce(&mut self, now: Instant) {
        self.advance(now);
        self.trackers.reannounce(now);
        self.announce();
    }

    /// Changes the port that others are told to connect to, as when a gateway maps another one. Trackers are told at
    /// once, the DHT with the next look-up, and peers when they connect.
    pub fn set_listen_port(&mut self, now: Instant, port: Option<u16>) {
        self.advance(now);
        self.roster.set_listen_port(port);
        self.extensions.set_listen_port(port);
        if self.trackers.set_listen_port(port) {
            self.trackers.reannounce(now);
            self.announce();
        }
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

    /// Fetches the pieces in the order of the content from now on, or the rarest first.
    pub fn set_sequential(&mut self, now: Instant, sequential: bool) {
        self.advance(now);
        self.picking.is_sequential = sequential;
        if let Some(picker) = self.stage.picker_mut() {
            picker.set_sequential(sequential);
        }
        self.download.choice_has_changed();
    }

    /// Starts pieces of high priority before all others from now on, and those of low priority after them,
    /// however rare they are; a piece in both sets has the high one. What was begun is completed nevertheless,
    /// and peers that have nothing better are asked for what comes later. With two empty sets all are equal.
    /// [Urgent](Self::set_urgent) pieces come before, and while pieces are fetched in order, priorities have no
    /// effect. May be told before the content is known. The time grows with the number of pieces.
    ///
    /// Sets for another number of pieces than the content has are ignored.
    pub fn set_priorities(&mut self, now: Instant, low: Bitfield, high: Bitfield) {
        self.advance(now);
        let are_equal = low.is_empty() && high.is_empty();
        let priorities = (!are_equal).then(|| Box::new(Priorities::new(low, high)));
        if are_equal && self.picking.priorities.is_none() {
            return;
        }
        self.picking.priorities.clone_from(&priorities);
        if let Some(picker) = self.stage.picker_mut() {
            picker.set_priorities(priorities);
            self.download.choice_has_changed();
        }
    }

    /// Fetches these pieces from now on, and no others. Does nothing until the content is known:
    /// [`Content::wanted`](crate::Content::wanted) says what to begin with.
    ///
    /// Requests for other pieces are cancelled, and blocks of them that are here are kept. If every wanted
    /// piece is verified, the download is finished as by its last piece. The time grows with the number of
    /// pieces.
    ///
    /// # Panics
    /// Panics if the set has another number of pieces than the content.
    pub fn set_wanted(&mut self, now: Instant, wanted: Bitfield) {
        self.advance(now);
        let Some(picker) = self.stage.picker_mut() else { return };
        assert_eq!(wanted.piece_count(), picker.geometry().piece_count());
        let was_finished = picker.is_finished();
        for peer in self.peers.iter_mut() {
            self.download.take_back_unwanted(now, peer, picker, &mut self.out, &wanted);
        }
        if let Some(seeds) = &mut self.web_seeds {
            seeds.cancel_unwanted(&wanted, &mut self.download, picker, &mut self.out);
        }
        picker.set_wanted(wanted);
        for peer in self.peers.iter_mut() {
            self.download.recount(now, peer, picker, &mut self.out);
        }
        self.hurry(false);
        self.download.choice_has_changed();
        match (was_finished, self.stage.is_finished()) {
            (false, true) => self.on_finished(),
            (true, false) => self.on_unfinished(),
            (true, true) | (false, false) => {}
        }
    }

    /// The content is about to be looked at again: all peers are left, and what is there is not known until
    /// [`Input::ContentReady`](crate::Input::ContentReady) comes again. Until then no block is taken or given.
    /// Trackers do not notice. Does nothing until the content is known.
    ///
    /// A driver has to drop the actions on blocks and pieces of before. Their outcomes are ignored, but
    /// for [`Input::BlocksWritten`](crate::Input::BlocksWritten).
    pub fn begin_check(&mut self, now: Instant) {
        self.advance(now);
        if self.stage.picker().is_none() {
            return;
        }
        let was_finished = self.stage.is_finished();
        // While it is known what they were asked for. Nobody takes their places.
        for peer in self.peers.keys().collect::<Vec<_>>() {
            self.part(peer, LeaveReason::Checking);
        }
        self.cancel_fetches();
        self.stage = Stage::Checking { is_again: true };
        self.download.begin_check();
        if was_finished {
            self.out.tell(Event::Unfinished);
        }
    }

    /// Connections at most from now on. Those beyond are left: first those that are being made, then those
    /// over which no block has moved for the longest time.
    pub fn set_max_peers(&mut self, now: Instant, count: usize) {
        self.advance(now);
        self.roster.set_max_peers(count);
        let mut keys: Vec<_> =
            self.peers.iter().map(|peer| (peer.used_at(), peer.joined, peer.key)).collect();
        // Those that gave or took something last stay.
        keys.sort_unstable();
        let pending: Vec<_> = self.peers.pending().map(|(key, _)| key).collect();
        let to_leave = pending.into_iter().chain(keys.into_iter().map(|(.., key)| key));
        for key in to_leave.take(self.peers.len().saturating_sub(count)).collect::<Vec<_>>() {
            self.part(key, LeaveReason::Crowded);
        }
        self.dial();
    }

    /// Sets the addresses that the user avoids, in place of those of before; `None` for none. Peers there are left, known
    /// addresses are forgotten, and from now on nobody there is connected to or accepted, whoever tells of him: the user
    /// as well.
    pub fn set_blocked(&mut self, now: Instant, ranges: Option<Arc<IpRanges>>) {
        self.advance(now);
        for peer in self.roster.block(ranges, &self.peers) {
            self.part(peer, LeaveReason::Blocked);
        }
        self.replace();
    }

    /// Connections that may be begun from now on, as a program with many torrents gives each its part of a
    /// limit over all (S-28). `None` is any number, as at the start. Each connection that is begun takes one.
    pub fn set_dial_credit(&mut self, now: Instant, credit: Option<u32>) {
        self.advance(now);
        self.roster.set_dial_credit(credit);
        self.dial();
    }

    /// Peers to serve at a time at most from now on, the optimistic one included.
    pub fn set_upload_slots(&mut self, now: Instant, count: usize) {
        self.advance(now);
        let is_seeding = self.stage.is_finished();
        self.upload.set_slots(self.now, &mut self.peers, &mut self.out, count, is_seeding);
    }

    /// Bytes that may wait for the disk from now on, before peers are asked for no more.
    pub fn set_store_budget(&mut self, now: Instant, bytes: u64) {
        self.advance(now);
        self.download.set_budget(bytes);
    }

    /// Bytes of memory for metadata from now on, while it is being fetched. What does not fit any more is
    /// dropped, but for metadata that is with [`Action::CheckMetadata`](crate::Action::CheckMetadata). With
    /// zero no peer is asked for any.
    pub fn set_metadata_memory(&mut self, now: Instant, bytes: u64) {
        self.advance(now);
        if let Stage::Metadata(fetch) = &mut self.stage {
            if fetch.is_held_back() {
                // Nobody could give anything until now.
                self.roster.note_gift(now);
            }
            fetch.set_memory(bytes);
            self.fetch();
        }
    }
}
