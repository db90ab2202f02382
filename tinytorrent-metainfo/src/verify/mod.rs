//! Verification of content on disk.

mod content;
mod fault;
mod judge;
mod report;

use core::ops::ControlFlow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tinytorrent_folder::{self as folder, Folder};

use crate::content::{Hashing, Observer, unobserved};
use crate::{DiskPaths, Metainfo, Trying};

pub use fault::{FileFault, FileFaultKind};
pub use report::VerifyReport;

use content::Content;
use report::Findings;

/// Settings of verifying content.
///
/// ```
/// use std::ops::ControlFlow;
/// use tinytorrent_metainfo::{CreateOptions, VerifyOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.bin");
/// std::fs::write(&path, [7; 100_000])?;
/// let metainfo = CreateOptions::new().create_unobserved(&path)?;
///
/// let report = VerifyOptions::new().verify_unobserved(&metainfo, folder.path())?;
/// assert!(report.is_complete());
///
/// std::fs::write(&path, [7; 50_000])?;
/// let go_on = &|_| ControlFlow::Continue(());
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

/// An error of verifying, after which the state of the content is unknown.
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
    /// A piece matches only one of the two hashes in a hybrid torrent, so no content can match both
    /// (BEP 52, "upgrade path").
    #[error("the v1 and v2 hashes of piece {piece} belong to different contents")]
    Inconsistent {
        /// The piece.
        piece: u32,
    },
    /// The observer ended the task.
    #[error("cancelled")]
    Cancelled,
}

impl VerifyOptions {
    /// Creates the default settings.
    pub fn new() -> Self {
        Self { threads: 1, follow_links: false }
    }

    /// Threads that read and hash. More than two or three would wait for memory.
    pub fn threads(&mut self, threads: usize) -> &mut Self {
        self.threads = threads;
        self
    }

    /// Follows symbolic links below the folder, to anywhere. It is meant for content that the user has
    /// put together: links from a stranger's torrent may lead to any file.
    pub fn follow_links(&mut self, follow: bool) -> &mut Self {
        self.follow_links = follow;
        self
    }

    /// Verifies content, which nothing interrupts; see [`verify`](Self::verify).
    ///
    /// # Errors
    /// See [`VerifyError`].
    pub fn verify_unobserved(
        &self,
        metainfo: &Metainfo,
        folder: impl AsRef<Path>,
    ) -> Result<VerifyReport, VerifyError> {
        self.verify(metainfo, folder.as_ref(), &unobserved)
    }

    /// Reads the content below `folder`, which contains the torrent's [name](crate::Info::name), and
    /// compares each piece with its hash. Nothing is written. A pipe in the place of a file counts as
    /// missing, and is not read. Files have the paths that [`DiskPaths`] finds.
    ///
    /// Files that are missing or too short are found without reading, and so are holes of sparse files,
    /// where the system tells them: they cost no more than their names, whatever the torrent claims. Pieces
    /// of holes are compared with the hashes of zeros. Pieces that are nearly all padding are compared as
    /// [`Metainfo::is_verified_by_tree_alone`] says.
    ///
    /// It takes a megabyte of memory for each thread, two bits for each piece, and 32 bytes for each that
    /// was read of a file whose piece layer the torrent lacks.
    ///
    /// # Errors
    /// See [`VerifyError`]. Content that is missing, wrong or unreadable is not an error: the report
    /// lists it.
    pub fn verify(
        &self,
        metainfo: &Metainfo,
        folder: &Path,
        observer: Observer<'_>,
    ) -> Result<VerifyReport, VerifyError> {
        let mut folder = Folder::open(folder)?;
        folder.follow_links(self.follow_links);
        let paths = DiskPaths::find(metainfo.layout(), &folder, Trying::Never)?;
        let content = Content { metainfo, folder, paths };
        let open = |file| content.open(file);
        let state = Mutex::new((Findings::new(&content), None));
        let hashing = Hashing {
            layout: metainfo.layout(),
            version: metainfo.info().version(),
            open: &open,
            threads: self.threads,
            skips: true,
            is_by_tree_alone: &|piece| metainfo.is_verified_by_tree_alone(piece),
            observer: &|progress| {
                // After an inconsistency the other threads need not go on.
                let has_failed = state.lock().is_ok_and(|state| state.1.is_some());
                if has_failed { ControlFlow::Break(()) } else { observer(progress) }
            },
        };
        let is_done = hashing.run(&|pieces, outcome| {
            // A panic of one thread ends the whole scope, so a poisoned lock needs no other treatment.
            let Ok(mut state) = state.lock() else { return };
            match outcome {
                Err(fault) => state.0.note_fault(pieces, fault),
                Ok(digest) => {
                    if let Err(piece) = state.0.note_digest(pieces, digest) {
                        state.1 = state.1.or(Some(piece));
                    }
                }
            }
        });
        let (findings, inconsistent) =
            state.into_inner().unwrap_or_else(|poison| poison.into_inner());
        match inconsistent {
            Some(piece) => Err(VerifyError::Inconsistent { piece: piece.get() }),
            None if !is_done => Err(VerifyError::Cancelled),
            None => Ok(VerifyReport::new(findings.finish(), content.paths)),
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
