//! Sockets that obey the user: bound to an address or a device, through a proxy, or not at all.
//!
//! A [`Network`] opens every socket of a program, so that one place knows what the user allows:
//!
//! | setting | effect |
//! |---|---|
//! | [`Binding`] | each socket leaves by this address or device, or it is not opened |
//! | [`Proxy`] | connections and look-ups of names are left to SOCKS5 or HTTP `CONNECT`, datagrams to a [`Relay`] or a [`RelaySocket`] |
//! | [`IpFilter`] | addresses that the user avoids are connected to under no name; it changes while the program runs |
//! | [`NetworkConfig::on_shortage`] | room is made when no file descriptor is left |
//!
//! What cannot be kept within them is an error, and nothing is sent.
//!
//! ```
//! use std::time::Duration;
//! use tinytorrent_net::{Network, NetworkConfig, Target};
//! use tokio::time::Instant;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = NetworkConfig::default();
//! config.bind("10.8.0.2".parse()?).proxy(Some("socks5://joe:secret@10.8.0.1:1080".parse()?));
//! let network = Network::new(config);
//! let deadline = Instant::now() + Duration::from_secs(10);
//! let stream = network.connect(&Target::new("peer.example", 6881)?, deadline).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Place`] has the rule for URLs of strangers: none of them leads from the internet to an address
//! of the local network.

mod basic_auth;
mod binding;
mod config;
mod descriptors;
mod filter;
#[doc(hidden)]
pub mod fuzzing;
mod network;
mod place;
mod proxy;
mod proxy_url;
mod relay;
mod relay_socket;
#[cfg(feature = "resolver")]
mod resolver;
mod socks5;
mod target;
mod tls;

pub use basic_auth::UserInfo;
pub use binding::{Binding, BindingError};
pub use config::NetworkConfig;
pub use filter::IpFilter;
pub use network::Network;
pub use place::{Place, is_local};
pub use proxy::Proxy;
pub use proxy_url::{ProxyError, ProxyErrorKind};
pub use relay::Relay;
pub use relay_socket::RelaySocket;
pub use target::{Target, TargetError};

// What the signatures above name of another crate.
#[doc(no_inline)]
pub use tokio_rustls::client::TlsStream;
