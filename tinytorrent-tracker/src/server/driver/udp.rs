use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::server::Tracker;
use crate::udp::MAX_DATAGRAM;

/// Sockets that answer datagrams, each on a thread of its own, until this is dropped.
///
/// A thread that waits in the kernel for the next datagram is woken sooner, and at less cost, than a
/// task of a runtime that waits for the readiness of the socket.
#[derive(Debug, Default)]
pub(super) struct UdpThreads {
    threads: Vec<(SocketAddr, JoinHandle<()>)>,
    is_over: Arc<AtomicBool>,
}

impl UdpThreads {
    /// Answers datagrams that come to this bound socket. Returns its address.
    pub(super) fn add(&mut self, socket: Socket, tracker: Arc<Tracker>) -> io::Result<SocketAddr> {
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(LOOK_AROUND))?;
        let (serving, is_over) = (UdpSocket::from(socket), self.is_over.clone());
        let address = serving.local_addr()?;
        let thread = std::thread::Builder::new().name("tracker-udp".to_owned());
        let thread = thread.spawn(move || serve(&serving, &tracker, &is_over))?;
        self.threads.push((address, thread));
        Ok(address)
    }
}

impl UdpThreads {
    /// Ends the threads. Returns `false` if one has panicked, which it has reported itself.
    fn end(&mut self) -> bool {
        self.is_over.store(true, Ordering::Relaxed);
        let mut is_fine = true;
        for (address, thread) in self.threads.drain(..) {
            // Without it, the thread looks around a little later.
            let _ = wake(address);
            is_fine &= thread.join().is_ok();
        }
        is_fine
    }
}

impl Drop for UdpThreads {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends nothing to a socket of this machine, whose thread waits for something. A socket that is shut down instead
/// has a datagram from nowhere, which the standard library cannot bear.
fn wake(mut address: SocketAddr) -> io::Result<()> {
    let here: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    if address.ip().is_unspecified() {
        address.set_ip(here);
    }
    UdpSocket::bind(SocketAddr::new(address.ip(), 0))?.send_to(&[], address)?;
    Ok(())
}

fn serve(socket: &UdpSocket, tracker: &Tracker, is_over: &AtomicBool) {
    let (mut buffer, mut reply) = (vec![0; MAX_DATAGRAM], Vec::new());
    while !is_over.load(Ordering::Relaxed) {
        // Such as a timeout, or an ICMP message for an earlier reply.
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        reply.clear();
        tracker.handle_datagram(Instant::now(), from, &buffer[..length], &mut reply);
        if !reply.is_empty() {
            // Errors are ignored, since clients send a request again that got no reply.
            let _ = socket.send_to(&reply, from);
        }
    }
}

/// The time after which a thread looks whether it is over, on systems that do not wake it.
const LOOK_AROUND: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use socket2::{Domain, Protocol, Type};

    use super::*;
    use crate::server::ServerConfig;

    #[test]
    fn threads_that_wait_end_without_a_panic() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            let address: SocketAddr = address.parse().unwrap();
            let domain = Domain::for_address(address);
            let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)).unwrap();
            // The machine may have no IPv6.
            if socket.bind(&address.into()).is_err() {
                continue;
            }
            let tracker = Arc::new(Tracker::new(ServerConfig::default(), 1, Instant::now()));
            let mut threads = UdpThreads::default();
            threads.add(socket, tracker).unwrap();
            assert!(threads.end(), "{address}");
        }
    }
}
