use thiserror::Error;

/// A breach of the framing by the peer, and its place in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{kind}, in the frame at byte {offset} after the handshake")]
pub struct DecodeError {
    /// Offset of the frame, in bytes since the handshake.
    pub offset: u64,
    /// The breach.
    pub kind: DecodeErrorKind,
}

/// A kind of breach of the framing. All are faults of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// Longer than [`Decoder::max_frame_length`](super::Decoder::max_frame_length).
    #[error("message of {length} bytes is over the limit of {limit}")]
    FrameTooLong {
        /// The length in the prefix.
        length: u32,
        /// The limit in force.
        limit: u32,
    },
    /// A message of fixed size has another one.
    #[error("{message} message of {found} bytes instead of {expected}")]
    WrongLength {
        /// Name of the message.
        message: &'static str,
        /// The due number of bytes, with the id.
        expected: usize,
        /// The number of bytes received, with the id.
        found: usize,
    },
    /// A message ends before its fixed part does.
    #[error("{message} message of {found} bytes instead of {least} or more")]
    TooShort {
        /// Name of the message.
        message: &'static str,
        /// The least number of bytes, with the id.
        least: usize,
        /// The number of bytes received, with the id.
        found: usize,
    },
    /// The hashes of a `hashes` message are not 32 bytes each.
    #[error("hashes message with {found} bytes of hashes, which is no multiple of 32")]
    RaggedHashes {
        /// Bytes after the fixed part.
        found: usize,
    },
}
