//! Announce and scrape on tokio.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module is a driver: it owns the clock and the sockets"
)]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tinytorrent_types::compact::Family;
use tinytorrent_types::{InfoHashes, WireInfoHash};
use tokio::time::{Instant, timeout_at};

use crate::{
    AnnounceEvent, AnnounceRequest, AnnounceResponse, DnsPreferences, Scheme, ScrapeResponse,
    TrackerUrl, http,
};

mod basic_auth;
mod body;
mod config;
mod connect;
mod content_coding;
mod dns_txt;
mod error;
mod exchange;
mod fetch;
mod proxy;
mod redirect;
mod resolve;
mod socks5;
mod tls;
mod udp;

pub use config::{ClientConfig, Families};
pub use error::{Error, ErrorKind, Phase};
pub use fetch::Fetched;
pub use proxy::Proxy;

/// Speaks to trackers over UDP, HTTP and HTTPS, over IPv4 and IPv6.
///
/// One socket for each family carries all UDP trackers and torrents, or one relay of the
/// [`Proxy`]. Dropping the future of a call cancels it. A clone is the same client.
///
/// ```no_run
/// use tinytorrent_tracker::AnnounceRequest;
/// use tinytorrent_tracker::client::{ClientConfig, TrackerClient};
/// use tinytorrent_types::{PeerId, WireInfoHash};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = TrackerClient::new(ClientConfig::default());
/// let torrent = WireInfoHash::from_bytes([1; 20]);
/// let request = AnnounceRequest::new(torrent, PeerId::generate(*b"abcdefghijkl"), 6881, 7);
/// let response = client.announce(&"udp://tracker.example:6969".parse()?, &request).await?;
/// println!("{} peers", response.peers.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TrackerClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: ClientConfig,
    tls: tls::Tls,
    udp: udp::Sockets,
    resolved: resolve::Resolved,
}

impl TrackerClient {
    /// A client; opens nothing before it is used.
    pub fn new(config: ClientConfig) -> Self {
        let udp = udp::Sockets::new(&config);
        let tls = tls::Tls::new(config.verifies_certificates);
        Self {
            shared: Arc::new(Shared { config, tls, udp, resolved: resolve::Resolved::default() }),
        }
    }

