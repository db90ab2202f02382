use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tinytorrent_types::{InfoHashes, WireInfoHash};
use tinytorrent_wire::mse::ObfuscatedHash;
use tokio::sync::mpsc;

use crate::connection::Incoming;

/// The torrents of a client, by the hashes they go by on the wire.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    torrents: Mutex<HashMap<WireInfoHash, mpsc::Sender<Incoming>>>,
}

impl Registry {
    /// Adds a torrent. `false` if one of its hashes is there already; then nothing changes.
    pub(crate) fn add(&self, hashes: InfoHashes, door: &mpsc::Sender<Incoming>) -> bool {
        let mut torrents = self.lock();
        // A torrent that has ended without a word makes room.
        let is_taken = |hash| torrents.get(&hash).is_some_and(|door| !door.is_closed());
        if hashes.wire_hashes().any(is_taken) {
            return false;
        }
        torrents.extend(hashes.wire_hashes().map(|hash| (hash, door.clone())));
        true
    }

    /// Takes a torrent out that was added with this door.
    pub(crate) fn remove(&self, hashes: InfoHashes, door: &mpsc::Sender<Incoming>) {
        let mut torrents = self.lock();
        for hash in hashes.wire_hashes() {
            if torrents.get(&hash).is_some_and(|found| found.same_channel(door)) {
                torrents.remove(&hash);
            }
        }
    }

    /// Where to send those who ask for this hash.
    pub(crate) fn find(&self, hash: WireInfoHash) -> Option<mpsc::Sender<Incoming>> {
        self.lock().get(&hash).cloned()
    }

    /// The torrent that somebody means who hides which one it is. For each torrent one hash is
    /// computed, and only strangers that hide cost it.
    pub(crate) fn find_obfuscated(&self, hash: &ObfuscatedHash) -> Option<WireInfoHash> {
        self.lock().keys().copied().find(|torrent| ObfuscatedHash::from(*torrent) == *hash)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WireInfoHash, mpsc::Sender<Incoming>>> {
        // Nothing under the lock can panic half-way.
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
        let (door, inside) = mpsc::channel(1);
        let (other, _other_inside) = mpsc::channel(1);
        assert!(registry.add(hashes, &door));
        assert!(!registry.add(hashes, &other));
        registry.remove(hashes, &other);
        assert!(registry.find(hashes.to_wire()).is_some());
        drop(inside);
        assert!(registry.add(hashes, &other));
        registry.remove(hashes, &door);
        assert!(registry.find(hashes.to_wire()).is_some());
        registry.remove(hashes, &other);
        assert!(registry.find(hashes.to_wire()).is_none());
    }
}
