use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_types::{BLOCK_LENGTH, InfoHashes, PeerId};

/// What a [`Swarm`](crate::Swarm) is told once, at the start.
///
/// # Defaults
/// - [`max_peers`](Self::max_peers): 100
/// - [`max_connecting`](Self::max_connecting): 30
/// - [`upload_slots`](Self::upload_slots): 8
/// - [`store_budget`](Self::store_budget): 16 MiB
/// - [`max_requests`](Self::max_requests): 1000
/// - no limits of rate, rarest first, no trackers, metadata known
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) info_hashes: InfoHashes,
    pub(crate) peer_id: PeerId,
    pub(crate) seed: u64,
    pub(crate) listen_port: Option<u16>,
    pub(crate) own_addresses: Vec<SocketAddr>,
    pub(crate) trackers: Vec<Vec<String>>,
    pub(crate) max_peers: usize,
    pub(crate) max_connecting: usize,
    pub(crate) upload_slots: usize,
    pub(crate) store_budget: u64,
    pub(crate) max_requests: u32,
    pub(crate) download_limit: Option<u64>,
    pub(crate) upload_limit: Option<u64>,
    pub(crate) sequential: bool,
    pub(crate) needs_metadata: bool,
    pub(crate) exchange: bool,
    pub(crate) max_metadata: u32,
    pub(crate) client: String,
}

impl Config {
    /// For the torrent of these hashes. `peer_id` is ours for this run. `seed` is all the chance
    /// that the swarm has: the same seed and the same inputs give the same outputs.
    pub fn new(info_hashes: InfoHashes, peer_id: PeerId, seed: u64) -> Self {
        Self {
            info_hashes,
            peer_id,
            seed,
            listen_port: None,
            own_addresses: Vec::new(),
            trackers: Vec::new(),
            max_peers: 100,
            max_connecting: 30,
            upload_slots: 8,
            store_budget: 16 << 20,
            max_requests: 1_000,
            download_limit: None,
            upload_limit: None,
            sequential: false,
            needs_metadata: false,
            exchange: true,
            max_metadata: 32 << 20,
            client: concat!("tinytorrent ", env!("CARGO_PKG_VERSION")).into(),
        }
    }

    /// The port at which we accept peers, told to trackers and peers. Default: none, and then
    /// nobody is told to come.
    pub fn listen_port(&mut self, port: u16) -> &mut Self {
        self.listen_port = Some(port).filter(|&port| port != 0);
        self
    }

    /// An address at which we listen ourselves, never to be connected to. Default: none.
    pub fn own_address(&mut self, address: SocketAddr) -> &mut Self {
        self.own_addresses.push(address);
        self
    }

    /// The announce URLs, in tiers (BEP 12). Default: none.
    pub fn trackers(&mut self, tiers: Vec<Vec<String>>) -> &mut Self {
        self.trackers = tiers;
        self
    }

    /// Connections at most, those under way included. Default: 100. More find more pieces and
    /// cost memory for each; fewer may miss the quick ones. A host that is not ours gets half of
    /// them at most, so that it cannot keep the others out.
    pub fn max_peers(&mut self, count: usize) -> &mut Self {
        self.max_peers = count;
        self
    }

    /// Connections at most that we are making at a time. Default: 30. More make a quicker start, and more noise for
    /// home routers.
    pub fn max_connecting(&mut self, count: usize) -> &mut Self {
        self.max_connecting = count;
        self
    }

    /// Peers served at a time, the optimistic one included. Default: 8. More share the uplink
    /// into thinner streams. A peer that asks for nothing makes room for one that waits.
    pub fn upload_slots(&mut self, count: usize) -> &mut Self {
        self.upload_slots = count;
        self
    }

    /// Bytes that the disk may owe us before we stop asking peers for more. Default: 16 MiB.
    /// More rides out a longer stall of the disk; less saves memory.
    pub fn store_budget(&mut self, bytes: u64) -> &mut Self {
        self.store_budget = bytes;
        self
    }

    /// Requests under way to one peer at most, whatever it says it can take. Default: 1000, so
    /// 16 MiB of content. More keeps longer and faster links busy; fewer leave less to be given
    /// back when a peer fails.
    pub fn max_requests(&mut self, count: u32) -> &mut Self {
        self.max_requests = count.max(1);
        self
    }

    /// Bytes a second of content to ask for, over all peers. Default: no limit. Zero asks for
    /// nothing.
    pub fn download_limit(&mut self, bytes_per_second: Option<u64>) -> &mut Self {
        self.download_limit = bytes_per_second;
        self
    }

    /// Bytes a second of content to send, over all peers. Default: no limit. Zero sends nothing.
    pub fn upload_limit(&mut self, bytes_per_second: Option<u64>) -> &mut Self {
        self.upload_limit = bytes_per_second;
        self
    }

