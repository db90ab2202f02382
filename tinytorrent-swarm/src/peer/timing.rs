use std::time::{Duration, Instant};

/// The instants by which a connection is kept alive or given up.
#[derive(Debug)]
pub(crate) struct Timing {
    pub(crate) last_received: Instant,
    pub(crate) last_sent: Instant,
    /// The earliest reminder that is set for this connection.
    pub(crate) armed: Option<Instant>,
    /// When to leave one of two connections to the same peer, if the other end has not by then.
    pub(crate) choose_at: Option<Instant>,
}

/// Silence after which we send a keep-alive: trackers of two minutes must not lose us (BEP 3).
const KEEP_ALIVE: Duration = Duration::from_secs(100);

/// Silence of a peer after which it is gone: twice the customary two minutes, for slack (W-11).
pub(crate) const MAX_SILENCE: Duration = Duration::from_secs(240);

impl Timing {
    pub(crate) fn new(now: Instant) -> Self {
        Self { last_received: now, last_sent: now, armed: None, choose_at: None }
    }

    /// Returns true if nothing has come for too long.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        now >= self.last_received + MAX_SILENCE
    }

    /// Returns true if the peer should be sent a sign of life.
    pub(crate) fn needs_keep_alive(&self, now: Instant) -> bool {
        now >= self.last_sent + KEEP_ALIVE
    }

    /// The next instant at which one of the two is due.
    pub(crate) fn deadline(&self) -> Instant {
        (self.last_received + MAX_SILENCE).min(self.last_sent + KEEP_ALIVE)
    }

    /// Takes the earliest reminder if that is `at`; another one has taken its place otherwise.
    pub(crate) fn disarm(&mut self, at: Instant) -> bool {
        self.armed.take_if(|armed| *armed == at).is_some()
    }

    /// Notes a reminder that is to be set. Returns false if an earlier one is.
    pub(crate) fn arm(&mut self, deadline: Instant) -> bool {
        let is_earlier = self.armed.is_none_or(|armed| deadline < armed);
        if is_earlier {
            self.armed = Some(deadline);
        }
        is_earlier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_keep_alive_are_looked_at_in_time() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut timing = Timing::new(start);
        assert_eq!(timing.deadline(), start + KEEP_ALIVE);
        assert!(timing.needs_keep_alive(start + KEEP_ALIVE));
        timing.last_sent = start + 239 * second;
        assert_eq!(timing.deadline(), start + MAX_SILENCE);
        assert!(timing.is_silent(start + MAX_SILENCE) && !timing.is_silent(start + 239 * second));
    }

    #[test]
    fn the_earliest_reminder_counts() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut timing = Timing::new(start);
        assert!(timing.arm(start + 2 * second) && !timing.arm(start + 3 * second));
        assert!(timing.arm(start + second) && !timing.disarm(start + 2 * second));
        assert!(timing.disarm(start + second) && !timing.disarm(start + second));
    }
}
