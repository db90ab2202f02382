use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tinytorrent_types::{Bitfield, PieceIndex};

use super::Verdict;
use crate::{FileIndex, Metainfo, merkle};

/// What was found on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    pieces: Bitfield,
    faults: Vec<FileFault>,
}

/// A file that is not as the torrent says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileFault {
    /// The file.
    pub file: FileIndex,
    /// What is wrong with it.
    pub kind: FileFaultKind,
    /// Its pieces that are wrong or cannot be read, ascending; pieces are shared between v1 files,
    /// so the fault may lie in a neighbour.
    pub pieces: Vec<u32>,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFaultKind {
    /// It is not there, or no file.
    Missing,
    /// It ends too early.
    Short,
    /// It is longer than it should be; no piece is wrong for that.
    Long,
    /// It holds pieces that are wrong.
    Wrong,
}

impl VerifyReport {
    /// The pieces that are right.
    pub fn pieces(&self) -> &Bitfield {
        &self.pieces
    }

    /// Whether every piece is right.
    pub fn is_complete(&self) -> bool {
        self.pieces.is_full()
    }

    /// The files that are not as they should be, in order. Empty files count if they are missing,
    /// although no piece is wrong then.
    pub fn faults(&self) -> &[FileFault] {
        &self.faults
    }
}

/// What is known while pieces are being hashed.
pub(super) struct Findings<'a> {
    metainfo: &'a Metainfo,
    pieces: Bitfield,
    bad: BTreeSet<PieceIndex>,
    kinds: BTreeMap<FileIndex, FileFaultKind>,
    pending: BTreeMap<PieceIndex, merkle::Hash>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(metainfo: &'a Metainfo) -> Self {
        Self {
            metainfo,
            pieces: Bitfield::new(metainfo.info().geometry().piece_count()),
            bad: BTreeSet::new(),
            kinds: BTreeMap::new(),
            pending: BTreeMap::new(),
        }
    }

    pub(super) fn note(&mut self, piece: PieceIndex, verdict: Verdict) {
        match verdict {
            Verdict::Right => {
                self.pieces.insert(piece);
                return;
            }
            Verdict::Pending(hash) => {
                self.pending.insert(piece, hash);
                return;
            }
            Verdict::Missing(file) => _ = self.kinds.insert(file, FileFaultKind::Missing),
            Verdict::Short(file) => _ = self.kinds.entry(file).or_insert(FileFaultKind::Short),
            Verdict::Wrong => {}
        }
        self.bad.insert(piece);
    }

    pub(super) fn finish(mut self, folder: &Path) -> VerifyReport {
        self.decide_pending();
        self.look_at_lengths(folder);
        let mut pieces: BTreeMap<FileIndex, Vec<u32>> = BTreeMap::new();
        for &piece in &self.bad {
            for span in self.metainfo.layout().piece_spans(piece).filter(|span| !span.is_pad) {
                pieces.entry(span.file).or_default().push(piece.get());
                self.kinds.entry(span.file).or_insert(FileFaultKind::Wrong);
            }
        }
        let fault = |(file, kind)| FileFault {
            file,
            kind,
            pieces: pieces.remove(&file).unwrap_or_default(),
        };
        VerifyReport { faults: self.kinds.into_iter().map(fault).collect(), pieces: self.pieces }
    }

    /// Files whose torrent lacks their piece layer are right as a whole or not at all.
    fn decide_pending(&mut self) {
        let (info, layout) = (self.metainfo.info(), self.metainfo.layout());
        let leaves = merkle::leaves_per_piece(info.geometry().nominal_piece_length());
        while let Some((&first, _)) = self.pending.first_key_value() {
            let span = layout.piece_spans(first).find(|span| !span.is_pad);
            let Some(file) = span.map(|span| span.file) else { return };
            let pieces: Vec<PieceIndex> = layout.file_pieces(file).collect();
            let layer: Vec<merkle::Hash> =
                pieces.iter().filter_map(|piece| self.pending.remove(piece)).collect();
            let is_right = layer.len() == pieces.len()
                && info.pieces_root(file) == Some(merkle::root_of_layer(&layer, leaves));
            for piece in pieces {
                if is_right {
                    self.pieces.insert(piece);
                } else {
                    self.bad.insert(piece);
                }
            }
        }
    }

    /// What no piece tells: empty files that are missing, and files that go on too long.
    fn look_at_lengths(&mut self, folder: &Path) {
        for file in self.metainfo.layout().files() {
            if file.is_pad() || file.attributes.is_symlink() || self.kinds.contains_key(&file.index)
            {
                continue;
            }
            match fs::metadata(file.path.below(folder)) {
                Ok(found) if found.is_file() && found.len() > file.length => {
                    self.kinds.insert(file.index, FileFaultKind::Long);
                }
                Ok(found) if found.is_file() => {}
                _ => _ = self.kinds.insert(file.index, FileFaultKind::Missing),
            }
        }
    }
}
