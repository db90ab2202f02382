use std::{fs::File, io::Read, path::PathBuf};

use tinytorrent_folder::Folder;
use tinytorrent_metainfo::{Info, Metainfo, ReadOptions};
use tinytorrent_types::InfoHashes;

use crate::StorageError;

/// The metadata that peers gave for a magnet link or an info-hash (BEP 9), kept beside the content,
/// so that the next run needs no peer that has it.
///
/// It is `.<info-hash>.tinytorrent-metadata` in the folder of the content: `ttmeta1\n`, the format
/// and its version, then a torrent file of the info dictionary and the piece layers (BEP 52), as
/// far as they are known. Trackers and web seeds are not in it.
///
/// Its content is checked like that of a peer: the info dictionary against the info-hash, each piece layer
/// against its root in the info dictionary. Everything else in the file is ignored.
///
/// ```
/// use tinytorrent_metainfo::{Metainfo, ReadOptions};
/// use tinytorrent_storage::MetadataFile;
///
/// let bytes = b"d4:infod6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:ABCDEFGHIJKLMNOPQRSTee";
/// let metainfo = Metainfo::from_bytes(bytes)?;
/// let folder = tempfile::tempdir()?;
/// let kept = MetadataFile::new(folder.path(), metainfo.hashes());
/// assert_eq!(kept.load(&ReadOptions::lenient())?, None);
/// kept.save(&metainfo)?;
/// assert_eq!(kept.load(&ReadOptions::lenient())?, Some(metainfo));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MetadataFile {
    folder: PathBuf,
    identity: InfoHashes,
}

impl MetadataFile {
    /// The file for the torrent with these hashes, in the folder that holds the content. `identity` has
    /// all hashes that are known. Nothing is opened.
    pub fn new(folder: impl Into<PathBuf>, identity: InfoHashes) -> Self {
        Self { folder: folder.into(), identity }
    }

    /// The path of the file.
    pub fn path(&self) -> PathBuf {
        self.folder.join(file_name(&self.identity))
    }

