use std::time::Duration;

/// Settings and limits of a [`Tracker`](super::Tracker), or of [`Swarms`](super::Swarms) alone.
///
/// # Defaults
/// - 30 minutes between announces, and at least 1 minute; a peer is removed one minute after twice
///   the interval.
/// - 50 peers in a response if the client gives no number, and 200 at most.
/// - At most 10,000 torrents of 10,000 addresses in each family, of which 64 of one host, 1,000,000
///   addresses in all, and 256 HTTP connections.
/// - 16 shards, and one UDP socket for an address.
/// - The `ip` parameter is ignored, and a scrape needs an info-hash.
///
/// Where a limit is reached, those who have most make room: the network with most (an IPv4 `/24`, an
/// IPv6 `/48`), in it the host (an IPv6 `/64`), and of its entries the oldest.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    pub(super) interval: Duration,
    pub(super) min_interval: Duration,
    pub(super) default_peers: usize,
    pub(super) max_peers: usize,
    pub(super) max_torrents: usize,
    pub(super) max_swarm: usize,
    pub(super) max_per_host: u32,
    pub(super) max_addresses: usize,
    pub(super) max_connections: usize,
    pub(super) shards: usize,
    pub(super) sockets: usize,
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
            max_per_host: 64,
            max_addresses: 1_000_000,
            max_connections: 256,
            shards: 16,
            sockets: 1,
            trusts_ip_parameter: false,
            allows_full_scrape: false,
        }
    }
}

impl ServerConfig {
    /// The time between the announces of a client. Default: 30 minutes. Less makes new peers known
    /// sooner, for more traffic.
    pub fn interval(&mut self, interval: Duration) -> &mut Self {
        self.interval = interval;
        self
    }

    /// The shortest time between the announces of a client; HTTP only. Default: 1 minute.
    pub fn min_interval(&mut self, interval: Duration) -> &mut Self {
        self.min_interval = interval;
        self
    }

    /// The number of peers in a response if the client gives none, and the largest number.
    /// Defaults: 50 and 200.
    pub fn peers(&mut self, default: usize, max: usize) -> &mut Self {
        (self.default_peers, self.max_peers) = (default.min(max), max);
        self
    }

    /// The largest number of torrents. A new one replaces one of the host with most, and is refused
    /// if no host has more than one. Default: 10,000.
    pub fn max_torrents(&mut self, count: usize) -> &mut Self {
        self.max_torrents = count;
        self
    }

    /// The largest number of addresses of one torrent and family. A new one replaces one of the host
    /// with most. Default: 10,000, some 3 MiB.
    pub fn max_swarm(&mut self, count: usize) -> &mut Self {
        self.max_swarm = count.max(1);
        self
    }

    /// The largest number of addresses of one host, or of a quarter of a network, in one torrent: a
    /// host with more of them would be most of what others are given. A new one replaces the oldest,
    /// or is not listed, and gets peers all the same. Default: 64.
    pub fn max_per_host(&mut self, count: u32) -> &mut Self {
        self.max_per_host = count.max(1);
        self
    }

    /// The largest number of addresses of all torrents. A new one replaces a torrent of the host
    /// with most, or else an address of the same torrent; if there is none, the announce is refused.
    /// Default: 1,000,000, some 300 MiB.
    pub fn max_addresses(&mut self, count: usize) -> &mut Self {
        self.max_addresses = count;
        self
    }

    /// The largest number of open HTTP connections. A new one closes the oldest of the host with
    /// most. Default: 256.
    pub fn max_connections(&mut self, count: usize) -> &mut Self {
        self.max_connections = count.max(1);
        self
    }

    /// The largest number of shards of a [`Tracker`](super::Tracker), each with a lock of its own; some
    /// times the number of threads. The limits of torrents and of addresses are split evenly among
    /// them, and there are fewer where a shard would be too small for many torrents or a full swarm.
    /// Default: 16. [`Swarms`](super::Swarms) are one shard.
    pub fn shards(&mut self, count: usize) -> &mut Self {
        self.shards = count.max(1);
        self
    }

    /// The number of UDP sockets that a server opens for each address, each with a thread of its own;
    /// the system spreads clients over them. Default: 1. More than one is for Linux alone.
    pub fn sockets(&mut self, count: usize) -> &mut Self {
        self.sockets = count.max(1);
        self
    }

    /// Uses the `ip` parameter of announces if true, and then anybody can send a swarm to a victim
    /// (BEP 7). Default: false.
    pub fn trust_ip_parameter(&mut self, trust: bool) -> &mut Self {
        self.trusts_ip_parameter = trust;
        self
    }

    /// Answers a scrape without info-hash with all swarms if true. Default: false.
    pub fn allow_full_scrape(&mut self, allow: bool) -> &mut Self {
        self.allows_full_scrape = allow;
        self
    }

    /// The number of shards, and the settings of each.
    pub(super) fn split(&self) -> (usize, Self) {
        let full_swarms = self.max_addresses / self.max_swarm.saturating_mul(2);
        let count = self.shards.min(self.max_torrents / MIN_TORRENTS).min(full_swarms).max(1);
        let mut of_shard = self.clone();
        of_shard.max_torrents = self.max_torrents / count;
        of_shard.max_addresses = self.max_addresses / count;
        (count, of_shard)
    }

    /// The time after its last announce at which a peer is removed.
    pub(super) fn lifetime(&self) -> Duration {
        // One announce may get lost, and the next may be late.
        self.interval.saturating_mul(2).saturating_add(Duration::from_secs(60))
    }
}

/// The smallest number of torrents of a shard. Chance gives some shards more torrents than others, and
/// of so many the fullest has a quarter more.
const MIN_TORRENTS: usize = 256;
