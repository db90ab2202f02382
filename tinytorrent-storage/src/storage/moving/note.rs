use std::{
    io::Read,
    path::{Path, PathBuf},
};

use tinytorrent_folder::{EntryKind, Folder};
use tinytorrent_hash::sha1;
use tinytorrent_types::InfoHashes;

use super::staging;
use crate::{FilePool, Operation, StorageError, storage::names::elements};

/// The note of a move in the old folder, from which it can be finished after a kill.
///
/// It is `.<info-hash>.tinytorrent-move`. All numbers are big-endian:
///
/// | bytes | content |
/// |---|---|
/// | 8 | `ttmove1\n`: the format and its version |
/// | 1 | 0 if files are renamed, 1 if they were copied |
/// | 4, … | length of the path of the new folder, and the path |
/// | 3 × (4, …) for each file | length and bytes of its old path, of the name of its draft, and of its new path; paths are joined with `/` |
/// | 20 | SHA-1 of all before |
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) means: Means,
    /// The path of the new folder.
    pub(super) folder: PathBuf,
    pub(super) entries: Vec<Entry>,
}

/// The way in which files come to another folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// The files themselves are renamed.
    Rename,
    /// Drafts in the new folder, which have all that the files have, are renamed.
    Copy,
}

/// A file that moves.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The path below the old folder.
    pub(super) old: Vec<u8>,
    /// The name of the copy, if it is copied.
    pub(super) draft: Vec<u8>,
    /// The path below the new folder.
    pub(super) new: Vec<u8>,
}

impl Note {
    /// The note in a folder; `None` if it is absent or damaged.
    ///
    /// # Errors
    /// The system refuses to read it. It must not be taken for absent then.
    pub(super) fn load(old: &Folder, identity: &InfoHashes) -> Result<Option<Self>, StorageError> {
        let name = file_name(identity);
        let file = match old.open_file([name.as_bytes()]) {
            Err(error) if error.is_not_found() => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|source| StorageError::io(Operation::Read, old.path().join(name), source))?;
        Ok(Self::from_bytes(&bytes))
    }

    /// Writes the note and syncs it to the medium.
    pub(super) fn save(&self, old: &Folder, identity: &InfoHashes) -> Result<(), StorageError> {
        Ok(old.replace(&file_name(identity), &self.to_bytes(), true)?)
    }

