use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tinytorrent_types::compact::Family;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::bootstrap::Bootstrap;
use super::routes::Routes;
use super::socket::Socket;
use crate::message::MAX_READ;
use crate::{Node, NodeStats, Transmit};

/// A call of a handle, for the task.
pub(super) type Command = Box<dyn FnOnce(Instant, &mut Task) + Send>;

/// The looker-up of names.
pub(super) type Resolve = Box<dyn Fn(String) -> Resolving + Send + Sync>;

/// A look-up of a name that runs.
pub(super) type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// The owner of a node and its sockets.
pub(super) struct Task {
    pub(super) node: Node,
    pub(super) routes: Routes,
    /// The figures, for handles.
    pub(super) stats: Arc<Mutex<NodeStats>>,
    sockets: Sockets,
    bootstrap: Bootstrap,
    pub(super) resolve: Resolve,
    /// Look-ups of names, which take as long as they take.
    resolving: JoinSet<io::Result<Vec<SocketAddr>>>,
    /// A datagram for which the system had no room.
    stalled: Option<Transmit>,
}

/// The sockets of a node, at most one of each family.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) v4: Option<Socket>,
    pub(super) v6: Option<Socket>,
}

/// The datagrams that are taken from a socket before anything else has its turn.
const BATCH: usize = 64;

impl Task {
    pub(super) fn new(node: Node, sockets: Sockets) -> Self {
        let (routes, bootstrap, resolving) = Default::default();
        let stats = Arc::new(Mutex::new(node.stats()));
        let resolve: Resolve = Box::new(|name| Box::pin(look_up(name)));
        Self { node, routes, stats, sockets, bootstrap, resolve, resolving, stalled: None }
    }

    pub(super) fn set_names(&mut self, now: Instant, names: Vec<String>) {
        self.bootstrap.set_names(now, names);
    }

    /// Runs until the last handle is gone.
    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        let mut sleep = pin!(tokio::time::sleep_until(Instant::now().into()));
        loop {
            self.flush().await;
            // A call too early changes nothing, and a timer that is set for each datagram costs time.
            let next = self.next_timeout().into();
            if next < sleep.deadline() || sleep.is_elapsed() {
                sleep.as_mut().reset(next);
            }
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => command(Instant::now(), &mut self),
                    None => return,
                },
                () = readable(self.sockets.v4.as_mut()) => self.receive(Family::V4),
                () = readable(self.sockets.v6.as_mut()) => self.receive(Family::V6),
                Some(resolved) = self.resolving.join_next() => {
                    let addresses = resolved.map(Result::unwrap_or_default).unwrap_or_default();
                    addresses.into_iter().for_each(|address| self.node.add_router(address));
                }
                () = &mut sleep => self.handle_timeout(),
            }
        }
    }

    fn next_timeout(&self) -> Instant {
        let node = self.node.poll_timeout();
        node.into_iter().chain(self.bootstrap.next()).min().unwrap_or_else(Instant::now)
    }

    fn handle_timeout(&mut self) {
        let now = Instant::now();
        self.node.handle_timeout(now);
        let is_alone = self.node.nodes().next().is_none();
        let names = self.bootstrap.poll(now, is_alone).unwrap_or_default();
        // Those of the last time may still be on their way.
        if self.resolving.is_empty() {
            for name in names.iter().cloned() {
                self.resolving.spawn((self.resolve)(name));
            }
        }
    }

    /// Takes what a socket has received, and sends the answers.
    fn receive(&mut self, family: Family) {
        let mut buffer = [0; MAX_READ + 1];
        let now = Instant::now();
        for _ in 0..BATCH {
            let Some(socket) = self.sockets.of(family) else { return };
            match socket.try_receive(&mut buffer) {
                Ok((length, from)) => self.node.handle_datagram(now, from, &buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // D-52: an ICMP message for an earlier datagram, which some systems report here.
                Err(_) => {}
            }
            self.send();
            if self.stalled.is_some() {
                return;
            }
        }
    }

    /// Sends what is to be sent, however long that takes, and hands out events.
    async fn flush(&mut self) {
        self.send();
        while let Some(stalled) = &self.stalled {
            if let Some(socket) = self.sockets.of(Family::of(stalled.to.ip())) {
                socket.writable().await;
            }
            self.send();
        }
        // Before the events: who hears of one finds the figures that go with it.
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner) = self.node.stats();
        let Self { node, routes, bootstrap, .. } = self;
        routes.hand_out(node, || bootstrap.on_empty(Instant::now()));
    }

    /// Sends until nothing is left, or there is no room.
    fn send(&mut self) {
        while let Some(transmit) = self.stalled.take().or_else(|| self.node.poll_transmit()) {
            let Some(socket) = self.sockets.of(Family::of(transmit.to.ip())) else { continue };
            match socket.try_send(&transmit.bytes, transmit.to) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stalled = Some(transmit);
                    return;
                }
                Err(_) => self.node.handle_unreachable(Instant::now(), transmit.to),
            }
        }
    }
}

impl Sockets {
    fn of(&mut self, family: Family) -> Option<&mut Socket> {
        match family {
            Family::V4 => self.v4.as_mut(),
            Family::V6 => self.v6.as_mut(),
        }
    }
}

/// Looks up a name, as the system does.
async fn look_up(name: String) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host(name).await?.collect())
}

/// Waits until a socket has something to read; for ever if there is none.
async fn readable(socket: Option<&mut Socket>) {
    match socket {
        Some(socket) => socket.readable().await,
        None => std::future::pending().await,
    }
}
