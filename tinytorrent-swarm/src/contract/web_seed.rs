use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};

use tinytorrent_types::BlockInfo;

/// Names a web seed of a swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebSeedKey(pub(crate) u32);

impl fmt::Display for WebSeedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a fetch from a web seed. No two of a swarm have the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchKey {
    pub(crate) seed: WebSeedKey,
    pub(crate) number: u64,
}

impl FetchKey {
    /// The web seed.
    pub const fn seed(self) -> WebSeedKey {
        self.seed
    }

    /// The number of the fetch, which no other fetch of the swarm has.
    pub const fn number(self) -> u64 {
        self.number
    }
}

/// Blocks to fetch from a web seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchTask {
    /// The name of the fetch.
    pub key: FetchKey,
    /// The blocks, in the order in which they are to come.
    pub blocks: Vec<BlockInfo>,
    /// The server sends whole files only: any number of bytes before the blocks may be thrown away.
    pub takes_whole_files: bool,
}

/// The end of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchOutcome {
    /// All blocks have come.
    Complete,
    /// The web seed lacks a file, which has bytes of these pieces.
    Missing {
        /// The indices of the pieces.
        pieces: Range<u32>,
    },
    /// The server sends whole files only.
    NoRanges,
    /// The server is busy, and wants to be left alone for so long if it says.
    Busy {
        /// The time to wait.
        pause: Option<Duration>,
    },
    /// The server could not be reached, or sent something else.
    Failed,
    /// The web seed must not be asked at all.
    Forbidden,
}

/// A web seed as the engine sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebSeedView {
    /// Its name.
    pub key: WebSeedKey,
    /// Its state.
    pub state: WebSeedState,
    /// Bytes of blocks that it has given and that were needed.
    pub downloaded: u64,
    /// Bytes a second now.
    pub bytes_per_second: u64,
    /// Failures in a row.
    pub failures: u32,
}

/// The state of a web seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebSeedState {
    /// Nothing is fetched: there is nothing left for it, or the torrent does not download.
    Idle,
    /// Blocks are being fetched.
    Fetching,
    /// It failed or is busy, and is asked again at this instant.
    Resting(Instant),
    /// It has none of the files, has sent wrong data of all of them, or must not be asked.
    Useless,
}
