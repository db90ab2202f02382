//! Announce and scrape on tokio.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module is a driver: it owns the clock and the sockets"
)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tinytorrent_net::Network;
use tinytorrent_types::compact::Family;
use tinytorrent_types::{InfoHashes, WireInfoHash};
use tokio::time::Instant;

use crate::{
    AnnounceRequest, AnnounceResponse, DnsPreferences, Scheme, ScrapeResponse, TrackerUrl,
};

mod body;
mod config;
mod connect;
mod content_coding;
mod dns_txt;
mod error;
mod exchange;
mod families;
mod fetch;
#[doc(hidden)]
pub mod fuzzing;
mod hosts;
mod local;
mod redirect;
mod request;
mod resolve;
mod route;
mod udp;

pub use config::{ClientConfig, Families};
pub use error::{Error, ErrorKind, Phase};
use families::{both, first_success, maybe};
pub use fetch::Fetched;
use local::LocalAccess;
use request::{Coverage, Scrape, TrackerRequest};
use route::{Attempt, Route};

/// A client of trackers over UDP, HTTP and HTTPS, and over IPv4 and IPv6.
///
/// All requests over UDP share one socket for each family, or one relay of the
/// proxy of the [`Network`].
/// Dropping the future of a call cancels the request. A clone shares all sockets and settings.
///
/// URLs are taken to come from strangers, as those in a torrent do: a tracker at a local address
/// (loopback, link-local, private, or not routed on the public internet otherwise) is asked only
/// under a path that begins with `/announce`, or with `/scrape` for a scrape, and is sent no user
/// and password. [`trusting_urls`](Self::trusting_urls) is for the URLs of the user.
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
    trusts_urls: bool,
}

#[derive(Debug)]
struct Shared {
    config: ClientConfig,
    udp: udp::Sockets,
    resolved: resolve::Resolved,
    hosts: hosts::Hosts,
}

impl TrackerClient {
    /// A client with these settings. It opens no socket before its first request.
    pub fn new(config: ClientConfig) -> Self {
        let udp = udp::Sockets::new(&config);
        let (resolved, hosts) = <(resolve::Resolved, hosts::Hosts)>::default();
        let shared = Shared { config, udp, resolved, hosts };
        Self { shared: Arc::new(shared), trusts_urls: false }
    }

    /// The network that opens all sockets.
    fn network(&self) -> &Network {
        &self.shared.config.network
    }

    /// A client for URLs that the user has given, and no torrent: it asks local addresses under
    /// any path, with user and password. Redirects from a public address to a local one are refused
    /// all the same. It shares all sockets and settings with this one.
    pub fn trusting_urls(&self) -> Self {
        Self { trusts_urls: true, ..self.clone() }
    }

    /// Announces over each family that the tracker has addresses of, and merges the responses
    /// (BEP 7).
    ///
    /// # Errors
    /// If no family succeeds; the error is that of the family that failed first.
    pub async fn announce(
        &self,
        url: &TrackerUrl,
        request: &AnnounceRequest,
    ) -> Result<AnnounceResponse, Error> {
        self.ask(url, request).await
    }

