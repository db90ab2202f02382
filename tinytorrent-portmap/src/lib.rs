//! Ports that the gateway of the local network maps to ours: PCP (RFC 6887), NAT-PMP (RFC 6886) and UPnP, on tokio.
//!
//! A host behind a gateway that translates addresses can be reached at the ports that the gateway maps to it.
//! [`PortMapper`] has some ports mapped, renews the mappings, and makes them again when the gateway has forgotten them
//! or there is another one.
//!
//! - The protocols are tried one after the other, until one maps the first port.
//! - The port outside may be another one than asked for: the function that is given to [`PortMapper::new`] is called
//!   with it, and whenever it changes.
//! - A gateway behind another gateway makes mappings by which nobody can reach us:
//!   [`PortMapping::is_behind_another_nat`].
//! - Mappings end by themselves, two hours after the program at most, if they are not [deleted](PortMapper::release).
//!
//! ```no_run
//! use tinytorrent_portmap::{PortMapper, Transport};
//!
//! # async fn example() {
//! let ports = vec![(Transport::Tcp, 6881), (Transport::Udp, 6881)];
//! let (mapper, task) = PortMapper::new(ports, |port| println!("others connect to {port:?}"));
//! tokio::spawn(task);
//! // As long as the ports are open.
//! mapper.release().await;
//! # }
//! ```

mod announced;
mod error;
mod exchange;
#[cfg(test)]
mod fake;
#[doc(hidden)]
pub mod fuzzing;
mod lease;
mod leases;
mod mapper;
mod mapping;
mod messages;
mod route;
mod router;
mod surroundings;
mod task;
#[cfg(test)]
mod tests;
mod upnp;
#[cfg(all(test, target_os = "linux"))]
mod whole;

use error::MapError;
pub use mapper::PortMapper;
pub use mapping::{MappingProtocol, PortMapping, Transport};
pub use route::is_translated;
