use std::{path::PathBuf, sync::Arc};

use crate::FilePool;

/// Options of a [`Storage`](super::Storage).
///
/// # Defaults
/// - [`read_only`](Self::read_only): no
/// - [`preallocate`](Self::preallocate): no, files are sparse
/// - [`follow_links`](Self::follow_links): no
/// - [`move_target`](Self::move_target): none
/// - [`file_pool`](Self::file_pool): one of its own, of 128 files
#[derive(Debug, Clone, Default)]
pub struct StorageOptions {
    pub(super) manner: Manner,
    pub(super) move_target: Option<PathBuf>,
    pub(super) file_pool: Option<Arc<FilePool>>,
}

/// The options that a storage keeps.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    pub(super) read_only: bool,
    pub(super) preallocate: bool,
    pub(super) follow_links: bool,
}

impl StorageOptions {
    /// Makes writes fail, and creates no file. Default: no.
    pub fn read_only(&mut self, read_only: bool) -> &mut Self {
        self.manner.read_only = read_only;
        self
    }

    /// Makes [`Storage::prepare`](super::Storage::prepare) reserve room for wanted files. Default: no.
    ///
    /// Files are less fragmented then, and a full disk is found at once. The reservation takes long on file
    /// systems that have to write zeros for it. And without resume data everything has to be read, as
    /// there are no holes that show missing pieces. It has no effect on file systems that cannot reserve
    /// room.
    pub fn preallocate(&mut self, preallocate: bool) -> &mut Self {
        self.manner.preallocate = preallocate;
        self
    }

    /// Follows symbolic links below the root, wherever they lead, if the storage is
    /// [`read_only`](Self::read_only). Default: no.
    ///
    /// This is for content that users have put together themselves. Links that were made by a stranger's
    /// torrent may lead anywhere (S-20).
    pub fn follow_links(&mut self, follow: bool) -> &mut Self {
        self.manner.follow_links = follow;
        self
    }

    /// The folder to which an earlier run has begun to [move](super::Storage::move_to) the content, which may
    /// not have come to an end. Default: none.
    ///
    /// If everything was ready, opening the storage finishes the move, and the content is in that folder:
    /// [`root_path`](super::Storage::root_path) tells which. Otherwise what was copied is deleted, and the
    /// content is where it was. So a program that keeps the folder of its torrents
    ///
    /// 1. saves the old and the new folder, and then moves;
    /// 2. saves the new folder alone, and then [settles](crate::Moved::settle) the move;
    /// 3. opens a storage for which it has both with this option, goes on with `root_path`, saves that alone,
    ///    and then settles what [`finished_move`](super::Storage::finished_move) gives.
    ///
    /// It has no effect on a storage that is [`read_only`](Self::read_only).
    pub fn move_target(&mut self, folder: Option<PathBuf>) -> &mut Self {
        self.move_target = folder;
        self
    }

    /// The limit of open files, which other storages may share. Default: one of its own.
    pub fn file_pool(&mut self, pool: Arc<FilePool>) -> &mut Self {
        self.file_pool = Some(pool);
        self
    }
}
