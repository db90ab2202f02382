use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tinytorrent_types::WireInfoHash;

use super::admission::{Admission, Request};
use super::connection_id::Key;
use super::figures::{Figures, Totals, Traffic};
use super::{ConnectionIds, ServerConfig, Swarms};
use crate::{Refusal, ScrapeResponse, SwarmCounts};

mod http;
mod udp;

/// A tracker without sockets and clock, for any number of threads: it makes the reply to a datagram
/// ([`handle_datagram`](Self::handle_datagram)) and the response to an HTTP request
/// ([`handle_target`](Self::handle_target)).
///
/// Swarms are in shards, each behind a lock of its own, chosen by a keyed hash of the info-hash. A lock
/// is held for the update of one swarm, and once a minute for a look through the swarms of its shard.
/// The [module](super) has a whole program around it.
#[derive(Debug)]
pub struct Tracker {
    shards: Box<[Mutex<Swarms>]>,
    key: Key,
    connection_ids: ConnectionIds,
    admission: Admission,
    traffic: Traffic,
    allows_full_scrape: bool,
}

impl Tracker {
    /// A tracker without swarms that serves everybody. Connection ids and the choice of peers come
    /// from `seed`, which nobody may be able to guess.
    pub fn new(config: ServerConfig, seed: u64, now: Instant) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let (count, of_shard) = config.split();
        let shards =
            (0..count).map(|_| Mutex::new(Swarms::new(of_shard.clone(), rng.next_u64(), now)));
        Self {
            shards: shards.collect(),
            key: Key::new(rng.next_u64()),
            connection_ids: ConnectionIds::new(rng.next_u64(), now),
            admission: Admission::default(),
            traffic: Traffic::default(),
            allows_full_scrape: config.allows_full_scrape,
        }
    }

    /// Serves those whom `admit` admits: it is called with the source address and the request before
    /// anything else is done. Its [`Refusal`] is the response to the client; of a scrape of several
    /// torrents, those that are refused are answered as unknown.
    ///
    /// It is called on all threads at once, with no lock held, for each announce and each info-hash of
    /// a scrape. What it admitted earlier stays: see [`retain`](Self::retain).
    #[must_use]
    pub fn with_admission(
        self,
        admit: impl Fn(IpAddr, &Request<'_>) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        Self { admission: Admission::new(admit), ..self }
    }

    /// The counts of one swarm; `None` for an unknown swarm.
    pub fn counts(&self, info_hash: WireInfoHash) -> Option<SwarmCounts> {
        self.shard(info_hash).counts(info_hash)
    }

    /// The sizes of all swarms together, and the numbers of requests so far. Takes as long as a few
    /// announces.
    pub fn figures(&self) -> Figures {
        let mut totals = Totals::default();
        self.each_shard(|swarms| totals.add(swarms.totals()));
        self.traffic.figures(totals)
    }

    /// Calls `look` with each swarm, in no order. Announces to the swarms of a shard wait until `look`
    /// has seen all of them, so it must not call this tracker.
    pub fn for_each(&self, mut look: impl FnMut(WireInfoHash, SwarmCounts)) {
        self.each_shard(|swarms| swarms.iter().for_each(|(hash, counts)| look(hash, counts)));
    }

    /// Forgets all swarms for which `keep` returns false, such as those that are no longer on a list.
    /// Announces wait as for [`for_each`](Self::for_each).
    pub fn retain(&self, mut keep: impl FnMut(WireInfoHash, SwarmCounts) -> bool) {
        self.each_shard(|swarms| swarms.retain(&mut keep));
    }

    /// Forgets the peers whose last announce is too old. Announces do so once a minute, so this is for
    /// a tracker that hears of nobody for longer, and has its figures looked at.
    pub fn handle_timeout(&self, now: Instant) {
        self.each_shard(|swarms| swarms.handle_timeout(now));
    }

    /// The response to a scrape of these swarms, or of all if there are none.
    fn scrape(
        &self,
        from: IpAddr,
        info_hashes: &[WireInfoHash],
        url: &[u8],
    ) -> Result<ScrapeResponse, Refusal> {
        let admit =
            |info_hash| self.admission.check(from, &Request { info_hash, announce: None, url });
        let mut response = ScrapeResponse::default();
        if info_hashes.is_empty() {
            if !self.allows_full_scrape {
                return Err(Refusal::new("a scrape needs an info_hash"));
            }
            self.for_each(|hash, counts| response.files.push((hash, counts)));
            response.files.retain(|(hash, _)| admit(*hash).is_ok());
            return Ok(response);
        }
        let mut refused = None;
        for hash in info_hashes {
            match admit(*hash) {
                // An unknown swarm has no peers, as over UDP, where it has to have an entry.
                Ok(()) => response.files.push((*hash, self.shard(*hash).counts_or_zeros(*hash))),
                Err(refusal) => refused = refused.or(Some(refusal)),
            }
        }
        match refused {
            Some(refusal) if response.files.is_empty() => Err(refusal),
            _ => Ok(response),
        }
    }

    fn shard(&self, info_hash: WireInfoHash) -> MutexGuard<'_, Swarms> {
        // Keyed, so that nobody can send all torrents to one shard.
        let shard = self.key.hash(&info_hash) as usize % self.shards.len();
        lock(&self.shards[shard])
    }

    fn each_shard(&self, mut look: impl FnMut(&mut Swarms)) {
        self.shards.iter().for_each(|shard| look(&mut lock(shard)));
    }

    /// Checks the invariants of all shards, for tests and fuzzers.
    ///
    /// # Panics
    /// If an invariant does not hold, which is a bug of this crate.
    pub fn check_invariants(&self) {
        self.each_shard(|swarms| swarms.check_invariants());
    }
}

fn lock(shard: &Mutex<Swarms>) -> MutexGuard<'_, Swarms> {
    // One request that panicked must not end the tracker for all.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
