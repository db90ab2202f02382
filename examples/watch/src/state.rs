use std::fs::{File, OpenOptions, TryLockError};
use std::io::Read;
use std::path::Path;

use tinytorrent_examples::Failure;
use tinytorrent_folder::Folder;

use crate::Book;

/// The folder of the kept session: that of the client, which has a file for each torrent, and the book of the
/// watched folder. One process has it at a time.
#[derive(Debug)]
pub(crate) struct StateFolder {
    folder: Folder,
    /// Locked as long as the process lives.
    #[expect(dead_code, reason = "closing it unlocks it")]
    lock: File,
}

const BOOK: &str = "files.json";

/// Bytes of a book at most, of ten thousands of files.
const MAX_BOOK: u64 = 256 << 20;

impl StateFolder {
    /// Opens the folder, and creates it if it is missing.
    ///
    /// # Errors
    /// It cannot be created, or another process has it.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: &dyn std::error::Error| {
            Failure::could_not(format!("cannot keep the session in {}", path.display()), error)
        };
        let folder = Folder::create(path).map_err(|error| cannot(&error))?;
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.map_err(|error| cannot(&error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let path = path.display();
                return Err(Failure::CouldNot(format!(
                    "another `watch` has its session in {path}; give this one a --state of its own"
                )));
            }
            // Some network file systems have no locks, and nobody else starts two.
            Err(TryLockError::Error(error)) => tracing::warn!(%error, "the session is not locked"),
        }
        Ok(Self { folder, lock })
    }

    /// Reads the book; an empty one if there is none. A damaged one is put aside: then all files of the watched
    /// folder are read again, and what the user has removed may come back.
    pub(crate) fn load(&self) -> Book {
        let mut bytes = Vec::new();
        let read = match self.folder.open_file([BOOK.as_bytes()]) {
            Ok(file) => file.take(MAX_BOOK).read_to_end(&mut bytes),
            Err(error) if error.is_not_found() => return Book::default(),
            Err(error) => Err(std::io::Error::other(error)),
        };
        if let Some(book) = read.ok().and_then(|_| Book::from_json(&bytes)) {
            return book;
        }
        let path = self.folder.path_of([BOOK.as_bytes()]);
        tracing::warn!(path = %path.display(), "it is damaged, and put aside");
        // Without a copy of it nothing else is lost.
        let _ = self.folder.rename(BOOK, "files.json.damaged");
        Book::default()
    }

    /// Writes the book, so that a kill leaves this one or the one before. Blocks.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn save(&self, book: &Book) -> Result<(), tinytorrent_folder::Error> {
        self.folder.replace(BOOK, book.to_json().as_bytes(), false)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_folder_belongs_to_one_process_and_comes_back_with_its_book() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        let state = StateFolder::open(&path).unwrap();
        assert_eq!(state.load(), Book::default());
        let book = Book { folder: Some(7), ..Book::default() };
        state.save(&book).unwrap();
        let second = StateFolder::open(&path).unwrap_err();
        assert_eq!(second.code(), 1);
        assert!(second.to_string().contains("--state"), "{second}");
        drop(state);
        assert_eq!(StateFolder::open(&path).unwrap().load(), book);
    }

    #[test]
    fn a_damaged_book_is_put_aside() {
        let place = tempfile::tempdir().unwrap();
        let state = StateFolder::open(place.path()).unwrap();
        fs::write(place.path().join(BOOK), "{").unwrap();
        assert_eq!(state.load(), Book::default());
        assert_eq!(fs::read(place.path().join("files.json.damaged")).unwrap(), b"{");
    }
}
