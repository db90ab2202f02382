//! The shared vocabulary of BitTorrent, and nothing else.
//!
//! | you have | you want | here |
//! |---|---|---|
//! | 20 or 32 bytes, or hex | an info-hash that cannot be mixed up with another | [`InfoHashV1`], [`InfoHashV2`], [`InfoHashes`] |
//! | the 20 bytes of a handshake or an announce | the same, whatever the version | [`WireInfoHash`] |
//! | a peer id | the client's name | [`PeerId::client`] |
//! | `peers`, `peers6`, `added`, a UDP announce reply | addresses | [`compact::peers`] |
//! | addresses from strangers | those worth a connection | [`AddressFilter`] |
//! | what peers say our address is | the one that enough of them agree on | [`AddressVotes`] |
//! | text from strangers | a line that is safe to show | [`Printable`] |
//! | a piece index or a request from a peer | one that is proven in range | [`Geometry`] |
//! | which pieces somebody has | a set | [`Bitfield`] |
//!
//! This crate has no dependency and will have none. It is `no_std` with `alloc`.

#![no_std]

extern crate alloc;

#[cfg(test)]
extern crate std;

mod address;
mod address_votes;
mod bitfield;
mod client_name;
pub mod compact;
mod geometry;
mod hex;
mod info_hash;
mod peer_id;
mod printable;

pub use address::{AddressFilter, AddressVerdict};
pub use address_votes::AddressVotes;
pub use bitfield::{Bitfield, BitfieldError};
pub use client_name::ClientName;
pub use geometry::{BLOCK_LENGTH, BlockInfo, Geometry, GeometryError, PieceIndex};
pub use hex::HexError;
pub use info_hash::{InfoHashV1, InfoHashV2, InfoHashes, WireInfoHash};
pub use peer_id::PeerId;
pub use printable::{Printable, is_printable};
