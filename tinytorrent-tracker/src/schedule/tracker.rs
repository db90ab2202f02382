use std::fmt;
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

use super::config::MAX_INTERVAL;
use super::scrapes::{ScrapeStatus, Scrapes};
use super::{AnnounceId, ScheduleConfig, ScheduledAnnounce, TrackerId};
use crate::{AnnounceEvent, AnnounceResponse, Failure, RetryIn, SwarmCounts, TrackerUrl};

/// The state of one tracker in a schedule.
#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) id: TrackerId,
    pub(super) url: TrackerUrl,
    pub(super) tier: u32,
    pub(super) in_flight: Option<InFlight>,
    /// The earliest time of the next announce, because of the back-off.
    pub(super) not_before: Instant,
    /// The earliest time of the next announce without an event, because of `min interval`.
    pub(super) earliest_regular: Instant,
    pub(super) is_disabled: bool,
    /// True from a call for more peers until it has answered, or another has peers.
    pub(super) is_wanted: bool,
    /// True if its last response was one with peers.
    pub(super) has_peers: bool,
    pub(super) tracker_id: Option<Vec<u8>>,
    /// True once it has accepted our `started`, until `stopped` is sent.
    is_started: bool,
    completed: Completed,
    is_stop_due: bool,
    failures: u32,
    last_failure: Option<Failure>,
    warning: Option<String>,
    /// The counts of its last response to an announce or a scrape.
    pub(super) counts: SwarmCounts,
    peers: Option<u32>,
    /// `None` until the user wants one.
    pub(super) scrapes: Option<Box<Scrapes>>,
    totals: TrackerTotals,
}

/// An announce in flight.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) serial: u32,
    pub(super) event: AnnounceEvent,
    /// The time from which the next tracker is asked too.
    pub(super) slow_at: Instant,
    /// The time from which the announce counts as failed.
    pub(super) lost_at: Instant,
    /// True once its lane no longer waits for it.
    pub(super) is_overtaken: bool,
}

/// The state of the event `completed` at a tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Completed {
    NotDue,
    Due,
    Accepted,
}

impl Tracker {
    pub(super) fn new(id: TrackerId, url: TrackerUrl, now: Instant) -> Self {
        Self {
            id,
            url,
            tier: 0,
            in_flight: None,
            not_before: now,
            earliest_regular: now,
            is_disabled: false,
            is_wanted: false,
            has_peers: false,
            tracker_id: None,
            is_started: false,
            completed: Completed::NotDue,
            is_stop_due: false,
            failures: 0,
            last_failure: None,
            warning: None,
            counts: SwarmCounts::default(),
            peers: None,
            scrapes: None,
            totals: TrackerTotals::default(),
        }
    }

    /// True if the URL is that of the same host under another scheme.
    pub(super) fn is_sibling(&self, url: &TrackerUrl) -> bool {
        self.url.host() == url.host() && self.url.scheme() != url.scheme()
    }

    /// The earliest time of the next announce. `None` if one is in flight, or none may follow.
    pub(super) fn earliest(&self) -> Option<Instant> {
        if self.is_disabled || self.in_flight.is_some() {
            return None;
        }
        // An event is not held back by `min interval`.
        let has_event = !self.is_started || self.completed == Completed::Due;
        let regular = if has_event { self.not_before } else { self.earliest_regular };
        Some(regular.max(self.not_before))
    }

    /// True if the last announce to it did not fail.
    pub(super) fn is_working(&self) -> bool {
        self.failures == 0 && !self.is_disabled
    }

    pub(super) fn next_event(&self, is_partial_seed: bool) -> AnnounceEvent {
        if !self.is_started {
            AnnounceEvent::Started
        } else if self.completed == Completed::Due {
            AnnounceEvent::Completed
        } else if is_partial_seed {
            AnnounceEvent::Paused
        } else {
            AnnounceEvent::None
        }
    }

    pub(super) fn on_complete(&mut self) {
        self.is_wanted = false;
        // A `started` that was not sent yet will have nothing left, and is enough for the tracker.
        let is_starting = self.is_in_flight(AnnounceEvent::Started);
        if self.completed == Completed::NotDue && (self.is_started || is_starting) {
            self.completed = Completed::Due;
        }
    }

    pub(super) fn is_completed_due(&self) -> bool {
        self.is_started && self.completed == Completed::Due
    }

