use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::PathBuf;

use tinytorrent_folder as folder;
use tinytorrent_types::{Bitfield, PieceIndex};

use super::{Content, Verdict};
use crate::content::FaultKind;
use crate::{File, FileIndex, merkle};

/// The state of content on disk.
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
    /// Its path below the folder.
    pub path: PathBuf,
    /// The fault.
    pub kind: FileFaultKind,
    /// Its pieces that are wrong or cannot be read, ascending; pieces are shared between v1 files,
    /// so the fault may lie in a neighbour.
    pub pieces: Vec<u32>,
}

/// The kinds of [`FileFault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFaultKind {
    /// There is no such file, but perhaps a folder, a pipe or a device. Of a symbolic link (BEP 47):
    /// there is none.
    Missing,
    /// A symbolic link stands in its place or on the way to it, and was not followed.
    Link,
    /// It ends too early.
    Short,
    /// It is longer than it should be; no piece is wrong for that.
    Long,
    /// The system refused to read it, for this reason.
    Unreadable(io::ErrorKind),
    /// It holds pieces that are wrong. Of a symbolic link: it leads elsewhere.
    Wrong,
}

impl VerifyReport {
    /// The pieces that are right.
    pub fn pieces(&self) -> &Bitfield {
        &self.pieces
    }

    /// `true` if every piece is right, and every file as it should be.
    pub fn is_complete(&self) -> bool {
        self.pieces.is_full() && self.faults.is_empty()
    }

    /// The files that are not as they should be, in order. Files count that are too long, and empty
    /// ones that are missing, although no piece is wrong then.
    pub fn faults(&self) -> &[FileFault] {
        &self.faults
    }
}

/// What is known while pieces are being hashed.
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
            Verdict::Short(file) => _ = self.kinds.entry(file).or_insert(FileFaultKind::Short),
            Verdict::Wrong => {}
        }
        self.bad.insert(piece);
    }

    pub(super) fn finish(mut self) -> VerifyReport {
        self.decide_pending();
        let layout = self.content.metainfo.layout();
        for file in layout.files().filter(|file| !file.is_pad()) {
            if !self.kinds.contains_key(&file.index)
                && let Some(kind) = self.content.look_at(&file)
            {
                self.kinds.insert(file.index, kind);
            }
        }
        let mut pieces: BTreeMap<FileIndex, Vec<u32>> = BTreeMap::new();
        for &piece in &self.bad {
            for span in layout.piece_spans(piece).filter(|span| !span.is_pad) {
                pieces.entry(span.file).or_default().push(piece.get());
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

    /// Files whose torrent lacks their piece layer are right as a whole or not at all.
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

impl Content<'_> {
    fn path(&self, file: FileIndex) -> PathBuf {
        let file = self.metainfo.layout().file(file.get());
        file.map(|file| self.paths.path(&file).to_path_buf()).unwrap_or_default()
    }

    /// Faults that no piece tells of: an empty one that is missing, one that goes on too long, a link.
    fn look_at(&self, file: &File<'_>) -> Option<FileFaultKind> {
        if let Some(target) = self.paths.link_target(self.metainfo.layout(), file) {
            return match self.folder.link_target(self.paths.path(file).elements()) {
                Ok(Some(found)) if target.is_named_by(&found) => None,
                Ok(Some(_)) => Some(FileFaultKind::Wrong),
                Ok(None) => Some(FileFaultKind::Missing),
                Err(error) => Some(FileFaultKind::of(error)),
            };
        }
        match self.folder.stamp(self.paths.path(file).elements()) {
            Ok(Some(stamp)) => (stamp.size > file.length).then_some(FileFaultKind::Long),
            // Opening tells what stands there instead.
            Ok(None) => self.open(file.index).err().map(FileFaultKind::from),
            Err(error) => Some(FileFaultKind::of(error)),
        }
    }
}

impl FileFaultKind {
    fn of(error: folder::Error) -> Self {
        FaultKind::from(error).into()
    }
}

impl From<FaultKind> for FileFaultKind {
    fn from(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Missing => Self::Missing,
            FaultKind::Link => Self::Link,
            FaultKind::Short => Self::Short,
            FaultKind::Io(error) => Self::Unreadable(error.kind()),
        }
    }
}

impl fmt::Display for FileFaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Link => "a symbolic link, which is not followed",
            Self::Short => "too short",
            Self::Long => "too long",
            Self::Unreadable(reason) => return write!(f, "cannot be read: {reason}"),
            Self::Wrong => "wrong",
        })
    }
}