    /// Returns `true` if it is of a move to this folder, which was opened with the path `target`.
    ///
    /// # Errors
    /// The system refuses to say.
    pub(super) fn leads_to(&self, target: &Path, new: &Folder) -> Result<bool, StorageError> {
        if self.folder == target {
            return Ok(true);
        }
        match Folder::open(&self.folder) {
            Ok(noted) => Ok(noted.is_same(new)),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives all files their new places, or none: after an error the files are back, and the note is gone. If
    /// they cannot be taken back either, it stays, and the next run finishes the move.
    pub(super) fn carry_out(
        &self,
        old: &Folder,
        new: &Folder,
        identity: &InfoHashes,
        pool: &FilePool,
    ) -> Result<(), StorageError> {
        self.finish(old, new, identity, pool).inspect_err(|_| {
            // The first error is the one to report.
            let _ = self.undo(old, new, identity, pool);
        })
    }

    /// Takes the files back that have their new places, and deletes the note.
    pub(super) fn undo(
        &self,
        old: &Folder,
        new: &Folder,
        identity: &InfoHashes,
        pool: &FilePool,
    ) -> Result<(), StorageError> {
        for entry in self.entries.iter().rev() {
            pool.with_room(|| self.retreat(entry, old, new, identity))?;
        }
        remove(old, identity)
    }

    /// Gives their new places to the files that do not have them yet.
    pub(super) fn finish(
        &self,
        old: &Folder,
        new: &Folder,
        identity: &InfoHashes,
        pool: &FilePool,
    ) -> Result<(), StorageError> {
        let mut entries = self.entries.iter();
        entries.try_for_each(|entry| pool.with_room(|| self.advance(entry, old, new, identity)))
    }

    /// Syncs the names of the new files, and deletes the old files that were copied. Gives the first error.
    ///
    /// `is_new` tells whether a new file, given by its path, is there.
    pub(super) fn clear_old(
        &self,
        old: &Folder,
        new: &Folder,
        is_new: impl Fn(&[u8]) -> bool,
    ) -> Option<StorageError> {
        // Without it, a power failure could leave neither.
        if let Err(error) = self.sync_names(new) {
            return Some(error);
        }
        let mut first_error = None;
        let copied = self.entries.iter().filter(|_| self.means == Means::Copy);
        for entry in copied.filter(|entry| is_new(&entry.new)) {
            if let Err(error) = old.remove(elements(&entry.old)) {
                first_error.get_or_insert(error.into());
            }
        }
        first_error
    }

    /// The folders of the old files.
    pub(super) fn old_folders(&self) -> impl Iterator<Item = Vec<Vec<u8>>> {
        self.entries.iter().map(|entry| folder_of(&entry.old))
    }

    fn advance(
        &self,
        entry: &Entry,
        old: &Folder,
        new: &Folder,
        identity: &InfoHashes,
    ) -> Result<(), StorageError> {
        let (folder, path) = self.source(entry, old, new, identity);
        if folder.kind(elements(&path))? == Some(EntryKind::File) {
            folder.move_entry(elements(&path), new, elements(&entry.new))?;
        }
        Ok(())
    }

    fn retreat(
        &self,
        entry: &Entry,
        old: &Folder,
        new: &Folder,
        identity: &InfoHashes,
    ) -> Result<(), StorageError> {
        let (folder, path) = self.source(entry, old, new, identity);
        // One that is still there has not moved, and something else has its new place.
        if folder.kind(elements(&path))?.is_none()
            && new.kind(elements(&entry.new))? == Some(EntryKind::File)
        {
            new.move_entry(elements(&entry.new), folder, elements(&path))?;
        }
        Ok(())
    }

    /// The file that is renamed: the folder, which for a copy is the new one, and the path below it.
    fn source<'a>(
        &self,
        entry: &Entry,
        old: &'a Folder,
        new: &'a Folder,
        identity: &InfoHashes,
    ) -> (&'a Folder, Vec<u8>) {
        match self.means {
            Means::Rename => (old, entry.old.clone()),
            Means::Copy => {
                let folder = staging::folder_name(identity);
                (new, [folder.as_bytes(), entry.draft.as_slice()].join(&b'/'))
            }
        }
    }

    fn sync_names(&self, new: &Folder) -> Result<(), StorageError> {
        if new.sync_file_system()? {
            return Ok(());
        }
        let mut last = Vec::new();
        for entry in &self.entries {
            let mut folder = folder_of(&entry.new);
            // Most files share their folder with the one before.
            if folder == last {
                continue;
            }
            last.clone_from(&folder);
            while !folder.is_empty() {
                new.sync_folder(folder.iter().map(Vec::as_slice))?;
                folder.pop();
            }
        }
        Ok(new.sync_entries()?)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(u8::from(self.means == Means::Copy));
        let mut add = |part: &[u8]| {
            bytes.extend((part.len() as u32).to_be_bytes());
            bytes.extend(part);
        };
        add(self.folder.as_os_str().as_encoded_bytes());
        for entry in &self.entries {
            [&entry.old, &entry.draft, &entry.new].into_iter().for_each(|part| add(part));
        }
        let check = sha1(&bytes);
        bytes.extend(check);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, check) = bytes.split_last_chunk()?;
        if sha1(body) != *check {
            return None;
        }
        let (&means, mut rest) = body.strip_prefix(MAGIC)?.split_first()?;
        let folder = path_of(part(&mut rest)?)?;
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let [old, draft, new] = [part(&mut rest)?, part(&mut rest)?, part(&mut rest)?];
            entries.push(Entry { old, draft, new });
        }
        let means = if means == 0 { Means::Rename } else { Means::Copy };
        Some(Self { means, folder, entries })
    }
}

/// Takes the next bytes with their length.
fn part(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let (length, after) = rest.split_first_chunk()?;
    let (part, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = after;
    Some(part.to_vec())
}

/// Deletes the note in a folder, and a draft of one.
pub(super) fn remove(folder: &Folder, identity: &InfoHashes) -> Result<(), StorageError> {
    let name = file_name(identity);
    folder.remove([name.as_bytes()])?;
    Ok(folder.remove([format!("{name}.new").as_bytes()])?)
}

/// The name of the note.
fn file_name(identity: &InfoHashes) -> String {
    format!(".{}.tinytorrent-move", identity.to_wire())
}

fn folder_of(path: &[u8]) -> Vec<Vec<u8>> {
    let mut folder: Vec<Vec<u8>> = elements(path).map(<[u8]>::to_vec).collect();
    folder.pop();
    folder
}

#[cfg(unix)]
#[allow(clippy::unnecessary_wraps, reason = "other systems have paths that are not bytes")]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Some(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

const MAGIC: &[u8] = b"ttmove1\n";

/// Bytes of a note at most: 100,000 files with the longest paths that systems open take less.
const MAX_BYTES: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Note {
        let entry = |old: &str, draft: &str, new: &str| Entry {
            old: old.into(),
            draft: draft.into(),
            new: new.into(),
        };
        Note {
            means: Means::Copy,
            folder: PathBuf::from("/other/place"),
            entries: vec![entry("t/a", "f0", "t/a"), entry(".x", ".x", ".x")],
        }
    }

    #[test]
    fn a_note_round_trips() {
        let bytes = note().to_bytes();
        assert_eq!(Note::from_bytes(&bytes), Some(note()));
        let renamed = Note { means: Means::Rename, entries: Vec::new(), ..note() };
        assert_eq!(Note::from_bytes(&renamed.to_bytes()), Some(renamed));
    }

    // S-16.
    #[test]
    fn a_note_that_was_cut_or_changed_anywhere_is_none() {
        let bytes = note().to_bytes();
        for at in 0..bytes.len() {
            assert_eq!(Note::from_bytes(&bytes[..at]), None, "{at}");
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Note::from_bytes(&changed), None, "{at}");
        }
    }
}