    /// Announces a torrent under each of its hashes: once, or twice for a hybrid (BEP 52), and
    /// merges the responses. `request` is that of the first hash; the other announces no transfer,
    /// so that it is counted once.
    ///
    /// # Errors
    /// If the announce failed for every hash.
    pub async fn announce_all_hashes(
        &self,
        url: &TrackerUrl,
        hashes: &InfoHashes,
        request: &AnnounceRequest,
    ) -> Result<AnnounceResponse, Error> {
        let mut wire = hashes.wire_hashes();
        let first = wire.next().map(|info_hash| AnnounceRequest { info_hash, ..request.clone() });
        let second = wire.next().map(|info_hash| request.hybrid(info_hash));
        // Boxed, as in `ask_host`.
        let first = first.as_ref().map(|request| Box::pin(self.announce(url, request)));
        let second = second.as_ref().map(|request| Box::pin(self.announce(url, request)));
        let (first, second) = tokio::join!(maybe(first), maybe(second));
        // One of the two swarms is enough to download from.
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

    /// Requests the sizes of swarms, over the first family that answers. `url` is the announce
    /// URL.
    ///
    /// A scrape of many is several requests, one after the other: of at most 74 info-hashes over UDP
    /// (BEP 15), and of at most 64 over HTTP. Where an HTTP server finds that too long, the rest goes in
    /// requests of half as many, and so on. The response has the swarms in the order of `info_hashes`.
    ///
    /// # Errors
    /// [`ErrorKind::NotScrapable`] if the URL has no scrape URL beside it (BEP 48), and any
    /// error of the network, the tracker or its response.
    pub async fn scrape(
        &self,
        url: &TrackerUrl,
        info_hashes: &[WireInfoHash],
    ) -> Result<ScrapeResponse, Error> {
        let mut response = self.ask(url, &Scrape(info_hashes)).await?;
        let places: HashMap<_, usize> = info_hashes.iter().zip(0..).collect();
        // What was not asked for comes last.
        response.files.sort_by_key(|(hash, _)| places.get(hash).copied().unwrap_or(usize::MAX));
        Ok(response)
    }

    /// Sends a request through the proxy, or to each tracker that the URL stands for until one
    /// answers. `url` is the announce URL.
    async fn ask<R: TrackerRequest>(
        &self,
        url: &TrackerUrl,
        request: &R,
    ) -> Result<R::Response, Error> {
        let host = self.host_of(url);
        let turn = host.as_ref().map(|host| host.turn(url, request.is_urgent()));
        let _turn = maybe(turn).await.transpose()?;
        let deadline = after(self.shared.config.request_timeout);
        if self.network().proxy().is_some() {
            // No TXT records of BEP 34 here: a lookup would go past the proxy.
            let (url, local) = (request.url(url)?, self.access(R::LOCAL_PATHS));
            let route = self.route_to(&url, None, local, deadline).await?;
            let host = host.clone();
            return self.ask_over(Attempt { url, route, local, host, deadline }, request).await;
        }
        // No URL is preferred if the host denies that it runs a tracker (BEP 34).
        let mut outcome = Err(Error::new(url, Phase::Resolve, ErrorKind::DeniedByDns));
        for url in self.preferred(url).await {
            outcome = self.ask_host(&url, request, deadline).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// The URLs that the host of this one prefers (BEP 34), or the URL itself.
    async fn preferred(&self, url: &TrackerUrl) -> Vec<TrackerUrl> {
        let name = url.host_to_resolve();
        let server = self.shared.config.dns_server;
        // An IP address has no TXT records.
        let Some(server) = server.filter(|_| name.parse::<std::net::IpAddr>().is_err()) else {
            return vec![url.clone()];
        };
        let records = dns_txt::look_up(self.network(), server, name).await;
        match DnsPreferences::read(records) {
            Some(preferences) => preferences.apply(url),
            None => vec![url.clone()],
        }
    }

    /// Sends a request to a tracker over the families that it has addresses of.
    async fn ask_host<R: TrackerRequest>(
        &self,
        url: &TrackerUrl,
        request: &R,
        deadline: Instant,
    ) -> Result<R::Response, Error> {
        let (url, local) = (request.url(url)?, self.access(R::LOCAL_PATHS));
        let known = request.is_urgent().then(|| self.shared.resolved.get(&url));
        let mut addresses = match known.flatten() {
            Some(addresses) => addresses,
            None => self.resolve(&url, deadline).await?,
        };
        // Of those that are known, some may be avoided by now.
        let allowed = self.network().filter().retain_allowed(&mut addresses);
        allowed.map_err(|error| Error::new(&url, Phase::Resolve, error))?;
        // The addresses that are judged here are those that are connected to: a name that is looked
        // up twice can have two meanings (DNS rebinding).
        local.retain_allowed(&url, &mut addresses)?;
        let ask = |family| {
            let route = Route::over(family, &addresses)?;
            let host = self.host_of(&url);
            let attempt = Attempt { url: url.clone(), route, local, host, deadline };
            // Boxed, since each future that awaits this one would otherwise hold it in line.
            Some(Box::pin(self.ask_over(attempt, request)))
        };
        let (first, second) = match R::COVERAGE {
            Coverage::Every => both(ask(Family::V4), ask(Family::V6)).await,
            Coverage::First => (first_success(ask(Family::V4), ask(Family::V6)).await, None),
        };
        let mut response = first.ok_or_else(|| no_address(&url))??;
        if let Some(second) = second {
            R::merge(&mut response, second);
        }
        Ok(response)
    }

    /// The server of a URL, for turns and connections; `None` over UDP, where a socket serves all.
    fn host_of(&self, url: &TrackerUrl) -> Option<Arc<hosts::Host>> {
        (url.scheme() != Scheme::Udp).then(|| self.shared.hosts.of(url))
    }

    /// The requests that may go to local addresses, for a kind of request with these paths.
    fn access(&self, paths: &'static [&'static str]) -> LocalAccess {
        let is_lifted = self.trusts_urls || self.shared.config.allows_local;
        if is_lifted { LocalAccess::Full } else { LocalAccess::Under(paths) }
    }

    /// Sends a request on one route.
    async fn ask_over<R: TrackerRequest>(
        &self,
        attempt: Attempt,
        request: &R,
    ) -> Result<R::Response, Error> {
        match attempt.url.scheme() {
            Scheme::Udp => self.ask_udp(&attempt, request).await,
            Scheme::Http | Scheme::Https => self.ask_http(attempt, request).await,
        }
    }
}

/// The instant at which a timeout ends that begins now.
fn after(timeout: Duration) -> Instant {
    // `Instant + Duration` panics on overflow, and the settings take any duration.
    Instant::now() + timeout.min(MAX_TIMEOUT)
}

fn no_address(url: &TrackerUrl) -> Error {
    Error::new(url, Phase::Resolve, ErrorKind::NoAddress)
}

/// Longer than any request takes, and far below the limit of an `Instant`.
const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(all(test, feature = "server"))]
mod tests;
