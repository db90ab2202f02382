use crate::{AnnounceEvent, AnnounceRequest, TrackerUrl};

/// The id of a tracker of one [`Schedule`](super::Schedule).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackerId(pub(super) u32);

/// The id of an announce of one [`Schedule`](super::Schedule).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnnounceId {
    pub(super) tracker: TrackerId,
    pub(super) serial: u32,
}

impl AnnounceId {
    /// The tracker of the announce.
    pub fn tracker(self) -> TrackerId {
        self.tracker
    }

    /// The id as one number, to be kept in a recording, say.
    pub const fn to_bits(self) -> u64 {
        (self.tracker.0 as u64) << 32 | self.serial as u64
    }

    /// The id of a number that [`to_bits`](Self::to_bits) gave.
    pub const fn from_bits(bits: u64) -> Self {
        Self { tracker: TrackerId((bits >> 32) as u32), serial: bits as u32 }
    }
}

/// An announce to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledAnnounce {
    /// The id to pass to [`Schedule::handle_outcome`](super::Schedule::handle_outcome).
    pub id: AnnounceId,
    /// The announce URL of the tracker.
    pub url: TrackerUrl,
    /// The reason for the announce.
    pub event: AnnounceEvent,
    /// Peers wanted; `None` leaves it to the tracker.
    pub num_want: Option<u32>,
    /// The `tracker id` of the tracker's last response.
    pub tracker_id: Option<Vec<u8>>,
}

impl ScheduledAnnounce {
    /// Sets event, peers wanted and tracker id of a request. The caller sets the rest at the
    /// moment of sending, so that the numbers are current.
    pub fn apply_to(&self, request: &mut AnnounceRequest) {
        request.event = self.event;
        request.num_want = self.num_want;
        request.tracker_id = self.tracker_id.clone();
    }
}

/// The effect of an outcome on the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutcomeEffect {
    /// None, as the announce is not in flight. The peers of its response can be used all the same.
    Stale,
    /// The tracker succeeded, and stays in use.
    Answered,
    /// The tracker succeeded, and is used in place of `from`. For a private torrent, all peers from
    /// the one before have to be dropped (BEP 27).
    Switched {
        /// The tracker that was in use before.
        from: TrackerId,
    },
    /// The tracker failed, and will be asked again.
    Failed,
    /// The tracker failed, and will not be asked again, at its own request (BEP 31).
    Disabled,
}
