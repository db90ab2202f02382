use std::sync::Arc;

use crate::FilePool;

/// Options of a [`Storage`](super::Storage).
///
/// # Defaults
/// - [`read_only`](Self::read_only): no
/// - [`preallocate`](Self::preallocate): no, files are sparse
/// - [`follow_links`](Self::follow_links): no
/// - [`file_pool`](Self::file_pool): one of its own, of 128 files
#[derive(Debug, Clone, Default)]
pub struct StorageOptions {
    pub(super) read_only: bool,
    pub(super) preallocate: bool,
    pub(super) follow_links: bool,
    pub(super) file_pool: Option<Arc<FilePool>>,
}

impl StorageOptions {
    /// Makes writes fail, and creates no file. Default: no.
    pub fn read_only(&mut self, read_only: bool) -> &mut Self {
        self.read_only = read_only;
        self
    }

    /// Makes [`Storage::prepare`](super::Storage::prepare) reserve room for wanted files. Default: no.
    ///
    /// Files are less fragmented then, and a full disk is found at once. The reservation takes long on file
    /// systems that have to write zeros for it. And without resume data everything has to be read, as
    /// there are no holes that show missing pieces. It has no effect on file systems that cannot reserve
    /// room.
    pub fn preallocate(&mut self, preallocate: bool) -> &mut Self {
        self.preallocate = preallocate;
        self
    }

    /// Follows symbolic links below the root, wherever they lead, if the storage is
    /// [`read_only`](Self::read_only). Default: no.
    ///
    /// This is for content that users have put together themselves. Links that were made by a stranger's
    /// torrent may lead anywhere (S-20).
    pub fn follow_links(&mut self, follow: bool) -> &mut Self {
        self.follow_links = follow;
        self
    }

    /// The limit of open files, which other storages may share. Default: one of its own.
    pub fn file_pool(&mut self, pool: Arc<FilePool>) -> &mut Self {
        self.file_pool = Some(pool);
        self
    }
}
