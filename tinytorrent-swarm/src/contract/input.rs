use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use bytes::Bytes;
use tinytorrent_types::{AddressScope, Bitfield, BlockDigest, BlockInfo, Geometry, PieceIndex};
use tinytorrent_wire::{Handshake, HashRequest, Message};

use super::{ConnectionError, DiskError, FetchKey, FetchOutcome, Transport, WebSeedKey};
use crate::{AnnounceOutcome, PeerKey, ScrapeOutcome};

/// Something that happened outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Addresses that may be peers. They are filtered and remembered, not connected to at once.
    PeersFound {
        /// The source.
        source: PeerSource,
        /// As they were told; bad ones are dropped and counted.
        addresses: Vec<SocketAddr>,
    },
    /// An [`Action::Connect`](crate::Action::Connect) came to nothing, or its handshake did.
    ConnectFailed {
        /// The connection that was tried.
        peer: PeerKey,
        /// The reason; it comes back in [`Event::PeerLeft`](crate::Event::PeerLeft).
        error: ConnectionError,
    },
    /// Both handshakes are through: of an [`Action::Connect`](crate::Action::Connect), or of a connection that
    /// [`Swarm::accept`](crate::Swarm::accept) let in. From now on messages flow.
    HandshakeCompleted {
        /// The connection.
        peer: PeerKey,
        /// The transport that carries it.
        transport: Transport,
        /// The handshake of the peer.
        handshake: Handshake,
    },
    /// Any message but `piece`, which goes to [`Swarm::handle_block`](crate::Swarm::handle_block).
    MessageReceived {
        /// The sender.
        peer: PeerKey,
        /// The message.
        message: Message,
    },
    /// The connection is gone, or the peer broke the framing.
    ConnectionClosed {
        /// The connection.
        peer: PeerKey,
        /// The reason.
        error: ConnectionError,
    },
    /// A block of an [`Action::ServeBlock`](crate::Action::ServeBlock) went out, or could not be read (`sent: false`).
    BlockServed {
        /// The receiver.
        peer: PeerKey,
        /// The block.
        block: BlockInfo,
        /// True if the peer has been sent it.
        sent: bool,
    },
    /// So many bytes of blocks are written, or dropped since their piece failed. Until then they count
    /// against [`SwarmConfig::store_budget`](crate::SwarmConfig::store_budget).
    BlocksWritten {
        /// Bytes of blocks, as accepted by [`BlockVerdict`](crate::BlockVerdict).
        bytes: u64,
    },
    /// A piece that was to be verified is right, and it is on the disk.
    PieceVerified {
        /// The piece.
        piece: PieceIndex,
        /// SHA-1 of each block, in order, if they were asked for; else empty.
        digests: Vec<BlockDigest>,
    },
    /// A piece that was to be verified is wrong, and has been thrown away.
    PieceFailed {
        /// The piece.
        piece: PieceIndex,
        /// SHA-1 of each block, in order.
        digests: Vec<BlockDigest>,
    },
    /// The disk cannot be written or read. The torrent pauses.
    DiskFailed {
        /// The piece whose blocks are lost by it, and have to be fetched anew; `None` if there is none.
        piece: Option<PieceIndex>,
        /// The failure.
        error: DiskError,
    },
    /// A verified piece cannot be read any more. It is neither served nor fetched again, and peers are
    /// told so (BEP 54): somebody may have taken the file away on purpose.
    PieceLost {
        /// The piece.
        piece: PieceIndex,
    },
    /// The metadata of an [`Action::CheckMetadata`](crate::Action::CheckMetadata) is not what the info-hash names.
    MetadataRefused,
    /// The metadata is known and right, so that no peer is asked for it any more. These hashes, of a v2
    /// torrent, are needed before the content can be looked at (BEP 52, "piece layers"); there may be
    /// none. They come one by one with [`Action::CheckHashes`](crate::Action::CheckHashes).
    HashesNeeded(Vec<HashRequest>),
    /// The result of an [`Action::CheckHashes`](crate::Action::CheckHashes). Once all are right, [`Input::ContentReady`] is to
    /// follow.
    HashesChecked {
        /// The sender.
        peer: PeerKey,
        /// The range of hashes.
        request: HashRequest,
        /// True if they lead to their root.
        is_right: bool,
    },
    /// The result of an [`Action::ReadHashes`](crate::Action::ReadHashes).
    HashesRead {
        /// The peer that asked.
        peer: PeerKey,
        /// The range of hashes.
        request: HashRequest,
        /// The hashes, then those of the proof, 32 bytes each; `None` if they are not known.
        hashes: Option<Bytes>,
    },
    /// The content is known and has been looked at: the download can begin, or the seeding.
    ContentReady(Content),
    /// An [`Action::Fetch`](crate::Action::Fetch) has ended.
    FetchEnded {
        /// The fetch.
        fetch: FetchKey,
        /// The result.
        outcome: FetchOutcome,
    },
    /// A web seed does not have these pieces, or has others in their place.
    WebSeedLacks {
        /// The web seed.
        seed: WebSeedKey,
        /// The indices of the pieces.
        pieces: Range<u32>,
    },
    /// The result of an [`Action::Announce`](crate::Action::Announce).
    Announced(AnnounceOutcome),
    /// The result of an [`Action::Scrape`](crate::Action::Scrape).
    Scraped(ScrapeOutcome),
}

