#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module is the driver: it owns the clock and the sockets"
)]

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tinytorrent_types::compact::Family;
use tinytorrent_types::{IpRanges, WireInfoHash};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};

use crate::{
    Announce, Follow, Item, Node, NodeAnswer, NodeConfig, NodeId, NodeStats, QueryId, SavedNodes,
    SearchId,
};

mod bootstrap;
mod routes;
mod socket;
mod task;

pub use routes::{Lookup, NodeEvents};
use socket::Socket;
pub use socket::{Inlet, SharedSocket};
use task::{Command, Sockets, Task};

/// The names of nodes that are there for others to begin with, for [`DhtNode::bootstrap`].
pub const ROUTERS: [&str; 4] = [
    "router.bittorrent.com:6881",
    "dht.transmissionbt.com:6881",
    "dht.libtorrent.org:25401",
    "router.utorrent.com:6881",
];

/// A node of the DHT on sockets of its own, which runs in a task until the last handle is dropped.
///
/// Handles are cheap to clone. Calls after the end of the runtime find nothing.
///
/// ```no_run
/// use tinytorrent_dht::{DhtNode, Event, NodeConfig, ROUTERS};
///
/// # async fn example() -> std::io::Result<()> {
/// let node = DhtNode::bind(&["0.0.0.0:6881".parse().unwrap()], NodeConfig::new([7; 32])).await?;
/// node.bootstrap(ROUTERS);
/// node.is_in_network().await;
/// let mut lookup = node.find_peers([1; 20].into());
/// while let Some(event) = lookup.next().await {
///     if let Event::PeersFound { peers, .. } = event {
///         println!("{peers:?}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DhtNode {
    commands: mpsc::UnboundedSender<Command>,
    addresses: Arc<[SocketAddr]>,
    stats: Arc<Mutex<NodeStats>>,
}

