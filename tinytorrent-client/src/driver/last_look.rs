//! Files on disk that are longer than the torrent says.

use tinytorrent_storage::{Misfit, Storage};

use super::patience::Patience;
use crate::Event;

/// The wanted files that are too long, and whether they are being cut.
///
/// They are cut once all wanted pieces are there. The download is finished after that.
#[derive(Debug)]
pub(super) enum Oversized {
    /// Files to be cut; none for most torrents.
    Waiting(Vec<Misfit>),
    /// A job is cutting them.
    Cutting,
}

impl Oversized {
    /// Takes the files for the job that cuts them; `None` if there is none, or if it is running.
    pub(super) fn begin(&mut self) -> Option<Vec<Misfit>> {
        match self {
            Oversized::Waiting(files) if !files.is_empty() => {
                let files = std::mem::take(files);
                *self = Oversized::Cutting;
                Some(files)
            }
            Oversized::Waiting(_) | Oversized::Cutting => None,
        }
    }

    /// Notes that the job has ended.
    pub(super) fn finish(&mut self) {
        *self = Oversized::Waiting(Vec::new());
    }

    pub(super) fn is_cutting(&self) -> bool {
        matches!(self, Oversized::Cutting)
    }
}

/// Cuts the files to their lengths in the torrent. Returns an event for each. Blocks.
pub(super) fn cut(storage: &Storage, files: Vec<Misfit>, patience: &mut Patience) -> Vec<Event> {
    let mut cut = |file| event(storage, file, cut_one(storage, file, patience));
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
pub(super) fn event(storage: &Storage, misfit: Misfit, is_cut: bool) -> Event {
    let path = storage.file_path(misfit.file).unwrap_or_default();
    let size = misfit.size.unwrap_or_default();
    Event::LongerFile { path, size, length: misfit.length, is_cut }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;
    use tinytorrent_metainfo::Metainfo;
    use tinytorrent_storage::StorageOptions;

    use super::*;

    /// A file of five bytes on disk, of which the torrent has three.
    fn longer_file() -> (TempDir, Storage) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x"), b"abcde").unwrap();
        let info = "d6:lengthi3e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
        let metainfo = Metainfo::from_bytes(format!("d4:info{info}e").as_bytes()).unwrap();
        let options = StorageOptions::default();
        let info = metainfo.info().clone();
        let storage = Storage::for_info(info, folder.path(), &options).unwrap();
        (folder, storage)
    }

    #[test]
    fn files_are_cut_once() {
        let (_folder, storage) = longer_file();
        let mut oversized = Oversized::Waiting(storage.misfits().unwrap());
        assert_eq!(oversized.begin().map(|files| files.len()), Some(1));
        assert!(oversized.is_cutting() && oversized.begin().is_none());
        oversized.finish();
        assert!(!oversized.is_cutting() && oversized.begin().is_none());
    }

    #[test]
    fn a_cut_leaves_the_length_of_the_torrent() {
        let (folder, storage) = longer_file();
        let patience = &mut Patience::new(Default::default());
        let events = cut(&storage, storage.misfits().unwrap(), patience);
        let [Event::LongerFile { size: 5, length: 3, is_cut: true, path }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(path, &folder.path().join("x"));
        assert_eq!(fs::read(path).unwrap(), b"abc");
    }
}
