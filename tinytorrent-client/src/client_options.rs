use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tinytorrent_storage::{Content, DiskOptions, StorageError};
use tinytorrent_swarm::Transports;
use tinytorrent_tracker::client::ClientConfig;

use crate::connection::buffers::LARGE;
use crate::content::ContentSource;
use crate::dht::DhtOptions;
use crate::local_network::LocalNetworkOptions;
use crate::memory::Memory;
use crate::network_options::NetworkOptions;
use crate::places::descriptor_limit;
use crate::{ClientLimits, ContentRequest, DhtConfig, Encryption, PeerAddress};

/// Settings of a [`Client`](crate::Client): the use of the network, of memory and of the disk.
///
/// # Defaults
/// - [`listen`](Self::listen): IPv6 and IPv4 at one of the customary ports 6881 to 6889, or at any
///   port if they are taken
/// - [`memory`](Self::memory): 48 MiB
/// - [`open_files`](Self::open_files): 128, or a quarter of the descriptors of the process
/// - [`max_connections`](Self::max_connections): half of the descriptors of the process, or more
/// - [`disk_threads`](Self::disk_threads): 2
/// - [`content_threads`](Self::content_threads): 8
/// - [`stop_patience`](Self::stop_patience): 2 s
/// - [`encryption`](Self::encryption): as the other side wants
/// - [`allow_local_addresses`](Self::allow_local_addresses): no
/// - [`dht`](Self::dht): yes, entered by the well-known routers
/// - [`lsd`](Self::lsd): yes
/// - [`tcp`](Self::tcp), [`utp`](Self::utp): both
#[derive(Debug, Clone)]
pub struct ClientOptions {
    pub(crate) accepts: bool,
    pub(crate) tcp: bool,
    pub(crate) utp: bool,
    pub(crate) network: NetworkOptions,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) open_files: Option<usize>,
    pub(crate) disk_threads: usize,
    pub(crate) content_threads: usize,
    pub(crate) stop_patience: Duration,
    pub(crate) user_agent: Option<String>,
    pub(crate) client_name: Option<String>,
    pub(crate) max_metadata: u32,
    pub(crate) refuses_bogons: bool,
    pub(crate) sync_before_have: bool,
    pub(crate) check_threads: Option<usize>,
    pub(crate) allows_local_addresses: bool,
    pub(crate) encryption: Encryption,
    pub(crate) state: Option<PathBuf>,
    pub(crate) dht: DhtOptions,
    pub(crate) local_network: LocalNetworkOptions,
    pub(crate) limits: ClientLimits,
    pub(crate) kept_out: Vec<PathBuf>,
    pub(crate) content: Option<ContentSource>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            accepts: true,
            tcp: true,
            utp: true,
            network: NetworkOptions::default(),
            addresses: Vec::new(),
            open_files: None,
            disk_threads: 2,
            content_threads: 8,
            stop_patience: Duration::from_secs(2),
            user_agent: None,
            client_name: None,
            max_metadata: 32 << 20,
            refuses_bogons: false,
            sync_before_have: false,
            check_threads: None,
            allows_local_addresses: false,
            encryption: Encryption::default(),
            state: None,
            dht: DhtOptions::default(),
            local_network: LocalNetworkOptions::default(),
            limits: ClientLimits::default(),
            kept_out: Vec::new(),
            content: None,
        }
    }
}

impl ClientOptions {
    /// Adds a listening address. With port 0 the system picks the port. `[::]` alone accepts IPv4
    /// as well; beside other addresses it accepts IPv6 only.
    pub fn listen(&mut self, address: SocketAddr) -> &mut Self {
        self.addresses.push(address);
        self
    }

    /// Connects to peers by TCP and accepts such connections, or does without. Default: yes.
    pub fn tcp(&mut self, tcp: bool) -> &mut Self {
        self.tcp = tcp;
        self
    }

    /// Connects to peers by uTP (BEP 29) and accepts such connections, or does without. Default: yes. It uses UDP at the
    /// ports of the [listening addresses](Self::listen), and steps back where others need the link. A peer of which
    /// nothing is known is tried by TCP, and after a quarter of a second by uTP as well; the first that is through wins.
    pub fn utp(&mut self, utp: bool) -> &mut Self {
        self.utp = utp;
        self
    }

