use std::time::{Duration, Instant};

use crate::PeerKey;
use crate::peer::MAX_IDLE;
use crate::planted::{Bug, is_planted};

/// The instants at which slots are given anew.
#[derive(Debug)]
pub(super) struct Rounds {
    next: Instant,
    count: u32,
    pub(super) optimistic: Option<PeerKey>,
    /// Some peer is interested, so that rounds have an effect.
    is_awake: bool,
    /// When to look for slots that are not used, while others wait for one.
    look_at: Option<Instant>,
}

/// Time between two rounds. Less often than TCP needs to get up to speed (BEP 3, "choking": ten
/// seconds).
pub(super) const ROUND: Duration = Duration::from_secs(10);

/// Rounds that an optimistic unchoke lasts: 30 seconds (BEP 3).
const OPTIMISTIC_ROUNDS: u32 = 3;

impl Rounds {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now + ROUND, count: 0, optimistic: None, is_awake: false, look_at: None }
    }

    /// The next instant at which something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.is_awake.then_some(self.next).into_iter().chain(self.look_at).min()
    }

    /// Begins a round that is due. Tells whether the optimistic slot goes to another.
    pub(super) fn begin_round(&mut self, now: Instant) -> Option<bool> {
        if !self.is_awake || self.next > now {
            return None;
        }
        // Counted from now, not from when it was due: a machine that slept does one round, not many.
        self.next =
            now + if is_planted(Bug::WakesAlways) { Duration::from_millis(1) } else { ROUND };
        self.count += 1;
        Some(self.count.is_multiple_of(OPTIMISTIC_ROUNDS))
    }

    /// Rounds go on as long as a peer is interested.
    pub(super) fn set_awake(&mut self, now: Instant, is_awake: bool) {
        // A round that was due in the silence would choke a peer that has just been let in.
        if is_awake && !self.is_awake {
            self.next = now + ROUND;
        }
        self.is_awake = is_awake;
    }

    /// Sets the time of the next look for unused slots, unless one is set; or none if none is wanted.
    pub(super) fn look_for_unused(&mut self, now: Instant, is_wanted: bool) {
        // A later wish must not put off an earlier look.
        let look_at = self.look_at.unwrap_or(now + MAX_IDLE);
        self.look_at = is_wanted.then_some(look_at);
    }

    /// Returns true, once, when it is time to look for slots that are not used.
    pub(super) fn is_time_to_look(&mut self, now: Instant) -> bool {
        self.look_at.take_if(|at| *at <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_come_while_somebody_is_interested_and_every_third_rotates() {
        // S-23
        let start = Instant::now();
        let mut rounds = Rounds::new(start);
        assert_eq!((rounds.due(), rounds.begin_round(start + 60 * ROUND)), (None, None));
        rounds.set_awake(start, true);
        let rotates: Vec<_> = (1..=6)
            .map(|n| {
                assert_eq!(rounds.due(), Some(start + n * ROUND));
                rounds.begin_round(start + n * ROUND).unwrap()
            })
            .collect();
        assert_eq!(rotates, [false, false, true, false, false, true]);
        assert_eq!(rounds.begin_round(start + 6 * ROUND), None, "spurious");
    }

    #[test]
    fn one_look_for_unused_slots_at_a_time() {
        let start = Instant::now();
        let mut rounds = Rounds::new(start);
        rounds.look_for_unused(start, true);
        rounds.look_for_unused(start + MAX_IDLE / 2, true);
        assert_eq!(rounds.due(), Some(start + MAX_IDLE));
        assert!(!rounds.is_time_to_look(start) && rounds.is_time_to_look(start + MAX_IDLE));
        assert!(!rounds.is_time_to_look(start + MAX_IDLE), "once");
        rounds.look_for_unused(start, true);
        rounds.look_for_unused(start, false);
        assert_eq!(rounds.due(), None);
    }
}