    /// Announces, over each family that is there, and merges what comes (BEP 7): one that
    /// succeeds is enough.
    ///
    /// # Errors
    /// If no family brought an answer; the error is that of the one that got furthest.
    pub async fn announce(
        &self,
        url: &TrackerUrl,
        request: &AnnounceRequest,
    ) -> Result<AnnounceResponse, Error> {
        let deadline = self.deadline();
        if self.shared.config.proxy.is_some() {
            return self.announce_over(url, request, &[], None, deadline).await;
        }
        let mut outcome = Err(Error::new(url, Phase::Resolve, ErrorKind::DeniedByDns));
        for url in self.preferred(url).await {
            outcome = self.announce_at(&url, request, deadline).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// The URL, or those that its host prefers (BEP 34).
    async fn preferred(&self, url: &TrackerUrl) -> Vec<TrackerUrl> {
        let name = url.host_to_resolve();
        let server = self.shared.config.dns_server;
        let Some(server) = server.filter(|_| name.parse::<std::net::IpAddr>().is_err()) else {
            return vec![url.clone()];
        };
        let records = dns_txt::look_up(server, name).await;
        match DnsPreferences::read(records) {
            Some(preferences) => preferences.apply(url),
            None => vec![url.clone()],
        }
    }

    async fn announce_at(
        &self,
        url: &TrackerUrl,
        request: &AnnounceRequest,
        deadline: Instant,
    ) -> Result<AnnounceResponse, Error> {
        let cache_only = request.event == AnnounceEvent::Stopped;
        let addresses = match self.shared.resolved.get(url).filter(|_| cache_only) {
            Some(addresses) => addresses,
            None => self.resolve(url, deadline).await?,
        };
        // Boxed, as each of those that hold one on the way would have room for it.
        let one =
            |family| Box::pin(self.announce_over(url, request, &addresses, Some(family), deadline));
        let v4 = has(&addresses, Family::V4).then(|| one(Family::V4));
        let v6 = has(&addresses, Family::V6).then(|| one(Family::V6));
        let (first, second) = both(v4, v6).await;
        let mut response = first.ok_or_else(|| no_address(url))??;
        if let Some(second) = second {
            response.merge(second);
        }
        Ok(response)
    }

    /// Announces a torrent under each of its hashes: once, or twice for a hybrid (BEP 52). The
    /// transfer is counted once. `request` is that of the first hash.
    ///
    /// # Errors
    /// If no hash brought an answer.
    pub async fn announce_all_hashes(
        &self,
        url: &TrackerUrl,
        hashes: &InfoHashes,
        request: &AnnounceRequest,
    ) -> Result<AnnounceResponse, Error> {
        let mut wire = hashes.wire_hashes();
        let first = wire.next().map(|info_hash| AnnounceRequest { info_hash, ..request.clone() });
        let second = wire.next().map(|info_hash| request.hybrid(info_hash));
        // As in `announce_at`.
        let first = first.as_ref().map(|request| Box::pin(self.announce(url, request)));
        let second = second.as_ref().map(|request| Box::pin(self.announce(url, request)));
        let (first, second) = tokio::join!(maybe(first), maybe(second));
        let (mut response, other) = match (first, second) {
            (Some(Ok(response)), other) => (response, other.and_then(Result::ok)),
            (_, Some(Ok(other))) => (other, None),
            (Some(Err(error)), _) | (None, Some(Err(error))) => return Err(error),
            (None, None) => return Err(no_address(url)),
        };
        if let Some(other) = other {
            response.merge(other);
        }
        Ok(response)
    }

    /// Asks for the size of swarms, over the first family that answers. `url` is the announce
    /// URL. UDP trackers are asked in batches of 74.
    ///
    /// # Errors
    /// [`ErrorKind::NotScrapable`] if the URL has no scrape URL beside it (BEP 48), and what
    /// else can happen.
    pub async fn scrape(
        &self,
        url: &TrackerUrl,
        info_hashes: &[WireInfoHash],
    ) -> Result<ScrapeResponse, Error> {
        let deadline = self.deadline();
        if self.shared.config.proxy.is_some() {
            return self.scrape_over(&scrapable(url)?, info_hashes, &[], None, deadline).await;
        }
        let mut outcome = Err(Error::new(url, Phase::Resolve, ErrorKind::DeniedByDns));
        for url in self.preferred(url).await {
            outcome = self.scrape_at(&url, info_hashes, deadline).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    async fn scrape_at(
        &self,
        url: &TrackerUrl,
        info_hashes: &[WireInfoHash],
        deadline: Instant,
    ) -> Result<ScrapeResponse, Error> {
        let url = scrapable(url)?;
        let addresses = self.resolve(&url, deadline).await?;
        let mut outcome = Err(no_address(&url));
        for family in [Family::V4, Family::V6] {
            if outcome.is_err() && has(&addresses, family) {
                let family = Some(family);
                outcome = self.scrape_over(&url, info_hashes, &addresses, family, deadline).await;
            }
        }
        outcome
    }

    /// Over one family, or through the proxy.
    async fn announce_over(
        &self,
        url: &TrackerUrl,
        request: &AnnounceRequest,
        addresses: &[SocketAddr],
        family: Option<Family>,
        deadline: Instant,
    ) -> Result<AnnounceResponse, Error> {
        match url.scheme() {
            Scheme::Udp => self.announce_udp(url, request, addresses, family, deadline).await,
            Scheme::Http | Scheme::Https => {
                self.announce_http(url, request, addresses, family, deadline).await
            }
        }
    }

    /// Over one family, or through the proxy. `url` is the scrape URL.
    async fn scrape_over(
        &self,
        url: &TrackerUrl,
        info_hashes: &[WireInfoHash],
        addresses: &[SocketAddr],
        family: Option<Family>,
        deadline: Instant,
    ) -> Result<ScrapeResponse, Error> {
        match url.scheme() {
            Scheme::Udp => self.scrape_udp(url, info_hashes, addresses, family, deadline).await,
            Scheme::Http | Scheme::Https => {
                self.scrape_http(url, info_hashes, addresses, family, deadline).await
            }
        }
    }

    async fn announce_http(
        &self,
        url: &TrackerUrl,
        request: &AnnounceRequest,
        addresses: &[SocketAddr],
        family: Option<Family>,
        deadline: Instant,
    ) -> Result<AnnounceResponse, Error> {
        let target = http::announce_target(url, request);
        let body = self.get_tracker(url, &target, addresses, family, deadline).await?;
        body.parse(url, http::read_announce)
    }

    async fn scrape_http(
        &self,
        url: &TrackerUrl,
        info_hashes: &[WireInfoHash],
        addresses: &[SocketAddr],
        family: Option<Family>,
        deadline: Instant,
    ) -> Result<ScrapeResponse, Error> {
        let target = http::scrape_target(url, info_hashes);
        let body = self.get_tracker(url, &target, addresses, family, deadline).await?;
        body.parse(url, http::read_scrape)
    }

    fn deadline(&self) -> Instant {
        after(self.shared.config.request_timeout)
    }
}

/// The instant that is so far away, whatever the caller may have configured.
fn after(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(FAR)
}

fn has(addresses: &[SocketAddr], family: Family) -> bool {
    addresses.iter().any(|address| Family::of(address.ip()) == family)
}

fn no_address(url: &TrackerUrl) -> Error {
    Error::new(url, Phase::Resolve, ErrorKind::NoAddress)
}

fn scrapable(url: &TrackerUrl) -> Result<TrackerUrl, Error> {
    url.to_scrape().ok_or_else(|| Error::new(url, Phase::Url, ErrorKind::NotScrapable))
}

async fn maybe<T>(future: Option<impl Future<Output = T>>) -> Option<T> {
    match future {
        Some(future) => Some(future.await),
        None => None,
    }
}

/// Runs both. After the first success the other has a little time left, in proportion, and is
/// then dropped: a family that is broken must not cost the peers of the one that works.
async fn both<T, E>(
    first: Option<impl Future<Output = Result<T, E>>>,
    second: Option<impl Future<Output = Result<T, E>>>,
) -> (Option<Result<T, E>>, Option<T>) {
    let (first, second) = match (first, second) {
        (Some(first), Some(second)) => (first, second),
        (first, second) => return (maybe(first).await.or(maybe(second).await), None),
    };
    let begun = Instant::now();
    let (mut first, mut second) = (std::pin::pin!(first), std::pin::pin!(second));
    let grace = || {
        Instant::now()
            + (begun.elapsed() * 4).clamp(Duration::from_millis(500), Duration::from_secs(5))
    };
    let (early, late) = tokio::select! {
        outcome = &mut first => match outcome {
            Ok(_) => (outcome, timeout_at(grace(), second).await.ok()),
            Err(_) => (outcome, Some(second.await)),
        },
        outcome = &mut second => match outcome {
            Ok(_) => (outcome, timeout_at(grace(), first).await.ok()),
            Err(_) => (outcome, Some(first.await)),
        },
    };
    match (early, late) {
        (Ok(early), late) => (Some(Ok(early)), late.and_then(Result::ok)),
        (Err(_), Some(Ok(late))) => (Some(Ok(late)), None),
        (Err(error), _) => (Some(Err(error)), None),
    }
}

/// Longer than anybody waits, and within what an instant can hold.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(all(test, feature = "server"))]
mod tests;
