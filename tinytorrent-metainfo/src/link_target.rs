use std::path::{Component, Path, PathBuf};

use crate::SafePath;
use crate::path::{os_bytes, os_element};

/// The target of a symbolic link of a torrent (BEP 47), relative to the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTarget {
    /// The folder of the link, as a path below the folder of the download.
    link_folder: Vec<Vec<u8>>,
    /// The target, as a path below the same folder.
    target: Vec<Vec<u8>>,
}

impl LinkTarget {
    pub(crate) fn new(link: SafePath<'_>, target: SafePath<'_>) -> Self {
        let mut link_folder: Vec<Vec<u8>> = link.elements().map(<[u8]>::to_vec).collect();
        link_folder.pop();
        Self { link_folder, target: target.elements().map(<[u8]>::to_vec).collect() }
    }

    /// The target to store in the link: relative, and never above the folder of the download.
    pub fn to_path_buf(&self) -> PathBuf {
        let shared = self.link_folder.iter().zip(&self.target).take_while(|(a, b)| a == b).count();
        // A target that is a folder around the link keeps its name: `../d`, not `..`, so that the path
        // is never empty.
        let shared = shared.min(self.target.len().saturating_sub(1));
        let up = (shared..self.link_folder.len()).map(|_| &b".."[..]);
        let down = self.target[shared..].iter().map(Vec::as_slice);
        up.chain(down).map(os_element).collect()
    }

    /// Returns true if a link that stores `found` leads to this target. Other spellings of the same path
    /// count; absolute paths do not.
    pub fn is_named_by(&self, found: &Path) -> bool {
        // The path is resolved as text, without the disk: it may not exist there, and links on the way
        // are never followed.
        let mut place = self.link_folder.clone();
        for component in found.components() {
            match component {
                Component::Normal(name) => match os_bytes(name) {
                    Some(name) => place.push(name.to_vec()),
                    None => return false,
                },
                Component::CurDir => {}
                Component::ParentDir if place.pop().is_some() => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
            }
        }
        place == self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileAttributes, Layout};

    fn target(link: &str, target: &str) -> LinkTarget {
        let mut builder = Layout::builder(1);
        builder.file(["x"], 1).symlink(link.split('/'), target.split('/'), FileAttributes::NONE);
        let layout = builder.build().unwrap();
        let file = layout.file(1).unwrap();
        LinkTarget::new(file.path, file.link_target.unwrap())
    }

    #[test]
    fn a_target_is_relative_to_its_link() {
        for (link, to, written) in [
            ("l", "a", "a"),
            ("l", "d/a", "d/a"),
            ("d/l", "d/a", "a"),
            ("d/l", "a", "../a"),
            ("d/e/l", "d/f/a", "../f/a"),
            ("d/e/l", "d", "../../d"),
            ("d/e/l", "d/e", "../e"),
        ] {
            let target = target(link, to);
            assert_eq!(target.to_path_buf(), Path::new(written), "{link} to {to}");
            assert!(target.is_named_by(Path::new(written)), "{link} to {to}");
        }
    }

    #[test]
    fn a_target_may_be_spelled_in_other_ways() {
        let target = target("top/d/l", "top/a");
        for found in ["../a", "./../a", "../d/../a", "../../top/a", "..//a"] {
            assert!(target.is_named_by(Path::new(found)), "{found}");
        }
        for found in ["a", "../b", "/top/a", "../../../top/a", "", "../a/b"] {
            assert!(!target.is_named_by(Path::new(found)), "{found}");
        }
    }
}
