//! The file of names that the user has given to files, which later runs read.

use tinytorrent_folder::Folder;
use tinytorrent_hash::sha1;
use tinytorrent_metainfo::{DiskPaths, FileIndex, Layout, SafePath};
use tinytorrent_types::InfoHashes;

use crate::{FilePool, StorageError, resume};

/// The names that the user has given to files.
///
/// They are kept beside the content, in `.<info-hash>.tinytorrent-names`, and so move with it. All numbers are
/// big-endian:
///
/// | bytes | content |
/// |---|---|
/// | 8 | `ttnames1`: the format and its version |
/// | 4 | number of files in the torrent |
/// | 4 | number of renamed files, and for each its index (4), the length of its path (4) and its path below the root, joined with `/` |
/// | the same | files that were about to be renamed, with their old paths |
/// | 20 | SHA-1 of all before |
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) renamed: Vec<Named>,
    /// Files with the paths that they have before the names count. A run that was killed may not have
    /// renamed them on disk.
    pub(super) moving: Vec<Named>,
}

/// A file and the bytes of its path.
pub(super) type Named = (FileIndex, Vec<u8>);

impl Names {
    /// The names of these paths.
    pub(super) fn of(paths: &DiskPaths) -> Self {
        let renamed = paths.renames().map(|(file, path)| (file, path.to_bytes()));
        Self { renamed: renamed.collect(), moving: Vec::new() }
    }

    /// The names in the folder; none if the file is absent, damaged, or of a torrent with another number of
    /// files.
    ///
    /// # Errors
    /// No descriptor is left to read it.
    pub(super) fn load(
        root: &Folder,
        identity: &InfoHashes,
        layout: &Layout,
        pool: &FilePool,
    ) -> Result<Self, StorageError> {
        let bytes = resume::load(pool, root, &file_name(identity), MAX_BYTES)?;
        Ok(bytes.and_then(|bytes| Self::from_bytes(&bytes, layout)).unwrap_or_default())
    }

    /// Replaces the file, and syncs it to the medium. Without names it is removed.
    pub(super) fn save(
        &self,
        root: &Folder,
        identity: &InfoHashes,
        layout: &Layout,
    ) -> Result<(), StorageError> {
        let name = file_name(identity);
        if self.renamed.is_empty() && self.moving.is_empty() {
            return Ok(root.remove([name.as_bytes()])?);
        }
        Ok(root.replace(&name, &self.to_bytes(layout), true)?)
    }

    /// The paths with these names. They are left out as a whole if the policy of paths refuses one: it may
    /// be another than before.
    pub(super) fn apply(&self, layout: &Layout, paths: DiskPaths) -> DiskPaths {
        let renamed = self.renamed.iter().map(|(file, path)| (*file, elements(path)));
        paths.renamed_to(layout, renamed).unwrap_or(paths)
    }

    fn to_bytes(&self, layout: &Layout) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(layout.file_count().to_be_bytes());
        for list in [&self.renamed, &self.moving] {
            bytes.extend((list.len() as u32).to_be_bytes());
            for (file, path) in list {
                bytes.extend(file.get().to_be_bytes());
                bytes.extend((path.len() as u32).to_be_bytes());
                bytes.extend(path);
            }
        }
        let check = sha1(&bytes);
        bytes.extend(check);
        bytes
    }

    fn from_bytes(bytes: &[u8], layout: &Layout) -> Option<Self> {
        let (body, check) = bytes.split_last_chunk()?;
        if sha1(body) != *check {
            return None;
        }
        let mut rest = body.strip_prefix(MAGIC)?;
        let count = number(&mut rest)?;
        let names = Self { renamed: list(&mut rest, layout)?, moving: list(&mut rest, layout)? };
        (rest.is_empty() && count == layout.file_count()).then_some(names)
    }
}

/// The elements of a path in the file. Those that are no names are refused where the path is used.
pub(super) fn elements(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
    path.split(|&byte| byte == b'/')
}

/// The name of the file.
pub(super) fn file_name(identity: &InfoHashes) -> String {
    format!(".{}.tinytorrent-names", identity.to_wire())
}

