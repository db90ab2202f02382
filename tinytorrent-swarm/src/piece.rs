//! Pieces: which are wanted, which are rare, which are under way, who sent what.

mod blame;
mod download;
mod peer_pieces;
mod picker;
mod rarity;
mod urgent;

pub(crate) use blame::Blame;
pub use blame::BlockDigest;
pub(crate) use download::Sender;
pub(crate) use peer_pieces::PeerPieces;
pub(crate) use picker::{Arrival, Picker, PickerPeer};
