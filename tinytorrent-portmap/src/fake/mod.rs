//! Gateways on loopback that answer as tests have them.

pub(crate) mod udp;
#[cfg(target_os = "linux")]
pub(crate) mod upnp;
