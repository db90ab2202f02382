//! The look at the files on disk at the end of a download.

use std::sync::Arc;

use tinytorrent_storage::{Misfit, Storage, StorageError};

use super::choice::FileChoice;
use super::patience::Patience;
use crate::Event;

/// The look that is due once all wanted pieces are there, and is then under way. The download is finished after it.
///
/// Files that are longer than in the torrent are cut then. Others may have been cut, moved or replaced by somebody
/// else after their pieces were verified. Then all is checked, and what is missing is downloaded again.
///
/// ```text
///   Done ──▶ Due ──▶ Looking ──▶ Done          everything is there, or was checked
///                     ▲   │
///              resume └── ▼
///                       Failed                 the torrent is paused
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastLook {
    /// Nothing was written since the last one.
    Done,
    Due,
    /// A job looks, or a check of what it has found waits or is under way.
    Looking,
    /// The files can be neither looked at nor checked.
    Failed,
}

/// The finding of a look.
#[derive(Debug)]
pub(super) struct Looked {
    /// Events of files that were longer.
    pub(super) longer: Vec<Event>,
    /// The files that are not there, or not as a whole.
    pub(super) short: Vec<Misfit>,
}

impl LastLook {
    /// One that is due at the end, if a file is too long now.
    pub(super) fn after_check(longer: &[Misfit]) -> Self {
        if longer.is_empty() { LastLook::Done } else { LastLook::Due }
    }

    /// Notes that a piece was written.
    pub(super) fn on_written(&mut self) {
        if *self == LastLook::Done {
            *self = LastLook::Due;
        }
    }

    /// Returns `true` if the job is to begin: one is due, or has failed and `is_again`.
    pub(super) fn begin(&mut self, is_again: bool) -> bool {
        let begins = match self {
            LastLook::Due => true,
            LastLook::Failed => is_again,
            LastLook::Done | LastLook::Looking => false,
        };
        if begins {
            *self = LastLook::Looking;
        }
        begins
    }

    /// Notes that all files are there.
    pub(super) fn finish(&mut self) {
        *self = LastLook::Done;
    }

    /// Notes that the disk has failed. Returns `false` if nobody looked.
    pub(super) fn fail(&mut self) -> bool {
        let was_looking = *self == LastLook::Looking;
        if was_looking {
            *self = LastLook::Failed;
        }
        was_looking
    }

    /// Returns `true` if it is not known yet whether all files are there, though all pieces are.
    pub(super) fn is_open(self) -> bool {
        matches!(self, LastLook::Looking | LastLook::Failed)
    }
}

/// Looks at the files that were chosen. Blocks.
pub(super) fn look(
    storage: &Arc<Storage>,
    choice: &FileChoice,
    patience: &mut Patience,
) -> Result<Looked, StorageError> {
    let mut misfits = patience.run(|| storage.misfits())?;
    // Others may hold parts of the pieces that they share with chosen ones.
    misfits.retain(|misfit| choice.contains(misfit.file));
    let (longer, short): (Vec<_>, Vec<_>) = misfits.into_iter().partition(Misfit::is_longer);
    let longer = if short.is_empty() { cut(storage, longer, patience) } else { Vec::new() };
    Ok(Looked { longer, short })
}

/// Cuts the files to their lengths in the torrent. Returns an event for each. Blocks.
fn cut(storage: &Storage, files: Vec<Misfit>, patience: &mut Patience) -> Vec<Event> {
    let mut cut = |file| longer_file(storage, file, cut_one(storage, file, patience));
    files.into_iter().map(&mut cut).collect()
}

fn cut_one(storage: &Storage, misfit: Misfit, patience: &mut Patience) -> bool {
    // A file that is too long harms nothing, so that a failure does not fail the torrent.
    patience
        .run(|| storage.cut(misfit.file))
        .inspect_err(|error| tracing::warn!(%error, "a file that is too long was not cut"))
        .is_ok()
}

/// Returns the event about a file that is too long.
pub(super) fn longer_file(storage: &Storage, misfit: Misfit, is_cut: bool) -> Event {
    let path = storage.file_path(misfit.file).unwrap_or_default();
    let size = misfit.size.unwrap_or_default();
    Event::LongerFile { path, size, length: misfit.length, is_cut }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;
    use tinytorrent_metainfo::{FileSelection, Metainfo};
    use tinytorrent_storage::StorageOptions;

    use super::*;
    use crate::TorrentOptions;

    /// A file on disk, of which the torrent has three bytes.
    fn file(content: &[u8]) -> (TempDir, Arc<Storage>) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x"), content).unwrap();
        let info = "d6:lengthi3e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
        let metainfo = Metainfo::from_bytes(format!("d4:info{info}e").as_bytes()).unwrap();
        let options = StorageOptions::default();
        let info = metainfo.info().clone();
        let storage = Storage::for_info(info, folder.path(), &options).unwrap();
        (folder, Arc::new(storage))
    }

    fn look_at(folder: &TempDir, storage: &Arc<Storage>) -> Looked {
        let options = TorrentOptions::new(folder.path());
        let choice = FileChoice::new(&options, FileSelection::default());
        look(storage, &choice, &mut Patience::new(Default::default())).unwrap()
    }

    #[test]
    fn a_look_is_due_after_writes_and_for_longer_files_and_only_once() {
        let (_folder, storage) = file(b"abcde");
        let mut look = LastLook::after_check(&storage.misfits().unwrap());
        assert!(look.begin(false) && look.is_open() && !look.begin(true));
        look.on_written();
        assert!(!look.begin(true), "one at a time");
        look.finish();
        assert!(!look.begin(true) && !look.is_open());
        look.on_written();
        assert!(look.begin(false));
        assert!(!LastLook::after_check(&[]).begin(true));
    }

    #[test]
    fn a_look_that_failed_is_tried_again_only_on_demand() {
        let mut look = LastLook::Due;
        assert!(!look.fail(), "nobody looked");
        assert!(look.begin(false) && look.fail());
        assert!(look.is_open() && !look.begin(false));
        assert!(look.begin(true) && look == LastLook::Looking);
    }

    #[test]
    fn a_longer_file_is_cut_to_the_length_of_the_torrent() {
        let (folder, storage) = file(b"abcde");
        let looked = look_at(&folder, &storage);
        let [Event::LongerFile { size: 5, length: 3, is_cut: true, path }] = &looked.longer[..]
        else {
            panic!("{looked:?}")
        };
        assert_eq!(path, &folder.path().join("x"));
        assert_eq!(fs::read(path).unwrap(), b"abc");
        assert!(looked.short.is_empty());
    }

    #[test]
    fn a_file_that_is_short_or_gone_is_found() {
        let (folder, storage) = file(b"ab");
        assert_eq!(look_at(&folder, &storage).short[0].size, Some(2));
        fs::remove_file(folder.path().join("x")).unwrap();
        assert_eq!(look_at(&folder, &storage).short[0].size, None);
    }
}
