use std::borrow::Cow;
use std::net::SocketAddr;

use tinytorrent_types::compact::Family;
use tinytorrent_types::{InfoHashes, PeerId};

use crate::contract::Transports;

/// Settings of a [`Swarm`](crate::Swarm), given once at the start. Each field is one setting, so that
/// there are many.
///
/// # Defaults
/// - [`max_peers`](Self::max_peers): 100
/// - [`max_connecting`](Self::max_connecting): 30
/// - [`upload_slots`](Self::upload_slots): 8
/// - [`store_budget`](Self::store_budget): 16 MiB
/// - [`max_requests`](Self::max_requests): 1000
/// - [`transports`](Self::transports): TCP
/// - no limits of rate, rarest first, no trackers, metadata known
#[derive(Debug, Clone)]
pub struct SwarmConfig {
    pub(crate) info_hashes: InfoHashes,
    pub(crate) peer_id: PeerId,
    pub(crate) seed: u64,
    pub(crate) listen_port: Option<u16>,
    pub(crate) own_addresses: Vec<SocketAddr>,
    pub(crate) trackers: Vec<Vec<String>>,
    pub(crate) transports: Transports,
    pub(crate) max_peers: usize,
    pub(crate) max_connecting: usize,
    pub(crate) upload_slots: usize,
    pub(crate) store_budget: u64,
    pub(crate) max_requests: u32,
    pub(crate) download_limit: Option<u64>,
    pub(crate) upload_limit: Option<u64>,
    pub(crate) sequential: bool,
    pub(crate) super_seeding: bool,
    pub(crate) needs_metadata: bool,
    pub(crate) exchange: bool,
    pub(crate) tracker_exchange: Option<Vec<String>>,
    pub(crate) local_peers: bool,
    pub(crate) refuses_bogons: bool,
    pub(crate) max_metadata: u32,
    pub(crate) metadata_memory: u64,
    pub(crate) client: Cow<'static, str>,
    pub(crate) dht: bool,
    pub(crate) dht_ports: DhtPorts,
    pub(crate) sha1: Option<Sha1>,
}

/// A function that gives the SHA-1 of a message.
pub type Sha1 = fn(&[u8]) -> [u8; 20];

