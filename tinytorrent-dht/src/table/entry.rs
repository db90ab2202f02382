use std::time::{Duration, Instant};

use super::GOOD_FOR;
use crate::NodeInfo;

/// A node of the table, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) node: NodeInfo,
    /// A mean of its round trips, in which the latest counts most.
    pub(crate) round_trip: Duration,
    /// The time of its last answer.
    pub(super) answered_at: Instant,
    /// The time of its last query to us.
    pub(super) queried_at: Option<Instant>,
    /// The time at which the table named it as the next to ask.
    pub(super) asked_at: Instant,
    /// Queries without an answer since the last answer.
    pub(super) failures: u8,
    /// Its id fits its address (BEP 42).
    pub(super) fits_address: bool,
}

/// The queries without an answer after which a node goes (BEP 5: two tries).
const TRIES: u8 = 2;

/// The time between two tries.
const RETRY_AFTER: Duration = Duration::from_secs(30);

impl Entry {
    pub(super) fn new(now: Instant, node: NodeInfo, round_trip: Duration) -> Self {
        Self {
            node,
            round_trip,
            answered_at: now,
            queried_at: None,
            asked_at: now,
            failures: 0,
            fits_address: node.id.fits_address(node.address.ip()),
        }
    }

    pub(super) fn on_answer(&mut self, now: Instant, round_trip: Duration) {
        self.answered_at = now;
        self.failures = 0;
        self.round_trip = (self.round_trip * 3 + round_trip) / 4;
    }

    /// BEP 5: it answered in the last 15 minutes, or it answered once and asked us something in that time.
    pub(super) fn is_good(&self, now: Instant) -> bool {
        let last = self.queried_at.map_or(self.answered_at, |at| at.max(self.answered_at));
        self.failures == 0 && now.saturating_duration_since(last) < GOOD_FOR
    }

    pub(super) fn is_bad(&self) -> bool {
        self.failures >= TRIES
    }

    /// True if it is time to ask it again.
    pub(super) fn is_due(&self, now: Instant, age: Duration) -> bool {
        let since_asked = now.saturating_duration_since(self.asked_at);
        if self.failures > 0 {
            return since_asked >= RETRY_AFTER;
        }
        now.saturating_duration_since(self.answered_at) >= age && since_asked >= RETRY_AFTER
    }
}