    pub(super) fn on_stop(&mut self) {
        self.is_stop_due = self.is_started && !self.is_disabled;
        // A `started` in flight may be accepted later, and then `stopped` is due.
        if self.is_started || !self.is_in_flight(AnnounceEvent::Started) {
            self.in_flight = None;
        }
    }

    pub(super) fn is_stop_due(&self) -> bool {
        self.is_stop_due
    }

    pub(super) fn on_stop_sent(&mut self) {
        // Not sent again if it fails: a program that ends cannot wait.
        (self.is_stop_due, self.is_started) = (false, false);
    }

    /// Takes a response after `stop`: a `started` that was accepted makes `stopped` due.
    pub(super) fn on_late_answer(&mut self, event: AnnounceEvent) {
        self.is_stop_due = event == AnnounceEvent::Started;
    }

    pub(super) fn on_start(&mut self) {
        self.in_flight = None;
        (self.is_stop_due, self.is_started, self.is_wanted) = (false, false, false);
        // The next `started` has the current `left`, so that an old `completed` is not due.
        self.completed = Completed::NotDue;
    }

    /// The tracker was removed, and is added again before its `stopped` was sent, or while it is.
    pub(super) fn on_return(&mut self) {
        self.is_stop_due = false;
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.is_overtaken = true;
        }
    }

    /// Begins an announce.
    pub(super) fn begin(
        &mut self,
        in_flight: InFlight,
        num_want: Option<u32>,
    ) -> ScheduledAnnounce {
        let InFlight { serial, event, .. } = in_flight;
        self.in_flight = Some(in_flight);
        ScheduledAnnounce {
            id: AnnounceId { tracker: self.id, serial },
            url: self.url.clone(),
            event,
            // A client that leaves has no use for peers.
            num_want: if event == AnnounceEvent::Stopped { Some(0) } else { num_want },
            tracker_id: self.tracker_id.clone(),
        }
    }

    /// Ends the back-off, and enables a disabled tracker.
    pub(super) fn clear_failures(&mut self, now: Instant) {
        (self.failures, self.is_disabled) = (0, false);
        self.not_before = self.not_before.min(now);
    }

    /// Takes a response. Returns the time until the next regular announce.
    pub(super) fn on_answer(
        &mut self,
        now: Instant,
        event: AnnounceEvent,
        response: &AnnounceResponse,
        config: &ScheduleConfig,
    ) -> Duration {
        match event {
            AnnounceEvent::Started => self.is_started = true,
            AnnounceEvent::Completed => self.completed = Completed::Accepted,
            AnnounceEvent::Stopped => self.is_started = false,
            AnnounceEvent::None | AnnounceEvent::Paused => {}
        }
        let interval = config.clamp_interval(response.interval);
        let floor =
            response.min_interval.map_or(config.shortage_floor, |min| min.min(MAX_INTERVAL));
        // Some trackers send a `min interval` that is longer than the interval.
        let interval = interval.max(response.min_interval.map_or(interval, |_| floor));
        (self.is_wanted, self.has_peers) = (false, names_others(response));
        let floor = if self.has_peers { floor } else { floor.min(MAX_EMPTY_FLOOR) };
        self.earliest_regular = now + floor.clamp(config.interval_floor.min(interval), interval);
        (self.failures, self.not_before, self.last_failure) = (0, now, None);
        // Some trackers send the id only once, and expect it in every later announce.
        if response.tracker_id.is_some() {
            self.tracker_id.clone_from(&response.tracker_id);
        }
        self.warning.clone_from(&response.warning);
        self.counts.seeders = response.seeders;
        self.counts.leechers = response.leechers;
        self.counts.completed = response.downloaded.or(self.counts.completed);
        self.peers = Some(response.peers.len() as u32);
        self.totals.answers += 1;
        self.totals.peers += response.peers.len() as u64;
        interval
    }

    pub(super) fn on_failure(
        &mut self,
        now: Instant,
        failure: &Failure,
        config: &ScheduleConfig,
        rng: &mut impl Rng,
    ) {
        self.failures = self.failures.saturating_add(1);
        self.totals.failures += 1;
        // Jitter, so that the clients of a tracker that was down do not all come back at once.
        let jittered = config.backoff_after(self.failures).mul_f64(rng.random_range(0.8..1.2));
        let backoff = jittered.min(config.max_backoff);
        self.not_before = now
            + match failure.retry_in() {
                Some(RetryIn::After(wait)) => {
                    wait.clamp(config.interval_floor, MAX_INTERVAL.max(config.interval_floor))
                }
                Some(RetryIn::Never) | None => backoff,
            };
        // "never" holds until the user asks for an announce (BEP 31).
        self.is_disabled |= failure.retry_in() == Some(RetryIn::Never);
        self.last_failure = Some(failure.clone());
    }

    pub(super) fn status(&self, due: Option<Instant>) -> TrackerStatus<'_> {
        let state = if self.is_disabled {
            TrackerState::Disabled
        } else if self.in_flight.is_some() {
            TrackerState::Announcing
        } else if self.last_failure.is_some() {
            TrackerState::Failing
        } else if self.is_started {
            TrackerState::Working
        } else {
            TrackerState::Unused
        };
        TrackerStatus {
            id: self.id,
            url: &self.url,
            tier: self.tier,
            state,
            failures: self.failures,
            last_failure: self.last_failure.as_ref(),
            next_announce: match state {
                TrackerState::Failing => Some(self.not_before),
                TrackerState::Working => due,
                _ => None,
            },
            warning: self.warning.as_deref(),
            seeders: self.counts.seeders,
            leechers: self.counts.leechers,
            completed: self.counts.completed,
            peers: self.peers,
            scrape: self.scrapes.as_deref().map(Scrapes::status).unwrap_or_default(),
            totals: self.totals,
        }
    }

    pub(super) fn is_in_flight(&self, event: AnnounceEvent) -> bool {
        self.in_flight.as_ref().is_some_and(|in_flight| in_flight.event == event)
    }
}

