use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

use super::config::MAX_INTERVAL;
use super::{ScheduleConfig, TrackerId};
use crate::{AnnounceEvent, AnnounceResponse, Failure, RetryIn, TrackerUrl};

/// What the schedule knows of one tracker.
#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) url: TrackerUrl,
    pub(super) tier: u32,
    pub(super) in_flight: Option<InFlight>,
    /// Not to be asked before, because it failed.
    pub(super) not_before: Instant,
    /// Not to be asked before without an event, because it said so.
    pub(super) floor: Instant,
    pub(super) is_disabled: bool,
    pub(super) tracker_id: Option<Vec<u8>>,
    /// Whether it has accepted our `started`.
    knows_us: bool,
    completed: Completed,
    is_stop_due: bool,
    failures: u32,
    last_failure: Option<Failure>,
    warning: Option<String>,
    seeders: Option<u32>,
    leechers: Option<u32>,
    peers: Option<u32>,
}

/// An announce under way.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) serial: u32,
    pub(super) event: AnnounceEvent,
    /// The next tracker is asked beside it from then on.
    pub(super) slow_at: Instant,
    /// It counts as failed from then on.
    pub(super) lost_at: Instant,
    /// Its lane does not wait for it any longer.
    pub(super) is_overtaken: bool,
}

/// Whether the tracker is to hear `completed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Completed {
    NotDue,
    Due,
    Told,
}

impl Tracker {
    pub(super) fn new(url: TrackerUrl, tier: u32, now: Instant) -> Self {
        Self {
            url,
            tier,
            in_flight: None,
            not_before: now,
            floor: now,
            is_disabled: false,
            tracker_id: None,
            knows_us: false,
            completed: Completed::NotDue,
            is_stop_due: false,
            failures: 0,
            last_failure: None,
            warning: None,
            seeders: None,
            leechers: None,
            peers: None,
        }
    }

    /// The same tracker under another scheme: it would count us twice.
    pub(super) fn is_sibling(&self, url: &TrackerUrl) -> bool {
        self.url.host() == url.host() && self.url.scheme() != url.scheme()
    }

    pub(super) fn may_ask(&self, now: Instant) -> bool {
        !self.is_disabled && self.in_flight.is_none() && self.not_before <= now
    }

    pub(super) fn next_event(&self, is_partial_seed: bool) -> AnnounceEvent {
        if !self.knows_us {
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
        let is_starting = self.is_in_flight(AnnounceEvent::Started);
        if self.completed == Completed::NotDue && (self.knows_us || is_starting) {
            self.completed = Completed::Due;
        }
    }

    pub(super) fn is_completed_due(&self) -> bool {
        self.knows_us && self.completed == Completed::Due
    }

    pub(super) fn on_stop(&mut self) {
        self.is_stop_due = self.knows_us && !self.is_disabled;
        if self.knows_us || !self.is_in_flight(AnnounceEvent::Started) {
            self.in_flight = None;
        }
    }

    pub(super) fn is_stop_due(&self) -> bool {
        self.is_stop_due
    }

    pub(super) fn on_stop_sent(&mut self) {
        (self.is_stop_due, self.knows_us) = (false, false);
    }

    /// An answer after `stop`: if it accepted our `started`, it has to hear `stopped` too.
    pub(super) fn on_late_answer(&mut self, event: AnnounceEvent) {
        self.is_stop_due = event == AnnounceEvent::Started;
    }

    pub(super) fn on_start(&mut self) {
        self.in_flight = None;
        (self.is_stop_due, self.knows_us) = (false, false);
        self.completed = Completed::NotDue;
    }

    pub(super) fn forgive(&mut self, now: Instant) {
        (self.failures, self.is_disabled) = (0, false);
        self.not_before = self.not_before.min(now);
    }

    /// Takes a good answer; says how long to wait until the next regular announce.
    pub(super) fn on_answer(
        &mut self,
        now: Instant,
        event: AnnounceEvent,
        response: &AnnounceResponse,
        config: &ScheduleConfig,
    ) -> Duration {
        match event {
            AnnounceEvent::Started => self.knows_us = true,
            AnnounceEvent::Completed => self.completed = Completed::Told,
            AnnounceEvent::Stopped => self.knows_us = false,
            AnnounceEvent::None | AnnounceEvent::Paused => {}
        }
        let interval = config.clamp_interval(response.interval);
        let floor =
            response.min_interval.map_or(config.shortage_floor, |min| min.min(MAX_INTERVAL));
        let interval = interval.max(response.min_interval.map_or(interval, |_| floor));
        self.floor = now + floor.clamp(config.interval_floor.min(interval), interval);
        (self.failures, self.not_before, self.last_failure) = (0, now, None);
        if response.tracker_id.is_some() {
            self.tracker_id.clone_from(&response.tracker_id);
        }
        self.warning.clone_from(&response.warning);
        self.seeders = response.seeders;
        self.leechers = response.leechers;
        self.peers = Some(response.peers.len() as u32);
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
        let jittered = config.backoff_after(self.failures).mul_f64(rng.random_range(0.8..1.2));
        let backoff = jittered.min(config.max_backoff);
        self.not_before = now
            + match failure.retry_in() {
                Some(RetryIn::After(wait)) => wait.clamp(config.interval_floor, MAX_INTERVAL),
                Some(RetryIn::Never) | None => backoff,
            };
        self.is_disabled |= failure.retry_in() == Some(RetryIn::Never);
        self.last_failure = Some(failure.clone());
    }

    pub(super) fn status(&self, id: TrackerId, due: Option<Instant>) -> TrackerStatus<'_> {
        let state = if self.is_disabled {
            TrackerState::Disabled
        } else if self.in_flight.is_some() {
            TrackerState::Announcing
        } else if self.last_failure.is_some() {
            TrackerState::Failing
        } else if self.knows_us {
            TrackerState::Working
        } else {
            TrackerState::Unused
        };
        TrackerStatus {
            id,
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
            seeders: self.seeders,
            leechers: self.leechers,
            peers: self.peers,
        }
    }

    fn is_in_flight(&self, event: AnnounceEvent) -> bool {
        self.in_flight.as_ref().is_some_and(|in_flight| in_flight.event == event)
    }
}

/// What is known of a tracker, for people.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TrackerStatus<'a> {
    /// Its name here.
    pub id: TrackerId,
    /// Its URL.
    pub url: &'a TrackerUrl,
    /// The number of its tier, from 0.
    pub tier: u32,
    /// What goes on with it.
    pub state: TrackerState,
    /// Failures since the last good answer.
    pub failures: u32,
    /// The last failure, if there was no good answer since.
    pub last_failure: Option<&'a Failure>,
    /// When it will be asked again, if that is known.
    pub next_announce: Option<Instant>,
    /// The warning in its last answer.
    pub warning: Option<&'a str>,
    /// Seeders it told of last.
    pub seeders: Option<u32>,
    /// Leechers it told of last.
    pub leechers: Option<u32>,
    /// Peers in its last answer.
    pub peers: Option<u32>,
}

/// What goes on with a tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrackerState {
    /// Not asked yet; others answer.
    Unused,
    /// An announce is under way.
    Announcing,
    /// It answered.
    Working,
    /// It did not, the last time.
    Failing,
    /// It wants never to be asked again (BEP 31).
    Disabled,
}
