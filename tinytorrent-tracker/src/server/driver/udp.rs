use std::io;
use std::net::{SocketAddr, UdpSocket};
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
    threads: Vec<(Socket, JoinHandle<()>)>,
    is_over: Arc<AtomicBool>,
}

impl UdpThreads {
    /// Answers datagrams that come to this bound socket. Returns its address.
    pub(super) fn add(&mut self, socket: Socket, tracker: Arc<Tracker>) -> io::Result<SocketAddr> {
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(LOOK_AROUND))?;
        let (serving, is_over) = (UdpSocket::from(socket.try_clone()?), self.is_over.clone());
        let address = serving.local_addr()?;
        let thread = std::thread::Builder::new().name("tracker-udp".to_owned());
        let thread = thread.spawn(move || serve(&serving, &tracker, &is_over))?;
        self.threads.push((socket, thread));
        Ok(address)
    }
}

impl Drop for UdpThreads {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for (socket, thread) in self.threads.drain(..) {
            // An error for a socket without a peer, and on Linux the end of its wait all the same.
            let _ = socket.shutdown(std::net::Shutdown::Both);
            // A panic was reported by the thread itself.
            let _ = thread.join();
        }
    }
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
