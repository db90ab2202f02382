#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module is the driver: it owns the clock and the sockets"
)]

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use tinytorrent_types::WireInfoHash;
use tinytorrent_types::compact::Family;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};

use crate::message::MAX_READ;
use crate::socket::{SharedSocket, Socket};
use crate::{
    Announce, Event, Item, Node, NodeAnswer, NodeConfig, NodeId, NodeStats, QueryId, SavedNodes,
    SearchId,
};

/// A node of the DHT on sockets of its own, which runs in a task until the last handle is dropped.
///
/// Handles are cheap to clone. Calls after the end of the runtime find nothing.
///
/// ```no_run
/// use tinytorrent_dht::{DhtNode, Event, NodeConfig};
///
/// # async fn example() -> std::io::Result<()> {
/// let node = DhtNode::bind(&["0.0.0.0:6881".parse().unwrap()], NodeConfig::new([7; 32])).await?;
/// for address in tokio::net::lookup_host("router.bittorrent.com:6881").await? {
///     node.add_router(address);
/// }
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
}

/// A look-up that runs. It is cancelled when this is dropped.
#[derive(Debug)]
pub struct Lookup {
    events: mpsc::UnboundedReceiver<Event>,
    id: Option<SearchId>,
    started: Option<oneshot::Receiver<SearchId>>,
    commands: mpsc::UnboundedSender<Command>,
}

type Command = Box<dyn FnOnce(Instant, &mut Node, &mut Routes) + Send>;

/// Where events go.
#[derive(Debug, Default)]
struct Routes {
    searches: HashMap<SearchId, mpsc::UnboundedSender<Event>>,
    queries: HashMap<QueryId, oneshot::Sender<NodeAnswer>>,
}

impl DhtNode {
    /// Opens a socket for each address, at most one of a family, and starts a node in the families that have one.
    ///
    /// # Errors
    /// No address is given, two have the same family, or a socket cannot be opened.
    pub async fn bind(addresses: &[SocketAddr], config: NodeConfig) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for address in addresses {
            sockets.push(Socket::Own(UdpSocket::bind(address).await?));
        }
        Self::start(sockets, config)
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
        tokio::spawn(run(node, Sockets { v4, v6 }, inbox));
        Ok(Self { commands, addresses: addresses.into() })
    }

    /// The addresses of the sockets.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Adds the address of a router; see [`Node::add_router`].
    pub fn add_router(&self, address: SocketAddr) {
        self.send(move |_, node, _| node.add_router(address));
    }

    /// Adds an address where a node may be; see [`Node::add_node`].
    pub fn add_node(&self, address: SocketAddr) {
        self.send(move |now, node, _| node.add_node(now, address));
    }

    /// Looks for the peers of a torrent; see [`Node::find_peers`].
    pub fn find_peers(&self, hash: WireInfoHash) -> Lookup {
        self.begin(move |now, node| node.find_peers(now, hash))
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

    /// Asks one node if it is there. `None` if it refuses, or does not answer in time.
    pub async fn ping(&self, address: SocketAddr) -> Option<NodeAnswer> {
        self.query(move |now, node| node.ping(now, address)).await
    }

    /// Asks one node for a sample of its torrents; see [`Node::sample`]. `None` if it refuses, or does not answer in
    /// time.
    pub async fn sample(&self, address: SocketAddr, target: NodeId) -> Option<NodeAnswer> {
        self.query(move |now, node| node.sample(now, address, target)).await
    }

    /// The figures; `None` after the end of the runtime.
    pub async fn stats(&self) -> Option<NodeStats> {
        self.read(|node| node.stats()).await
    }

    /// The ids and nodes to begin with in the next run; `None` after the end of the runtime.
    pub async fn save(&self) -> Option<SavedNodes> {
        self.read(|node| node.save()).await
    }

    fn send(&self, command: impl FnOnce(Instant, &mut Node, &mut Routes) + Send + 'static) {
        // It fails only if the task is gone, which is the end of the runtime.
        let _ = self.commands.send(Box::new(command));
    }

    fn begin(&self, begin: impl FnOnce(Instant, &mut Node) -> SearchId + Send + 'static) -> Lookup {
        let (sender, events) = mpsc::unbounded_channel();
        let (start, started) = oneshot::channel();
        self.send(move |now, node, routes| {
            let id = begin(now, node);
            routes.searches.insert(id, sender);
            if start.send(id).is_err() {
                // It was dropped before it began.
                node.cancel(id);
                routes.searches.remove(&id);
            }
        });
        Lookup { events, id: None, started: Some(started), commands: self.commands.clone() }
    }

    async fn query(
        &self,
        begin: impl FnOnce(Instant, &mut Node) -> QueryId + Send + 'static,
    ) -> Option<NodeAnswer> {
        let (sender, answer) = oneshot::channel();
        self.send(move |now, node, routes| _ = routes.queries.insert(begin(now, node), sender));
        answer.await.ok()
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Node) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, value) = oneshot::channel();
        self.send(move |_, node, _| _ = sender.send(read(node)));
        value.await.ok()
    }
}

