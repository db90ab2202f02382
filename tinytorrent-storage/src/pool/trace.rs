//! Files that have the name of another one, seen when a file is opened again.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    time::SystemTime,
};

use super::FileKey;

/// The features of a file when it was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trace {
    inode: u64,
    size: u64,
    modified: Option<SystemTime>,
}

impl Trace {
    /// The features of an open file; `None` where the system does not number files.
    #[cfg(unix)]
    pub(super) fn of(file: &File) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let found = file.metadata().ok()?;
        Some(Self { inode: found.ino(), size: found.len(), modified: found.modified().ok() })
    }

    #[cfg(not(unix))]
    pub(super) fn of(_: &File) -> Option<Self> {
        None
    }

    /// The size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns `true` if what was opened later is another file, or was cut meanwhile. Some file systems give a file a
    /// new number when it is looked up again, and some set its time late. None does both.
    fn has_become(&self, later: &Self) -> bool {
        match self.inode == later.inode {
            true => later.size < self.size,
            false => (self.size, self.modified) != (later.size, later.modified),
        }
    }
}

/// The traces of files that were closed, and the files that turned out to be others.
#[derive(Debug, Default)]
pub(super) struct Traces {
    closed: HashMap<FileKey, Trace>,
    strangers: HashSet<FileKey>,
}

impl Traces {
    /// Keeps the trace of a file that is closed to make room.
    ///
    /// Of too many, it is forgotten: then it is not seen that the file becomes another one.
    pub(super) fn keep(&mut self, key: FileKey, trace: Trace) {
        if self.closed.len() < MAX_CLOSED || self.closed.contains_key(&key) {
            self.closed.insert(key, trace);
        }
    }

    /// Compares a file that was opened with the one that was closed. Returns `true` if it is another one, now or
    /// at an earlier time.
    pub(super) fn compare(&mut self, key: FileKey, opened: Option<Trace>) -> bool {
        if let (Some(before), Some(opened)) = (self.closed.remove(&key), opened)
            && before.has_become(&opened)
        {
            self.strangers.insert(key);
        }
        self.strangers.contains(&key)
    }

    pub(super) fn add_stranger(&mut self, key: FileKey) {
        self.strangers.insert(key);
    }

    pub(super) fn is_stranger(&self, key: FileKey) -> bool {
        self.strangers.contains(&key)
    }

    /// Forgets what was closed of a storage. Strangers stay what they are.
    pub(super) fn forget_closed(&mut self, is_it: impl Fn(&FileKey) -> bool) {
        self.closed.retain(|key, _| !is_it(key));
    }

    /// Takes the files of a storage for what they are now.
    pub(super) fn forget(&mut self, storage: u64) {
        self.forget_closed(|key| key.storage == storage);
        self.strangers.retain(|key| key.storage != storage);
    }
}

/// Traces at most: some 6 MB, for more files than clients have in use at a time.
const MAX_CLOSED: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: FileKey = FileKey { storage: 1, file: 2 };

    fn trace(inode: u64, size: u64) -> Trace {
        Trace { inode, size, modified: None }
    }

    #[test]
    fn a_file_with_another_number_and_another_size_or_time_or_one_that_was_cut_is_a_stranger() {
        let later = Trace { modified: Some(SystemTime::now()), ..trace(8, 5) };
        for (opened, is_other) in [
            (Some(trace(7, 5)), false),
            (Some(trace(8, 5)), false),
            (Some(trace(7, 6)), false),
            (None, false),
            (Some(trace(8, 6)), true),
            (Some(later), true),
            (Some(trace(7, 4)), true),
        ] {
            let mut traces = Traces::default();
            assert!(!traces.compare(KEY, opened), "nothing is known of it");
            traces.keep(KEY, trace(7, 5));
            assert_eq!(traces.compare(KEY, opened), is_other, "{opened:?}");
        }
    }

    #[test]
    fn a_stranger_stays_one_until_it_is_taken_for_what_it_is() {
        let mut traces = Traces::default();
        traces.keep(KEY, trace(7, 5));
        assert!(traces.compare(KEY, Some(trace(8, 6))));
        traces.keep(KEY, trace(8, 6));
        assert!(traces.compare(KEY, Some(trace(8, 6))) && traces.is_stranger(KEY));
        traces.forget_closed(|_| true);
        assert!(traces.is_stranger(KEY));
        traces.forget(0);
        assert!(traces.is_stranger(KEY), "those of others are no matter");
        traces.forget(1);
        assert!(!traces.compare(KEY, Some(trace(8, 6))));
    }
}
