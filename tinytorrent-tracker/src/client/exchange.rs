use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tinytorrent_net::UserInfo;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::body::Body;
use super::hosts::Connection;
use super::{Attempt, Error, ErrorKind, Phase, TrackerClient, content_coding, redirect};

/// A request for one resource.
pub(super) struct Get {
    pub(super) attempt: Attempt,
    /// Path and query, as they stand in the request line.
    pub(super) target: String,
    /// The largest body to take.
    pub(super) max_bytes: usize,
}

/// The response to one request.
pub(super) enum Answer {
    Body(Body),
    /// The `Location` of a redirect.
    Redirect(String),
}

impl TrackerClient {
    /// Sends a request, over a connection that others have used if there is one, and reads the response. Returns the
    /// address that was connected to, too; `None` through a proxy.
    pub(super) async fn exchange(&self, get: &Get) -> Result<(Answer, Option<SocketAddr>), Error> {
        let attempt = &get.attempt;
        if let Some(used) = attempt.host.as_ref().and_then(|host| host.take(&attempt.route)) {
            let peer = used.peer;
            match self.converse(get, used).await {
                // The server has closed it meanwhile.
                Err(Error { phase: Phase::Request, kind: ErrorKind::Http(_), .. }) => {}
                outcome => return outcome.map(|answer| (answer, peer)),
            }
        }
        let (stream, peer) = self.connect(attempt).await?;
        let handshake = lenient_http().handshake(TokioIo::new(stream));
        let (sender, connection) =
            attempt.within(Phase::Request, attempt.deadline, handshake).await?;
        let mut task = JoinSet::new();
        // Its error reaches the conversation too, which knows the phase.
        task.spawn(async { _ = connection.await });
        let answer = self.converse(get, Connection { sender, peer, task }).await?;
        Ok((answer, peer))
    }

    /// Sends a request and reads the response. The connection is kept if others wait for the server: some servers
    /// announce a longer body than they send, which only the end of the connection tells soon.
    async fn converse(&self, get: &Get, mut connection: Connection) -> Result<Answer, Error> {
        let attempt = &get.attempt;
        let sharing = attempt.host.as_ref().filter(|host| host.has_others());
        let request = self.build(get, connection.peer, sharing.is_some())?;
        let response = connection.sender.send_request(request);
        let deadline = self.read_deadline(attempt);
        let response = attempt.within(Phase::Request, deadline, response).await?;
        let answer = self.read_answer(get, response).await;
        if let (Some(host), Ok(Answer::Body(Body { cut_short: None, .. }))) = (sharing, &answer) {
            host.keep(connection);
        }
        answer
    }

    fn build(
        &self,
        get: &Get,
        peer: Option<SocketAddr>,
        keeps: bool,
    ) -> Result<Request<Empty<Bytes>>, Error> {
        let url = &get.attempt.url;
        let host = if url.has_default_port() {
            url.host().to_owned()
        } else {
            format!("{}:{}", url.host(), url.port())
        };
        let mut request = Request::get(&get.target)
            .header(header::HOST, host)
            .header(header::ACCEPT_ENCODING, "gzip, deflate");
        if !keeps {
            request = request.header(header::CONNECTION, "close");
        }
        let user_agent = &self.shared.config.user_agent;
        if !user_agent.is_empty() {
            request = request.header(header::USER_AGENT, user_agent);
        }
        let sends_credentials = get.attempt.local.sends_credentials(url, peer);
        if let Some(user_info) = url.user_info().filter(|_| sends_credentials) {
            request =
                request.header(header::AUTHORIZATION, UserInfo::of_url(user_info).basic_auth());
        }
        request
            .body(Empty::new())
            .map_err(|error| get.attempt.error(Phase::Request, std::io::Error::other(error)))
    }

    async fn read_answer(&self, get: &Get, response: Response<Incoming>) -> Result<Answer, Error> {
        let status = response.status();
        if let Some(location) = redirect::location(status, response.headers()) {
            return Ok(Answer::Redirect(location));
        }
        let encodings = content_encodings(response.headers());
        let (bytes, cut_short) = self.read_body(get, response.into_body()).await?;
        match (content_coding::decode(bytes, &encodings, get.max_bytes), cut_short) {
            (Ok(bytes), cut_short) => {
                Ok(Answer::Body(Body { status: status.as_u16(), bytes, cut_short }))
            }
            // A stream that was cut short cannot be decompressed, and the cut is the cause.
            (Err(ErrorKind::Compression(_)), Some(cut_short)) => Err(cut_short),
            (Err(kind), _) => Err(get.attempt.error(Phase::Read, kind)),
        }
    }

    /// Reads a body. The error is the one that ended it early.
    async fn read_body(
        &self,
        get: &Get,
        mut incoming: Incoming,
    ) -> Result<(Bytes, Option<Error>), Error> {
        let failed = |kind| get.attempt.error(Phase::Read, kind);
        let mut bytes = BytesMut::new();
        let cut_short = loop {
            let frame = match timeout_at(self.read_deadline(&get.attempt), incoming.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => break None,
                Ok(Some(Err(error))) => break Some(failed(error.into())),
                Err(_) => break Some(failed(ErrorKind::TimedOut)),
            };
            // The other frames are trailers, and no tracker uses these.
            let Ok(data) = frame.into_data() else { continue };
            // Checked before the bytes are kept: the length in the header is only a claim.
            if bytes.len() + data.len() > get.max_bytes {
                return Err(failed(ErrorKind::BodyTooLarge(get.max_bytes)));
            }
            bytes.extend_from_slice(&data);
        };
        match cut_short {
            Some(error) if bytes.is_empty() => Err(error),
            cut_short => Ok((bytes.freeze(), cut_short)),
        }
    }

    fn read_deadline(&self, attempt: &Attempt) -> Instant {
        attempt.deadline_of_step(self.shared.config.read_timeout)
    }
}

/// Settings for HTTP/1 that are as lenient as browsers are.
fn lenient_http() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Many trackers are scripts that write their own headers.
    builder
        .max_headers(MAX_HEADERS)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true);
    builder
}

/// All codings that the headers name, in the order in which they were applied.
fn content_encodings(headers: &HeaderMap) -> String {
    // Several headers of a name mean the same as one with their values in a list (RFC 9110, 5.3).
    let lines = headers.get_all(header::CONTENT_ENCODING);
    let lines: Vec<&str> = lines.iter().filter_map(|line| line.to_str().ok()).collect();
    lines.join(",")
}

/// The default of hyper, stated so that another version does not change it.
const MAX_HEADERS: usize = 100;
