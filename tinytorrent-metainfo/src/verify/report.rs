use core::ops::Range;
use std::collections::BTreeMap;
use std::path::PathBuf;

use tinytorrent_types::{Bitfield, PieceIndex};

use super::content::Content;
use super::fault::{FileFault, FileFaultKind};
use super::judge::{Inconsistent, Verdict, judge};
use crate::content::{Digest, Fault};
use crate::{DiskPaths, FileIndex, Metainfo, merkle};

/// The state of content on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    pieces: Bitfield,
    faults: Vec<FileFault>,
    paths: DiskPaths,
}

impl VerifyReport {
    pub(super) fn new((pieces, faults): (Bitfield, Vec<FileFault>), paths: DiskPaths) -> Self {
        Self { pieces, faults, paths }
    }

    /// The pieces that are right.
    pub fn pieces(&self) -> &Bitfield {
        &self.pieces
    }

    /// Returns true if every piece is right, and no file has a fault.
    pub fn is_complete(&self) -> bool {
        self.pieces.is_full() && self.faults.is_empty()
    }

    /// The files that differ from the torrent, in order. A file that is too long, or an empty one that is
    /// missing, is listed although its pieces are right.
    pub fn faults(&self) -> &[FileFault] {
        &self.faults
    }

    /// The path of a file with a fault, below the folder that was verified. `metainfo` is the torrent that
    /// was verified.
    ///
    /// Each path is built on request: a small torrent can have many files in deep folders, whose paths
    /// together would take a thousand times its size.
    pub fn path(&self, metainfo: &Metainfo, fault: &FileFault) -> PathBuf {
        let file = metainfo.layout().file(fault.file.get());
        file.map(|file| self.paths.path(&file).to_path_buf()).unwrap_or_default()
    }
}

/// The findings while pieces are being hashed.
pub(super) struct Findings<'a> {
    content: &'a Content<'a>,
    pieces: Bitfield,
    bad: Bitfield,
    kinds: BTreeMap<FileIndex, FileFaultKind>,
    pending: Pending,
}

/// The hashes of pieces whose files have no piece layer: the first piece of a run of equal hashes, and its
/// length.
type Pending = BTreeMap<u32, (u32, merkle::Hash)>;

impl<'a> Findings<'a> {
    pub(super) fn new(content: &'a Content<'a>) -> Self {
        let none = Bitfield::new(content.metainfo.info().geometry().piece_count());
        Self {
            content,
            pieces: none.clone(),
            bad: none,
            kinds: BTreeMap::new(),
            pending: BTreeMap::new(),
        }
    }

    /// Takes in pieces that cannot be read.
    pub(super) fn note_fault(&mut self, pieces: Range<u32>, fault: Fault) {
        match FileFaultKind::from(fault.kind) {
            // Another fault of the file explains more than its length.
            FileFaultKind::Short => {
                self.kinds.entry(fault.file).or_insert(FileFaultKind::Short);
            }
            kind => _ = self.kinds.insert(fault.file, kind),
        }
        insert_all(&mut self.bad, self.content, pieces);
    }

    /// Takes in pieces in a row with the same hashes, which are of one file if they are several.
    ///
    /// # Errors
    /// A piece that matches only one hash of a hybrid.
    pub(super) fn note_digest(
        &mut self,
        pieces: Range<u32>,
        digest: Digest,
    ) -> Result<(), PieceIndex> {
        let metainfo = self.content.metainfo;
        for index in pieces.clone() {
            let Some(piece) = metainfo.info().geometry().piece(index) else { continue };
            match judge(metainfo, piece, digest) {
                Ok(Verdict::Right) => _ = self.pieces.insert(piece),
                Ok(Verdict::Wrong) => _ = self.bad.insert(piece),
                Ok(Verdict::Pending(hash)) => {
                    // The layer of their file is missing for all of them.
                    self.pending.insert(pieces.start, (pieces.len() as u32, hash));
                    return Ok(());
                }
                Err(Inconsistent) => return Err(piece),
            }
        }
        Ok(())
    }

    /// The pieces that are right, and the files with a fault.
    pub(super) fn finish(mut self) -> (Bitfield, Vec<FileFault>) {
        self.decide_pending();
        let layout = self.content.metainfo.layout();
        let mut faults = Vec::new();
        for file in layout.files().filter(|file| !file.is_pad()) {
            let indices = layout.file_pieces(file.index).map(PieceIndex::get);
            let pieces = runs(indices.filter(|&index| self.bad.get(index)));
            // A fault that hashing has found has the better reason.
            let found = self.kinds.get(&file.index).copied();
            let kind = found.or_else(|| self.content.fault_of(&file)).or_else(|| {
                // The piece does not show which of its files is wrong.
                (!pieces.is_empty()).then_some(FileFaultKind::Wrong)
            });
            if let Some(kind) = kind {
                faults.push(FileFault { file: file.index, kind, pieces });
            }
        }
        (self.pieces, faults)
    }

    /// Decides the pieces of files whose piece layer the torrent lacks. Only the root of the whole file
    /// is known, so they are all right or all wrong.
    fn decide_pending(&mut self) {
        let content = self.content;
        let (info, layout) = (content.metainfo.info(), content.metainfo.layout());
        let leaves = merkle::leaves_per_piece(info.geometry().nominal_piece_length());
        while let Some((&first, _)) = self.pending.first_key_value() {
            let Some(first) = info.geometry().piece(first) else { return };
            let span = layout.piece_spans(first).find(|span| !span.is_pad);
            let Some(file) = span.map(|span| span.file) else { return };
            let pieces = range(layout.file_pieces(file));
            let mut rest = self.pending.split_off(&pieces.end);
            std::mem::swap(&mut self.pending, &mut rest);
            let layer: Vec<(merkle::Hash, u64)> =
                rest.into_values().map(|(count, hash)| (hash, count.into())).collect();
            let is_whole = layer.iter().map(|(_, count)| count).sum::<u64>() == pieces.len() as u64;
            let root = || merkle::reduce_runs(layer, pieces.len(), merkle::height(leaves));
            let is_right = is_whole && info.pieces_root(file) == Some(root());
            let state = if is_right { &mut self.pieces } else { &mut self.bad };
            insert_all(state, content, pieces);
        }
    }
}

fn insert_all(set: &mut Bitfield, content: &Content<'_>, pieces: Range<u32>) {
    let geometry = content.metainfo.info().geometry();
    for piece in pieces.filter_map(|index| geometry.piece(index)) {
        set.insert(piece);
    }
}

/// Pieces in a row as their range.
fn range(mut pieces: impl DoubleEndedIterator<Item = PieceIndex>) -> Range<u32> {
    let Some(first) = pieces.next() else { return 0..0 };
    first.get()..pieces.next_back().unwrap_or(first).get() + 1
}

/// Ascending numbers as ranges, as few as there can be.
fn runs(numbers: impl Iterator<Item = u32>) -> Vec<Range<u32>> {
    let mut runs: Vec<Range<u32>> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(run) if run.end == number => run.end += 1,
            _ => runs.push(number..number + 1),
        }
    }
    runs
}
