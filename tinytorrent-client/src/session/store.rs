use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tinytorrent_dht::SavedNodes;
use tinytorrent_folder::{EntryKind, Folder};
use tinytorrent_metainfo::{Metainfo, ReadOptions};
use tinytorrent_storage::{MetadataFile, StorageError};
use tinytorrent_types::InfoHashes;

use super::Record;

/// A folder with a file for each torrent, and one more for its metadata. Its methods block.
///
/// A file is written beside the old one and renamed, so that a kill leaves either of the two. One that is
/// damaged all the same is left alone, and costs no other torrent anything.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    folder: Arc<Folder>,
}

/// The files of one torrent in the store. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    store: Store,
    hashes: InfoHashes,
    /// `true` once the files are removed. A save that began before must not bring them back.
    is_removed: Arc<Mutex<bool>>,
}

/// A torrent that was read from the store.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) record: Record,
    pub(crate) metainfo: Option<Arc<Metainfo>>,
}

/// The end of the names of records.
const SUFFIX: &str = ".torrent-state";

/// The file with the nodes of the DHT.
const NODES: &str = "dht-nodes";

/// Maximum number of bytes of a record. A file that is longer is none.
const MAX_BYTES: u64 = 4 << 20;

impl Store {
    /// Opens the folder, and creates it if it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, StorageError> {
        Ok(Self { folder: Arc::new(Folder::create(path)?) })
    }

    /// Reads all torrents, in their order. Files that cannot be read are told of in the log, but for those
    /// for which no descriptor is left: the torrents would be missing without a reason.
    pub(crate) fn load(&self) -> Result<Vec<Kept>, StorageError> {
        let mut kept = Vec::new();
        for entry in self.folder.entries([])? {
            let name = entry.name.to_string_lossy().into_owned();
            if entry.kind != EntryKind::File || !name.ends_with(SUFFIX) {
                continue;
            }
            let file = match self.folder.open_file([name.as_bytes()]) {
                Err(error) if error.is_out_of_descriptors() => return Err(error.into()),
                opened => opened,
            };
            match Self::read(file) {
                Ok(record) => kept.push(self.with_metadata(record)?),
                Err(error) => {
                    let path = self.folder.path().join(name);
                    tracing::warn!(path = %path.display(), %error, "a kept torrent is left out");
                }
            }
        }
        kept.sort_by_key(|kept| (kept.record.origin.position, kept.record.origin.added));
        Ok(kept)
    }

    fn read(
        file: Result<File, tinytorrent_folder::Error>,
    ) -> Result<Record, Box<dyn std::error::Error>> {
        let mut bytes = Vec::new();
        file?.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(Record::from_bytes(&bytes)?)
    }

    fn with_metadata(&self, record: Record) -> Result<Kept, StorageError> {
        let file = MetadataFile::new(self.folder.path(), record.hashes);
        let metainfo = file.load(&ReadOptions::lenient())?.map(Arc::new);
        Ok(Kept { metainfo, record })
    }

    /// Reads the nodes of the DHT that the run before has kept; `None` if there are none, or if the file is damaged.
    pub(crate) fn load_nodes(&self) -> Option<SavedNodes> {
        let file = self.folder.open_file([NODES.as_bytes()]).ok()?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
        let nodes = SavedNodes::from_bytes(&bytes);
        nodes
            .inspect_err(|error| tracing::warn!(%error, "the kept nodes of the DHT are left out"))
            .ok()
    }

    /// Keeps nodes of the DHT for the next run.
    pub(crate) fn save_nodes(&self, nodes: &SavedNodes) -> Result<(), StorageError> {
        Ok(self.folder.replace(NODES, &nodes.to_bytes(), false)?)
    }

    /// The files of this torrent.
    pub(crate) fn entry(&self, hashes: InfoHashes) -> Entry {
        Entry { store: self.clone(), hashes, is_removed: Arc::default() }
    }
}

impl Entry {
    /// Writes the record of the torrent, and its metadata if there is some to be written.
    pub(crate) fn save(
        &self,
        record: &Record,
        metainfo: Option<&Metainfo>,
    ) -> Result<(), StorageError> {
        let is_removed = self.is_removed.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_removed {
            return Ok(());
        }
        if let Some(metainfo) = metainfo {
            self.metadata().save(metainfo)?;
        }
        Ok(self.store.folder.replace(&self.name(), &record.to_bytes(), false)?)
    }

    /// Removes the files of the torrent.
    pub(crate) fn remove(&self) -> Result<(), StorageError> {
        let mut is_removed = self.is_removed.lock().unwrap_or_else(PoisonError::into_inner);
        *is_removed = true;
        self.store.folder.remove([self.name().as_bytes()])?;
        self.metadata().remove()
    }

    fn metadata(&self) -> MetadataFile {
        MetadataFile::new(self.store.folder.path(), self.hashes)
    }

    fn name(&self) -> String {
        let v1 = self.hashes.v1().map(|hash| hash.to_string());
        let v2 = || self.hashes.v2().map(|hash| hash.to_string());
        format!("{}{SUFFIX}", v1.or_else(v2).unwrap_or_default())
    }
}
