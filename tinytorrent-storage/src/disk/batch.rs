//! Writes and hashes a batch of pieces. Runs on a worker, without a lock.

use bytes::Bytes;
use tinytorrent_hash::sha1_many;
use tinytorrent_types::{BLOCK_LENGTH, PieceIndex};

use super::{BlockDigest, Content, piece::Feed, piece::PieceWork};
use crate::{StorageError, hasher::PieceHasher, hashes::Verdict, resume::BlockRange};

/// The outcome for one piece of a batch.
pub(super) struct Done {
    pub(super) work: PieceWork,
    pub(super) result: Result<Progress, StorageError>,
}

pub(super) enum Progress {
    /// Its blocks are written, and hashed up to the first that is missing.
    Partial,
    Verified(Vec<BlockDigest>),
    Failed(Vec<BlockDigest>),
    /// Right by one hash of a hybrid and wrong by the other.
    Inconsistent,
}

/// Writes all blocks, then hashes the pieces side by side, then compares the hashes of complete ones.
pub(super) fn run(content: &Content, works: Vec<PieceWork>, sync_before_have: bool) -> Vec<Done> {
    let mut hashing: Vec<Hashing> = works
        .into_iter()
        .map(|mut work| {
            // Before the hashing, so that a kill during it loses nothing. A piece that turns out wrong
            // is written over later, as it is still missing.
            let error = write(content, &work).err();
            let feeds = std::mem::take(&mut work.feeds).into_iter();
            let geometry = content.storage.geometry();
            let behind = geometry.piece_length(work.piece) - geometry.blocks_length(work.piece);
            // More blocks of an unfinished piece will come before its padding, which is hashed last
            // (S-03).
            let padding = if work.finish.is_some() { behind } else { 0 };
            Hashing { feeds, work, padding, next: Vec::new(), error }
        })
        .collect();
    hash(content, &mut hashing);
    judge(content, hashing, sync_before_have)
}

/// The blocks of unfinished pieces that were written, for the journal.
pub(super) fn written_ranges(done: &[Done]) -> Vec<BlockRange> {
    // Verified pieces need no entry: their files have changed since the record, so that recovery
    // checks them.
    let partial = done.iter().filter(|done| matches!(done.result, Ok(Progress::Partial)));
    partial
        .flat_map(|done| {
            done.work.runs.iter().map(|run| BlockRange {
                piece: done.work.piece,
                first: run.first,
                count: run.blocks.len() as u32,
            })
        })
        .collect()
}

struct Hashing {
    work: PieceWork,
    feeds: std::vec::IntoIter<Feed>,
    /// Bytes of padding to hash after all blocks of a complete piece.
    padding: u32,
    /// Blocks that are hashed in this round.
    next: Vec<Bytes>,
    error: Option<StorageError>,
}

fn write(content: &Content, work: &PieceWork) -> Result<(), StorageError> {
    let geometry = content.storage.geometry();
    let mut runs = work.runs.iter();
    runs.try_for_each(|run| content.storage.write(run.offset(geometry, work.piece), &run.blocks))
}

