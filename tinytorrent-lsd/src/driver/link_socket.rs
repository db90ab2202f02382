use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::interfaces::Place;
use crate::{Family, LinkId, message};

/// The socket of a link. Dropping it ends the task that reads it.
#[derive(Debug)]
pub(super) struct LinkSocket {
    pub(super) place: Place,
    socket: Arc<UdpSocket>,
    group: SocketAddr,
    #[expect(dead_code, reason = "dropping it ends the task")]
    receiving: JoinSet<()>,
}

/// A datagram that a socket has heard.
#[derive(Debug)]
pub(super) enum Heard {
    Datagram {
        link: LinkId,
        from: SocketAddr,
        bytes: Vec<u8>,
    },
    /// The socket is of no more use.
    Failed {
        link: LinkId,
        error: io::Error,
    },
}

/// Errors in a row after which a socket is given up.
const MOST_ERRORS: u32 = 16;

impl LinkSocket {
    /// Opens a socket and joins the group.
    pub(super) fn open(
        place: Place,
        id: LinkId,
        group_port: u16,
        heard: mpsc::Sender<Heard>,
    ) -> io::Result<Self> {
        let mut group = message::group(place.link.family);
        group.set_port(group_port);
        if let SocketAddr::V6(group) = &mut group {
            group.set_scope_id(place.link.interface);
        }
        let socket = Arc::new(UdpSocket::from_std(join(&place, group)?.into())?);
        let mut receiving = JoinSet::new();
        receiving.spawn(receive(Arc::clone(&socket), id, heard));
        Ok(Self { place, socket, group, receiving })
    }

    /// Sends to the group. A datagram for which the system has no room is lost.
    ///
    /// # Errors
    /// The link is of no more use.
    pub(super) fn send(&self, datagram: &[u8]) -> io::Result<()> {
        // Tokio takes a new socket for one without room until it has heard otherwise.
        match SockRef::from(&*self.socket).send_to(datagram, &self.group.into()) {
            Err(error) if !is_passing(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Opens a socket that shares its port with other clients (L-07).
fn join(place: &Place, group: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(group), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    #[cfg(all(
        unix,
        not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))
    ))]
    socket.set_reuse_port(true)?;
    let (link, v4) = (&place.link, place.v4.unwrap_or(Ipv4Addr::UNSPECIFIED));
    match group {
        SocketAddr::V4(group) => {
            socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, group.port())).into())?;
            socket.join_multicast_v4(group.ip(), &v4)?;
            socket.set_multicast_if_v4(&v4)?;
            socket.set_multicast_loop_v4(true)?;
            // Announcements from beyond a router are not believed anyway.
            socket.set_multicast_ttl_v4(1)?;
        }
        SocketAddr::V6(group) => {
            socket.set_only_v6(true)?;
            let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, group.port(), 0, 0);
            socket.bind(&any.into())?;
            socket.join_multicast_v6(group.ip(), link.interface)?;
            socket.set_multicast_if_v6(link.interface)?;
            socket.set_multicast_loop_v6(true)?;
            socket.set_multicast_hops_v6(1)?;
        }
    }
    // Where it is left out, a socket hears the groups of all others, and the machine drops what came by another link.
    #[cfg(target_os = "linux")]
    let _ = match link.family {
        Family::V4 => socket.set_multicast_all_v4(false),
        Family::V6 => socket.set_multicast_all_v6(false),
    };
    Ok(socket)
}

/// Reads for ever, or until the socket fails again and again.
async fn receive(socket: Arc<UdpSocket>, link: LinkId, heard: mpsc::Sender<Heard>) {
    let mut buffer = vec![0; message::MAX_READ + 1];
    let mut errors = 0;
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => {
                errors = 0;
                let bytes = buffer[..length].to_vec();
                // More than the machine can read are lost, as they are in the buffer of a socket.
                let _ = heard.try_send(Heard::Datagram { link, from, bytes });
            }
            // L-08: one that failed says so, and ends no other.
            Err(error) => {
                errors += 1;
                if errors >= MOST_ERRORS {
                    let _ = heard.send(Heard::Failed { link, error }).await;
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
    }
}

/// True for errors of one datagram, which is lost.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted | ConnectionReset | ConnectionRefused)
        || error.raw_os_error().is_some_and(|code| Some(code) == NO_BUFFERS)
}

/// The error of a system that has no room for a datagram, `ENOBUFS`, which the standard library has no name for.
#[cfg(target_os = "linux")]
const NO_BUFFERS: Option<i32> = Some(105);
#[cfg(not(target_os = "linux"))]
const NO_BUFFERS: Option<i32> = None;
