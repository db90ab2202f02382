//! What goes into the engine and what comes out: plain data, to be logged, compared, replayed.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use tinytorrent_types::{Bitfield, BlockInfo, Geometry, PeerId, PieceIndex};
use tinytorrent_wire::{Handshake, HashRequest, Hashes, Message, PieceHeader};

use crate::piece::BlockDigest;
use crate::{AnnounceOutcome, AnnounceTask, PeerKey};

/// Something that happened outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Addresses that may be peers. They are filtered and remembered, not connected to at once.
    PeersFound {
        /// Who told us.
        source: PeerSource,
        /// As they were told; bad ones are dropped and counted.
        addresses: Vec<SocketAddr>,
    },
    /// An [`Action::Connect`] came to nothing, or its handshake did.
    ConnectFailed {
        /// The connection that was tried.
        peer: PeerKey,
        /// In words, for the log and for [`Event::PeerLeft`].
        reason: String,
    },
    /// Both handshakes are through: of an [`Action::Connect`], or of a connection that
    /// [`Swarm::accept`](crate::Swarm::accept) let in. From now on messages flow.
    HandshakeCompleted {
        /// The connection.
        peer: PeerKey,
        /// What the peer said.
        handshake: Handshake,
    },
    /// Any message but `piece`, which goes to [`Swarm::handle_block`](crate::Swarm::handle_block).
    MessageReceived {
        /// Who sent it.
        peer: PeerKey,
        /// What it said.
        message: Message,
    },
    /// The connection is gone, or the peer broke the framing.
    ConnectionClosed {
        /// The connection.
        peer: PeerKey,
        /// In words.
        reason: String,
    },
    /// A block of an [`Action::ServeBlock`] went out, or could not be read (`sent: false`).
    BlockServed {
        /// To whom.
        peer: PeerKey,
        /// Which one.
        block: BlockInfo,
        /// Whether the peer has been sent it.
        sent: bool,
    },
    /// The disk took over this many bytes of those it was told to store: within its own budget,
    /// or written. Until then they count against [`Config::store_budget`](crate::Config).
    BlocksStored {
        /// Bytes of blocks, as accepted by [`BlockVerdict::Store`].
        bytes: u64,
    },
    /// An [`Action::VerifyPiece`] is done: the piece is right, and it is on the disk.
    PieceVerified {
        /// Which one.
        piece: PieceIndex,
        /// SHA-1 of each block, in order, if they were asked for; else empty.
        digests: Vec<BlockDigest>,
    },
    /// An [`Action::VerifyPiece`] is done: the piece is wrong, and has been thrown away.
    PieceFailed {
        /// Which one.
        piece: PieceIndex,
        /// SHA-1 of each block, in order.
        digests: Vec<BlockDigest>,
    },
    /// The disk cannot be written or read. The torrent pauses; what was not verified is lost.
    DiskFailed {
        /// In words, with the path.
        reason: String,
    },
    /// The metadata of an [`Action::CheckMetadata`] is not what the info-hash names.
    MetadataRefused,
    /// The metadata is known and right, so that no peer is asked for it any more. These hashes, of a v2
    /// torrent, are needed before the content can be looked at (BEP 52, "piece layers"); there may be
    /// none. They come one by one with [`Action::CheckHashes`].
    HashesNeeded(Vec<HashRequest>),
    /// The result of an [`Action::CheckHashes`]. Once all are right, [`Input::ContentReady`] is to
    /// follow.
    HashesChecked {
        /// Who sent them.
        peer: PeerKey,
        /// Which ones.
        request: HashRequest,
        /// Whether they lead to their root.
        is_right: bool,
    },
    /// The result of an [`Action::ReadHashes`].
    HashesRead {
        /// Who asked.
        peer: PeerKey,
        /// For what.
        request: HashRequest,
        /// The hashes, then those of the proof, 32 bytes each; `None` if they are not known.
        hashes: Option<Bytes>,
    },
    /// The content is known and has been looked at: the download can begin, or the seeding.
    ContentReady(Content),
    /// The result of an [`Action::Announce`].
    Announced(AnnounceOutcome),
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
    /// Whether peers may come from trackers only (BEP 27).
    pub is_private: bool,
}

/// Who told of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerSource {
    /// The user. Never refused for being private or odd.
    User,
    /// A tracker.
    Tracker,
    /// Another peer (BEP 11).
    Exchange,
    /// The link itself (`x.pe`).
    Magnet,
    /// It came to us.
    Incoming,
}

