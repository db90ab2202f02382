use std::time::Instant;

/// Amounts of things that a peer may not have for ever, nor all at once.
#[derive(Debug)]
pub(crate) struct Rations {
    /// Hashes that it was sent.
    pub(crate) hashes: Portions,
    /// Blocks of metadata that it was sent.
    pub(crate) metadata: Portions,
}

impl Rations {
    pub(crate) fn new(now: Instant) -> Self {
        Self { hashes: Portions::new(now), metadata: Portions::new(now) }
    }
}

/// The amount of one thing that a peer had.
#[derive(Debug)]
pub(crate) struct Portions {
    all: u64,
    /// The last time, and the amount at that instant.
    last: Instant,
    at_once: u64,
}

impl Portions {
    fn new(now: Instant) -> Self {
        Self { all: 0, last: now, at_once: 0 }
    }

    /// Returns true if the peer may have more, with limits on all it may have and on how much at one
    /// instant.
    pub(crate) fn has_room(&self, now: Instant, all: u64, at_once: u64) -> bool {
        self.all < all && (self.last != now || self.at_once < at_once)
    }

    /// Counts what it was given.
    pub(crate) fn add(&mut self, now: Instant, count: u64) {
        if self.last != now {
            (self.last, self.at_once) = (now, 0);
        }
        self.all += count;
        self.at_once += count;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn portions_are_limited_in_all_and_at_one_instant() {
        let now = Instant::now();
        let mut portions = Portions::new(now);
        let mut eat = |now| {
            let has_room = portions.has_room(now, 5, 2);
            portions.add(now, u64::from(has_room));
            has_room
        };
        assert_eq!([(); 3].map(|()| eat(now)), [true, true, false]);
        let later = now + Duration::from_millis(1);
        assert_eq!([(); 3].map(|()| eat(later)), [true, true, false]);
        let last = now + Duration::from_secs(1);
        assert_eq!([(); 2].map(|()| eat(last)), [true, false], "five in all");
    }
}
