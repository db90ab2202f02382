use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use tinytorrent_types::BlockInfo;
use tinytorrent_wire::{Message, PieceHeader};
use tokio::sync::mpsc;

/// Maximum bytes in the queue of a connection. A peer with more of them does not read, and is
/// disconnected. Blocks come nowhere near the limit, as the engine serves a few at a time. Other
/// messages reach it only if the peer sends requests and never reads the answers. The largest
/// metadata message and bitfield fit many times.
const MAX_PENDING: usize = 8 << 20;

/// An entry in the queue of a connection.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(super) bytes: Bytes,
    /// The block that is served once these bytes are written.
    pub(super) served: Option<BlockInfo>,
}

/// Number of bytes in the queue of a connection.
#[derive(Debug, Default)]
pub(crate) struct Pending(AtomicUsize);

impl Pending {
    pub(super) fn subtract(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The sender of a connection. When it is dropped, the connection writes its queue and ends.
#[derive(Debug)]
pub(crate) struct Link {
    sender: mpsc::UnboundedSender<Outgoing>,
    pending: Arc<Pending>,
    /// Encoded messages of this turn.
    messages: BytesMut,
    /// A message was dropped, as the queue was full.
    is_full: bool,
}

impl Link {
    /// Makes a link. Returns the receiver and the counter for the connection, too.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Outgoing>, Arc<Pending>) {
        // Unbounded, as the driver must not wait for a peer. `MAX_PENDING` limits the bytes
        // instead.
        let (sender, receiver) = mpsc::unbounded_channel();
        let pending = Arc::<Pending>::default();
        let messages = BytesMut::new();
        let link = Self { sender, pending: Arc::clone(&pending), messages, is_full: false };
        (link, receiver, pending)
    }

    /// Appends a message to those of this turn, which [`flush`](Self::flush) sends. A full queue
    /// drops the message, since the connection is about to be closed.
    pub(crate) fn push(&mut self, message: &Message) {
        let waiting = self.pending.0.load(Ordering::Relaxed) + self.messages.len();
        if waiting > MAX_PENDING {
            self.is_full = true;
        } else {
            message.encode(&mut self.messages);
        }
    }

    /// Sends a block behind the messages of this turn.
    pub(crate) fn push_block(&mut self, block: BlockInfo, data: Bytes) {
        let header = PieceHeader {
            index: block.piece().get(),
            begin: block.begin(),
            length: block.length(),
        };
        // Last of the messages, and flushed with them: nothing may come between a header and its
        // data (W-54).
        self.messages.extend_from_slice(&header.to_frame());
        self.flush();
        self.enqueue(Outgoing { bytes: data, served: Some(block) });
    }

    /// Sends the messages of this turn as one entry.
    pub(crate) fn flush(&mut self) {
        if !self.messages.is_empty() {
            let bytes = self.messages.split().freeze();
            self.enqueue(Outgoing { bytes, served: None });
        }
    }

    /// `true` if the peer reads too slowly for the messages that it causes, or not at all.
    pub(crate) fn is_stalled(&self) -> bool {
        self.is_full || self.pending.0.load(Ordering::Relaxed) > MAX_PENDING
    }

    fn enqueue(&self, outgoing: Outgoing) {
        self.pending.0.fetch_add(outgoing.bytes.len(), Ordering::Relaxed);
        // Fails if the connection has ended, which its last notice reports.
        let _ = self.sender.send(outgoing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_of_a_peer_that_does_not_read_is_bounded() {
        let (mut link, mut outgoing, _pending) = Link::new();
        let payload = Bytes::from(vec![0; 16 * 1024]);
        let message = Message::Extended(tinytorrent_wire::Extended { id: 1, payload });
        // All in one turn.
        (0..2_000).for_each(|_| link.push(&message));
        link.flush();
        assert!(link.is_stalled());
        drop(link);
        let waiting = std::iter::from_fn(|| outgoing.try_recv().ok()).map(|out| out.bytes.len());
        assert!(waiting.sum::<usize>() <= MAX_PENDING + 17 * 1024);
    }
}