impl Lookup {
    /// The next event; the last one is [`Event::SearchEnded`]. `None` after it, and after the end of the runtime. May be
    /// cancelled: no event is lost.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    fn id(&mut self) -> Option<SearchId> {
        let started = self.started.as_mut().and_then(|started| started.try_recv().ok());
        self.id = self.id.or(started);
        self.id
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        // If it has not begun yet, it is cancelled when it does.
        if let Some(id) = self.id() {
            let _ = self.commands.send(Box::new(move |_, node: &mut Node, routes: &mut Routes| {
                node.cancel(id);
                routes.searches.remove(&id);
            }));
        }
    }
}

struct Sockets {
    v4: Option<Socket>,
    v6: Option<Socket>,
}

/// What wakes the task.
enum Input {
    Command(Option<Command>),
    Datagram(io::Result<(usize, SocketAddr)>, Family),
    Timeout,
}

async fn run(mut node: Node, mut sockets: Sockets, mut inbox: mpsc::UnboundedReceiver<Command>) {
    let mut routes = Routes::default();
    let (mut buffer4, mut buffer6) = ([0; MAX_READ + 1], [0; MAX_READ + 1]);
    loop {
        flush(&mut node, &sockets, &mut routes).await;
        let timeout = node.poll_timeout().unwrap_or_else(Instant::now);
        let input = tokio::select! {
            command = inbox.recv() => Input::Command(command),
            received = receive(sockets.v4.as_mut(), &mut buffer4) => Input::Datagram(received, Family::V4),
            received = receive(sockets.v6.as_mut(), &mut buffer6) => Input::Datagram(received, Family::V6),
            () = tokio::time::sleep_until(timeout.into()) => Input::Timeout,
        };
        let now = Instant::now();
        match input {
            Input::Command(Some(command)) => command(now, &mut node, &mut routes),
            Input::Command(None) => return,
            Input::Datagram(Ok((length, from)), family) => {
                let buffer = if family == Family::V4 { &buffer4 } else { &buffer6 };
                node.handle_datagram(now, from, &buffer[..length]);
            }
            // D-52: an ICMP message for an earlier datagram, which some systems report here.
            Input::Datagram(Err(_), _) => {}
            Input::Timeout => node.handle_timeout(now),
        }
    }
}

/// Receives from a socket, or never if there is none.
async fn receive(
    socket: Option<&mut Socket>,
    buffer: &mut [u8],
) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.receive(buffer).await,
        None => std::future::pending().await,
    }
}

/// Sends what is to be sent, and hands out events.
async fn flush(node: &mut Node, sockets: &Sockets, routes: &mut Routes) {
    while let Some(transmit) = node.poll_transmit() {
        let socket = match transmit.to.ip() {
            IpAddr::V4(_) => &sockets.v4,
            IpAddr::V6(_) => &sockets.v6,
        };
        let Some(socket) = socket else { continue };
        if socket.send(&transmit.bytes, transmit.to).await.is_err() {
            node.handle_unreachable(Instant::now(), transmit.to);
        }
    }
    while let Some(event) = node.poll_event() {
        match event {
            Event::Answered { query, answer } => {
                if let Some(sender) = routes.queries.remove(&query) {
                    let _ = sender.send(answer);
                }
            }
            Event::Failed { query, .. } => _ = routes.queries.remove(&query),
            Event::PeersFound { search, .. } | Event::ItemFound { search, .. } => {
                let is_heard =
                    routes.searches.get(&search).is_some_and(|sender| sender.send(event).is_ok());
                if !is_heard {
                    node.cancel(search);
                    routes.searches.remove(&search);
                }
            }
            Event::SearchEnded { search, .. } => {
                if let Some(sender) = routes.searches.remove(&search) {
                    let _ = sender.send(event);
                }
            }
            Event::AddressAgreed { .. } | Event::TableEmpty { .. } => {}
        }
    }
}
