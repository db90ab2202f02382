//! Writes and hashes a batch of pieces. Runs on a worker, without a lock.

mod hashing;
mod judging;

use tinytorrent_types::{BLOCK_LENGTH, BlockDigest, PieceIndex};

use self::{hashing::Hashing, judging::judge};
use super::{
    Subject,
    piece::{Feed, PieceWork},
};
use crate::{StorageError, resume::BlockRange};

/// The outcome for one piece of a batch.
pub(super) struct Done {
    pub(super) work: PieceWork,
    pub(super) result: Result<Progress, StorageError>,
}

pub(super) enum Progress {
    /// Its blocks are written, and hashed up to the first that is missing. Or all are, and a part of its
    /// padding is not yet.
    Partial,
    Verified(Vec<BlockDigest>),
    Failed(Vec<BlockDigest>),
    /// Right by one hash of a hybrid and wrong by the other.
    Inconsistent,
}

/// Writes all blocks, then hashes the pieces side by side, then compares the hashes of complete ones.
///
/// Padding is hashed up to [`hashing::PADDING`] for all pieces together. The rest waits for the next turn, so that other
/// torrents need not wait: a peer can complete pieces of 512 MiB with one byte.
pub(super) fn run(content: &Subject, works: Vec<PieceWork>, sync_before_have: bool) -> Vec<Done> {
    let mut hashing: Vec<Hashing> = works
        .into_iter()
        .map(|mut work| {
            // Before the hashing, so that a kill during it loses nothing. A piece that turns out wrong
            // is written over later, as it is still missing.
            let error = write(content, &work).err();
            work.is_written = error.is_none();
            Hashing::new(content, work, error)
        })
        .collect();
    hashing::hash(content, &mut hashing);
    let mut done = judge(content, hashing, sync_before_have);
    keep(content, &mut done);
    done
}

/// Has the content take in the pieces that are right, and forget those that are not.
fn keep(content: &Subject, done: &mut [Done]) {
    if content.storage.is_in_files() {
        return;
    }
    let is_right = |done: &&mut Done| matches!(done.result, Ok(Progress::Verified(_)));
    let right: Vec<_> = done.iter_mut().filter(is_right).map(|done| done.work.piece).collect();
    if !right.is_empty() {
        let kept = content.storage.keep(&right);
        for (done, kept) in done.iter_mut().filter(is_right).zip(kept) {
            if let Err(error) = kept {
                done.result = Err(error);
            }
        }
    }
    for done in done {
        let is_lost = match &done.result {
            Ok(progress) => matches!(progress, Progress::Failed(_) | Progress::Inconsistent),
            // It is tried again.
            Err(error) => !error.is_out_of_descriptors(),
        };
        if is_lost {
            content.storage.discard(done.work.piece);
        }
    }
}

/// The blocks of unfinished pieces that were written, for the journal.
pub(super) fn written_ranges(done: &[Done]) -> Vec<BlockRange> {
    let is_partial = |done: &&Done| match &done.result {
        // Verified pieces need no entry: their files have changed since the record, so that recovery
        // checks them.
        Ok(progress) => matches!(progress, Progress::Partial),
        Err(error) => done.work.is_written && error.is_out_of_descriptors(),
    };
    done.iter()
        .filter(is_partial)
        .flat_map(|done| {
            done.work.runs.iter().map(|run| BlockRange {
                piece: done.work.piece,
                first: run.first,
                count: run.blocks.len() as u32,
            })
        })
        .collect()
}

fn write(content: &Subject, work: &PieceWork) -> Result<(), StorageError> {
    let geometry = content.storage.geometry();
    let mut runs = work.runs.iter();
    runs.try_for_each(|run| content.storage.write(run.offset(geometry, work.piece), &run.blocks))
}

