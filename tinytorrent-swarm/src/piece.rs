//! The pieces of the content: wanted, rare, being fetched, and the senders of their blocks.

mod blame;
mod download;
mod downloads;
mod picker;
mod rarity;
mod search;
mod urgent;
mod words;

pub(crate) use blame::Blame;
pub(crate) use download::Sender;
pub(crate) use picker::{Arrival, Picker, PickerPeer};
pub(crate) use rarity::Priorities;
pub(crate) use search::Search;
pub(crate) use tinytorrent_wire::session::Pieces;
pub(crate) use urgent::Urgent;
