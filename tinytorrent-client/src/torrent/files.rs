//! Changes to the files on disk.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use tinytorrent_metainfo::FileSelection;
use tinytorrent_storage::{MoveProgress, VerifyProgress};
use tokio::sync::oneshot;

use super::Torrent;
use crate::driver::{CancelOnDrop, Chore, Order, ended};
use crate::priority::Wish;
use crate::{FilesError, Priority};

/// The pieces that a check reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum CheckScope {
    /// Those in files that have changed since the resume data was written last, and a sample of the others.
    Changed,
    /// All.
    All,
}

/// Changes to the files on disk. Downloading and uploading go on meanwhile, but for a check.
///
/// They are done one after the other, in the order in which they are asked for, once the content is open: before,
/// they wait for the metadata and for the check of the content. What has begun goes on if the future is
/// dropped, but for a move and a check, which are ended then; what has not begun is left out.
///
/// If the torrent ends before, they end with [`FilesError::Ended`], and so they do if it has ended already.
impl Torrent {
    /// Downloads these files from now on, and no others. An empty selection is that of the magnet link if it has
    /// one, and otherwise all files. Pieces that chosen files share with others are downloaded whole.
    ///
    /// Requests for what is not wanted any more are cancelled. Files that are there stay, chosen or not. The part
    /// that pieces have of files that are not there is kept in a part file, and moves out of it once its file is
    /// chosen. The selection is kept in the session. Before the metadata is known this returns at once.
    ///
    /// # Errors
    /// The torrent has no such file, or the disk refuses; then the selection is as before.
    pub async fn select(&self, files: FileSelection) -> Result<(), FilesError> {
        self.order(Chore::Choose(Wish::Only(files))).await
    }

    /// Gives files a priority: those of high priority are downloaded before others, those of low priority after
    /// them, and with [`Priority::Skip`] they are not downloaded, as if they were not
    /// [selected](Self::select). Any other priority selects them. A piece that files share has the highest of
    /// their priorities.
    ///
    /// While pieces are downloaded [in order](super::Torrent::set_sequential), high and low make no difference.
    /// The priorities are kept in the session. Before the metadata is known this returns at once.
    ///
    /// # Errors
    /// As for [`select`](Self::select).
    pub async fn set_file_priority(
        &self,
        files: FileSelection,
        priority: Priority,
    ) -> Result<(), FilesError> {
        self.order(Chore::Choose(Wish::Files(files, priority))).await
    }

    /// Gives pieces a priority, which counts before that of their files; with `None` that of their files counts
    /// again. Those that are beyond the last piece are ignored. Pieces of files that are not selected are written
    /// to the part file. The priorities are kept in the session.
    ///
    /// # Errors
    /// The disk refuses.
    pub async fn set_piece_priority(
        &self,
        pieces: RangeInclusive<u32>,
        priority: Option<Priority>,
    ) -> Result<(), FilesError> {
        self.order(Chore::Choose(Wish::Pieces(pieces, priority))).await
    }

    /// Gives a file another path; see [`rename_files`](Self::rename_files).
    ///
    /// # Errors
    /// As for [`rename_files`](Self::rename_files).
    pub async fn rename_file(&self, file: u32, path: impl Into<PathBuf>) -> Result<(), FilesError> {
        self.rename_files([(file, path.into())]).await
    }

    /// Gives files, by [`FileInfo::index`](crate::FileInfo::index), other paths below the folder of the torrent's
    /// options: all of them, or none. So a folder is renamed by new paths for all files in it. A path may lead
    /// out of the folder with the torrent's name.
    ///
    /// Files are renamed on disk at once, and folders that are empty by that are removed. Later runs find them:
    /// the paths are kept beside the content. [`Event::FileRenamed`](crate::Event::FileRenamed) tells of each.
    ///
    /// # Errors
    /// The torrent has no such file, something has a path already, the policy for names or
    /// [`keep_out`](crate::ClientOptions::keep_out) refuses one, the content is read-only, or the disk refuses.
    pub async fn rename_files(
        &self,
        renames: impl IntoIterator<Item = (u32, PathBuf)>,
    ) -> Result<(), FilesError> {
        self.order(Chore::Rename(renames.into_iter().collect())).await
    }

    /// Moves the content to another folder, which is created if it is missing: all files, and what is kept beside
    /// them. Nothing that exists there is replaced.
    ///
    /// On the same disk the files are renamed. Otherwise they are copied, while downloading and uploading go on,
    /// and the old ones are deleted once everything is on the other disk; [`move_progress`](Self::move_progress)
    /// shows how far it is. Dropping the future ends the copying, and everything stays where it was.
    ///
    /// A kill at any moment loses nothing: with a [kept session](crate::ClientOptions::state) the next run finishes
    /// the move, or begins where the content was. [`Event::Moved`](crate::Event::Moved) tells of the end.
    ///
    /// # Errors
    /// A file of the content exists in the folder, its disk has no room or cannot hold a name,
    /// [`keep_out`](crate::ClientOptions::keep_out) refuses it, the session cannot be saved, the content is
    /// read-only, or the disk refuses. Then everything is where it was.
    pub async fn move_to(&self, folder: impl Into<PathBuf>) -> Result<(), FilesError> {
        self.order(Chore::Move(folder.into())).await
    }

    /// Checks again which pieces are on disk and right. What is not is downloaded again, if it is wanted.
    ///
    /// Until the end the torrent is [checking](super::State::Checking), without connections;
    /// [`check_progress`](Self::check_progress) shows how far it is, and trackers do not notice. It waits for the
    /// checks of other torrents on the same disk. [`Event::Checked`](crate::Event::Checked) tells of the pieces.
    /// Dropping the future ends the check, and the torrent goes on with what it knew before.
    ///
    /// # Errors
    /// The disk cannot be read, or a hybrid torrent contradicts itself. The torrent goes on with what it knew
    /// before.
    pub async fn recheck(&self, scope: CheckScope) -> Result<(), FilesError> {
        self.order(Chore::Check(scope)).await
    }

    /// The progress of the check that is under way, that of the start included; `None` if none is, or it waits
    /// for others.
    pub fn check_progress(&self) -> Option<VerifyProgress> {
        self.shared.with(|driver, _| driver.check_progress(), |_| None)
    }

    /// The progress of the copying of a [move](Self::move_to) to another disk; `None` if there is none.
    pub fn move_progress(&self) -> Option<MoveProgress> {
        self.shared.with(|driver, _| driver.move_progress(), |_| None)
    }

    async fn order(&self, chore: Chore) -> Result<(), FilesError> {
        let owner = CancelOnDrop::default();
        let (reply, outcome) = oneshot::channel();
        let order = Order { chore, cancellation: owner.flag(), reply };
        self.shared.change(|driver, _| driver.order(order));
        match outcome.await {
            Ok(outcome) => outcome,
            Err(_) => Err(ended(self.error())),
        }
    }
}
