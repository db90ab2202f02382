//! The end game (BEP 3) between web seeds and peers: who has nothing left to be asked for takes over what others are slow
//! to send.

use std::time::{Duration, Instant};

use tinytorrent_types::{BLOCK_LENGTH, PieceIndex};

use super::{Fetch, WebSeed, WebSeeds, give_back};
use crate::PeerKey;
use crate::download::Download;
use crate::outbox::Outbox;
use crate::peers::Peers;
use crate::piece::Picker;

/// Peers are looked at again after this time.
const PAUSE: Duration = Duration::from_millis(500);

/// A fetch of which nothing came for so long is given up whole.
const SILENCE: Duration = Duration::from_secs(2);

impl WebSeeds {
    /// These peers have nothing left to be asked for: web seeds give up half of what they would be slow to give, again
    /// and again, until the peers are quicker no more. Returns true if something was given up.
    pub(crate) fn give_way(
        &mut self,
        now: Instant,
        idle: &[PeerKey],
        peers: &Peers,
        download: &mut Download,
        picker: &mut Picker,
        out: &mut Outbox,
    ) -> bool {
        if idle.is_empty() {
            return false;
        }
        let patience = |piece: PieceIndex| {
            let idle = idle.iter().filter_map(|&key| peers.get(key));
            let able = idle.filter(|peer| peer.pieces().is_some_and(|has| has.contains(piece)));
            able.map(Download::patience).min()
        };
        let mut has_given = false;
        for seed in &mut self.seeds {
            if !seed.give_way(now, patience, download, picker) {
                continue;
            }
            has_given = true;
            // One that is complete, and not cut, is about to be told of by the driver.
            let is_over = |fetch: &Fetch| fetch.is_cut && fetch.blocks.is_empty();
            seed.cancel(is_over, download, Some(picker), out);
            if seed.fetches.is_empty() {
                // It is as slow as one that does not answer.
                seed.pace.note_failure(now);
            } else {
                seed.pace.note_overtaken();
            }
        }
        has_given
    }

    /// A web seed that has nothing left to be asked for gets what peers are slow to send. Returns true if there was
    /// something.
    pub(crate) fn take_over(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        download: &mut Download,
        picker: &mut Picker,
        out: &mut Outbox,
    ) -> bool {
        if self.looked.is_some_and(|looked| now < looked + PAUSE) || download.is_held_back() {
            return false;
        }
        let Some(seed) = self.seeds.iter().find(|seed| seed.has_time(picker)) else { return false };
        self.looked = Some(now);
        let has = |piece| seed.lacks.as_ref().is_none_or(|lacks| !lacks.contains(piece));
        download.take_from_slow(now, peers, picker, out, has)
    }
}

impl WebSeed {
    fn has_time(&self, picker: &Picker) -> bool {
        let is_able = !self.is_useless() && self.pace.rests_until().is_none();
        is_able && self.fetches.is_empty() && self.course.is_at_end(picker)
    }

    /// Gives up half of what is to come, the newest fetches first, and all of those that are silent, if a peer would send
    /// it sooner. Returns true if something was given up.
    fn give_way(
        &mut self,
        now: Instant,
        patience: impl Fn(PieceIndex) -> Option<Duration>,
        download: &mut Download,
        picker: &mut Picker,
    ) -> bool {
        let blocks: usize = self.fetches.iter().map(|fetch| fetch.blocks.len()).sum();
        let rate = self.meter.bytes_per_second(now).max(1);
        let wait = Duration::from_secs(blocks as u64 * u64::from(BLOCK_LENGTH) / rate);
        let alone = self.left_alone.map(|since| now.saturating_duration_since(since));
        // Those that are not begun cost the server nothing.
        let mut to_give = blocks.div_ceil(2);
        let mut has_given = false;
        for fetch in self.fetches.iter_mut().rev() {
            let Some(patience) = fetch.blocks.back().and_then(|last| patience(last.piece())) else {
                continue;
            };
            let silence = now.saturating_duration_since(fetch.last);
            if wait.max(silence) <= patience || alone.is_some_and(|alone| alone < patience) {
                // Whether it keeps its promise shows a little later.
                download.look_again(now);
                continue;
            }
            let count = fetch.blocks.len();
            let keep = if silence > SILENCE { 0 } else { count.saturating_sub(to_give) };
            to_give = to_give.saturating_sub(count - keep);
            if keep < count {
                let given = fetch.blocks.split_off(keep);
                let granted = fetch.granted.min(keep as u32);
                let repaid = fetch.granted - granted;
                (fetch.granted, fetch.is_cut, has_given) = (granted, true, true);
                give_back(self.key, given, repaid, download, Some(picker));
            }
        }
        if has_given {
            self.left_alone = Some(now);
        }
        has_given
    }
}
