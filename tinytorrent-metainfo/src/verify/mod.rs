//! Comparing content on disk with a torrent.

mod content;
mod fault;
mod judge;
mod report;

use core::ops::ControlFlow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tinytorrent_folder::{self as folder, Folder};

use crate::content::{Hashing, Observer};
use crate::{DiskPaths, Metainfo, Trying};

pub use fault::{FileFault, FileFaultKind};
pub use report::VerifyReport;

use content::Content;
use judge::{Inconsistent, judge};
use report::Findings;

/// The way to verify content.
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
///
/// # Defaults
/// - [`threads`](Self::threads): one
/// - [`follow_links`](Self::follow_links): no
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    threads: usize,
    follow_links: bool,
}

/// The reason why nothing can be said about the content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The folder cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
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
    /// The defaults.
    pub fn new() -> Self {
        Self { threads: 1, follow_links: false }
    }

    /// Threads that read and hash. More than two or three wait for memory.
    pub fn threads(&mut self, threads: usize) -> &mut Self {
        self.threads = threads;
        self
    }

    /// Follows symbolic links below the folder, wherever they lead. For content that the
    /// user has put together himself; what a stranger's torrent has made may lead anywhere.
    pub fn follow_links(&mut self, follow: bool) -> &mut Self {
        self.follow_links = follow;
        self
    }

    /// Reads what lies below `folder`, the one that holds the torrent's [name](crate::Info::name),
    /// and compares each piece with its hash. Nothing is written, and nothing is waited for: a pipe in
    /// the place of a file counts as missing. Files have the names that [`DiskPaths`] finds.
    ///
    /// Memory is a megabyte a thread, and 32 bytes for each piece of a file whose piece layer the
    /// torrent lacks.
    ///
    /// # Errors
    /// See [`VerifyError`]. Content that is missing, wrong or unreadable is no error but a finding.
    pub fn verify(
        &self,
        metainfo: &Metainfo,
        folder: &Path,
        observer: Observer<'_>,
    ) -> Result<VerifyReport, VerifyError> {
        let mut folder = Folder::open(folder)?;
        folder.follow_links(self.follow_links);
        let paths = DiskPaths::find(metainfo.layout(), &folder, Trying::Never);
        let content = Content { metainfo, folder, paths };
        let open = |file| content.open(file);
        let state = Mutex::new((Findings::new(&content), None));
        let hashing = Hashing {
            layout: metainfo.layout(),
            version: metainfo.info().version(),
            open: &open,
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
                Err(Inconsistent) => state.1 = state.1.or(Some(piece)),
            }
        });
        let (findings, inconsistent) =
            state.into_inner().unwrap_or_else(|poison| poison.into_inner());
        match inconsistent {
            Some(piece) => Err(VerifyError::Inconsistent { piece: piece.get() }),
            None if !is_done => Err(VerifyError::Cancelled),
            None => Ok(findings.finish()),
        }
    }
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl From<folder::Error> for VerifyError {
    fn from(error: folder::Error) -> Self {
        let (path, kind) = error.into_parts();
        let source = match kind {
            folder::ErrorKind::Io { source, .. } => source,
            _ => io::ErrorKind::NotADirectory.into(),
        };
        Self::Folder { path, source }
    }
}
