//! The node of the DHT that all torrents of a client share (BEP 5).

mod look_ups;
mod named;
mod names;
mod options;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tinytorrent_dht::{DhtNode, Event, SharedSocket};
use tinytorrent_metainfo::HostPort;
use tinytorrent_net::Network;
use tinytorrent_types::WireInfoHash;
use tokio::task::{JoinSet, spawn_blocking};

use crate::ClientOptions;
use crate::registry::Registry;
use crate::session::Store;
use crate::told_port::ToldPort;
use look_ups::LookUps;
pub(crate) use look_ups::wait_for_nodes;
use named::NamedNodes;
pub(crate) use options::DhtOptions;

/// The node, and what is asked of it.
#[derive(Debug)]
pub(crate) struct Dht {
    pub(crate) node: DhtNode,
    pub(crate) look_ups: Arc<LookUps>,
    named: NamedNodes,
    /// The folder in which the nodes are kept for the next run.
    store: Option<Store>,
}

/// The estimated numbers of peers of a torrent, as nodes of the DHT know them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DhtCounts {
    pub(crate) seeds: u32,
    pub(crate) leeches: u32,
}

/// Time from the start to the first save of the nodes, and from each to the next.
const FIRST_SAVE: Duration = Duration::from_secs(60);
const SAVE_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// The ways by which a node reaches others.
#[derive(Debug)]
pub(crate) struct Ways<'a> {
    pub(crate) network: &'a Network,
    pub(crate) sockets: Vec<SharedSocket>,
    /// True if no other host can be reached by them.
    pub(crate) are_on_loopback: bool,
}

impl Dht {
    /// Starts a node. The tasks run until they are aborted.
    pub(crate) fn start(
        options: &ClientOptions,
        ways: Ways<'_>,
        announce_port: Arc<ToldPort>,
        store: Option<Store>,
        registry: Arc<Registry>,
        tasks: &mut JoinSet<()>,
    ) -> io::Result<Self> {
        let Ways { network, sockets, are_on_loopback } = ways;
        let saved = store.as_ref().and_then(Store::load_nodes).unwrap_or_default();
        let mut config = options.dht.node_config(rand::random(), saved);
        config.blocked(network.filter().ranges());
        // Whoever asks us through the relay of a proxy finds us there as long as it lasts, and nobody behind it.
        let is_relayed = network.proxy().is_some();
        if is_relayed {
            config.read_only(true);
        }
        let node = DhtNode::over(sockets, config)?;
        let resolver = network.clone();
        node.resolve_by(move |name| {
            let network = resolver.clone();
            async move {
                let name = name.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
                names::look_up(&network, &name).await
            }
        });
        let announces = !is_relayed || options.accepts_peers();
        let look_ups = Arc::new(LookUps::new(announces.then_some(announce_port)));
        let entries = options.dht.entries(are_on_loopback);
        tasks.spawn(Arc::clone(&look_ups).run(node.clone(), entries, registry));
        let (named, adding) =
            NamedNodes::new(node.clone(), network.clone(), options.allows_local_addresses);
        tasks.spawn(adding);
        let dht = Self { node, look_ups, named, store };
        if let Some(store) = dht.store.clone() {
            tasks.spawn(keep(dht.node.clone(), store));
        }
        Ok(dht)
    }

    /// Adds nodes that a torrent or a link names.
    pub(crate) fn add_named(&self, nodes: Vec<HostPort>) {
        self.named.add(nodes);
    }

    /// Asks for the numbers of peers of a torrent (BEP 33).
    pub(crate) fn scrape(&self, hash: WireInfoHash) -> impl Future<Output = DhtCounts> + use<> {
        self.look_ups.enter();
        let node = self.node.clone();
        async move {
            wait_for_nodes(&node).await;
            let mut lookup = node.scrape(hash);
            while let Some(event) = lookup.next().await {
                if let Event::SearchEnded { report, .. } = event {
                    return report.scrape.map_or_else(DhtCounts::default, |scrape| DhtCounts {
                        seeds: scrape.seeds.estimate().round() as u32,
                        leeches: scrape.peers.estimate().round() as u32,
                    });
                }
            }
            DhtCounts::default()
        }
    }

    /// Keeps the nodes for the next run, if there is a place for them.
    pub(crate) async fn save(&self) {
        if let Some(store) = &self.store {
            save(&self.node, store).await;
        }
    }
}

/// Saves the nodes now and then, so that a kill costs few of them.
async fn keep(node: DhtNode, store: Store) {
    tokio::time::sleep(FIRST_SAVE).await;
    loop {
        save(&node, &store).await;
        tokio::time::sleep(SAVE_INTERVAL).await;
    }
}

async fn save(node: &DhtNode, store: &Store) {
    let Some(nodes) = node.save().await else { return };
    // An empty table is of no use to the next run, unlike the nodes of the one before.
    if nodes.nodes.is_empty() {
        return;
    }
    let store = store.clone();
    if let Ok(Err(error)) = spawn_blocking(move || store.save_nodes(&nodes)).await {
        tracing::warn!(%error, "the nodes of the DHT were not saved");
    }
}
