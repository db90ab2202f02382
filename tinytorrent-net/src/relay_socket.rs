use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tinytorrent_types::canonical;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::{Network, Relay, Target};

/// A socket for datagrams that all go through a [`Relay`] of the proxy, to addresses of both families. Relays come and
/// go under it: [`open`](Self::open) asks the proxy for one, and [`ended`](Self::ended) waits for its end.
///
/// Without a relay nothing is sent and nothing comes in. A clone is cheap, and is the same socket.
///
/// ```no_run
/// use std::time::Duration;
/// use tinytorrent_net::{Network, RelaySocket};
/// use tokio::time::{Instant, sleep};
///
/// # async fn example(network: Network) {
/// let socket = RelaySocket::new(network);
/// loop {
///     if socket.open(Instant::now() + Duration::from_secs(10)).await.is_ok() {
///         socket.ended().await;
///     }
///     sleep(Duration::from_secs(10)).await;
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RelaySocket {
    network: Network,
    relay: Arc<watch::Sender<Option<Arc<Relay>>>>,
}

/// Datagrams that are dropped before a call of [`RelaySocket::try_receive`] returns. Others have their turn then.
const MOST_DROPPED: usize = 64;

impl RelaySocket {
    /// A socket without a relay.
    pub fn new(network: Network) -> Self {
        Self { network, relay: Arc::new(watch::Sender::new(None)) }
    }

    /// Asks the proxy for a relay, after the one before was closed.
    ///
    /// # Errors
    /// As for [`Network::relay`]. There is no relay then.
    pub async fn open(&self, deadline: Instant) -> io::Result<()> {
        self.close();
        let relay = self.network.relay(deadline).await?;
        // The runtime does not know yet that there is room.
        relay.writable().await;
        self.relay.send_replace(Some(Arc::new(relay)));
        Ok(())
    }

    /// Closes the relay.
    pub fn close(&self) {
        self.relay.send_replace(None);
    }

    /// Waits until the proxy ends the relay, which is closed then. Returns the reason, at once if there is no
    /// relay. May be cancelled.
    pub async fn ended(&self) -> io::Error {
        let Some(relay) = self.current() else { return closed() };
        let error = relay.ended().await;
        self.relay.send_if_modified(|current| {
            let is_it = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &relay));
            if is_it {
                *current = None;
            }
            is_it
        });
        error
    }

    /// True if there is a relay.
    pub fn is_open(&self) -> bool {
        self.relay.borrow().is_some()
    }

    /// Waits until there may be a datagram. May be cancelled.
    pub async fn readable(&self) {
        let mut relays = self.relay.subscribe();
        loop {
            let relay = relays.borrow_and_update().clone();
            tokio::select! {
                () = readable(relay) => return,
                // It fails only without a sender, which is here.
                _ = relays.changed() => {}
            }
        }
    }

    /// Waits until there may be room to send. Without a relay that is at once, as what is sent is lost. May be
    /// cancelled.
    pub async fn writable(&self) {
        let mut relays = self.relay.subscribe();
        let Some(relay) = relays.borrow_and_update().clone() else { return };
        tokio::select! {
            () = relay.writable() => {}
            _ = relays.changed() => {}
        }
    }

    /// Takes a datagram, and returns its length and its sender. What is no datagram of a relay, a fragment of one or
    /// from a name is dropped.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none.
    pub fn try_receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let Some(relay) = self.current() else { return Err(io::ErrorKind::WouldBlock.into()) };
        for _ in 0..MOST_DROPPED {
            match relay.try_receive(buffer) {
                Ok(Some((Target::Address(sender), content))) => {
                    let length = content.len();
                    buffer.copy_within(content, 0);
                    return Ok((length, canonical(sender)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                // Dropped, or an ICMP error, after which the relay may work again.
                Ok(_) | Err(_) => {}
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room for it. With others it is lost; they say nothing
    /// of its target: [`NotConnected`](io::ErrorKind::NotConnected) without a relay.
    pub fn try_send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        let relay = self.current().ok_or_else(closed)?;
        let to = Target::Address(canonical(to));
        match relay.try_send(datagram, &to) {
            // It may be about an earlier datagram, and is told once; then this one was not sent.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                relay.try_send(datagram, &to)
            }
            sent => sent,
        }
        .map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => error,
            // Of a kind that nobody takes for an answer of the target.
            _ => io::Error::other(error),
        })
    }

    fn current(&self) -> Option<Arc<Relay>> {
        self.relay.borrow().clone()
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the proxy relays no datagrams at the moment")
}

async fn readable(relay: Option<Arc<Relay>>) {
    match relay {
        Some(relay) => relay.readable().await,
        None => std::future::pending().await,
    }
}
