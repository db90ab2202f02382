//! A job that opens the content of a torrent on disk and checks it.

use std::ops::ControlFlow;
use std::sync::Arc;

use tinytorrent_metainfo::{Info, Metainfo, PathChange};
use tinytorrent_storage::{
    Content, PieceHashes, RecoverOptions, Recovered, Storage, StorageError, StorageOptions, recover,
};
use tinytorrent_types::Bitfield;

use super::cancellation::Cancellation;
use super::choice::FileChoice;
use super::keep_out::find_intrusion;
use super::patience::Patience;
use crate::resources::Resources;
use crate::{ContentRequest, Event, TorrentError, TorrentOptions};

/// A content that is open and checked.
pub(super) struct Opened {
    pub(super) metainfo: Arc<Metainfo>,
    pub(super) storage: Storage,
    pub(super) path_changes: PathChanges,
    pub(super) hashes: PieceHashes,
    pub(super) recovered: Recovered,
    /// Pieces of the chosen files.
    pub(super) wanted: Bitfield,
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
pub(super) struct OpenJob {
    pub(super) resources: Arc<Resources>,
    pub(super) options: Arc<TorrentOptions>,
    pub(super) files: FileChoice,
    pub(super) metainfo: Arc<Metainfo>,
    pub(super) hashes: PieceHashes,
    pub(super) cancellation: Cancellation,
}

impl OpenJob {
    /// Opens and checks the content. Blocks for as long as reading it takes, and while no descriptor is
    /// left for a file.
    pub(super) fn run(self) -> Result<Box<Opened>, OpenFailure> {
        let mut patience = Patience::new(self.cancellation.clone());
        loop {
            match self.try_run() {
                Err(OpenFailure::Error(TorrentError::Storage(error)))
                    if patience.waits_after(&error) => {}
                opened => return opened,
            }
        }
    }

    fn try_run(&self) -> Result<Box<Opened>, OpenFailure> {
        let info = self.metainfo.info();
        // First, since the check may take hours, and a wrong choice makes it useless.
        let wanted = self.files.pieces(info.layout())?;
        let storage = self.open_storage(info)?;
        self.keep_out(&storage)?;
        // Before the recovery, which has to know which data is in the part file.
        storage.select(|file| self.files.contains(file))?;
        storage.prepare()?;
        let mut recovered = if self.options.assume_complete {
            assume_complete(&storage)?
        } else {
            self.recover(&storage)?
        };
        // A file that the user did not choose is not cut.
        recovered.longer.retain(|misfit| self.files.contains(misfit.file));
        let path_changes = path_changes(&storage);
        let (metainfo, hashes) = (Arc::clone(&self.metainfo), self.hashes.clone());
        Ok(Box::new(Opened { metainfo, storage, path_changes, hashes, recovered, wanted }))
    }

    /// Before anything is written.
    fn keep_out(&self, storage: &Storage) -> Result<(), TorrentError> {
        let folders = &self.resources.options.kept_out;
        if self.options.read_only || folders.is_empty() {
            return Ok(());
        }
        let files = storage.layout().files().filter_map(|file| storage.file_path(file.index));
        match find_intrusion(folders, &self.options.folder, files) {
            Some(folder) => Err(TorrentError::KeptOut { folder: folder.to_owned() }),
            None => Ok(()),
        }
    }

    /// The content of the program's own; `None` if it is in files.
    fn open_own(&self, info: &Arc<Info>) -> Result<Option<Arc<dyn Content>>, OpenFailure> {
        let options = &self.options;
        let request =
            ContentRequest { info, folder: &options.folder, is_read_only: options.read_only };
        let source = options.content.as_ref().or(self.resources.options.content.as_ref());
        let content = source.map_or(Ok(None), |source| source.open(request))?;
        match content {
            // Into files, it would be downloaded a second time, to a place that nobody has meant.
            None if options.has_own_content => Err(TorrentError::NoContent.into()),
            content => Ok(content),
        }
    }

    fn open_storage(&self, info: &Arc<Info>) -> Result<Storage, OpenFailure> {
        let options = &self.options;
        let mut storage = StorageOptions::default();
        storage
            .read_only(options.read_only)
            .follow_links(options.follow_links)
            .file_pool(Arc::clone(&self.resources.files));
        if let Some(content) = self.open_own(info)? {
            let (info, folder) = (Arc::clone(info), &options.folder);
            return Ok(Storage::with_content_for_info(info, folder, content, &storage));
        }
        if info.layout().path_policy() == options.names {
            // Shares the layout of the metainfo. A layout of many files is too large to be copied
            // without need.
            return Ok(Storage::for_info(Arc::clone(info), &options.folder, &storage)?);
        }
        let layout = info.layout().with_policy(options.names).map_err(TorrentError::from)?;
        Ok(Storage::open(Arc::new(layout), info.hashes(), &options.folder, &storage)?)
    }

    fn recover(&self, storage: &Storage) -> Result<Recovered, OpenFailure> {
        let mut options = RecoverOptions::default();
        options
            .ignore_record(!self.options.resume)
            .turns(Arc::clone(&self.resources.checks))
            // Another sample of the pieces in each run, so that many runs check all of them.
            .seed(rand::random());
        let recovered =
            recover(storage, &self.hashes, &options, |_| match self.cancellation.is_cancelled() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
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

impl From<StorageError> for OpenFailure {
    fn from(error: StorageError) -> Self {
        OpenFailure::Error(error.into())
    }
}
