//! Discovery in the local network (BEP 14), which all torrents of a client share.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tinytorrent_lsd::{Found, LsdConfig, LsdNode};
use tinytorrent_net::Binding;
use tinytorrent_types::{InfoHashes, canonical};
use tokio::task::JoinSet;

use crate::registry::Registry;

/// The announcements of the torrents that are running and may have peers of the local network.
#[derive(Debug)]
pub(crate) struct Lsd {
    node: LsdNode,
}

impl Lsd {
    /// Starts the node. `None` if nobody in the local network can connect to us.
    pub(crate) fn start(
        listeners: &[SocketAddr],
        binding: &Binding,
        registry: Arc<Registry>,
        tasks: &mut JoinSet<()>,
    ) -> Option<Self> {
        // Whoever listens on loopback wants to be found by nobody else.
        if listeners.iter().all(|listener| listener.ip().is_loopback()) {
            return None;
        }
        let listeners = listeners.to_vec();
        let mut config =
            LsdConfig::new(rand::random(), move |address| port_at(&listeners, address));
        // Sockets that are bound to an address listen there alone.
        if let Binding::Device(name) = binding {
            config.device(Some(name.clone()));
        }
        let (node, task) = LsdNode::new(config, move |Found { hash, address }| {
            if let Some(torrent) = registry.find(hash) {
                torrent.log(|| tracing::debug!(%address, "a neighbour has the torrent"));
                torrent.change(|driver, now| driver.add_neighbour(now, address));
            }
        });
        tasks.spawn(task);
        Some(Self { node })
    }

    /// Announces a torrent, under both hashes of a hybrid one.
    pub(crate) fn insert(&self, hashes: InfoHashes) {
        hashes.wire_hashes().for_each(|hash| self.node.insert(hash));
    }

    pub(crate) fn remove(&self, hashes: InfoHashes) {
        hashes.wire_hashes().for_each(|hash| self.node.remove(hash));
    }
}

/// The port at which we accept connections to this address of ours from other hosts.
fn port_at(listeners: &[SocketAddr], address: IpAddr) -> Option<u16> {
    if address.is_loopback() {
        return None;
    }
    let takes = |listener: &&SocketAddr| {
        let ip = canonical(**listener).ip();
        // Alone, `[::]` takes IPv4 as well.
        let is_any = ip.is_unspecified()
            && (ip.is_ipv4() == address.is_ipv4() || (ip.is_ipv6() && listeners.len() == 1));
        is_any || ip == address
    };
    listeners.iter().find(takes).map(SocketAddr::port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_that_of_the_listener_that_takes_the_address() {
        let at = |listeners: &[&str], address: &str| {
            let listeners: Vec<_> = listeners.iter().map(|text| text.parse().unwrap()).collect();
            port_at(&listeners, address.parse().unwrap())
        };
        assert_eq!(at(&["[::]:1"], "10.0.0.1"), Some(1));
        assert_eq!(at(&["[::]:1"], "fe80::1"), Some(1));
        assert_eq!(at(&["0.0.0.0:1"], "fe80::1"), None);
        assert_eq!(at(&["[::]:1", "0.0.0.0:2"], "10.0.0.1"), Some(2));
        assert_eq!(at(&["[::]:1", "10.0.0.2:2"], "10.0.0.1"), None);
        assert_eq!(at(&["[fd00::1]:1", "10.0.0.1:2"], "10.0.0.1"), Some(2));
        for listener in ["[::]:1", "127.0.0.1:1", "[::1]:1"] {
            assert_eq!(at(&[listener], "127.0.0.1"), None, "{listener}");
            assert_eq!(at(&[listener], "::1"), None, "{listener}");
        }
    }

    #[tokio::test]
    async fn who_can_be_reached_by_nobody_has_no_discovery() {
        let mut tasks = JoinSet::new();
        let mut start = |listeners: &[&str]| {
            let listeners: Vec<_> = listeners.iter().map(|text| text.parse().unwrap()).collect();
            Lsd::start(&listeners, &Binding::Any, Arc::default(), &mut tasks).is_some()
        };
        assert!(!start(&[]) && !start(&["127.0.0.1:1", "[::1]:1"]));
        assert!(start(&["127.0.0.1:1", "10.0.0.1:1"]));
    }
}
