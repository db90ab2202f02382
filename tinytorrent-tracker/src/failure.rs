use std::fmt;
use std::time::Duration;

use tinytorrent_types::Printable;

/// A tracker understood the request and refused it (`failure reason`, or action 3 over UDP).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tracker refused: {reason}")]
pub struct Refusal {
    /// What the tracker says, for people; made printable.
    pub reason: String,
    /// When to try again, if it said (BEP 31).
    pub retry_in: Option<RetryIn>,
}

/// When a tracker wants to hear from us again after a failure (BEP 31).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryIn {
    /// After this long.
    After(Duration),
    /// Never with this request.
    Never,
}

/// Why an announce brought nothing, as the [`Schedule`](crate::Schedule) needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The tracker answered, and said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Anything else: no address, no connection, no answer in time, no sense in the answer.
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    /// When the tracker wants to hear from us again, if it said.
    pub fn retry_in(&self) -> Option<RetryIn> {
        match self {
            Failure::Refused(refusal) => refusal.retry_in,
            Failure::Failed(_) => None,
        }
    }
}

/// Something in a reply that is against the rules and was read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// The key in the reply, or the part of the datagram.
    pub at: String,
    /// Where it stands in the reply, in bytes, if that is known.
    pub offset: Option<usize>,
    /// What is wrong with it.
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

/// Text of a tracker for people: lossy UTF-8, without a closing NUL, at most 1,000 characters, and
/// harmless to a terminal and a log.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let text: String = String::from_utf8_lossy(&bytes[..end]).chars().take(MAX_TEXT).collect();
    Printable(&text).to_string()
}

/// Enough for a sentence of any tracker, too little to flood a log.
const MAX_TEXT: usize = 1_000;

/// How a body begins that is not what was expected, with white space closed up: enough to
/// recognise a page.
pub(crate) fn beginning(body: &[u8]) -> String {
    let start = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
    let words: Vec<&str> = start.split_whitespace().collect();
    printable(words.join(" ").as_bytes())
}

/// Short enough for a log line.
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
