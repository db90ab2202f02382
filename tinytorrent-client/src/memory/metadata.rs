use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tinytorrent_swarm::MetadataDemand;

use super::turns::Turns;
use super::{Charge, Holder, Share};

/// The memory for metadata while it is fetched from peers, of all torrents together. Cheap to clone.
///
/// It is a part of the receive share, and is taken from the buffers there: a torrent without metadata receives
/// nothing else, and metadata is fetched once in a while.
#[derive(Debug, Clone)]
pub(crate) struct MetadataMemory {
    turns: Arc<Mutex<Turns>>,
    receive: Share,
}

/// The memory of one torrent for its metadata. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct MetadataLease {
    memory: MetadataMemory,
    torrent: u64,
    holder: Holder,
    charge: Option<Charge>,
    granted: u64,
    /// The next look at the demand; `None` if there is none.
    next: Option<Instant>,
}

/// Interval at which the demand of a torrent is looked at while it waits, or has what it needs.
const PAUSE: Duration = Duration::from_millis(100);

impl MetadataMemory {
    /// The memory in this receive share.
    pub(super) fn new(receive: Share) -> Self {
        Self { turns: Arc::new(Mutex::new(Turns::new(part_of(&receive)))), receive }
    }

    /// Takes its part of a receive share that has changed. Torrents that have more give some back at their
    /// next look.
    pub(super) fn follow(&self) {
        self.lock().set_limit(part_of(&self.receive));
    }

    /// Bytes of the largest metadata that can be fetched.
    pub(crate) fn limit(&self) -> u64 {
        self.lock().limit()
    }

    /// Bytes that torrents have.
    pub(crate) fn held(&self) -> u64 {
        self.lock().granted()
    }

    /// A lease of a torrent, of nothing yet.
    pub(crate) fn lease(&self) -> MetadataLease {
        MetadataLease {
            torrent: self.lock().add(),
            memory: self.clone(),
            holder: self.receive.holder(),
            charge: None,
            granted: 0,
            next: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        // A panic under the lock cannot leave the table in a bad state.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes for metadata: a quarter is left for the buffers of other torrents.
fn part_of(receive: &Share) -> u64 {
    (receive.limit() / 4 * 3) as u64
}

impl MetadataLease {
    /// Returns `true` if it is time to look at the demand of the torrent.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    /// Looks at the demand of the torrent. Returns the bytes that it has from now on, if they have changed.
    pub(crate) fn update(&mut self, now: Instant, demand: MetadataDemand) -> Option<u64> {
        let (granted, is_waiting) = {
            let mut turns = self.memory.lock();
            let granted = turns.update(now, self.torrent, demand);
            (granted, turns.is_waiting(self.torrent))
        };
        self.next = (granted > 0 || is_waiting).then(|| now + PAUSE);
        if granted == self.granted {
            return None;
        }
        self.granted = granted;
        // First what is given back: both at a time would be too much.
        self.charge = None;
        // Charged whatever buffers hold: they give back what they are not using.
        self.charge = (granted > 0).then(|| self.holder.charge(granted as usize));
        Some(granted)
    }

    /// The time of the next [`update`](Self::update), if nothing else happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.next
    }
}

impl Drop for MetadataLease {
    fn drop(&mut self) {
        self.memory.lock().remove(self.torrent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_charged_and_given_back() {
        let receive = Share::new(4000);
        let memory = MetadataMemory::new(receive.clone());
        let mut lease = memory.lease();
        let mut demand = MetadataDemand::default();
        let now = Instant::now();
        assert_eq!((lease.update(now, demand), lease.deadline()), (None, None));
        (demand.least, demand.most) = (1000, 5000);
        assert_eq!(lease.update(now, demand), Some(3000));
        assert_eq!((receive.held(), memory.held(), memory.limit()), (3000, 3000, 3000));
        assert_eq!(lease.deadline(), Some(now + PAUSE));
        assert!(!lease.is_due(now) && lease.is_due(now + PAUSE));
        let none = MetadataDemand::default();
        assert_eq!(lease.update(now, none), Some(0), "those who have some are gone");
        assert_eq!((receive.held(), lease.deadline()), (0, None));
        assert_eq!(lease.update(now, demand), Some(3000));
        drop(lease);
        assert_eq!((receive.held(), memory.held()), (0, 0));
    }
}
