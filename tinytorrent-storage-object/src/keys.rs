//! The names of objects.

use std::path::{Component, Path as FolderPath};

use object_store::path::Path;
use tinytorrent_types::InfoHashes;

/// The names of the objects of one content.
///
/// ```text
/// <prefix>/<folder>/<info-hash>/pieces/00000000     a piece, right and whole
///                              /record              the resume record
///                              /drafts/<run>-<n>    parts of a piece that is not complete
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    base: Path,
}

impl Keys {
    /// The names below this prefix and folder. Of the folder, its names count, and nothing leads out.
    pub(crate) fn new(prefix: &Path, folder: &FolderPath, identity: &InfoHashes) -> Self {
        let names = folder.components().filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        });
        let folder = names.fold(prefix.clone(), |path, name| path.join(&*name));
        let v1 = identity.v1().map(|hash| hash.to_string());
        let hash = v1.or_else(|| identity.v2().map(|hash| hash.to_string()));
        Self { base: folder.join(hash.unwrap_or_default()) }
    }

    /// The prefix of all of them.
    pub(crate) fn all(&self) -> &Path {
        &self.base
    }

    pub(crate) fn pieces(&self) -> Path {
        self.base.clone().join(PIECES)
    }

    pub(crate) fn piece(&self, piece: u32) -> Path {
        self.pieces().join(format!("{piece:08}"))
    }

    pub(crate) fn record(&self) -> Path {
        self.base.clone().join("record")
    }

    pub(crate) fn drafts(&self) -> Path {
        self.base.clone().join("drafts")
    }

    /// A draft of this run.
    pub(crate) fn draft(&self, run: u64, number: u64) -> Path {
        self.drafts().join(format!("{run:016x}-{number}"))
    }

    /// The index of the piece with this name; `None` if it is no name of a piece.
    pub(crate) fn index_of(&self, key: &Path) -> Option<u32> {
        let pieces = self.pieces();
        let mut rest = key.prefix_match(&pieces)?;
        let name = rest.next()?;
        let index = name.as_ref().parse().ok()?;
        (rest.next().is_none() && *key == self.piece(index)).then_some(index)
    }

    /// The name that an object has in another place.
    pub(crate) fn in_place_of(&self, other: &Keys, key: &Path) -> Option<Path> {
        let rest = key.prefix_match(&other.base)?;
        Some(rest.fold(self.base.clone(), |path, part| path.join(part)))
    }
}

const PIECES: &str = "pieces";

#[cfg(test)]
mod tests {
    use tinytorrent_types::InfoHashV1;

    use super::*;

    fn keys(folder: &str) -> Keys {
        let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([0xab; 20]));
        Keys::new(&Path::from("my/bucket"), FolderPath::new(folder), &identity)
    }

    #[test]
    fn a_folder_leads_nowhere_but_down() {
        let hash = "ab".repeat(20);
        for (folder, expected) in [
            ("", format!("my/bucket/{hash}")),
            ("a/b", format!("my/bucket/a/b/{hash}")),
            ("/a/../../b", format!("my/bucket/a/b/{hash}")),
        ] {
            assert_eq!(keys(folder).all().as_ref(), expected);
        }
    }

    #[test]
    fn names_of_pieces_are_read_back_and_others_are_none() {
        let keys = keys("");
        for index in [0, 7, u32::MAX] {
            assert_eq!(keys.index_of(&keys.piece(index)), Some(index));
        }
        let pieces = keys.pieces();
        for other in ["7", "00000007x", "-0000007", "00000007/x"] {
            assert_eq!(keys.index_of(&Path::from(format!("{pieces}/{other}"))), None, "{other}");
        }
        assert_eq!(keys.index_of(&keys.record()), None);
    }

    #[test]
    fn a_name_in_another_place_is_the_same_below_it() {
        let (old, new) = (keys("a"), keys("b"));
        assert_eq!(new.in_place_of(&old, &old.piece(3)), Some(new.piece(3)));
        assert_eq!(new.in_place_of(&old, &old.record()), Some(new.record()));
        assert_eq!(new.in_place_of(&old, &new.record()), None);
    }
}
