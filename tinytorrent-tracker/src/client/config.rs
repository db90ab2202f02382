use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_net::Network;
use tinytorrent_types::compact::Family;

/// Settings of a [`TrackerClient`](super::TrackerClient).
///
/// # Defaults
/// - Both families, a network without binding and proxy, no DNS preferences.
/// - Timeouts: 10 s to connect, 20 s to read, 60 s for a whole request, 15 s before a datagram is
///   sent again (BEP 15).
/// - HTTP: at most 1 MiB of body and 5 redirects, none from HTTPS to HTTP and none from a public
///   address to a local one.
/// - Trackers at local addresses are asked under paths of trackers only, without credentials.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    pub(super) network: Network,
    pub(super) families: Families,
    pub(super) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) udp_first_timeout: Duration,
    pub(super) max_body: usize,
    pub(super) max_redirects: usize,
    pub(super) allows_downgrade: bool,
    pub(super) allows_local: bool,
    pub(super) user_agent: String,
    pub(super) dns_server: Option<SocketAddr>,
}

/// The address families over which trackers are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Families {
    /// Each family that the tracker and this host have (BEP 7).
    #[default]
    Both,
    /// IPv4 only. Some private trackers count an announce over each family as one too many.
    V4,
    /// IPv6 only.
    V6,
}

impl Families {
    /// True if the address is of one of these families.
    pub(super) fn allow(self, address: SocketAddr) -> bool {
        match self {
            Families::Both => true,
            Families::V4 => Family::of(address.ip()) == Family::V4,
            Families::V6 => Family::of(address.ip()) == Family::V6,
        }
    }
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            network: Network::default(),
            families: Families::Both,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(20),
            request_timeout: Duration::from_secs(60),
            udp_first_timeout: Duration::from_secs(15),
            max_body: 1024 * 1024,
            max_redirects: 5,
            allows_downgrade: false,
            allows_local: false,
            user_agent: concat!("tinytorrent/", env!("CARGO_PKG_VERSION")).to_owned(),
            dns_server: None,
        }
    }
}

impl ClientConfig {
    /// The network that opens all sockets: with the binding and the proxy of the user, and with what makes room
    /// when no file descriptor is left. Behind a proxy, it resolves the hosts, and so chooses the family. UDP
    /// trackers are reached through SOCKS5, if the proxy relays datagrams: all of them share one connection to the
    /// proxy, which closes after a minute without requests. A request that the proxy cannot carry is an error.
    /// Default: a network without either.
    pub fn network(&mut self, network: Network) -> &mut Self {
        self.network = network;
        self
    }

    /// The families over which trackers are asked. Default: both.
    pub fn families(&mut self, families: Families) -> &mut Self {
        self.families = families;
        self
    }

    /// The timeout of one TCP connection, and of one TLS handshake. Default: 10 s.
    pub fn connect_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.connect_timeout = timeout;
        self
    }

    /// The timeout between two parts of an HTTP response. Default: 20 s.
    pub fn read_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.read_timeout = timeout;
        self
    }

    /// The timeout of a whole announce or scrape, from the first lookup to the last byte, over all
    /// addresses and redirects. Default: 60 s, in which a UDP request is sent three times.
    pub fn request_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.request_timeout = timeout;
        self
    }

    /// The time before a UDP request is sent again, which doubles each time. Default: 15 s (BEP
    /// 15, "Time outs"). Less burdens trackers, and is for tests.
    pub fn udp_first_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.udp_first_timeout = timeout;
        self
    }

    /// The largest body of an HTTP response, in bytes, before and after decompression. A larger
    /// one is an error. Default: 1 MiB.
    pub fn max_body(&mut self, bytes: usize) -> &mut Self {
        self.max_body = bytes;
        self
    }

    /// The largest number of redirects to follow. Default: 5.
    pub fn max_redirects(&mut self, count: usize) -> &mut Self {
        self.max_redirects = count;
        self
    }

    /// Follows redirects from HTTPS to HTTP if true, and then passkeys go over the network in
    /// plain text. Default: false.
    pub fn allow_downgrade(&mut self, allow: bool) -> &mut Self {
        self.allows_downgrade = allow;
        self
    }

    /// Asks trackers at local addresses under any path and with credentials, and follows redirects
    /// from a public address to a local one, if true. Then whoever writes a torrent, or runs one of
    /// its trackers, can make us send requests of his choice into the local network. Default: false.
    /// For the URLs of the user alone, [`TrackerClient::trusting_urls`] is enough.
    ///
    /// [`TrackerClient::trusting_urls`]: super::TrackerClient::trusting_urls
    pub fn allow_local(&mut self, allow: bool) -> &mut Self {
        self.allows_local = allow;
        self
    }

    /// The `User-Agent` header; an empty name sends none. Some private trackers admit known names
    /// only. Default: `tinytorrent/` and the version.
    pub fn user_agent(&mut self, name: impl Into<String>) -> &mut Self {
        self.user_agent = name.into();
        self
    }

    /// The DNS server that is asked for the preferences of a host (BEP 34); `None` ignores
    /// preferences. The standard library has no lookup of TXT records, so the server has to be
    /// named. Default: `None`. A server costs a query for each request, and it, or anybody who can
    /// forge its replies, can forbid trackers.
    pub fn dns_preferences(&mut self, server: Option<SocketAddr>) -> &mut Self {
        self.dns_server = server;
        self
    }
}
