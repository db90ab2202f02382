use std::fmt;
use std::time::Duration;

use tinytorrent_types::Printable;

/// A refusal of a request by a tracker (`failure reason`, or action 3 over UDP).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tracker refused: {reason}")]
pub struct Refusal {
    /// The message of the tracker, made printable.
    pub reason: String,
    /// The time of the next try, if the tracker gave one (BEP 31).
    pub retry_in: Option<RetryIn>,
}

impl Refusal {
    /// A refusal that leaves the time of the next try to the client.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry_in: None }
    }
}

/// The time of the next try that a tracker allows after a failure (BEP 31).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryIn {
    /// After this long.
    After(Duration),
    /// Never with this request.
    Never,
}

/// The failure of an announce, in the form that the [`Schedule`](crate::Schedule) takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A refusal by the tracker.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Any other failure: no address, no connection, a timeout, or a malformed response.
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    /// The time of the next try, if the tracker gave one.
    pub fn retry_in(&self) -> Option<RetryIn> {
        match self {
            Failure::Refused(refusal) => refusal.retry_in,
            Failure::Failed(_) => None,
        }
    }
}

/// A breach of the rules in a response that could be read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// The key in the response, or the part of the datagram.
    pub at: String,
    /// Its offset in the response, in bytes, if that is known.
    pub offset: Option<usize>,
    /// A description of the breach.
    pub what: String,
}

impl Deviation {
    pub(crate) fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), offset: None, what: what.into() }
    }

    pub(crate) fn at_offset(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)?;
        self.offset.map_or(Ok(()), |offset| write!(f, " (at byte {offset})"))
    }
}

/// Text of a tracker for display: at most 1,000 characters, safe for a terminal and a log.
pub(crate) fn printable(bytes: &[u8]) -> String {
    // Trackers in C send the NUL that ends a string.
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let text: String = String::from_utf8_lossy(&bytes[..end]).chars().take(MAX_TEXT).collect();
    Printable(&text).to_string()
}

/// A guess: longer than the sentences of known trackers, and short enough for a log.
const MAX_TEXT: usize = 1_000;

/// The beginning of a body for an error message, with single spaces for white space.
pub(crate) fn beginning(body: &[u8]) -> String {
    // A user recognises a login page by its title, which may be some lines down.
    let start = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
    let words: Vec<&str> = start.split_whitespace().collect();
    printable(words.join(" ").as_bytes())
}

/// A guess: two lines of a terminal.
const SHOWN: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_page_is_one_readable_line() {
        assert_eq!(
            beginning(b"<html>\r\n\t<title>Log  in\x1b[0m"),
            "<html> <title>Log in\u{fffd}[0m"
        );
        assert_eq!(beginning(&[b'x'; 1000]), "x".repeat(SHOWN));
        assert_eq!(beginning(b""), "");
    }
}
