//! The BitTorrent Mainline DHT (BEP 5), without sockets, clocks and randomness of its own.
//!
//! | you build | you need | here |
//! |---|---|---|
//! | a crawler, a test | messages as values, read from datagrams and written to them | [`message`] |
//! | anything that speaks to nodes | ids, their distance, and ids that fit an address (BEP 42) | [`NodeId`] |
//! | a count of a swarm | filters of addresses, joined and estimated (BEP 33) | [`Bloom`] |

mod bloom;
pub mod message;
mod node_id;

pub use bloom::Bloom;
pub use message::NodeInfo;
pub use node_id::{Distance, NodeId};

// What the signatures above name of other crates.
#[doc(no_inline)]
pub use tinytorrent_bencode::{Error as BencodeError, Raw};
#[doc(no_inline)]
pub use tinytorrent_types::{HexError, WireInfoHash, compact::Family};
