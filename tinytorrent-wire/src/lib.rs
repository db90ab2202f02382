//! The BitTorrent peer wire protocol: handshakes, messages, extensions, and the rules of a conversation.
//!
//! The crate is pure: it has no sockets, no clock and no randomness. It turns bytes into [`Message`]s and
//! messages into bytes.
//!
//! | you have | you want | here |
//! |---|---|---|
//! | the first 68 bytes | the peer, the torrent, and the features of both ends | [`Handshake`], [`Reserved`] |
//! | a stream of bytes | messages, with blocks that are not copied | [`Decoder`] |
//! | messages | bytes, with the blocks beside them | [`Message::encode`], [`PieceHeader::to_frame`] |
//! | a message of the extension protocol | its content and its number | [`extension`] |
//! | a conversation | a verdict on each message, and the requests without an answer | [`session`] |
//! | a magnet link and some peers | the info dictionary, and the peers that lied | [`metadata`] |
//! | peers that come and go | messages of the peer exchange | [`pex`] |
//! | a network that filters BitTorrent | an encrypted stream | `mse`, with the feature of that name |
//!
//! Decisions about requests, choking and connections are not made here but in `tinytorrent-swarm`.
//! Numbers in messages are unchecked claims of the peer; only a
//! [`Geometry`] turns one into the index of a piece.
//!
//! ```
//! use bytes::BytesMut;
//! use tinytorrent_types::{PeerId, WireInfoHash};
//! use tinytorrent_wire::{Decoder, Feature, Handshake, Message, Reserved};
//!
//! let ours = Reserved::from([Feature::Extended, Feature::Fast]); // the features that you have
//! # let mut received = BytesMut::new();
//! # let peer = Handshake {
//! #     reserved: ours,
//! #     info_hash: WireInfoHash::from_bytes([7; 20]),
//! #     peer_id: PeerId::generate(*b"abcdefghijkl"),
//! # };
//! # peer.encode(&mut received);
//! # Message::Unchoke.encode(&mut received);
//! // 1. Received bytes go into a buffer. The handshake comes out of it first.
//! let Some(handshake) = Handshake::decode(&mut received)? else {
//!     return Ok(()); // read more
//! };
//! let features = ours.intersection(handshake.reserved);
//!
//! // 2. Messages follow.
//! let mut decoder = Decoder::new();
//! for message in decoder.split_frames(&mut received) {
//!     match message? {
//!         Message::Unchoke => println!("{} lets us ask", handshake.peer_id),
//!         Message::Piece(piece) => println!("{} bytes, not copied", piece.data.len()),
//!         other => println!("{}", other.name()),
//!     }
//! }
//! # assert!(!features.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! - `mse`: message stream encryption.
//! - `tokio`: its stream over `AsyncRead` and `AsyncWrite`, too.
//! - `codec`: the messages as a codec of `tokio-util`.

mod allowed_fast;
#[cfg(feature = "codec")]
pub mod codec;
mod decode;
mod encode;
pub mod extension;
mod handshake;
mod hash_request;
mod message;
pub mod metadata;
#[cfg(feature = "mse")]
pub mod mse;
pub mod pex;
mod reserved;
pub mod session;

pub use allowed_fast::allowed_fast_set;
pub use decode::{DecodeError, DecodeErrorKind, Decoder, Frames};
pub use handshake::{Handshake, HandshakeError, HandshakeOpening};
pub use hash_request::HashRequestError;
pub use message::{Extended, HashRequest, Hashes, Message, Piece, PieceHeader, Request};
pub use reserved::{Feature, Reserved};

// What the signatures above name of other crates.
#[doc(no_inline)]
pub use bytes::{BufMut, Bytes, BytesMut};
#[doc(no_inline)]
pub use tinytorrent_bencode::{Error as BencodeError, Raw};
#[doc(no_inline)]
pub use tinytorrent_types::{
    Bitfield, Geometry, InfoHashV1, InfoHashV2, InfoHashes, PeerId, PieceIndex, WireInfoHash,
};
