//! Holding content against a torrent.

mod report;

use core::ops::ControlFlow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tinytorrent_types::PieceIndex;

use crate::content::{Digest, Fault, FaultKind, Hashing, Observer};
use crate::metainfo::PieceHash;
use crate::{FileIndex, Metainfo, merkle};

pub use report::{FileFault, FileFaultKind, VerifyReport};

use report::Findings;

/// How to verify.
///
/// ```
/// use std::ops::ControlFlow;
/// use tinytorrent_metainfo::{CreateOptions, VerifyOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.bin");
/// std::fs::write(&path, [7; 100_000])?;
/// let go_on = &|_| ControlFlow::Continue(());
/// let metainfo = CreateOptions::new().create(&path, go_on)?;
///
/// let report = VerifyOptions::new().verify(&metainfo, folder.path(), go_on)?;
/// assert!(report.is_complete());
///
/// std::fs::write(&path, [7; 50_000])?;
/// let report = VerifyOptions::new().verify(&metainfo, folder.path(), go_on)?;
/// assert_eq!(report.pieces().count(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    threads: usize,
}

/// Why nothing can be said about the content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The system refused to read a file that is there.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A piece has the SHA-1 that a hybrid torrent says, but not the merkle root, or the other way
    /// round: no content can be right (BEP 52, "upgrade path").
    #[error("the v1 and v2 hashes of piece {piece} belong to different contents")]
    Inconsistent {
        /// The piece.
        piece: u32,
    },
    /// The observer ended it.
    #[error("cancelled")]
    Cancelled,
}

impl VerifyOptions {
    /// One thread.
    pub fn new() -> Self {
        Self { threads: 1 }
    }

    /// Threads that read and hash. Default: 1. More than two or three wait for memory.
    pub fn threads(&mut self, threads: usize) -> &mut Self {
        self.threads = threads;
        self
    }

    /// Reads what lies below `folder`, the one that holds the torrent's [name](crate::Info::name),
    /// and holds each piece against its hash. Nothing is written.
    ///
    /// Memory is a megabyte a thread, and 32 bytes for each piece of a file whose piece layer the
    /// torrent lacks.
    ///
    /// # Errors
    /// See [`VerifyError`]. Content that is missing or wrong is no error but a finding.
    pub fn verify(
        &self,
        metainfo: &Metainfo,
        folder: &Path,
        observer: Observer<'_>,
    ) -> Result<VerifyReport, VerifyError> {
        let layout = metainfo.layout();
        let locate = |file: FileIndex| {
            let path = layout.file(file.get()).map(|file| file.path);
            path.map_or_else(|| folder.to_owned(), |path| path.below(folder))
        };
        let state = Mutex::new((Findings::new(metainfo), None));
        let hashing = Hashing {
            layout,
            version: metainfo.info().version(),
            locate: &locate,
            threads: self.threads,
            observer: &|progress| {
                let has_failed = state.lock().is_ok_and(|state| state.1.is_some());
                if has_failed { ControlFlow::Break(()) } else { observer(progress) }
            },
        };
        let is_done = hashing.run(&|piece, outcome| {
            let judged = judge(metainfo, piece, outcome);
            // A thread that panics ends the scope, so nobody sees a poisoned lock.
            let Ok(mut state) = state.lock() else { return };
            match judged {
                Ok(verdict) => state.0.note(piece, verdict),
                Err(failure) => state.1 = state.1.take().or(Some(failure)),
            }
        });
        let (findings, failure) = state.into_inner().unwrap_or_else(|poison| poison.into_inner());
        match failure {
            Some(Failure::Io(file, source)) => Err(VerifyError::Io { path: locate(file), source }),
            Some(Failure::Inconsistent(piece)) => Err(VerifyError::Inconsistent { piece }),
            None if !is_done => Err(VerifyError::Cancelled),
            None => Ok(findings.finish(folder)),
        }
    }
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What to think of a piece.
pub(crate) enum Verdict {
    Right,
    Wrong,
    /// Not to be decided before its file is through: the hash, of a file without piece layer.
    Pending(merkle::Hash),
    Missing(FileIndex),
    Short(FileIndex),
}

enum Failure {
    Io(FileIndex, io::Error),
    Inconsistent(u32),
}

fn judge(
    metainfo: &Metainfo,
    piece: PieceIndex,
    outcome: Result<Digest, Fault>,
) -> Result<Verdict, Failure> {
    let digest = match outcome {
        Ok(digest) => digest,
        Err(Fault { file, kind: FaultKind::Missing }) => return Ok(Verdict::Missing(file)),
        Err(Fault { file, kind: FaultKind::Short }) => return Ok(Verdict::Short(file)),
        Err(Fault { file, kind: FaultKind::Io(error) }) => return Err(Failure::Io(file, error)),
    };
    let v1 = digest.sha1.map(|sha1| metainfo.info().piece_hash(piece) == Some(sha1));
    let known = metainfo.piece_hash_v2(piece).map(|PieceHash { hash, .. }| hash);
    match (v1, digest.root.map(|root| known.map(|known| known == root).ok_or(root))) {
        (Some(v1), Some(Ok(v2))) if v1 != v2 => Err(Failure::Inconsistent(piece.get())),
        (Some(false), _) | (_, Some(Ok(false))) => Ok(Verdict::Wrong),
        (Some(true), _) | (_, Some(Ok(true))) => Ok(Verdict::Right),
        (None, Some(Err(root))) => Ok(Verdict::Pending(root)),
        // All padding, of a v2 torrent: there is nothing that could be wrong.
        (None, None) => Ok(Verdict::Right),
    }
}
