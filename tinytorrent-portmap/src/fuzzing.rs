//! Entries for the fuzz targets into what reads the answers of gateways.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::Transport;
use crate::leases::LIFETIME;
use crate::messages::{self, Granted, Nonce, Wish};
use crate::upnp::{self, Endpoint};

/// A port outside, and its life.
pub type Grant = (u16, Option<Duration>);

/// The mapping of a port of TCP that a gateway grants by PCP with this datagram, and that by NAT-PMP.
pub fn grants(internal: u16, nonce: &Nonce, datagram: &[u8]) -> [Option<Grant>; 2] {
    let transport = Transport::Tcp;
    let wish = Wish { transport, internal, external: internal, lifetime: LIFETIME };
    let of = |granted: Granted| (granted.external, granted.lifetime);
    let pcp = messages::pcp_answer(&wish, nonce, datagram).and_then(Result::ok);
    let natpmp = messages::natpmp_answer(&wish, datagram).and_then(Result::ok);
    [pcp.map(of), natpmp.map(of)]
}

/// The epoch that a datagram to all hosts says, and the address outside.
pub fn announcement(datagram: &[u8]) -> Option<(u32, Option<Ipv4Addr>)> {
    messages::announcement(datagram).map(|said| (said.epoch, said.address))
}

/// The place to which an answer to a search for gateways leads, if it is one of its sender.
pub fn place(datagram: &[u8], from: Ipv4Addr) -> Option<(SocketAddr, String)> {
    let Endpoint { address, path } = Endpoint::of_url(&upnp::location(datagram)?, from)?;
    Some((address, path))
}

/// The services of a description that came from this gateway: the type of each, its place, and the request with which
/// it is asked for the address outside.
pub fn services(document: &[u8], gateway: Ipv4Addr) -> Vec<(String, SocketAddr, String, String)> {
    let location = format!("HTTP/1.1 200 OK\r\nLocation: http://{gateway}:5000/root.xml\r\n\r\n");
    let Some(location) = upnp::location(location.as_bytes()) else { return Vec::new() };
    let services = upnp::services(document, &location, gateway);
    let of = |service: upnp::Service| {
        let request = upnp::request(&service.kind, "GetExternalIPAddress", &[]);
        (service.kind, service.control.address, service.control.path, request)
    };
    services.into_iter().map(of).collect()
}

/// The answer to a question for the address outside: the address, if there is one, or the number of a fault.
pub fn reply(document: &[u8]) -> Option<Result<Option<Ipv4Addr>, u16>> {
    upnp::reply("GetExternalIPAddress", document).map(|reply| match reply {
        upnp::Reply::Done(address) => Ok(address),
        upnp::Reply::Fault(code) => Err(code),
    })
}
