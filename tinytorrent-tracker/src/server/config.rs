use std::time::Duration;

/// Settings and limits of a [`TrackerServer`](super::TrackerServer).
///
/// # Defaults
/// 30 minutes between announces, at least 1 minute; a peer is forgotten after twice the interval;
/// 50 peers to who does not say how many, 200 at most; 10,000 torrents of at most 10,000
/// addresses, 1,000,000 in all; 256 HTTP connections; the `ip` parameter ignored; no scrape of everything.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    pub(super) interval: Duration,
    pub(super) min_interval: Duration,
    pub(super) default_peers: usize,
    pub(super) max_peers: usize,
    pub(super) max_torrents: usize,
    pub(super) max_swarm: usize,
    pub(super) max_addresses: usize,
    pub(super) max_connections: usize,
    pub(super) trusts_ip_parameter: bool,
    pub(super) allows_full_scrape: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30 * 60),
            min_interval: Duration::from_secs(60),
            default_peers: 50,
            max_peers: 200,
            max_torrents: 10_000,
            max_swarm: 10_000,
            max_addresses: 1_000_000,
            max_connections: 256,
            trusts_ip_parameter: false,
            allows_full_scrape: false,
        }
    }
}

impl ServerConfig {
    /// What clients are told to wait between announces. Default: 30 minutes. Less finds new
    /// peers sooner and costs more.
    pub fn interval(&mut self, interval: Duration) -> &mut Self {
        self.interval = interval;
        self
    }

    /// What clients are told to wait at least; HTTP only. Default: 1 minute.
    pub fn min_interval(&mut self, interval: Duration) -> &mut Self {
        self.min_interval = interval;
        self
    }

    /// Peers to give to who does not say how many, and at most to who does. Defaults: 50, 200.
    pub fn peers(&mut self, default: usize, max: usize) -> &mut Self {
        (self.default_peers, self.max_peers) = (default.min(max), max);
        self
    }

    /// Torrents to know at once; announces of further ones are refused. Default: 10,000.
    pub fn max_torrents(&mut self, count: usize) -> &mut Self {
        self.max_torrents = count;
        self
    }

    /// Addresses to know of one torrent and family; the one not heard of for longest gives way.
    /// Default: 10,000, some 2 MiB.
    pub fn max_swarm(&mut self, count: usize) -> &mut Self {
        self.max_swarm = count.max(1);
        self
    }

    /// Addresses to know of all torrents. Beyond that the one of the same torrent and family gives way
    /// that was not heard of for longest; if there is none, the announce is refused. Default:
    /// 1,000,000, some 200 MiB.
    pub fn max_addresses(&mut self, count: usize) -> &mut Self {
        self.max_addresses = count;
        self
    }

    /// HTTP connections at once; further ones wait in the system's queue. Default: 256.
    pub fn max_connections(&mut self, count: usize) -> &mut Self {
        self.max_connections = count.max(1);
        self
    }

    /// Whether to believe the `ip` parameter. Default: no, it lets anybody send a swarm to a
    /// victim (BEP 7).
    pub fn trust_ip_parameter(&mut self, trust: bool) -> &mut Self {
        self.trusts_ip_parameter = trust;
        self
    }

    /// Whether a scrape without info-hash lists every swarm. Default: no.
    pub fn allow_full_scrape(&mut self, allow: bool) -> &mut Self {
        self.allows_full_scrape = allow;
        self
    }

    /// After how long without an announce a peer is forgotten.
    pub(super) fn lifetime(&self) -> Duration {
        self.interval * 2 + Duration::from_secs(60)
    }
}
