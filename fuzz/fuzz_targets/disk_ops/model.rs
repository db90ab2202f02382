//! The naive disk: the content as one vector, and sets of pieces and blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tinytorrent_hash::sha1;
use tinytorrent_storage::{Completion, Recovered, Storage, StorageError};
use tinytorrent_types::{BlockInfo, Geometry, PieceIndex};

use crate::torrents::Torrent;

/// The way from one run to the next.
#[derive(Clone, Copy, Default)]
pub(crate) struct Restart {
    /// A file is cut in between.
    pub(crate) is_damaging: bool,
    /// Everything is checked, whatever the record says.
    pub(crate) is_thorough: bool,
}

/// The state that the disk has to have.
#[derive(Default)]
pub(crate) struct Model {
    /// Bytes of the content that are written, or will be; zeros elsewhere.
    pub(crate) written: Vec<u8>,
    pub(crate) have: BTreeSet<PieceIndex>,
    /// Pieces that a check of everything found, and that no record has: nothing but another such check
    /// has to find them again.
    pub(crate) unrecorded: BTreeSet<PieceIndex>,
    /// Blocks of unfinished pieces.
    pub(crate) stored: BTreeMap<PieceIndex, BTreeSet<u32>>,
    /// Unfinished pieces with blocks of an earlier run.
    pub(crate) recovered: BTreeSet<PieceIndex>,
    /// Pieces whose verification was asked for and is not told of.
    pub(crate) verifying: BTreeSet<PieceIndex>,
    pub(crate) reads: BTreeMap<(u64, BlockInfo), Reads>,
    /// Bytes of blocks that were accepted, and of those that were told of as written.
    pub(crate) accepted: u64,
    pub(crate) told: u64,
}

/// Requests with the same tag for the same block.
#[derive(Default)]
pub(crate) struct Reads {
    pub(crate) asked: u32,
    pub(crate) cancelled: u32,
    pub(crate) answered: u32,
}

impl Model {
    pub(crate) fn new(torrent: &Torrent, storage: &Storage, recovered: &Recovered) -> Self {
        let geometry = torrent.layout.geometry();
        let pieces = geometry.pieces().filter(|&piece| recovered.have.contains(piece));
        let partial = recovered.partial.iter();
        Self {
            written: on_disk(torrent, &storage.root_path()),
            have: pieces.collect(),
            recovered: partial.clone().map(|partial| partial.piece).collect(),
            stored: partial
                .map(|partial| (partial.piece, partial.blocks.iter().copied().collect()))
                .collect(),
            ..Self::default()
        }
    }

    pub(crate) fn write(&mut self, torrent: &Torrent, block: BlockInfo, data: &[u8]) {
        for (at, &byte) in torrent.range(block).zip(data) {
            self.written[at] = if torrent.is_padding[at] { 0 } else { byte };
        }
    }

    pub(crate) fn is_missing(&self, block: BlockInfo) -> bool {
        let stored = self.stored.get(&block.piece());
        !self.have.contains(&block.piece())
            && stored.is_none_or(|blocks| !blocks.contains(&block.number()))
    }

    pub(crate) fn is_full(&self, geometry: &Geometry, piece: PieceIndex) -> bool {
        let count = self.stored.get(&piece).map_or(0, BTreeSet::len);
        count == geometry.block_count(piece) as usize
    }

    pub(crate) fn is_right(&self, torrent: &Torrent, piece: PieceIndex) -> bool {
        let range = piece_range(torrent, piece);
        self.written[range.clone()] == torrent.content[range]
    }

