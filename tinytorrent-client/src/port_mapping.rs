//! Ports of the listener that the gateway maps.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tinytorrent_net::Network;
use tinytorrent_portmap::{PortMapper, Transport, is_translated};
use tokio::task::JoinSet;

use crate::ClientOptions;
use crate::registry::Registry;
use crate::told_port::ToldPort;

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

/// Begins to have ports mapped; `None` if the user wants none, or a gateway could not send to the listener.
pub(crate) fn start(
    options: &ClientOptions,
    network: &Network,
    listener: Listener<'_>,
    told: &Arc<ToldPort>,
    registry: &Arc<Registry>,
    tasks: &mut JoinSet<()>,
) -> Option<PortMapper> {
    // What goes to a gateway goes neither through a proxy, nor by the device of a binding.
    let is_free = network.proxy().is_none() && !network.binding().is_set();
    if !(options.local_network.port_mapping && is_free && listener.can_be_mapped()) {
        return None;
    }
    let port = told.get()?;
    let tcp = options.tcp.then_some((Transport::Tcp, port));
    let udp = listener.has_datagrams.then_some((Transport::Udp, port));
    let (told, registry) = (Arc::clone(told), Arc::clone(registry));
    let (mapper, task) = PortMapper::new(tcp.into_iter().chain(udp).collect(), move |mapped| {
        // First, so that a torrent that is added meanwhile begins with it.
        told.set_mapped(mapped);
        for torrent in registry.all() {
            torrent.change(|driver, now| driver.set_listen_port(now, told.get()));
        }
    });
    tasks.spawn(task);
    Some(mapper)
}
