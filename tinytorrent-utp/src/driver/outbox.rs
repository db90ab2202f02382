use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

use super::wire::Wire;
use crate::{ConnectionId, Endpoint, Transmit};

/// Datagrams that are to be sent: made while the endpoint is locked, and sent after.
pub(super) struct Outbox {
    buffer: Box<[u8]>,
    used: usize,
    waiting: Vec<(Transmit, Range<usize>)>,
}

/// News for the endpoint of datagrams that could not be sent.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The probe of a connection is too large for the link.
    TooLarge(ConnectionId),
    /// There is no way to the address.
    Unreachable(SocketAddr),
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; ROWS * ROW].into(), used: 0, waiting: Vec::new() }
    }

    /// True if everything has been sent.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes what is to be sent now. Returns true if there may be more.
    pub(super) fn fill(&mut self, now: Instant, endpoint: &mut Endpoint) -> bool {
        while self.buffer.len() - self.used >= ROW {
            let room = &mut self.buffer[self.used..][..ROW];
            let Some(transmit) = endpoint.poll_transmit(now, room) else { return false };
            let end = self.used + transmit.length;
            self.waiting.push((transmit, self.used..end));
            self.used = end;
        }
        true
    }

    /// Sends in order, as far as the system has room.
    pub(super) fn send(&mut self, wire: &Wire) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let mut sent = 0;
        for (transmit, range) in &self.waiting {
            let bytes = &self.buffer[range.clone()];
            let outcome = match transmit.dont_fragment {
                true => wire.try_send_probe(bytes, transmit.to),
                false => wire.try_send(bytes, transmit.segment, transmit.to),
            };
            match outcome {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => refusals.extend(refusal(transmit, &error)),
                Ok(()) => {}
            }
            sent += 1;
        }
        self.waiting.drain(..sent);
        if self.waiting.is_empty() {
            self.used = 0;
        }
        refusals
    }
}

/// The news of an error. Datagrams that are lost for other reasons are lost as in the network.
fn refusal(transmit: &Transmit, error: &io::Error) -> Option<Refusal> {
    use io::ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkUnreachable};
    if quinn_udp::is_msg_size_err(error) {
        let prober = transmit.connection.filter(|_| transmit.dont_fragment);
        return prober.map(Refusal::TooLarge);
    }
    let is_unreachable =
        matches!(error.kind(), AddrNotAvailable | HostUnreachable | NetworkUnreachable);
    is_unreachable.then_some(Refusal::Unreachable(transmit.to))
}

/// Bytes of a row of datagrams, which the system takes in one call: less than the longest datagram.
const ROW: usize = 60 << 10;

/// Rows that are made before they are sent.
const ROWS: usize = 4;