/// The content of a torrent, and what of it is there already.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// Its pieces.
    pub geometry: Geometry,
    /// The verified pieces.
    pub have: Bitfield,
    /// The pieces to download. Pieces beyond them are served if we have them.
    pub wanted: Bitfield,
    /// Blocks of unfinished pieces that are on the disk, unverified.
    pub partial: Vec<BlockInfo>,
    /// The bytes of the info dictionary, exactly as hashed, to serve to those who have a magnet
    /// link only (BEP 9).
    pub info: Bytes,
    /// True if peers may come from trackers only (BEP 27).
    pub is_private: bool,
}

/// The source of a peer's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PeerSource {
    /// The user. Never refused for being private or odd.
    User,
    /// A tracker on the internet, or one whose address is not known. It may not tell of peers at local
    /// addresses ([`AddressScope::is_local`]).
    Tracker,
    /// A tracker at a local address, which may know peers there. From then on they are peers of a
    /// [`Tracker`](Self::Tracker) like others.
    LocalTracker,
    /// Another peer (BEP 11). Only a peer at a local address may tell of others there.
    Exchange,
    /// Nodes of the DHT (BEP 5). Anybody can be one, and they may not tell of peers at local addresses.
    Dht,
    /// A node of the DHT at a local address, which may know peers there. From then on they are peers of the
    /// [`Dht`](Self::Dht) like others.
    LocalDht,
    /// The local network (BEP 14), where a peer announces itself. It may have a local address.
    Lsd,
    /// The link itself (`x.pe`). It comes from a stranger, and may not tell of peers at local addresses.
    Magnet,
    /// It came to us.
    Incoming,
}

impl fmt::Display for PeerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PeerSource::User => "user",
            PeerSource::Tracker => "tracker",
            PeerSource::LocalTracker => "local tracker",
            PeerSource::Exchange => "peer exchange",
            PeerSource::Dht => "DHT",
            PeerSource::LocalDht => "local DHT",
            PeerSource::Lsd => "local network",
            PeerSource::Magnet => "magnet link",
            PeerSource::Incoming => "incoming",
        })
    }
}

impl PeerSource {
    /// A tracker that was reached at this address, as [`AnnounceResponse::reached_at`] says. For peers that
    /// it names by host name, which the driver looks up.
    ///
    /// [`AnnounceResponse::reached_at`]: tinytorrent_tracker::AnnounceResponse::reached_at
    pub fn of_tracker(reached_at: Option<IpAddr>) -> Self {
        let is_local = reached_at.is_some_and(|address| AddressScope::of(address).is_local());
        if is_local { Self::LocalTracker } else { Self::Tracker }
    }

    /// A node of the DHT at this address.
    pub fn of_dht_node(address: IpAddr) -> Self {
        if AddressScope::of(address).is_local() { Self::LocalDht } else { Self::Dht }
    }
}