    /// Looks for peers in the DHT (BEP 5) and serves as a node of it, or does without. Default: yes. The node has a UDP
    /// socket for each family, at the ports of the [listening addresses](Self::listen). Private torrents are neither
    /// looked up nor announced (BEP 27). A client that listens on loopback alone goes nowhere unless
    /// [nodes are named](Self::dht_node).
    pub fn dht(&mut self, dht: bool) -> &mut Self {
        self.dht.is_on = dht;
        self
    }

    /// Adds a node to enter the DHT by. Default: the well-known routers of other clients. Names are looked up with the
    /// first torrent that is not private, and again whenever no node is known, as after a loss of the network. With a [kept
    /// session](Self::state) the nodes of the run before are known as well.
    pub fn dht_node(&mut self, node: impl Into<PeerAddress>) -> &mut Self {
        self.dht.nodes.push(node.into());
        self
    }

    /// Settings of the node of the DHT, such as its limits. Default: those of [`DhtConfig::new`]. Its seed and its
    /// saved nodes are the client's.
    pub fn dht_config(&mut self, config: DhtConfig) -> &mut Self {
        self.dht.config = Some(Box::new(config));
        self
    }

    /// Accepts incoming connections, or opens no listening socket. Default: yes. Two clients that
    /// both accept none cannot connect to each other. Without a socket, trackers are told port 1, at which
    /// nobody listens; many of them refuse port 0.
    pub fn accept_peers(&mut self, accept: bool) -> &mut Self {
        self.accepts = accept;
        self
    }

    /// Bytes of memory at most for what other hosts send and ask for: receive buffers, blocks that are
    /// not yet written, metadata that is being fetched, and messages and blocks that their peers have not
    /// yet read. Default: 48 MiB; the minimum is 8 MiB. More memory lets a download go on through longer
    /// stalls of the disk. With less, more pieces are read back from the disk to be hashed. Metadata may
    /// take three eighths of it, so that with 8 MiB a magnet link to metadata of more than 3 MiB cannot be
    /// resolved; torrents that fetch theirs at the same time have turns if that is too little for all.
    ///
    /// The limit does not include the fixed cost of connections and torrents: up to 96 KiB for each
    /// connection, which is mostly the list of what its peer has requested, and some bytes for each
    /// piece. Nor does it include the queues of uTP: at most a quarter as much for each UDP socket; those of TCP
    /// are the system's. [`Client::memory`](crate::Client::memory) returns the
    /// figures.
    pub fn memory(&mut self, bytes: u64) -> &mut Self {
        self.limits.memory = least_memory(bytes);
        self
    }

    /// Content files that are open at a time at most. Default: 128, but at most a quarter of the
    /// descriptors that the process may have. With more, files are opened again less often, but fewer
    /// descriptors are left for connections.
    pub fn open_files(&mut self, count: usize) -> &mut Self {
        self.open_files = Some(count.max(1));
        self
    }

    /// Connections of all torrents together at most, those that have not named a torrent included.
    /// Default: the descriptors that the process may have (`ulimit -n`) without a quarter of them, for
    /// sockets to trackers and files, and without [`open_files`](Self::open_files). The minimum is 4.
    /// Connections that peers make get three quarters of them. If the process turns out to have fewer
    /// descriptors, there are fewer connections until it has more.
    pub fn max_connections(&mut self, count: usize) -> &mut Self {
        self.limits.max_connections = Some(count);
        self
    }

    /// Threads that write, hash and read blocks of files. Default: 2. More of them keep several disks busy, or hash faster
    /// on a machine with more processors.
    pub fn disk_threads(&mut self, count: usize) -> &mut Self {
        self.disk_threads = count.max(1);
        self
    }

    /// Threads for [content of the program's own](Self::content), at least 1. Default: 8. They are started with the
    /// first of it, and wait for its answers while the disk's threads serve files. Each waits for one answer.
    pub fn content_threads(&mut self, count: usize) -> &mut Self {
        self.content_threads = count.max(1);
        self
    }

    /// Timeout of the last announces of a torrent that is stopped. Default: 2 s, at most 4 s.
    pub fn stop_patience(&mut self, patience: Duration) -> &mut Self {
        self.stop_patience = patience.min(Duration::from_secs(4));
        self
    }

    /// The use of message stream encryption. Default: [`Encryption::Prefer`]. It hides the protocol
    /// from filters in the network. It is no security: RC4 is broken, and no peer proves its
    /// identity.
    pub fn encryption(&mut self, encryption: Encryption) -> &mut Self {
        self.encryption = encryption;
        self
    }