impl DhtNode {
    /// Opens a socket for each address, at most one of a family, and starts a node in the families that have one.
    ///
    /// # Errors
    /// No address is given, two have the same family, or a socket cannot be opened.
    pub async fn bind(addresses: &[SocketAddr], config: NodeConfig) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for address in addresses {
            sockets.push(Socket::bind(*address).await?);
        }
        Self::start(sockets, config)
    }

    /// Starts a node on sockets that nobody else reads, at most one of a family.
    ///
    /// # Errors
    /// There is no socket, or two have the same family.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time.
    pub fn with(
        sockets: impl IntoIterator<Item = UdpSocket>,
        config: NodeConfig,
    ) -> io::Result<Self> {
        Self::start(sockets.into_iter().map(Socket::own).collect(), config)
    }

    /// Starts a node on each address of a host that has several on the internet (BEP 45), as [`bind`](Self::bind)
    /// does for one. They share nothing: each has an id of its own, far from those of the others, and answers by the
    /// socket that was asked. Nodes and ids of an earlier run go to the first one.
    ///
    /// A look-up is for one of them, in turns: all at once would ask the same nodes for the same target. To announce
    /// all addresses, announce from one after the other, as a token is good for one address.
    ///
    /// # Errors
    /// No address is given, or a socket cannot be opened.
    pub async fn bind_each(addresses: &[SocketAddr], config: NodeConfig) -> io::Result<Vec<Self>> {
        let mut nodes = Vec::new();
        for (address, config) in addresses.iter().zip(config.spread()) {
            nodes.push(Self::bind(&[*address], config).await?);
        }
        if nodes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on"));
        }
        Ok(nodes)
    }

    /// Starts a node on sockets that other protocols use as well, at most one of a family.
    ///
    /// # Errors
    /// There is no socket, or two have the same family.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time.
    pub fn over(
        sockets: impl IntoIterator<Item = SharedSocket>,
        config: NodeConfig,
    ) -> io::Result<Self> {
        Self::start(sockets.into_iter().map(Socket::Shared).collect(), config)
    }

    fn start(sockets: Vec<Socket>, mut config: NodeConfig) -> io::Result<Self> {
        let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        let (mut v4, mut v6) = (None, None);
        let mut addresses = Vec::new();
        for socket in sockets {
            let address = socket.local_address()?;
            let slot = if address.is_ipv4() { &mut v4 } else { &mut v6 };
            if slot.replace(socket).is_some() {
                return wrong("two addresses of one family");
            }
            addresses.push(address);
        }
        match (&v4, &v6) {
            (None, None) => return wrong("no address to listen on"),
            (Some(_), None) => _ = config.only(Family::V4),
            (None, Some(_)) => _ = config.only(Family::V6),
            (Some(_), Some(_)) => {}
        }
        let (commands, inbox) = mpsc::unbounded_channel();
        let node = Node::new(Instant::now(), config);
        let task = Task::new(node, Sockets { v4, v6 });
        let stats = Arc::clone(&task.stats);
        tokio::spawn(task.run(inbox));
        Ok(Self { commands, addresses: addresses.into(), stats })
    }

    /// The addresses of the sockets.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Has names looked up by this function, which gets them as `HOST:PORT`. Default: the system does. One that is
    /// bound to an address or has a proxy must not leave them to the system, which knows of neither.
    pub fn resolve_by<F>(&self, resolve: impl Fn(String) -> F + Send + Sync + 'static)
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let resolve: task::Resolve = Box::new(move |name| Box::pin(resolve(name)));
        self.send(move |_, task| task.resolve = resolve);
    }

    /// Sets the names of routers, as `HOST:PORT`. They are looked up at once, each with all its addresses, and again
    /// whenever no node is known, as long as there is none. Nothing waits for that.
    pub fn bootstrap(&self, names: impl IntoIterator<Item = impl Into<String>>) {
        let names = names.into_iter().map(Into::into).collect();
        self.send(move |now, task| task.set_names(now, names));
    }

    /// Waits until a node is known, or until the end of the runtime. Look-ups before that find nothing, unless a
    /// router has been added. May be cancelled.
    pub async fn is_in_network(&self) {
        let (sender, known) = oneshot::channel();
        self.send(move |_, task| task.routes.wait_for_nodes(sender));
        _ = known.await;
    }

    /// The events of the node itself from now on, such as
    /// [`TableEmpty`](crate::Event::TableEmpty) and [`AddressAgreed`](crate::Event::AddressAgreed).
    pub fn events(&self) -> NodeEvents {
        let (sender, events) = NodeEvents::channel();
        self.send(move |_, task| task.routes.add_listener(sender));
        events
    }

    /// Adds the address of a router; see [`Node::add_router`].
    pub fn add_router(&self, address: SocketAddr) {
        self.send(move |_, task| task.node.add_router(address));
    }

    /// Adds an address where a node may be; see [`Node::add_node`].
    pub fn add_node(&self, address: SocketAddr) {
        self.send(move |now, task| task.node.add_node(now, address));
    }

    /// Sets the addresses that the user avoids; see [`Node::set_blocked`].
    pub fn set_blocked(&self, ranges: Option<Arc<IpRanges>>) {
        self.send(move |_, task| task.node.set_blocked(ranges));
    }

    /// Looks for the peers of a torrent; see [`Node::find_peers`].
    pub fn find_peers(&self, hash: WireInfoHash) -> Lookup {
        self.begin(move |now, node| node.find_peers(now, hash))
    }

    /// Looks for peers that are no seeds; see [`Node::find_leeches`].
    pub fn find_leeches(&self, hash: WireInfoHash) -> Lookup {
        self.begin(move |now, node| node.find_leeches(now, hash))
    }

    /// Looks for peers, and announces us; see [`Node::announce`].
    pub fn announce(&self, hash: WireInfoHash, announce: Announce) -> Lookup {
        self.begin(move |now, node| node.announce(now, hash, announce))
    }

    /// Estimates the number of peers and seeds; see [`Node::scrape`].
    pub fn scrape(&self, hash: WireInfoHash) -> Lookup {
        self.begin(move |now, node| node.scrape(now, hash))
    }

    /// Looks for the nodes closest to a target; see [`Node::find_nodes`].
    pub fn find_nodes(&self, target: NodeId) -> Lookup {
        self.begin(move |now, node| node.find_nodes(now, target))
    }

    /// Looks for an immutable item; see [`Node::get`].
    pub fn get(&self, target: NodeId) -> Lookup {
        self.begin(move |now, node| node.get(now, target))
    }

    /// Looks for a mutable item; see [`Node::get_mutable`].
    pub fn get_mutable(&self, key: [u8; 32], salt: &[u8]) -> Lookup {
        let salt = salt.to_vec();
        self.begin(move |now, node| node.get_mutable(now, key, &salt))
    }

    /// Stores an item; see [`Node::put`].
    pub fn put(&self, item: Item, cas: Option<i64>) -> Lookup {
        self.begin(move |now, node| node.put(now, item, cas))
    }

    /// Looks for a mutable item again and again; see [`Node::follow`].
    pub fn follow(&self, follow: Follow) -> Lookup {
        self.begin(move |now, node| node.follow(now, follow))
    }

    /// Stores an item again and again; see [`Node::publish`].
    pub fn publish(&self, item: Item, cas: Option<i64>) -> Lookup {
        self.begin(move |now, node| node.publish(now, item, cas))
    }

    /// Asks one node if it is there. `None` if it refuses, or does not answer in time.
    pub async fn ping(&self, address: SocketAddr) -> Option<NodeAnswer> {
        self.query(move |now, node| node.ping(now, address)).await
    }

    /// Asks one node for a sample of its torrents; see [`Node::sample`]. `None` if it refuses, or does not answer in
    /// time, or its last sample still holds.
    pub async fn sample(&self, address: SocketAddr, target: NodeId) -> Option<NodeAnswer> {
        self.query(move |now, node| node.sample(now, address, target)).await
    }

    /// The figures, as they were when the node last did something.
    pub fn stats(&self) -> NodeStats {
        // A panic under the lock cannot leave plain numbers in a bad state.
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ids and nodes to begin with in the next run; `None` after the end of the runtime.
    pub async fn save(&self) -> Option<SavedNodes> {
        self.read(|node| node.save()).await
    }

    fn send(&self, command: impl FnOnce(Instant, &mut Task) + Send + 'static) {
        // It fails only if the task is gone, which is the end of the runtime.
        let _ = self.commands.send(Box::new(command));
    }

    fn begin(&self, begin: impl FnOnce(Instant, &mut Node) -> SearchId + Send + 'static) -> Lookup {
        let (sender, events) = mpsc::unbounded_channel();
        let (start, started) = oneshot::channel();
        self.send(move |now, task| {
            let id = begin(now, &mut task.node);
            // Unless it was dropped before it began.
            match start.send(id) {
                Ok(()) => task.routes.add_search(id, sender),
                Err(id) => task.node.cancel(id),
            }
        });
        Lookup::new(events, started, self.commands.clone())
    }

    async fn query(
        &self,
        begin: impl FnOnce(Instant, &mut Node) -> QueryId + Send + 'static,
    ) -> Option<NodeAnswer> {
        let (sender, answer) = oneshot::channel();
        self.send(move |now, task| {
            let query = begin(now, &mut task.node);
            task.routes.add_query(query, sender);
        });
        answer.await.ok()
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Node) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, value) = oneshot::channel();
        self.send(move |_, task| _ = sender.send(read(&task.node)));
        value.await.ok()
    }
}
