//! A job that opens the content of a torrent on disk and checks it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tinytorrent_metainfo::{Metainfo, PathChange};
use tinytorrent_storage::{
    Content, Moved, PieceHashes, Recovered, RemovedFiles, Storage, StorageError, StorageOptions,
    VerifyProgress, recover,
};
use tinytorrent_types::Bitfield;

use super::cancellation::Cancellation;
use super::choice::{ChosenPieces, FileChoice, NoSuchFile};
use super::gauge::Gauge;
use super::keep_out::find_intrusion;
use super::patience::Patience;
use crate::resources::Resources;
use crate::{ContentRequest, Event, FilesError, TorrentError, TorrentOptions};

/// A content that is open and checked.
pub(super) struct Opened {
    pub(super) metainfo: Arc<Metainfo>,
    pub(super) storage: Storage,
    pub(super) path_changes: PathChanges,
    pub(super) hashes: PieceHashes,
    pub(super) recovered: Recovered,
    /// The pieces to be downloaded.
    pub(super) chosen: ChosenPieces,
    /// A move of an earlier run that is finished now.
    pub(super) moved: Option<Moved>,
}

/// Paths that differ on disk from those in the torrent.
pub(super) struct PathChanges {
    /// The first [`Event::MAX_PATH_CHANGES`] of them.
    pub(super) first: Arc<[PathChange]>,
    pub(super) count: usize,
}

/// The reason for which a content was not opened.
pub(super) enum OpenFailure {
    Error(TorrentError),
    /// The torrent was stopped or dropped.
    Cancelled,
}

/// The settings for opening a content.
pub(crate) struct Opener {
    pub(super) resources: Arc<Resources>,
    pub(super) options: Arc<TorrentOptions>,
    pub(super) metainfo: Arc<Metainfo>,
    pub(super) cancellation: Cancellation,
}

/// A job that opens a content and checks it.
pub(super) struct OpenJob {
    pub(super) opener: Opener,
    pub(super) files: FileChoice,
    pub(super) hashes: PieceHashes,
    /// The progress of the check.
    pub(super) progress: Gauge<VerifyProgress>,
}

impl Opener {
    /// Deletes the content, opened or not, after the torrent has stopped. Blocks.
    pub(super) fn erase(&self) -> Result<RemovedFiles, FilesError> {
        let _alone = self.cancellation.alone();
        let storage = self.open_storage().map_err(|error| match error {
            TorrentError::Storage(error) => FilesError::Storage(error),
            error => FilesError::Ended(error),
        })?;
        Ok(storage.remove_files()?)
    }

    /// The content of the program's own; `None` if it is in files. A run that was killed while it moved the content
    /// has left it in the old place or in the new one: that which has more is taken.
    fn open_own(&self, settings: &StorageOptions) -> Result<Option<Storage>, TorrentError> {
        let open =
            |folder: &Path| {
                let content = self.open_own_in(folder)?;
                let info = || Arc::clone(self.metainfo.info());
                Ok::<_, TorrentError>(content.map(|content| {
                    Storage::with_content_for_info(info(), folder, content, settings)
                }))
            };
        let old = open(&self.options.folder)?;
        let (Some(there), Some(target)) = (&old, self.options.moving_to.as_deref()) else {
            return Ok(old);
        };
        let new = open(Path::new(target))?;
        let count = |storage: &Storage| storage.present_pieces().map(|present| present.count());
        // The old objects are deleted once the new ones are all there.
        let is_moved = match &new {
            Some(new) => count(new)? >= count(there)?,
            None => false,
        };
        Ok(if is_moved { new } else { old })
    }

    fn open_own_in(&self, folder: &Path) -> Result<Option<Arc<dyn Content>>, TorrentError> {
        let (info, options) = (self.metainfo.info(), &self.options);
        let request = ContentRequest { info, folder, is_read_only: options.read_only };
        let source = options.content.as_ref().or(self.resources.options.content.as_ref());
        let content = source.map_or(Ok(None), |source| source.open(request))?;
        match content {
            // Into files, it would be downloaded a second time, to a place that nobody has meant.
            None if options.has_own_content => Err(TorrentError::NoContent),
            content => Ok(content),
        }
    }

