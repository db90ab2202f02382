//! The datagrams that come to the UDP sockets of a client, told apart by their first byte.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tinytorrent_dht::Inlet;
use tokio::net::UdpSocket;

/// The longest datagram of any protocol here, and one byte more.
const MAX_DATAGRAM: usize = 2048;

/// Pause after an error of a socket that is likely to last.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// Receives the datagrams of a socket for ever, and passes them on.
pub(crate) async fn receive(socket: Arc<UdpSocket>, dht: Inlet) {
    let mut buffer = [0; MAX_DATAGRAM];
    let mut is_told = false;
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => {
                is_told = false;
                let datagram = &buffer[..length];
                // P-14: messages of the DHT are dictionaries.
                if datagram.first() == Some(&b'd') {
                    dht.pass(from, datagram);
                }
            }
            // An ICMP message about one that was sent: nothing is wrong with the socket.
            Err(error) if is_about_one_host(&error) => tokio::task::yield_now().await,
            Err(error) => {
                // Once, as the network may be gone for hours.
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(%error, "cannot receive datagrams");
                }
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
}

fn is_about_one_host(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable)
}
