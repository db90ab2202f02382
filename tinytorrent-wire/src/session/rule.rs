use std::fmt;

use thiserror::Error;

use super::Side;

/// A rule of the conversation that a message can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Messages of the fast extension need both ends to have set its bit.
    FastAgreed,
    /// Extended messages need both ends to have set the bit.
    ExtendedAgreed,
    /// `port` needs both ends to have set the DHT bit.
    DhtAgreed,
    /// Messages about hashes need both ends to have set the v2 bit.
    V2Agreed,
    /// With the fast extension, the first message says which pieces its sender has.
    AvailabilityFirst,
    /// `bitfield`, `have all` and `have none` come before all else.
    AvailabilityNotLate,
    /// One of `bitfield`, `have all` and `have none` comes, once.
    AvailabilityOnce,
    /// A bitfield has one bit for each piece, rounded up to bytes.
    BitfieldLength,
    /// The bits after the last piece are zero.
    SpareBitsZero,
    /// `have` names a piece of the torrent.
    HaveInRange,
    /// A request asks for something.
    RequestNotEmpty,
    /// A request is no longer than is customary.
    RequestNotTooLong,
    /// A request lies inside one piece of the torrent.
    RequestInRange,
    /// Requests end some time after a choke.
    NoRequestFlood,
    /// A block answers a request.
    PieceRequested,
    /// Without the fast extension, blocks that answer nothing end some time after a choke.
    NoBlockFlood,
    /// A block has the length that was requested.
    PieceLength,
    /// A block has content.
    PieceNotEmpty,
    /// A reject answers a request.
    RejectRequested,
    /// Requests are not all rejected: a block comes between so many rejects.
    NoRejectFlood,
    /// Messages of the peer exchange come a minute apart.
    NoExchangeFlood,
    /// A request for hashes is of a power of two, from a multiple of it.
    HashRequestShape,
    /// `hashes` and `hash reject` answer a request for hashes.
    HashesRequested,
    /// `hashes` brings as many as were asked for, with their proof.
    HashesLength,
}

impl Rule {
    /// A short name, the same as that of the variant.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// The BEP that has the rule, and the section.
    pub const fn reference(self) -> &'static str {
        match self {
            Rule::FastAgreed => "BEP 6",
            Rule::ExtendedAgreed => "BEP 10",
            Rule::DhtAgreed => "BEP 5, \"BitTorrent protocol extension\"",
            Rule::V2Agreed => "BEP 52, \"upgrade path\"",
            Rule::AvailabilityFirst | Rule::AvailabilityNotLate | Rule::AvailabilityOnce => {
                "BEP 3, \"bitfield\"; BEP 6, \"have all/have none\""
            }
            Rule::BitfieldLength | Rule::SpareBitsZero => "BEP 3, \"bitfield\"",
            Rule::HaveInRange => "BEP 3, \"have\"",
            Rule::RequestNotEmpty | Rule::RequestNotTooLong | Rule::RequestInRange => {
                "BEP 3, \"request\""
            }
            Rule::NoRequestFlood => "BEP 6, \"reject request\"",
            Rule::PieceRequested | Rule::NoBlockFlood => "BEP 6, \"modifications to semantics\"",
            Rule::PieceLength | Rule::PieceNotEmpty => "BEP 3, \"piece\"",
            Rule::RejectRequested | Rule::NoRejectFlood => "BEP 6, \"reject request\"",
            Rule::NoExchangeFlood => "BEP 11, \"rate limit\"",
            Rule::HashRequestShape | Rule::HashesRequested | Rule::HashesLength => {
                "BEP 52, \"hash request\""
            }
        }
    }

    /// Returns true if a breach ends the conversation even when reading leniently: because a BEP leaves
    /// no choice, because what follows could not be made sense of, or because the peer would keep us
    /// busy for nothing.
    pub const fn is_always_fatal(self) -> bool {
        matches!(
            self,
            Rule::FastAgreed
                | Rule::BitfieldLength
                | Rule::HaveInRange
                | Rule::NoRequestFlood
                | Rule::PieceRequested
                | Rule::NoBlockFlood
                | Rule::RejectRequested
                | Rule::NoRejectFlood
                | Rule::NoExchangeFlood
                | Rule::HashesLength
        )
    }

    const fn text(self) -> &'static str {
        match self {
            Rule::FastAgreed => "the fast extension was not agreed upon",
            Rule::ExtendedAgreed => "the extension protocol was not agreed upon",
            Rule::DhtAgreed => "the dht was not agreed upon",
            Rule::V2Agreed => "version 2 was not agreed upon",
            Rule::AvailabilityFirst => "what its sender has must come first",
            Rule::AvailabilityNotLate => "it must come before all else",
            Rule::AvailabilityOnce => "what its sender has was said before",
            Rule::BitfieldLength => "it must have one bit for each piece",
            Rule::SpareBitsZero => "the bits after the last piece must be zero",
            Rule::HaveInRange => "there is no such piece",
            Rule::RequestNotEmpty => "it asks for nothing",
            Rule::RequestNotTooLong => "it asks for too much at once",
            Rule::RequestInRange => "it must lie inside one piece",
            Rule::NoRequestFlood => "too many requests that cannot be served",
            Rule::PieceRequested => "nobody asked for this block",
            Rule::NoBlockFlood => "too many blocks that nobody asked for",
            Rule::PieceLength => "the block has another length than was asked for",
            Rule::PieceNotEmpty => "the block has no content",
            Rule::RejectRequested => "it rejects what nobody asked for",
            Rule::NoRejectFlood => "too many rejects without a block between them",
            Rule::NoExchangeFlood => "peer exchange comes too often",
            Rule::HashRequestShape => "such a range of hashes cannot be asked for",
            Rule::HashesRequested => "nobody asked for these hashes",
            Rule::HashesLength => "the number of hashes is wrong",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text(), self.reference())
    }
}

/// A message that breaks a rule: the fault of whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{message} from {from}: {rule}")]
pub struct Violation {
    /// The side that sent it.
    pub from: Side,
    /// The name of the message.
    pub message: &'static str,
    /// The rule that it breaks.
    pub rule: Rule,
}
