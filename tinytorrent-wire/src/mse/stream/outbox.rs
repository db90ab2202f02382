use std::io::{self, IoSlice, Write};

use bytes::{Buf, BytesMut};

use super::{Cipher, retried};

/// The bytes of one direction that are encrypted and not yet sent.
pub(super) struct Outbox {
    cipher: Cipher,
    unsent: BytesMut,
}

impl Outbox {
    pub(super) fn new(cipher: Cipher) -> Self {
        Self { cipher, unsent: BytesMut::new() }
    }

    pub(super) fn is_plaintext(&self) -> bool {
        self.cipher.is_plaintext()
    }

    pub(super) fn into_parts(self) -> (Cipher, BytesMut) {
        (self.cipher, self.unsent)
    }

    /// The bytes to send.
    #[cfg(feature = "tokio")]
    pub(super) fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    /// Removes the first bytes, which were sent.
    pub(super) fn note_sent(&mut self, count: usize) {
        self.unsent.advance(count);
        if self.unsent.is_empty() {
            // A stream on which nothing is sent holds no memory.
            self.unsent = BytesMut::new();
        }
    }

    /// Takes as many bytes as there is room for. Returns their number, which is 0 only if there are none, as all bytes
    /// of before are sent.
    pub(super) fn encrypt(&mut self, parts: &[IoSlice<'_>]) -> usize {
        let start = self.unsent.len();
        for part in parts {
            let room = MAX_UNSENT.saturating_sub(self.unsent.len());
            self.unsent.extend_from_slice(&part[..part.len().min(room)]);
        }
        self.cipher.apply(&mut self.unsent[start..]);
        self.unsent.len() - start
    }

    /// Writes until nothing is left.
    ///
    /// # Errors
    /// Those of the stream. The rest is kept.
    pub(super) fn write_to(&mut self, stream: &mut impl Write) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match retried(|| stream.write(&self.unsent))? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => self.note_sent(count),
            }
        }
        Ok(())
    }
}

/// Bytes that are encrypted for one write at most: a block and its header, and as much again for smaller messages.
const MAX_UNSENT: usize = 32 << 10;
