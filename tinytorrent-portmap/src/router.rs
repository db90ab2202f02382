//! A gateway, by the protocol that it speaks.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::RngExt;
use tokio::net::UdpSocket;

use crate::exchange::{ask, connect, natpmp_waits, pcp_waits};
use crate::messages::{
    Granted, NATPMP_ADDRESS, Nonce, Wish, natpmp_address, natpmp_answer, natpmp_request,
    pcp_answer, pcp_request,
};
use crate::route::Route;
use crate::surroundings::Surroundings;
use crate::upnp::Upnp;
use crate::{MapError, MappingProtocol, Transport};

/// A gateway that is asked for mappings.
#[derive(Debug)]
pub(crate) enum Router {
    Pcp {
        socket: UdpSocket,
        /// One for each transport: the same for the renewals and the deletion (N-12).
        nonces: [Nonce; 2],
    },
    NatPmp {
        socket: UdpSocket,
    },
    Upnp(Box<Upnp>),
}

/// Requests of a protocol that the gateway may not have, so that the next one has its turn within ten seconds.
const FIRST_TRIES: u32 = 2;
const FIRST_TRIES_OF_NATPMP: u32 = 5;

/// Requests to a gateway that has answered before.
const PCP_TRIES: u32 = 4;
const NATPMP_TRIES: u32 = 9;

impl Router {
    /// Finds the protocol that the gateway speaks: PCP first, NAT-PMP, and UPnP at last (N-11). Returns the first
    /// mapping as well, as a question for the protocol alone would cost as much.
    pub(crate) async fn find(
        surroundings: &Surroundings,
        route: Route,
        nonces: [Nonce; 2],
        wish: &Wish,
    ) -> Result<(Self, Granted), MapError> {
        let mut refused = None;
        if let Some(gateway) = surroundings.gateway(route) {
            match Self::find_by_udp(gateway, nonces, wish).await {
                Err(error @ MapError::Refused { .. }) => refused = Some(error),
                Err(_) => {}
                found => return found,
            }
        }
        // N-29: that one protocol fails is no failure of the others.
        let by_upnp = async {
            let mut upnp = Upnp::find(surroundings.search(route)).await?;
            let granted = upnp.map(wish, random_port).await?;
            Ok((Self::Upnp(Box::new(upnp)), granted))
        };
        by_upnp.await.map_err(|error| refused.unwrap_or(error))
    }

    /// The same without UPnP.
    pub(crate) async fn find_by_udp(
        gateway: SocketAddr,
        nonces: [Nonce; 2],
        wish: &Wish,
    ) -> Result<(Self, Granted), MapError> {
        let pcp = Self::Pcp { socket: connect(gateway).await?, nonces };
        match pcp.ask(wish, FIRST_TRIES).await {
            Ok(granted) => return Ok((pcp, granted)),
            // It speaks the protocol, and would say the same by another.
            Err(error @ MapError::Refused { .. }) => return Err(error),
            Err(_) => {}
        }
        let natpmp = Self::NatPmp { socket: connect(gateway).await? };
        let granted = natpmp.ask(wish, FIRST_TRIES_OF_NATPMP).await?;
        Ok((natpmp, granted))
    }

    pub(crate) fn protocol(&self) -> MappingProtocol {
        match self {
            Self::Pcp { .. } => MappingProtocol::Pcp,
            Self::NatPmp { .. } => MappingProtocol::NatPmp,
            Self::Upnp(_) => MappingProtocol::Upnp,
        }
    }

    /// Makes a mapping, or renews it.
    pub(crate) async fn map(&mut self, wish: &Wish) -> Result<Granted, MapError> {
        match self {
            Self::Pcp { .. } => self.ask(wish, PCP_TRIES).await,
            Self::NatPmp { .. } => self.ask(wish, NATPMP_TRIES).await,
            Self::Upnp(upnp) => upnp.map(wish, random_port).await,
        }
    }

    /// Deletes a mapping, with one request (N-07), whose answer is hardly waited for.
    pub(crate) async fn delete(&self, transport: Transport, internal: u16, external: u16) {
        let wish = Wish { transport, internal, external, lifetime: 0 };
        match self {
            Self::Upnp(upnp) => upnp.delete(transport, external).await,
            _ => _ = self.request(&wish, natpmp_waits(1)).await,
        }
    }

    /// Asks by PCP or NAT-PMP for a mapping.
    async fn ask(&self, wish: &Wish, tries: u32) -> Result<Granted, MapError> {
        let Self::NatPmp { socket } = self else {
            return self.request(wish, pcp_waits(tries, rand::random)).await;
        };
        let granted = self.request(wish, natpmp_waits(tries)).await?;
        // Without it there is a mapping all the same.
        let waits = natpmp_waits(FIRST_TRIES);
        let address = ask(socket, &NATPMP_ADDRESS, waits, natpmp_address).await;
        Ok(Granted { address: address.ok().map(IpAddr::V4), ..granted })
    }

    /// Sends a request by PCP or NAT-PMP.
    async fn request(
        &self,
        wish: &Wish,
        waits: impl Iterator<Item = Duration>,
    ) -> Result<Granted, MapError> {
        match self {
            Self::Pcp { socket, nonces } => {
                // N-13
                let client = socket.local_addr().map_err(MapError::of_system)?.ip();
                let nonce = &nonces[usize::from(wish.transport == Transport::Udp)];
                let request = pcp_request(wish, client, nonce);
                ask(socket, &request, waits, |bytes| pcp_answer(wish, nonce, bytes)).await
            }
            Self::NatPmp { socket } => {
                ask(socket, &natpmp_request(wish), waits, |bytes| natpmp_answer(wish, bytes)).await
            }
            Self::Upnp(_) => Err(MapError::Unsupported),
        }
    }
}

/// One of the ports that the system gives to nobody by itself.
fn random_port() -> u16 {
    rand::rng().random_range(10_000..32_768)
}
