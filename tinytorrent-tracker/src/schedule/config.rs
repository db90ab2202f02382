use std::time::Duration;

/// Settings of a [`Schedule`](super::Schedule).
///
/// # Defaults
/// One tracker at a time (BEP 12), not private, incomplete, the tracker's own number of peers;
/// intervals between 1 minute and 1 day, 30 minutes if the tracker gives none; 5 minutes between
/// announces for want of peers if it gives no `min interval`; back-off from 5 s, times 2.5, to
/// 1 hour; 5 s for `stopped`; 15 s before the next tracker is tried too; an announce without outcome is lost after 10 minutes.
#[derive(Debug, Clone)]
pub struct ScheduleConfig {
    pub(super) seed: u64,
    mode: AnnounceMode,
    is_private: bool,
    pub(super) is_complete: bool,
    pub(super) num_want: Option<u32>,
    pub(super) interval_floor: Duration,
    pub(super) shortage_floor: Duration,
    pub(super) first_backoff: Duration,
    pub(super) max_backoff: Duration,
    pub(super) stop_timeout: Duration,
    pub(super) overtake_after: Duration,
    pub(super) patience: Duration,
}

/// To how many trackers at once a torrent is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnnounceMode {
    /// One; the others are there in case it fails (BEP 12).
    #[default]
    OneTracker,
    /// One of each tier. What most clients do, as most torrents have a tier for each tracker.
    AllTiers,
    /// All. The same host under two schemes counts as one.
    AllTrackers,
}

impl ScheduleConfig {
    /// The seed decides the order inside the tiers and the jitter of the back-off.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            mode: AnnounceMode::OneTracker,
            is_private: false,
            is_complete: false,
            num_want: None,
            interval_floor: Duration::from_secs(60),
            shortage_floor: Duration::from_secs(5 * 60),
            first_backoff: Duration::from_secs(5),
            max_backoff: Duration::from_secs(60 * 60),
            stop_timeout: Duration::from_secs(5),
            overtake_after: Duration::from_secs(15),
            patience: Duration::from_secs(10 * 60),
        }
    }

    /// To how many trackers to announce. Default: one. More finds more peers, and costs the
    /// trackers more.
    pub fn announce_mode(&mut self, mode: AnnounceMode) -> &mut Self {
        self.mode = mode;
        self
    }

    /// Whether the torrent is private (BEP 27). It is then announced to one tracker at a time,
    /// whatever the mode. Default: no.
    pub fn private(&mut self, is_private: bool) -> &mut Self {
        self.is_private = is_private;
        self
    }

    /// Whether nothing is missing from the start; no `completed` is sent then (BEP 3).
    /// Default: no.
    pub fn complete(&mut self, is_complete: bool) -> &mut Self {
        self.is_complete = is_complete;
        self
    }

    /// Peers to ask for; `None`, the default, leaves it to the tracker.
    pub fn num_want(&mut self, count: Option<u32>) -> &mut Self {
        self.num_want = count;
        self
    }

    /// The shortest interval to believe a tracker. Default: 1 minute. Less lets a tracker that
    /// says 0 make us flood it.
    pub fn interval_floor(&mut self, floor: Duration) -> &mut Self {
        self.interval_floor = floor.max(Duration::from_millis(1));
        self
    }

    /// The shortest time between two announces for want of peers, where the tracker gives no
    /// `min interval`. Default: 5 minutes; never more than the interval.
    pub fn shortage_floor(&mut self, floor: Duration) -> &mut Self {
        self.shortage_floor = floor;
        self
    }

    /// How long to leave a tracker alone after its first failure in a row, and how long at most.
    /// Defaults: 5 s, 1 hour.
    pub fn backoff(&mut self, first: Duration, max: Duration) -> &mut Self {
        self.first_backoff = first.max(Duration::from_millis(1));
        self.max_backoff = max.max(self.first_backoff);
        self
    }

    /// How long to wait for trackers to hear `stopped`. Default: 5 s.
    pub fn stop_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.stop_timeout = timeout;
        self
    }

    /// For how long a tracker may leave its first announce unanswered before the next is asked
    /// beside it, as BEP 12 has it for one that fails. Default: 15 s, the first time-out of BEP 15.
    /// Only while no tracker has answered, and never for private torrents, which speak to one at a
    /// time (BEP 27). More makes a dead tracker cost more; less asks two where one would do.
    pub fn overtake_after(&mut self, time: Duration) -> &mut Self {
        self.overtake_after = time;
        self
    }

    /// After how long an announce whose outcome nobody told counts as failed. Default: 10
    /// minutes, more than any driver should take.
    pub fn patience(&mut self, patience: Duration) -> &mut Self {
        self.patience = patience;
        self
    }

    pub(super) fn is_private(&self) -> bool {
        self.is_private
    }

    pub(super) fn mode(&self) -> AnnounceMode {
        if self.is_private { AnnounceMode::OneTracker } else { self.mode }
    }

    /// What a tracker's interval is taken for.
    pub(super) fn clamp_interval(&self, interval: Option<Duration>) -> Duration {
        interval
            .unwrap_or(DEFAULT_INTERVAL)
            .clamp(self.interval_floor, MAX_INTERVAL.max(self.interval_floor))
    }

    /// How long to leave a tracker alone after this many failures in a row, before jitter.
    pub(super) fn backoff_after(&self, failures: u32) -> Duration {
        let mut wait = self.first_backoff;
        for _ in 1..failures {
            wait = wait.mul_f64(BACKOFF_RATIO);
            if wait >= self.max_backoff {
                return self.max_backoff;
            }
        }
        wait.min(self.max_backoff)
    }
}

/// What deployed trackers use, and what libtorrent assumes where none is given.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// A tracker that says a year has made a mistake.
pub(super) const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// As libtorrent's `tracker_backoff` of 250 %.
const BACKOFF_RATIO: f64 = 2.5;
