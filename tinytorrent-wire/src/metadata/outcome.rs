use thiserror::Error;

/// Complete metadata, to be checked against the info-hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complete<P> {
    /// The bytes of the info dictionary, unless a peer lied.
    pub bytes: Vec<u8>,
    /// The senders of the bytes. A sole sender of wrong bytes is guilty.
    pub contributors: Vec<P>,
    /// The announced size, of which the caller may have taken the bytes.
    pub(super) size: u32,
    /// The peer of a solo attempt.
    pub(super) only: Option<P>,
}

/// The effect of a `data` message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataOutcome {
    /// The block is stored.
    Stored,
    /// The block is there already: another peer was faster.
    Duplicate,
    /// The block was not requested of this peer, and is ignored.
    Unasked,
    /// The block has a wrong length, or the total size differs from the announced one. The block is
    /// dropped, and the peer gets no requests for a while.
    WrongSize,
}

/// An announced size outside the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("metadata of {announced} bytes, but 1 to {limit} are allowed")]
pub struct SizeRefused {
    /// The announced size.
    pub announced: u64,
    /// The limit.
    pub limit: u32,
}
