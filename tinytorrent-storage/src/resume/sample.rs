//! A random sample of the record's claims, which is hashed at the start.
//!
//! A file may have the same stamp and another content: a disk fails, a tool writes past the file system, and
//! some systems have neither inodes nor a time of change that programs cannot set.

use std::collections::{BTreeMap, BTreeSet};

use tinytorrent_hash::sha1;
use tinytorrent_metainfo::FileIndex;
use tinytorrent_types::{Bitfield, PieceIndex};

use super::{
    ResumeRecord,
    files::{Claim, Files},
};
use crate::{Storage, Verified};

/// Pieces of a sample at most, as many as are hashed side by side.
const PIECES: u32 = 16;

/// Parts of files in a sample at most, not counting its first piece. Each is a seek, and a piece of a
/// torrent of tiny files has hundreds of them.
const PARTS: usize = 32;

/// Bytes of a sample at most, not counting its first piece. A spinning disk takes 10 ms for each of 32
/// seeks and 110 ms to read as much, which is less than half a second; others take some 10 ms.
pub(super) const BYTES: u64 = 16 << 20;

/// The pieces of a sample, each with the file that it was picked for.
pub(super) struct Sample {
    picks: BTreeMap<PieceIndex, FileIndex>,
}

impl Sample {
    /// Picks pieces that the record vouches for, of files spread evenly over the torrent: of each
    /// file if there are no more than 16.
    pub(super) fn pick(
        storage: &Storage,
        record: &ResumeRecord,
        files: &Files,
        bytes: u64,
        seed: u64,
    ) -> Self {
        let mut sample = Self { picks: BTreeMap::new() };
        let vouched: Vec<FileIndex> = files.unchanged(storage).collect();
        if vouched.is_empty() || bytes == 0 {
            return sample;
        }
        let mut room = Room { bytes, parts: PARTS, is_whole: true };
        let first = below(draw(seed, 2 * PIECES), PIECES as usize) as u32;
        for turn in 0..PIECES {
            // Steps of 5 reach all 16 turns, as 5 and 16 have no common factor, and are spread over the
            // torrent if there is no room for all of them.
            let turn = (first + 5 * turn) % PIECES;
            let file = vouched[position(turn, vouched.len(), draw(seed, turn))];
            let picked = sample.pick_of(storage, record, files, file, draw(seed, PIECES + turn));
            // All claimed pieces of a small file may be picked already.
            let Some(piece) = picked else { continue };
            if !room.take(storage, piece) {
                break;
            }
            sample.picks.insert(piece, file);
        }
        sample
    }

    /// A claimed piece of the file that was not picked before: the first one from a random piece on.
    fn pick_of(
        &self,
        storage: &Storage,
        record: &ResumeRecord,
        files: &Files,
        file: FileIndex,
        random: u64,
    ) -> Option<PieceIndex> {
        let pieces = || storage.layout().file_pieces(file);
        let start = below(random, pieces().len());
        pieces().skip(start).chain(pieces().take(start)).find(|piece| {
            record.have.contains(*piece)
                && !self.picks.contains_key(piece)
                && matches!(files.claim(storage, *piece), Claim::Unchanged)
        })
    }

    /// The pieces, to be verified.
    pub(super) fn pieces(&self, piece_count: u32) -> Bitfield {
        let mut pieces = Bitfield::new(piece_count);
        for &piece in self.picks.keys() {
            pieces.insert(piece);
        }
        pieces
    }

    /// Takes the files of wrong pieces for changed, and all files if pieces of two or more are wrong: then
    /// the others are likely to be wrong, too.
    pub(super) fn doubt_wrong_files(
        &self,
        verified: &Verified,
        storage: &Storage,
        files: &mut Files,
    ) {
        let wrong = || self.picks.iter().filter(|(piece, _)| !verified.have.contains(**piece));
        if wrong().map(|(_, file)| file).collect::<BTreeSet<_>>().len() > 1 {
            return files.doubt_all();
        }
        for (&piece, _) in wrong() {
            // All files of the piece, as its hash does not show which of them is wrong.
            for span in storage.layout().piece_spans(piece) {
                files.doubt(span.file);
            }
        }
    }
}

/// The room that is left in a sample.
struct Room {
    bytes: u64,
    parts: usize,
    /// No piece was taken yet.
    is_whole: bool,
}

impl Room {
    /// Takes the room for a piece. Returns `false` if there is not enough; the first piece always fits.
    fn take(&mut self, storage: &Storage, piece: PieceIndex) -> bool {
        let bytes = u64::from(storage.geometry().piece_length(piece));
        let parts = storage.layout().piece_spans(piece).filter(|span| !span.is_pad).count();
        let is_enough = bytes <= self.bytes && parts <= self.parts;
        self.bytes = self.bytes.saturating_sub(bytes);
        self.parts = self.parts.saturating_sub(parts);
        std::mem::take(&mut self.is_whole) || is_enough
    }
}

