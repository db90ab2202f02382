use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::outbox::{Outbox, Refusal};
use super::shared::Shared;
use super::wire::{Received, Wire};

/// Takes datagrams of other protocols.
type Others = Box<dyn FnMut(SocketAddr, &[u8]) + Send>;

/// The ways of datagrams that others judge or take.
pub(super) struct Inlets {
    /// Returns true for senders who may say something.
    pub(super) admits: Box<dyn FnMut(SocketAddr) -> bool + Send>,
    pub(super) others: Others,
}

/// The owner of a socket: it receives, sends and keeps the time.
pub(super) struct Task {
    shared: Arc<Shared>,
    wire: Wire,
    inlets: Inlets,
    received: Received,
    outbox: Outbox,
    /// The time at which the task ends, once no handle is left.
    end: Option<Instant>,
}

/// Calls that receive before anything else has its turn.
const MOST_CALLS: usize = 4;

/// Messages of the network that are read in a turn.
const MOST_REPORTS: usize = 64;

/// Connections that are reset before the packets for it are sent.
const RESETS: usize = 64;

/// Time for what was written to arrive, after the last handle is gone: a few timeouts. Nobody can take the port as long.
const LINGER: Duration = Duration::from_secs(2);

/// Pause after an error of the socket that is likely to last: the network is gone.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

impl Task {
    pub(super) fn new(shared: Arc<Shared>, wire: Wire, inlets: Inlets) -> Self {
        Self { shared, wire, inlets, received: Received::new(), outbox: Outbox::new(), end: None }
    }

    /// Runs until no handle is left, and what was written has arrived or had its time. Then the port is free.
    pub(super) async fn run(mut self) {
        let mut sleep = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            if let Some(wire) = self.shared.take_next() {
                self.wire = wire;
            }
            let incoming = self.receive();
            let (has_more, next, is_done) = self.turn();
            if is_done {
                return;
            }
            if has_more || matches!(incoming, Ok(true)) {
                tokio::task::yield_now().await;
                continue;
            }
            // A call too early changes nothing, and a timer that is set for each datagram costs time.
            let next = next.map(tokio::time::Instant::from);
            if let Some(next) = next.filter(|next| *next < sleep.deadline() || sleep.is_elapsed()) {
                sleep.as_mut().reset(next);
            }
            tokio::select! {
                () = self.wire.readable(), if incoming.is_ok() => {}
                () = tokio::time::sleep(ERROR_PAUSE), if incoming.is_err() => {}
                () = self.wire.writable(), if !self.outbox.is_empty() => {}
                () = self.shared.work.notified() => {}
                () = &mut sleep, if next.is_some() => {}
            }
        }
    }

    /// Takes what the socket has received. Returns true if there may be more.
    ///
    /// # Errors
    /// The socket cannot receive.
    fn receive(&mut self) -> io::Result<bool> {
        for _ in 0..MOST_REPORTS {
            let Some(address) = self.wire.unreachable() else { break };
            self.shared.turn(|now, endpoint| endpoint.handle_unreachable(now, address));
        }
        for _ in 0..MOST_CALLS {
            match self.wire.try_receive(&mut self.received) {
                Ok(()) => self.take_received(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                // One that was sent has not arrived, which is told above where the system names its receiver.
                Err(error) if is_about_one_host(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn take_received(&mut self) {
        let (received, Inlets { admits, others }) = (&self.received, &mut self.inlets);
        let mut has_ours = false;
        for (from, datagram) in received.datagrams() {
            if is_utp(datagram) {
                has_ours = true;
            } else if admits(from) {
                others(from, datagram);
            }
        }
        if has_ours {
            self.shared.turn(|now, endpoint| {
                let ours = received
                    .datagrams()
                    .filter(|(from, datagram)| is_utp(datagram) && admits(*from));
                ours.for_each(|(from, datagram)| endpoint.handle_datagram(now, from, datagram));
            });
        }
    }

    /// Goes by the time and sends. Returns true if there may be more to send, the time of the next turn, and whether
    /// all is done.
    fn turn(&mut self) -> (bool, Option<Instant>, bool) {
        let (shared, outbox, end) = (&self.shared, &mut self.outbox, &mut self.end);
        let is_orphan = shared.is_orphan();
        let (has_more, next, is_done) = shared.turn(|now, endpoint| {
            let end = is_orphan.then(|| *end.get_or_insert(now + LINGER));
            if endpoint.poll_timeout().is_some_and(|next| next <= now) {
                endpoint.handle_timeout(now);
            }
            // Datagrams that wait for the system go first.
            let has_more = outbox.is_empty() && outbox.fill(now, endpoint);
            let is_over = |end| now >= end || (!endpoint.is_delivering() && outbox.is_empty());
            (
                has_more,
                endpoint.poll_timeout().into_iter().chain(end).min(),
                end.is_some_and(is_over),
            )
        });
        let refusals = outbox.send(&self.wire);
        let has_refusals = !refusals.is_empty();
        for refusal in refusals {
            shared.turn(|now, endpoint| match refusal {
                Refusal::TooLarge(id) => endpoint.handle_too_large(now, id),
                Refusal::Unreachable(to) => endpoint.handle_unreachable(now, to),
            });
        }
        ((has_more && outbox.is_empty()) || has_refusals, next, is_done)
    }
}

impl Drop for Task {
    /// The runtime ends while there are connections, as it does with its process. Nobody else would tell their other
    /// ends, which would wait for minutes: the ends of streams go out, as far as there is room, and then resets.
    fn drop(&mut self) {
        let (shared, outbox, wire) = (&self.shared, &mut self.outbox, &self.wire);
        let mut has_more = true;
        while has_more {
            has_more = shared.turn(|now, endpoint| {
                while outbox.fill(now, endpoint) {
                    outbox.send(wire);
                    if !outbox.is_empty() {
                        // The socket is full, and there is nobody to wait for it.
                        return false;
                    }
                }
                outbox.send(wire);
                outbox.is_empty() && endpoint.reset_some(RESETS)
            });
        }
    }
}

/// True for datagrams of uTP, by their first byte: a type up to four, and version 1 (BEP 29). Those of the DHT begin
/// with a `d`, and those of trackers with a zero.
fn is_utp(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0x0f == 1 && first >> 4 <= 4)
}

fn is_about_one_host(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable
    )
}
