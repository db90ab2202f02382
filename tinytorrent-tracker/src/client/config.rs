use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tinytorrent_types::compact::Family;

use super::Proxy;

/// Settings of a [`TrackerClient`](super::TrackerClient).
///
/// # Defaults
/// Both families, any local address; 10 s to connect, 20 s without a byte, 60 s for a whole
/// request; BEP 15's own 15 s before a datagram is sent again; 1 MiB of body; 5 redirects, none
/// from HTTPS to HTTP and none from a public address to a private one; certificates verified; no
/// proxy.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    pub(super) families: Families,
    pub(super) bind_v4: Ipv4Addr,
    pub(super) bind_v6: Ipv6Addr,
    pub(super) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) udp_first_timeout: Duration,
    pub(super) max_body: usize,
    pub(super) max_redirects: usize,
    pub(super) allows_downgrade: bool,
    pub(super) allows_private_redirects: bool,
    pub(super) verifies_certificates: bool,
    pub(super) user_agent: String,
    pub(super) proxy: Option<Proxy>,
    pub(super) dns_server: Option<SocketAddr>,
}

/// Over which families to speak to trackers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Families {
    /// Over each that the tracker and this host have (BEP 7).
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
            families: Families::Both,
            bind_v4: Ipv4Addr::UNSPECIFIED,
            bind_v6: Ipv6Addr::UNSPECIFIED,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(20),
            request_timeout: Duration::from_secs(60),
            udp_first_timeout: Duration::from_secs(15),
            max_body: 1024 * 1024,
            max_redirects: 5,
            allows_downgrade: false,
            allows_private_redirects: false,
            verifies_certificates: true,
            user_agent: concat!("tinytorrent/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxy: None,
            dns_server: None,
        }
    }
}

impl ClientConfig {
    /// Over which families to announce. Default: both.
    pub fn families(&mut self, families: Families) -> &mut Self {
        self.families = families;
        self
    }

    /// The local IPv4 address that every request comes from. Default: the system chooses.
    pub fn bind_v4(&mut self, address: Ipv4Addr) -> &mut Self {
        self.bind_v4 = address;
        self
    }

    /// The local IPv6 address that every request comes from. Default: the system chooses.
    pub fn bind_v6(&mut self, address: Ipv6Addr) -> &mut Self {
        self.bind_v6 = address;
        self
    }

    /// How long one TCP connection or TLS handshake may take. Default: 10 s.
    pub fn connect_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a server may send nothing while we wait. Default: 20 s.
    pub fn read_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.read_timeout = timeout;
        self
    }

    /// How long an announce or a scrape may take from the first look-up to the last byte, over
    /// all addresses and redirects. Default: 60 s, in which a UDP request is sent three times.
    pub fn request_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.request_timeout = timeout;
        self
    }

    /// How long to wait before a UDP request is sent again; doubles each time. Default: 15 s, as
    /// BEP 15 has it. Less is for tests.
    pub fn udp_first_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.udp_first_timeout = timeout;
        self
    }

    /// The largest body to take from an HTTP tracker, in bytes, before and after decompression.
    /// Default: 1 MiB.
    pub fn max_body(&mut self, bytes: usize) -> &mut Self {
        self.max_body = bytes;
        self
    }

    /// How many redirects to follow. Default: 5.
    pub fn max_redirects(&mut self, count: usize) -> &mut Self {
        self.max_redirects = count;
        self
    }

    /// Whether to follow redirects from HTTPS to HTTP. Default: no, passkeys would be readable.
    pub fn allow_downgrade(&mut self, allow: bool) -> &mut Self {
        self.allows_downgrade = allow;
        self
    }

    /// Whether to follow redirects from a public address to a private one. Default: no, it would
    /// let a tracker speak to the router.
    pub fn allow_private_redirects(&mut self, allow: bool) -> &mut Self {
        self.allows_private_redirects = allow;
        self
    }

    /// Whether to check the certificates of HTTPS trackers against the system's and the bundled
    /// roots. Default: yes. Without it anybody on the way reads and writes along.
    pub fn verify_certificates(&mut self, verify: bool) -> &mut Self {
        self.verifies_certificates = verify;
        self
    }

    /// What to call ourselves; some private trackers admit known names only. Default:
    /// `tinytorrent/` and the version. Empty sends no header.
    pub fn user_agent(&mut self, name: impl Into<String>) -> &mut Self {
        self.user_agent = name.into();
        self
    }

    /// Through what to reach all trackers; see [`Proxy`] for what it can reach. The proxy looks up
    /// the hosts and so decides over which family. Default: nothing.
    pub fn proxy(&mut self, proxy: Option<Proxy>) -> &mut Self {
        self.proxy = proxy;
        self
    }

    /// The DNS server to ask which trackers a host runs (BEP 34), and so whether preferences are
    /// heeded at all: the standard library looks up no TXT records. Default: nobody is asked.
    /// More costs a query for each announce; whoever answers for DNS can then forbid trackers.
    pub fn dns_preferences(&mut self, server: Option<SocketAddr>) -> &mut Self {
        self.dns_server = server;
        self
    }
}
