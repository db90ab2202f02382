use std::net::SocketAddr;
use std::sync::Arc;

use tinytorrent_net::{Binding, IpFilter, NetworkConfig, Proxy};
use tinytorrent_types::IpRanges;

use crate::ClientOptions;

/// The ways by which a client reaches others.
#[derive(Debug, Clone, Default)]
pub(crate) struct NetworkOptions {
    pub(crate) binding: Binding,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) name_servers: Vec<SocketAddr>,
    pub(crate) accepts_behind_proxy: bool,
    /// Addresses that the user avoids.
    pub(crate) filter: Option<Arc<IpRanges>>,
}

impl ClientOptions {
    /// The address or the device by which everything leaves: connections to peers and trackers, datagrams of uTP
    /// and the DHT, look-ups of names, and what listens. What cannot leave there does not leave. An address at
    /// which to [listen](Self::listen) has to be that of the binding, or the unspecified one. Default: the system
    /// chooses.
    ///
    /// A device that goes away takes its connections with it. Once it is back, under the same name and with the same
    /// addresses, sockets are opened again within seconds. Both is told in the log.
    ///
    /// The resolver of the system cannot be bound. With the feature `bound-names` names are looked up by bound
    /// sockets, at the [servers named](Self::name_servers) or those of the system; without it, peers and trackers are
    /// reached by address alone, and names are left out with a word in the log.
    pub fn bind(&mut self, binding: Binding) -> &mut Self {
        self.network.binding = binding;
        self
    }

    /// The servers that are asked for names while sockets are [bound](Self::bind). Default: those of the system.
    pub fn name_servers(&mut self, servers: Vec<SocketAddr>) -> &mut Self {
        self.network.name_servers = servers;
        self
    }

    /// The proxy by which peers and trackers are reached; it resolves their names. What it cannot carry is left out:
    /// uTP and the DHT, peers that are known by name, and UDP trackers unless it relays datagrams. No
    /// connections are accepted unless [asked for](Self::accept_behind_proxy). Default: none.
    pub fn proxy(&mut self, proxy: Option<Proxy>) -> &mut Self {
        self.network.proxy = proxy;
        self
    }

    /// Listens for connections of peers although there is a [proxy](Self::proxy). They come past it, so that
    /// whoever connects knows our address. Default: no.
    pub fn accept_behind_proxy(&mut self, accept: bool) -> &mut Self {
        self.network.accepts_behind_proxy = accept;
        self
    }

    /// True if others may connect.
    pub(crate) fn accepts_peers(&self) -> bool {
        let NetworkOptions { proxy, accepts_behind_proxy, .. } = &self.network;
        self.accepts && (proxy.is_none() || *accepts_behind_proxy)
    }

    /// The transports to peers that can be used: TCP, and uTP.
    pub(crate) fn usable(&self) -> (bool, bool) {
        (self.tcp, self.utp && self.network.proxy.is_none())
    }

    /// True if there is a node of the DHT.
    pub(crate) fn has_dht(&self) -> bool {
        self.dht.is_on && self.network.proxy.is_none()
    }

    /// The settings of what opens sockets.
    pub(crate) fn network_config(&self) -> NetworkConfig {
        let mut config = NetworkConfig::default();
        let NetworkOptions { binding, proxy, name_servers, filter, .. } = &self.network;
        config.bind(binding.clone()).proxy(proxy.clone()).name_servers(name_servers.clone());
        config.filter(IpFilter::new(filter.clone()));
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_accepted_past_a_proxy_unless_asked_for() {
        let mut options = ClientOptions::default();
        assert!(options.accepts_peers() && options.has_dht());
        options.proxy(Some("socks5://127.0.0.1:1080".parse().unwrap()));
        assert!(!options.accepts_peers() && !options.has_dht());
        assert_eq!(options.usable(), (true, false));
        assert!(options.accept_behind_proxy(true).accepts_peers());
        assert!(!options.accept_peers(false).accepts_peers());
    }
}
