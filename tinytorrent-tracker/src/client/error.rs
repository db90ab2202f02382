use std::fmt;
use std::io;

use crate::http::ResponseError;
use crate::udp::ExchangeError;
use crate::{Failure, Refusal, TrackerUrl, UrlError};

/// Why a tracker, or another HTTP server, gave no answer: which, in what phase, and what went
/// wrong.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {phase}: {kind}")]
pub struct Error {
    url: String,
    phase: Phase,
    kind: ErrorKind,
}

/// How far a request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Reading the URL.
    Url,
    /// Looking up the host.
    Resolve,
    /// Opening a connection, or a socket.
    Connect,
    /// Asking the proxy for a connection, or to relay datagrams.
    Proxy,
    /// Shaking hands over TLS.
    Tls,
    /// Sending, and waiting for the first byte.
    Request,
    /// Reading the body.
    Read,
    /// Making sense of the answer.
    Response,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It took too long.
    #[error("timed out")]
    TimedOut,
    /// The URL cannot be used.
    #[error("{}", .0.kind)]
    Url(#[from] UrlError),
    /// A UDP tracker, and an HTTP proxy, which cannot reach it; nothing goes past the proxy.
    #[error("udp trackers cannot be reached through an http proxy")]
    NotThroughProxy,
    /// The host says by DNS that it runs no tracker (BEP 34).
    #[error("the host says that it runs no tracker")]
    DeniedByDns,
    /// The host has no address of a family that is allowed.
    #[error("the host has no address of a family that is allowed")]
    NoAddress,
    /// The system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server does not speak HTTP, or broke off.
    #[error("{}", with_source(.0))]
    Http(hyper::Error),
    /// The server answered with an error status and nothing else of use.
    #[error("http status {status}, and the body begins with {start:?}")]
    Status {
        /// The status code.
        status: u16,
        /// The first bytes of the body, made printable.
        start: String,
    },
    /// The body is larger than the limit, in bytes.
    #[error("the body is larger than {0} bytes")]
    BodyTooLarge(usize),
    /// The body is compressed, and the compressed bytes are damaged or end early.
    #[error("the body cannot be decompressed: {0}")]
    Compression(String),
    /// More redirects than allowed.
    #[error("more than {0} redirects")]
    TooManyRedirects(usize),
    /// A redirect that leads to where it must not.
    #[error("refused to follow a redirect to {0}")]
    ForbiddenRedirect(String),
    /// The tracker has no scrape URL by the convention of BEP 48.
    #[error("this tracker cannot be scraped, as its path does not end in announce")]
    NotScrapable,
    /// The tracker refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The answer makes no sense.
    #[error(transparent)]
    Response(ResponseError),
    /// No answer over UDP, or one that makes no sense.
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

    /// How far the request got.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Whether time ran out, in whatever phase.
    pub fn is_timeout(&self) -> bool {
        let kind = &self.kind;
        matches!(kind, ErrorKind::TimedOut | ErrorKind::Exchange(ExchangeError::TimedOut { .. }))
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

/// For the [`Schedule`](crate::Schedule).
impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match &error.kind {
            ErrorKind::Refused(refusal) => Failure::Refused(refusal.clone()),
            _ => Failure::Failed(error.to_string()),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Url => "reading the url",
            Phase::Resolve => "looking up the host",
            Phase::Connect => "connecting",
            Phase::Proxy => "asking the proxy",
            Phase::Tls => "shaking hands over tls",
            Phase::Request => "waiting for the answer",
            Phase::Read => "reading the body",
            Phase::Response => "reading the answer",
        })
    }
}

fn with_source(error: &hyper::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
