use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tinytorrent_metainfo::FileIndex;
use tinytorrent_storage::{
    MoveProgress, Moved, Recovered, StorageError, TorrentFiles, VerifyProgress,
};
use tinytorrent_types::Bitfield;

use super::super::cancellation::Cancellation;
use super::super::choice::{ChosenPieces, FileChoice, NoSuchFile};
use super::super::gauge::Gauge;
use super::super::keep_out::find_intrusion;
use super::super::patience::Patience;
use crate::FilesError;
use crate::resources::Resources;
use crate::torrent::CheckScope;

/// The work of a chore, for a thread.
pub(crate) struct Work {
    pub(crate) task: Task,
    pub(crate) files: TorrentFiles,
    pub(crate) resources: Arc<Resources>,
    pub(crate) choice: FileChoice,
    /// Nobody waits for it any more.
    pub(crate) cancellation: Cancellation,
    /// The torrent stops.
    pub(crate) stop: Cancellation,
}

pub(crate) enum Task {
    /// The choice of files is to count from now on.
    Choose,
    Rename(Vec<(u32, PathBuf)>),
    Move {
        folder: PathBuf,
        progress: Gauge<MoveProgress>,
    },
    Check {
        scope: CheckScope,
        progress: Gauge<VerifyProgress>,
    },
}

/// Work that is done.
pub(crate) enum Worked {
    Chosen {
        choice: FileChoice,
        pieces: ChosenPieces,
    },
    Renamed(Vec<(FileIndex, PathBuf)>),
    Moved {
        folder: PathBuf,
        moved: Moved,
    },
    Checked {
        /// The pieces and blocks that the disk goes by, whatever the outcome is.
        state: Recovered,
        wanted: Bitfield,
        outcome: Result<(), FilesError>,
    },
}

impl Work {
    /// Returns `true` if it may take minutes or hours.
    pub(crate) fn is_long(&self) -> bool {
        matches!(self.task, Task::Move { .. } | Task::Check { .. })
    }

    /// Does the work. Blocks.
    pub(crate) fn run(self) -> Result<Worked, FilesError> {
        match &self.task {
            Task::Choose => self.choose(),
            Task::Rename(renames) => self.rename(renames),
            Task::Move { folder, progress } => self.move_to(folder, progress),
            Task::Check { scope, progress } => Ok(self.check(*scope, progress)),
        }
    }

    fn choose(&self) -> Result<Worked, FilesError> {
        let pieces = self.choice.pieces(self.files.storage().layout())?;
        // Before the engine asks for pieces of them.
        self.patience().run(|| self.files.select(|file| self.choice.contains(file)))?;
        Ok(Worked::Chosen { choice: self.choice.clone(), pieces })
    }

    fn rename(&self, renames: &[(u32, PathBuf)]) -> Result<Worked, FilesError> {
        let storage = self.files.storage();
        let (layout, root) = (storage.layout(), storage.root_path());
        let mut indexed = Vec::with_capacity(renames.len());
        for (index, path) in renames {
            let (index, count) = (*index, layout.file_count());
            let file = layout.file(index).ok_or(FilesError::NoSuchFile { index, count })?;
            indexed.push((file.index, path.clone()));
        }
        self.keep_out(&root, indexed.iter().map(|(_, path)| root.join(path)))?;
        self.patience().run(|| self.files.rename_files(&indexed))?;
        let paths =
            indexed.into_iter().filter_map(|(file, _)| Some((file, storage.file_path(file)?)));
        Ok(Worked::Renamed(paths.collect()))
    }

    fn move_to(&self, folder: &Path, progress: &Gauge<MoveProgress>) -> Result<Worked, FilesError> {
        let storage = self.files.storage();
        let root = storage.root_path();
        let files = storage.layout().files().filter_map(|file| {
            let path = storage.file_path(file.index)?;
            Some(folder.join(path.strip_prefix(&root).ok()?))
        });
        self.keep_out(folder, files)?;
        let moved = self.patience().run(|| {
            self.files.move_to(folder, |done| {
                progress.set(done);
                self.goes_on()
            })
        })?;
        let moved = moved.ok_or(FilesError::Cancelled)?;
        if let Some(error) = moved.leftover() {
            tracing::warn!(%error, "the content is moved, but something is left in the old folder");
        }
        Ok(Worked::Moved { folder: folder.to_owned(), moved })
    }

    fn check(&self, scope: CheckScope, progress: &Gauge<VerifyProgress>) -> Worked {
        let mut options = self.resources.recover_options(None);
        options.ignore_record(scope == CheckScope::All);
        let found = self.patience().run(|| {
            self.files.recheck(&options, |done| {
                progress.set(done);
                self.goes_on()
            })
        });
        let (state, outcome) = match found {
            Ok(Some(mut found)) => {
                // A file that the user did not choose is not cut.
                found.longer.retain(|misfit| self.choice.contains(misfit.file));
                (found, Ok(()))
            }
            Ok(None) => (self.files.state(), Err(FilesError::Cancelled)),
            Err(error) => (self.files.state(), Err(error.into())),
        };
        let wanted = self.choice.pieces(self.files.storage().layout());
        // No error, as the content was opened with this choice.
        let wanted = wanted.map_or_else(|_| state.have.clone(), |pieces| pieces.wanted);
        Worked::Checked { state, wanted, outcome }
    }

    /// Before anything changes.
    fn keep_out(
        &self,
        root: &Path,
        files: impl Iterator<Item = PathBuf> + Clone,
    ) -> Result<(), FilesError> {
        match find_intrusion(&self.resources.options.kept_out, root, files) {
            Some(folder) => Err(FilesError::KeptOut { folder: folder.to_owned() }),
            None => Ok(()),
        }
    }

    fn goes_on(&self) -> ControlFlow<()> {
        match self.cancellation.is_cancelled() || self.stop.is_cancelled() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// The patience until the torrent stops.
    fn patience(&self) -> Patience {
        Patience::new(self.stop.clone())
    }
}

impl From<NoSuchFile> for FilesError {
    fn from(NoSuchFile { index, count }: NoSuchFile) -> Self {
        FilesError::NoSuchFile { index, count }
    }
}

impl From<StorageError> for FilesError {
    fn from(error: StorageError) -> Self {
        FilesError::Storage(Arc::new(error))
    }
}
