use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tinytorrent_metainfo::Info;
use tinytorrent_storage::{Content, StorageError};

/// A torrent whose content is to be opened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ContentRequest<'a> {
    /// The metadata: names and lengths of files, the pieces, the info-hashes.
    pub info: &'a Arc<Info>,
    /// The folder of [`TorrentOptions::new`](crate::TorrentOptions::new), which may be any name that means
    /// something to the program.
    pub folder: &'a Path,
    /// `true` with [`TorrentOptions::read_only`](crate::TorrentOptions::read_only): nothing will be written.
    pub is_read_only: bool,
}

/// A function that opens content of the program's own. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ContentSource(Arc<Open>);

type Open =
    dyn Fn(ContentRequest<'_>) -> Result<Option<Arc<dyn Content>>, StorageError> + Send + Sync;

impl ContentSource {
    pub(crate) fn new<F>(open: F) -> Self
    where
        F: Fn(ContentRequest<'_>) -> Result<Option<Arc<dyn Content>>, StorageError>
            + Send
            + Sync
            + 'static,
    {
        Self(Arc::new(open))
    }

    /// Opens the content; `None` if it is to be in files. May block.
    pub(crate) fn open(
        &self,
        request: ContentRequest<'_>,
    ) -> Result<Option<Arc<dyn Content>>, StorageError> {
        (self.0)(request)
    }
}

impl fmt::Debug for ContentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentSource")
    }
}
