//! Announcements of a gateway to all hosts: that it has begun anew, or has another address (RFC 6886, section 3.2.1;
//! RFC 6887, section 14.1).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::messages::{Announcement, MAX_LENGTH, announcement};

/// The port of hosts, which all of their programs share.
pub(crate) const PORT: u16 = 5_350;

/// The group of all hosts of a link.
pub(crate) const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// Hears a gateway.
#[derive(Debug)]
pub(crate) struct Announced {
    socket: UdpSocket,
    gateway: Ipv4Addr,
}

impl Announced {
    /// Listens on the interface of our address (N-10).
    ///
    /// # Errors
    /// The port is taken by a program that does not share it, or the system has no multicast.
    pub(crate) fn listen(local: Ipv4Addr, gateway: Ipv4Addr, port: u16) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        #[cfg(all(
            unix,
            not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))
        ))]
        socket.set_reuse_port(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
        socket.join_multicast_v4(&GROUP, &local)?;
        // Else it hears what comes by other interfaces, whose hosts can take the address of our gateway.
        #[cfg(target_os = "linux")]
        socket.set_multicast_all_v4(false)?;
        Ok(Self { socket: UdpSocket::from_std(socket.into())?, gateway })
    }

    /// The next announcement of the gateway.
    pub(crate) async fn next(&self) -> Announcement {
        let mut buffer = [0; MAX_LENGTH + 1];
        loop {
            match self.socket.recv_from(&mut buffer).await {
                Ok((length, from)) if from.ip() == IpAddr::V4(self.gateway) => {
                    if let Some(announcement) = announcement(&buffer[..length]) {
                        return announcement;
                    }
                }
                Ok(_) => {}
                // Nothing is sent by it, so that errors are those of the system.
                Err(_) => tokio::time::sleep(std::time::Duration::from_secs(1)).await,
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const LOCAL: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
    const GATEWAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    // N-10
    #[tokio::test]
    async fn the_gateway_is_heard_by_all_who_share_the_port_and_nobody_else_is() {
        let free = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let all = [0; 2].map(|_| Announced::listen(LOCAL, GATEWAY, free).unwrap());
        let say = async |from: Ipv4Addr, epoch: u8| {
            let socket = UdpSocket::bind((from, 0)).await.unwrap();
            socket2::SockRef::from(&socket).set_multicast_if_v4(&LOCAL).unwrap();
            let text = [0, 128, 0, 0, 0, 0, 0, epoch, 9, 9, 9, 9];
            socket.send_to(&text, (GROUP, free)).await.unwrap();
        };
        say(Ipv4Addr::new(127, 0, 0, 3), 1).await;
        say(GATEWAY, 2).await;
        for one in all {
            let due = Announcement { epoch: 2, address: Some([9, 9, 9, 9].into()) };
            assert_eq!(one.next().await, due);
        }
    }
}
