use std::net::SocketAddr;

use crate::descriptors::OnShortage;
use crate::{Binding, IpFilter, Proxy};

/// Settings of a [`Network`](crate::Network).
///
/// # Defaults
/// - Sockets by any address, no proxy, nobody avoided.
/// - Certificates are verified.
/// - A socket waits for a file descriptor until its deadline, and no room is made for it.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    pub(crate) binding: Binding,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) name_servers: Vec<SocketAddr>,
    pub(crate) filter: IpFilter,
    pub(crate) verifies_certificates: bool,
    pub(crate) on_shortage: OnShortage,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            binding: Binding::default(),
            proxy: None,
            name_servers: Vec::new(),
            filter: IpFilter::default(),
            verifies_certificates: true,
            on_shortage: OnShortage::default(),
        }
    }
}

impl NetworkConfig {
    /// The address or the device by which every socket leaves, or it is not opened. Default: the system
    /// chooses.
    pub fn bind(&mut self, binding: Binding) -> &mut Self {
        self.binding = binding;
        self
    }

    /// The proxy for all connections; [`Proxy`] lists what it can reach. Default: none.
    pub fn proxy(&mut self, proxy: Option<Proxy>) -> &mut Self {
        self.proxy = proxy;
        self
    }

    /// The servers that are asked for names while sockets are [bound](Self::bind), which takes the feature
    /// `resolver`. Default: those of the system (`/etc/resolv.conf`), if they can be reached from there. A server
    /// on this host, which passes questions on by ways of its own, is none of those from most devices.
    pub fn name_servers(&mut self, servers: Vec<SocketAddr>) -> &mut Self {
        self.name_servers = servers;
        self
    }

    /// The addresses that the user avoids: nothing is connected to them, whatever name leads there. The address of the
    /// proxy is the user's own wish, and names that a proxy resolves have no address here. Default: none.
    pub fn filter(&mut self, filter: IpFilter) -> &mut Self {
        self.filter = filter;
        self
    }

    /// Verifies the certificates of TLS servers against the system's and the bundled roots if true. Otherwise
    /// anybody between us and the server can read and change what is sent. Default: true.
    pub fn verify_certificates(&mut self, verify: bool) -> &mut Self {
        self.verifies_certificates = verify;
        self
    }

    /// The function that is called when no file descriptor is left for a socket, before the socket is tried
    /// again: it may close something else. Default: none. A socket waits for a descriptor until its
    /// deadline, with or without a function.
    pub fn on_shortage(&mut self, make_room: impl Fn() + Send + Sync + 'static) -> &mut Self {
        self.on_shortage = OnShortage::new(make_room);
        self
    }
}