fn read_blocks(
    content: &Subject,
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

    use bytes::Bytes;
    use tinytorrent_metainfo::{CreateOptions, Layout, Version};
    use tinytorrent_types::{InfoHashV1, InfoHashes};

    use super::{hashing::PADDING, *};
    use crate::{
        PieceHashes, Storage, StorageOptions, disk::PieceVerifyOptions, disk::lanes::Lane,
        disk::piece::Piece, hasher::tests::take_hashed,
    };

    fn content(storage: Storage, hashes: PieceHashes) -> Subject {
        Subject {
            id: 0,
            storage: Arc::new(storage),
            hashes,
            lane: Lane::Files,
            keeps_record: false,
            journal: None,
            unstored: Default::default(),
            on_completion: Box::new(|_| ()),
        }
    }

    /// A piece of which all blocks came: the first byte is 1, and what follows is padding.
    fn complete(content: &Subject, index: u32) -> (PieceIndex, Piece) {
        let geometry = content.storage.geometry();
        let index = geometry.piece(index).unwrap();
        let mut piece = Piece::new(geometry, index, content.hashes.hasher(index));
        let mut data = vec![0; geometry.blocks_length(index) as usize];
        data[0] = 1;
        piece.hold(0, data.into());
        piece.ask(PieceVerifyOptions::default());
        (index, piece)
    }

    /// A peer completes the piece with one byte. Others do not wait until it is hashed.
    #[test]
    fn padding_is_hashed_in_turns() {
        let folder = tempfile::tempdir().unwrap();
        let length = 5 * PADDING / 2;
        let mut builder = Layout::builder(length);
        builder.file(["a"], 1).pad(u64::from(length) - 1);
        let layout = Arc::new(builder.build().unwrap());
        let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([1; 20]));
        let options = StorageOptions::default();
        let storage = Storage::open(layout, identity, folder.path(), &options).unwrap();
        let mut whole = vec![0; length as usize];
        whole[0] = 1;
        let content = content(storage, PieceHashes::from_v1([tinytorrent_hash::sha1(&whole)]));
        let (index, mut piece) = complete(&content, 0);
        take_hashed();
        let mut turns = Vec::new();
        loop {
            let done = run(&content, vec![piece.take_work(index)], false).pop().unwrap();
            turns.push(take_hashed());
            match done.result.unwrap() {
                Progress::Partial => piece.settle(done.work, true, |_| ()),
                Progress::Verified(_) => break,
                _ => panic!("the piece is right"),
            }
            assert!(piece.is_asked(), "it is due again");
        }
        assert_eq!(turns.len(), 3);
        assert!(turns.iter().all(|turn| *turn <= u64::from(PADDING + BLOCK_LENGTH)), "{turns:?}");
        assert_eq!(turns.iter().sum::<u64>(), length.into());
    }

    // V-17: where padding is in no proportion to the payload, the tree decides.
    #[test]
    fn what_is_hashed_is_in_proportion_to_the_payload() {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = Vec::new();
        for (name, length) in [("a", 1), ("b", 60_000), ("c", 700_000), ("d", 1)] {
            let mut data = vec![0; length];
            data[0] = 1;
            std::fs::create_dir_all(folder.path().join("t")).unwrap();
            std::fs::write(folder.path().join("t").join(name), &data).unwrap();
            sources.push(length as u64);
        }
        let mut options = CreateOptions::new();
        options.version(Version::Hybrid).piece_length(8 << 20).unwrap();
        let go_on = &|_| std::ops::ControlFlow::Continue(());
        let metainfo = Arc::new(options.create(&folder.path().join("t"), go_on).unwrap());
        let hashes = PieceHashes::from_metainfo(&metainfo).unwrap();
        let place = tempfile::tempdir().unwrap();
        let info = Arc::clone(metainfo.info());
        let storage = Storage::for_info(info, place.path(), &StorageOptions::default()).unwrap();
        let content = content(storage, hashes);
        for (index, payload) in (0..).zip(sources) {
            let piece = content.storage.geometry().piece(index).unwrap();
            let mut entry =
                Piece::new(content.storage.geometry(), piece, content.hashes.hasher(piece));
            for block in content.storage.geometry().blocks(piece) {
                let mut data = vec![0; block.length() as usize];
                data[0] = (block.begin() == 0).into();
                entry.hold(block.number(), data.into());
            }
            entry.ask(PieceVerifyOptions::default());
            take_hashed();
            let done = run(&content, vec![entry.take_work(piece)], false).pop().unwrap();
            assert!(matches!(done.result, Ok(Progress::Verified(_))), "{index}");
            let hashed = take_hashed();
            assert!(hashed <= 18 * payload + (1 << 20), "{hashed} of {payload}");
            // The same when it is checked again.
            let all = tinytorrent_types::Bitfield::full(4);
            let checked = crate::verify(&content.storage, &content.hashes, &all, 1, |_| {
                std::ops::ControlFlow::Continue(())
            });
            assert!(checked.have.get(index));
        }
        // Once more all of them, and nothing but them.
        let payload: u64 = [1, 60_000, 700_000, 1].iter().sum();
        let hashed = take_hashed();
        assert!(hashed <= 4 * (18 * payload + (4 << 20)), "{hashed}");
    }

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
            let hashes = PieceHashes::from_v1([tinytorrent_hash::sha1(b"aaaaabbbbb")]);
            let content = content(storage, hashes);
            let index = geometry.piece(0).unwrap();
            let mut piece = Piece::new(&geometry, index, content.hashes.hasher(index));
            piece.hold(0, Bytes::from_static(b"aaaaabbbbb"));
            piece.ask(PieceVerifyOptions::default());
            let done = run(&content, vec![piece.take_work(index)], sync_before_have);
            assert!(matches!(done[0].result, Ok(Progress::Verified(_))));
            assert_eq!(content.storage.unsynced_files(), if sync_before_have { 0 } else { 2 });
        }
    }
}
