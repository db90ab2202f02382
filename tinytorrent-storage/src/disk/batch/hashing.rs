//! The hashing of the pieces of a batch, side by side.

use bytes::Bytes;
use tinytorrent_types::BLOCK_LENGTH;

use super::{Feed, PieceWork, READ_BACK, ROUND, Subject, read_blocks};
use crate::{StorageError, hasher::PieceHasher};

/// A piece of a batch while it is hashed.
pub(super) struct Hashing {
    pub(super) work: PieceWork,
    feeds: std::vec::IntoIter<Feed>,
    /// Bytes of padding that are still to be hashed, after all blocks of a complete piece.
    pub(super) padding: u32,
    /// Blocks that are hashed in this round.
    next: Vec<Bytes>,
    /// The reason why it is not hashed any further.
    pub(super) error: Option<StorageError>,
}

impl Hashing {
    /// A piece whose blocks are written, unless there is an `error`.
    pub(super) fn new(content: &Subject, mut work: PieceWork, error: Option<StorageError>) -> Self {
        let feeds = std::mem::take(&mut work.feeds).into_iter();
        let geometry = content.storage.geometry();
        let behind = geometry.piece_length(work.piece) - geometry.blocks_length(work.piece);
        // More blocks of an unfinished piece will come before its padding, which is hashed last
        // (S-03).
        let is_hashed = work.finish.is_some() && work.hasher.covers_padding();
        let padding = if is_hashed { behind - work.padded } else { 0 };
        Self { feeds, work, padding, next: Vec::new(), error }
    }

    /// Gathers the blocks of the next round; none if all are hashed. `room` is for padding.
    fn advance(&mut self, content: &Subject, room: &mut u32) -> Result<(), StorageError> {
        self.next.clear();
        while self.next.len() < ROUND {
            match self.feeds.next() {
                Some(Feed::Memory(number, data)) => {
                    let storage = &content.storage;
                    let block = storage.geometry().nth_block(self.work.piece, number);
                    // Padding is never written, whatever the peer sent in its place (BEP 47).
                    // Hashed as sent, it would fail the piece, and the digests of the blocks on
                    // disk would blame no sender.
                    self.next.push(match block {
                        Some(block) => storage.blank_padding(block, data),
                        None => data,
                    });
                }
                // It gives as many blocks as a round has.
                Some(Feed::Disk(number)) => {
                    let data = self.read_back(content, number)?;
                    self.next.push(data);
                    break;
                }
                None if self.padding == 0 || *room == 0 => break,
                None => {
                    let length = self.padding.min(BLOCK_LENGTH).min(*room);
                    self.next.push(Bytes::from_static(&ZEROS).slice(..length as usize));
                    self.padding -= length;
                    self.work.padded += length;
                    *room -= length;
                }
            }
        }
        Ok(())
    }

    /// Reads a block from disk, together with the following ones that are to be read back.
    fn read_back(&mut self, content: &Subject, number: u32) -> Result<Bytes, StorageError> {
        let mut count = 1;
        while count < READ_BACK && matches!(self.feeds.as_slice().first(), Some(Feed::Disk(_))) {
            self.feeds.next();
            count += 1;
        }
        read_blocks(content, self.work.piece, number, count).map(Bytes::from)
    }
}

/// Hashes a few blocks of each piece in each round. SHA-1 uses as many lanes as there are pieces, and trees
/// as many as there are blocks.
pub(super) fn hash(content: &Subject, hashing: &mut [Hashing]) {
    let mut room = PADDING;
    loop {
        for piece in hashing.iter_mut().filter(|piece| piece.error.is_none()) {
            if let Err(error) = piece.advance(content, &mut room) {
                // Nothing else empties it any more, so that the same blocks would be hashed in each
                // round, for ever.
                piece.next.clear();
                piece.error = Some(error);
            }
        }
        let mut feeds = hashing
            .iter_mut()
            .filter(|piece| !piece.next.is_empty())
            .map(|piece| (&mut piece.work.hasher, &piece.next[..]))
            .peekable();
        if feeds.peek().is_none() {
            return;
        }
        PieceHasher::update_many(feeds);
    }
}

static ZEROS: [u8; BLOCK_LENGTH as usize] = [0; BLOCK_LENGTH as usize];

/// Bytes of padding that are hashed in a turn: some 30 milliseconds of one core, and less in lanes.
pub(super) const PADDING: u32 = 64 << 20;
