use std::net::SocketAddr;

use bytes::Bytes;

use super::body::Body;
use super::exchange::{Answer, Get};
use super::{
    Attempt, Error, ErrorKind, LocalAccess, Phase, TrackerClient, TrackerRequest, redirect,
};
use crate::tracker_url::shortened;
use crate::{TrackerUrl, UrlError, UrlErrorKind};

/// The result of [`TrackerClient::fetch`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Fetched {
    /// A file.
    #[non_exhaustive]
    File {
        /// The body, decompressed.
        body: Bytes,
        /// The URL of the file, after all redirects.
        url: TrackerUrl,
        /// The error that ended the body early: the server closed the connection, or sent nothing
        /// for too long, before the announced length. Some servers announce a wrong length, so a
        /// file that marks its own end, as a torrent does, may be complete all the same.
        cut_short: Option<Error>,
    },
    /// A magnet link to which the server redirected.
    Magnet(String),
}

impl TrackerClient {
    /// Fetches a file, such as a torrent, of at most `max_bytes` over HTTP or HTTPS. The URL is
    /// taken to be the user's, and may lead to a local address.
    ///
    /// # Errors
    /// A status that is not one of success, a larger body, a body that ended before its first
    /// byte, and any error of the network.
    pub async fn fetch(&self, url: &str, max_bytes: usize) -> Result<Fetched, Error> {
        let url: TrackerUrl = url.parse().map_err(Error::url)?;
        if !redirect::is_http(&url) {
            let kind = UrlErrorKind::UnsupportedScheme(url.scheme().as_str().to_owned());
            return Err(Error::url(UrlError { url: url.to_string(), kind }));
        }
        let deadline = super::after(self.shared.config.request_timeout);
        let local = LocalAccess::Full;
        let route = self.route_to(&url, None, local, deadline).await?;
        let target = target_of(&url);
        let attempt = Attempt { url, route, local, host: None, deadline };
        match self.get(Get { attempt, target, max_bytes }).await? {
            Arrival::Magnet { link, .. } => Ok(Fetched::Magnet(link)),
            Arrival::Body { body, url, .. } => {
                body.check_status(&url)?;
                Ok(Fetched::File { body: body.bytes, url, cut_short: body.cut_short })
            }
        }
    }

    /// Sends a request to a tracker over HTTP or HTTPS, in as many parts as the tracker needs.
    pub(super) async fn ask_http<R: TrackerRequest>(
        &self,
        attempt: Attempt,
        request: &R,
    ) -> Result<R::Response, Error> {
        let (mut done, mut most, mut whole) = (0, MAX_TORRENTS, None);
        loop {
            let part = request.part(done, most);
            match self.ask_http_once(attempt.clone(), &part).await {
                Ok(response) => match &mut whole {
                    None => whole = Some(response),
                    Some(whole) => R::merge(whole, response),
                },
                Err(error) if part.torrents() > 1 && may_be_too_long(&error) => {
                    most = part.torrents().div_ceil(2);
                    continue;
                }
                Err(error) => return Err(error),
            }
            done += part.torrents();
            if done >= request.torrents() {
                return Ok(whole.unwrap_or_default());
            }
        }
    }

    async fn ask_http_once<R: TrackerRequest>(
        &self,
        attempt: Attempt,
        request: &R,
    ) -> Result<R::Response, Error> {
        let url = attempt.url.clone();
        let target = request.http_target(&url);
        let max_bytes = self.shared.config.max_body;
        match self.get(Get { attempt, target, max_bytes }).await? {
            Arrival::Body { body, peer, .. } => {
                let mut response = body.parse(&url, R::read_body)?;
                R::note_address(&mut response, peer);
                Ok(response)
            }
            Arrival::Magnet { from, link } => Err(redirect::forbidden(&from, shortened(&link))),
        }
    }

    /// Sends a request, and follows allowed redirects up to the limit.
    async fn get(&self, mut get: Get) -> Result<Arrival, Error> {
        let limit = self.shared.config.max_redirects;
        for _ in 0..=limit {
            let (answer, peer) = self.exchange(&get).await?;
            let url = &get.attempt.url;
            get = match answer {
                Answer::Body(body) => return Ok(Arrival::Body { body, url: url.clone(), peer }),
                Answer::Redirect(link) if redirect::is_magnet(&link) => {
                    return Ok(Arrival::Magnet { from: url.clone(), link });
                }
                Answer::Redirect(location) => self.redirected(get, peer, &location).await?,
            };
        }
        Err(get.attempt.error(Phase::Response, ErrorKind::TooManyRedirects(limit)))
    }

    /// The request to the target of a redirect, over the same family.
    async fn redirected(
        &self,
        get: Get,
        peer: Option<SocketAddr>,
        location: &str,
    ) -> Result<Get, Error> {
        let Attempt { url: from, route, local, deadline, .. } = get.attempt;
        let url = from.join(location);
        let url = url.map_err(|error| Error::new(&from, Phase::Response, error))?;
        let route = self.route_to(&url, route.family(), local, deadline).await?;
        // All addresses, also those that are not tried: which of them works is not known yet.
        self.check_redirect(&from, peer, &url, route.addresses())?;
        let target = target_of(&url);
        Ok(Get { attempt: Attempt { url, route, local, host: None, deadline }, target, ..get })
    }
}

/// True if a shorter request may succeed. Servers that find a request too long answer with 413, 414 or
/// 431, old ones and opentracker with 400 or 500, and some with nothing.
fn may_be_too_long(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Status { status, .. } => matches!(status, 400 | 413 | 414 | 431 | 500..=503),
        ErrorKind::BodyTooLarge(_) => true,
        ErrorKind::Http(error) => error.is_incomplete_message(),
        _ => false,
    }
}

/// The largest number of torrents in one scrape over HTTP. All bytes escaped, it makes a target of 4.5
/// KiB. Servers that have a limit take 8 KiB, headers and all, such as opentracker.
const MAX_TORRENTS: usize = 64;

/// The end of a chain of redirects.
enum Arrival {
    /// A body, from this address; `None` through a proxy.
    Body {
        body: Body,
        url: TrackerUrl,
        peer: Option<SocketAddr>,
    },
    Magnet {
        from: TrackerUrl,
        link: String,
    },
}

/// Path and query of a URL for the request line.
fn target_of(url: &TrackerUrl) -> String {
    // A request line has a slash at least (RFC 9112, section 3.2.1).
    match url.path_and_query() {
        tail if tail.starts_with('/') => tail.to_owned(),
        tail => format!("/{tail}"),
    }
}
