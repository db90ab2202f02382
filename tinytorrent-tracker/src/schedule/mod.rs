use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::{AnnounceEvent, UrlError};

mod announce;
mod config;
mod invariants;
mod lane;
mod leaving;
mod list;
mod outcome;
mod scrapes;
mod table;
mod tracker;

pub use announce::{AnnounceId, OutcomeEffect, ScheduledAnnounce, TrackerId};
pub use config::{AnnounceMode, ScheduleConfig};
use lane::Lane;
use leaving::Leaving;
pub use scrapes::{ScheduledScrape, ScrapeId, ScrapeStatus};
use table::Table;
use tracker::{InFlight, Tracker};
pub use tracker::{TrackerState, TrackerStatus, TrackerTotals};

/// The schedule of the announces of one torrent, without a clock and without sockets.
///
/// - Tiers are those of BEP 12: they are shuffled once, a tracker that answers moves to the front
///   of its tier, and a tier is asked when all before it have failed or are slow, or know nobody
///   while peers are short.
/// - `started` is the first event for each tracker, and is repeated until it is accepted.
///   `completed` is sent once to each tracker that accepted `started` before the download was
///   complete, and `stopped` to all that accepted `started`.
/// - Intervals are clamped, `min interval` is a lower limit, failures lead to back-off, and
///   `retry in` is obeyed (BEP 31).
///
/// 1. Drain [`poll_announce`](Self::poll_announce), and perform each announce.
/// 2. Pass each result to [`handle_outcome`](Self::handle_outcome).
/// 3. Sleep until [`poll_timeout`](Self::poll_timeout), then begin again.
///
/// ```
/// use std::time::Instant;
/// use tinytorrent_tracker::{AnnounceEvent, Schedule, ScheduleConfig};
///
/// let now = Instant::now();
/// let tiers = [["udp://a.example:6969/announce", "http://b.example/announce"]];
/// let mut schedule = Schedule::new(ScheduleConfig::new(7), tiers, now);
/// while let Some(announce) = schedule.poll_announce(now) {
///     assert_eq!(announce.event, AnnounceEvent::Started);
///     let outcome = Err(tinytorrent_tracker::Failure::Failed("no network".into()));
///     schedule.handle_outcome(now, announce.id, outcome.as_ref());
/// }
/// assert!(schedule.poll_timeout() > Some(now));
/// ```
#[derive(Debug)]
pub struct Schedule {
    config: ScheduleConfig,
    rng: Xoshiro256PlusPlus,
    trackers: Table,
    /// The lanes; each tracker is in exactly one.
    lanes: Vec<Lane>,
    /// `None` if no tracker was removed that is still to be told.
    leaving: Option<Box<Leaving>>,
    rejected: Vec<UrlError>,
    phase: Phase,
    is_complete: bool,
    is_partial_seed: bool,
    next_serial: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// `stopped` is sent until this instant.
    Stopping {
        since: Instant,
        until: Instant,
    },
    Stopped,
}