/// The position of the file for a turn. Few files have their turns one after the other. Many are divided
/// among the turns, and a random one is picked of each share.
fn position(turn: u32, count: usize, random: u64) -> usize {
    let (turn, turns) = (turn as usize, PIECES as usize);
    if count <= turns { turn % count } else { (turn * count + below(random, count)) / turns }
}

fn below(random: u64, count: usize) -> usize {
    // An empty file has no pieces. Counts are so far below 2^64 that the bias of the remainder is
    // of no effect.
    (random % count.max(1) as u64) as usize
}

/// A pseudo-random number, the same for the same seed.
fn draw(seed: u64, number: u32) -> u64 {
    let hash = sha1(&[&seed.to_be_bytes()[..], &number.to_be_bytes()].concat());
    u64::from_be_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|byte| hash[byte]))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tinytorrent_metainfo::Layout;
    use tinytorrent_types::{InfoHashV1, InfoHashes};

    use super::*;
    use crate::{Counters, StorageOptions};

    const PIECE: u32 = 16_384;

    /// Files that are on disk and claimed as a whole.
    struct World {
        storage: Storage,
        record: ResumeRecord,
        files: Files,
        _folder: tempfile::TempDir,
    }

    /// Files of so many pieces each.
    fn world(pieces: &[u64]) -> World {
        let lengths: Vec<u64> = pieces.iter().map(|count| count * u64::from(PIECE)).collect();
        world_of(&lengths)
    }

    fn world_of(lengths: &[u64]) -> World {
        let folder = tempfile::tempdir().unwrap();
        let mut builder = Layout::builder(PIECE);
        for (number, &length) in lengths.iter().enumerate() {
            builder.file([number.to_string()], length);
            let file = std::fs::File::create(folder.path().join(number.to_string())).unwrap();
            file.set_len(length).unwrap();
        }
        let layout = Arc::new(builder.build().unwrap());
        let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([1; 20]));
        let options = StorageOptions::default();
        let storage = Storage::open(layout, identity, folder.path(), &options).unwrap();
        let record = ResumeRecord {
            identity,
            have: Bitfield::full(storage.geometry().piece_count()),
            partial: Vec::new(),
            counters: Counters::default(),
            stamps: storage.stamps().unwrap(),
        };
        let files = Files::look(&storage, Some(&record), false).unwrap();
        World { storage, record, files, _folder: folder }
    }

    impl World {
        fn sample(&self, bytes: u64, seed: u64) -> Sample {
            Sample::pick(&self.storage, &self.record, &self.files, bytes, seed)
        }

        fn picked_files(&self, seed: u64) -> BTreeSet<FileIndex> {
            self.sample(BYTES, seed).picks.into_values().collect()
        }
    }

    #[test]
    fn each_of_few_files_has_a_piece_in_the_sample() {
        let world = world(&[1, 500, 1, 0, 3, 40]);
        for seed in 0..20 {
            assert_eq!(world.picked_files(seed).len(), 5, "all but the empty one");
        }
    }

    #[test]
    fn a_sample_of_many_files_is_spread_over_all_of_them() {
        let world = world(&[1; 160]);
        let picked = world.picked_files(3);
        let tenths: Vec<u32> = picked.iter().map(|file| file.get() / 10).collect();
        assert_eq!(tenths, (0..16).collect::<Vec<_>>());
        assert_ne!(picked, world.picked_files(4), "another run looks at others");
    }

    #[test]
    fn a_sample_is_bounded_in_pieces_and_in_bytes() {
        let world = world(&[100, 100]);
        let count = |bytes| world.sample(bytes, 7).picks.len();
        assert_eq!(count(u64::MAX), 16);
        assert_eq!(count(5 * u64::from(PIECE)), 5);
        assert_eq!((count(1), count(0)), (1, 0));
    }

    #[test]
    fn a_sample_of_tiny_files_opens_few_of_them() {
        let count = |lengths: &[u64]| {
            let world = world_of(lengths);
            world.sample(BYTES, 5).picks.len()
        };
        let piece = u64::from(PIECE);
        assert_eq!(count(&vec![piece / 8; 8 * 20]), 4, "of eight files each");
        assert_eq!(count(&vec![piece / 64; 64 * 4]), 1, "one piece is looked at in any case");
    }

    #[test]
    fn only_what_is_claimed_is_sampled() {
        let mut world = world(&[100, 100]);
        let claimed = world.storage.geometry().piece(130).unwrap();
        world.record.have = Bitfield::new(200);
        world.record.have.insert(claimed);
        let picks: Vec<_> = world.sample(BYTES, 1).picks.into_keys().collect();
        assert_eq!(picks, [claimed]);
        world.files.doubt(world.storage.layout().file(1).unwrap().index);
        assert!(world.sample(BYTES, 1).picks.is_empty(), "its file is checked anyway");
    }
}