/// True if a response has peers that may be others than ourselves.
fn names_others(response: &AnnounceResponse) -> bool {
    let listed = response.peers.len() + response.named_peers.len();
    // A tracker that lists us may do so under each family.
    let may_be_us = listed <= 2;
    let known = response.seeders.zip(response.leechers);
    let is_alone = known.is_some_and(|(seeders, leechers)| seeders.saturating_add(leechers) <= 1);
    listed > 0 && !(may_be_us && is_alone)
}

/// The longest `min interval` that is kept if a tracker has no peers for us: that of opentracker,
/// which most public trackers run. Peers may come to it at any time, and nobody else has a use for
/// the wait.
const MAX_EMPTY_FLOOR: Duration = Duration::from_secs(15 * 60);

/// The status of a tracker, for display.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TrackerStatus<'a> {
    /// The id of the tracker in this schedule.
    pub id: TrackerId,
    /// The URL of the tracker.
    pub url: &'a TrackerUrl,
    /// The number of its tier, from 0.
    pub tier: u32,
    /// The state of the tracker.
    pub state: TrackerState,
    /// The number of failures since the last response.
    pub failures: u32,
    /// The last failure, if there was no response since.
    pub last_failure: Option<&'a Failure>,
    /// The time of the next announce, if that is known.
    pub next_announce: Option<Instant>,
    /// The warning in its last response.
    pub warning: Option<&'a str>,
    /// The number of seeders in its last response to an announce or a scrape.
    pub seeders: Option<u32>,
    /// The number of leechers in its last response to an announce or a scrape.
    pub leechers: Option<u32>,
    /// The number of peers that have ever completed, if it has said so.
    pub completed: Option<u32>,
    /// The number of peers listed in its last response to an announce.
    pub peers: Option<u32>,
    /// Its last scrape.
    pub scrape: ScrapeStatus<'a>,
    /// The announces of the schedule to it.
    pub totals: TrackerTotals,
}

/// The announces to a tracker since it was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct TrackerTotals {
    /// Announces that were answered.
    pub answers: u64,
    /// Announces that failed, refused ones included.
    pub failures: u64,
    /// Peers listed in all answers. One that is listed twice counts twice.
    pub peers: u64,
}

/// The state of a tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TrackerState {
    /// The tracker was not asked yet, since others answer.
    Unused,
    /// An announce is in flight.
    Announcing,
    /// The last announce succeeded.
    Working,
    /// The last announce failed.
    Failing,
    /// The tracker is not asked again, at its own request (BEP 31).
    Disabled,
}

impl fmt::Display for TrackerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrackerState::Unused => "not asked yet",
            TrackerState::Announcing => "announcing",
            TrackerState::Working => "working",
            TrackerState::Failing => "failing",
            TrackerState::Disabled => "not asked again",
        })
    }
}
