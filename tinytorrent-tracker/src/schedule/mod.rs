use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::{AnnounceEvent, AnnounceResponse, Failure, TrackerUrl, UrlError};

mod announce;
mod config;
mod invariants;
mod lane;
mod tracker;

pub use announce::{AnnounceId, OutcomeEffect, ScheduledAnnounce, TrackerId};
pub use config::{AnnounceMode, ScheduleConfig};
use lane::Lane;
use tracker::{InFlight, Tracker};
pub use tracker::{TrackerState, TrackerStatus};

/// When to tell which tracker what about one torrent, without a clock and without sockets.
///
/// It keeps the tiers of BEP 12 (shuffled once, a tracker that answers moves to the front of its
/// tier, a tier's turn comes when all before it failed or are slow to answer), and it owns the events: `started` goes
/// first to each tracker and again until it is accepted, `completed` once to those who heard
/// `started` while something was missing, `stopped` to all who know of us. Intervals are clamped,
/// `min interval` is a floor, failures back off, `retry in` is obeyed (BEP 31).
///
/// 1. Drain [`poll_announce`](Self::poll_announce); perform each, however long it takes.
/// 2. Tell each result with [`handle_outcome`](Self::handle_outcome).
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
    rng: StdRng,
    /// A [`TrackerId`] is an index here; trackers are never removed.
    trackers: Vec<Tracker>,
    /// Each tracker is in exactly one.
    lanes: Vec<Lane>,
    rejected: Vec<UrlError>,
    phase: Phase,
    is_complete: bool,
    is_partial_seed: bool,
    next_serial: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// `stopped` goes out until this instant.
    Stopping {
        since: Instant,
        until: Instant,
    },
    Stopped,
}

impl Schedule {
    /// A schedule whose first announce is due at once. Equal URLs are taken once, and a tracker
    /// that is there under two schemes goes into the tier of the first; what is no usable URL is
    /// left out and [`rejected`](Self::rejected).
    pub fn new<Tiers, Tier, Url>(config: ScheduleConfig, tiers: Tiers, now: Instant) -> Self
    where
        Tiers: IntoIterator<Item = Tier>,
        Tier: IntoIterator<Item = Url>,
        Url: AsRef<str>,
    {
        let mut schedule = Self {
            rng: StdRng::seed_from_u64(config.seed),
            is_complete: config.is_complete,
            config,
            trackers: Vec::new(),
            lanes: Vec::new(),
            rejected: Vec::new(),
            phase: Phase::Running,
            is_partial_seed: false,
            next_serial: 0,
        };
        let tiers = tiers.into_iter().zip(0..);
        let urls = tiers.flat_map(|(urls, tier)| urls.into_iter().map(move |url| (url, tier)));
        for (url, tier) in urls.take(MAX_URLS) {
            match url.as_ref().parse() {
                Ok(url) => drop(schedule.add_tracker(now, tier, url)),
                Err(error) => schedule.rejected.push(error),
            }
        }
        for lane in &mut schedule.lanes {
            lane.shuffle(&mut schedule.rng);
        }
        schedule
    }

    /// The texts that were no URLs of trackers, and why.
    pub fn rejected(&self) -> &[UrlError] {
        &self.rejected
    }

    /// Adds a tracker at the end of a tier; tiers count from 0. `None` if it is there already.
    pub fn add_tracker(&mut self, now: Instant, tier: u32, url: TrackerUrl) -> Option<TrackerId> {
        if self.trackers.len() >= MAX_TRACKERS || self.trackers.iter().any(|known| known.url == url)
        {
            return None;
        }
        let sibling = self.trackers.iter().position(|known| known.is_sibling(&url));
        let tier = sibling.map_or(tier, |sibling| self.trackers[sibling].tier);
        let id = TrackerId(self.trackers.len() as u32);
        self.trackers.push(Tracker::new(url, tier, now));
        let home = match self.config.mode() {
            AnnounceMode::OneTracker => self.lanes.first_mut(),
            AnnounceMode::AllTiers => self.lanes.iter_mut().find(|lane| lane.has_tier(tier)),
            AnnounceMode::AllTrackers => sibling.and_then(|sibling| {
                self.lanes.iter_mut().find(|lane| lane.contains(TrackerId(sibling as u32)))
            }),
        };
        match home {
            Some(lane) => lane.add(tier, id),
            None => self.lanes.push(Lane::new(tier, id, now)),
        }
        Some(id)
    }

    /// The next announce to make now, if one is due.
    ///
    /// Can give more after every other call and when the time of `poll_timeout` has come.
    pub fn poll_announce(&mut self, now: Instant) -> Option<ScheduledAnnounce> {
        match self.phase {
            Phase::Running => self.poll_running(now),
            Phase::Stopping { until, .. } => self.poll_stopping(now, until),
            Phase::Stopped => None,
        }
    }

