//! When the DHT is asked for peers, and told that we are one (BEP 5).

use std::time::{Duration, Instant};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use tinytorrent_types::{InfoHashes, WireInfoHash};

use crate::config::SwarmConfig;
use crate::contract::Action;
use crate::outbox::Outbox;
use crate::planted::{Bug, is_planted};

/// A look-up of the peers of a torrent in the DHT. They come as
/// [`Input::PeersFound`](crate::Input::PeersFound), as soon as nodes name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookUpTask {
    /// The hash to look up. A hybrid torrent has a look-up for each of its two.
    pub hash: WireInfoHash,
    /// True if the nodes that are closest to the hash are to be told that we are a peer.
    pub announce: bool,
    /// True if we have everything, for whoever counts seeds (BEP 33).
    pub is_seed: bool,
}

/// The look-ups of one torrent that is not private.
#[derive(Debug)]
pub(crate) struct LookUps {
    hashes: InfoHashes,
    /// We accept connections.
    announces: bool,
    /// It is known that the torrent may use the DHT.
    has_begun: bool,
    due: Instant,
    last: Option<Instant>,
    /// Look-ups in a row that were made for want of peers.
    in_vain: u32,
    /// Part of the interval by which torrents of one program keep out of step.
    spread: Duration,
}

/// Time from one look-up to the next. Nodes forget announces after half an hour.
const INTERVAL: Duration = Duration::from_secs(15 * 60);

/// The same while nobody can be found to download from, at first. It doubles with each.
const HUNGRY_INTERVAL: Duration = Duration::from_secs(60);

impl LookUps {
    pub(crate) fn new(now: Instant, config: &SwarmConfig) -> Self {
        // A stream of its own: a look-up more does not change which piece is picked.
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(config.seed ^ 0x6c6f_6f6b_7570);
        Self {
            hashes: config.info_hashes,
            announces: config.listen_port.is_some(),
            has_begun: config.needs_metadata,
            due: now,
            last: None,
            in_vain: 0,
            spread: INTERVAL.mul_f64(chance.random_range(0.0..0.1)),
        }
    }

    /// The content is known, and the torrent is not private.
    pub(crate) fn begin(&mut self) {
        self.has_begun = true;
    }

    /// The torrent goes on after a pause.
    pub(crate) fn restart(&mut self, now: Instant) {
        // Pauses in a row are no reason for many look-ups.
        self.due = self.last.map_or(now, |last| now.max(last + HUNGRY_INTERVAL));
        self.in_vain = 0;
    }

    /// Nobody is left to download from: the next look-up comes sooner, unless many were in vain.
    pub(crate) fn request_more_peers(&mut self) {
        let Some(last) = self.last else { return };
        let wait = HUNGRY_INTERVAL.saturating_mul(1 << self.in_vain.min(8)).min(INTERVAL);
        self.due = self.due.min(last + wait);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.has_begun.then_some(self.due)
    }

    /// Asks for a look-up, if one is due.
    pub(crate) fn look_up(
        &mut self,
        now: Instant,
        is_seed: bool,
        is_hungry: bool,
        out: &mut Outbox,
    ) {
        if !self.has_begun || now < self.due {
            return;
        }
        let is_first = self.last.is_none();
        (self.last, self.due) = (Some(now), now + INTERVAL + self.spread);
        if is_planted(Bug::LooksUpOnce) && !is_first {
            return;
        }
        self.in_vain = if is_hungry { self.in_vain + 1 } else { 0 };
        for hash in self.hashes.wire_hashes() {
            let announce = self.announces;
            out.act(Action::LookUp(LookUpTask { hash, announce, is_seed }));
        }
    }
}
