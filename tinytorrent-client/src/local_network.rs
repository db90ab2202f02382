use crate::ClientOptions;

/// The use of the local network.
#[derive(Debug, Clone)]
pub(crate) struct LocalNetworkOptions {
    pub(crate) lsd: bool,
}

impl Default for LocalNetworkOptions {
    fn default() -> Self {
        Self { lsd: true }
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
}
