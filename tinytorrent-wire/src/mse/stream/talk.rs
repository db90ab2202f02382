use bytes::BytesMut;

use super::super::{Negotiated, Negotiation, Step};
use super::{NegotiateError, Policy, READ_LENGTH};

/// A negotiation under a [`Policy`], without the stream. The limits are counted here for blocking and asynchronous
/// streams alike.
pub(super) struct Talk<N> {
    end: N,
    policy: Policy,
    bytes: usize,
    reads: u32,
    /// Bytes that the caller has read, which the next step takes.
    pub(super) received: BytesMut,
}

pub(super) enum Outcome {
    /// The peer does not encrypt.
    Plain,
    Negotiated(Box<Negotiated>),
}

impl<N: Negotiation> Talk<N> {
    pub(super) fn new(end: N, policy: &Policy) -> Self {
        Self { end, policy: *policy, bytes: 0, reads: 0, received: BytesMut::new() }
    }

    /// Takes the received bytes, and appends those to send before the next read.
    pub(super) fn step(&mut self, out: &mut BytesMut) -> Result<Option<Outcome>, NegotiateError> {
        let step = self.end.handle_received(&mut self.received)?;
        self.end.poll_transmit(out);
        match step {
            Step::NeedMore => Ok(None),
            Step::Plain if self.policy.accepts_plain => Ok(Some(Outcome::Plain)),
            Step::Plain => Err(NegotiateError::Plain),
            Step::Done(negotiated) => Ok(Some(Outcome::Negotiated(negotiated))),
        }
    }

    /// Bytes that the next read may bring, at least one.
    pub(super) fn room(&self) -> Result<usize, NegotiateError> {
        let Policy { max_bytes, max_reads, .. } = self.policy;
        if self.bytes >= max_bytes || self.reads >= max_reads {
            return Err(NegotiateError::TooLong { max_bytes, max_reads });
        }
        Ok((max_bytes - self.bytes).min(READ_LENGTH))
    }

    /// Counts a read, whose bytes the caller appends.
    pub(super) fn note_read(&mut self, count: usize) -> Result<(), NegotiateError> {
        if count == 0 {
            return Err(NegotiateError::Closed);
        }
        self.bytes += count;
        self.reads += 1;
        Ok(())
    }
}
