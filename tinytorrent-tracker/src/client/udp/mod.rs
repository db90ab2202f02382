use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;
use tinytorrent_types::WireInfoHash;
use tinytorrent_types::compact::Family;
use tokio::net::UdpSocket;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::connect::within;
use super::resolve::of_family;
use super::socks5::Target;
use super::{ClientConfig, Error, ErrorKind, Phase, TrackerClient, no_address};
use crate::udp::{Exchange, ExchangeConfig, MAX_SCRAPE_HASHES, Reply};
use crate::{AnnounceRequest, AnnounceResponse, ScrapeResponse, TrackerUrl};

mod driver;
mod relay;

use driver::{Ask, Command, Driver, Link};
pub(super) use relay::Relay;

/// One socket for each family, or one relay of the proxy; opened when used.
#[derive(Debug)]
pub(super) struct Sockets {
    v4: Lane,
    v6: Lane,
    relay: Lane,
    bind_v4: SocketAddr,
    bind_v6: SocketAddr,
    first_timeout: Duration,
}

/// To the task that owns a socket; none before the first use.
type Lane = Mutex<Option<mpsc::UnboundedSender<Command>>>;

impl Sockets {
    pub(super) fn new(config: &ClientConfig) -> Self {
        Self {
            v4: Lane::default(),
            v6: Lane::default(),
            relay: Lane::default(),
            bind_v4: (config.bind_v4, 0).into(),
            bind_v6: (config.bind_v6, 0).into(),
            first_timeout: config.udp_first_timeout,
        }
    }

    fn start(&self, link: Link) -> Result<mpsc::UnboundedSender<Command>, ErrorKind> {
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
    /// Announces over one family, or through the proxy.
    pub(super) async fn announce_udp(
        &self,
        url: &TrackerUrl,
        request: &AnnounceRequest,
        addresses: &[SocketAddr],
        family: Option<Family>,
        deadline: Instant,
    ) -> Result<AnnounceResponse, Error> {
        let ask = Ask::Announce(request.clone(), url.path_and_query().as_bytes().to_vec());
        match self.ask_in_turn(url, ask, addresses, family, deadline).await? {
            Reply::Announce(response) => Ok(response),
            Reply::Scrape(_) => Ok(AnnounceResponse::default()),
        }
    }

    /// Scrapes over one family, or through the proxy.
    pub(super) async fn scrape_udp(
        &self,
        url: &TrackerUrl,
        info_hashes: &[WireInfoHash],
        addresses: &[SocketAddr],
        family: Option<Family>,
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
    /// time-out of BEP 15. The proxy tries on its own.
    async fn ask_in_turn(
        &self,
        url: &TrackerUrl,
        ask: Ask,
        addresses: &[SocketAddr],
        family: Option<Family>,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let Some(family) = family else {
            let target = Target::of(url).map_err(|error| Error::new(url, Phase::Proxy, error))?;
            return self.ask(url, ask, target, None, deadline).await;
        };
        let mut error = no_address(url);
        let mut addresses = of_family(addresses, family).peekable();
        while let Some(address) = addresses.next() {
            let patience = if addresses.peek().is_some() {
                deadline.min(super::after(self.shared.config.udp_first_timeout))
            } else {
                deadline
            };
            let target = Target::Address(address);
            match self.ask(url, ask.clone(), target, Some(family), patience).await {
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
        tracker: Target,
        family: Option<Family>,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let phase = if family.is_some() { Phase::Connect } else { Phase::Proxy };
        for _ in 0..LINKS {
            let commands = within(url, phase, deadline, self.commands(family)).await?;
            let (answer, waiting) = oneshot::channel();
            let command = Command { tracker: tracker.clone(), ask: ask.clone(), answer };
            if commands.send(command).is_err() {
                continue;
            }
            match timeout_at(deadline, waiting).await {
                Ok(Ok(outcome)) => {
                    return outcome.map_err(|kind| Error::new(url, Phase::Request, kind));
                }
                // The task has ended, and its link with it.
                Ok(Err(_)) => {}
                Err(_) => return Err(Error::new(url, Phase::Request, ErrorKind::TimedOut)),
            }
        }
        let gone = io::Error::from(io::ErrorKind::ConnectionAborted);
        Err(Error::new(url, phase, gone))
    }

    /// The way to the task that speaks over this family, or through the proxy; it is started if
    /// need be.
    async fn commands(
        &self,
        family: Option<Family>,
    ) -> Result<mpsc::UnboundedSender<Command>, ErrorKind> {
        let sockets = &self.shared.udp;
        let lane = match family {
            Some(Family::V4) => &sockets.v4,
            Some(Family::V6) => &sockets.v6,
            None => &sockets.relay,
        };
        let mut lane = lane.lock().await;
        if let Some(commands) = lane.as_ref().filter(|commands| !commands.is_closed()) {
            return Ok(commands.clone());
        }
        let link = match (family, &self.shared.config.proxy) {
            (Some(Family::V4), None) => Link::Direct(UdpSocket::bind(sockets.bind_v4).await?),
            (Some(Family::V6), None) => Link::Direct(UdpSocket::bind(sockets.bind_v6).await?),
            (_, Some(proxy)) => Link::Relayed(self.open_relay(proxy).await?),
            (None, None) => return Err(ErrorKind::NoAddress),
        };
        let commands = sockets.start(link)?;
        Ok(lane.insert(commands).clone())
    }
}

/// A proxy that ends the relay may have done so before it saw the request.
const LINKS: usize = 2;
