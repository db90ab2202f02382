use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;
use tinytorrent_net::Target;
use tinytorrent_types::compact::Family;
use tokio::net::UdpSocket;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::connect::target_of;
use super::request::UdpRequest;
use super::{
    Attempt, ClientConfig, Error, ErrorKind, Phase, Route, TrackerClient, TrackerRequest,
    no_address,
};
use crate::udp::{Exchange, ExchangeConfig, Reply};

mod driver;
mod relay;

use driver::{Command, Driver, Link};
use relay::Names;

/// The sockets of all requests over UDP: one for each family, or one relay of the proxy. Each is
/// opened at its first use.
#[derive(Debug)]
pub(super) struct Sockets {
    v4: Task,
    v6: Task,
    relay: Task,
    first_timeout: Duration,
}

/// The sender to the task that owns a socket; `None` before the first use.
type Task = Mutex<Option<CommandSender>>;

type CommandSender = mpsc::UnboundedSender<Command>;

impl Sockets {
    pub(super) fn new(config: &ClientConfig) -> Self {
        Self {
            v4: Task::default(),
            v6: Task::default(),
            relay: Task::default(),
            first_timeout: config.udp_first_timeout,
        }
    }

    /// The task that owns this link.
    fn task(&self, link: &LinkTo) -> &Task {
        match link {
            LinkTo::Tracker(address) => self.of_family(Family::of(address.ip())),
            LinkTo::Relay(_) => &self.relay,
        }
    }

    /// The task of a family without a proxy.
    fn of_family(&self, family: Family) -> &Task {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    fn start(&self, link: Link) -> Result<CommandSender, ErrorKind> {
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
        let mut config = ExchangeConfig::new(seed);
        config.first_timeout(self.first_timeout);
        let (sender, commands) = mpsc::unbounded_channel();
        tokio::spawn(Driver::new(link, Exchange::new(config), commands).run());
        Ok(sender)
    }
}

impl TrackerClient {
    /// Uses a socket for requests over UDP in its family that other protocols use as well, in place of one of its own;
    /// a proxy goes before. Somebody else reads the socket, and passes on the datagrams that may be answers, with
    /// their senders: those that begin with a zero (BEP 15). Once nobody does, a socket is opened again.
    ///
    /// # Errors
    /// The socket has no address, or requests of this family are under way.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time.
    pub fn share_udp(
        &self,
        socket: Arc<UdpSocket>,
        datagrams: mpsc::Receiver<(SocketAddr, Box<[u8]>)>,
    ) -> io::Result<()> {
        let sockets = &self.shared.udp;
        let family = Family::of(socket.local_addr()?.ip());
        let mut task =
            sockets.of_family(family).try_lock().map_err(|_| io::ErrorKind::WouldBlock)?;
        let commands = sockets.start(Link::Shared(socket, datagrams));
        *task = Some(commands.map_err(io::Error::other)?);
        Ok(())
    }

    /// Sends a request to a tracker over UDP, in one or more datagrams.
    pub(super) async fn ask_udp<R: TrackerRequest>(
        &self,
        attempt: &Attempt,
        request: &R,
    ) -> Result<R::Response, Error> {
        let mut response = R::Response::default();
        for part in request.udp_requests(&attempt.url) {
            let (reply, tracker) = self.ask_in_turn(attempt, part).await?;
            if let Some(part) = R::read_reply(reply) {
                R::merge(&mut response, part);
            }
            R::note_address(&mut response, tracker);
        }
        Ok(response)
    }

    /// Sends a datagram to each address of the route until one replies. Returns that address, too;
    /// `None` through a proxy.
    async fn ask_in_turn(
        &self,
        attempt: &Attempt,
        request: UdpRequest,
    ) -> Result<(Reply, Option<SocketAddr>), Error> {
        if let Route::Proxied = &attempt.route {
            // The proxy resolves the host, and chooses the address.
            let tracker = target_of(&attempt.url);
            let tracker = tracker.map_err(|error| attempt.error(Phase::Proxy, error))?;
            let link = LinkTo::Relay(tracker);
            let reply = self.ask_once(attempt, &link, &request, attempt.deadline).await?;
            return Ok((reply, None));
        }
        let mut error = no_address(&attempt.url);
        let mut addresses = attempt.route.candidates().peekable();
        while let Some(address) = addresses.next() {
            // One timeout of BEP 15 for each, and all the remaining time for the last.
            let deadline = match addresses.peek() {
                Some(_) => attempt.deadline_of_step(self.shared.config.udp_first_timeout),
                None => attempt.deadline,
            };
            let link = LinkTo::Tracker(address);
            match self.ask_once(attempt, &link, &request, deadline).await {
                Ok(reply) => return Ok((reply, Some(address))),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    /// Sends a request to the task that owns the link, and awaits the reply.
    async fn ask_once(
        &self,
        attempt: &Attempt,
        link: &LinkTo,
        request: &UdpRequest,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let phase = link.phase();
        for _ in 0..LINKS {
            let commands = attempt.within(phase, deadline, self.commands(link, deadline)).await?;
            let (answer, reply) = oneshot::channel();
            let command = Command { tracker: link.tracker(), request: request.clone(), answer };
            if commands.send(command).is_err() {
                continue;
            }
            match timeout_at(deadline, reply).await {
                Ok(Ok(outcome)) => {
                    return outcome.map_err(|kind| attempt.error(Phase::Request, kind));
                }
                // The task has ended with its link, so the request is sent over a new one.
                Ok(Err(_)) => {}
                Err(_) => return Err(attempt.error(Phase::Request, ErrorKind::TimedOut)),
            }
        }
        Err(attempt.error(phase, io::Error::from(io::ErrorKind::ConnectionAborted)))
    }

    /// A sender to the task that owns the link. Starts the task if there is none.
    async fn commands(&self, link: &LinkTo, deadline: Instant) -> Result<CommandSender, ErrorKind> {
        let sockets = &self.shared.udp;
        // Locked while the link is opened, so that a thousand announces open one.
        let mut task = sockets.task(link).lock().await;
        if let Some(commands) = task.as_ref().filter(|commands| !commands.is_closed()) {
            return Ok(commands.clone());
        }
        let link = match link {
            LinkTo::Tracker(address) => {
                let family = Family::of(address.ip());
                Link::Direct(self.network().udp_socket(family, deadline).await?)
            }
            LinkTo::Relay(_) => {
                let deadline = super::after(self.shared.config.connect_timeout);
                let relay = self.network().relay(deadline).await;
                Link::Relayed(Names::new(relay.map_err(|error| match error.kind() {
                    io::ErrorKind::Unsupported => ErrorKind::NotThroughProxy,
                    _ => error.into(),
                })?))
            }
        };
        let commands = sockets.start(link)?;
        Ok(task.insert(commands).clone())
    }
}

/// A tracker, and the far end of the link that leads to it.
enum LinkTo {
    /// A link to the tracker itself, which has this address.
    Tracker(SocketAddr),
    /// A link to a relay of the proxy.
    Relay(Target),
}

impl LinkTo {
    fn tracker(&self) -> Target {
        match self {
            LinkTo::Tracker(address) => Target::Address(*address),
            LinkTo::Relay(tracker) => tracker.clone(),
        }
    }

    /// The phase in which the link is opened.
    fn phase(&self) -> Phase {
        match self {
            LinkTo::Tracker(_) => Phase::Connect,
            LinkTo::Relay(_) => Phase::Proxy,
        }
    }
}

/// Attempts at a request whose link ends before the reply: a proxy may end an idle relay at the
/// moment when the request is sent.
const LINKS: usize = 2;
