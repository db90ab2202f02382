use thiserror::Error;

/// Metadata that has come in whole, to be checked against the info-hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complete<P> {
    /// The bytes of the info dictionary, if nobody lied.
    pub bytes: Vec<u8>,
    /// Who sent them. If they are wrong and there is one only, it is guilty.
    pub contributors: Vec<P>,
    /// The only peer they were asked for from, if it was one.
    pub(super) only: Option<P>,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataOutcome {
    /// Kept.
    Stored,
    /// It is in place already; another peer was faster.
    Duplicate,
    /// This peer was not asked for this block. Ignored.
    Unasked,
    /// The block has the wrong length, or the total size is another one than was announced.
    /// Dropped; the peer rests.
    WrongSize,
}

/// A size that is not worth asking for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("metadata of {announced} bytes, where between 1 and {limit} are allowed")]
pub struct SizeRefused {
    /// What the peer announced.
    pub announced: u64,
    /// The most that is allowed.
    pub limit: u32,
}
