//! The sockets at which a client listens: TCP for connections of peers, and UDP for uTP and the DHT on the same
//! port.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{ClientError, ClientOptions};

/// The usual ports, tried in order (BEP 3, "trackers").
const USUAL_PORTS: std::ops::RangeInclusive<u16> = 6881..=6889;

/// Queue of the system for connections that are not yet accepted. The system may keep fewer: the limit
/// is 4096 by default on Linux, and 128 elsewhere.
const BACKLOG: i32 = 1024;

/// Attempts to find a port that is free for both protocols, when the system picks it for one.
const MAX_ATTEMPTS: usize = 16;

/// The sockets of a client. Where there are both, each UDP socket has the port of a TCP socket.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) listeners: Vec<TcpListener>,
    /// Each is of one family.
    pub(crate) datagrams: Vec<UdpSocket>,
}

/// The protocols for which there are to be sockets.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    connections: bool,
    datagrams: bool,
}

impl Sockets {
    /// Opens the sockets at the addresses of the options. If there are none, at one of the usual ports for IPv6 and
    /// IPv4.
    pub(crate) fn open(options: &ClientOptions) -> Result<Self, ClientError> {
        let wanted = Wanted {
            connections: options.accepts && options.tcp,
            datagrams: options.dht.is_on || options.utp,
        };
        if options.addresses.is_empty() {
            return Self::anywhere(options.accepts, wanted);
        }
        // Beside a socket for IPv4, `[::]` must not accept IPv4 as well, or one of them cannot be bound.
        let is_alone = options.addresses.len() == 1;
        let mut all = Self::default();
        for &address in &options.addresses {
            let bound = Self::at(address, is_alone, wanted);
            let bound = bound.map_err(|source| ClientError::Listen { address, source })?;
            all.listeners.extend(bound.listeners);
            all.datagrams.extend(bound.datagrams);
        }
        Ok(all)
    }

    fn anywhere(accepts: bool, wanted: Wanted) -> Result<Self, ClientError> {
        let at = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        // Nobody has to find the port of a client that accepts no peers.
        for port in USUAL_PORTS.filter(|_| accepts) {
            if let Ok(sockets) = Self::at(at(port), true, wanted) {
                return Ok(sockets);
            }
        }
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        // The system may lack IPv6.
        Self::at(at(0), true, wanted)
            .or_else(|_| Self::at(any, true, wanted))
            .map_err(|source| ClientError::Listen { address: any, source })
    }

    fn at(address: SocketAddr, takes_ipv4: bool, wanted: Wanted) -> io::Result<Self> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match Self::try_at(address, takes_ipv4, wanted) {
                // The port that the system has picked for one protocol is in use for the other.
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse
                        && address.port() == 0
                        && attempts < MAX_ATTEMPTS => {}
                outcome => return outcome,
            }
        }
    }

    fn try_at(mut address: SocketAddr, takes_ipv4: bool, wanted: Wanted) -> io::Result<Self> {
        let mut sockets = Self::default();
        if wanted.connections {
            let listener = listen(address, takes_ipv4)?;
            address.set_port(listener.local_addr()?.port());
            sockets.listeners.push(listener);
        }
        if wanted.datagrams {
            let socket = bind_datagrams(address)?;
            address.set_port(socket.local_addr()?.port());
            sockets.datagrams.push(socket);
            // The two families are two networks (BEP 32), with a socket for each.
            if takes_ipv4 && address.ip() == Ipv6Addr::UNSPECIFIED {
                let address = (Ipv4Addr::UNSPECIFIED, address.port()).into();
                sockets.datagrams.push(bind_datagrams(address)?);
            }
        }
        Ok(sockets)
    }
}

fn listen(address: SocketAddr, takes_ipv4: bool) -> io::Result<TcpListener> {
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

fn bind_datagrams(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(change: impl FnOnce(&mut ClientOptions)) -> Result<Sockets, ClientError> {
        let mut options = ClientOptions::default();
        change(&mut options);
        Sockets::open(&options)
    }

    fn addresses(sockets: &Sockets) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
        let listeners = sockets.listeners.iter().map(|socket| socket.local_addr().unwrap());
        let datagrams = sockets.datagrams.iter().map(|socket| socket.local_addr().unwrap());
        (listeners.collect(), datagrams.collect())
    }

    #[test]
    fn both_protocols_have_one_port() {
        let sockets = open(|options| _ = options.listen(([127, 0, 0, 1], 0).into())).unwrap();
        let (listeners, datagrams) = addresses(&sockets);
        assert_eq!(listeners, datagrams);
        let both = ["[::1]:0", "127.0.0.1:0"].map(|address| address.parse().unwrap());
        let sockets = open(|options| _ = options.listen(both[0]).listen(both[1])).unwrap();
        let (listeners, datagrams) = addresses(&sockets);
        assert_eq!(listeners, datagrams);
    }

    #[test]
    fn one_socket_for_all_addresses_has_a_socket_of_each_family_for_datagrams() {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let sockets = open(|options| _ = options.listen(any)).unwrap();
        let (listeners, datagrams) = addresses(&sockets);
        let port = listeners[0].port();
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        assert_eq!(datagrams, [SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), v4]);
    }

    #[test]
    fn what_is_not_used_has_no_socket() {
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let sockets = open(|options| _ = options.listen(at).dht(false).utp(false)).unwrap();
        assert!(sockets.datagrams.is_empty() && sockets.listeners.len() == 1);
        let sockets = open(|options| _ = options.listen(at).accept_peers(false)).unwrap();
        assert!(sockets.datagrams.len() == 1 && sockets.listeners.is_empty());
        let sockets = open(|options| _ = options.listen(at).tcp(false).dht(false)).unwrap();
        assert!(sockets.datagrams.len() == 1 && sockets.listeners.is_empty());
        let none = |options: &mut ClientOptions| {
            options.accept_peers(false).dht(false).utp(false);
        };
        let sockets = open(none).unwrap();
        assert!(sockets.datagrams.is_empty() && sockets.listeners.is_empty());
    }

    #[test]
    fn a_port_that_is_in_use_for_datagrams_is_an_error() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = open(|options| _ = options.listen(address)).unwrap_err();
        assert!(matches!(error, ClientError::Listen { address: at, .. } if at == address));
    }
}
