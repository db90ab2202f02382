use std::sync::Arc;

use tinytorrent_storage::{RemovedFiles, TorrentFiles};

use super::Driver;
use super::content::Opener;
use crate::FilesError;

/// What it takes to delete the content of a torrent once it has stopped.
pub(crate) enum Eraser {
    /// The content was open.
    Open(TorrentFiles),
    /// It was not. There may be files of an earlier run.
    Closed(Box<Opener>),
}

impl Eraser {
    /// Deletes the content. Blocks.
    pub(crate) fn run(self) -> Result<RemovedFiles, FilesError> {
        match self {
            Eraser::Open(files) => Ok(files.remove_files()?),
            Eraser::Closed(opener) => opener.erase(),
        }
    }
}

impl Driver {
    /// Returns what it takes to delete the content; `None` if it is not known what that is.
    pub(crate) fn eraser(&mut self) -> Option<Eraser> {
        if let Some(running) = self.lifecycle.running() {
            return Some(Eraser::Open(running.plane.files()));
        }
        let metainfo = self.outbox.metainfo.as_ref()?;
        Some(Eraser::Closed(Box::new(self.lifecycle.opener(Arc::clone(metainfo)))))
    }
}