impl SwarmConfig {
    /// Settings for the torrent of these hashes. `peer_id` is ours for this run. `seed` is all the
    /// randomness that the swarm has: the same seed and the same inputs give the same outputs.
    pub fn new(info_hashes: InfoHashes, peer_id: PeerId, seed: u64) -> Self {
        Self {
            info_hashes,
            peer_id,
            seed,
            listen_port: None,
            own_addresses: Vec::new(),
            trackers: Vec::new(),
            transports: Transports::Tcp,
            max_peers: 100,
            max_connecting: 30,
            upload_slots: 8,
            store_budget: 16 << 20,
            max_requests: 1_000,
            download_limit: None,
            upload_limit: None,
            sequential: false,
            super_seeding: false,
            needs_metadata: false,
            exchange: true,
            tracker_exchange: None,
            local_peers: false,
            refuses_bogons: false,
            max_metadata: 32 << 20,
            metadata_memory: 64 << 20,
            client: concat!("tinytorrent ", env!("CARGO_PKG_VERSION")).into(),
            dht: false,
            dht_ports: DhtPorts::default(),
            sha1: None,
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

    /// The transports by which we connect. Default: TCP alone. Both find more peers, as some can be reached by uTP
    /// alone, and uTP leaves the uplink to others. Those that come to us may come by any that the driver accepts. With
    /// uTP, peers that cannot be reached are met by introduction, and introduced to each other (BEP 55), unless the
    /// torrent is private.
    pub fn transports(&mut self, transports: Transports) -> &mut Self {
        self.transports = transports;
        self
    }

    /// Connections at most, those under way included. Default: 100. More find more pieces and
    /// cost memory for each; fewer may miss the quick ones. A host that is not ours (of IPv6 a /64) gets
    /// a quarter of them at most, a network (/24, /48) half, so that they cannot keep the others out. While
    /// all are taken and addresses wait, peers that give nothing make room.
    pub fn max_peers(&mut self, count: usize) -> &mut Self {
        self.max_peers = count;
        self
    }

    /// Connections at most that we are making at a time. Default: 30. More make a quicker start, and more
    /// noise for home routers. While others wait, one that takes longer than 3 s is given up and tried again
    /// later.
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

    /// Bytes that may wait for the disk before peers are asked for no more. Default: 16 MiB.
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

    /// Fetches the pieces in order rather than the rarest first. Default: no; it makes swarms weaker.
    pub fn sequential(&mut self, sequential: bool) -> &mut Self {
        self.sequential = sequential;
        self
    }

    /// Super seeds (BEP 16), if the content is complete from the start: peers are told of single pieces that
    /// nobody has, each of the next one once another peer shows that it has that, so that little more
    /// than one copy is sent before there are other seeds. Then all are told of everything. Default: no; a
    /// swarm that has seeds becomes slower by it.
    pub fn super_seeding(&mut self, super_seeding: bool) -> &mut Self {
        self.super_seeding = super_seeding;
        self
    }

    /// Fetches the metadata from peers (BEP 9). Default: no, it comes with
    /// [`Input::ContentReady`](crate::Input::ContentReady).
    pub fn needs_metadata(&mut self, needs: bool) -> &mut Self {
        self.needs_metadata = needs;
        self
    }

    /// Tells peers of each other, and takes in what they tell (BEP 11). Default: yes; never in private
    /// torrents.
    pub fn exchange(&mut self, exchange: bool) -> &mut Self {
        self.exchange = exchange;
        self
    }

    /// Tells peers of trackers, and takes in those that they tell of (BEP 28). `public` are trackers that the torrent
    /// itself names, and no secrets of the user; of the [trackers](Self::trackers), peers are told of these alone, and
    /// of those learned that have answered. Default: none is exchanged; never in private torrents.
    pub fn tracker_exchange(&mut self, public: Option<Vec<String>>) -> &mut Self {
        self.tracker_exchange = public;
        self
    }

    /// Takes in peers at local addresses from whoever tells of them: loopback, link-local and private ones
    /// ([`AddressScope::is_local`]). Default: no; only from the user, from trackers and peers that are at
    /// such addresses themselves, and if they come to us. Otherwise a tracker, a peer or a link on the
    /// internet could have us connect to whatever listens in the network of the user.
    ///
    /// [`AddressScope::is_local`]: tinytorrent_types::AddressScope::is_local
    pub fn local_peers(&mut self, take: bool) -> &mut Self {
        self.local_peers = take;
        self
    }

    /// Takes in peers at addresses of the public internet alone, but for those that the user names: no bogons, such
    /// as private, documentation and reserved ones ([`AddressScope::is_public`]). Default: no, as trackers and
    /// peers in the own network may tell of others there.
    ///
    /// [`AddressScope::is_public`]: tinytorrent_types::AddressScope::is_public
    pub fn refuse_bogons(&mut self, refuse: bool) -> &mut Self {
        self.refuses_bogons = refuse;
        self
    }

    /// The largest metadata to accept from peers, in bytes. Default: 32 MiB.
    pub fn max_metadata(&mut self, bytes: u32) -> &mut Self {
        self.max_metadata = bytes;
        self
    }

    /// Bytes of memory for metadata while it is being fetched, until
    /// [`Swarm::set_metadata_memory`](crate::Swarm::set_metadata_memory) sets others. Default: 64 MiB. Peers may
    /// name different sizes, and as many are tried at a time as it has room for. Without room for one, none is
    /// asked for.
    pub fn metadata_memory(&mut self, bytes: u64) -> &mut Self {
        self.metadata_memory = bytes;
        self
    }

    /// Looks for peers in the DHT (BEP 5), unless the torrent is private. Default: no.
    pub fn dht(&mut self, dht: bool) -> &mut Self {
        self.dht = dht;
        self
    }

    /// The UDP port of a DHT node of ours in a family, told over connections of that family (BEP 32) to peers that
    /// have a node too, unless the torrent is private; they tell theirs with
    /// [`Event::DhtNodeFound`](crate::Event::DhtNodeFound) (BEP 5). Default: none. Peers that tell
    /// theirs unasked are heard all the same.
    pub fn dht_port(&mut self, family: Family, port: u16) -> &mut Self {
        *self.dht_ports.of_mut(family) = Some(port).filter(|&port| port != 0);
        self
    }

    /// A function that gives the SHA-1 of a message: peers that begin are sent the allowed-fast set of
    /// BEP 6, which is made with it. Default: none, and no peer is sent a set. Nothing else here hashes, so
    /// that the caller's function serves.
    pub fn sha1(&mut self, sha1: Sha1) -> &mut Self {
        self.sha1 = Some(sha1);
        self
    }

    /// Our name in the extended handshake (BEP 10, `v`). Default: the name and
    /// version of this library.
    pub fn client(&mut self, name: impl Into<Cow<'static, str>>) -> &mut Self {
        self.client = name.into();
        self
    }
}

/// The UDP ports of our DHT node in each family.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DhtPorts {
    pub(crate) v4: Option<u16>,
    pub(crate) v6: Option<u16>,
}

impl DhtPorts {
    pub(crate) fn of(self, family: Family) -> Option<u16> {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    fn of_mut(&mut self, family: Family) -> &mut Option<u16> {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    pub(crate) fn any(self) -> bool {
        self.v4.is_some() || self.v6.is_some()
    }
}

/// Requests that we take from one peer before we refuse more; told as `reqq` (BEP 10).
pub(crate) const MAX_QUEUED_REQUESTS: usize = 2_000;