/// Returns `true` for a path that files beside the content may have, whether the disk tells upper case from
/// lower case or not.
pub(super) fn is_reserved(path: SafePath<'_>) -> bool {
    let mut elements = path.elements();
    let is_own = |name: &[u8]| {
        let mut parts = name.windows(RESERVED.len());
        name.starts_with(b".") && parts.any(|part| part.eq_ignore_ascii_case(RESERVED))
    };
    elements.next().is_some_and(is_own)
}

fn list(rest: &mut &[u8], layout: &Layout) -> Option<Vec<Named>> {
    // The count is a claim. Nothing is allocated for it: each entry takes bytes, and the first one that
    // lacks them ends the loop.
    let count = number(rest)?;
    let mut entry = || {
        let file = layout.file(number(rest)?)?;
        let length = number(rest)?;
        let (path, after) = rest.split_at_checked(length as usize)?;
        *rest = after;
        Some((file.index, path.to_vec()))
    };
    (0..count).map(|_| entry()).collect()
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_be_bytes(*number))
}

const MAGIC: &[u8] = b"ttnames1";

/// A part of the names of all files beside the content.
const RESERVED: &[u8] = b".tinytorrent-";

/// Bytes of a file at most, the same as for a torrent file.
const MAX_BYTES: u64 = 128 << 20;

#[cfg(test)]
mod tests {
    use tinytorrent_types::InfoHashV1;

    use super::*;

    fn layout() -> Layout {
        let mut builder = Layout::builder(16_384);
        builder.file(["t", "a"], 5).file(["t", "b"], 5).file(["t", "c"], 5);
        builder.build().unwrap()
    }

    fn names(layout: &Layout) -> Names {
        let file =
            |index, path: &str| (layout.file(index).unwrap().index, path.as_bytes().to_vec());
        Names {
            renamed: vec![file(0, "t/x"), file(2, "other/c\u{e9}")],
            moving: vec![file(2, "t/c")],
        }
    }

    #[test]
    fn names_round_trip_and_none_leave_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = Folder::open(folder.path()).unwrap();
        let (layout, identity) = (layout(), InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20])));
        let pool = FilePool::default();
        let load = |identity| Names::load(&root, identity, &layout, &pool).unwrap();
        names(&layout).save(&root, &identity, &layout).unwrap();
        assert_eq!(load(&identity), names(&layout));
        let other = InfoHashes::from_v1(InfoHashV1::from_bytes([8; 20]));
        assert_eq!(load(&other), Names::default());
        let paths = names(&layout).apply(&layout, DiskPaths::as_laid_out());
        assert_eq!(Names::of(&paths).renamed, names(&layout).renamed);
        Names::default().save(&root, &identity, &layout).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    // S-16: a full disk may cut it anywhere, and others may write to the folder.
    #[test]
    fn names_that_were_cut_or_changed_anywhere_are_none() {
        let layout = layout();
        let bytes = names(&layout).to_bytes(&layout);
        for at in 0..bytes.len() {
            assert_eq!(Names::from_bytes(&bytes[..at], &layout), None, "{at}");
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Names::from_bytes(&changed, &layout), None, "{at}");
        }
    }

    // S-20.
    #[test]
    fn forged_names_lead_nowhere() {
        let layout = layout();
        let index = layout.file(0).unwrap().index;
        for path in ["../x", "/x", "", "t/../../x", "t/a\0", "t/b", "t/b/x"] {
            let forged = Names { renamed: vec![(index, path.into())], moving: Vec::new() };
            let read = Names::from_bytes(&forged.to_bytes(&layout), &layout).unwrap();
            let paths = read.apply(&layout, DiskPaths::as_laid_out());
            assert_eq!(paths.renames().count(), 0, "{path:?}");
        }
        let mut body = names(&layout).to_bytes(&layout)[..12].to_vec();
        body.extend(u32::MAX.to_be_bytes());
        let check = sha1(&body);
        body.extend(check);
        assert_eq!(Names::from_bytes(&body, &layout), None, "a count allocates nothing");
    }

    #[test]
    fn names_of_files_beside_the_content_are_reserved() {
        let reserved = |path: &str| {
            let mut builder = Layout::builder(1);
            builder.file(path.split('/'), 1);
            is_reserved(builder.build().unwrap().file(0).unwrap().path)
        };
        assert!(reserved(".00.tinytorrent-resume") && reserved(".00.TinyTorrent-move/a"));
        assert!(!reserved("a.tinytorrent-resume") && !reserved("a/.00.tinytorrent-resume"));
    }
}