    /// The metadata, if the file has that of the torrent. Piece layers may be missing, for which strict
    /// `options` refuse a v2 torrent.
    ///
    /// Returns `None`, and no error, for a file that is absent, damaged, larger than 128 MiB, of another
    /// version or of another torrent: peers have the metadata, too.
    ///
    /// # Errors
    /// No descriptor is left to read it ([`Fault::NoDescriptor`](crate::Fault::NoDescriptor)).
    pub fn load(&self, options: &ReadOptions) -> Result<Option<Metainfo>, StorageError> {
        let open = || {
            let folder = Folder::open(&self.folder)?;
            folder.open_file([file_name(&self.identity).as_bytes()])
        };
        match open() {
            Ok(file) => Ok(self.read(file, options)),
            Err(error) if error.is_out_of_descriptors() => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    fn read(&self, file: File, options: &ReadOptions) -> Option<Metainfo> {
        let mut bytes = Vec::new();
        // One byte more than the limit, to tell a file of that size from a longer one.
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 > MAX_BYTES {
            return None;
        }
        let metainfo = options.read(bytes.strip_prefix(MAGIC)?).ok()?;
        let is_right = Info::is_named_by(metainfo.info().bytes(), &self.identity);
        is_right.then(|| metainfo.to_proven())
    }

    /// Replaces the file with this metadata, and syncs it to the medium. A kill, a power failure or a full
    /// disk leaves either the old file or the new one, whole. The folder is created if it is missing.
    ///
    /// # Errors
    /// The system refuses; the old file, if any, is unchanged.
    pub fn save(&self, metainfo: &Metainfo) -> Result<(), StorageError> {
        let folder = Folder::create(&self.folder)?;
        let bytes = [MAGIC, &metainfo.to_proven().to_bytes()].concat();
        Ok(folder.replace(&file_name(&self.identity), &bytes, true)?)
    }

    /// Removes the file, if it is there.
    ///
    /// # Errors
    /// The system refuses.
    pub fn remove(&self) -> Result<(), StorageError> {
        match Folder::open(&self.folder) {
            Ok(folder) => remove(&folder, &self.identity),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Removes the files of all links to this torrent.
pub(super) fn remove_all(folder: &Folder, identity: &InfoHashes) -> Result<(), StorageError> {
    file_names(identity).try_for_each(|name| Ok(folder.remove([name.as_bytes()])?))
}

/// The names of the files of all links to this torrent: a link may name a hybrid by one of its hashes.
pub(super) fn file_names(identity: &InfoHashes) -> impl Iterator<Item = String> {
    let single = [identity.v1().map(InfoHashes::from_v1), identity.v2().map(InfoHashes::from_v2)];
    single.into_iter().flatten().map(|identity| file_name(&identity))
}

fn remove(folder: &Folder, identity: &InfoHashes) -> Result<(), StorageError> {
    Ok(folder.remove([file_name(identity).as_bytes()])?)
}

fn file_name(identity: &InfoHashes) -> String {
    format!(".{}.tinytorrent-metadata", identity.to_wire())
}

const MAGIC: &[u8] = b"ttmeta1\n";

/// Bytes of a file at most, the same as for a torrent file.
const MAX_BYTES: u64 = 128 << 20;

#[cfg(test)]
mod tests {
    use std::{fs, ops::ControlFlow};

    use tinytorrent_metainfo::{CreateOptions, Version};
    use tinytorrent_types::{InfoHashV1, InfoHashV2};

    use super::*;

    fn metainfo() -> Metainfo {
        let bytes = b"d8:announce8:http://t4:infod6:lengthi1e4:name1:a12:piece lengthi16384e\
            6:pieces20:ABCDEFGHIJKLMNOPQRSTee";
        Metainfo::from_bytes(bytes).unwrap()
    }

    fn load(kept: &MetadataFile) -> Option<Metainfo> {
        kept.load(&ReadOptions::lenient()).unwrap()
    }

    #[test]
    fn only_what_the_info_hash_proves_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let kept = MetadataFile::new(folder.path().join("new"), metainfo().hashes());
        kept.save(&metainfo()).unwrap();
        let loaded = load(&kept).unwrap();
        assert_eq!(loaded.info(), metainfo().info());
        assert!(loaded.trackers().is_empty());
        let mut bytes = MAGIC.to_vec();
        bytes.extend(metainfo().to_bytes());
        fs::write(kept.path(), bytes).unwrap();
        assert_eq!(load(&kept), Some(loaded), "nor read, if somebody put it there");
    }

    // S-16: a full disk may cut it, and others may write to the folder.
    #[test]
    fn a_file_that_was_cut_or_changed_anywhere_is_none_or_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let kept = MetadataFile::new(folder.path(), metainfo().hashes());
        kept.save(&metainfo()).unwrap();
        let (bytes, right) = (fs::read(kept.path()).unwrap(), load(&kept));
        for at in 0..bytes.len() {
            fs::write(kept.path(), &bytes[..at]).unwrap();
            assert_eq!(load(&kept), None, "cut at {at}");
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(kept.path(), changed).unwrap();
            assert!(load(&kept).is_none_or(|loaded| Some(loaded) == right), "changed at {at}");
        }
    }

    // S-17.
    #[test]
    fn the_metadata_of_another_torrent_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let other = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let [kept, others] =
            [metainfo().hashes(), other].map(|hashes| MetadataFile::new(folder.path(), hashes));
        kept.save(&metainfo()).unwrap();
        fs::rename(kept.path(), others.path()).unwrap();
        assert_eq!((load(&kept), load(&others)), (None, None));
        // A link that names a hybrid names both of its hashes.
        let v1 = metainfo().hashes().v1().unwrap();
        let hybrid = InfoHashes::from_both(v1, InfoHashV2::from_bytes([7; 32]));
        fs::rename(others.path(), kept.path()).unwrap();
        assert_eq!(MetadataFile::new(folder.path(), hybrid).path(), kept.path());
        assert_eq!(load(&MetadataFile::new(folder.path(), hybrid)), None);
    }

    // V-21.
    #[test]
    fn piece_layers_are_kept_and_wrong_ones_are_missing() {
        let folder = tempfile::tempdir().unwrap();
        let content = folder.path().join("content");
        fs::write(&content, [7; 40_000]).unwrap();
        let mut options = CreateOptions::new();
        options.version(Version::V2).piece_length(16 << 10).unwrap();
        let metainfo = options.create(&content, &|_| ControlFlow::Continue(())).unwrap();
        let kept = MetadataFile::new(folder.path(), metainfo.hashes());
        kept.save(&metainfo).unwrap();
        assert!(load(&kept).unwrap().has_all_piece_layers());

        let mut bytes = fs::read(kept.path()).unwrap();
        let layer = metainfo.layout().files().find_map(|file| metainfo.piece_layer(file.index));
        let hash = layer.unwrap()[1];
        let at = bytes.windows(32).position(|window| window == hash).unwrap();
        bytes[at] ^= 1;
        fs::write(kept.path(), bytes).unwrap();
        let loaded = load(&kept).unwrap();
        assert_eq!(loaded.info(), metainfo.info());
        assert!(!loaded.has_all_piece_layers());
    }

    #[test]
    fn a_file_of_absurd_size_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let kept = MetadataFile::new(folder.path(), metainfo().hashes());
        kept.save(&metainfo()).unwrap();
        let file = fs::File::options().write(true).open(kept.path()).unwrap();
        file.set_len(MAX_BYTES + 1).unwrap();
        assert_eq!(load(&kept), None);
    }

    // S-20.
    #[cfg(unix)]
    #[test]
    fn no_link_is_followed() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [kept, elsewhere] =
            [&folder, &outside].map(|at| MetadataFile::new(at.path(), metainfo().hashes()));
        elsewhere.save(&metainfo()).unwrap();
        let before = fs::read(elsewhere.path()).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), kept.path()).unwrap();
        assert_eq!(load(&kept), None);
        kept.save(&metainfo()).unwrap();
        assert!(load(&kept).is_some() && !kept.path().is_symlink());
        assert_eq!(fs::read(elsewhere.path()).unwrap(), before);
    }

    #[test]
    fn what_any_link_to_a_hybrid_has_kept_goes_with_the_record() {
        let folder = tempfile::tempdir().unwrap();
        let (v1, v2) = (InfoHashV1::from_bytes([7; 20]), InfoHashV2::from_bytes([8; 32]));
        let both = InfoHashes::from_both(v1, v2);
        for link in [both, InfoHashes::from_v1(v1), InfoHashes::from_v2(v2)] {
            MetadataFile::new(folder.path(), link).save(&metainfo()).unwrap();
        }
        remove_all(&Folder::open(folder.path()).unwrap(), &both).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn removing_leaves_nothing_and_is_no_error_twice() {
        let folder = tempfile::tempdir().unwrap();
        let kept = MetadataFile::new(folder.path().join("new"), metainfo().hashes());
        kept.remove().unwrap();
        kept.save(&metainfo()).unwrap();
        kept.remove().unwrap();
        kept.remove().unwrap();
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
    }
}
