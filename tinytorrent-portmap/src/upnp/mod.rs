//! Gateways of UPnP: Internet Gateway Devices of any version.

mod description;
mod endpoint;
mod http;
mod search;
mod soap;
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod xml;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::messages::{Granted, Wish};
use crate::{MapError, Transport};
pub(crate) use description::{Service, services};
pub(crate) use endpoint::Endpoint;
use http::{Call, exchange};
pub(crate) use search::{GROUP, SEARCH_TIME, Search, location};
pub(crate) use soap::{Reply, reply, request};

/// A gateway, and what is known of its ways.
#[derive(Debug)]
pub(crate) struct Upnp {
    service: Service,
    local: Ipv4Addr,
    /// It makes mappings without an end alone.
    is_permanent: bool,
    /// It maps all ports outside or none, each to the same port of ours.
    is_for_all_ports: bool,
}

/// The reason for which a request has no answer of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UpnpError {
    /// The number of a fault.
    Fault(u16),
    Malformed,
    Silent,
    System(io::ErrorKind),
}

/// Time for one request, from the connection to the last byte of the answer.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// The same for a deletion, for which somebody waits who wants to end.
const DELETE_TIME: Duration = Duration::from_millis(900);

/// Ports that are tried, if the gateway has given them to others (N-21).
const MOST_PORTS: u32 = 4;

/// The name of a mapping that the gateway shows to its owner.
const DESCRIPTION: &str = "tinytorrent";

/// Faults of `AddPortMapping` (WANIPConnection:2, section 2.5.16, and practice).
mod fault {
    pub(super) const INVALID_ARGUMENTS: u16 = 402;
    pub(super) const ACTION_FAILED: u16 = 501;
    pub(super) const CONFLICT: u16 = 718;
    pub(super) const SAME_PORT_REQUIRED: u16 = 724;
    pub(super) const PERMANENT_ONLY: u16 = 725;
    pub(super) const ALL_PORTS_ONLY: u16 = 727;
}

impl Upnp {
    /// Looks for a gateway on the interface of our address.
    pub(crate) async fn find(search: Search) -> Result<Self, MapError> {
        let services = search.run().await.map_err(MapError::from)?;
        let mut all = services.into_iter().map(|service| Self {
            service,
            local: search.local,
            is_permanent: false,
            is_for_all_ports: false,
        });
        let first = all.next().ok_or(MapError::Silent)?;
        // One that is not connected has no address.
        if all.len() == 0 || first.external_address().await.is_some() {
            return Ok(first);
        }
        for other in all {
            if other.external_address().await.is_some() {
                return Ok(other);
            }
        }
        Ok(first)
    }

    /// Makes a mapping, or renews it.
    pub(crate) async fn map(
        &mut self,
        wish: &Wish,
        random: impl Fn() -> u16,
    ) -> Result<Granted, MapError> {
        let mut external = wish.external;
        let (mut is_permanent, mut is_for_all_ports) = (self.is_permanent, self.is_for_all_ports);
        let mut tries = 1;
        loop {
            let lifetime = if is_permanent { 0 } else { wish.lifetime };
            let asked = if is_for_all_ports { 0 } else { external };
            match self.add(wish, asked, lifetime).await {
                Ok(()) => break,
                // N-20: the other way, once.
                Err(UpnpError::Fault(fault::PERMANENT_ONLY | fault::INVALID_ARGUMENTS))
                    if is_permanent == self.is_permanent =>
                {
                    is_permanent = !is_permanent;
                }
                // N-21
                Err(UpnpError::Fault(fault::ALL_PORTS_ONLY)) if !is_for_all_ports => {
                    is_for_all_ports = true;
                }
                Err(UpnpError::Fault(fault::SAME_PORT_REQUIRED)) if asked != wish.internal => {
                    external = wish.internal;
                    tries = MOST_PORTS;
                }
                Err(UpnpError::Fault(fault::CONFLICT | fault::ACTION_FAILED))
                    if tries < MOST_PORTS && !is_for_all_ports =>
                {
                    external = random();
                    tries += 1;
                }
                Err(error) => {
                    tracing::debug!(?error, asked, "a gateway of UPnP maps no port");
                    return Err(error.into());
                }
            }
        }
        (self.is_permanent, self.is_for_all_ports) = (is_permanent, is_for_all_ports);
        let lifetime = Duration::from_secs(wish.lifetime.into());
        Ok(Granted {
            external: if is_for_all_ports { wish.internal } else { external },
            lifetime: (!is_permanent).then_some(lifetime),
            address: self.external_address().await.map(IpAddr::V4),
            epoch: None,
        })
    }

    async fn add(&self, wish: &Wish, external: u16, lifetime: u32) -> Result<(), UpnpError> {
        let arguments = [
            ("NewRemoteHost", String::new()),
            ("NewExternalPort", external.to_string()),
            ("NewProtocol", protocol(wish.transport)),
            ("NewInternalPort", wish.internal.to_string()),
            ("NewInternalClient", self.local.to_string()),
            ("NewEnabled", "1".to_owned()),
            ("NewPortMappingDescription", DESCRIPTION.to_owned()),
            ("NewLeaseDuration", lifetime.to_string()),
        ];
        self.call("AddPortMapping", &arguments, REQUEST_TIME).await.map(|_| ())
    }

    pub(crate) async fn delete(&self, transport: Transport, external: u16) {
        let external = if self.is_for_all_ports { 0 } else { external };
        let arguments = [
            ("NewRemoteHost", String::new()),
            ("NewExternalPort", external.to_string()),
            ("NewProtocol", protocol(transport)),
        ];
        let _ = self.call("DeletePortMapping", &arguments, DELETE_TIME).await;
    }

    async fn external_address(&self) -> Option<Ipv4Addr> {
        self.call("GetExternalIPAddress", &[], REQUEST_TIME).await.ok().flatten()
    }

    async fn call(
        &self,
        action: &str,
        arguments: &[(&str, String)],
        time: Duration,
    ) -> Result<Option<Ipv4Addr>, UpnpError> {
        let Service { kind, control } = &self.service;
        let body = request(kind, action, arguments);
        let call = Call::Post { action: &format!("{kind}#{action}"), body };
        let (status, document) = exchange(self.local, control, call, time).await?;
        // N-27: faults come with the status 500.
        match reply(action, &document) {
            Some(Reply::Fault(code)) => Err(UpnpError::Fault(code)),
            Some(Reply::Done(address)) if status.is_success() => Ok(address),
            _ => Err(UpnpError::Malformed),
        }
    }
}

impl UpnpError {
    fn of_system(error: io::Error) -> Self {
        Self::System(error.kind())
    }
}

impl From<UpnpError> for MapError {
    fn from(error: UpnpError) -> Self {
        match error {
            UpnpError::Fault(_) => {
                let why = "the gateway of UPnP refuses the port";
                Self::Refused { why, retry_after: Duration::ZERO }
            }
            UpnpError::Malformed => Self::Unsupported,
            UpnpError::Silent => Self::Silent,
            UpnpError::System(kind) => Self::System(kind),
        }
    }
}

fn protocol(transport: Transport) -> String {
    match transport {
        Transport::Tcp => "TCP".to_owned(),
        Transport::Udp => "UDP".to_owned(),
    }
}