    /// Keeps the session in this folder: all torrents with their settings and metadata come back at the next
    /// [`Client::start`](crate::Client::start), and progress is found beside their contents. There is a file
    /// for each torrent, and one for its metadata; a damaged one costs no other torrent anything. A torrent
    /// that is stopped or removed by its handle is forgotten, others are kept however the program ends. One
    /// client at a time has the folder: another one gets [`ClientError::SessionInUse`](crate::ClientError::SessionInUse)
    /// until the first is [shut down](crate::Client::shutdown), or it and its handles are gone. It may be below the folder of contents, but contents are
    /// [kept out of](Self::keep_out) it. Default: none.
    pub fn state(&mut self, folder: impl Into<PathBuf>) -> &mut Self {
        let folder = folder.into();
        self.kept_out.push(folder.clone());
        self.state = Some(folder);
        self
    }

    /// Adds a folder that no content may lie in, since the program trusts what is there, such as its settings. A
    /// torrent with a file there fails before anything is written; one whose own folder is there, by the wish of
    /// the user, does not. Default: the folder of the kept session, if there is one.
    pub fn keep_out(&mut self, folder: impl Into<PathBuf>) -> &mut Self {
        self.kept_out.push(folder.into());
        self
    }

    /// Opens the contents of torrents that have no function of their own, those of a kept session included; see
    /// [`TorrentOptions::content`](crate::TorrentOptions::content). `None` leaves a content in files. Default:
    /// all contents are in files.
    pub fn content<F>(&mut self, open: F) -> &mut Self
    where
        F: Fn(ContentRequest<'_>) -> Result<Option<Arc<dyn Content>>, StorageError>
            + Send
            + Sync
            + 'static,
    {
        self.content = Some(ContentSource::new(open));
        self
    }

    /// Limit of received bytes of content a second, over all torrents. Default: none.
    pub fn download_limit(&mut self, bytes_per_second: Option<u64>) -> &mut Self {
        self.limits.download = bytes_per_second;
        self
    }

    /// Limit of sent bytes of content a second, over all torrents. Default: none.
    pub fn upload_limit(&mut self, bytes_per_second: Option<u64>) -> &mut Self {
        self.limits.upload = bytes_per_second;
        self
    }

    /// Torrents that download at a time at most. Default: no limit. The others wait, in the order of the
    /// torrents ([`State::Queued`](crate::State::Queued)); their contents are checked meanwhile.
    pub fn active_downloads(&mut self, count: Option<usize>) -> &mut Self {
        self.limits.active_downloads = count;
        self
    }

    /// Torrents that seed at a time at most. Default: no limit.
    pub fn active_seeds(&mut self, count: Option<usize>) -> &mut Self {
        self.limits.active_seeds = count;
        self
    }

    /// Contents that are checked at a time at most, over all disks. Default: no limit. On one disk there is one
    /// check at a time in any case, and the others wait.
    pub fn active_checks(&mut self, count: Option<usize>) -> &mut Self {
        self.limits.active_checks = count;
        self
    }

    /// Peers that are served at a time at most, over all torrents. Default: no limit. Torrents with peers that
    /// want something have equal parts, and if there are too few for all, turns; the
    /// [slots](crate::TorrentOptions::upload_slots) of each are its limit as well.
    pub fn upload_slots(&mut self, count: Option<usize>) -> &mut Self {
        self.limits.upload_slots = count;
        self
    }

    /// Connections that are being made at a time at most, over all torrents. Default: no limit, beside that of 30
    /// for each torrent. Some home routers fail with hundreds of them.
    pub fn half_open(&mut self, count: Option<usize>) -> &mut Self {
        self.limits.half_open = count;
        self
    }

    /// Connections that are begun in a second at most, over all torrents. Default: no limit. With few, a
    /// torrent finds its peers later.
    pub fn dials_per_second(&mut self, count: Option<u32>) -> &mut Self {
        self.limits.dials_per_second = count;
        self
    }

    /// The user agent in requests to HTTP trackers. Default: name and version of this library.
    pub fn user_agent(&mut self, name: impl Into<String>) -> &mut Self {
        self.user_agent = Some(name.into());
        self
    }

    /// The name and version of the program in the handshakes with peers (BEP 10, `v`), which other clients show.
    /// Default: name and version of this library.
    pub fn client_name(&mut self, name: impl Into<String>) -> &mut Self {
        self.client_name = Some(name.into());
        self
    }

    /// Bytes of metadata that are accepted from peers at most. Default: 32 MiB, more than that of any torrent
    /// known to be in use; less if there is no [`memory`](Self::memory) for so much.
    pub fn max_metadata(&mut self, bytes: u32) -> &mut Self {
        self.max_metadata = bytes;
        self
    }

    /// Syncs a piece to the medium before other peers are told of it. Default: no. Without it, a loss of power may
    /// lose pieces that peers were told of, which the next start notices. It costs a sync for each batch of
    /// pieces.
    pub fn sync_before_have(&mut self, sync: bool) -> &mut Self {
        self.sync_before_have = sync;
        self
    }

    /// Threads that hash the content of one torrent in a check; at least 1. Default: as many as there are
    /// processors, at most 4.
    pub fn check_threads(&mut self, count: usize) -> &mut Self {
        self.check_threads = Some(count.max(1));
        self
    }

    /// Connects to peers at addresses of the public internet alone, whoever tells of them: not to bogons, such as
    /// private, documentation and reserved ones. Default: no, as trackers and peers in the own network may name
    /// others there. Not concerned are peers that the user names, and those that connect to us.
    pub fn refuse_bogons(&mut self, refuse: bool) -> &mut Self {
        self.refuses_bogons = refuse;
        self
    }

    /// Goes wherever a stranger points to in the local network (loopback, link-local and private
    /// addresses). Default: no, so that nobody sends connections and requests there with a torrent or a
    /// magnet link.
    ///
    /// Without it, trackers that a torrent names at such addresses are asked under paths that begin with
    /// `/announce` only, without the credentials of the URL, and redirects from elsewhere to them are
    /// refused. Peers at such addresses are those of trackers and peers that are there themselves: those
    /// that a tracker or a peer on the internet names, or a magnet link (`x.pe`), are left out. A tracker
    /// behind a proxy counts as one on the internet.
    ///
    /// Not concerned is what the user gives: trackers, from
    /// [`TorrentOptions::tracker`](crate::TorrentOptions::tracker) or
    /// [`Torrent::add_trackers`](crate::Torrent::add_trackers), are asked under any path, and peers,
    /// from [`TorrentOptions::peer`](crate::TorrentOptions::peer) or
    /// [`Torrent::add_peers`](crate::Torrent::add_peers), are connected to anywhere. Peers that connect to
    /// us may come from anywhere, too.
    pub fn allow_local_addresses(&mut self, allow: bool) -> &mut Self {
        self.allows_local_addresses = allow;
        self
    }

    /// The transports to peers. Without any, nothing gets through.
    pub(crate) fn transports(&self) -> Transports {
        match self.usable() {
            (true, true) => Transports::Both,
            (false, true) => Transports::Utp,
            (_, false) => Transports::Tcp,
        }
    }

    /// The number of content files that may be open.
    pub(crate) fn file_count(&self) -> usize {
        self.open_files.unwrap_or_else(|| (descriptor_limit() / 4).clamp(1, 128))
    }

    /// The number of connections, by the wish of the user or without one.
    pub(crate) fn connection_count(&self, wish: Option<usize>) -> usize {
        let limit = descriptor_limit();
        wish.unwrap_or_else(|| (limit - limit / 4).saturating_sub(self.file_count()))
    }

    /// Options of the disk's threads. They may fill all receive buffers with blocks to be written, but
    /// write unfinished pieces at three quarters of that, before connections have to wait.
    pub(crate) fn disk(&self, memory: u64) -> DiskOptions {
        let mut disk = DiskOptions::default();
        disk.threads(self.disk_threads)
            .sync_before_have(self.sync_before_have)
            .content_threads(self.content_threads)
            .memory(memory / 2)
            .read_cache(Memory::read_cache(memory))
            // The larger of the two sizes: of smaller buffers the disk counts too much memory, and
            // never too little.
            .receive_buffer(LARGE);
        disk
    }

    pub(crate) fn trackers(&self) -> ClientConfig {
        let mut trackers = ClientConfig::default();
        trackers.allow_local(self.allows_local_addresses);
        if let Some(name) = &self.user_agent {
            trackers.user_agent(name);
        }
        trackers
    }
}

/// The least memory that a client works with, or more.
pub(crate) fn least_memory(bytes: u64) -> u64 {
    bytes.max(8 << 20)
}
