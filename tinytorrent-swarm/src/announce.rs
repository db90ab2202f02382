use tinytorrent_tracker::{AnnounceId, AnnounceRequest, AnnounceResponse, Failure, TrackerUrl};

/// One announce to one tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceTask {
    /// To be given back with the outcome.
    pub id: AnnounceId,
    /// Where to.
    pub url: TrackerUrl,
    /// What to say. A hybrid has a second one, under its other hash, to be made of this one.
    pub request: AnnounceRequest,
}

/// What became of an [`AnnounceTask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceOutcome {
    /// As in the task.
    pub id: AnnounceId,
    /// What the tracker said, or why it said nothing.
    pub result: Result<AnnounceResponse, Failure>,
}
