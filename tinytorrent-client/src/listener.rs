//! Listening sockets, and incoming connections until they have named a torrent.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use std::{io, net};

use bytes::BytesMut;
use socket2::{Domain, Protocol, Socket, Type};
use tinytorrent_wire::HandshakeOpening;
use tinytorrent_wire::mse::ObfuscatedHash;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::connection::Incoming;
use crate::connection::channel::Channel;
use crate::connection::handshake;
use crate::registry::Registry;
use crate::{ClientError, Encryption};

/// Maximum number of connections that have not named a torrent. One more closes the oldest of them,
/// so that connections that never send a handshake cannot keep others out. A swarm that starts may
/// open that many at once, and they take half of the descriptors that a process usually has.
const MAX_UNNAMED: usize = 512;

/// Pause after a failed accept. The usual cause is that no descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The usual ports, tried in order (BEP 3, "trackers").
const USUAL_PORTS: std::ops::RangeInclusive<u16> = 6881..=6889;

/// Queue of the system for connections that are not yet accepted. The system may keep fewer: the limit
/// is 4096 by default on Linux, and 128 elsewhere.
const BACKLOG: i32 = 1024;

/// Binds the addresses. If there are none, binds one of the usual ports for IPv6 and IPv4.
pub(crate) fn bind(addresses: &[SocketAddr]) -> Result<Vec<net::TcpListener>, ClientError> {
    if addresses.is_empty() {
        return bind_anywhere().map(|socket| vec![socket]);
    }
    // Beside a socket for IPv4, `[::]` must not accept IPv4 as well, or one of them cannot be bound.
    let is_alone = addresses.len() == 1;
    let bound = addresses.iter().map(|&address| {
        bind_one(address, is_alone).map_err(|source| ClientError::Listen { address, source })
    });
    bound.collect()
}

fn bind_anywhere() -> Result<net::TcpListener, ClientError> {
    let at = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    for port in USUAL_PORTS {
        if let Ok(socket) = bind_one(at(port), true) {
            return Ok(socket);
        }
    }
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    // The system may lack IPv6.
    bind_one(at(0), true)
        .or_else(|_| bind_one(any, true))
        .map_err(|source| ClientError::Listen { address: any, source })
}

fn bind_one(address: SocketAddr, takes_ipv4: bool) -> io::Result<net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!takes_ipv4)?;
    }
    // Without this, a client cannot bind its port again until old connections have left TIME_WAIT.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Accepts connections for ever.
pub(crate) async fn run(listener: TcpListener, registry: Arc<Registry>, encryption: Encryption) {
    let mut unnamed = Unnamed::default();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let registry = Arc::clone(&registry);
                let task = tokio::spawn(async move {
                    receive(stream, address, &registry, encryption).await;
                });
                unnamed.add(task.abort_handle());
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // If no descriptor is left, this frees one.
                unnamed.close_oldest();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Connections that have not named a torrent, the oldest first.
#[derive(Default)]
struct Unnamed {
    tasks: VecDeque<AbortHandle>,
}

impl Unnamed {
    fn add(&mut self, task: AbortHandle) {
        self.tasks.push_back(task);
        if self.tasks.len() > MAX_UNNAMED {
            // Only now, as a scan for each connection would cost more than the handles of ended
            // tasks.
            self.tasks.retain(|task| !task.is_finished());
        }
        while self.tasks.len() > MAX_UNNAMED {
            self.close_oldest();
        }
    }

    /// Closes the oldest connection.
    fn close_oldest(&mut self) {
        while let Some(oldest) = self.tasks.pop_front() {
            if !oldest.is_finished() {
                return oldest.abort();
            }
        }
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Reads the info-hash from the handshake of a connection, and sends the connection to that torrent.
async fn receive(
    stream: TcpStream,
    address: SocketAddr,
    registry: &Registry,
    encryption: Encryption,
) {
    // A socket for both families has IPv4 addresses mapped into IPv6.
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let mut received = BytesMut::with_capacity(HandshakeOpening::LENGTH * 4);
    let mut channel = Channel::plain(stream);
    let find = |hash: &ObfuscatedHash| registry.find_obfuscated(hash);
    let opening = match handshake::accept(&mut channel, encryption, find, &mut received).await {
        Ok(opening) => opening,
        Err(error) => {
            return tracing::debug!(%address, %error, "an incoming connection sent no valid handshake");
        }
    };
    let info_hash = opening.info_hash;
    let Some(torrent) = registry.find(info_hash) else {
        return tracing::debug!(%address, %info_hash, "an incoming handshake names no torrent of ours");
    };
    if let Err(error) = channel.set_nodelay() {
        return tracing::debug!(%address, %error, "an incoming connection was closed");
    }
    let incoming = Incoming { channel, address, received, info_hash };
    // Not waited for: a torrent with a full queue has as many new peers as places, and the socket
    // is better closed. A closed channel means that the torrent has just ended.
    if let Err(mpsc::error::TrySendError::Full(_)) = torrent.try_send(incoming) {
        tracing::debug!(%address, "too many incoming connections at a time");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // S-28
    #[tokio::test]
    async fn the_oldest_unnamed_connection_is_closed_and_no_other() {
        let mut unnamed = Unnamed::default();
        let tasks: Vec<_> =
            (0..=MAX_UNNAMED).map(|_| tokio::spawn(std::future::pending::<()>())).collect();
        tasks.iter().for_each(|task| unnamed.add(task.abort_handle()));
        let mut tasks = tasks.into_iter();
        assert!(tasks.next().unwrap().await.unwrap_err().is_cancelled());
        assert!(tasks.all(|task| !task.is_finished()));
    }
}
