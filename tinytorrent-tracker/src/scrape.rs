use tinytorrent_types::WireInfoHash;

use crate::Deviation;

/// The size of a swarm, in the response to a scrape (BEP 48, BEP 15 "Scrape").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SwarmCounts {
    /// The number of complete peers (`complete`).
    pub seeders: Option<u32>,
    /// The number of incomplete peers (`incomplete`).
    pub leechers: Option<u32>,
    /// The number of peers that have ever completed (`downloaded`).
    pub completed: Option<u32>,
    /// Leechers without the partial seeds (BEP 21); HTTP only.
    pub downloaders: Option<u32>,
}

/// The response of a tracker to a scrape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScrapeResponse {
    /// The swarms that the tracker knows, in its order; swarms that it does not know are missing.
    pub files: Vec<(WireInfoHash, SwarmCounts)>,
    /// The shortest time between two scrapes (`flags.min_request_interval`), in seconds.
    pub min_request_interval: Option<u32>,
    /// Harmless deviations of the response from the rules.
    pub deviations: Vec<Deviation>,
}

impl ScrapeResponse {
    /// The counts of one swarm; `None` if the tracker does not know it.
    pub fn get(&self, info_hash: WireInfoHash) -> Option<SwarmCounts> {
        self.files.iter().find(|(hash, _)| *hash == info_hash).map(|(_, counts)| *counts)
    }
}
