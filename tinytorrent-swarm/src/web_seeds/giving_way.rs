//! The end game (BEP 3) between web seeds and peers: who has nothing left to be asked for takes over what others are slow
//! to send.

use std::time::{Duration, Instant};

use tinytorrent_types::{BLOCK_LENGTH, PieceIndex};

use super::{WebSeed, WebSeeds};
use crate::PeerKey;
use crate::contract::{Action, FetchKey};
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
        let patience = |piece: PieceIndex| {
            let idle = idle.iter().filter_map(|&key| peers.get(key));
            let able = idle.filter(|peer| peer.pieces().is_some_and(|has| has.contains(piece)));
            able.map(Download::patience).min()
        };
        let mut has_given = false;
        for seed in self.seeds.iter_mut().filter(|seed| !seed.fetches.is_empty()) {
            let has_cut = seed.give_way(now, patience, download, picker);
            has_given |= has_cut;
            let key = seed.key;
            let count = seed.fetches.len();
            seed.fetches.retain(|fetch| {
                let is_over = fetch.blocks.is_empty();
                if is_over {
                    let fetch = FetchKey { seed: key, number: fetch.number };
                    out.act(Action::CancelFetch { fetch });
                }
                !is_over
            });
            match has_cut {
                // It is as slow as one that does not answer.
                true if seed.fetches.is_empty() && count > 0 => seed.pace.note_failure(now),
                true => seed.pace.note_overtaken(),
                false => {}
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

    /// Cuts the fetches whose end a peer would send sooner. Returns true if one was cut.
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
        let mut has_cut = false;
        for fetch in &mut self.fetches {
            let Some(patience) = fetch.blocks.back().and_then(|last| patience(last.piece())) else {
                continue;
            };
            let silence = now.saturating_duration_since(fetch.last);
            let since = now.saturating_duration_since(fetch.left_alone);
            if wait.max(silence) <= patience || since < patience {
                // Whether it keeps its promise shows a little later.
                download.look_again(now);
                continue;
            }
            let keep = if silence > SILENCE { 0 } else { fetch.blocks.len() / 2 };
            let given = fetch.blocks.split_off(keep);
            let granted = fetch.granted.min(keep as u32);
            download.repay_fetch((fetch.granted - granted) as usize);
            (fetch.granted, fetch.left_alone, fetch.is_cut) = (granted, now, true);
            given.into_iter().for_each(|block| picker.release(self.key.source(), block));
            has_cut = true;
        }
        if has_cut {
            download.on_fetch_released();
        }
        has_cut
    }
}
