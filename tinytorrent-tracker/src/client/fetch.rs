use std::net::SocketAddr;

use bytes::Bytes;
use tinytorrent_types::compact::Family;
use tokio::time::Instant;

use super::body::Body;
use super::exchange::{Answer, Get};
use super::resolve::of_family;
use super::{Error, ErrorKind, Phase, TrackerClient, redirect};
use crate::tracker_url::shortened;
use crate::{TrackerUrl, UrlError, UrlErrorKind};

/// What [`TrackerClient::fetch`] brought.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fetched {
    /// A file.
    #[non_exhaustive]
    File {
        /// The body, decompressed.
        body: Bytes,
        /// The URL that it came from, after all redirects.
        url: TrackerUrl,
        /// The reason why the body is not known to be whole: the server closed the connection, or
        /// fell silent, before it had sent what it announced. Some announce a wrong length, so a
        /// file that says itself where it ends, as a torrent does, may be there to the last byte.
        cut_short: Option<Error>,
    },
    /// A magnet link to which the server redirected.
    Magnet(String),
}

impl TrackerClient {
    /// Fetches a file, a .torrent say, over HTTP or HTTPS, of at most `max_bytes`.
    ///
    /// # Errors
    /// Another status than success, a larger body, a body of which nothing came, and what else can
    /// happen on the way.
    pub async fn fetch(&self, url: &str, max_bytes: usize) -> Result<Fetched, Error> {
        let url: TrackerUrl = url.parse().map_err(Error::url)?;
        if !redirect::is_http(&url) {
            let kind = UrlErrorKind::UnsupportedScheme(url.scheme().as_str().to_owned());
            return Err(Error::url(UrlError { url: url.to_string(), kind }));
        }
        let deadline = self.deadline();
        let addresses = match self.shared.config.proxy {
            Some(_) => Vec::new(),
            None => self.resolve(&url, deadline).await?,
        };
        let target = target_of(&url);
        let request = Get { url, target, max_bytes, family: None };
        match self.get(request, addresses, deadline).await? {
            Arrival::Magnet { link, .. } => Ok(Fetched::Magnet(link)),
            Arrival::Body { body, url } => {
                body.check_status(&url)?;
                Ok(Fetched::File { body: body.bytes, url, cut_short: body.cut_short })
            }
        }
    }

    /// Asks a tracker over one family, or through the proxy.
    pub(super) async fn get_tracker(
        &self,
        url: &TrackerUrl,
        target: &str,
        addresses: &[SocketAddr],
        family: Option<Family>,
        deadline: Instant,
    ) -> Result<Body, Error> {
        let max_bytes = self.shared.config.max_body;
        let (url, target) = (url.clone(), target.to_owned());
        let request = Get { url, target, max_bytes, family };
        match self.get(request, addresses.to_vec(), deadline).await? {
            Arrival::Body { body, .. } => Ok(body),
            Arrival::Magnet { from, link } => Err(redirect::forbidden(&from, shortened(&link))),
        }
    }

    /// Follows redirects, as many as allowed and where it is allowed.
    async fn get(
        &self,
        mut request: Get,
        mut addresses: Vec<SocketAddr>,
        deadline: Instant,
    ) -> Result<Arrival, Error> {
        let config = &self.shared.config;
        for _ in 0..=config.max_redirects {
            let usable: Vec<_> = match request.family {
                Some(family) => of_family(&addresses, family).collect(),
                None => addresses,
            };
            let (stream, peer) = self.connect(&request.url, usable.into_iter(), deadline).await?;
            let location = match self.exchange(&request, stream, deadline).await? {
                Answer::Body(body) => return Ok(Arrival::Body { body, url: request.url }),
                Answer::Redirect(link) if redirect::is_magnet(&link) => {
                    return Ok(Arrival::Magnet { from: request.url, link });
                }
                Answer::Redirect(location) => location,
            };
            let next = request.url.join(&location);
            let next = next.map_err(|error| Error::new(&request.url, Phase::Response, error))?;
            addresses = match config.proxy {
                Some(_) => Vec::new(),
                None => self.resolve(&next, deadline).await?,
            };
            if let Some(family) = request.family {
                addresses.retain(|address| Family::of(address.ip()) == family);
            }
            self.check_redirect(&request.url, peer, &next, &addresses)?;
            request.target = target_of(&next);
            request.url = next;
        }
        let kind = ErrorKind::TooManyRedirects(config.max_redirects);
        Err(Error::new(&request.url, Phase::Response, kind))
    }
}

/// Where a request ends after all redirects.
enum Arrival {
    Body { body: Body, url: TrackerUrl },
    Magnet { from: TrackerUrl, link: String },
}

/// Path and query for the request line, which has a slash at least.
fn target_of(url: &TrackerUrl) -> String {
    match url.path_and_query() {
        tail if tail.starts_with('/') => tail.to_owned(),
        tail => format!("/{tail}"),
    }
}
