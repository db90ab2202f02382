use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use tinytorrent_metainfo::Magnet;
use tinytorrent_types::{Printable, WireInfoHash};

use crate::Failure;

/// The torrents of a file, one a line, by which a tracker can be limited to them.
///
/// A line is an info-hash, and maybe words behind it, such as a name. Empty lines, and those that
/// begin with `#`, say nothing.
#[derive(Debug)]
pub struct AllowList {
    path: PathBuf,
    /// By the first byte, so that the threads of a tracker seldom wait for each other.
    hashes: [RwLock<HashSet<WireInfoHash>>; 16],
}

impl AllowList {
    /// Reads a list.
    ///
    /// # Errors
    ///
    /// [`Failure::CouldNot`] when the file cannot be read, [`Failure::InvalidInput`] when a line of it
    /// is no info-hash.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let list = Self { path: path.to_owned(), hashes: Default::default() };
        list.reload()?;
        Ok(list)
    }

    /// Reads the file again. With an error the list stays as it was.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    pub fn reload(&self) -> Result<(), Failure> {
        let mut fresh: [HashSet<WireInfoHash>; 16] = Default::default();
        for hash in read_hashes(&self.path)? {
            fresh[place(hash)].insert(hash);
        }
        for (place, fresh) in self.hashes.iter().zip(fresh) {
            *place.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        Ok(())
    }

    /// True if the torrent is on the list.
    pub fn contains(&self, hash: WireInfoHash) -> bool {
        let hashes = self.hashes[place(hash)].read().unwrap_or_else(PoisonError::into_inner);
        hashes.contains(&hash)
    }

    /// The number of info-hashes.
    pub fn len(&self) -> usize {
        let places = self.hashes.iter();
        places.map(|place| place.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// True if no torrent is on the list.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn place(hash: WireInfoHash) -> usize {
    usize::from(hash.as_bytes()[0] % 16)
}

fn read_hashes(path: &Path) -> Result<Vec<WireInfoHash>, Failure> {
    let could_not =
        |error| Failure::could_not(format!("cannot read the list {}", path.display()), &error);
    let mut hashes = Vec::new();
    for (number, line) in BufReader::new(File::open(path).map_err(could_not)?).lines().enumerate() {
        let line = line.map_err(could_not)?;
        let Some(word) = line.split_whitespace().next().filter(|word| !word.starts_with('#'))
        else {
            continue;
        };
        let magnet = Magnet::from_info_hash(word).ok_or_else(|| {
            let (path, line) = (path.display(), number + 1);
            Failure::InvalidInput(format!(
                "{path}, line {line}: {} is no info-hash",
                Printable(word)
            ))
        })?;
        hashes.extend(magnet.hashes.wire_hashes());
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_its_hashes_until_it_is_read_again_without_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let [one, two] = [1, 2].map(|byte| WireInfoHash::from_bytes([byte; 20]));
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write(&format!("# ours\n\n  {one}\t a name\r\n{}\n", "02".repeat(32)));
        let list = AllowList::read(file.path()).unwrap();
        assert!(list.contains(one) && list.contains(two) && list.len() == 2);
        write(&format!("{two}\nno hash\n"));
        let error = list.reload().unwrap_err();
        assert_eq!(error.code(), 2);
        assert!(error.to_string().ends_with(", line 2: no is no info-hash"), "{error}");
        assert!(list.contains(one));
        write(&format!("{two}\n"));
        list.reload().unwrap();
        assert!(!list.contains(one) && list.contains(two));
        file.close().unwrap();
        assert_eq!(list.reload().unwrap_err().code(), 1);
        assert!(list.contains(two));
    }
}
