use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::Buf;
use tinytorrent_swarm::PeerKey;
use tinytorrent_types::BlockInfo;
use tinytorrent_wire::mse::Cipher;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::WriteHalf;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::channel::encrypt;
use super::notice::{Notice, NoticeSender};
use super::outgoing::Outgoing;

/// Maximum chunks of one write. A block has two chunks, its header and its bytes, so that a write has
/// half a megabyte, which is as much as a socket takes at once.
const MAX_CHUNKS: usize = 64;

/// Timeout for writing the rest of the queue when a connection is closed.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// Writes the queue, many chunks in one write. Returns `Ok` when the [`Link`](super::Link) was dropped
/// and the queue is written.
pub(super) async fn run(
    peer: PeerKey,
    mut socket: WriteHalf<'_>,
    cipher: Option<Cipher>,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    notices: &NoticeSender,
) -> io::Result<()> {
    let mut queue = Queue { cipher, ..Queue::default() };
    loop {
        if queue.chunks.is_empty() {
            let Some(first) = outgoing.recv().await else { break };
            queue.push(first);
        }
        // Asked before the channel is emptied: an entry that is sent in between would otherwise be
        // lost.
        let is_last = outgoing.is_closed();
        queue.fill(&mut outgoing);
        if is_last {
            break;
        }
        queue.write(&mut socket).await?;
        if !queue.served.is_empty() {
            let blocks = std::mem::take(&mut queue.served);
            // Fails if the torrent has ended.
            let _ = notices.send(Notice::Served { peer, blocks }).await;
        }
    }
    let rest = async {
        while !queue.chunks.is_empty() {
            queue.write(&mut socket).await?;
        }
        socket.shutdown().await
    };
    // A peer that does not read the rest is closed all the same, and that is no error.
    timeout(LINGER_TIMEOUT, rest).await.unwrap_or(Ok(()))
}

/// The chunks to be written.
#[derive(Default)]
struct Queue {
    cipher: Option<Cipher>,
    chunks: VecDeque<Outgoing>,
    /// Blocks of which the last byte is written, and which are not yet reported.
    served: Vec<BlockInfo>,
}

impl Queue {
    fn fill(&mut self, outgoing: &mut mpsc::UnboundedReceiver<Outgoing>) {
        while let Ok(next) = outgoing.try_recv() {
            self.push(next);
        }
    }

    fn push(&mut self, next: Outgoing) {
        // In the order of the queue, as the cipher is one stream.
        let bytes = encrypt(&mut self.cipher, next.bytes);
        self.chunks.push_back(Outgoing { bytes, ..next });
    }

    /// Writes as many bytes as the socket takes.
    async fn write(&mut self, socket: &mut WriteHalf<'_>) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); MAX_CHUNKS];
        let count = self.chunks.len().min(MAX_CHUNKS);
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slice = IoSlice::new(&chunk.bytes);
        }
        let written = socket.write_vectored(&slices[..count]).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.advance(written);
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(chunk) = self.chunks.front_mut() {
            let part = written.min(chunk.bytes.len());
            chunk.bytes.advance(part);
            written -= part;
            if !chunk.bytes.is_empty() {
                return;
            }
            let done = self.chunks.pop_front();
            self.served.extend(done.and_then(|chunk| chunk.served));
        }
    }
}
