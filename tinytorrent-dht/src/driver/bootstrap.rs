use std::time::{Duration, Instant};

/// The time at which the names of routers are looked up: when they are set, when a table gets empty, and again
/// and again while all are, as the network may come back at any time and with other addresses (D-18, D-53).
#[derive(Debug, Default)]
pub(super) struct Bootstrap {
    names: Vec<String>,
    /// The time of the next look-up; `None` if there is no need of one.
    next: Option<Instant>,
    /// The time from the last one to it.
    wait: Duration,
}

/// The time to the second look-up of names; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(10);

/// The longest time between two look-ups of names. Routers serve everybody.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

impl Bootstrap {
    /// Sets the names, which are looked up at once.
    pub(super) fn set_names(&mut self, now: Instant, names: Vec<String>) {
        self.names = names;
        self.on_empty(now);
    }

    /// A table has got empty.
    pub(super) fn on_empty(&mut self, now: Instant) {
        (self.next, self.wait) = (Some(now), Duration::ZERO);
    }

    /// The time of the next look-up of names.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next.filter(|_| !self.names.is_empty())
    }

    /// The names, if they have to be looked up now. `is_alone` says if no node is known.
    pub(super) fn poll(&mut self, now: Instant, is_alone: bool) -> Option<&[String]> {
        self.next().filter(|next| *next <= now)?;
        let is_first = self.wait.is_zero();
        if !is_first && !is_alone {
            self.next = None;
            return None;
        }
        self.wait = if is_first { FIRST_WAIT } else { (self.wait * 2).min(LONGEST_WAIT) };
        self.next = Some(now + self.wait);
        Some(&self.names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_again_while_a_table_is_empty_and_ever_more_rarely() {
        // D-53
        let start = Instant::now();
        let mut bootstrap = Bootstrap::default();
        bootstrap.on_empty(start);
        assert_eq!(bootstrap.next(), None, "there are no names yet");
        bootstrap.set_names(start, vec!["router.example:1".to_owned()]);
        let mut waits = Vec::new();
        let mut last = start;
        for _ in 0..8 {
            let now = bootstrap.next().unwrap();
            assert_eq!(bootstrap.poll(now, true).unwrap(), ["router.example:1"]);
            assert_eq!(bootstrap.poll(now, true), None, "it is done");
            waits.push((now - last).as_secs());
            last = now;
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
        let now = bootstrap.next().unwrap();
        assert_eq!(bootstrap.poll(now, false), None, "there are nodes");
        assert_eq!(bootstrap.next(), None);
        bootstrap.on_empty(now);
        assert!(bootstrap.poll(now, false).is_some(), "at once, when those of one family are gone");
        assert_eq!(bootstrap.next(), Some(now + FIRST_WAIT));
    }
}
