use std::net::SocketAddr;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tinytorrent_types::compact::Family;
use tinytorrent_types::{AddressFilter, AddressVerdict};
use tokio::time::{Instant, timeout_at};

use super::basic_auth::basic_auth;
use super::body::{Body, decompress};
use super::connect::{Stream, within};
use super::resolve::of_family;
use super::{Error, ErrorKind, Phase, TrackerClient};
use crate::{Scheme, TrackerUrl};

/// What [`TrackerClient::fetch`] brought.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fetched {
    /// The body, decompressed.
    pub body: Bytes,
    /// Where it came from, after all redirects.
    pub url: TrackerUrl,
}

impl TrackerClient {
    /// Fetches a file, a .torrent say, over HTTP or HTTPS, of at most `max_bytes`.
    ///
    /// # Errors
    /// Another status than success, a larger body, and what else can happen on the way.
    pub async fn fetch(&self, url: &str, max_bytes: usize) -> Result<Fetched, Error> {
        let url: TrackerUrl = url.parse().map_err(Error::url)?;
        let deadline = Instant::now() + self.shared.config.request_timeout;
        let addresses = match self.shared.config.proxy {
            Some(_) => Vec::new(),
            None => self.resolve(&url, deadline).await?,
        };
        let target = match url.path_and_query() {
            tail if tail.starts_with('/') => tail.to_owned(),
            tail => format!("/{tail}"),
        };
        let request = Get { url: url.clone(), target, max_bytes, family: None };
        let (body, url) = self.get(request, addresses, deadline).await?;
        if !(200..300).contains(&body.status) {
            return Err(Error::new(&url, Phase::Response, body.to_status()));
        }
        Ok(Fetched { body: body.bytes, url })
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
        self.get(request, addresses.to_vec(), deadline).await.map(|(body, _)| body)
    }

    /// Follows redirects, as many as allowed and where it is allowed.
    async fn get(
        &self,
        mut request: Get,
        mut addresses: Vec<SocketAddr>,
        deadline: Instant,
    ) -> Result<(Body, TrackerUrl), Error> {
        let config = &self.shared.config;
        for _ in 0..=config.max_redirects {
            let usable: Vec<_> = match request.family {
                Some(family) => of_family(&addresses, family).collect(),
                None => addresses,
            };
            let (stream, peer) = self.connect(&request.url, usable.into_iter(), deadline).await?;
            let location = match self.exchange(&request, stream, deadline).await? {
                Answer::Body(body) => return Ok((body, request.url)),
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
            next.path_and_query().clone_into(&mut request.target);
            if !request.target.starts_with('/') {
                request.target.insert(0, '/');
            }
            request.url = next;
        }
        let kind = ErrorKind::TooManyRedirects(config.max_redirects);
        Err(Error::new(&request.url, Phase::Response, kind))
    }

    pub(super) fn check_redirect(
        &self,
        from: &TrackerUrl,
        peer: Option<SocketAddr>,
        to: &TrackerUrl,
        addresses: &[SocketAddr],
    ) -> Result<(), Error> {
        let config = &self.shared.config;
        let is_http = matches!(to.scheme(), Scheme::Http | Scheme::Https);
        let is_downgrade = from.scheme() == Scheme::Https && to.scheme() == Scheme::Http;
        let turns_private = match peer {
            Some(peer) => is_public(peer) && !addresses.iter().all(|address| is_public(*address)),
            // Through a proxy names are not ours to look up, and addresses speak for themselves.
            None => !is_private_literal(from) && is_private_literal(to),
        };
        if !is_http
            || (is_downgrade && !config.allows_downgrade)
            || (turns_private && !config.allows_private_redirects)
        {
            let kind = ErrorKind::ForbiddenRedirect(to.to_string());
            return Err(Error::new(from, Phase::Response, kind));
        }
        Ok(())
    }

    /// One request and its response over a fresh connection.
    async fn exchange(
        &self,
        get: &Get,
        stream: Box<dyn Stream>,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let handshake =
            http1::Builder::new().max_headers(MAX_HEADERS).handshake(TokioIo::new(stream));
        let (mut sender, connection) =
            within(&get.url, Phase::Request, deadline, handshake).await?;
        let request = self.build(get)?;
        let mut connection = pin!(connection);
        let mut conversation = pin!(async {
            let limit = self.read_deadline(deadline);
            let response =
                within(&get.url, Phase::Request, limit, sender.send_request(request)).await?;
            self.read_answer(get, response, deadline).await
        });
        let mut is_open = true;
        loop {
            tokio::select! {
                biased;
                answer = &mut conversation => return answer,
                // Its error reaches the conversation too, with a better place.
                _ = &mut connection, if is_open => is_open = false,
            }
        }
    }

    fn build(&self, get: &Get) -> Result<Request<Empty<Bytes>>, Error> {
        let url = &get.url;
        let host = if url.has_default_port() {
            url.host().to_owned()
        } else {
            format!("{}:{}", url.host(), url.port())
        };
        let mut request = Request::get(&get.target)
            .header(header::HOST, host)
            .header(header::ACCEPT_ENCODING, "gzip, deflate")
            .header(header::CONNECTION, "close");
        let user_agent = &self.shared.config.user_agent;
        if !user_agent.is_empty() {
            request = request.header(header::USER_AGENT, user_agent);
        }
        if let Some(user_info) = url.user_info() {
            request = request.header(header::AUTHORIZATION, basic_auth(user_info));
        }
        request
            .body(Empty::new())
            .map_err(|error| Error::new(url, Phase::Request, std::io::Error::other(error)))
    }

    async fn read_answer(
        &self,
        get: &Get,
        response: Response<Incoming>,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let status = response.status();
        let text = |name| response.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        if status.is_redirection()
            && let Some(location) = text(header::LOCATION)
        {
            return Ok(Answer::Redirect(location.to_owned()));
        }
        let encoding = text(header::CONTENT_ENCODING).map(str::to_owned);
        let too_large =
            || Error::new(&get.url, Phase::Read, ErrorKind::BodyTooLarge(get.max_bytes));
        let mut incoming = response.into_body();
        let mut bytes = BytesMut::new();
        loop {
            let frame = match timeout_at(self.read_deadline(deadline), incoming.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => break,
                Ok(Some(Err(error))) => return Err(Error::new(&get.url, Phase::Read, error)),
                Err(_) => return Err(Error::new(&get.url, Phase::Read, ErrorKind::TimedOut)),
            };
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > get.max_bytes {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
        let bytes = decompress(bytes.freeze(), encoding.as_deref(), get.max_bytes)
            .map_err(|kind| Error::new(&get.url, Phase::Read, kind))?;
        Ok(Answer::Body(Body { status: status.as_u16(), bytes }))
    }

    fn read_deadline(&self, deadline: Instant) -> Instant {
        deadline.min(Instant::now() + self.shared.config.read_timeout)
    }
}

struct Get {
    url: TrackerUrl,
    target: String,
    max_bytes: usize,
    /// Over which family; `None` for any.
    family: Option<Family>,
}

enum Answer {
    Body(Body),
    Redirect(String),
}

fn is_public(address: SocketAddr) -> bool {
    AddressFilter::new().refuse_bogons(true).judge(address) == AddressVerdict::Usable
}

fn is_private_literal(url: &TrackerUrl) -> bool {
    let ip = url.host_to_resolve().parse::<std::net::IpAddr>();
    ip.is_ok_and(|ip| !is_public(SocketAddr::new(ip, url.port())))
}

/// More than any honest server sends.
const MAX_HEADERS: usize = 100;
