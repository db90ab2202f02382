use std::time::{Duration, Instant};

/// The upload slot of a peer, and the use it makes of it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Slot {
    /// The instant at which it was given, if the peer has it.
    given: Option<Instant>,
    /// The instant at which the last one was taken back.
    taken: Option<Instant>,
    /// The instant at which the last one was taken back without having been used, unless one was used since.
    wasted: Option<Instant>,
    /// The last request, or the last block that was sent.
    used: Option<Instant>,
}

/// Longest time that a slot may go unused. A peer that was waiting for it asks within a round trip, which takes a
/// second on the slowest links. With eight slots, 30 peers that ask for nothing have had theirs within a round.
pub(crate) const MAX_IDLE: Duration = Duration::from_secs(3);

impl Slot {
    /// `true` if the peer has a slot: it is unchoked.
    pub(crate) fn is_held(&self) -> bool {
        self.given.is_some()
    }

    /// The instant at which the slot was given, if the peer has one.
    pub(crate) fn held_since(&self) -> Option<Instant> {
        self.given
    }

    /// The instant at which the peer last lost a slot.
    pub(crate) fn taken_at(&self) -> Option<Instant> {
        self.taken
    }

    /// The instant at which the peer last lost a slot that it had not used.
    pub(crate) fn wasted_at(&self) -> Option<Instant> {
        self.wasted
    }

    /// Another connection of the same host lost its last slot then.
    pub(crate) fn inherit(&mut self, taken: Option<Instant>) {
        self.taken = self.taken.max(taken);
    }

    pub(crate) fn give(&mut self, now: Instant) {
        self.given = Some(now);
    }

    pub(crate) fn take(&mut self, now: Instant) {
        // Taken after no time, it says nothing about the peer.
        if self.is_idle(now) {
            self.wasted = Some(now);
        }
        self.given = None;
        self.taken = Some(now);
    }

    /// Notes that the peer asks, or reads.
    pub(crate) fn note_use(&mut self, now: Instant) {
        self.used = Some(now);
        self.wasted = None;
    }

    /// `true` if the peer has a slot and has long made no use of it.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.given
            .is_some_and(|given| now >= self.used.map_or(given, |used| used.max(given)) + MAX_IDLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_slot_is_idle_until_it_is_used() {
        let (mut slot, start) = (Slot::default(), Instant::now());
        assert!(!slot.is_held() && !slot.is_idle(start + 9 * SECOND));
        slot.give(start);
        assert!(slot.is_held() && !slot.is_idle(start + 2 * SECOND));
        assert!(slot.is_idle(start + MAX_IDLE));
        slot.note_use(start + 2 * SECOND);
        assert!(!slot.is_idle(start + 4 * SECOND));
        assert!(slot.is_idle(start + 5 * SECOND));
    }

    #[test]
    fn a_slot_that_was_not_used_is_held_against_the_peer_until_it_uses_one() {
        let (mut slot, start) = (Slot::default(), Instant::now());
        slot.give(start);
        slot.take(start + SECOND);
        assert_eq!((slot.wasted_at(), slot.taken_at()), (None, Some(start + SECOND)));
        slot.give(start + 2 * SECOND);
        slot.take(start + 10 * SECOND);
        assert_eq!(slot.wasted_at(), Some(start + 10 * SECOND));
        slot.give(start + 11 * SECOND);
        slot.note_use(start + 12 * SECOND);
        assert_eq!(slot.wasted_at(), None);
    }
}
