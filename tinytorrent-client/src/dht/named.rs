use tinytorrent_dht::DhtNode;
use tinytorrent_metainfo::HostPort;
use tinytorrent_net::Network;
use tinytorrent_types::AddressScope;
use tokio::sync::mpsc;

use super::names;
use crate::PeerAddress;

/// The nodes that torrents and links name (BEP 5, "torrent file extensions"). They come from strangers, so that none
/// in the local network is asked unless the user allows it.
#[derive(Debug)]
pub(super) struct NamedNodes {
    sender: mpsc::Sender<HostPort>,
}

/// Names of nodes that wait to be looked up. There are other ways into the DHT, so that more are left out.
const MOST_WAITING: usize = 64;

impl NamedNodes {
    /// The list, and the task that adds its nodes, one after the other.
    pub(super) fn new(
        node: DhtNode,
        network: Network,
        allows_local: bool,
    ) -> (Self, impl Future<Output = ()>) {
        let (sender, mut waiting) = mpsc::channel::<HostPort>(MOST_WAITING);
        let task = async move {
            while let Some(named) = waiting.recv().await {
                let addresses = match PeerAddress::from(named) {
                    PeerAddress::Address(address) => vec![address],
                    PeerAddress::Name(name) => {
                        let found = names::look_up(&network, &name).await;
                        let told = |error: &_| {
                            tracing::debug!(%error, %name, "cannot resolve the name of a node");
                        };
                        found.inspect_err(told).unwrap_or_default()
                    }
                };
                for address in addresses {
                    if allows_local || !AddressScope::of(address.ip()).is_local() {
                        node.add_node(address);
                    }
                }
            }
        };
        (Self { sender }, task)
    }

    pub(super) fn add(&self, nodes: Vec<HostPort>) {
        for node in nodes {
            let _ = self.sender.try_send(node);
        }
    }
}
