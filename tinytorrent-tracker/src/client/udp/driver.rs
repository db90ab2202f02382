use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tinytorrent_net::Target;
use tinytorrent_types::compact::Family;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::super::ErrorKind;
use super::super::request::UdpRequest;
use super::relay::Names;
use crate::udp::{Exchange, MAX_DATAGRAM, Reply, RequestId};

/// A request to a tracker, and the sender for its outcome.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) tracker: Target,
    pub(super) request: UdpRequest,
    pub(super) answer: Answer,
}

pub(super) type Answer = oneshot::Sender<Result<Reply, ErrorKind>>;

/// The task that owns a link, and the machine that runs over it. It ends when the client is
/// dropped, and that of a relay also when it is idle.
pub(super) struct Driver {
    link: Link,
    exchange: Exchange,
    commands: mpsc::UnboundedReceiver<Command>,
    answers: HashMap<RequestId, (SocketAddr, Answer)>,
    datagram: Vec<u8>,
}

impl Driver {
    pub(super) fn new(
        link: Link,
        exchange: Exchange,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Self {
        let (answers, datagram) = (HashMap::new(), Vec::new());
        Self { link, exchange, commands, answers, datagram }
    }

    pub(super) async fn run(mut self) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            let wake = self.exchange.poll_timeout().map(Instant::from_std);
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return,
                },
                received = self.link.receive(&mut buffer) => match received {
                    Ok(Some((sender, datagram))) => self.on_datagram(sender, datagram),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::debug!(%error, "the way to trackers over UDP has ended");
                        return;
                    }
                },
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    self.exchange.handle_timeout(std::time::Instant::now());
                }
            }
            if let Err(error) = self.drain().await {
                tracing::debug!(%error, "the socket to trackers over UDP is of no more use");
                return;
            }
            // An idle relay would keep a connection to the proxy open. No request is in flight and
            // no connection id is fresh, so that a new relay costs the next request little.
            if self.link.is_relayed() && self.exchange.poll_timeout().is_none() {
                return;
            }
        }
    }

    fn on_datagram(&mut self, sender: Target, datagram: &[u8]) {
        let family = match sender {
            Target::Address(address) => Family::of(address.ip()),
            // Some proxies repeat the name. The reply has the format of IPv4 if the proxy reached
            // the tracker over IPv4, and most trackers have no IPv6.
            Target::Name(..) => Family::V4,
        };
        let asked = self.exchange.tracker_of(datagram);
        if let Some(from) = self.link.address_of_sender(sender, asked) {
            let now = std::time::Instant::now();
            self.exchange.handle_datagram_over(now, from, family, datagram);
        }
    }

    fn on_command(&mut self, command: Command) {
        let now = std::time::Instant::now();
        self.forget_cancelled();
        let Command { tracker, request, answer } = command;
        let Some(tracker) = self.link.address_of(tracker) else {
            let _ = answer.send(Err(ErrorKind::NoAddress));
            return;
        };
        let id = match request {
            UdpRequest::Announce { request, url } => {
                self.exchange.start_announce(now, tracker, &request, &url)
            }
            UdpRequest::Scrape(hashes) => self.exchange.start_scrape(now, tracker, &hashes),
        };
        self.answers.insert(id, (tracker, answer));
    }

    /// Sends all datagrams and outcomes that are due.
    ///
    /// # Errors
    /// The socket cannot send to anybody any more. Requests that wait are sent by another one.
    async fn drain(&mut self) -> io::Result<()> {
        self.forget_cancelled();
        while let Some(tracker) = self.exchange.poll_transmit(&mut self.datagram) {
            match self.link.send(&self.datagram, tracker).await {
                Err(error) if has_lost_device(&error) => return Err(error),
                Err(error) => self.on_send_error(tracker, &error),
                Ok(()) => {}
            }
        }
        while let Some((id, outcome)) = self.exchange.poll_outcome() {
            if let Some((_, answer)) = self.answers.remove(&id) {
                // The receiver is gone if the caller has dropped the future.
                let _ = answer.send(outcome.map_err(ErrorKind::from));
            }
        }
        Ok(())
    }

    /// Ends all requests to a tracker to which nothing can be sent.
    fn on_send_error(&mut self, tracker: SocketAddr, error: &io::Error) {
        use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
        // These may be over at the next retransmission. After others, such as no route to the
        // address, waiting would not help.
        if matches!(error.kind(), ConnectionRefused | ConnectionReset | Interrupted | WouldBlock) {
            return;
        }
        // It may be the tracker of several torrents.
        let span = tracing::error_span!("tracker", host = %tracker.ip());
        span.in_scope(|| tracing::debug!(%tracker, %error, "cannot send to the tracker"));
        let failed = self.answers.extract_if(|_, (address, _)| *address == tracker);
        for (id, (_, answer)) in failed {
            self.exchange.cancel(id);
            let error = io::Error::new(error.kind(), error.to_string());
            let _ = answer.send(Err(error.into()));
        }
    }

    fn forget_cancelled(&mut self) {
        for (id, _) in self.answers.extract_if(|_, (_, answer)| answer.is_closed()) {
            self.exchange.cancel(id);
        }
    }
}

