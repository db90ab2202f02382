use std::net::SocketAddr;

use bytes::Bytes;
use tinytorrent_types::{BlockInfo, PieceIndex, WireInfoHash};
use tinytorrent_wire::{HashRequest, Hashes, Message};

use super::{FetchKey, FetchTask, LeaveReason, Route, WebSeedKey};
use crate::{AnnounceTask, LookUpTask, PeerKey, ScrapeTask};

/// Something to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Connect and shake hands, then tell [`Input::HandshakeCompleted`](crate::Input::HandshakeCompleted) or
    /// [`Input::ConnectFailed`](crate::Input::ConnectFailed).
    Connect {
        /// The key of the connection from now on.
        peer: PeerKey,
        /// The address to connect to.
        address: SocketAddr,
        /// The transports to try.
        route: Route,
        /// The hash to name the torrent by; the rest of our handshake is as
        /// [`Swarm::handshake`](crate::Swarm::handshake) has it.
        info_hash: WireInfoHash,
    },
    /// Write a message. All those of one turn belong in one write.
    Send {
        /// The receiver.
        peer: PeerKey,
        /// The message.
        message: Message,
    },
    /// Read the block and write it as a `piece` message, then tell [`Input::BlockServed`](crate::Input::BlockServed).
    ServeBlock {
        /// The receiver.
        peer: PeerKey,
        /// The block; its piece is verified.
        block: BlockInfo,
    },
    /// Every block of the piece was there when we started: hash it.
    VerifyPiece {
        /// The piece.
        piece: PieceIndex,
        /// True if the digests of its blocks are wanted even if it is right.
        digests: bool,
    },
    /// Hash and parse what should be the info dictionary, then tell [`Input::ContentReady`](crate::Input::ContentReady),
    /// [`Input::HashesNeeded`](crate::Input::HashesNeeded) or [`Input::MetadataRefused`](crate::Input::MetadataRefused).
    CheckMetadata {
        /// As the peers sent it.
        info: Bytes,
    },
    /// Check that hashes lead to their root, then tell [`Input::HashesChecked`](crate::Input::HashesChecked).
    CheckHashes {
        /// The sender.
        peer: PeerKey,
        /// As many as were asked for, with their proof.
        hashes: Box<Hashes>,
    },
    /// Look up hashes that a peer wants, then tell [`Input::HashesRead`](crate::Input::HashesRead).
    ReadHashes {
        /// The peer that wants them.
        peer: PeerKey,
        /// The range of hashes; there can be such a one.
        request: HashRequest,
    },
    /// Talk to a tracker, then tell [`Input::Announced`](crate::Input::Announced).
    Announce(AnnounceTask),
    /// Look up the peers of a hash in the DHT, and tell [`Input::PeersFound`](crate::Input::PeersFound) of
    /// [`PeerSource::Dht`](crate::PeerSource::Dht) as they are found. A look-up under way may go on.
    LookUp(LookUpTask),
    /// Scrape a tracker, then tell [`Input::Scraped`](crate::Input::Scraped).
    Scrape(ScrapeTask),
    /// Fetch blocks from a web seed: pass them to [`Swarm::handle_fetched`](crate::Swarm::handle_fetched) in their
    /// order, as far as [`GrantFetch`](Self::GrantFetch) allows, then tell
    /// [`Input::FetchEnded`](crate::Input::FetchEnded).
    Fetch(FetchTask),
    /// So many more blocks of a fetch may be passed on. None may be before the first of these.
    GrantFetch {
        /// The fetch.
        fetch: FetchKey,
        /// Number of blocks.
        blocks: u32,
    },
    /// End a fetch. Nothing more is told of it.
    CancelFetch {
        /// The fetch.
        fetch: FetchKey,
    },
    /// A web seed has sent a piece that is wrong: tell [`Input::WebSeedLacks`](crate::Input::WebSeedLacks) of all
    /// pieces of its files.
    DoubtFiles {
        /// The web seed.
        seed: WebSeedKey,
        /// The piece.
        piece: PieceIndex,
    },
    /// Close the connection, once what was to be sent before has been sent. Nothing more is told
    /// or asked of it.
    Disconnect {
        /// The connection.
        peer: PeerKey,
        /// The reason.
        reason: LeaveReason,
    },
}

/// The decision about a block that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockVerdict {
    /// Store it, and tell [`Input::BlocksWritten`](crate::Input::BlocksWritten) when it is written.
    Store(BlockInfo),
    /// Store it as well: it is the last one that its piece lacked. Then hash the piece, and tell
    /// [`Input::PieceVerified`](crate::Input::PieceVerified) or
    /// [`Input::PieceFailed`](crate::Input::PieceFailed).
    StoreLast {
        /// The block.
        block: BlockInfo,
        /// True if the digests of the piece's blocks are wanted even if it is right.
        digests: bool,
    },
    /// Throw it away.
    Discard,
}

impl BlockVerdict {
    /// The block to store, if it is to be stored.
    pub const fn block(self) -> Option<BlockInfo> {
        match self {
            BlockVerdict::Store(block) | BlockVerdict::StoreLast { block, .. } => Some(block),
            BlockVerdict::Discard => None,
        }
    }
}
