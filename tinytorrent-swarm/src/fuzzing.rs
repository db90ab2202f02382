//! Entries for the fuzz targets into parts that are not public.

use std::time::Instant;

use tinytorrent_wire::HashRequest;

use crate::{PeerKey, hash_fetch};

/// Reads a recording to its end or to its first error. What was read is written and read again, and has to be the
/// same.
#[cfg(feature = "record")]
pub fn read_recording(start: Instant, bytes: &[u8]) {
    let Ok(mut recording) = crate::record::Recording::new(start, bytes) else { return };
    while let Ok(Some(entry)) = recording.next_entry() {
        recording.check_again(&entry);
    }
}

/// The fetching of hashes from peers.
#[derive(Debug)]
pub struct HashFetch(hash_fetch::HashFetch);

impl HashFetch {
    /// Requests in flight to one peer at most.
    pub const AT_ONCE: usize = hash_fetch::AT_ONCE;

    /// Has to fetch these.
    pub fn new(requests: Vec<HashRequest>) -> Self {
        Self(hash_fetch::HashFetch::new(requests))
    }

    /// The next requests, and the peers to send them to.
    pub fn poll_requests(
        &mut self,
        now: Instant,
        peers: &[PeerKey],
    ) -> Vec<(PeerKey, HashRequest)> {
        self.0.poll_requests(now, peers)
    }

    /// An answer came. Returns `false` if it was not awaited.
    pub fn handle_hashes(&mut self, peer: PeerKey, request: &HashRequest) -> bool {
        self.0.handle_hashes(peer, request)
    }

    /// An answer was looked at.
    pub fn handle_checked(&mut self, peer: PeerKey, request: &HashRequest, is_right: bool) {
        self.0.handle_checked(peer, request, is_right);
    }

    /// The peer will not answer. Returns `false` if it was not asked.
    pub fn handle_reject(&mut self, now: Instant, peer: PeerKey, request: &HashRequest) -> bool {
        self.0.handle_reject(now, peer, request)
    }

    /// The peer is gone.
    pub fn remove_peer(&mut self, peer: PeerKey) {
        self.0.remove_peer(peer);
    }

    /// Gives up on answers that are overdue.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    /// The instant of the next change.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        self.0.poll_timeout(now)
    }
}
