//! The relay of a SOCKS5 proxy, by which uTP and the DHT go out in place of sockets.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tinytorrent_net::{Network, RelaySocket};
use tinytorrent_utp::{Carrier, Waiting};
use tokio::sync::Notify;
use tokio::time::Instant;

/// A relay that is asked for again whenever it has ended.
#[derive(Debug, Clone)]
pub(crate) struct KeptRelay {
    socket: RelaySocket,
    /// Another one is to take its place.
    renewal: Arc<Notify>,
}

/// The relay as uTP sees it.
#[derive(Debug)]
pub(crate) struct Relayed(pub(crate) RelaySocket);

/// Time for the proxy to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The time to wait before the proxy is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pause(Duration);

/// The first pause after a relay that has lasted; each further one takes twice the time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Time after which a relay has proved that it works.
const PROOF: Duration = Duration::from_secs(60);

impl KeptRelay {
    pub(crate) fn new(network: Network) -> Self {
        Self { socket: RelaySocket::new(network), renewal: Arc::default() }
    }

    pub(crate) fn socket(&self) -> &RelaySocket {
        &self.socket
    }

    /// Has another relay take the place of this one, at once.
    pub(crate) fn renew(&self) {
        self.renewal.notify_one();
    }

    /// Keeps the relay for ever.
    pub(crate) async fn run(self) {
        let mut pause = Pause::FIRST;
        loop {
            let outcome = self.socket.open(Instant::now() + PATIENCE).await;
            let opened = Instant::now();
            let error = match outcome {
                Ok(()) => {
                    tracing::info!("the proxy relays datagrams");
                    tokio::select! {
                        error = self.socket.ended() => error,
                        () = self.renewal.notified() => {
                            self.socket.close();
                            continue;
                        }
                    }
                }
                Err(error) => error,
            };
            pause = pause.after(opened.elapsed());
            let seconds = pause.0.as_secs();
            tracing::warn!(
                %error, seconds, "the proxy relays no datagrams: uTP and the DHT are off until it is asked again"
            );
            tokio::select! {
                () = tokio::time::sleep(pause.0) => {}
                () = self.renewal.notified() => {}
            }
            pause = pause.next();
        }
    }
}

impl Pause {
    const FIRST: Self = Self(FIRST_PAUSE);

    /// The pause after a relay that has lasted so long.
    fn after(self, lasted: Duration) -> Self {
        if lasted >= PROOF { Self::FIRST } else { self }
    }

    fn next(self) -> Self {
        Self((self.0 * 2).min(LONGEST_PAUSE))
    }
}

impl Carrier for Relayed {
    fn readable(&self) -> Waiting<'_> {
        Box::pin(self.0.readable())
    }

    fn writable(&self) -> Waiting<'_> {
        Box::pin(self.0.writable())
    }

    fn try_receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.try_receive(buffer)
    }

    fn try_send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        self.0.try_send(datagram, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_ends_relays_is_asked_ever_more_rarely() {
        let mut pause = Pause::FIRST;
        let mut seconds = Vec::new();
        for lasted in [0, 1, 59, 0, 0, 0, 0, 0, 60, 0] {
            pause = pause.after(Duration::from_secs(lasted));
            seconds.push(pause.0.as_secs());
            pause = pause.next();
        }
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 1, 2]);
    }
}
