use std::{
    fmt, io,
    sync::atomic::{AtomicU32, Ordering},
};

// `super`: tests compile this file a second time, above another `system`.
use super::{Folder, system, system::Refusal};
use crate::{Error, Mode, Operation, is_out_of_descriptors};

/// A scratch folder for trials: names that can be created in it can be created in its parent.
///
/// File systems differ in the characters that they refuse and in the names that they take for equal, and
/// so may folders of one file system. No system call reports this, so files have to be created. The
/// scratch folder is removed when the trial is dropped.
pub struct Trial<'a> {
    folder: &'a Folder,
    name: String,
    scratch: system::Folder,
}

impl<'a> Trial<'a> {
    /// Creates the scratch folder in this folder.
    ///
    /// # Errors
    /// The system refuses to create it.
    pub fn new(folder: &'a Folder) -> Result<Self, Error> {
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!(".tinytorrent-trial-{}-{number}", std::process::id());
            match folder.handle().create_folder(&name) {
                Ok(scratch) => return Ok(Self { folder, name, scratch }),
                // A process that had this id was killed and left its folder behind.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(Error::io(Operation::Create, folder.path().join(name), error));
                }
            }
        }
    }

    /// Returns true if a file of this name can be created and is found again.
    ///
    /// # Errors
    /// No file descriptor is left for the file, so that nothing is known of the name.
    pub fn holds(&self, name: &[u8]) -> Result<bool, Error> {
        self.with_file(name, || self.is_found(name))
    }

    /// Returns true if names that differ only in case, in Unicode normalisation or in full case folding
    /// (`ß` and `ss`) are different names.
    ///
    /// # Errors
    /// As for [`holds`](Self::holds).
    pub fn distinguishes_similar_names(&self) -> Result<bool, Error> {
        // Case and normalisation with one name, full case folding with the other: some file systems
        // fold without it.
        let names = ["Aé", "aß"];
        let similar = [&["aé", "AÉ", "Ae\u{301}"][..], &["ass", "aẞ"]];
        for (name, similar) in names.into_iter().zip(similar) {
            let is_distinct = || !similar.iter().any(|other| self.is_found(other.as_bytes()));
            if !self.with_file(name.as_bytes(), is_distinct)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the answer that `ask` gives while there is a file of this name; false if there can be none.
    fn with_file(&self, name: &[u8], ask: impl FnOnce() -> bool) -> Result<bool, Error> {
        let path = [name].into_iter();
        match self.scratch.create_file(path.clone(), Mode::Data) {
            Ok(_) => {}
            Err(Refusal::Io(error)) if is_out_of_descriptors(&error) => {
                let path = self.folder.path().join(&self.name);
                return Err(Error::io(Operation::Create, path, error));
            }
            Err(_) => return Ok(false),
        }
        let answer = ask();
        // A file that cannot be removed does not change the answer.
        let _ = self.scratch.remove(path);
        Ok(answer)
    }

    fn is_found(&self, name: &[u8]) -> bool {
        matches!(self.scratch.stamp([name].into_iter(), false), Ok(Some(_)))
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        // An error can be returned to no caller, and a later trial takes another name.
        let _ = self.folder.handle().remove_folder(&self.name);
    }
}

impl fmt::Debug for Trial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}

/// The number of the next trial of this process, as several may run in one folder at a time.
static NEXT: AtomicU32 = AtomicU32::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_leaves_nothing_behind() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let [one, two] = [(); 2].map(|()| Trial::new(&folder).unwrap());
        assert!(one.holds(b"a").unwrap() && two.holds(b"a").unwrap());
        one.distinguishes_similar_names().unwrap();
        assert!(!one.holds(&[b'x'; 3000]).unwrap(), "no disk holds a name of 3,000 bytes");
        drop((one, two));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("gone");
        let folder = Folder::create(&path).unwrap();
        std::fs::remove_dir(&path).unwrap();
        assert_eq!(Trial::new(&folder).unwrap_err().path().parent(), Some(path.as_path()));
    }
}
