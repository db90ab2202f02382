//! BitTorrent for applications: a client on tokio, and the libraries that it is made of, in one crate.
//!
//! ```no_run
//! use tinytorrent::{Client, ClientOptions, TorrentOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::start(ClientOptions::default())?;
//! let link = "magnet:?xt=urn:btih:c9e15763f722f23e98a29decdfae341b98d53056";
//! let torrent = client.add(link, TorrentOptions::new("downloads"))?;
//! torrent.finished().await?;
//! for file in torrent.files().unwrap_or_default() {
//!     println!("{:?}, {} bytes", file.path, file.length);
//! }
//! client.shutdown(std::time::Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Parts
//! Each module is a crate of its own, named `tinytorrent-…`, for programs that need no other. What the client's
//! own signatures name is at the root as well.
//!
//! | module | feature | what it is |
//! |---|---|---|
//! | `client` | `client`, on by default | torrents that are downloaded and seeded, on tokio |
//! | [`types`] | | info-hashes, peer ids, addresses, pieces and blocks |
//! | [`bencode`] | | bencode with spans, strict and lenient |
//! | `blocklist` | `blocklist` | lists of addresses to avoid |
//! | [`hash`] | | SHA-1 and SHA-256 of many messages at once |
//! | `metainfo` | `metainfo` | torrent files and magnet links, and their creation |
//! | `net` | `net` | sockets that obey a binding and a proxy |
//! | `tracker` | `tracker`, `tracker-client`, `tracker-server` | trackers, for both ends |
//! | `webseed` | `webseed` | blocks from web servers (BEP 19, BEP 17) |
//! | `dht` | `dht` | a node of the DHT, on sockets of its own |
//! | `lsd` | `lsd` | peers of the local network, by multicast, on sockets of its own |
//! | `portmap` | `port-mapping` | ports that the gateway maps, by PCP, NAT-PMP and UPnP |
//! | `wire` | `wire` | handshakes, messages and extensions of the peer protocol |
//! | `swarm` | `swarm` | the engine of one torrent, without I/O |
//! | `storage` | `storage` | content on disk, verification, resume data |
//! | `storage_object` | `storage-object` | content in an object store: S3, GCS, Azure |
//!
//! The feature `mutable` brings mutable items of the DHT, and torrents that the owner of a key names.
//! The feature `port-mapping` has the gateway map the ports of the client's listener.
//! The feature `record` brings recordings of the engine, of the client's torrents as well, and their replay.
//! The feature `serde` brings `Serialize` and `Deserialize` for the plain values of all of them.
//!
//! Without default features there are only the modules without a feature, which bring neither a runtime nor a
//! TLS stack.

#[cfg(feature = "client")]
#[doc(inline)]
pub use tinytorrent_client::{self as client, *};

pub use tinytorrent_bencode as bencode;
#[cfg(feature = "blocklist")]
pub use tinytorrent_blocklist as blocklist;
#[cfg(feature = "dht")]
pub use tinytorrent_dht as dht;
pub use tinytorrent_hash as hash;
#[cfg(feature = "lsd")]
pub use tinytorrent_lsd as lsd;
#[cfg(feature = "metainfo")]
pub use tinytorrent_metainfo as metainfo;
#[cfg(feature = "net")]
pub use tinytorrent_net as net;
#[cfg(feature = "port-mapping")]
pub use tinytorrent_portmap as portmap;
#[cfg(feature = "storage")]
pub use tinytorrent_storage as storage;
#[cfg(feature = "storage-object")]
pub use tinytorrent_storage_object as storage_object;
#[cfg(feature = "swarm")]
pub use tinytorrent_swarm as swarm;
#[cfg(feature = "tracker")]
pub use tinytorrent_tracker as tracker;
pub use tinytorrent_types as types;
#[cfg(feature = "webseed")]
pub use tinytorrent_webseed as webseed;
#[cfg(feature = "wire")]
pub use tinytorrent_wire as wire;
