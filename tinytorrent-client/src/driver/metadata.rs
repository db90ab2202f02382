//! Metadata from peers and from earlier runs.

use std::sync::Arc;

use tinytorrent_metainfo::{Info, Metainfo, ReadOptions};
use tinytorrent_storage::MetadataFile;
use tinytorrent_types::InfoHashes;

use super::cancellation::Cancellation;
use super::patience::Patience;
use crate::TorrentOptions;

/// The reason for which bytes from peers are not the metadata of a torrent.
#[derive(Debug)]
pub(super) enum BadMetadata {
    /// The info-hash is wrong. Other peers may have the right bytes.
    WrongHash,
    /// The info-hash is right and the bytes are invalid. No peer can have better ones.
    Invalid(Arc<tinytorrent_metainfo::Error>),
}

/// Parses an info dictionary from peers, if its info-hash is right (BEP 9, BEP 52).
pub(super) fn parse_info(bytes: &[u8], hashes: InfoHashes) -> Result<Arc<Info>, BadMetadata> {
    if !Info::is_named_by(bytes, &hashes) {
        return Err(BadMetadata::WrongHash);
    }
    read_options().read_info(bytes).map_err(|error| BadMetadata::Invalid(Arc::new(error)))
}

/// A file beside the content, which keeps metadata and piece layers for the next run. A magnet link
/// that was resolved once then needs no peer to go on. Its methods block.
#[derive(Debug, Clone)]
pub(super) struct MetadataStore {
    file: MetadataFile,
    is_read_only: bool,
    /// The flag of the torrent, which ends a wait for a descriptor.
    cancellation: Cancellation,
}

impl MetadataStore {
    /// `None` if resume data is not wanted.
    pub(super) fn new(
        options: &TorrentOptions,
        hashes: InfoHashes,
        cancellation: Cancellation,
    ) -> Option<Self> {
        options.resume.then(|| Self {
            file: MetadataFile::new(&options.folder, hashes),
            is_read_only: options.read_only,
            cancellation,
        })
    }

    pub(super) fn load(&self) -> Option<Metainfo> {
        self.patience().run(|| self.file.load(&read_options())).ok().flatten()
    }

    pub(super) fn save(&self, metainfo: &Metainfo) {
        if self.is_read_only {
            return;
        }
        // A failure costs the next run a second download of the metadata, and this run nothing.
        if let Err(error) = self.patience().run(|| self.file.save(metainfo)) {
            tracing::warn!(%error, "the metadata was not saved for the next run");
        }
    }

    fn patience(&self) -> Patience {
        Patience::new(self.cancellation.clone())
    }
}

fn read_options() -> ReadOptions {
    // The info-hash is right, so that no stricter version of the bytes exists.
    ReadOptions::lenient()
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::InfoHashV1;

    use super::*;

    const INFO: &[u8] =
        b"d6:lengthi1e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";

    fn metainfo() -> Metainfo {
        Metainfo::from_info(ReadOptions::lenient().read_info(INFO).unwrap())
    }

    #[test]
    fn bytes_of_another_hash_are_refused() {
        let hashes = metainfo().hashes();
        assert!(parse_info(INFO, hashes).is_ok());
        let other = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        assert!(matches!(parse_info(INFO, other), Err(BadMetadata::WrongHash)));
    }

    #[test]
    fn metadata_is_saved_unless_nothing_may_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = TorrentOptions::new(folder.path());
        let store =
            |options: &_| MetadataStore::new(options, metainfo().hashes(), Cancellation::default());
        options.read_only(true);
        store(&options).unwrap().save(&metainfo());
        assert_eq!(store(&options).unwrap().load(), None);
        options.read_only(false);
        store(&options).unwrap().save(&metainfo());
        assert_eq!(store(&options).unwrap().load(), Some(metainfo()));
        options.resume(false);
        assert!(store(&options).is_none());
    }
}
