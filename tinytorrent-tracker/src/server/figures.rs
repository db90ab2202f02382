use std::sync::atomic::{AtomicU64, Ordering};

/// The sizes of all swarms of a tracker together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Totals {
    /// Torrents with at least one peer, and those that all have left within the last minute.
    pub torrents: u64,
    /// Complete peers. One that is in several swarms counts in each, and once in each of them.
    pub seeders: u64,
    /// Incomplete peers, counted likewise.
    pub leechers: u64,
    /// Addresses of all these peers.
    pub addresses: u64,
}

/// What a [`Tracker`](super::Tracker) holds, and what it has been asked since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Figures {
    /// The sizes of all swarms. Serialized, they stand beside the others.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub totals: Totals,
    /// Connection ids that were issued (BEP 15).
    pub connects: u64,
    /// Announces, refused ones included.
    pub announces: u64,
    /// Scrapes, refused ones included. One of several swarms counts once.
    pub scrapes: u64,
    /// Announces and scrapes that were refused.
    pub refused: u64,
    /// Requests that are malformed, or have a connection id that is not theirs or too old.
    pub invalid: u64,
}

impl Totals {
    pub(super) fn add(&mut self, other: Totals) {
        self.torrents += other.torrents;
        self.seeders += other.seeders;
        self.leechers += other.leechers;
        self.addresses += other.addresses;
    }

    /// Takes away what was added.
    pub(super) fn subtract(&mut self, other: Totals) {
        self.torrents -= other.torrents;
        self.seeders -= other.seeders;
        self.leechers -= other.leechers;
        self.addresses -= other.addresses;
    }
}

/// Counters of requests, in several places, so that threads seldom write to the same cache line.
#[derive(Debug, Default)]
pub(super) struct Traffic([Counters; PLACES]);

#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counters {
    connects: AtomicU64,
    announces: AtomicU64,
    scrapes: AtomicU64,
    refused: AtomicU64,
    invalid: AtomicU64,
}

impl Traffic {
    /// The counters for one client, by any number of it.
    pub(super) fn of(&self, client: u16) -> &Counters {
        &self.0[usize::from(client) % PLACES]
    }

    /// The sums of all counters, beside these totals.
    pub(super) fn figures(&self, totals: Totals) -> Figures {
        let sum = |counter: fn(&Counters) -> &AtomicU64| {
            self.0.iter().map(|counters| counter(counters).load(Ordering::Relaxed)).sum()
        };
        Figures {
            totals,
            connects: sum(|counters| &counters.connects),
            announces: sum(|counters| &counters.announces),
            scrapes: sum(|counters| &counters.scrapes),
            refused: sum(|counters| &counters.refused),
            invalid: sum(|counters| &counters.invalid),
        }
    }
}

impl Counters {
    pub(super) fn connect(&self) {
        self.connects.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn announce(&self) {
        self.announces.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn scrape(&self) {
        self.scrapes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn invalid(&self) {
        self.invalid.fetch_add(1, Ordering::Relaxed);
    }
}

/// More than the threads that wait for one network card.
const PLACES: usize = 16;
