use crate::ClientOptions;

/// The use of the local network.
#[derive(Debug, Clone)]
pub(crate) struct LocalNetworkOptions {
    pub(crate) lsd: bool,
    #[cfg(feature = "port-mapping")]
    pub(crate) port_mapping: bool,
}

impl Default for LocalNetworkOptions {
    fn default() -> Self {
        Self {
            lsd: true,
            #[cfg(feature = "port-mapping")]
            port_mapping: true,
        }
    }
}

impl ClientOptions {
    /// Looks for peers in the local network and announces torrents there (BEP 14), or does without. Default: yes, but
    /// never for private torrents (BEP 27). It takes place on the interfaces of the
    /// [listening addresses](Self::listen), but for loopback, by multicast to port 6771. Without listening addresses
    /// there is nothing to announce, and nobody is looked for.
    pub fn lsd(&mut self, lsd: bool) -> &mut Self {
        self.local_network.lsd = lsd;
        self
    }

    /// Has the gateway of the local network map the ports of the listener, by PCP, NAT-PMP or UPnP, so that peers on the
    /// internet can connect, or does without. Default: yes. Nothing is mapped for listeners on loopback, behind a proxy,
    /// or with a binding, which a gateway does not know. [`Client::port_mappings`](crate::Client::port_mappings) shows
    /// the state.
    #[cfg(feature = "port-mapping")]
    pub fn port_mapping(&mut self, port_mapping: bool) -> &mut Self {
        self.local_network.port_mapping = port_mapping;
        self
    }
}
