//! Sockets that are bound to a device, which may go away and come back.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use tinytorrent_net::Network;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use crate::datagrams::Port;
use crate::listener::Reception;
use crate::relay::KeptRelay;

/// Time between two looks at the devices. A look costs microseconds.
const INTERVAL: Duration = Duration::from_secs(2);

/// The longest time between two attempts to open sockets again. The first comes after an interval, and each further one
/// takes twice the time.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The sockets that wait for others. While their device is gone, nothing leaves by them; once it is back, they are opened
/// again.
pub(crate) struct BoundSockets {
    network: Network,
    reception: Reception,
    listeners: Vec<SocketAddr>,
    accepting: JoinSet<()>,
    ports: Vec<Port>,
    relay: Option<KeptRelay>,
}

impl BoundSockets {
    /// Begins to accept connections.
    pub(crate) fn new(
        network: Network,
        reception: Reception,
        listeners: Vec<std::net::TcpListener>,
        (ports, relay): (Vec<Port>, Option<KeptRelay>),
    ) -> io::Result<Self> {
        let mut accepting = JoinSet::new();
        let mut addresses = Vec::new();
        for listener in listeners {
            addresses.push(listener.local_addr()?);
            accepting.spawn(reception.clone().run(TcpListener::from_std(listener)?));
        }
        Ok(Self { network, reception, listeners: addresses, accepting, ports, relay })
    }

    /// The addresses at which connections are accepted.
    pub(crate) fn listeners(&self) -> &[SocketAddr] {
        &self.listeners
    }

    /// Keeps the sockets for ever.
    pub(crate) async fn run(mut self) {
        if !self.network.binding().is_set() {
            std::future::pending::<()>().await;
        }
        let mut devices = self.devices();
        let mut is_gone = devices.is_none();
        let mut pause = INTERVAL;
        loop {
            tokio::time::sleep(pause).await;
            let now = self.devices();
            let binding = self.network.binding().clone();
            match now {
                None => {
                    if !std::mem::replace(&mut is_gone, true) {
                        tracing::warn!(%binding, "the device is gone; nothing leaves until it is back");
                    }
                }
                Some(now) if devices.as_ref() == Some(&now) => {
                    if std::mem::take(&mut is_gone) {
                        tracing::warn!(%binding, "the device is back");
                    }
                }
                Some(now) => match self.open_again() {
                    Ok(()) => {
                        (devices, is_gone, pause) = (Some(now), false, INTERVAL);
                        tracing::warn!(%binding, "the device is back, and sockets are open again");
                    }
                    Err(error) => {
                        pause = (pause * 2).min(LONGEST_PAUSE);
                        tracing::warn!(%binding, %error, "sockets cannot be opened again yet");
                    }
                },
            }
        }
    }

    fn devices(&self) -> Option<Vec<u32>> {
        // A system that tells nothing has lost nothing.
        self.network.binding().devices().unwrap_or_else(|_| Some(Vec::new()))
    }

    fn open_again(&mut self) -> io::Result<()> {
        self.accepting.abort_all();
        for &address in &self.listeners {
            let is_alone = self.listeners.len() == 1 && address.ip() == Ipv6Addr::UNSPECIFIED;
            let listener = TcpListener::from_std(self.network.listen(address, is_alone)?)?;
            self.accepting.spawn(self.reception.clone().run(listener));
        }
        for port in &self.ports {
            port.replace(UdpSocket::from_std(self.network.listen_udp(port.address())?)?)?;
        }
        // Its connection does not end with the device, as nobody is there who could say so.
        self.relay.iter().for_each(KeptRelay::renew);
        Ok(())
    }
}
