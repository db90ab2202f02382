use std::collections::{BTreeMap, BTreeSet};

use tinytorrent_types::{Bitfield, PieceIndex};

use super::content::Content;
use super::fault::{FileFault, FileFaultKind};
use super::judge::Verdict;
use crate::{FileIndex, merkle};

/// The state of content on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    pieces: Bitfield,
    faults: Vec<FileFault>,
}

impl VerifyReport {
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
}

/// The findings while pieces are being hashed.
pub(super) struct Findings<'a> {
    content: &'a Content<'a>,
    pieces: Bitfield,
    bad: BTreeSet<PieceIndex>,
    kinds: BTreeMap<FileIndex, FileFaultKind>,
    pending: BTreeMap<PieceIndex, merkle::Hash>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(content: &'a Content<'a>) -> Self {
        Self {
            content,
            pieces: Bitfield::new(content.metainfo.info().geometry().piece_count()),
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
            Verdict::Link(file) => _ = self.kinds.insert(file, FileFaultKind::Link),
            Verdict::Unreadable(file, reason) => {
                self.kinds.insert(file, FileFaultKind::Unreadable(reason));
            }
            // Another fault of the file explains more than its length.
            Verdict::Short(file) => _ = self.kinds.entry(file).or_insert(FileFaultKind::Short),
            Verdict::Wrong => {}
        }
        self.bad.insert(piece);
    }

    pub(super) fn finish(mut self) -> VerifyReport {
        self.decide_pending();
        let layout = self.content.metainfo.layout();
        for file in layout.files().filter(|file| !file.is_pad()) {
            // A fault that hashing has found has the better reason.
            if !self.kinds.contains_key(&file.index)
                && let Some(kind) = self.content.fault_of(&file)
            {
                self.kinds.insert(file.index, kind);
            }
        }
        let mut pieces: BTreeMap<FileIndex, Vec<u32>> = BTreeMap::new();
        for &piece in &self.bad {
            for span in layout.piece_spans(piece).filter(|span| !span.is_pad) {
                pieces.entry(span.file).or_default().push(piece.get());
                // The piece does not show which of its files is wrong.
                self.kinds.entry(span.file).or_insert(FileFaultKind::Wrong);
            }
        }
        let fault = |(file, kind)| FileFault {
            file,
            path: self.content.path(file),
            kind,
            pieces: pieces.remove(&file).unwrap_or_default(),
        };
        VerifyReport { faults: self.kinds.into_iter().map(fault).collect(), pieces: self.pieces }
    }

    /// Decides the pieces of files whose piece layer the torrent lacks. Only the root of the whole file
    /// is known, so they are all right or all wrong.
    fn decide_pending(&mut self) {
        let metainfo = self.content.metainfo;
        let (info, layout) = (metainfo.info(), metainfo.layout());
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
}
