use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts of happenings to a torrent, or to all torrents of a client, since it was added or started.
///
/// Each number only grows. Those of a client include torrents that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Counts {
    /// Received bytes of content.
    pub downloaded: u64,
    /// Those of them that came from web seeds.
    pub downloaded_from_web_seeds: u64,
    /// Sent bytes of content.
    pub uploaded: u64,
    /// Received bytes of content that were of no use.
    pub wasted: u64,
    /// Pieces that were downloaded and verified.
    pub pieces: u64,
    /// Pieces that failed their hash.
    pub hash_failures: u64,
    /// Connections that we tried to make.
    pub dials: u64,
    /// Connections of peers that were let in.
    pub accepted: u64,
    /// Connections of peers that were closed without an answer, as there was no place for them. For a client,
    /// those as well that named none of its torrents.
    pub refused: u64,
    /// Connections, of either side, that ended before both handshakes were through.
    pub failed_connections: u64,
    /// Peers whose handshakes were through.
    pub joined: u64,
    /// Peers that could not be reached and were connected to at the word of another (BEP 55).
    pub introduced: u64,
    /// Peers that were banned for wrong pieces.
    pub banned: u64,
    /// Announces to trackers.
    pub announces: u64,
    /// Announces that failed or were refused.
    pub failed_announces: u64,
    /// Peers in the answers of trackers. One that is in two answers counts twice.
    pub announced_peers: u64,
}

/// The counts of a client, which all of its torrents add to.
#[derive(Debug, Default)]
pub(crate) struct SharedCounts(Mutex<Counts>);

impl SharedCounts {
    pub(crate) fn note(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.lock());
    }

    pub(crate) fn get(&self) -> Counts {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // A panic under the lock cannot leave the numbers in a bad state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
