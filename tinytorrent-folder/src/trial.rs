use std::{
    fmt, io,
    sync::atomic::{AtomicU32, Ordering},
};

// `super`: tests compile this file a second time, above another `system`.
use super::{Folder, system};
use crate::{Error, Mode, Operation};

/// A scratch folder in which the disk is asked what names it holds.
///
/// File systems differ in the characters they refuse and in the names they take for equal, one folder
/// may differ from another, and none of it can be asked for but by doing. The scratch folder goes when
/// the trial is dropped.
pub struct Trial<'a> {
    folder: &'a Folder,
    name: String,
    scratch: system::Folder,
}

impl<'a> Trial<'a> {
    /// Begins a trial in this folder.
    ///
    /// # Errors
    /// Nothing can be created in the folder.
    pub fn new(folder: &'a Folder) -> Result<Self, Error> {
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!(".tinytorrent-trial-{}-{number}", std::process::id());
            match folder.handle().create_folder(&name) {
                Ok(scratch) => return Ok(Self { folder, name, scratch }),
                // A run that was killed has left it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(Error::io(Operation::Create, folder.path().join(name), error));
                }
            }
        }
    }

    /// `true` if a file of this name can be created and is found again.
    pub fn holds(&self, name: &[u8]) -> bool {
        let path = [name].into_iter();
        let is_held = self.scratch.create_file(path.clone(), Mode::Data).is_ok();
        let is_found = is_held && self.is_found(name);
        if is_held {
            // What is left of it goes with the folder, or stays where neither can be removed.
            let _ = self.scratch.remove(path);
        }
        is_found
    }

    /// `true` if names that differ only in case, in Unicode normalisation or in full case folding (`ß`
    /// and `ss`) are different names.
    pub fn tells_alike_apart(&self) -> bool {
        let name = ["Aé", "aß"];
        let alike = [&["aé", "AÉ", "Ae\u{301}"][..], &["ass", "aẞ"]];
        name.into_iter().zip(alike).all(|(name, alike)| {
            let path = [name.as_bytes()].into_iter();
            let is_held = self.scratch.create_file(path.clone(), Mode::Data).is_ok();
            let is_apart = !alike.iter().any(|other| self.is_found(other.as_bytes()));
            if is_held {
                let _ = self.scratch.remove(path);
            }
            is_held && is_apart
        })
    }

    fn is_found(&self, name: &[u8]) -> bool {
        matches!(self.scratch.stamp([name].into_iter(), false), Ok(Some(_)))
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        let _ = self.folder.handle().remove_folder(&self.name);
    }
}

impl fmt::Debug for Trial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}

/// Trials may run side by side in one folder.
static NEXT: AtomicU32 = AtomicU32::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_leaves_nothing_behind() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let [one, two] = [(); 2].map(|()| Trial::new(&folder).unwrap());
        assert!(one.holds(b"a") && two.holds(b"a"));
        one.tells_alike_apart();
        assert!(!one.holds(&[b'x'; 3000]), "no disk holds a name of 3,000 bytes");
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
