use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_types::WireInfoHash;

use super::queue::Rank;
use crate::PeerKey;
use crate::contract::{PeerSource, Transport};

/// All that is known of an address but itself. There may be thousands, so that each byte counts.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) source: PeerSource,
    /// Visits that came to nothing since it proved useful.
    pub(super) failures: u16,
    pub(super) state: State,
    pub(super) use_of_it: Use,
    /// The hash by which the peer knew the torrent at the last visit.
    pub(super) known_as: Option<WireInfoHash>,
    /// The transport to try first: that of the last visit, or the other if the peer hung up on it.
    pub(super) first: Option<Transport>,
    pub(super) introducer: Introducer,
    /// Since when it is not tried because somebody says that he is there.
    pub(super) claimed_since: Option<Instant>,
    /// Addresses of its network that were known before.
    pub(super) neighbours: u16,
}

/// The use that the peer at an address is of, as the last visit has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It wants something, or nobody knows.
    Any,
    /// It is a seed.
    Seed,
    /// It is a seed, and was not needed when its turn came.
    SpareSeed,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum State {
    Waiting(Instant, Rank),
    Busy,
}

/// A peer that told of an address and could introduce us to whoever is there. It may be gone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Introducer {
    Nobody,
    /// It was not asked since the last visit.
    Willing(PeerKey),
    Asked(PeerKey),
}

/// An address to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) address: SocketAddr,
    pub(crate) source: PeerSource,
    /// The hash by which the peer knew the torrent at the last visit.
    pub(crate) known_as: Option<WireInfoHash>,
    /// The transport to try first, if there is a reason for one.
    pub(crate) first: Option<Transport>,
    /// Visits that came to nothing since it proved useful.
    pub(crate) failures: u32,
    /// Since when it was not tried because somebody says that he is there.
    pub(crate) claimed_since: Option<Instant>,
}

/// First wait after a failure. It doubles with each further one.
const BACK_OFF: Duration = Duration::from_secs(5);

/// Longest wait after a failure.
const MAX_BACK_OFF: Duration = Duration::from_secs(30 * 60);

/// Wait before going back to a peer that we left, or that left us.
const RETURN: Duration = Duration::from_secs(5);

impl Entry {
    /// An address that nobody has tried, told by this source. The number is that of the addresses of its network
    /// that are known.
    pub(super) fn new(source: PeerSource, neighbours: usize) -> Self {
        Self {
            source,
            failures: 0,
            state: State::Busy,
            use_of_it: Use::Any,
            known_as: None,
            first: None,
            introducer: Introducer::Nobody,
            claimed_since: None,
            neighbours: u16::try_from(neighbours).unwrap_or(u16::MAX),
        }
    }

    /// The entry of this address as one to try.
    pub(super) fn candidate(&self, address: SocketAddr) -> Candidate {
        Candidate {
            address,
            source: self.source,
            known_as: self.known_as,
            first: self.first,
            failures: self.failures.into(),
            claimed_since: self.claimed_since,
        }
    }

    /// Notes a visit, to the torrent of this hash, over this transport.
    pub(super) fn note_visit(&mut self, hash: WireInfoHash, by: Transport) {
        (self.known_as, self.first) = (Some(hash), Some(by));
        // It can be found again as it was found.
        if let Introducer::Asked(introducer) = self.introducer {
            self.introducer = Introducer::Willing(introducer);
        }
    }

    /// Notes that a visit came to nothing, and whether that was by the peer's will. Returns the time until the next one.
    pub(super) fn note_failure(&mut self, has_hung_up: bool) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.claimed_since = None;
        // Some accept connections of TCP and close them, for they have uTP alone. Otherwise its network may have
        // changed.
        let was_utp = self.first == Some(Transport::Utp);
        self.first = (has_hung_up && !was_utp).then_some(Transport::Utp);
        self.back_off()
    }

    /// The wait after so many failures; there is one at least.
    fn back_off(&self) -> Duration {
        BACK_OFF.saturating_mul(1 << self.failures.saturating_sub(1).min(16)).min(MAX_BACK_OFF)
    }

    /// The wait of a seed that is needed again: the visit that ended is no reason to wait, failures are.
    pub(super) fn rest(&self) -> Duration {
        if self.failures <= 1 { Duration::ZERO } else { self.back_off() }
    }

    /// Notes that a visit ended. Returns the time until the next one.
    pub(super) fn note_end(&mut self) -> Duration {
        self.claimed_since = None;
        // Each visit that ends is held against it a little, each failure more.
        let wait = RETURN.saturating_mul(1 << self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        wait
    }
}

/// The rank of a source: the user first, other peers last.
pub(super) fn class(source: PeerSource) -> u8 {
    match source {
        PeerSource::User => 0,
        PeerSource::Tracker
        | PeerSource::LocalTracker
        | PeerSource::Dht
        | PeerSource::LocalDht
        | PeerSource::Lsd
        | PeerSource::Magnet
        | PeerSource::Incoming => 1,
        PeerSource::Exchange => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 88, "{}", size_of::<Entry>());
    }
}
