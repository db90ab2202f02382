use tinytorrent_dht::{NodeConfig, ROUTERS, SavedNodes};

use crate::PeerAddress;

/// Settings of the DHT of a client.
#[derive(Debug, Clone)]
pub(crate) struct DhtOptions {
    pub(crate) is_on: bool,
    /// Nodes to enter the DHT by; none for the well-known routers.
    pub(crate) nodes: Vec<PeerAddress>,
    /// Settings of the node; `None` for the defaults.
    pub(crate) config: Option<Box<NodeConfig>>,
}

impl Default for DhtOptions {
    fn default() -> Self {
        Self { is_on: true, nodes: Vec::new(), config: None }
    }
}

impl DhtOptions {
    /// The settings of a node, with a seed of its own.
    pub(super) fn node_config(&self, seed: [u8; 32], saved: SavedNodes) -> NodeConfig {
        let mut config = self.config.as_deref().cloned().unwrap_or_else(|| NodeConfig::new(seed));
        config.seed(seed).saved(saved);
        config
    }

    /// The nodes to enter the DHT by. Sockets on loopback reach no router, and nobody is asked for their names.
    pub(super) fn entries(&self, is_on_loopback: bool) -> Vec<PeerAddress> {
        if !self.nodes.is_empty() || is_on_loopback {
            return self.nodes.clone();
        }
        ROUTERS.iter().filter_map(|router| router.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routers_are_the_way_in_unless_others_are_named_or_nobody_can_be_reached() {
        let mut options = DhtOptions::default();
        assert_eq!(options.entries(false).len(), ROUTERS.len());
        assert_eq!(options.entries(true), []);
        options.nodes.push("127.0.0.1:7".parse().unwrap());
        for is_on_loopback in [false, true] {
            assert_eq!(options.entries(is_on_loopback), options.nodes);
        }
    }
}
