use tinytorrent_tracker::{
    AnnounceId, AnnounceRequest, AnnounceResponse, Failure, ScrapeId, ScrapeResponse, TrackerUrl,
};

/// One announce to one tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceTask {
    /// The id to give back with the outcome.
    pub id: AnnounceId,
    /// The tracker.
    pub url: TrackerUrl,
    /// The announce. A hybrid has a second one, under its other hash, to be made of this one.
    pub request: AnnounceRequest,
}

/// The outcome of an [`AnnounceTask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceOutcome {
    /// The id of the task.
    pub id: AnnounceId,
    /// The answer of the tracker, or the reason why there is none.
    pub result: Result<AnnounceResponse, Failure>,
}

/// One scrape of one tracker, under all hashes of the torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeTask {
    /// The id to give back with the outcome.
    pub id: ScrapeId,
    /// The announce URL of the tracker.
    pub url: TrackerUrl,
}

/// The outcome of a [`ScrapeTask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeOutcome {
    /// The id of the task.
    pub id: ScrapeId,
    /// The answer of the tracker, or the reason why there is none.
    pub result: Result<ScrapeResponse, Failure>,
}