/// Something to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Connect and shake hands, then tell [`Input::HandshakeCompleted`] or
    /// [`Input::ConnectFailed`].
    Connect {
        /// What the connection is called from now on.
        peer: PeerKey,
        /// Where to.
        address: SocketAddr,
    },
    /// Write a message. All those of one turn belong in one write.
    Send {
        /// To whom.
        peer: PeerKey,
        /// What.
        message: Message,
    },
    /// Read the block and write it as a `piece` message, then tell [`Input::BlockServed`].
    ServeBlock {
        /// To whom.
        peer: PeerKey,
        /// Which one; the piece is verified.
        block: BlockInfo,
    },
    /// Every block of the piece has been stored: hash it.
    VerifyPiece {
        /// Which one.
        piece: PieceIndex,
        /// Whether the digests of its blocks are wanted even if it is right.
        digests: bool,
    },
    /// Hash and parse what should be the info dictionary, then tell [`Input::ContentReady`],
    /// [`Input::HashesNeeded`] or [`Input::MetadataRefused`].
    CheckMetadata {
        /// As the peers sent it.
        info: Bytes,
    },
    /// See whether hashes lead to their root, then tell [`Input::HashesChecked`].
    CheckHashes {
        /// Who sent them.
        peer: PeerKey,
        /// As many as were asked for, with their proof.
        hashes: Box<Hashes>,
    },
    /// Look up hashes that a peer wants, then tell [`Input::HashesRead`].
    ReadHashes {
        /// Who wants them.
        peer: PeerKey,
        /// Which ones; a range that there can be.
        request: HashRequest,
    },
    /// Talk to a tracker, then tell [`Input::Announced`].
    Announce(AnnounceTask),
    /// Close the connection, once what was to be sent before has been sent. Nothing more is told
    /// or asked of it.
    Disconnect {
        /// Which one.
        peer: PeerKey,
        /// Why.
        reason: LeaveReason,
    },
}

/// What to do with a block that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockVerdict {
    /// Store it, and tell [`Input::BlocksStored`] when that has been taken on.
    Store(BlockInfo),
    /// Throw it away.
    Discard,
}

/// Something that the application may want to know.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A peer shook hands.
    PeerJoined {
        /// Its connection.
        peer: PeerKey,
        /// Where it is.
        address: SocketAddr,
        /// How it calls itself.
        id: PeerId,
    },
    /// A connection ended, or never came to be.
    PeerLeft {
        /// Its connection.
        peer: PeerKey,
        /// Where it was.
        address: SocketAddr,
        /// Why.
        reason: LeaveReason,
    },
    /// A peer sent what is provably wrong. It will not be talked to again.
    PeerBanned {
        /// Where it is.
        address: SocketAddr,
        /// The piece that proved it.
        piece: PieceIndex,
    },
    /// The metadata has a size, and some of it is here.
    MetadataProgress {
        /// Bytes that are here.
        bytes: u64,
        /// Bytes in all, as most peers say.
        total: u64,
    },
    /// A piece was found wrong.
    PieceFailed {
        /// Which one.
        piece: PieceIndex,
    },
    /// A piece is verified and on the disk.
    PieceCompleted {
        /// Which one.
        piece: PieceIndex,
    },
    /// Every wanted piece is verified.
    Finished,
    /// Enough peers agree that they see us at this address, or that it has become another one.
    OwnAddressAgreed {
        /// Our address on the public internet.
        ip: IpAddr,
    },
    /// A tracker answered.
    TrackerAnswered {
        /// Its URL.
        url: String,
        /// How many peers it told of.
        peers: usize,
    },
    /// A tracker did not answer, or refused.
    TrackerFailed {
        /// Its URL.
        url: String,
        /// In words.
        reason: String,
    },
    /// The torrent stopped by itself, since the disk failed.
    Paused {
        /// In words.
        reason: String,
    },
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaveReason {
    /// It could not be made.
    ConnectFailed(String),
    /// The other side closed it, or it broke.
    Closed(String),
    /// The peer broke a rule of the protocol.
    Violation(&'static str),
    /// The peer sent wrong pieces.
    Banned,
    /// Nothing came for too long.
    Idle,
    /// It is ourselves.
    OurselvesFound,
    /// There is another connection to the same peer.
    Duplicate,
    /// Neither side has anything for the other.
    Useless,
    /// There is no room for it.
    Crowded,
    /// The torrent is paused or gone.
    Stopped,
}

/// Figures of the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Bytes of blocks accepted from peers since the start.
    pub downloaded: u64,
    /// Bytes of blocks sent to peers since the start.
    pub uploaded: u64,
    /// Bytes of blocks that were received and not needed, or failed.
    pub wasted: u64,
    /// Bytes a second now.
    pub download_rate: u64,
    /// Bytes a second now.
    pub upload_rate: u64,
    /// Connections with both handshakes through.
    pub peers: u32,
    /// Those of them that have everything.
    pub seeds: u32,
    /// Addresses known to us.
    pub known_peers: u32,
    /// Pieces that failed their hash.
    pub hash_failures: u32,
    /// Bytes of verified pieces.
    pub have_bytes: u64,
    /// Bytes still missing of the whole torrent.
    pub left: u64,
    /// Bytes still missing of the wanted pieces: `have_bytes` grows by so much until all is there.
    pub wanted_left: u64,
}

impl std::fmt::Display for LeaveReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LeaveReason::ConnectFailed(why) => write!(f, "could not be connected to: {why}"),
            LeaveReason::Closed(why) => write!(f, "closed: {why}"),
            LeaveReason::Violation(rule) => write!(f, "broke the protocol: {rule}"),
            LeaveReason::Banned => f.write_str("sent wrong pieces"),
            LeaveReason::Idle => f.write_str("said nothing for too long"),
            LeaveReason::OurselvesFound => f.write_str("is ourselves"),
            LeaveReason::Duplicate => f.write_str("is connected already"),
            LeaveReason::Useless => f.write_str("has nothing for us, nor we for it"),
            LeaveReason::Crowded => f.write_str("found no room"),
            LeaveReason::Stopped => f.write_str("torrent stopped"),
        }
    }
}

/// The block that a request or a `piece` header names, if there is one.
pub(crate) fn block_of(geometry: &Geometry, header: PieceHeader) -> Option<BlockInfo> {
    geometry.block(header.index, header.begin, header.length)
}
