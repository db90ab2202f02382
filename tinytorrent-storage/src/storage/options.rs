use std::sync::Arc;

use crate::FilePool;

/// How a [`Storage`](super::Storage) treats the file system.
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
    /// Whether writes fail and nothing is ever created. Default: no.
    pub fn read_only(&mut self, read_only: bool) -> &mut Self {
        self.read_only = read_only;
        self
    }

    /// Whether [`Storage::prepare`](super::Storage::prepare) reserves room for wanted files. Default: no.
    ///
    /// It avoids fragments and finds out about a full disk at once. It costs the time to reserve,
    /// which is long on file systems that have to write zeros, and holes no longer tell which
    /// pieces are missing when there is no resume data. A file system that cannot do it is used
    /// without.
    pub fn preallocate(&mut self, preallocate: bool) -> &mut Self {
        self.preallocate = preallocate;
        self
    }

    /// Whether symbolic links below the root are followed, wherever they lead, if the storage is
    /// [`read_only`](Self::read_only). Default: no.
    ///
    /// For content that the user has put together himself. What a stranger's torrent has made may lead
    /// anywhere (S-20).
    pub fn follow_links(&mut self, follow: bool) -> &mut Self {
        self.follow_links = follow;
        self
    }

    /// The budget of open files, shared with other storages. Default: one of its own.
    pub fn file_pool(&mut self, pool: Arc<FilePool>) -> &mut Self {
        self.file_pool = Some(pool);
        self
    }
}