impl Schedule {
    /// A schedule whose first announce is due at once. Equal URLs are taken once, and a tracker
    /// under two schemes belongs to the tier of the first. Malformed URLs are left out, and listed
    /// in [`rejected`](Self::rejected).
    pub fn new<Tiers, Tier, Url>(config: ScheduleConfig, tiers: Tiers, now: Instant) -> Self
    where
        Tiers: IntoIterator<Item = Tier>,
        Tier: IntoIterator<Item = Url>,
        Url: AsRef<str>,
    {
        let mut schedule = Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(config.seed),
            is_complete: config.is_complete,
            config,
            trackers: Table::default(),
            lanes: Vec::new(),
            leaving: None,
            rejected: Vec::new(),
            phase: Phase::Running,
            is_partial_seed: false,
            next_serial: 0,
        };
        schedule.fill(now, tiers, &mut Vec::new());
        schedule
    }

    /// The errors of malformed URLs.
    pub fn rejected(&self) -> &[UrlError] {
        &self.rejected
    }

    /// The next announce to make now, if one is due.
    ///
    /// New announces can be due after every other call, and at the deadline of `poll_timeout`.
    pub fn poll_announce(&mut self, now: Instant) -> Option<ScheduledAnnounce> {
        match self.phase {
            Phase::Running => self.poll_running(now),
            Phase::Stopping { until, .. } => self.poll_stopping(now, until),
            Phase::Stopped => None,
        }
    }

    /// The time of the next call of [`poll_announce`](Self::poll_announce), in the past if an
    /// announce is due now. `None` if no announce will be due without another input.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running => {
                let leaving = self.leaving.iter().filter_map(|leaving| leaving.deadline());
                self.lanes.iter().filter_map(|lane| self.deadline_of(lane)).chain(leaving).min()
            }
            Phase::Stopping { since, until } => {
                let has_due = self.all().any(Tracker::is_stop_due);
                Some(if has_due { since } else { until })
            }
            Phase::Stopped => None,
        }
    }

    /// Records that the download is complete, so that `completed` is sent to the trackers that
    /// accepted `started`.
    pub fn set_complete(&mut self, now: Instant) {
        if std::mem::replace(&mut self.is_complete, true) {
            return;
        }
        // BEP 21 has `paused` for incomplete peers only.
        self.is_partial_seed = false;
        self.trackers.iter_mut().for_each(Tracker::on_complete);
        for lane in &mut self.lanes {
            // Only the tracker in use is due at once; others send `completed` at their next turn.
            if lane.current.is_some_and(|id| self.trackers[id].is_completed_due()) {
                lane.due = lane.due.min(now);
            }
        }
    }

    /// Makes the torrent a private one (BEP 27), as its metadata may tell only after the first
    /// announce: from now on no further tracker is asked while one has not failed.
    pub fn set_private(&mut self) {
        self.config.private(true);
        self.trackers.iter_mut().for_each(|tracker| tracker.is_wanted = false);
    }

    /// Sets if this is a partial seed, which is incomplete and downloads nothing more. All its
    /// regular announces then have the event `paused` (BEP 21).
    pub fn set_partial_seed(&mut self, is_partial_seed: bool) {
        self.is_partial_seed = is_partial_seed && !self.is_complete;
    }

    /// Announces to get more peers, as they are short (BEP 3: "downloaders may rerequest on
    /// nonscheduled times if they need more peers"). Each tracker is asked as soon as its
    /// `min interval` allows, or else [`ScheduleConfig::shortage_floor`], one after the other in the
    /// order of BEP 12, until one has peers. A private torrent stays with its tracker (BEP 27).
    ///
    /// The call may be repeated, and has to be if peers are still short after an answer.
    pub fn request_more_peers(&mut self, now: Instant) {
        if self.config.is_private() {
            return self.announce_early(now);
        }
        self.trackers.iter_mut().for_each(|tracker| tracker.is_wanted = true);
    }

    /// Announces at once at the user's request: back-off ends, but `min interval` is kept.
    pub fn reannounce(&mut self, now: Instant) {
        for tracker in self.trackers.iter_mut() {
            tracker.clear_failures(now);
        }
        self.announce_early(now);
    }

    /// Sends `stopped` at once to all trackers that accepted `started`. Of the announces in
    /// flight, only the outcome of a `started` is still needed.
    pub fn stop(&mut self, now: Instant) {
        if self.phase != Phase::Running {
            return;
        }
        self.phase = Phase::Stopping { since: now, until: now + self.config.stop_timeout };
        self.trackers.iter_mut().for_each(Tracker::on_stop);
        self.lanes.iter_mut().for_each(|lane| lane.asking = None);
        // If no tracker accepted `started`, nothing is sent, and the caller need not wait.
        self.end_if_all_stopped();
    }

    /// Starts again after [`stop`](Self::stop), with `started` to every tracker.
    pub fn start(&mut self, now: Instant) {
        if self.phase == Phase::Running {
            return;
        }
        self.phase = Phase::Running;
        self.trackers.iter_mut().for_each(Tracker::on_start);
        for lane in &mut self.lanes {
            lane.start(now);
        }
    }

    /// True once [`stop`](Self::stop) is over: each `stopped` has an outcome, or the timeout has
    /// passed.
    pub fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    /// The status of each tracker, by tiers, and within a tier in the order in which they were added.
    pub fn trackers(&self) -> impl Iterator<Item = TrackerStatus<'_>> {
        let mut trackers: Vec<_> = self.trackers.iter().collect();
        trackers.sort_by_key(|tracker| tracker.tier);
        trackers.into_iter().map(|tracker| self.status(tracker))
    }

    /// The status of the tracker with this id; `None` if the schedule has no such tracker, or none any
    /// more.
    pub fn tracker(&self, id: TrackerId) -> Option<TrackerStatus<'_>> {
        self.trackers.get(id).map(|tracker| self.status(tracker))
    }

    fn status<'a>(&'a self, tracker: &'a Tracker) -> TrackerStatus<'a> {
        let lane = self.lanes.iter().find(|lane| lane.current == Some(tracker.id));
        tracker.status(lane.map(|lane| lane.due))
    }

    /// The trackers, and those that were removed and are still to be told.
    fn all(&self) -> impl Iterator<Item = &Tracker> {
        let leaving = self.leaving.iter().flat_map(|leaving| leaving.iter());
        self.trackers.iter().chain(leaving)
    }

    fn poll_running(&mut self, now: Instant) -> Option<ScheduledAnnounce> {
        self.fail_lost(now);
        if let Some(announce) = self.poll_leaving(now) {
            return Some(announce);
        }
        let (lane, id) = self.lanes.iter().enumerate().find_map(|(index, lane)| {
            if self.free_at(lane).is_some_and(|at| at > now) {
                return None;
            }
            let is_ready = |id: &TrackerId| self.ready_at(lane, *id).is_some_and(|at| at <= now);
            lane.order().find(is_ready).map(|id| (index, id))
        })?;
        self.set_asked(lane, Some(id));
        let event = self.trackers[id].next_event(self.is_partial_seed);
        let patience = self.patience(lane);
        Some(self.announce(now, id, event, patience))
    }

    /// Makes the next announce of each lane due as soon as the tracker in use allows.
    fn announce_early(&mut self, now: Instant) {
        for lane in &mut self.lanes {
            if let Some(current) = lane.current {
                let earliest = self.trackers[current].earliest_regular;
                // A need for peers must not delay the regular announce.
                lane.due = lane.due.min(earliest.max(now));
            }
        }
    }

    /// The time from which a tracker of this lane may be asked, as far as it is up to the tracker.
    /// `None` if it is being asked, or must not be.
    fn ready_at(&self, lane: &Lane, id: TrackerId) -> Option<Instant> {
        let tracker = &self.trackers[id];
        let wished = tracker.is_wanted.then_some(tracker.earliest_regular);
        let at = wished.map_or(lane.due, |wished| wished.min(lane.due));
        tracker.earliest().map(|earliest| earliest.max(at))
    }

    /// The time from which a lane may ask another tracker although one is being asked. `None` if
    /// no tracker is being asked.
    fn free_at(&self, lane: &Lane) -> Option<Instant> {
        let in_flight = self.trackers[lane.asking?].in_flight.as_ref()?;
        // While the lane has no peers from any tracker, a slow one must not delay the next. Its
        // response still counts. A private torrent uses one tracker at a time (BEP 27).
        let lacks_peers =
            lane.current.is_none() || lane.order().any(|id| self.trackers[id].is_wanted);
        let may_overtake = lacks_peers && !self.config.is_private();
        Some(if may_overtake { in_flight.slow_at } else { in_flight.lost_at })
    }

    /// Sets the tracker that a lane waits for. The lane no longer waits for the one before.
    fn set_asked(&mut self, lane: usize, id: Option<TrackerId>) {
        let lane = &mut self.lanes[lane];
        let before = std::mem::replace(&mut lane.asking, id);
        let before = before.and_then(|id| self.trackers[id].in_flight.as_mut());
        if let Some(in_flight) = before {
            in_flight.is_overtaken = true;
            lane.overtaken += 1;
        }
    }

    /// The time for which a lane waits for a tracker before it asks the next one too.
    fn patience(&self, lane: usize) -> Duration {
        // Shorter with each tracker that was slow: many of them in front must not hold back the
        // one that answers for hours.
        let overtake_after = self.config.overtake_after;
        let patience = overtake_after / self.lanes[lane].overtaken.saturating_add(1);
        patience.max(MIN_PATIENCE.min(overtake_after))
    }

    fn poll_stopping(&mut self, now: Instant, until: Instant) -> Option<ScheduledAnnounce> {
        if now >= until {
            self.phase = Phase::Stopped;
            return None;
        }
        let id =
            self.trackers.iter().find(|tracker| tracker.is_stop_due()).map(|tracker| tracker.id);
        let Some(id) = id else { return self.poll_leaving(now) };
        self.trackers[id].on_stop_sent();
        Some(self.announce(now, id, AnnounceEvent::Stopped, Duration::ZERO))
    }

    /// `stopped` for a tracker that was removed.
    fn poll_leaving(&mut self, now: Instant) -> Option<ScheduledAnnounce> {
        let in_flight = self.in_flight(now, AnnounceEvent::Stopped, Duration::ZERO);
        let tracker = self.leaving.as_mut()?.next()?;
        tracker.on_stop_sent();
        Some(tracker.begin(in_flight, None))
    }

    fn announce(
        &mut self,
        now: Instant,
        id: TrackerId,
        event: AnnounceEvent,
        patience: Duration,
    ) -> ScheduledAnnounce {
        let in_flight = self.in_flight(now, event, patience);
        self.trackers[id].begin(in_flight, self.config.num_want)
    }

    fn in_flight(&mut self, now: Instant, event: AnnounceEvent, patience: Duration) -> InFlight {
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        InFlight {
            serial,
            event,
            slow_at: now + patience,
            lost_at: now + self.config.outcome_timeout,
            is_overtaken: false,
        }
    }

    /// The time at which `poll_announce` has something to do for a lane.
    fn deadline_of(&self, lane: &Lane) -> Option<Instant> {
        let in_flight = lane.order().filter_map(|id| self.trackers[id].in_flight.as_ref());
        let lost = in_flight.map(|in_flight| in_flight.lost_at).min();
        let next = lane.order().filter_map(|id| self.ready_at(lane, id)).min();
        let next = next.map(|at| self.free_at(lane).map_or(at, |free| free.max(at)));
        lost.into_iter().chain(next).min()
    }

    fn end_if_all_stopped(&mut self) {
        let is_over = |tracker: &Tracker| !tracker.is_stop_due() && tracker.in_flight.is_none();
        if matches!(self.phase, Phase::Stopping { .. }) && self.all().all(is_over) {
            self.phase = Phase::Stopped;
        }
    }
}

/// A guess, far above the lists of known torrents. A tracker takes a few hundred bytes, and each
/// poll looks at all of them.
const MAX_TRACKERS: usize = 1_000;

/// A guess: an announce over a slow line takes less, so that few trackers are asked in vain.
const MIN_PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
