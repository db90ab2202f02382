//! Where peers come to us: sockets, and strangers until they have named a torrent.

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

/// Strangers at most that have not named a torrent yet. One more pushes out the one that has been
/// silent for the longest, so that no number of silent ones keeps others out. As many as may come
/// at once when a swarm begins, and half of the descriptors that a process customarily has.
const MAX_SILENT: usize = 512;

/// How long not to accept when the system has no descriptor left for one more.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// The ports that are customary (BEP 3), tried in order.
const CUSTOMARY_PORTS: std::ops::RangeInclusive<u16> = 6881..=6889;

/// Connections that the system keeps for us until we accept them. It may keep fewer: Linux has a limit
/// of 4096 by default, others of 128.
const BACKLOG: i32 = 1024;

/// Binds the addresses, or where there are none a customary port, IPv6 and IPv4 at once.
pub(crate) fn bind(addresses: &[SocketAddr]) -> Result<Vec<net::TcpListener>, ClientError> {
    if addresses.is_empty() {
        return bind_anywhere().map(|socket| vec![socket]);
    }
    // On a socket of its own, IPv4 must not be taken by `[::]` as well.
    let is_alone = addresses.len() == 1;
    let bound = addresses.iter().map(|&address| {
        bind_one(address, is_alone).map_err(|source| ClientError::Listen { address, source })
    });
    bound.collect()
}

fn bind_anywhere() -> Result<net::TcpListener, ClientError> {
    let at = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    for port in CUSTOMARY_PORTS {
        if let Ok(socket) = bind_one(at(port), true) {
            return Ok(socket);
        }
    }
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    // Without IPv6 in the system, IPv4 has to do.
    bind_one(at(0), true)
        .or_else(|_| bind_one(any, true))
        .map_err(|source| ClientError::Listen { address: any, source })
}

fn bind_one(address: SocketAddr, takes_ipv4: bool) -> io::Result<net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!takes_ipv4)?;
    }
    // A client that is started again must not wait for its old connections to be forgotten.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Accepts strangers for as long as it is polled.
pub(crate) async fn run(listener: TcpListener, registry: Arc<Registry>, encryption: Encryption) {
    let mut silent = Silent::default();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let registry = Arc::clone(&registry);
                let task = tokio::spawn(async move {
                    hear(stream, address, &registry, encryption).await;
                });
                silent.add(task.abort_handle());
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // A descriptor may be all that lacks.
                silent.push_out();
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
}

/// Strangers that have not named a torrent yet, the earliest first.
#[derive(Default)]
struct Silent {
    tasks: VecDeque<AbortHandle>,
}

impl Silent {
    fn add(&mut self, task: AbortHandle) {
        self.tasks.push_back(task);
        if self.tasks.len() > MAX_SILENT {
            self.tasks.retain(|task| !task.is_finished());
        }
        while self.tasks.len() > MAX_SILENT {
            self.push_out();
        }
    }

    /// Closes the connection that has been silent for the longest.
    fn push_out(&mut self) {
        while let Some(oldest) = self.tasks.pop_front() {
            if !oldest.is_finished() {
                return oldest.abort();
            }
        }
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Hears which torrent a stranger wants, and sends it there.
async fn hear(stream: TcpStream, address: SocketAddr, registry: &Registry, encryption: Encryption) {
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let mut received = BytesMut::with_capacity(HandshakeOpening::LENGTH * 4);
    let mut channel = Channel::plain(stream);
    let find = |hash: &ObfuscatedHash| registry.find_obfuscated(hash);
    let opening = match handshake::opening(&mut channel, encryption, find, &mut received).await {
        Ok(opening) => opening,
        Err(error) => return tracing::debug!(%address, %error, "a stranger made no sense"),
    };
    let info_hash = opening.info_hash;
    let Some(torrent) = registry.find(info_hash) else {
        return tracing::debug!(%address, %info_hash, "a stranger asks for a torrent we do not have");
    };
    if let Err(error) = channel.set_nodelay() {
        return tracing::debug!(%address, %error, "a stranger has left");
    }
    let stranger = Incoming { channel, address, received, info_hash };
    if let Err(mpsc::error::TrySendError::Full(_)) = torrent.try_send(stranger) {
        tracing::debug!(%address, "too many strangers at a time");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // S-28
    #[tokio::test]
    async fn the_longest_silent_is_pushed_out_and_no_other() {
        let mut silent = Silent::default();
        let tasks: Vec<_> =
            (0..=MAX_SILENT).map(|_| tokio::spawn(std::future::pending::<()>())).collect();
        tasks.iter().for_each(|task| silent.add(task.abort_handle()));
        let mut tasks = tasks.into_iter();
        assert!(tasks.next().unwrap().await.unwrap_err().is_cancelled());
        assert!(tasks.all(|task| !task.is_finished()));
    }
}
