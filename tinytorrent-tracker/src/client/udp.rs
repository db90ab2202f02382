use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;
use tinytorrent_types::WireInfoHash;
use tinytorrent_types::compact::Family;
use tokio::net::UdpSocket;
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::resolve::of_family;
use super::{ClientConfig, Error, ErrorKind, Phase, TrackerClient, no_address};
use crate::udp::{Exchange, ExchangeConfig, MAX_DATAGRAM, MAX_SCRAPE_HASHES, Reply, RequestId};
use crate::{AnnounceRequest, AnnounceResponse, ScrapeResponse, TrackerUrl};

/// One socket for each family, opened when first used.
#[derive(Debug)]
pub(super) struct Sockets {
    v4: Lane,
    v6: Lane,
    first_timeout: Duration,
}

#[derive(Debug)]
struct Lane {
    local: SocketAddr,
    commands: OnceCell<mpsc::UnboundedSender<Command>>,
}

impl Sockets {
    pub(super) fn new(config: &ClientConfig) -> Self {
        let lane = |local: SocketAddr| Lane { local, commands: OnceCell::new() };
        Self {
            v4: lane((config.bind_v4, 0).into()),
            v6: lane((config.bind_v6, 0).into()),
            first_timeout: config.udp_first_timeout,
        }
    }

    async fn commands(&self, family: Family) -> io::Result<&mpsc::UnboundedSender<Command>> {
        let lane = match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        };
        let open = || async {
            let socket = UdpSocket::bind(lane.local).await?;
            let mut seed = [0; 32];
            SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
            let mut config = ExchangeConfig::new(seed);
            config.first_timeout(self.first_timeout);
            let (sender, commands) = mpsc::unbounded_channel();
            tokio::spawn(Driver::new(socket, Exchange::new(config), commands).run());
            Ok(sender)
        };
        lane.commands.get_or_try_init(open).await
    }
}

impl TrackerClient {
    pub(super) async fn announce_udp(
        &self,
        url: &TrackerUrl,
        request: &AnnounceRequest,
        addresses: &[SocketAddr],
        family: Family,
        deadline: Instant,
    ) -> Result<AnnounceResponse, Error> {
        let ask = Ask::Announce(request.clone(), url.path_and_query().as_bytes().to_vec());
        match self.ask_in_turn(url, ask, addresses, family, deadline).await? {
            Reply::Announce(response) => Ok(response),
            Reply::Scrape(_) => Ok(AnnounceResponse::default()),
        }
    }

    pub(super) async fn scrape_udp(
        &self,
        url: &TrackerUrl,
        info_hashes: &[WireInfoHash],
        addresses: &[SocketAddr],
        family: Family,
        deadline: Instant,
    ) -> Result<ScrapeResponse, Error> {
        let mut whole = ScrapeResponse::default();
        for batch in info_hashes.chunks(MAX_SCRAPE_HASHES) {
            let ask = Ask::Scrape(batch.to_vec());
            let reply = self.ask_in_turn(url, ask, addresses, family, deadline).await?;
            if let Reply::Scrape(part) = reply {
                whole.files.extend(part.files);
                whole.deviations.extend(part.deviations);
            }
        }
        Ok(whole)
    }

    /// Tries each address of a family. The last has all the time that is left, the others one
    /// time-out of BEP 15.
    async fn ask_in_turn(
        &self,
        url: &TrackerUrl,
        ask: Ask,
        addresses: &[SocketAddr],
        family: Family,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let mut error = no_address(url);
        let mut addresses = of_family(addresses, family).peekable();
        while let Some(address) = addresses.next() {
            let patience = if addresses.peek().is_some() {
                deadline.min(Instant::now() + self.shared.config.udp_first_timeout)
            } else {
                deadline
            };
            match self.ask(url, ask.clone(), address, family, patience).await {
                Ok(reply) => return Ok(reply),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    async fn ask(
        &self,
        url: &TrackerUrl,
        ask: Ask,
        tracker: SocketAddr,
        family: Family,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let commands = self.shared.udp.commands(family).await;
        let commands = commands.map_err(|error| Error::new(url, Phase::Connect, error))?;
        let (answer, waiting) = oneshot::channel();
        let gone = || Error::new(url, Phase::Request, io::Error::other("the udp task has ended"));
        commands.send(Command { tracker, ask, answer }).map_err(|_| gone())?;
        match timeout_at(deadline, waiting).await {
            Ok(Ok(outcome)) => outcome.map_err(|kind| Error::new(url, Phase::Request, kind)),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(Error::new(url, Phase::Request, ErrorKind::TimedOut)),
        }
    }
}

#[derive(Debug, Clone)]
enum Ask {
    Announce(AnnounceRequest, Vec<u8>),
    Scrape(Vec<WireInfoHash>),
}

#[derive(Debug)]
struct Command {
    tracker: SocketAddr,
    ask: Ask,
    answer: Answer,
}

type Answer = oneshot::Sender<Result<Reply, ErrorKind>>;

/// Owns a socket and the machine that speaks over it. Ends when the client is gone.
struct Driver {
    socket: UdpSocket,
    exchange: Exchange,
    commands: mpsc::UnboundedReceiver<Command>,
    answers: HashMap<RequestId, (SocketAddr, Answer)>,
    datagram: Vec<u8>,
}

impl Driver {
    fn new(
        socket: UdpSocket,
        exchange: Exchange,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Self {
        let (answers, datagram) = (HashMap::new(), Vec::new());
        Self { socket, exchange, commands, answers, datagram }
    }

    async fn run(mut self) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            self.drain().await;
            let wake = self.exchange.poll_timeout().map(Instant::from_std);
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return,
                },
                received = self.socket.recv_from(&mut buffer) => {
                    // An ICMP error of some tracker surfaces here and is no reason to end.
                    if let Ok((length, from)) = received {
                        let now = std::time::Instant::now();
                        self.exchange.handle_datagram(now, from, &buffer[..length]);
                    }
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    self.exchange.handle_timeout(std::time::Instant::now());
                }
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        let now = std::time::Instant::now();
        self.forget_cancelled();
        let Command { tracker, ask, answer } = command;
        let id = match ask {
            Ask::Announce(request, url) => {
                self.exchange.start_announce(now, tracker, &request, &url)
            }
            Ask::Scrape(hashes) => self.exchange.start_scrape(now, tracker, &hashes),
        };
        self.answers.insert(id, (tracker, answer));
    }

    /// Sends what is to be sent and answers what is over.
    async fn drain(&mut self) {
        self.forget_cancelled();
        while let Some(tracker) = self.exchange.poll_transmit(&mut self.datagram) {
            if let Err(error) = self.socket.send_to(&self.datagram, tracker).await {
                self.on_send_error(tracker, &error);
            }
        }
        while let Some((id, outcome)) = self.exchange.poll_outcome() {
            if let Some((_, answer)) = self.answers.remove(&id) {
                // Whoever asked may have gone away.
                let _ = answer.send(outcome.map_err(ErrorKind::from));
            }
        }
    }

    /// No route, no address, not allowed: waiting would not help.
    fn on_send_error(&mut self, tracker: SocketAddr, error: &io::Error) {
        use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
        if matches!(error.kind(), ConnectionRefused | ConnectionReset | Interrupted | WouldBlock) {
            return;
        }
        tracing::debug!(%tracker, %error, "cannot send to the tracker");
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
