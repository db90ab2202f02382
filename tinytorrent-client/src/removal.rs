//! The removal of torrents from a client.

use std::sync::Arc;

use tinytorrent_storage::RemovedFiles;
use tinytorrent_swarm::Stats;
use tinytorrent_types::InfoHashes;
use tokio::sync::oneshot;

use crate::driver::ended;
use crate::{Client, FilesError, Torrent, TorrentError};

/// What becomes of the files of a torrent that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Removal {
    /// They stay where they are, with the resume data: added again, the torrent goes on.
    Keep,
    /// They are deleted, and with them what is kept beside the content. Other files in the same folders stay.
    Delete,
}

/// A torrent that was removed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Removed {
    /// Its last figures.
    pub stats: Stats,
    /// What was deleted, and what could not be; `None` if nothing was to be, or if it was not known what there
    /// is, as the metadata was missing.
    pub files: Option<RemovedFiles>,
}

/// The reason for which a torrent, or its content, was not removed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// The client has no such torrent.
    #[error("there is no torrent {0}")]
    NoSuchTorrent(InfoHashes),
    /// The torrent is removed, and its content cannot be deleted.
    #[error("the torrent is removed, and its content is not: {0}")]
    Content(FilesError),
}

impl Client {
    /// Removes a torrent: from the [kept session](crate::ClientOptions::state), then from the swarm, as
    /// [`Torrent::stop`](crate::Torrent::stop) does within 5 s, and then its files, if they are to be deleted.
    ///
    /// Only files that the torrent names are deleted, and folders that are empty by that; the folder of its options
    /// stays. What stands in their places but is no file of the torrent, such as a link, is left.
    /// It goes on if the future is dropped.
    ///
    /// # Errors
    /// The client does not have the torrent, or the content cannot be deleted at all: it is read-only, or the disk
    /// refuses to open it. Single files that stay are in [`Removed::files`].
    pub async fn remove(
        &self,
        hashes: InfoHashes,
        removal: Removal,
    ) -> Result<Removed, RemoveError> {
        let torrent = self.get(hashes).ok_or(RemoveError::NoSuchTorrent(hashes))?;
        // A task of its own, so that it goes on if nobody waits for it any more.
        let task = tokio::spawn(async move { torrent.remove(removal).await });
        task.await.unwrap_or_else(|_| Err(RemoveError::panicked()))
    }
}

impl Torrent {
    async fn remove(&self, removal: Removal) -> Result<Removed, RemoveError> {
        let eraser = match removal {
            Removal::Keep => None,
            Removal::Delete => self.shared().with(|driver, _| driver.eraser(), |_| None),
        };
        let stats = self.stop().await;
        let Some(eraser) = eraser else { return Ok(Removed { stats, files: None }) };
        let (done, outcome) = oneshot::channel();
        let job = Box::new(move || drop(done.send(eraser.run())));
        if let Err(error) = self.client().threads().long.run(job) {
            let error = ended(Some(TorrentError::Thread(Arc::new(error))));
            return Err(RemoveError::Content(error));
        }
        let files = outcome.await.map_err(|_| RemoveError::panicked())?;
        Ok(Removed { stats, files: Some(files.map_err(RemoveError::Content)?) })
    }
}

impl RemoveError {
    fn panicked() -> Self {
        RemoveError::Content(ended(Some(TorrentError::JobPanicked)))
    }
}
