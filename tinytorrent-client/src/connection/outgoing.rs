use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use tinytorrent_types::BlockInfo;
use tinytorrent_wire::{Message, PieceHeader};
use tokio::sync::mpsc;

/// Bytes that a connection may owe its peer before we take it for one that does not read. Blocks
/// are admitted one by one by the engine and come nowhere near; messages pile up only behind a
/// peer that asks and never reads. The largest metadata message and bitfield fit many times.
const MAX_PENDING: usize = 8 << 20;

/// Something to be written, in order.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(super) bytes: Bytes,
    /// The block that has been served when these bytes are out.
    pub(super) served: Option<BlockInfo>,
}

/// Bytes handed to a connection and not yet written.
#[derive(Debug, Default)]
pub(crate) struct Pending(AtomicUsize);

impl Pending {
    pub(super) fn written(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The owner's end of a connection. Dropped, it ends the connection once all is written.
#[derive(Debug)]
pub(crate) struct Link {
    sender: mpsc::UnboundedSender<Outgoing>,
    pending: Arc<Pending>,
    /// Messages of this turn.
    messages: BytesMut,
    /// A message was left out, as too much waits for the peer to read.
    is_clogged: bool,
}

impl Link {
    /// A link, and what the connection needs of it.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Outgoing>, Arc<Pending>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let pending = Arc::<Pending>::default();
        let messages = BytesMut::new();
        let link = Self { sender, pending: Arc::clone(&pending), messages, is_clogged: false };
        (link, receiver, pending)
    }

    /// Puts a message behind those of this turn. [`flush`](Self::flush) sends them. Once the link
    /// is clogged it is left out: the connection is about to end.
    pub(crate) fn push(&mut self, message: &Message) {
        let waiting = self.pending.0.load(Ordering::Relaxed) + self.messages.len();
        if waiting > MAX_PENDING {
            self.is_clogged = true;
        } else {
            message.encode(&mut self.messages);
        }
    }

    /// Puts a block behind the messages of this turn.
    pub(crate) fn push_block(&mut self, block: BlockInfo, data: Bytes) {
        let header = PieceHeader {
            index: block.piece().get(),
            begin: block.begin(),
            length: block.length(),
        };
        self.messages.extend_from_slice(&header.to_frame());
        self.flush();
        self.hand_over(Outgoing { bytes: data, served: Some(block) });
    }

    /// Hands the messages of this turn to the connection, all in one.
    pub(crate) fn flush(&mut self) {
        if !self.messages.is_empty() {
            let bytes = self.messages.split().freeze();
            self.hand_over(Outgoing { bytes, served: None });
        }
    }

    /// Whether the peer has not read for so long that more must not be kept for it.
    pub(crate) fn is_clogged(&self) -> bool {
        self.is_clogged || self.pending.0.load(Ordering::Relaxed) > MAX_PENDING
    }

    fn hand_over(&self, outgoing: Outgoing) {
        self.pending.0.fetch_add(outgoing.bytes.len(), Ordering::Relaxed);
        // A connection that is over says so by its last notice.
        let _ = self.sender.send(outgoing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_does_not_read_is_owed_no_more_than_the_limit() {
        let (mut link, mut outgoing, _pending) = Link::new();
        let payload = Bytes::from(vec![0; 16 * 1024]);
        let message = Message::Extended(tinytorrent_wire::Extended { id: 1, payload });
        // All in one turn.
        (0..2_000).for_each(|_| link.push(&message));
        link.flush();
        assert!(link.is_clogged());
        drop(link);
        let waiting = std::iter::from_fn(|| outgoing.try_recv().ok()).map(|out| out.bytes.len());
        assert!(waiting.sum::<usize>() <= MAX_PENDING + 17 * 1024);
    }
}
