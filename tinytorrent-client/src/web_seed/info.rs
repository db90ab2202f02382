use std::fmt;
use std::time::Duration;

/// A web seed of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WebSeedInfo {
    /// Its URL, as it was given.
    pub url: String,
    /// The source of its URL.
    pub source: WebSeedSource,
    /// The way in which it is asked.
    pub protocol: WebSeedProtocol,
    /// Its state.
    pub state: WebSeedState,
    /// Bytes that it has given and that were needed, in this run.
    pub downloaded: u64,
    /// Bytes a second now.
    pub bytes_per_second: u64,
    /// Failures in a row.
    pub failures: u32,
    /// The time until it is asked again, if it failed or is busy.
    pub retry_in: Option<Duration>,
    /// The last failure, if there was one.
    pub last_error: Option<String>,
}

impl WebSeedInfo {
    /// A web seed of a torrent that was asked for nothing yet, for tests.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            source: WebSeedSource::Torrent,
            protocol: WebSeedProtocol::Files,
            state: WebSeedState::Idle,
            downloaded: 0,
            bytes_per_second: 0,
            failures: 0,
            retry_in: None,
            last_error: None,
        }
    }
}

/// The source of a web seed's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum WebSeedSource {
    /// The user.
    User,
    /// The torrent file.
    Torrent,
    /// The magnet link. A private torrent does not use it.
    Link,
}

/// The way in which a web seed is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum WebSeedProtocol {
    /// For ranges of files (BEP 19).
    Files,
    /// For ranges of pieces (BEP 17).
    Pieces,
}

/// The state of a web seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum WebSeedState {
    /// Nothing is fetched from it.
    Idle,
    /// It is asked for something.
    Fetching,
    /// It failed or is busy, and is asked again later.
    Resting,
    /// It has nothing that is needed and right, or must not be asked.
    Useless,
}

impl fmt::Display for WebSeedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WebSeedState::Idle => "idle",
            WebSeedState::Fetching => "fetching",
            WebSeedState::Resting => "resting",
            WebSeedState::Useless => "useless",
        })
    }
}
