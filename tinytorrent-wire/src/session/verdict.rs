use std::fmt;

use super::Rule;
use crate::Request;

/// One of the two sides of a conversation: the sender of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// We did.
    Us,
    /// The peer did.
    Peer,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Us => "us",
            Side::Peer => "the peer",
        })
    }
}

/// The way to take a message that breaks no rule, or none that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Act on it.
    Legal,
    /// Act on it; the other side's requests in the list will not be answered any more, and are
    /// not late: ask for them elsewhere.
    Void(Vec<Request>),
    /// Do nothing.
    Ignore(Ignored),
    /// Do not serve the request. With the fast extension, answer it with a reject.
    Refuse(Refusal),
}

/// The reason why a message has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// It breaks this rule, which lenient reading lets pass.
    Tolerated(Rule),
    /// It says nothing new.
    Known,
    /// A block that answers nothing, without the fast extension: a late one, at best.
    Late,
    /// A reject of a request that was cancelled: the answer that was due (BEP 6).
    Withdrawn,
    /// A cancel of what is not open, or whose answer has begun.
    NothingToCancel,
    /// Advice about a piece that does not exist.
    NoSuchPiece,
    /// Its id has no meaning here.
    Unknown,
}

/// The reason why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The asker is choked, and the piece not allowed fast.
    Choked,
    /// The asker has had its share of this allowed-fast piece.
    FastUsedUp,
    /// The metadata is not known, so nothing can be served.
    NoMetadata,
    /// The asked side never said that it has the piece.
    PieceMissing,
    /// Too many requests are open.
    QueueFull,
    /// It breaks this rule, which lenient reading answers with a refusal.
    Tolerated(Rule),
}
