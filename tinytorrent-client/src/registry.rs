use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tinytorrent_types::{InfoHashes, WireInfoHash};
use tinytorrent_wire::mse::ObfuscatedHash;

use crate::figures::SharedCounts;
use crate::torrent::Shared;

/// The torrents of a client.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    table: Mutex<Table>,
    /// The counts of all torrents, those that have ended included.
    pub(crate) counts: SharedCounts,
}

#[derive(Debug, Default)]
struct Table {
    /// In their order, by numbers between which others fit.
    torrents: BTreeMap<u64, Arc<Shared>>,
    /// The numbers, by the info-hashes that handshakes name the torrents by.
    numbers: HashMap<WireInfoHash, u64>,
    /// The info-hashes, by what encrypted handshakes name instead (MSE).
    obfuscated: HashMap<ObfuscatedHash, WireInfoHash>,
    /// The least number for the next one.
    next: u64,
    is_closed: bool,
}

/// The entry of one torrent in the registry, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<Registry>,
    /// One of its info-hashes.
    name: WireInfoHash,
}

/// The reason for which a torrent cannot be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// One of its hashes is there already.
    Duplicate,
    /// The client is shut down.
    Closed,
}

impl Registration {
    /// Enters a torrent.
    ///
    /// # Errors
    /// It is refused, and nothing changes.
    pub(crate) fn new(
        registry: &Arc<Registry>,
        hashes: InfoHashes,
        torrent: impl FnOnce(u64) -> Arc<Shared>,
    ) -> Result<(Self, Arc<Shared>), Refused> {
        let mut table = registry.lock();
        if table.is_closed {
            return Err(Refused::Closed);
        }
        if hashes.wire_hashes().any(|hash| table.numbers.contains_key(&hash)) {
            return Err(Refused::Duplicate);
        }
        let number = table.number_for_next();
        let torrent = torrent(number);
        table.torrents.insert(number, Arc::clone(&torrent));
        for hash in hashes.wire_hashes() {
            table.numbers.insert(hash, number);
            table.obfuscated.insert(ObfuscatedHash::from(hash), hash);
        }
        let registry = Arc::clone(registry);
        Ok((Self { registry, name: hashes.to_wire() }, torrent))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut table = self.registry.lock();
        let number = table.numbers.get(&self.name).copied();
        let Some(torrent) = number.and_then(|number| table.torrents.remove(&number)) else {
            return;
        };
        for hash in torrent.hashes.wire_hashes() {
            table.numbers.remove(&hash);
            table.obfuscated.remove(&ObfuscatedHash::from(hash));
        }
        // Its end may have more to do than the lock is to be held for.
        drop(table);
        drop(torrent);
    }
}

impl Registry {
    /// Returns the torrent that this info-hash names.
    pub(crate) fn find(&self, hash: WireInfoHash) -> Option<Arc<Shared>> {
        let table = self.lock();
        let number = table.numbers.get(&hash)?;
        table.torrents.get(number).cloned()
    }

    /// Returns the torrent that has one of these info-hashes.
    pub(crate) fn find_any(&self, hashes: InfoHashes) -> Option<Arc<Shared>> {
        hashes.wire_hashes().find_map(|hash| self.find(hash))
    }

    /// Returns the info-hash that an encrypted handshake names.
    pub(crate) fn find_obfuscated(&self, hash: &ObfuscatedHash) -> Option<WireInfoHash> {
        self.lock().obfuscated.get(hash).copied()
    }

    /// Returns all torrents, in their order: that of their addition, unless they were moved.
    pub(crate) fn all(&self) -> Vec<Arc<Shared>> {
        self.lock().torrents.values().cloned().collect()
    }

    /// Numbers the next torrent so, or higher if that number is taken. They come in ascending order.
    pub(crate) fn begin_at(&self, number: u64) {
        self.lock().next = number;
    }

    /// The number of a torrent, by which its place in the order is kept.
    pub(crate) fn number(&self, hashes: InfoHashes) -> Option<u64> {
        self.lock().number(hashes)
    }

    /// The place of a torrent in the order, from 0.
    pub(crate) fn place(&self, hashes: InfoHashes) -> Option<usize> {
        let table = self.lock();
        let number = table.number(hashes)?;
        Some(table.torrents.range(..number).count())
    }

    /// Moves a torrent to this place in the order, or to the last one. Returns those whose numbers have changed.
    pub(crate) fn move_to(&self, hashes: InfoHashes, place: usize) -> Vec<Arc<Shared>> {
        let mut table = self.lock();
        let Some(number) = table.number(hashes) else { return Vec::new() };
        let Some(torrent) = table.torrents.remove(&number) else { return Vec::new() };
        let mut around = table.torrents.keys().copied().skip(place.saturating_sub(1));
        let before = if place == 0 { None } else { around.next() };
        let after = around.next();
        // Beyond the last place, there is nobody behind the last one.
        let last = table.torrents.keys().next_back().copied();
        let before = before.or_else(|| last.filter(|_| place > 0));
        if let Some(number) = between(before, after) {
            table.put(number, &torrent);
            return vec![torrent];
        }
        // There is no number left there.
        let mut order: Vec<_> = std::mem::take(&mut table.torrents).into_values().collect();
        order.insert(place.min(order.len()), torrent);
        for (number, torrent) in (1..).map(|place| BASE + place * GAP).zip(&order) {
            table.put(number, torrent);
        }
        order
    }

    /// Takes in no more torrents.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // A panic under the lock cannot leave the tables in a bad state.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn number(&self, hashes: InfoHashes) -> Option<u64> {
        hashes.wire_hashes().find_map(|hash| self.numbers.get(&hash).copied())
    }

    /// A number behind those of all torrents.
    fn number_for_next(&mut self) -> u64 {
        let last = self.torrents.keys().next_back();
        let wanted = std::mem::take(&mut self.next);
        match last {
            Some(last) if wanted > *last => wanted,
            // No session ever has so many.
            Some(last) => last.saturating_add(GAP),
            None if wanted > 0 => wanted,
            None => BASE,
        }
    }

    /// Enters a torrent under this number.
    fn put(&mut self, number: u64, torrent: &Arc<Shared>) {
        for hash in torrent.hashes.wire_hashes() {
            self.numbers.insert(hash, number);
        }
        self.torrents.insert(number, Arc::clone(torrent));
    }
}

/// A number between two others, which may be missing; `None` if there is none.
fn between(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    let number = match (before, after) {
        (None, None) => BASE,
        (None, Some(after)) => after.checked_sub(GAP).unwrap_or(after / 2),
        (Some(before), None) => before.checked_add(GAP)?,
        (Some(before), Some(after)) => before + (after - before) / 2,
    };
    let is_between =
        before.is_none_or(|before| before < number) && after.is_none_or(|after| number < after);
    is_between.then_some(number)
}

/// The number of the first torrent. A million others fit before it.
const BASE: u64 = 1 << 40;

/// The distance of the numbers of two torrents. At least twenty moves fit between them.
const GAP: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_number_between_two_as_long_as_they_are_apart() {
        assert_eq!(between(None, None), Some(BASE));
        assert_eq!(between(Some(7), Some(9)), Some(8));
        assert_eq!(between(Some(7), Some(8)), None);
        assert_eq!(between(None, Some(1)), Some(0));
        assert_eq!(between(None, Some(0)), None);
        assert_eq!(between(Some(u64::MAX), None), None);
        assert_eq!(between(Some(BASE), None), Some(BASE + GAP));
    }
}
