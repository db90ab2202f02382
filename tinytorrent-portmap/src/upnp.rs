//! Gateways of UPnP, by the crate `igd-next`. It bounds what it reads, takes the first good answer, and goes to the
//! address that has answered alone (N-24, N-25, N-31).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddPortError, PortMappingProtocol, SearchOptions};

use crate::messages::{Granted, Wish};
use crate::{MapError, Transport};

/// A gateway, and what is known of its ways.
#[derive(Debug)]
pub(crate) struct Upnp {
    gateway: Gateway<Tokio>,
    local: Ipv4Addr,
    /// It makes mappings without an end alone.
    is_permanent: bool,
}

/// Searches, each with its own request: a datagram may be lost.
const SEARCHES: u32 = 2;

/// The time of one.
const SEARCH_TIME: Duration = Duration::from_secs(4);

/// Ports that are tried, if the gateway has given them to others (N-21).
const MOST_PORTS: u32 = 4;

/// What the gateway shows to its owner.
const DESCRIPTION: &str = "tinytorrent";

impl Upnp {
    /// Looks for a gateway on the interface of this address.
    pub(crate) async fn find(local: Ipv4Addr) -> Result<Self, MapError> {
        for _ in 0..SEARCHES {
            let mut options = SearchOptions::default();
            options.bind_addr = (local, 0).into();
            options.timeout = Some(SEARCH_TIME);
            if let Ok(gateway) = search_gateway(options).await {
                return Ok(Self { gateway, local, is_permanent: false });
            }
        }
        Err(MapError::Silent)
    }

    pub(crate) async fn map(
        &mut self,
        wish: &Wish,
        random: impl Fn() -> u16,
    ) -> Result<Granted, MapError> {
        let mut external = wish.external;
        let mut tries = 1;
        loop {
            let lifetime = if self.is_permanent { 0 } else { wish.lifetime };
            match self.add(wish, external, lifetime).await {
                Ok(()) => break,
                // N-20
                Err(AddPortError::OnlyPermanentLeasesSupported) if !self.is_permanent => {
                    self.is_permanent = true;
                }
                // N-21
                Err(AddPortError::SamePortValuesRequired) if external != wish.internal => {
                    external = wish.internal;
                    tries = MOST_PORTS;
                }
                Err(error) => {
                    tries += 1;
                    if !may_have_another(&error) || tries > MOST_PORTS {
                        let why = "the gateway of UPnP refuses the port";
                        tracing::debug!(%error, external, "a gateway of UPnP refuses");
                        return Err(MapError::Refused { why, retry_after: Duration::ZERO });
                    }
                    external = random();
                }
            }
        }
        let address = self.gateway.get_external_ip().await.ok();
        let lifetime = Duration::from_secs(wish.lifetime.into());
        let lifetime = (!self.is_permanent).then_some(lifetime);
        Ok(Granted { external, lifetime, address, epoch: None })
    }

    async fn add(&self, wish: &Wish, external: u16, lifetime: u32) -> Result<(), AddPortError> {
        let local = SocketAddr::new(IpAddr::V4(self.local), wish.internal);
        let protocol = protocol(wish.transport);
        self.gateway.add_port(protocol, external, local, lifetime, DESCRIPTION).await
    }

    pub(crate) async fn delete(&self, transport: Transport, external: u16) {
        let _ = self.gateway.remove_port(protocol(transport), external).await;
    }
}

/// True for errors after which another port may be given: `ConflictInMappingEntry`, and the `ActionFailed` of gateways
/// that say nothing better.
fn may_have_another(error: &AddPortError) -> bool {
    matches!(error, AddPortError::PortInUse)
        || matches!(error, AddPortError::RequestError(igd_next::RequestError::ErrorCode(501, _)))
}

fn protocol(transport: Transport) -> PortMappingProtocol {
    match transport {
        Transport::Tcp => PortMappingProtocol::TCP,
        Transport::Udp => PortMappingProtocol::UDP,
    }
}