    /// Checks what the disk says, and learns from it.
    pub(crate) fn take(&mut self, torrent: &Torrent, completion: Completion) {
        let geometry = torrent.layout.geometry();
        match completion {
            Completion::BlocksWritten { bytes } => {
                self.told += bytes;
                assert!(self.told <= self.accepted, "no byte is told of twice");
            }
            Completion::PieceVerified { piece, .. } => {
                assert!(self.verifying.remove(&piece) && self.is_full(geometry, piece));
                assert!(self.is_right(torrent, piece), "piece {piece} is wrong");
                self.forget(piece);
                self.have.insert(piece);
            }
            Completion::PieceFailed { piece, digests, is_recovered } => {
                assert!(self.verifying.remove(&piece) && self.is_full(geometry, piece));
                assert!(!self.is_right(torrent, piece), "piece {piece} is right");
                assert_eq!(is_recovered, self.recovered.contains(&piece));
                let expected =
                    geometry.blocks(piece).map(|b| sha1(&self.written[torrent.range(b)]));
                assert!(digests.iter().map(|digest| *digest.as_bytes()).eq(expected));
                self.forget(piece);
            }
            Completion::PieceUnstored { piece, error } => {
                let StorageError::IncompletePiece { missing } = error else { panic!("{error}") };
                let stored = self.stored.get(&piece).map_or(0, BTreeSet::len);
                assert!(self.verifying.remove(&piece));
                assert_eq!(missing as usize, geometry.block_count(piece) as usize - stored);
            }
            Completion::BlockRead { tag, block, data } => {
                assert!(data == torrent.content[torrent.range(block)], "{block} reads wrong");
                let reads = self.reads.get_mut(&(tag, block)).expect("it was asked for");
                reads.answered += 1;
                assert!(reads.answered <= reads.asked, "one answer a request");
            }
            // The blocks that were read before are not looked at until the disk has ended.
            Completion::BlockUnread { tag, block, error: StorageError::ShutDown } => {
                let reads = self.reads.get_mut(&(tag, block)).expect("it was asked for");
                reads.answered += 1;
                assert!(reads.answered <= reads.asked, "one answer a request");
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn forget(&mut self, piece: PieceIndex) {
        self.stored.remove(&piece);
        self.recovered.remove(&piece);
    }

    /// Every file has what was written to it, and zeros or nothing elsewhere.
    pub(crate) fn assert_on_disk(&self, torrent: &Torrent, folder: &Path) {
        assert!(on_disk(torrent, folder) == self.written, "the files differ");
    }

    /// Cuts a file, perhaps to nothing.
    pub(crate) fn cut_file(&mut self, torrent: &Torrent, folder: &Path, argument: usize) {
        let files: Vec<_> = torrent.layout.files().filter(|file| !file.is_pad()).collect();
        let file = &files[argument % files.len()];
        let path = file.path.below(folder);
        let Ok(opened) = fs::File::options().write(true).open(path) else { return };
        let length = opened.metadata().expect("it is there").len();
        let cut = length * (argument as u64 / files.len() as u64 % 4) / 4;
        opened.set_len(cut).expect("it can be cut");
        self.written = on_disk(torrent, folder);
    }

    /// Checks that the pieces that recovery claims are on disk, and that none was forgotten.
    pub(crate) fn assert_recovered(
        &self,
        torrent: &Torrent,
        recovered: &Recovered,
        restart: Restart,
    ) {
        let geometry = torrent.layout.geometry();
        for piece in geometry.pieces() {
            let is_claimed = recovered.have.contains(piece);
            let is_right = self.is_right(torrent, piece);
            assert!(is_right || !is_claimed, "piece {piece} is not on disk");
            let is_known = restart.is_thorough || !self.unrecorded.contains(&piece);
            let is_due = is_right && is_known && self.have.contains(&piece);
            assert!(is_claimed || !is_due, "piece {piece} is forgotten");
            let partial = recovered.partial.iter().find(|partial| partial.piece == piece);
            let claimed: BTreeSet<u32> =
                partial.map(|partial| partial.blocks.iter().copied().collect()).unwrap_or_default();
            let stored = self.stored.get(&piece).cloned().unwrap_or_default();
            // Blocks of a piece that was complete once may be left of it.
            let is_there = |&number: &u32| {
                let block = geometry.nth_block(piece, number).expect("it is within the piece");
                let range = torrent.range(block);
                stored.contains(&number) || self.written[range.clone()] == torrent.content[range]
            };
            assert!(claimed.iter().all(is_there), "blocks of {piece} are not on disk");
            if !restart.is_damaging && !is_claimed && !self.is_full(geometry, piece) {
                assert!(stored.is_subset(&claimed), "blocks of {piece} are forgotten");
            }
        }
    }
}

impl Reads {
    /// All that were not cancelled are answered.
    pub(crate) fn is_over(&self) -> bool {
        self.answered >= self.asked - self.cancelled
    }
}

fn piece_range(torrent: &Torrent, piece: PieceIndex) -> std::ops::Range<usize> {
    let geometry = torrent.layout.geometry();
    let begin = geometry.piece_offset(piece) as usize;
    begin..begin + geometry.piece_length(piece) as usize
}

/// The content as the files have it, with zeros where they end early.
fn on_disk(torrent: &Torrent, folder: &Path) -> Vec<u8> {
    let mut content = vec![0; torrent.content.len()];
    for file in torrent.layout.files().filter(|file| !file.is_pad()) {
        let range = file.offset as usize..(file.offset + file.length) as usize;
        let part = &mut content[range];
        let found = fs::read(file.path.below(folder)).unwrap_or_default();
        assert!(found.len() <= part.len(), "the file is too long");
        part[..found.len()].copy_from_slice(&found);
    }
    content
}