/// True if the device or the address that a socket is bound to is gone. One that comes back is another device for it.
fn has_lost_device(error: &io::Error) -> bool {
    // `ENODEV` and `ENXIO`, which have the same numbers on all Unixes.
    let is_of_device = cfg!(unix) && matches!(error.raw_os_error(), Some(19 | 6));
    is_of_device || error.kind() == io::ErrorKind::AddrNotAvailable
}

/// A link over which datagrams reach trackers.
pub(super) enum Link {
    Direct(UdpSocket),
    /// A socket that somebody else reads, who passes on what may be an answer.
    Shared(Arc<UdpSocket>, mpsc::Receiver<(SocketAddr, Box<[u8]>)>),
    Relayed(Names),
}

impl Link {
    fn is_relayed(&self) -> bool {
        matches!(self, Link::Relayed(_))
    }

    /// The address by which the exchange knows a tracker.
    fn address_of(&mut self, tracker: Target) -> Option<SocketAddr> {
        match (self, tracker) {
            (Link::Relayed(relay), tracker) => Some(relay.address_of(tracker)),
            (Link::Direct(_) | Link::Shared(..), Target::Address(address)) => Some(address),
            (Link::Direct(_) | Link::Shared(..), Target::Name(..)) => None,
        }
    }

    async fn send(&mut self, datagram: &[u8], tracker: SocketAddr) -> io::Result<()> {
        match self {
            Link::Direct(socket) => socket.send_to(datagram, tracker).await.map(drop),
            Link::Shared(socket, _) => {
                // The first error may be about a datagram of others (ICMP), and then this one was not sent.
                if socket.send_to(datagram, tracker).await.is_err() {
                    socket.send_to(datagram, tracker).await?;
                }
                Ok(())
            }
            Link::Relayed(relay) => relay.send(datagram, tracker).await,
        }
    }

    /// Receives a datagram; `None` if it is to be ignored.
    ///
    /// # Errors
    /// If the link has ended.
    async fn receive<'a>(
        &mut self,
        buffer: &'a mut [u8],
    ) -> io::Result<Option<(Target, &'a [u8])>> {
        match self {
            Link::Direct(socket) => match socket.recv_from(buffer).await {
                Ok((length, from)) => Ok(Some((Target::Address(from), &buffer[..length]))),
                // An ICMP error of one tracker comes out here, and the others go on.
                Err(_) => Ok(None),
            },
            Link::Shared(_, datagrams) => {
                let received = datagrams.recv().await;
                let (from, datagram) = received.ok_or(io::ErrorKind::NotConnected)?;
                let length = datagram.len().min(buffer.len());
                buffer[..length].copy_from_slice(&datagram[..length]);
                Ok(Some((Target::Address(from), &buffer[..length])))
            }
            Link::Relayed(relay) => relay.receive(buffer).await,
        }
    }

    /// The address by which the exchange knows the sender of a datagram.
    fn address_of_sender(&self, sender: Target, asked: Option<SocketAddr>) -> Option<SocketAddr> {
        match (self, sender) {
            (Link::Relayed(relay), sender) => relay.address_of_sender(sender, asked),
            (Link::Direct(_) | Link::Shared(..), Target::Address(address)) => Some(address),
            (Link::Direct(_) | Link::Shared(..), Target::Name(..)) => None,
        }
    }
}
