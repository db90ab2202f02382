use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tinytorrent_types::{InfoHashes, WireInfoHash};
use tinytorrent_wire::mse::ObfuscatedHash;
use tokio::sync::mpsc;

use crate::connection::Incoming;

/// The torrents of a client, by the info-hashes that handshakes name them by.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    torrents: Mutex<HashMap<WireInfoHash, mpsc::Sender<Incoming>>>,
}

/// The entry of one torrent in the registry, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<Registry>,
    hashes: InfoHashes,
    sender: mpsc::Sender<Incoming>,
}

impl Registration {
    /// Adds a torrent. `None` if one of its hashes is there already; then nothing changes.
    pub(crate) fn new(
        registry: &Arc<Registry>,
        hashes: InfoHashes,
        sender: mpsc::Sender<Incoming>,
    ) -> Option<Self> {
        let registry = Arc::clone(registry);
        registry.add(hashes, &sender).then_some(())?;
        Some(Self { registry, hashes, sender })
    }

    pub(crate) fn hashes(&self) -> InfoHashes {
        self.hashes
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.remove(self.hashes, &self.sender);
    }
}

impl Registry {
    /// Adds a torrent. `false` if one of its hashes is there already; then nothing changes.
    fn add(&self, hashes: InfoHashes, sender: &mpsc::Sender<Incoming>) -> bool {
        let mut torrents = self.lock();
        // While an aborted task is dropped, its receiver may be gone before its entry is removed.
        let is_taken = |hash| torrents.get(&hash).is_some_and(|sender| !sender.is_closed());
        if hashes.wire_hashes().any(is_taken) {
            return false;
        }
        torrents.extend(hashes.wire_hashes().map(|hash| (hash, sender.clone())));
        true
    }

    /// Removes a torrent, if it was added with this sender.
    fn remove(&self, hashes: InfoHashes, sender: &mpsc::Sender<Incoming>) {
        let mut torrents = self.lock();
        for hash in hashes.wire_hashes() {
            // The same torrent may have been added again meanwhile.
            if torrents.get(&hash).is_some_and(|found| found.same_channel(sender)) {
                torrents.remove(&hash);
            }
        }
    }

    /// Returns the sender for connections that name this info-hash.
    pub(crate) fn find(&self, hash: WireInfoHash) -> Option<mpsc::Sender<Incoming>> {
        self.lock().get(&hash).cloned()
    }

    /// Returns the info-hash that an encrypted handshake names. A hash is computed for each torrent,
    /// which plain handshakes do not cost.
    pub(crate) fn find_obfuscated(&self, hash: &ObfuscatedHash) -> Option<WireInfoHash> {
        self.lock().keys().copied().find(|torrent| ObfuscatedHash::from(*torrent) == *hash)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WireInfoHash, mpsc::Sender<Incoming>>> {
        // A panic under the lock cannot leave the map in a bad state.
        self.torrents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::InfoHashV1;

    use super::*;

    #[test]
    fn a_torrent_is_added_once_until_it_is_gone() {
        let registry = Registry::default();
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let (sender, inside) = mpsc::channel(1);
        let (other, _other_inside) = mpsc::channel(1);
        assert!(registry.add(hashes, &sender));
        assert!(!registry.add(hashes, &other));
        registry.remove(hashes, &other);
        assert!(registry.find(hashes.to_wire()).is_some());
        drop(inside);
        assert!(registry.add(hashes, &other));
        registry.remove(hashes, &sender);
        assert!(registry.find(hashes.to_wire()).is_some());
        registry.remove(hashes, &other);
        assert!(registry.find(hashes.to_wire()).is_none());
    }
}
