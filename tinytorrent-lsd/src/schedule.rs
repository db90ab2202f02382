use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use tinytorrent_types::WireInfoHash;

/// The announcements that are to come: of each torrent at most one a minute, whatever happens.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    torrents: HashMap<WireInfoHash, Times>,
    /// In their order.
    due: BTreeSet<(Instant, WireInfoHash)>,
    /// Torrents that were removed, in the order of removal. A minute later their last announcement is of no more
    /// importance.
    gone: VecDeque<(Instant, WireInfoHash)>,
}

#[derive(Debug, Default)]
struct Times {
    /// The next announcement; `None` if the torrent was removed.
    due: Option<Instant>,
    last: Option<Instant>,
}

/// Time from one announcement of a torrent to the next (BEP 14, "usage").
const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The same at least, whatever happens (BEP 14, "usage").
const LEAST_INTERVAL: Duration = Duration::from_secs(60);

/// Announcements that are due within this time go together. Each is late by a random part of it, so that each torrent
/// is at times the first in its datagram: old clients read no others.
const TOGETHER: Duration = Duration::from_secs(10);

/// Torrents of a datagram at most: as many as fit with the longest port and group, so that all links have the same.
const TORRENTS_OF_DATAGRAM: usize = 25;

impl Schedule {
    /// Adds a torrent, to be announced at this time, or a minute after its last announcement.
    pub(crate) fn insert(&mut self, now: Instant, at: Instant, hash: WireInfoHash) {
        self.forget_gone(now);
        let times = self.torrents.entry(hash).or_default();
        if times.due.is_none() {
            let at = times.not_too_early(at);
            times.due = Some(at);
            self.due.insert((at, hash));
        }
    }

    /// Removes a torrent.
    pub(crate) fn remove(&mut self, now: Instant, hash: WireInfoHash) {
        self.forget_gone(now);
        let Some(due) = self.torrents.get_mut(&hash).and_then(|times| times.due.take()) else {
            return;
        };
        self.due.remove(&(due, hash));
        // The next one to come under this hash is not announced too early.
        self.gone.push_back((now, hash));
    }

    /// Announces a torrent at this time at the latest, or a minute after its last announcement.
    pub(crate) fn hasten(&mut self, at: Instant, hash: WireInfoHash) {
        let Some(times) = self.torrents.get_mut(&hash) else { return };
        let at = times.not_too_early(at);
        let Some(due) = times.due.filter(|due| at < *due) else { return };
        times.due = Some(at);
        self.due.remove(&(due, hash));
        self.due.insert((at, hash));
    }

    /// The same for all torrents.
    pub(crate) fn hasten_all(&mut self, at: Instant) {
        let hashes: Vec<_> = self.due.iter().map(|(_, hash)| *hash).collect();
        hashes.into_iter().for_each(|hash| self.hasten(at, hash));
    }

    /// Time of the next announcement.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Takes the torrents of one datagram, those that are due and others that soon will be. `random` gives a time in a
    /// range.
    pub(crate) fn take(
        &mut self,
        now: Instant,
        mut random: impl FnMut(Range<Duration>) -> Duration,
    ) -> Vec<WireInfoHash> {
        self.forget_gone(now);
        let may_go = |hash: &WireInfoHash| {
            self.torrents.get(hash).is_some_and(|times| times.not_too_early(now) <= now)
        };
        let soon = self.due.iter().take_while(|(due, _)| *due <= now + TOGETHER);
        let hashes = soon.map(|(_, hash)| *hash).filter(may_go);
        let hashes: Vec<_> = hashes.take(TORRENTS_OF_DATAGRAM).collect();
        for hash in &hashes {
            let Some(times) = self.torrents.get_mut(hash) else { continue };
            let due = now + INTERVAL + random(Duration::ZERO..TOGETHER);
            if let Some(old) = times.due.replace(due) {
                self.due.remove(&(old, *hash));
            }
            times.last = Some(now);
            self.due.insert((due, *hash));
        }
        hashes
    }

    /// Forgets the removed torrents whose last announcement was more than a minute ago.
    fn forget_gone(&mut self, now: Instant) {
        while let Some(&(_, hash)) = self.gone.front().filter(|(at, _)| now >= *at + LEAST_INTERVAL)
        {
            self.gone.pop_front();
            if self.torrents.get(&hash).is_some_and(|times| times.due.is_none()) {
                self.torrents.remove(&hash);
            }
        }
    }

    /// Number of torrents that are known, those among them that were removed a moment ago.
    #[cfg(test)]
    pub(crate) fn known(&self) -> usize {
        self.torrents.len()
    }

    /// Checks that the parts agree, and that these torrents are announced and no others.
    ///
    /// # Panics
    /// They do not.
    pub(crate) fn check_invariants<'a>(&self, announced: impl Iterator<Item = &'a WireInfoHash>) {
        for (due, hash) in &self.due {
            assert_eq!(self.torrents[hash].due, Some(*due));
        }
        let (gone, with_due): (Vec<_>, Vec<_>) =
            self.torrents.iter().partition(|(_, times)| times.due.is_none());
        assert_eq!(with_due.len(), self.due.len());
        for (hash, _) in gone {
            assert!(self.gone.iter().any(|(_, gone)| gone == hash));
        }
        let with_due: HashSet<_> = with_due.into_iter().map(|(hash, _)| hash).collect();
        assert_eq!(announced.collect::<HashSet<_>>(), with_due);
    }
}

impl Times {
    /// This time, or a minute after the last announcement.
    fn not_too_early(&self, at: Instant) -> Instant {
        self.last.map_or(at, |last| at.max(last + LEAST_INTERVAL))
    }
}