/// Hashes a few blocks of each piece in each round. SHA-1 uses as many lanes as there are pieces, and trees
/// as many as there are blocks.
fn hash(content: &Content, hashing: &mut [Hashing]) {
    loop {
        for piece in hashing.iter_mut().filter(|piece| piece.error.is_none()) {
            if let Err(error) = piece.advance(content) {
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

impl Hashing {
    /// Gathers the blocks of the next round; none if all are hashed.
    fn advance(&mut self, content: &Content) -> Result<(), StorageError> {
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
                None if self.padding == 0 => break,
                None => {
                    let length = self.padding.min(BLOCK_LENGTH);
                    self.next.push(Bytes::from_static(&ZEROS).slice(..length as usize));
                    self.padding -= length;
                }
            }
        }
        Ok(())
    }

    /// Reads a block from disk, together with the following ones that are to be read back.
    fn read_back(&mut self, content: &Content, number: u32) -> Result<Bytes, StorageError> {
        let mut count = 1;
        while count < READ_BACK && matches!(self.feeds.as_slice().first(), Some(Feed::Disk(_))) {
            self.feeds.next();
            count += 1;
        }
        read_blocks(content, self.work.piece, number, count).map(Bytes::from)
    }
}

fn judge(content: &Content, hashing: Vec<Hashing>, sync_before_have: bool) -> Vec<Done> {
    let mut complete = Vec::new();
    let mut done = Vec::new();
    for mut piece in hashing {
        match piece.error {
            Some(error) => done.push(Done { work: piece.work, result: Err(error) }),
            None if piece.work.finish.is_some() => {
                let hasher = std::mem::take(&mut piece.work.hasher);
                let index = piece.work.piece;
                complete.push((piece.work, (index, hasher)));
            }
            None => done.push(Done { work: piece.work, result: Ok(Progress::Partial) }),
        }
    }
    // Judged together, so that the ends of the hashes share the lanes as well.
    let (works, hashers): (Vec<_>, Vec<_>) = complete.into_iter().unzip();
    let verdicts = content.hashes.judge(hashers);
    for (work, verdict) in works.into_iter().zip(verdicts) {
        let result = judge_one(content, &work, verdict, sync_before_have);
        done.push(Done { work, result });
    }
    done
}

fn judge_one(
    content: &Content,
    work: &PieceWork,
    verdict: Verdict,
    sync_before_have: bool,
) -> Result<Progress, StorageError> {
    match verdict {
        Verdict::Right => {}
        // Read back, as blocks of earlier batches have left memory.
        Verdict::Wrong => return digests(content, work.piece).map(Progress::Failed),
        Verdict::Inconsistent => return Ok(Progress::Inconsistent),
    }
    // S-26. A wrong piece has returned above. The first right piece of a batch syncs for all of it,
    // as no later one finds a file that is not synced.
    if sync_before_have {
        content.storage.sync()?;
    }
    let wanted = work.finish.is_some_and(|finish| finish.digests);
    let digests = if wanted { digests(content, work.piece)? } else { Vec::new() };
    Ok(Progress::Verified(digests))
}

static ZEROS: [u8; BLOCK_LENGTH as usize] = [0; BLOCK_LENGTH as usize];

/// The digest of each block of a piece, as it is on disk.
fn digests(content: &Content, piece: PieceIndex) -> Result<Vec<BlockDigest>, StorageError> {
    let block_count = content.storage.geometry().block_count(piece);
    let mut digests = Vec::with_capacity(block_count as usize);
    for first in (0..block_count).step_by(READ_BACK as usize) {
        let count = READ_BACK.min(block_count - first);
        let data = read_blocks(content, piece, first, count)?;
        let blocks: Vec<&[u8]> = data.chunks(BLOCK_LENGTH as usize).collect();
        let mut hashes = vec![[0; 20]; blocks.len()];
        sha1_many(&blocks, &mut hashes);
        digests.extend(hashes.into_iter().map(BlockDigest));
    }
    Ok(digests)
}

fn read_blocks(
    content: &Content,
    piece: PieceIndex,
    first: u32,
    count: u32,
) -> Result<Vec<u8>, StorageError> {
    let geometry = content.storage.geometry();
    let begin = first * BLOCK_LENGTH;
    let length = (count * BLOCK_LENGTH).min(geometry.piece_length(piece) - begin);
    let mut data = vec![0; length as usize];
    content.storage.read(geometry.piece_offset(piece) + u64::from(begin), &mut data)?;
    Ok(data)
}

/// Blocks of a piece that are hashed in a round, as many as the widest kernel has lanes.
const ROUND: usize = 16;

/// Blocks that are read back at once: 256 KiB.
const READ_BACK: u32 = ROUND as u32;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tinytorrent_metainfo::Layout;
    use tinytorrent_types::{InfoHashV1, InfoHashes};

    use super::*;
    use crate::{PieceHashes, Storage, StorageOptions, disk::VerifyOptions, disk::piece::Piece};

    // S-26.
    #[test]
    fn a_piece_is_on_the_medium_before_it_is_told_of_if_so_configured() {
        for sync_before_have in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let mut builder = Layout::builder(BLOCK_LENGTH);
            builder.file(["a"], 5).file(["b"], 5);
            let layout = Arc::new(builder.build().unwrap());
            let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([1; 20]));
            let options = StorageOptions::default();
            let storage = Storage::open(layout, identity, folder.path(), &options).unwrap();
            let geometry = storage.geometry().clone();
            let content = Content {
                id: 0,
                storage: Arc::new(storage),
                hashes: PieceHashes::from_v1([tinytorrent_hash::sha1(b"aaaaabbbbb")]),
                journal: None,
                unstored: Default::default(),
                on_completion: Box::new(|_| ()),
            };
            let index = geometry.piece(0).unwrap();
            let mut piece = Piece::new(&geometry, index, content.hashes.hasher(index));
            piece.hold(0, Bytes::from_static(b"aaaaabbbbb"));
            piece.ask(VerifyOptions::default());
            let done = run(&content, vec![piece.take_work(index)], sync_before_have);
            assert!(matches!(done[0].result, Ok(Progress::Verified(_))));
            assert_eq!(content.storage.unsynced_files(), if sync_before_have { 0 } else { 2 });
        }
    }
}
