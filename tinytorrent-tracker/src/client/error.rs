use std::fmt;
use std::io;

use crate::http::ResponseError;
use crate::udp::ExchangeError;
use crate::{Failure, Refusal, TrackerUrl, UrlError};

/// An error of a request to a tracker or another HTTP server, with the URL and the phase.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {phase}: {kind}")]
pub struct Error {
    url: String,
    pub(super) phase: Phase,
    pub(super) kind: ErrorKind,
}

/// The phase of a request in which an error occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Parsing the URL.
    Url,
    /// Waiting for other requests to the same server.
    Turn,
    /// Resolving the host.
    Resolve,
    /// Opening a connection, or a socket.
    Connect,
    /// Opening a connection or a relay of datagrams through the proxy.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// Sending the request, and waiting for the first byte of the response.
    Request,
    /// Reading the body of the response.
    Read,
    /// Parsing the response.
    Response,
}

/// The cause of an [`Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A timeout or the deadline passed.
    #[error("timed out")]
    TimedOut,
    /// The URL cannot be used.
    #[error("{}", .0.kind)]
    Url(#[from] UrlError),
    /// The tracker speaks UDP, and an HTTP proxy cannot relay that. No request bypasses a proxy.
    #[error("udp trackers cannot be reached through an http proxy")]
    NotThroughProxy,
    /// The DNS records of the host deny that it runs a tracker (BEP 34).
    #[error("the dns records of the host deny that it runs a tracker")]
    DeniedByDns,
    /// The host has no address of a family that is allowed.
    #[error("the host has no address of a family that is allowed")]
    NoAddress,
    /// The host has local addresses only, and the URL is none that may be requested there. The
    /// remedies are [`TrackerClient::trusting_urls`](super::TrackerClient::trusting_urls) and
    /// [`ClientConfig::allow_local`](super::ClientConfig::allow_local).
    #[error("the host is at a local address, where only paths of trackers are asked, as /announce")]
    LocalAddress,
    /// The operating system returned an error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The response is not HTTP, or the connection ended early.
    #[error("{}", with_source(.0))]
    Http(hyper::Error),
    /// The response has an error status, and its body is no response of a tracker.
    #[error("http status {status}, and the body begins with {start:?}")]
    Status {
        /// The status code.
        status: u16,
        /// The first bytes of the body, made printable.
        start: String,
    },
    /// The body is larger than this limit, in bytes.
    #[error("the body is larger than {0} bytes")]
    BodyTooLarge(usize),
    /// The body is compressed, and the compressed bytes are damaged or end early.
    #[error("the body cannot be decompressed: {0}")]
    Compression(String),
    /// There were more redirects than this limit.
    #[error("more than {0} redirects")]
    TooManyRedirects(usize),
    /// A redirect to this URL, which is not allowed.
    #[error("refused to follow a redirect to {0}")]
    ForbiddenRedirect(String),
    /// The tracker has no scrape URL by the convention of BEP 48.
    #[error("this tracker cannot be scraped, as its path does not end in announce")]
    NotScrapable,
    /// The tracker refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The body of the response cannot be parsed.
    #[error(transparent)]
    Response(ResponseError),
    /// No usable reply came over UDP.
    #[error(transparent)]
    Exchange(ExchangeError),
}

impl Error {
    pub(super) fn new(url: &TrackerUrl, phase: Phase, kind: impl Into<ErrorKind>) -> Self {
        Self { url: url.to_string(), phase, kind: kind.into() }
    }

    pub(super) fn url(error: UrlError) -> Self {
        Self { url: error.url.clone(), phase: Phase::Url, kind: error.into() }
    }

    /// The phase of the request in which the error occurred.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The cause of the error.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// True if a timeout passed, in any phase.
    pub fn is_timeout(&self) -> bool {
        match &self.kind {
            ErrorKind::TimedOut | ErrorKind::Exchange(ExchangeError::TimedOut { .. }) => true,
            ErrorKind::Io(error) => error.kind() == io::ErrorKind::TimedOut,
            _ => false,
        }
    }
}

impl From<hyper::Error> for ErrorKind {
    fn from(error: hyper::Error) -> Self {
        ErrorKind::Http(error)
    }
}

impl From<ResponseError> for ErrorKind {
    fn from(error: ResponseError) -> Self {
        match error {
            // One variant for a refusal over HTTP and over UDP, so that a caller has one case.
            ResponseError::Refused(refusal) => ErrorKind::Refused(refusal),
            other => ErrorKind::Response(other),
        }
    }
}

impl From<ExchangeError> for ErrorKind {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Refused(refusal) => ErrorKind::Refused(refusal),
            other => ErrorKind::Exchange(other),
        }
    }
}

/// The form in which the [`Schedule`](crate::Schedule) takes an error.
impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match &error.kind {
            // The schedule obeys the `retry in` of a refusal (BEP 31).
            ErrorKind::Refused(refusal) => Failure::Refused(refusal.clone()),
            _ => Failure::Failed(error.to_string()),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Url => "parsing the url",
            Phase::Turn => "waiting for its turn",
            Phase::Resolve => "resolving the host",
            Phase::Connect => "connecting",
            Phase::Proxy => "asking the proxy",
            Phase::Tls => "tls handshake",
            Phase::Request => "waiting for the answer",
            Phase::Read => "reading the body",
            Phase::Response => "reading the answer",
        })
    }
}

fn with_source(error: &hyper::Error) -> String {
    use std::error::Error as _;
    // The message of hyper names the step that failed, and its source the reason.
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