    /// Whether to fetch the pieces in order rather than the rarest first. Default: no; it makes
    /// swarms weaker.
    pub fn sequential(&mut self, sequential: bool) -> &mut Self {
        self.sequential = sequential;
        self
    }

    /// Whether the metadata is to be had from peers (BEP 9). Default: no, it comes with
    /// [`Input::ContentReady`](crate::Input::ContentReady).
    pub fn needs_metadata(&mut self, needs: bool) -> &mut Self {
        self.needs_metadata = needs;
        self
    }

    /// Whether to tell peers of each other, and to listen to what they tell (BEP 11). Default:
    /// yes; never in private torrents.
    pub fn exchange(&mut self, exchange: bool) -> &mut Self {
        self.exchange = exchange;
        self
    }

    /// The largest metadata to accept from peers, in bytes. Default: 32 MiB.
    pub fn max_metadata(&mut self, bytes: u32) -> &mut Self {
        self.max_metadata = bytes;
        self
    }

    /// What we call ourselves in the extended handshake (BEP 10, `v`). Default: the name and
    /// version of this library.
    pub fn client(&mut self, name: impl Into<String>) -> &mut Self {
        self.client = name.into();
        self
    }
}

/// Requests that we take from one peer before we refuse more; told as `reqq` (BEP 10).
pub(crate) const MAX_QUEUED_REQUESTS: usize = 2_000;

/// The longest block that we serve: what some clients ask for where BEP 3 has 16 KiB (W-26).
pub(crate) const MAX_SERVED_BLOCK: u32 = 128 * 1024;

/// What we take a peer's queue to hold when it does not say (BEP 10: libtorrent's default).
pub(crate) const DEFAULT_REQQ: u32 = 250;

/// Silence after which we send a keep-alive: trackers of two minutes must not lose us (BEP 3).
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(100);

/// Silence of a peer after which it is gone: twice the customary two minutes, for slack (W-11).
pub(crate) const MAX_SILENCE: Duration = Duration::from_secs(240);

/// How long a peer may read nothing of the blocks that it asked for: they wait in memory, and at
/// 1 KiB a second the largest takes half of this.
pub(crate) const MAX_UNREAD: Duration = Duration::from_secs(240);

/// How long a peer that owes us blocks may send none before others are asked (S-07). Shorter
/// than the customary minute: the end game has long helped itself by then, this is for the rest.
pub(crate) const SNUB: Duration = Duration::from_secs(30);

/// Snubs in a row after which a peer has had its chances.
pub(crate) const MAX_SNUBS: u32 = 4;

/// How much to have asked of a peer, in seconds at its present rate. Deep enough for the longest
/// round trip and for peers that answer their queue in bursts.
pub(crate) const PIPELINE_SECONDS: u64 = 2;

/// Requests to begin with, before the rate is known.
pub(crate) const FIRST_WINDOW: u32 = 16;

/// Requests under way to the slowest peer.
pub(crate) const LEAST_WINDOW: u32 = 4;

/// A peer that fetches a piece in this time gets pieces of its own; slower ones share.
pub(crate) const QUICK_PIECE: u64 = 20;

/// Bytes handed to the driver for one peer and not written yet. Two of the largest socket
/// buffers' worth would be waste; less than one would leave it dry.
pub(crate) const SERVING_WINDOW: u64 = 1 << 20;

/// Blocks handed to the driver for one peer and not written yet: as many whole ones as the window
/// holds. Each costs a read, be it of one byte.
pub(crate) const SERVING_BLOCKS: usize = (SERVING_WINDOW / BLOCK_LENGTH as u64) as usize;

/// Requests for what nobody can have that a peer may make before it is sent away (LT does too).
pub(crate) const MAX_BAD_REQUESTS: u32 = 300;

/// Blocks that nobody asked for which a peer without the fast extension may send: more than can
/// be on their way when we choke or cancel.
pub(crate) const MAX_UNASKED: u32 = 2_000;

/// Blocks of metadata that a peer gets at one instant: 8 MiB, more than anybody asks for at once.
/// They are copied, and nobody knows yet whether the peer reads them.
pub(crate) const METADATA_AT_ONCE: u64 = 512;

/// Hashes that a peer gets at one instant: 8 MiB, for the same reasons.
pub(crate) const HASHES_AT_ONCE: u64 = 1 << 18;

/// How many times over a peer may fetch the hashes of all pieces from us.
pub(crate) const HASH_TIMES: u64 = 4;

/// How many times over a peer may fetch the metadata from us, and then some blocks more.
pub(crate) const METADATA_TIMES: u64 = 4;
