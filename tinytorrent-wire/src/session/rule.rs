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
    /// With the fast extension, the first message states the pieces of its sender.
    AvailabilityFirst,
    /// `bitfield`, `have all` and `have none` come before all else.
    AvailabilityNotLate,
    /// At most one of `bitfield`, `have all` and `have none` comes.
    AvailabilityOnce,
    /// A bitfield has one bit for each piece, rounded up to bytes.
    BitfieldLength,
    /// The bits after the last piece are zero.
    SpareBitsZero,
    /// `have` names a piece of the torrent.
    HaveInRange,
    /// A request is not empty.
    RequestNotEmpty,
    /// A request is no longer than the limit.
    RequestNotTooLong,
    /// A request lies inside one piece of the torrent.
    RequestInRange,
    /// Requests that are refused come to an end, after a choke for example.
    NoRequestFlood,
    /// A block answers a request.
    PieceRequested,
    /// Without the fast extension, blocks without a request come to an end after a choke.
    NoBlockFlood,
    /// A block has the length that was requested.
    PieceLength,
    /// A block has content.
    PieceNotEmpty,
    /// A reject answers a request.
    RejectRequested,
    /// Some requests are answered with blocks, and not all with rejects.
    NoRejectFlood,
    /// Messages of the peer exchange come a minute apart.
    NoExchangeFlood,
    /// Messages of the hole punching come to an end.
    NoHolepunchFlood,
    /// A request for hashes is of a power of two, from a multiple of it.
    HashRequestShape,
    /// `hashes` and `hash reject` answer a request for hashes.
    HashesRequested,
    /// `hashes` has as many hashes as were requested, with their proof.
    HashesLength,
}

impl Rule {
    /// A short name, the same as that of the variant.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// The BEP and the section of the rule.
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
            Rule::NoHolepunchFlood => "BEP 55",
            Rule::HashRequestShape | Rule::HashesRequested | Rule::HashesLength => {
                "BEP 52, \"hash request\""
            }
        }
    }

    /// Returns true if a breach ends a lenient conversation as well: because a BEP demands it, because later
    /// messages could not be understood, or because the peer only wastes our time.
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
                | Rule::NoHolepunchFlood
                | Rule::HashesLength
        )
    }

    const fn text(self) -> &'static str {
        match self {
            Rule::FastAgreed => "the fast extension was not agreed upon",
            Rule::ExtendedAgreed => "the extension protocol was not agreed upon",
            Rule::DhtAgreed => "the dht was not agreed upon",
            Rule::V2Agreed => "version 2 was not agreed upon",
            Rule::AvailabilityFirst => "the pieces of the sender must be stated first",
            Rule::AvailabilityNotLate => "it must be the first message",
            Rule::AvailabilityOnce => "the pieces of the sender were stated before",
            Rule::BitfieldLength => "the bitfield must have one bit for each piece",
            Rule::SpareBitsZero => "the bits after the last piece must be zero",
            Rule::HaveInRange => "there is no such piece",
            Rule::RequestNotEmpty => "the request is empty",
            Rule::RequestNotTooLong => "the request is too long",
            Rule::RequestInRange => "the request must lie inside one piece",
            Rule::NoRequestFlood => "too many requests that cannot be served",
            Rule::PieceRequested => "the block was not requested",
            Rule::NoBlockFlood => "too many blocks that were not requested",
            Rule::PieceLength => "the block has another length than was requested",
            Rule::PieceNotEmpty => "the block has no content",
            Rule::RejectRequested => "it rejects what nobody asked for",
            Rule::NoRejectFlood => "too many rejects without a block between them",
            Rule::NoExchangeFlood => "too many messages of the peer exchange",
            Rule::NoHolepunchFlood => "too many messages of the hole punching",
            Rule::HashRequestShape => "the range of hashes is invalid",
            Rule::HashesRequested => "the hashes were not requested",
            Rule::HashesLength => "the number of hashes is wrong",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text(), self.reference())
    }
}

/// A message that breaks a rule, by the fault of its sender.
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
