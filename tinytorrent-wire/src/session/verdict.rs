use std::fmt;

use super::Rule;
use crate::Request;

/// One of the two sides of a conversation: the sender of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// We are the sender.
    Us,
    /// The peer is the sender.
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

/// The effect of a message that breaks no rule, or only one that is tolerated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Act on it.
    Legal,
    /// Act on it. These requests of the other side are void: no answer will come, so request the blocks
    /// elsewhere. That is no timeout.
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
    /// It breaks this rule, which is tolerated when lenient.
    Tolerated(Rule),
    /// It states nothing new.
    Known,
    /// A block without a request, without the fast extension. It may be late.
    Late,
    /// A reject of a cancelled request, which is its due answer (BEP 6); or a block that is too short for it.
    Withdrawn,
    /// A cancel of a request that is not open, or whose answer has begun.
    NothingToCancel,
    /// A suggestion of a piece that does not exist.
    NoSuchPiece,
    /// Its id is unknown.
    Unknown,
}

/// The reason why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The sender is choked, and the piece is not allowed fast.
    Choked,
    /// The sender has had its share of this allowed-fast piece.
    FastUsedUp,
    /// The metadata is unknown, so that nothing can be served.
    NoMetadata,
    /// The receiver has not announced the piece.
    PieceMissing,
    /// The request queue is full.
    QueueFull,
    /// It breaks this rule, which is a refusal and no violation when lenient.
    Tolerated(Rule),
}
