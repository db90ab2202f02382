//! Ports that the gateway maps to our listener: PCP (RFC 6887), NAT-PMP (RFC 6886), UPnP.

mod exchange;
mod lease;
mod messages;
mod route;
mod router;
mod task;
#[cfg(test)]
mod tests;
mod upnp;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tinytorrent_net::Network;
use tinytorrent_swarm::Transport;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::ClientOptions;
use crate::registry::Registry;
use crate::told_port::ToldPort;
use route::is_translated;
use task::Task;

/// A port of ours, and what the gateway makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortMapping {
    /// The protocol that is mapped: TCP, or UDP for uTP and the DHT.
    pub transport: Transport,
    /// The port of our listener.
    pub internal_port: u16,
    /// The port by which others reach it; `None` as long as there is no mapping. It may differ from that of the listener,
    /// and is the one that trackers, the DHT and peers are told of.
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

/// The reason for which a gateway makes no mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
enum MapError {
    /// It does not speak the protocol.
    Unsupported,
    /// It says no, and is not to be asked again for this time.
    Refused { why: &'static str, retry_after: Duration },
    /// It does not answer.
    Silent,
    /// The system refuses, or nobody listens there.
    System(io::ErrorKind),
}

impl MapError {
    fn of_system(error: io::Error) -> Self {
        Self::System(error.kind())
    }

    fn why(&self) -> &'static str {
        match self {
            Self::Unsupported | Self::Silent | Self::System(_) => "no gateway answers",
            Self::Refused { why, .. } => why,
        }
    }
}

/// The mappings of a client, as its task keeps them.
#[derive(Debug)]
pub(crate) struct PortMapper {
    mappings: Arc<Mutex<Vec<PortMapping>>>,
    release: Arc<Notify>,
    /// Becomes true when the task has deleted the mappings.
    released: watch::Receiver<bool>,
}

/// The listener of a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listener<'a> {
    pub(crate) addresses: &'a [SocketAddr],
    /// It has UDP sockets at the ports of the addresses.
    pub(crate) has_datagrams: bool,
}

impl Listener<'_> {
    /// True if a gateway could send connections over IPv4 to it.
    fn can_be_mapped(&self) -> bool {
        self.addresses.iter().any(|address| match address.ip() {
            IpAddr::V4(address) => address.is_unspecified() || is_translated(address),
            // Alone, it takes IPv4 as well.
            IpAddr::V6(address) => address.is_unspecified() && self.addresses.len() == 1,
        })
    }
}

/// Time for the deletion of the mappings at most. They end by themselves, though later.
const RELEASE_TIME: Duration = Duration::from_secs(2);

impl PortMapper {
    /// Begins to have ports mapped; `None` if the user wants none, or a gateway could not send to the listener.
    pub(crate) fn start(
        options: &ClientOptions,
        network: &Network,
        listener: Listener<'_>,
        told: &Arc<ToldPort>,
        registry: &Arc<Registry>,
        tasks: &mut JoinSet<()>,
    ) -> Option<Self> {
        // What goes to a gateway goes neither through a proxy, nor by the device of a binding.
        let is_free = network.proxy().is_none() && !network.binding().is_set();
        if !(options.local_network.port_mapping && is_free && listener.can_be_mapped()) {
            return None;
        }
        let port = told.get()?;
        let tcp = options.tcp.then_some((Transport::Tcp, port));
        let udp = listener.has_datagrams.then_some((Transport::Utp, port));
        let (told, registry) = (Arc::clone(told), Arc::clone(registry));
        let (mapper, task) = Task::new(tcp.into_iter().chain(udp).collect(), move |mapped| {
            // First, so that a torrent that is added meanwhile begins with it.
            told.set_mapped(mapped);
            for torrent in registry.all() {
                torrent.change(|driver, now| driver.set_listen_port(now, told.get()));
            }
        });
        tasks.spawn(task.run());
        Some(mapper)
    }

    /// Returns the mappings as they are at the moment.
    pub(crate) fn mappings(&self) -> Vec<PortMapping> {
        self.mappings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Deletes the mappings (N-07).
    pub(crate) async fn release(&self) {
        self.release.notify_one();
        let mut released = self.released.clone();
        let _ = tokio::time::timeout(RELEASE_TIME, released.wait_for(|is_done| *is_done)).await;
    }
}
