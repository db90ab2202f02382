use std::io;

use thiserror::Error;

use super::super::MseError;

/// The limits of a negotiation over a stream, and the treatment of a peer that begins without encryption.
///
/// No limit is a time, as nothing here reads a clock. Over a stream that blocks, give the socket a timeout: a peer
/// that sends a byte at a time holds the caller for [`max_reads`](Self::max_reads) of them. Elsewhere let a timer
/// drop the negotiation.
///
/// # Defaults
/// 4,096 bytes, 64 reads; a peer without encryption is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub(super) max_bytes: usize,
    pub(super) max_reads: u32,
    pub(super) accepts_plain: bool,
}

impl Policy {
    /// Limit of received bytes. The longest negotiation with a handshake of BEP 3 has 1,244; the bytes that a peer
    /// sends with it could be 65,535 by its rules, and are kept in memory.
    pub fn max_bytes(&mut self, bytes: usize) -> &mut Self {
        self.max_bytes = bytes;
        self
    }

    /// Limit of reads that bring something. A negotiation takes two or three; a network may cut it anywhere.
    pub fn max_reads(&mut self, reads: u32) -> &mut Self {
        self.max_reads = reads;
        self
    }

    /// Sets whether a peer that begins without encryption is accepted, if we are the [`Responder`]. The stream then
    /// passes all bytes through, and [`Stream::method`] is `None`.
    ///
    /// An [`Initiator`] cannot fall back: a peer that takes its key for a broken handshake hangs up. Connect again, and
    /// do without a negotiation.
    ///
    /// [`Initiator`]: super::super::Initiator
    /// [`Responder`]: super::super::Responder
    /// [`Stream::method`]: super::Stream::method
    pub fn accept_plain(&mut self, accept: bool) -> &mut Self {
        self.accepts_plain = accept;
        self
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_bytes: 4096, max_reads: 64, accepts_plain: false }
    }
}

/// The failure of a negotiation over a stream.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NegotiateError {
    /// The stream failed. A timeout of the socket is among these.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The peer closed the connection. Many that do not encrypt do so.
    #[error("the peer closed the connection")]
    Closed,
    /// The peer broke the rules, or nothing could be agreed upon.
    #[error(transparent)]
    Mse(#[from] MseError),
    /// The peer begins without encryption, which is not [accepted](Policy::accept_plain).
    #[error("the peer does not encrypt")]
    Plain,
    /// The limit of bytes or reads has come before the end.
    #[error("the negotiation is over the limit of {max_bytes} bytes in {max_reads} reads")]
    TooLong {
        /// The limit of bytes.
        max_bytes: usize,
        /// The limit of reads.
        max_reads: u32,
    },
}
