//! The sockets at which a client listens: TCP for connections of peers, and UDP for uTP and the DHT on the same
//! port.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use tinytorrent_net::Network;

use crate::{ClientError, ClientOptions};

/// The usual ports, tried in order (BEP 3, "trackers").
const USUAL_PORTS: std::ops::RangeInclusive<u16> = 6881..=6889;

/// Attempts to find a port that is free for both protocols, when the system picks it for one.
const MAX_ATTEMPTS: usize = 16;

/// The sockets of a client. Where there are both, each UDP socket has the port of a TCP socket.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) listeners: Vec<TcpListener>,
    /// Each is of one family.
    pub(crate) datagrams: Vec<UdpSocket>,
}

/// The opener of sockets, and the protocols for which there are to be any.
#[derive(Debug, Clone, Copy)]
struct Opening<'a> {
    network: &'a Network,
    connections: bool,
    datagrams: bool,
}

impl Sockets {
    /// Opens the sockets at the addresses of the options. If there are none, at one of the usual ports for IPv6 and
    /// IPv4.
    pub(crate) fn open(options: &ClientOptions, network: &Network) -> Result<Self, ClientError> {
        let accepts = options.accepts_peers();
        let (tcp, utp) = options.usable();
        let connections = accepts && tcp;
        let datagrams = (options.has_dht() || utp) && network.proxy().is_none();
        let opening = Opening { network, connections, datagrams };
        if options.addresses.is_empty() {
            return opening.anywhere(accepts);
        }
        opening.at_all(&options.addresses)
    }
}

impl Opening<'_> {
    /// Opens the sockets of each of these addresses.
    fn at_all(&self, addresses: &[SocketAddr]) -> Result<Sockets, ClientError> {
        let binding = self.network.binding();
        let addresses: Vec<_> =
            addresses.iter().flat_map(|address| binding.listening(*address)).collect();
        // Beside a socket for IPv4, `[::]` must not accept IPv4 as well, or one of them cannot be bound.
        let is_alone = addresses.len() == 1;
        let mut all = Sockets::default();
        for address in addresses {
            let bound = self.at(address, is_alone);
            let bound = bound.map_err(|source| ClientError::Listen { address, source })?;
            all.listeners.extend(bound.listeners);
            all.datagrams.extend(bound.datagrams);
        }
        Ok(all)
    }

    fn anywhere(&self, accepts: bool) -> Result<Sockets, ClientError> {
        let at = |port| [SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))];
        // Nobody has to find the port of a client that accepts no peers.
        for port in USUAL_PORTS.filter(|_| accepts) {
            if let Ok(sockets) = self.at_all(&at(port)) {
                return Ok(sockets);
            }
        }
        // The system may lack IPv6.
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        self.at_all(&at(0)).or_else(|_| self.at_all(&[any]))
    }

    fn at(&self, address: SocketAddr, takes_ipv4: bool) -> io::Result<Sockets> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.try_at(address, takes_ipv4) {
                // The port that the system has picked for one protocol is in use for the other.
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse
                        && address.port() == 0
                        && attempts < MAX_ATTEMPTS => {}
                outcome => return outcome,
            }
        }
    }

    fn try_at(&self, mut address: SocketAddr, takes_ipv4: bool) -> io::Result<Sockets> {
        let mut sockets = Sockets::default();
        if self.connections {
            let listener = self.network.listen(address, takes_ipv4)?;
            address.set_port(listener.local_addr()?.port());
            sockets.listeners.push(listener);
        }
        if self.datagrams {
            let socket = self.network.listen_udp(address)?;
            address.set_port(socket.local_addr()?.port());
            sockets.datagrams.push(socket);
            // The two families are two networks (BEP 32), with a socket for each.
            if takes_ipv4 && address.ip() == Ipv6Addr::UNSPECIFIED {
                let address = (Ipv4Addr::UNSPECIFIED, address.port()).into();
                sockets.datagrams.push(self.network.listen_udp(address)?);
            }
        }
        Ok(sockets)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn open(change: impl FnOnce(&mut ClientOptions)) -> Result<Sockets, ClientError> {
        let mut options = ClientOptions::default();
        change(&mut options);
        Sockets::open(&options, &Network::new(options.network_config()))
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
    fn sockets_are_at_the_address_of_the_binding_alone() {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let local = IpAddr::from(Ipv4Addr::LOCALHOST);
        let sockets = open(|options| _ = options.bind(local.into()).listen(any)).unwrap();
        let (listeners, datagrams) = addresses(&sockets);
        assert_eq!((listeners.len(), listeners[0].ip()), (1, local));
        assert_eq!(listeners, datagrams);
        let sockets = open(|options| _ = options.bind(local.into())).unwrap();
        assert!(addresses(&sockets).1.iter().all(|address| address.ip() == local));
        let other = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        assert!(open(|options| _ = options.bind(local.into()).listen(other)).is_err());
    }

    #[test]
    fn no_datagram_and_no_connection_goes_past_a_proxy() {
        let proxy = "socks5://127.0.0.1:1080".parse().unwrap();
        let sockets = open(|options| _ = options.proxy(Some(proxy))).unwrap();
        assert!(sockets.listeners.is_empty() && sockets.datagrams.is_empty());
        let proxy = "socks5://127.0.0.1:1080".parse().unwrap();
        let sockets = open(|options| _ = options.proxy(Some(proxy)).relay_datagrams(true)).unwrap();
        assert!(sockets.datagrams.is_empty(), "a relay has a socket of its own");
    }

    #[test]
    fn a_port_that_is_in_use_for_datagrams_is_an_error() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = open(|options| _ = options.listen(address)).unwrap_err();
        assert!(matches!(error, ClientError::Listen { address: at, .. } if at == address));
    }
}
