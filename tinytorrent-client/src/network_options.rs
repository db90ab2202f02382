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
    /// True if the user says that the proxy relays datagrams.
    pub(crate) relays_datagrams: bool,
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

    /// The proxy by which peers, trackers and web seeds are reached; it resolves their names. What it cannot carry is left
    /// out: uTP and the DHT unless it [relays datagrams](Self::relay_datagrams), UDP trackers if it turns out not to,
    /// peers that are known by name, discovery in the local network and the mapping of ports. No connections are
    /// accepted unless [asked for](Self::accept_behind_proxy). Default: none.
    pub fn proxy(&mut self, proxy: Option<Proxy>) -> &mut Self {
        self.network.proxy = proxy;
        self
    }

    /// Has uTP and the DHT go through the [proxy](Self::proxy), which has to relay datagrams: SOCKS5 with `UDP ASSOCIATE`
    /// (RFC 1928, section 7). Default: no, and both are off behind a proxy. Nothing changes without a proxy, or with one
    /// that has no datagrams by its protocol.
    ///
    /// One association carries all of them. When the proxy ends it, nothing is sent until there is another one, which is
    /// asked for again and again. The node of the DHT answers nobody there (BEP 43) and announces nothing unless
    /// [connections are accepted](Self::accept_behind_proxy); names of nodes are left to the proxy.
    pub fn relay_datagrams(&mut self, relay: bool) -> &mut Self {
        self.network.relays_datagrams = relay;
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
        (self.tcp, self.utp && self.has_datagrams())
    }

    /// True if there is a node of the DHT.
    pub(crate) fn has_dht(&self) -> bool {
        self.dht.is_on && self.has_datagrams()
    }

    /// True if uTP and the DHT go through the proxy, as far as they are on.
    pub(crate) fn is_relayed(&self) -> bool {
        let NetworkOptions { proxy, relays_datagrams, .. } = &self.network;
        *relays_datagrams && proxy.as_ref().is_some_and(Proxy::may_relay)
    }

    /// True if datagrams other than those of trackers can leave.
    fn has_datagrams(&self) -> bool {
        self.network.proxy.is_none() || self.is_relayed()
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

    #[test]
    fn datagrams_go_through_a_proxy_that_has_them_and_only_if_asked_for() {
        let mut options = ClientOptions::default();
        options.relay_datagrams(true);
        assert!(!options.is_relayed() && options.has_dht(), "there is no proxy");
        for (proxy, has_datagrams) in [("socks5://h:1", true), ("http://h:1", false)] {
            options.proxy(Some(proxy.parse().unwrap()));
            assert_eq!(options.is_relayed(), has_datagrams);
            assert_eq!(
                (options.has_dht(), options.usable()),
                (has_datagrams, (true, has_datagrams))
            );
        }
        options.proxy(Some("socks5://h:1".parse().unwrap())).utp(false).dht(false);
        assert!(!options.has_dht() && options.usable() == (true, false));
    }
}
