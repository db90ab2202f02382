use thiserror::Error;

/// How a peer broke the framing, and where in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{kind}, in the frame at byte {offset} after the handshake")]
pub struct DecodeError {
    /// Where the frame begins, in bytes since the handshake.
    pub offset: u64,
    /// What is wrong with it.
    pub kind: DecodeErrorKind,
}

/// How a peer broke the framing. All are the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// Longer than [`Decoder::max_frame_length`](super::Decoder::max_frame_length).
    #[error("message of {length} bytes is over the limit of {limit}")]
    FrameTooLong {
        /// What the prefix claims.
        length: u32,
        /// The limit in force.
        limit: u32,
    },
    /// A message of fixed size has another one.
    #[error("{message} message of {found} bytes where {expected} were due")]
    WrongLength {
        /// Name of the message.
        message: &'static str,
        /// Bytes that are due, with the id.
        expected: usize,
        /// Bytes that came, with the id.
        found: usize,
    },
    /// A message ends before its fixed part does.
    #[error("{message} message of {found} bytes where {least} or more were due")]
    TooShort {
        /// Name of the message.
        message: &'static str,
        /// The least that is due, with the id.
        least: usize,
        /// Bytes that came, with the id.
        found: usize,
    },
    /// The hashes of a `hashes` message are not 32 bytes each.
    #[error("hashes message whose {found} bytes of hashes are no multiple of 32")]
    RaggedHashes {
        /// Bytes after the fixed part.
        found: usize,
    },
}
