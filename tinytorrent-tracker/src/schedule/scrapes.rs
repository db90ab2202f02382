use std::time::{Duration, Instant};

use tinytorrent_types::InfoHashes;

use super::config::MAX_INTERVAL;
use super::{Schedule, TrackerId};
use crate::{Failure, ScrapeResponse, SwarmCounts, TrackerUrl};

/// The id of a scrape of one [`Schedule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScrapeId {
    tracker: TrackerId,
    serial: u32,
}

impl ScrapeId {
    /// The id as one number, to be kept in a recording, say.
    pub const fn to_bits(self) -> u64 {
        (self.tracker.0 as u64) << 32 | self.serial as u64
    }

    /// The id of a number that [`to_bits`](Self::to_bits) gave.
    pub const fn from_bits(bits: u64) -> Self {
        Self { tracker: TrackerId((bits >> 32) as u32), serial: bits as u32 }
    }
}

/// A scrape to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledScrape {
    /// The id to pass to [`Schedule::handle_scrape`].
    pub id: ScrapeId,
    /// The announce URL of the tracker.
    pub url: TrackerUrl,
}

/// The last scrape of a tracker, for display.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ScrapeStatus<'a> {
    /// `true` while a scrape is in flight.
    pub is_in_flight: bool,
    /// The time of the last response.
    pub answered: Option<Instant>,
    /// The failure, if there was no response since.
    pub failure: Option<&'a Failure>,
}

/// The scrapes of one tracker.
#[derive(Debug, Default)]
pub(super) struct Scrapes {
    is_due: bool,
    in_flight: Option<InFlight>,
    /// The earliest time of the next one.
    not_before: Option<Instant>,
    answered: Option<Instant>,
    failure: Option<Failure>,
}

#[derive(Debug)]
struct InFlight {
    serial: u32,
    lost_at: Instant,
}

impl Scrapes {
    /// Makes a scrape due, unless one is in flight, or the last one was just now.
    fn wish(&mut self, now: Instant) {
        self.in_flight.take_if(|in_flight| in_flight.lost_at <= now);
        let is_early = self.not_before.is_some_and(|at| now < at);
        self.is_due = !is_early && self.in_flight.is_none();
    }

    pub(super) fn status(&self) -> ScrapeStatus<'_> {
        ScrapeStatus {
            is_in_flight: self.in_flight.is_some(),
            answered: self.answered,
            failure: self.failure.as_ref(),
        }
    }
}

impl Schedule {
    /// Makes a scrape of every tracker due, at the user's request. One that is being scraped is left
    /// out, and so is one that was scraped so recently that it wants none, or less than
    /// [`interval_floor`](super::ScheduleConfig::interval_floor) ago.
    pub fn scrape(&mut self, now: Instant) {
        for tracker in self.trackers.iter_mut() {
            tracker.scrapes.get_or_insert_default().wish(now);
        }
    }

    /// The next scrape to make now, if one is due. Scrapes can be due after [`scrape`](Self::scrape)
    /// alone.
    pub fn poll_scrape(&mut self, now: Instant) -> Option<ScheduledScrape> {
        let lost_at = now + self.config.outcome_timeout;
        let (tracker, scrapes) = self.trackers.iter_mut().find_map(|tracker| {
            let scrapes = tracker.scrapes.as_deref_mut().filter(|scrapes| scrapes.is_due)?;
            Some(((tracker.id, &tracker.url), scrapes))
        })?;
        let (id, url) = tracker;
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        scrapes.is_due = false;
        scrapes.in_flight = Some(InFlight { serial, lost_at });
        Some(ScheduledScrape { id: ScrapeId { tracker: id, serial }, url: url.clone() })
    }

    /// Takes the outcome of a scrape of the torrent with these hashes. Returns the URL of its tracker, or
    /// `None` if the scrape is not in flight.
    pub fn handle_scrape(
        &mut self,
        now: Instant,
        id: ScrapeId,
        hashes: &InfoHashes,
        outcome: Result<&ScrapeResponse, &Failure>,
    ) -> Option<&TrackerUrl> {
        let floor = self.config.interval_floor;
        let tracker = self.trackers.get_mut(id.tracker)?;
        let scrapes = tracker.scrapes.as_deref_mut()?;
        scrapes.in_flight.take_if(|in_flight| in_flight.serial == id.serial)?;
        let mut wait = floor;
        scrapes.failure = outcome.err().cloned();
        if let Ok(response) = outcome {
            scrapes.answered = Some(now);
            let least = response.min_request_interval.unwrap_or_default();
            wait = wait.max(Duration::from_secs(least.into()).min(MAX_INTERVAL));
            let counts = response.of_torrent(hashes);
            let completed = counts.completed.or(tracker.counts.completed);
            tracker.counts = SwarmCounts { completed, ..counts };
        }
        scrapes.not_before = Some(now + wait);
        Some(&tracker.url)
    }
}
