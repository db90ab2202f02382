use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tinytorrent_swarm::PeerKey;
use tinytorrent_types::BlockInfo;
use tinytorrent_wire::mse::Cipher;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::notice::{Notice, NoticeSender};
use super::outgoing::Outgoing;

/// Maximum chunks of one write. A block has two chunks, its header and its bytes, so that a write has
/// half a megabyte, which is as much as a socket takes at once.
const MAX_CHUNKS: usize = 64;

/// Bytes that are encrypted at a time, and the rest of the last chunk. They stay in the cache between the
/// cipher and the socket, and the memory is used again; an allocation for each block was not.
const MAX_SEALED: usize = 64 << 10;

/// Timeout for writing the rest of the queue when a connection is closed.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// Writes the queue, many chunks in one write. Returns `Ok` when the [`Link`](super::Link) was dropped
/// and the queue is written.
pub(super) async fn run(
    peer: PeerKey,
    mut socket: impl AsyncWrite + Unpin,
    cipher: Option<Cipher>,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    notices: &NoticeSender,
) -> io::Result<()> {
    let mut queue = Queue { cipher, ..Queue::default() };
    loop {
        if queue.chunks.is_empty() {
            let Some(first) = outgoing.recv().await else { break };
            queue.chunks.push_back(first);
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
    /// Number of chunks at the front that are encrypted. Unused without a cipher.
    sealed: usize,
    /// Blocks of which the last byte is written, and which are not yet reported.
    served: Vec<BlockInfo>,
}

impl Queue {
    fn fill(&mut self, outgoing: &mut mpsc::UnboundedReceiver<Outgoing>) {
        while let Ok(next) = outgoing.try_recv() {
            self.chunks.push_back(next);
        }
    }

    /// Writes as many bytes as the socket takes.
    async fn write(&mut self, socket: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); MAX_CHUNKS];
        let count = self.prepare();
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

    /// Encrypts the next chunks, if it has to be. Returns the number of chunks that can be written.
    fn prepare(&mut self) -> usize {
        if let Some(cipher) = &mut self.cipher {
            if self.sealed == 0 {
                self.sealed = seal(cipher, &mut self.chunks);
            }
            return self.sealed;
        }
        self.chunks.len().min(MAX_CHUNKS)
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
            self.sealed = self.sealed.saturating_sub(1);
            self.served.extend(done.and_then(|chunk| chunk.served));
        }
    }
}

/// Encrypts the first chunks, and returns their number. They become parts of one buffer, since the cache of
/// the disk may hold the same blocks.
fn seal(cipher: &mut Cipher, chunks: &mut VecDeque<Outgoing>) -> usize {
    let (mut count, mut length) = (0, 0);
    for chunk in chunks.iter().take(MAX_CHUNKS) {
        if length >= MAX_SEALED {
            break;
        }
        count += 1;
        length += chunk.bytes.len();
    }
    let mut sealed = BytesMut::with_capacity(length);
    chunks.iter().take(count).for_each(|chunk| sealed.extend_from_slice(&chunk.bytes));
    cipher.apply(&mut sealed);
    let mut sealed = sealed.freeze();
    for chunk in chunks.iter_mut().take(count) {
        chunk.bytes = sealed.split_to(chunk.bytes.len());
    }
    count
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tinytorrent_types::WireInfoHash;
    use tinytorrent_wire::mse::{
        Initiator, Method, MseConfig, Negotiation, Randomness, Responder, Step,
    };

    use super::*;
    use crate::connection::Hold;
    use crate::memory::Share;

    /// The cipher of one end, and that of the other end for the same stream.
    fn ciphers() -> (Cipher, Cipher) {
        let torrent = WireInfoHash::from_bytes([7; 20]);
        let config = MseConfig::only(Method::Rc4);
        let mut alice = Initiator::new(torrent, config, Randomness::new([1; 20], &[]), b"");
        let found = |_: &_| Some(torrent);
        let mut bob = Responder::new(config, Randomness::new([2; 20], &[]), found);
        let (mut to_bob, mut to_alice) = (BytesMut::new(), BytesMut::new());
        let mut theirs = None;
        loop {
            let step = alice.handle_received(&mut to_alice).unwrap();
            alice.poll_transmit(&mut to_bob);
            if let Step::Done(alice) = step {
                return (alice.send, theirs.expect("bob is done before"));
            }
            if let Step::Done(bob) = bob.handle_received(&mut to_bob).unwrap() {
                theirs = Some(bob.receive);
            }
            bob.poll_transmit(&mut to_alice);
        }
    }

    #[test]
    fn an_encrypted_queue_is_one_stream_however_much_of_it_is_written_at_a_time() {
        let share = Share::new(1 << 20);
        let (cipher, mut theirs) = ciphers();
        let mut queue = Queue { cipher: Some(cipher), ..Queue::default() };
        let (mut queued, mut written) = (Vec::new(), Vec::new());
        let lengths = [5, 16_384, 13, MAX_SEALED + 7, 1, 2 * MAX_SEALED, 17];
        for (at, &length) in lengths.iter().cycle().take(70).enumerate() {
            let bytes = Bytes::from(vec![at as u8; length]);
            queued.extend_from_slice(&bytes);
            let hold = Hold::Own(share.holder().charge(1));
            queue.chunks.push_back(Outgoing { bytes, served: None, _hold: hold });
            // Some chunks wait, and all of them are written each fifth time.
            while at % 5 == 0 && !queue.chunks.is_empty() || queue.chunks.len() > 4 {
                let count = queue.prepare();
                let ready: Vec<_> = queue.chunks.iter().take(count).collect();
                let ready: Vec<_> = ready.iter().flat_map(|chunk| &chunk.bytes[..]).collect();
                let taken = (at * 9_973 + 1).min(ready.len());
                written.extend(ready[..taken].iter().copied());
                queue.advance(taken);
            }
        }
        theirs.apply(&mut written);
        assert_eq!(written, queued[..written.len()]);
        assert!(written.len() > 1 << 20);
    }
}
