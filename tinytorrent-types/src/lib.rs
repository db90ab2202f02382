//! The types that all BitTorrent crates share.
//!
//! | you have | you want | here |
//! |---|---|---|
//! | 20 or 32 bytes, or hexadecimal digits | an info-hash with a type for its version | [`InfoHashV1`], [`InfoHashV2`], [`InfoHashes`] |
//! | the 20 bytes of a handshake or an announce | an info-hash of either version | [`WireInfoHash`] |
//! | any bytes | their hexadecimal digits, and back | [`hex`] |
//! | a peer id | the client's name | [`PeerId::client`] |
//! | `peers`, `peers6`, `added`, a UDP announce reply | addresses | [`compact::peers`] |
//! | addresses from strangers | those worth a connection | [`AddressFilter`] |
//! | addresses to avoid | a set of ranges | [`IpRanges`] |
//! | an address | the network in which it leads to a host: this machine, a local one, the internet | [`AddressScope`] |
//! | an address | the host and the network that limits and turns go by | [`Host`], [`Network`] |
//! | things that addresses hold | who has most of them | [`Crowd`] |
//! | our address as several peers see it | the one that most of them report | [`AddressVotes`] |
//! | text from strangers | a line that is safe to show | [`Printable`] |
//! | a piece index or a request from a peer | one that is proven in range | [`Geometry`] |
//! | the pieces of a peer | a set | [`Bitfield`] |
//!
//! This crate has no dependency, unless the feature `serde` asks for it. It is `no_std` with `alloc`.
//!
//! # Features
//!
//! - `serde`: `Serialize` and `Deserialize`. Info-hashes and peer ids are text in formats that people read,
//!   such as JSON, and bytes in others. The module `as_bytes` has the bytes everywhere, as messages need
//!   them, and `as_seconds` has times as numbers.

#![no_std]

extern crate alloc;

#[cfg(test)]
extern crate std;

mod address;
mod address_votes;
mod bitfield;
mod block_digest;
mod bytes;
mod client_name;
pub mod compact;
mod crowd;
mod geometry;
pub mod hex;
mod host;
mod info_hash;
mod info_hashes;
mod ip_ranges;
mod peer_id;
mod printable;
mod scope;
#[cfg(feature = "serde")]
mod serialization;

pub use address::{AddressFilter, AddressVerdict, canonical};
pub use address_votes::AddressVotes;
pub use bitfield::{Bitfield, BitfieldError};
pub use block_digest::BlockDigest;
pub use client_name::ClientName;
pub use crowd::{Crowd, Share};
pub use geometry::{BLOCK_LENGTH, BlockInfo, Geometry, GeometryError, PieceIndex};
pub use hex::HexError;
pub use host::{Host, Network};
pub use info_hash::{InfoHashV1, InfoHashV2, WireInfoHash};
pub use info_hashes::{InfoHashes, InfoHashesError};
pub use ip_ranges::{IpRanges, IpRangesBuilder, MixedRange};
pub use peer_id::{PeerId, PeerIdError};
pub use printable::{Printable, is_printable};
pub use scope::AddressScope;
#[cfg(feature = "serde")]
pub use serialization::{as_bytes, as_seconds};
