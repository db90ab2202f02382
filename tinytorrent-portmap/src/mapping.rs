use std::net::IpAddr;

use crate::is_translated;

/// A port of ours, and what the gateway makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortMapping {
    /// The protocol of the port.
    pub transport: Transport,
    /// The port of ours.
    pub internal_port: u16,
    /// The port by which others reach it; `None` as long as there is no mapping. It may differ from ours.
    pub external_port: Option<u16>,
    /// The address of the gateway outside, if it says it.
    pub external_address: Option<IpAddr>,
    /// The protocol of the gateway.
    pub protocol: Option<MappingProtocol>,
    /// The reason for which there is no mapping at the moment.
    pub failure: Option<&'static str>,
}

impl PortMapping {
    /// True if the address outside is one that another gateway translates, such as that of a carrier. Nobody on the
    /// internet can reach us by the mapping.
    pub fn is_behind_another_nat(&self) -> bool {
        matches!(self.external_address, Some(IpAddr::V4(address)) if is_translated(address))
    }
}

/// The protocol by which a gateway is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MappingProtocol {
    /// The Port Control Protocol (RFC 6887).
    Pcp,
    /// The NAT Port Mapping Protocol (RFC 6886).
    NatPmp,
    /// An Internet Gateway Device of UPnP.
    Upnp,
}

/// A transport whose port is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}
