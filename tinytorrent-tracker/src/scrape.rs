use tinytorrent_types::{InfoHashes, WireInfoHash};

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

    /// The counts of a torrent under any of its hashes; none if the tracker does not know it. Of a hybrid
    /// (BEP 52) the larger ones, as most peers are in both swarms.
    pub fn of_torrent(&self, hashes: &InfoHashes) -> SwarmCounts {
        let swarms = hashes.wire_hashes().filter_map(|hash| self.get(hash));
        swarms.fold(SwarmCounts::default(), |a, b| SwarmCounts {
            seeders: a.seeders.max(b.seeders),
            leechers: a.leechers.max(b.leechers),
            completed: a.completed.max(b.completed),
            downloaders: a.downloaders.max(b.downloaders),
        })
    }
}