    fn open_storage(&self) -> Result<Storage, TorrentError> {
        let (info, options) = (self.metainfo.info(), &self.options);
        let mut storage = StorageOptions::default();
        storage
            .read_only(options.read_only)
            .follow_links(options.follow_links)
            .preallocate(options.preallocate)
            .move_target(options.moving_to.as_deref().map(PathBuf::from))
            .file_pool(Arc::clone(&self.resources.files));
        if let Some(own) = self.open_own(&storage)? {
            return Ok(own);
        }
        if info.layout().path_policy() == options.names {
            // Shares the layout of the metainfo. A layout of many files is too large to be copied
            // without need.
            return Ok(Storage::for_info(Arc::clone(info), &options.folder, &storage)?);
        }
        let layout = info.layout().with_policy(options.names).map_err(TorrentError::from)?;
        Ok(Storage::open(Arc::new(layout), info.hashes(), &options.folder, &storage)?)
    }

    /// Before anything is written.
    fn keep_out(&self, storage: &Storage) -> Result<(), TorrentError> {
        let folders = &self.resources.options.kept_out;
        if self.options.read_only || folders.is_empty() {
            return Ok(());
        }
        let files = storage.layout().files().filter_map(|file| storage.file_path(file.index));
        match find_intrusion(folders, &storage.root_path(), files) {
            Some(folder) => Err(TorrentError::KeptOut { folder: folder.to_owned() }),
            None => Ok(()),
        }
    }
}

impl OpenJob {
    /// Opens and checks the content. Blocks for as long as reading it takes, and while no descriptor is
    /// left for a file.
    pub(super) fn run(self) -> Result<Box<Opened>, OpenFailure> {
        let mut patience = Patience::new(self.opener.cancellation.clone());
        let _alone = self.opener.cancellation.alone();
        // The user may be about to delete what it would create.
        if self.opener.cancellation.is_cancelled() {
            return Err(OpenFailure::Cancelled);
        }
        loop {
            match self.try_run() {
                Err(OpenFailure::Error(TorrentError::Storage(error)))
                    if patience.waits_after(&error) => {}
                opened => return opened,
            }
        }
    }

    fn try_run(&self) -> Result<Box<Opened>, OpenFailure> {
        let info = self.opener.metainfo.info();
        // First, since the check may take hours, and a wrong choice makes it useless.
        let chosen = self.files.pieces(info.layout())?;
        let storage = self.opener.open_storage()?;
        self.opener.keep_out(&storage)?;
        // Before the recovery, which has to know which data is in the part file.
        storage.select(|file| self.files.contains(file))?;
        storage.prepare()?;
        let mut recovered = if self.opener.options.assume_complete {
            assume_complete(&storage)?
        } else {
            self.recover(&storage)?
        };
        // A file that the user did not choose is not cut.
        recovered.longer.retain(|misfit| self.files.contains(misfit.file));
        let path_changes = path_changes(&storage);
        let (metainfo, hashes) = (Arc::clone(&self.opener.metainfo), self.hashes.clone());
        let moved = storage.finished_move();
        Ok(Box::new(Opened { metainfo, storage, path_changes, hashes, recovered, chosen, moved }))
    }

    fn recover(&self, storage: &Storage) -> Result<Recovered, OpenFailure> {
        let mut options = self.opener.resources.recover_options(self.opener.options.sample_bytes);
        options.ignore_record(!self.opener.options.resume);
        let recovered = recover(storage, &self.hashes, &options, |done| {
            self.progress.set(done);
            match self.opener.cancellation.is_cancelled() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        recovered.ok_or(OpenFailure::Cancelled)
    }
}

/// Takes the content for complete, if all of its files are on disk and long enough.
fn assume_complete(storage: &Storage) -> Result<Recovered, OpenFailure> {
    let misfits = storage.misfits()?;
    if let Some(lacking) = misfits.iter().find(|misfit| !misfit.is_longer()) {
        let path = storage.file_path(lacking.file).unwrap_or_default();
        let offset = lacking.size.unwrap_or_default();
        return Err(StorageError::MissingData { path, offset }.into());
    }
    let all = Bitfield::full(storage.geometry().piece_count());
    let mut recovered = Recovered::with_pieces(all);
    recovered.longer = misfits;
    Ok(recovered)
}

fn path_changes(storage: &Storage) -> PathChanges {
    let mut changes = storage.path_changes();
    let first: Arc<[PathChange]> = changes.by_ref().take(Event::MAX_PATH_CHANGES).collect();
    // Counting takes time where many files have changes, so that it is done here, on the thread.
    let count = first.len() + changes.count();
    PathChanges { first, count }
}

impl From<TorrentError> for OpenFailure {
    fn from(error: TorrentError) -> Self {
        OpenFailure::Error(error)
    }
}

impl From<NoSuchFile> for OpenFailure {
    fn from(error: NoSuchFile) -> Self {
        OpenFailure::Error(error.into())
    }
}

impl From<StorageError> for OpenFailure {
    fn from(error: StorageError) -> Self {
        OpenFailure::Error(error.into())
    }
}
