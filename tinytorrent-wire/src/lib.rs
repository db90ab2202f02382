//! The BitTorrent peer wire protocol: handshakes, messages, extensions, and what is legal when.
//!
//! Pure: no sockets, no clock, no chance. Bytes go in, [`Message`]s come out, and back.
//!
//! | you have | you want | here |
//! |---|---|---|
//! | the first 68 bytes | who calls, for which torrent, and what both can do | [`Handshake`], [`Reserved`] |
//! | a stream of bytes | messages, and blocks that are not copied | [`Decoder`] |
//! | messages | bytes, the blocks beside them | [`Message::encode`], [`PieceHeader::to_frame`] |
//! | a message of the extension protocol | what it says, under whose number | [`extension`] |
//! | a conversation | whether the next message is legal, and what is owed | [`session`] |
//! | a magnet link and some peers | the info dictionary, and who lied | [`metadata`] |
//! | peers that come and go | what to tell others of them | [`pex`] |
//! | a filter that dislikes BitTorrent | a stream that looks like noise | `mse`, with the feature of that name |
//!
//! It does not decide which block to ask for, whom to choke or when to connect: that is
//! `tinytorrent-swarm`'s. Numbers in messages are what the peer wrote; only a
//! [`Geometry`](tinytorrent_types::Geometry) makes an index of a piece out of them.
//!
//! ```
//! use bytes::BytesMut;
//! use tinytorrent_types::{PeerId, WireInfoHash};
//! use tinytorrent_wire::{Decoder, Feature, Handshake, Message, Reserved};
//!
//! let ours = Reserved::from([Feature::Extended, Feature::Fast]); // what you speak, no more
//! # let mut received = BytesMut::new();
//! # let peer = Handshake {
//! #     reserved: ours,
//! #     info_hash: WireInfoHash::from_bytes([7; 20]),
//! #     peer_id: PeerId::generate(*b"abcdefghijkl"),
//! # };
//! # peer.encode(&mut received);
//! # Message::Unchoke.encode(&mut received);
//! // 1. Whatever the socket gives goes into a buffer; first the handshake comes out of it.
//! let Some(handshake) = Handshake::decode(&mut received)? else {
//!     return Ok(()); // read more
//! };
//! let features = ours.intersection(handshake.reserved);
//!
//! // 2. From then on, messages.
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