    /// Takes the result of an announce. The peers of the response are the caller's to use.
    pub fn handle_outcome(
        &mut self,
        now: Instant,
        id: AnnounceId,
        outcome: Result<&AnnounceResponse, &Failure>,
    ) -> OutcomeEffect {
        let Some(in_flight) = self.take_in_flight(id) else { return OutcomeEffect::Stale };
        let effect = match outcome {
            Ok(response) => self.on_answer(now, id.tracker, &in_flight, response),
            Err(failure) => self.on_failure(now, id.tracker, failure),
        };
        self.end_if_all_stopped();
        effect
    }

    /// When to call [`poll_announce`](Self::poll_announce) again; in the past if it has something
    /// now. `None` if nothing will ever be due by itself.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running => self.lanes.iter().filter_map(|lane| self.wake_of(lane)).min(),
            Phase::Stopping { since, until } => {
                let has_due = self.trackers.iter().any(Tracker::is_stop_due);
                Some(if has_due { since } else { until })
            }
            Phase::Stopped => None,
        }
    }

    /// The last piece has come: trackers that heard `started` from us will hear `completed`.
    pub fn set_complete(&mut self, now: Instant) {
        if std::mem::replace(&mut self.is_complete, true) {
            return;
        }
        self.is_partial_seed = false;
        self.trackers.iter_mut().for_each(Tracker::on_complete);
        for lane in &mut self.lanes {
            if lane.current.is_some_and(|id| self.trackers[id.0 as usize].is_completed_due()) {
                lane.due = lane.due.min(now);
            }
        }
    }

    /// Whether we want no more although something is missing; every regular announce says so
    /// then (BEP 21).
    pub fn set_partial_seed(&mut self, is_partial_seed: bool) {
        self.is_partial_seed = is_partial_seed && !self.is_complete;
    }

    /// Peers are short: announces as soon as `min interval`, or else the configured floor, allows
    /// (BEP 3: "downloaders may rerequest on nonscheduled times if they need more peers").
    pub fn request_more_peers(&mut self, now: Instant) {
        for lane in &mut self.lanes {
            if let Some(current) = lane.current {
                let floor = self.trackers[current.0 as usize].floor;
                lane.due = lane.due.min(floor.max(now));
            }
        }
    }

    /// The user wants an announce now: failures are forgotten, `min interval` is not.
    pub fn reannounce(&mut self, now: Instant) {
        for tracker in &mut self.trackers {
            tracker.forgive(now);
        }
        self.request_more_peers(now);
    }

    /// Tells all trackers that know of us that we leave, at once and once. Announces under way
    /// are superseded: their outcomes need not be told any more, except of a `started`.
    pub fn stop(&mut self, now: Instant) {
        if self.phase != Phase::Running {
            return;
        }
        self.phase = Phase::Stopping { since: now, until: now + self.config.stop_timeout };
        self.trackers.iter_mut().for_each(Tracker::on_stop);
        self.lanes.iter_mut().for_each(|lane| lane.asking = None);
        self.end_if_all_stopped();
    }

    /// Begins again after [`stop`](Self::stop): every tracker hears `started` first.
    pub fn start(&mut self, now: Instant) {
        if self.phase == Phase::Running {
            return;
        }
        self.phase = Phase::Running;
        self.trackers.iter_mut().for_each(Tracker::on_start);
        for lane in &mut self.lanes {
            (lane.due, lane.asking, lane.current) = (now, None, None);
        }
    }

    /// Whether [`stop`](Self::stop) has run its course: all was told, or the time was up.
    pub fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    /// What is known of each tracker, in the order they were added.
    pub fn trackers(&self) -> impl Iterator<Item = TrackerStatus<'_>> {
        self.trackers.iter().enumerate().map(|(index, tracker)| {
            let id = TrackerId(index as u32);
            let lane = self.lanes.iter().find(|lane| lane.contains(id));
            tracker.status(id, lane.filter(|lane| lane.current == Some(id)).map(|lane| lane.due))
        })
    }

    /// The tracker with this id; `None` if it is of another schedule.
    pub fn tracker(&self, id: TrackerId) -> Option<TrackerStatus<'_>> {
        self.trackers().nth(id.0 as usize)
    }

    fn poll_running(&mut self, now: Instant) -> Option<ScheduledAnnounce> {
        self.give_up_on_lost(now);
        let (lane, id) = self.lanes.iter().enumerate().find_map(|(index, lane)| {
            (lane.due <= now && self.overtaken_at(lane).is_none_or(|at| at <= now))
                .then(|| lane.order().find(|id| self.trackers[id.0 as usize].may_ask(now)))
                .flatten()
                .map(|id| (index, id))
        })?;
        self.ask_instead(lane, Some(id));
        let event = self.trackers[id.0 as usize].next_event(self.is_partial_seed);
        Some(self.announce(now, id, event))
    }

    /// While no tracker has answered, one that is slow to is overtaken: the next is asked beside
    /// it, as if it had failed, and its answer still counts. `None` if nobody is being asked.
    fn overtaken_at(&self, lane: &Lane) -> Option<Instant> {
        let in_flight = self.trackers[lane.asking?.0 as usize].in_flight.as_ref()?;
        let may_overtake = lane.current.is_none() && !self.config.is_private();
        Some(if may_overtake { in_flight.slow_at } else { in_flight.lost_at })
    }

    /// Who was being asked in the lane is not waited for any longer.
    fn ask_instead(&mut self, lane: usize, id: Option<TrackerId>) {
        let before = std::mem::replace(&mut self.lanes[lane].asking, id);
        let before = before.and_then(|id| self.trackers[id.0 as usize].in_flight.as_mut());
        if let Some(in_flight) = before {
            in_flight.is_overtaken = true;
        }
    }

    fn poll_stopping(&mut self, now: Instant, until: Instant) -> Option<ScheduledAnnounce> {
        if now >= until {
            self.phase = Phase::Stopped;
            return None;
        }
        let index = self.trackers.iter().position(Tracker::is_stop_due)?;
        self.trackers[index].on_stop_sent();
        Some(self.announce(now, TrackerId(index as u32), AnnounceEvent::Stopped))
    }

    fn announce(&mut self, now: Instant, id: TrackerId, event: AnnounceEvent) -> ScheduledAnnounce {
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        let tracker = &mut self.trackers[id.0 as usize];
        tracker.in_flight = Some(InFlight {
            serial,
            event,
            slow_at: now + self.config.overtake_after,
            lost_at: now + self.config.patience,
            is_overtaken: false,
        });
        ScheduledAnnounce {
            id: AnnounceId { tracker: id, serial },
            url: tracker.url.clone(),
            event,
            num_want: if event == AnnounceEvent::Stopped { Some(0) } else { self.config.num_want },
            tracker_id: tracker.tracker_id.clone(),
        }
    }

    fn take_in_flight(&mut self, id: AnnounceId) -> Option<InFlight> {
        let tracker = self.trackers.get_mut(id.tracker.0 as usize)?;
        tracker.in_flight.take_if(|in_flight| in_flight.serial == id.serial)
    }

    fn on_answer(
        &mut self,
        now: Instant,
        id: TrackerId,
        in_flight: &InFlight,
        response: &AnnounceResponse,
    ) -> OutcomeEffect {
        let tracker = &mut self.trackers[id.0 as usize];
        let interval = tracker.on_answer(now, in_flight.event, response, &self.config);
        let is_more_due = tracker.is_completed_due();
        if self.phase != Phase::Running {
            tracker.on_late_answer(in_flight.event);
            return OutcomeEffect::Answered;
        }
        let Some(index) = self.lanes.iter().position(|lane| lane.contains(id)) else {
            return OutcomeEffect::Answered;
        };
        if in_flight.is_overtaken && self.lanes[index].current.is_some() {
            return OutcomeEffect::Answered;
        }
        if self.lanes[index].asking != Some(id) {
            self.ask_instead(index, None);
        }
        let lane = &mut self.lanes[index];
        lane.asking = None;
        lane.promote(id);
        lane.due = if is_more_due { now } else { now + interval };
        match lane.current.replace(id) {
            Some(from) if from != id => OutcomeEffect::Switched { from },
            _ => OutcomeEffect::Answered,
        }
    }

    fn on_failure(&mut self, now: Instant, id: TrackerId, failure: &Failure) -> OutcomeEffect {
        let tracker = &mut self.trackers[id.0 as usize];
        tracker.on_failure(now, failure, &self.config, &mut self.rng);
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.asking == Some(id)) {
            lane.asking = None;
        }
        if tracker.is_disabled { OutcomeEffect::Disabled } else { OutcomeEffect::Failed }
    }

    /// A driver that loses an announce must not stop the run.
    fn give_up_on_lost(&mut self, now: Instant) {
        for index in 0..self.trackers.len() {
            let lost = |in_flight: &mut InFlight| in_flight.lost_at <= now;
            if self.trackers[index].in_flight.take_if(lost).is_some() {
                let failure = Failure::Failed("the announce was never finished".into());
                self.on_failure(now, TrackerId(index as u32), &failure);
            }
        }
    }

    fn wake_of(&self, lane: &Lane) -> Option<Instant> {
        let members = || lane.order().map(|id| &self.trackers[id.0 as usize]);
        let lost = members().filter_map(|t| Some(t.in_flight.as_ref()?.lost_at)).min();
        let next = members().filter(|t| !t.is_disabled && t.in_flight.is_none());
        let next = next.map(|tracker| tracker.not_before.max(lane.due)).min();
        let next = next.map(|at| self.overtaken_at(lane).map_or(at, |free| free.max(at)));
        lost.into_iter().chain(next).min()
    }

    fn end_if_all_stopped(&mut self) {
        let is_over = |tracker: &Tracker| !tracker.is_stop_due() && tracker.in_flight.is_none();
        if matches!(self.phase, Phase::Stopping { .. }) && self.trackers.iter().all(is_over) {
            self.phase = Phase::Stopped;
        }
    }
}

/// Far beyond any honest torrent; each costs a few hundred bytes and a look now and then.
const MAX_TRACKERS: usize = 1_000;

/// What a torrent says of trackers is looked at so far: room for many that are no use.
const MAX_URLS: usize = 10 * MAX_TRACKERS;

#[cfg(test)]
mod tests;
