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
    /// What has happened to all torrents, those that have ended included.
    pub(crate) counts: SharedCounts,
}

#[derive(Debug, Default)]
struct Table {
    /// By the numbers of their additions.
    torrents: BTreeMap<u64, Arc<Shared>>,
    /// By the info-hashes that handshakes name them by.
    numbers: HashMap<WireInfoHash, u64>,
    /// The info-hashes, by what encrypted handshakes name instead (MSE).
    obfuscated: HashMap<ObfuscatedHash, WireInfoHash>,
    next: u64,
    is_closed: bool,
}

/// The entry of one torrent in the registry, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<Registry>,
    hashes: InfoHashes,
    number: u64,
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
        let number = table.next;
        table.next += 1;
        let torrent = torrent(number);
        table.torrents.insert(number, Arc::clone(&torrent));
        for hash in hashes.wire_hashes() {
            table.numbers.insert(hash, number);
            table.obfuscated.insert(ObfuscatedHash::from(hash), hash);
        }
        let registry = Arc::clone(registry);
        Ok((Self { registry, hashes, number }, torrent))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut table = self.registry.lock();
        table.torrents.remove(&self.number);
        for hash in self.hashes.wire_hashes() {
            table.numbers.remove(&hash);
            table.obfuscated.remove(&ObfuscatedHash::from(hash));
        }
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

    /// Returns all torrents, in the order of their addition.
    pub(crate) fn all(&self) -> Vec<Arc<Shared>> {
        self.lock().torrents.values().cloned().collect()
    }

    /// Numbers torrents from here on.
    pub(crate) fn begin_at(&self, number: u64) {
        let mut table = self.lock();
        table.next = table.next.max(number);
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
