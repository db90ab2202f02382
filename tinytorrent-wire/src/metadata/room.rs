//! The memory of an assembly: the attempts that it is enough for, and those that make way.

use std::cmp::Reverse;
use std::time::Instant;

use super::{Attempt, MetadataAssembly, Peer};

/// The memory that an assembly has a use for, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Demand {
    /// Sizes of the attempts under way, and of what waits for its check.
    pub used: u64,
    /// Sizes of what waits for its check, and cannot be given up.
    pub checking: u64,
    /// The size of the attempt that comes first, under way or not; 0 if no peer announces a size. With
    /// less memory nothing can be fetched.
    pub least: u64,
    /// Sizes of the attempts at all that peers announce, and of what waits for its check.
    pub most: u64,
    /// Bytes of blocks that were stored so far, in all attempts.
    pub stored: u64,
}

impl<P: Copy + Eq> MetadataAssembly<P> {
    /// The memory that is used, and that there is a use for.
    pub fn demand(&self) -> Demand {
        if self.done {
            return Demand::default();
        }
        let mut attempts: Vec<_> = self
            .peers
            .iter()
            .filter(|peer| !peer.is_guilty)
            .map(|peer| self.attempt_of(peer))
            .filter(|attempt| !self.checking.contains(attempt))
            .collect();
        // Neighbours are equal then, as solo attempts of a size are all different.
        attempts.sort_by_key(|(size, only)| (*size, only.is_some()));
        attempts.dedup();
        let first = attempts.iter().max_by_key(|(size, only)| self.worth(*size, *only));
        let checking = self.checking_bytes();
        Demand {
            used: self.used_bytes(),
            checking,
            least: first.map_or(0, |(size, _)| u64::from(*size)),
            most: attempts.iter().map(|(size, _)| u64::from(*size)).sum::<u64>() + checking,
            stored: self.stored,
        }
    }

    /// Sets the memory limit anew; see [`AssemblyConfig::memory`](super::AssemblyConfig::memory). Attempts for which there is
    /// no room any more are dropped, those that come last first. Their peers may be asked again at once.
    pub fn set_memory(&mut self, bytes: u64) {
        self.config.memory(bytes);
        while self.used_bytes() > bytes {
            let attempts = self.attempts.iter().enumerate();
            let last = attempts.min_by_key(|(_, attempt)| self.worth(attempt.size, attempt.only));
            let Some((last, _)) = last else { return };
            self.drop_attempt(last, |_| ());
        }
    }

    /// Returns true if an attempt at this size may begin. Others that are worth less, or slow, are dropped
    /// for it.
    pub(super) fn make_room(&mut self, now: Instant, size: u32, only: Option<P>) -> bool {
        let wanted = self.worth(size, only);
        loop {
            if self.used_bytes() + u64::from(size) <= self.config.memory {
                return true;
            }
            let worth = |attempt: &Attempt<P>| self.worth(attempt.size, attempt.only);
            let droppable = self.attempts.iter().enumerate().filter(|(_, attempt)| {
                let (supporters, _) = worth(attempt);
                supporters < wanted.0.max(1)
                    || attempt.is_slow(now)
                    || (attempt.received_bytes() == 0 && worth(attempt) < wanted)
            });
            let least = droppable.min_by_key(|(_, attempt)| worth(attempt)).map(|(at, _)| at);
            let Some(least) = least else { return false };
            self.give_up(now, least);
        }
    }

    /// Sizes of the attempts under way, and of what waits for its check.
    fn used_bytes(&self) -> u64 {
        let attempts = self.attempts.iter().map(|attempt| u64::from(attempt.size));
        attempts.sum::<u64>() + self.checking_bytes()
    }

    fn checking_bytes(&self) -> u64 {
        self.checking.iter().map(|(size, _)| u64::from(*size)).sum()
    }

    /// The number of peers that announce a size, and the size, the smaller one being worth more.
    fn worth(&self, size: u32, only: Option<P>) -> (usize, Reverse<u32>) {
        let supports = |peer: &&Peer<P>| {
            peer.size == size && !peer.is_guilty && only.is_none_or(|only| only == peer.key)
        };
        (self.peers.iter().filter(supports).count(), Reverse(size))
    }
}
