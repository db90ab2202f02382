use std::time::Duration;

/// Settings of a [`Schedule`](super::Schedule).
///
/// # Defaults
/// - One tracker at a time (BEP 12), not private, incomplete, the tracker's own number of peers.
/// - Intervals from 1 minute to 1 day, and 30 minutes if the tracker gives none; 5 minutes between
///   announces for more peers if it gives no `min interval`.
/// - Back-off from 5 s, times 2.5 after each failure, to 1 hour.
/// - Timeouts: 5 s for `stopped`, 15 s before the next tracker is asked too, and 10 minutes for the
///   outcome of an announce.
///
/// A time of more than a year is taken as a year.
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
    pub(super) outcome_timeout: Duration,
}

/// The trackers to which a torrent is announced at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnnounceMode {
    /// One tracker, and another if it fails (BEP 12).
    #[default]
    OneTracker,
    /// One tracker of each tier. Most clients do this, as most torrents have a tier for each
    /// tracker.
    AllTiers,
    /// All trackers. A host under two schemes counts as one.
    AllTrackers,
}

impl ScheduleConfig {
    /// Default settings. The order inside tiers and the jitter of the back-off come from `seed`.
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
            outcome_timeout: Duration::from_secs(10 * 60),
        }
    }

    /// The trackers to announce to at the same time. Default: one. More trackers give more peers,
    /// and have more load.
    pub fn announce_mode(&mut self, mode: AnnounceMode) -> &mut Self {
        self.mode = mode;
        self
    }

    /// True for a private torrent (BEP 27), which is announced to one tracker at a time in every
    /// mode. Default: false.
    pub fn private(&mut self, is_private: bool) -> &mut Self {
        self.is_private = is_private;
        self
    }

    /// True if the torrent is complete at the start, so that no `completed` is sent (BEP 3).
    /// Default: false.
    pub fn complete(&mut self, is_complete: bool) -> &mut Self {
        self.is_complete = is_complete;
        self
    }

    /// The number of peers to ask for; `None` leaves it to the tracker. Default: `None`.
    pub fn num_want(&mut self, count: Option<u32>) -> &mut Self {
        self.num_want = count;
        self
    }

    /// The shortest interval between announces, whatever the tracker sends. Default: 1 minute.
    /// Less would let a tracker with an interval of 0 cause a flood of announces.
    pub fn interval_floor(&mut self, floor: Duration) -> &mut Self {
        self.interval_floor = floor.clamp(SHORTEST, LONGEST);
        self
    }

    /// The shortest time between two announces for more peers, if the tracker gives no
    /// `min interval`. Default: 5 minutes; never more than the interval.
    pub fn shortage_floor(&mut self, floor: Duration) -> &mut Self {
        self.shortage_floor = floor.min(LONGEST);
        self
    }

    /// The back-off after the first failure in a row, and the longest back-off. Defaults: 5 s and
    /// 1 hour.
    pub fn backoff(&mut self, first: Duration, max: Duration) -> &mut Self {
        self.first_backoff = first.clamp(SHORTEST, LONGEST);
        self.max_backoff = max.clamp(self.first_backoff, LONGEST);
        self
    }

    /// The timeout for the outcomes of all `stopped`. Default: 5 s.
    pub fn stop_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.stop_timeout = timeout.min(LONGEST);
        self
    }

    /// The time after which the next tracker is asked too, if the first is slow to answer. It
    /// applies while no tracker has answered, and not to private torrents, which use one tracker at
    /// a time (BEP 27). Default: 15 s, the first timeout of BEP 15. More lets a dead tracker delay
    /// the first peers longer; less burdens two trackers more often.
    pub fn overtake_after(&mut self, time: Duration) -> &mut Self {
        self.overtake_after = time.min(LONGEST);
        self
    }

    /// The time after which an announce without an outcome counts as failed. Default: 10 minutes,
    /// more than a driver needs.
    pub fn outcome_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.outcome_timeout = timeout.min(LONGEST);
        self
    }

    pub(super) fn is_private(&self) -> bool {
        self.is_private
    }

    pub(super) fn mode(&self) -> AnnounceMode {
        // BEP 27 allows one tracker at a time, in whatever mode the user has set.
        if self.is_private { AnnounceMode::OneTracker } else { self.mode }
    }

    /// The interval to use for that of a tracker.
    pub(super) fn clamp_interval(&self, interval: Option<Duration>) -> Duration {
        interval
            .unwrap_or(DEFAULT_INTERVAL)
            // The floor is the caller's, and `clamp` panics if it is above the other bound.
            .clamp(self.interval_floor, MAX_INTERVAL.max(self.interval_floor))
    }

    /// The back-off after this number of failures in a row, without jitter.
    pub(super) fn backoff_after(&self, failures: u32) -> Duration {
        let mut wait = self.first_backoff;
        // Ends after a few rounds: a power of the ratio would overflow after many failures.
        for _ in 1..failures {
            wait = wait.mul_f64(BACKOFF_RATIO);
            if wait >= self.max_backoff {
                return self.max_backoff;
            }
        }
        wait.min(self.max_backoff)
    }
}

/// More than no time, so that the clock has to move between two announces.
const SHORTEST: Duration = Duration::from_millis(1);

/// An `Instant` ends somewhere, and a time that is added to one must not lead beyond.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The interval of deployed trackers, and the default of libtorrent.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// A guess: longer intervals are mistakes of a tracker.
pub(super) const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// The value of libtorrent's `tracker_backoff`, 250 %.
const BACKOFF_RATIO: f64 = 2.5;
