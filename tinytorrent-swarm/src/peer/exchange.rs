use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_wire::pex::{PexReceiver, PexSender};

/// The state of the exchange with one peer: the addresses that it was told, and how much it tells.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) sender: PexSender,
    pub(crate) receiver: PexReceiver,
    /// When the peer is told of others next.
    pub(crate) next: Instant,
}

/// The first message waits until the connections of a start have settled.
const FIRST: Duration = Duration::from_secs(5);

/// BEP 11: no more than one message a minute.
const INTERVAL: Duration = Duration::from_secs(60);

impl Exchange {
    pub(crate) fn new(now: Instant, peer: SocketAddr) -> Self {
        let (sender, receiver) = (PexSender::new(peer), PexReceiver::new());
        Self { sender, receiver, next: now + FIRST }
    }

    /// Notes that the peer was told.
    pub(crate) fn note_told(&mut self, now: Instant) {
        self.next = now + INTERVAL;
    }
}
