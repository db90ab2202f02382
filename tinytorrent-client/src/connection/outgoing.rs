use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tinytorrent_types::BlockInfo;
use tinytorrent_wire::{Message, PieceHeader};
use tokio::sync::mpsc;
use tracing::Span;

use crate::memory::{Charge, Holder};

/// Bytes of messages that may wait for a peer although the memory is spent: one long answer.
const ALLOWANCE: usize = 16 << 10;

/// The same for messages that the peer did not ask for, and that cannot wait: `have`, for instance. A
/// peer with more of them does not read, and is disconnected.
const MAX_ALLOWANCE: usize = 64 << 10;

/// Bytes of an entry in the queue beside its message.
const ENTRY: usize = 128;

/// An entry in the queue of a connection.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(super) bytes: Bytes,
    /// The block that is served once these bytes are written.
    pub(super) served: Option<BlockInfo>,
    pub(super) _hold: Hold,
}

/// The charge for bytes that wait to be sent.
#[derive(Debug)]
pub(crate) enum Hold {
    /// A charge for these bytes alone.
    Own(#[expect(dead_code, reason = "dropping it gives it back")] Charge),
    /// A charge for a larger allocation, of which these bytes are a part.
    Part(#[expect(dead_code, reason = "dropping it gives it back")] Arc<Charge>),
}

/// Returns `true` if a peer reads the answers to its messages too slowly. Until it has read some, no
/// further message of it is taken.
///
/// Both ends may think so of each other, and then neither reads. The engine closes such a connection, as
/// it does with every peer that is silent for long.
pub(crate) fn is_congested(messages: &Holder) -> bool {
    let held = messages.held();
    held > ALLOWANCE && held > messages.free() / 2
}

/// The sender of a connection. When it is dropped, the connection writes its queue and ends.
#[derive(Debug)]
pub(crate) struct Link {
    sender: mpsc::UnboundedSender<Outgoing>,
    /// The holder of the messages in the queue.
    charged: Holder,
    /// Encoded messages of this turn.
    messages: BytesMut,
    /// A message was dropped, as the queue was full.
    is_full: bool,
    /// The payload of the connection is encrypted.
    pub(crate) is_encrypted: bool,
    /// The span of what is logged about the peer.
    span: Span,
}

impl Link {
    /// Makes a link whose messages charge this holder. Returns the receiver for the connection, too. What is
    /// logged about the peer belongs into the span.
    pub(crate) fn new(charged: Holder, span: Span) -> (Self, mpsc::UnboundedReceiver<Outgoing>) {
        // Unbounded, as the driver must not wait for a peer. The memory limits the bytes instead.
        let (sender, receiver) = mpsc::unbounded_channel();
        let messages = BytesMut::new();
        (Self { sender, charged, messages, is_full: false, is_encrypted: false, span }, receiver)
    }

    /// The span of what is logged about the peer.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Appends a message to those of this turn, which [`flush`](Self::flush) sends. A full queue
    /// drops the message, since the connection is about to be closed.
    pub(crate) fn push(&mut self, message: &Message) {
        if self.is_stalled() {
            self.is_full = true;
            return;
        }
        message.encode(&mut self.messages);
        // Charged at once, so that the answers to many messages are seen before the turn ends.
        if self.messages.len() >= ALLOWANCE {
            self.flush();
        }
    }

    /// Sends a block behind the messages of this turn.
    pub(crate) fn push_block(&mut self, block: BlockInfo, data: Bytes, hold: Hold) {
        let header = PieceHeader {
            index: block.piece().get(),
            begin: block.begin(),
            length: block.length(),
        };
        // Last of the messages, and flushed with them: nothing may come between a header and its
        // data (W-54).
        self.messages.extend_from_slice(&header.to_frame());
        self.flush();
        self.enqueue(Outgoing { bytes: data, served: Some(block), _hold: hold });
    }

    /// Sends the messages of this turn as one entry.
    pub(crate) fn flush(&mut self) {
        if !self.messages.is_empty() {
            let bytes = self.messages.split().freeze();
            let hold = Hold::Own(self.charged.charge(bytes.len() + ENTRY));
            self.enqueue(Outgoing { bytes, served: None, _hold: hold });
        }
    }

    /// `true` if the peer reads too slowly for the messages that it causes, or not at all.
    pub(crate) fn is_stalled(&self) -> bool {
        let held = self.charged.held();
        self.is_full || held > MAX_ALLOWANCE && held > self.charged.free()
    }

    /// See [`is_congested`].
    pub(crate) fn is_congested(&self) -> bool {
        is_congested(&self.charged)
    }

    fn enqueue(&self, outgoing: Outgoing) {
        // Fails if the connection has ended, which its last notice reports.
        let _ = self.sender.send(outgoing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Share;

    fn message() -> Message {
        let payload = Bytes::from(vec![0; 16 * 1024]);
        Message::Extended(tinytorrent_wire::Extended { id: 1, payload })
    }

    #[test]
    fn the_queue_of_a_peer_that_does_not_read_is_bounded() {
        let share = Share::new(1 << 20);
        let (mut link, mut outgoing) = Link::new(share.holder(), Span::none());
        // All in one turn.
        (0..2_000).for_each(|_| link.push(&message()));
        link.flush();
        assert!(link.is_stalled());
        assert!(share.held() <= (512 + 17) << 10, "half of a share that nobody else uses");
        drop(link);
        let waiting: usize =
            std::iter::from_fn(|| outgoing.try_recv().ok().map(|out| out.bytes.len())).sum();
        assert!(waiting > 400 << 10);
        assert_eq!(share.held(), 0, "what is gone is given back");
    }

    #[test]
    fn answers_wait_before_the_queue_is_full_and_a_peer_that_reads_never_does() {
        let share = Share::new(1 << 20);
        let greedy: Vec<_> = (0..50).map(|_| Link::new(share.holder(), Span::none())).collect();
        let mut greedy: Vec<_> = greedy
            .into_iter()
            .map(|(mut link, outgoing)| {
                while !link.is_congested() {
                    link.push(&message());
                }
                assert!(!link.is_stalled());
                (link, outgoing)
            })
            .collect();
        assert!(share.held() <= (1 << 20) + 50 * 2 * ALLOWANCE, "{}", share.held());
        let (mut honest, mut outgoing) = Link::new(share.holder(), Span::none());
        for _ in 0..100 {
            assert!(!honest.is_congested());
            honest.push(&Message::Have(7));
            honest.flush();
            assert!(outgoing.try_recv().is_ok());
        }
        // Messages that nobody asked for do not wait.
        let (link, _outgoing) = &mut greedy[49];
        while !link.is_stalled() {
            link.push(&Message::Have(1));
            link.flush();
        }
        assert!(share.held() <= (1 << 20) + 52 * 2 * ALLOWANCE + MAX_ALLOWANCE);
    }
}
