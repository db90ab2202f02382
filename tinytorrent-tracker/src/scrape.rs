use tinytorrent_types::WireInfoHash;

use crate::Deviation;

/// The size of a swarm, as a tracker tells it (BEP 48, BEP 15 "Scrape").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SwarmCounts {
    /// Peers that have everything (`complete`).
    pub seeders: Option<u32>,
    /// Peers that do not (`incomplete`).
    pub leechers: Option<u32>,
    /// How many peers have ever completed (`downloaded`).
    pub completed: Option<u32>,
    /// Leechers without the partial seeds (BEP 21); HTTP only.
    pub downloaders: Option<u32>,
}

/// What a tracker answered to a scrape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScrapeResponse {
    /// The swarms it knows. One that was asked for and is not here, the tracker does not know.
    pub files: Vec<(WireInfoHash, SwarmCounts)>,
    /// The time between two scrapes that the tracker asks for (`flags.min_request_interval`), in
    /// seconds.
    pub min_request_interval: Option<u32>,
    /// Where the tracker strayed from the rules without harm.
    pub deviations: Vec<Deviation>,
}

impl ScrapeResponse {
    /// The counts of one swarm; `None` if the tracker does not know it.
    pub fn get(&self, info_hash: WireInfoHash) -> Option<SwarmCounts> {
        self.files.iter().find(|(hash, _)| *hash == info_hash).map(|(_, counts)| *counts)
    }
}
