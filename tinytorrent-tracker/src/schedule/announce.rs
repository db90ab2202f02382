use crate::{AnnounceEvent, AnnounceRequest, TrackerUrl};

/// Names a tracker of one [`Schedule`](super::Schedule).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackerId(pub(super) u32);

/// Names an announce of one [`Schedule`](super::Schedule).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnnounceId {
    pub(super) tracker: TrackerId,
    pub(super) serial: u32,
}

impl AnnounceId {
    /// The tracker it goes to.
    pub fn tracker(self) -> TrackerId {
        self.tracker
    }
}

/// An announce to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledAnnounce {
    /// To be given back with the outcome.
    pub id: AnnounceId,
    /// Whom to tell.
    pub url: TrackerUrl,
    /// What to tell.
    pub event: AnnounceEvent,
    /// Peers wanted; `None` leaves it to the tracker.
    pub num_want: Option<u32>,
    /// What the tracker wants back of its last reply.
    pub tracker_id: Option<Vec<u8>>,
}

impl ScheduledAnnounce {
    /// Puts event, peers wanted and tracker id into a request; the rest is the caller's to fill,
    /// at the moment of sending.
    pub fn apply_to(&self, request: &mut AnnounceRequest) {
        request.event = self.event;
        request.num_want = self.num_want;
        request.tracker_id = self.tracker_id.clone();
    }
}

/// What an outcome meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutcomeEffect {
    /// It belongs to no announce under way; its peers are good all the same.
    Stale,
    /// The tracker goes on as the one of its lane.
    Answered,
    /// Another tracker has taken over from `from`. For a private torrent, all peers that came
    /// from that one are to be dropped (BEP 27).
    Switched {
        /// The tracker that answered until now.
        from: TrackerId,
    },
    /// It failed and will be tried again.
    Failed,
    /// It failed for good: the tracker said never (BEP 31).
    Disabled,
}
