//! From the metadata to a content on the disk that the engine can work with.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use tinytorrent_metainfo::{
    FileIndex, FileSelection, Info, Layout, Metainfo, PathChange, ReadOptions,
};
use tinytorrent_storage::{
    PieceHashes, RecoverOptions, Recovered, Storage, StorageError, StorageOptions, recover,
};
use tinytorrent_swarm::{Content, Input};
use tinytorrent_types::{Bitfield, BlockInfo, InfoHashes};

use super::Driver;
use super::data::DataPlane;
use super::longer::{self, Longer};
use super::lookups::Found;
use crate::resources::Resources;
use crate::{Event, TorrentError, TorrentOptions};

/// A content that has been looked at.
pub(super) struct Opened {
    metainfo: Arc<Metainfo>,
    storage: Storage,
    /// The first changes of paths, and how many there are.
    path_changes: (Arc<[PathChange]>, usize),
    hashes: PieceHashes,
    recovered: Recovered,
}

/// Why a content was not opened.
pub(super) enum OpenFailure {
    Error(TorrentError),
    /// The torrent has ended meanwhile.
    Cancelled,
}

/// Why what peers sent is not the metadata of this torrent.
pub(super) enum NoInfo {
    /// It is something else. Other peers may have the right one.
    NotNamed,
    /// It is what the info-hash names, so nobody has a better one, and it is no torrent.
    Invalid(Arc<tinytorrent_metainfo::Error>),
}

impl Driver {
    /// Hashes and reads what peers say is the info dictionary.
    pub(super) fn check_metadata(&mut self, bytes: Bytes) {
        let hashes = self.hashes;
        let kept = self.kept.clone();
        self.lookups.work(move || {
            let info = read_info(&bytes, hashes);
            if let (Ok(info), Some(kept)) = (&info, kept) {
                // Before anybody is told of it: whatever happens next, peers are not asked again.
                kept.save(&Metainfo::from_info(Arc::clone(info)));
            }
            Found::Metadata(info)
        });
    }

    pub(super) fn on_metadata(&mut self, now: Instant, info: Result<Arc<Info>, NoInfo>) {
        if self.knows_metadata() {
            return; // an earlier run had kept it, which was found meanwhile
        }
        let info = match info {
            Ok(info) => info,
            Err(NoInfo::NotNamed) => return self.swarm.handle_input(now, Input::MetadataRefused),
            Err(NoInfo::Invalid(error)) => return self.fail(TorrentError::Metadata(error)),
        };
        self.begin_with(Metainfo::from_info(info));
    }

    /// Goes on from the metadata of a torrent that began without it.
    pub(super) fn begin_with(&mut self, metainfo: Metainfo) {
        let metainfo = Arc::new(metainfo);
        self.keep_metainfo(&metainfo);
        self.tell(Event::MetadataReceived(Arc::clone(metainfo.info())));
        self.open(metainfo);
    }

    /// Shows it to the application.
    pub(super) fn keep_metainfo(&self, metainfo: &Arc<Metainfo>) {
        self.status.send_modify(|status| status.metainfo = Some(Arc::clone(metainfo)));
    }

    /// Opens the folder of the content and looks what is there, once all hashes are known.
    pub(super) fn open(&mut self, metainfo: Arc<Metainfo>) {
        let Some(hashes) = PieceHashes::from_metainfo(&metainfo) else {
            return self.fetch_layers(&metainfo);
        };
        let client = Arc::clone(&self.client);
        let options = self.options.clone();
        let files = self.chosen_files().clone();
        let is_over = Arc::clone(&self.lookups.is_over);
        self.update_state();
        self.lookups.work(move || {
            let opened = open(&client, &options, &files, metainfo, hashes, &is_over);
            Found::Content(opened.map(Box::new))
        });
    }

    pub(super) fn on_content(&mut self, now: Instant, opened: Result<Box<Opened>, OpenFailure>) {
        let opened = match opened {
            Ok(opened) => *opened,
            Err(OpenFailure::Error(error)) => return self.fail(error),
            Err(OpenFailure::Cancelled) => return,
        };
        self.tell_of_files(&opened);
        match self.begin(now, opened) {
            Ok(()) => {
                self.update_state();
                let stats = self.swarm.stats(now);
                let have = stats.have_bytes;
                self.tell(Event::Checked { have, total: have + stats.left });
            }
            Err(error) => self.fail(error),
        }
    }

    /// Tells of what is not as the torrent says.
    fn tell_of_files(&self, opened: &Opened) {
        let storage = &opened.storage;
        self.status.send_modify(|status| status.content_path = storage.content_path());
        let (changes, count) = opened.path_changes.clone();
        if count > 0 {
            self.tell(Event::PathsChanged { changes, count });
        }
        if self.options.read_only {
            for misfit in &opened.recovered.longer {
                self.tell(longer::event(storage, *misfit, false));
            }
        }
    }

    fn begin(&mut self, now: Instant, opened: Opened) -> Result<(), TorrentError> {
        let Opened { metainfo, storage, hashes, mut recovered, .. } = opened;
        if !self.options.read_only {
            self.longer = Longer::new(std::mem::take(&mut recovered.longer));
        }
        self.keep_layers(&metainfo);
        let info = metainfo.info();
        let geometry = info.geometry();
        let blocks = recovered.partial.iter().flat_map(|partial| {
            partial.blocks.iter().filter_map(|&number| geometry.nth_block(partial.piece, number))
        });
        let content = Content {
            geometry: geometry.clone(),
            have: recovered.have.clone(),
            wanted: self.wanted(info.layout())?,
            partial: blocks.collect::<Vec<BlockInfo>>(),
            info: Bytes::copy_from_slice(info.bytes()),
            is_private: info.is_private(),
        };
        let keeps_record = self.options.resume && !self.options.read_only;
        let plane = DataPlane::new(
            &self.client.disk,
            storage,
            hashes,
            recovered,
            keeps_record,
            self.completed.clone(),
        );
        // More would not be written sooner, and would be lost by a kill.
        let budget = plane.unstored_limit().min(self.client.options.store_budget());
        self.swarm.set_store_budget(now, budget);
        self.data = Some(plane);
        self.swarm.handle_input(now, Input::ContentReady(content));
        Ok(())
    }

    /// The pieces that hold a byte of a selected file.
    fn wanted(&self, layout: &Layout) -> Result<Bitfield, TorrentError> {
        let piece_count = layout.geometry().piece_count();
        let count = layout.file_count();
        if let Some(range) = self.options.files.ranges().last()
            && *range.end() >= count
        {
            return Err(TorrentError::NoSuchFile { index: *range.end(), count });
        }
        let files = self.chosen_files();
        if files.is_empty() {
            return Ok(Bitfield::full(piece_count));
        }
        Ok(pieces_of(layout, files))
    }

    /// The user's choice, or else the link's; empty for all files.
    fn chosen_files(&self) -> &FileSelection {
        if self.options.files.is_empty() { &self.selection } else { &self.options.files }
    }
}

fn pieces_of(layout: &Layout, selection: &FileSelection) -> Bitfield {
    let mut wanted = Bitfield::new(layout.geometry().piece_count());
    for file in layout.files().filter(|file| selection.contains(file.index.get())) {
        for piece in layout.file_pieces(file.index) {
            wanted.insert(piece);
        }
    }
    wanted
}

/// The info dictionary, if the bytes are the one that the hashes name (BEP 9, BEP 52).
fn read_info(bytes: &[u8], hashes: InfoHashes) -> Result<Arc<Info>, NoInfo> {
    if !Info::is_named_by(bytes, &hashes) {
        return Err(NoInfo::NotNamed);
    }
    read_options().read_info(bytes).map_err(|error| NoInfo::Invalid(Arc::new(error)))
}

/// The way to read what has to be taken as it is: nobody has a better one.
pub(super) fn read_options() -> ReadOptions {
    ReadOptions::lenient()
}

/// Opens and checks, which takes as long as reading what is there; for a thread of its own.
fn open(
    client: &Resources,
    options: &TorrentOptions,
    files: &FileSelection,
    metainfo: Arc<Metainfo>,
    hashes: PieceHashes,
    is_over: &AtomicBool,
) -> Result<Opened, OpenFailure> {
    let info = metainfo.info();
    let storage = open_storage(client, options, info)?;
    let is_wanted = |file: FileIndex| files.is_empty() || files.contains(file.get());
    storage.select(is_wanted)?;
    storage.prepare()?;
    let mut recovered = if options.assume_complete {
        assume_complete(&storage)?
    } else {
        let mut recovering = RecoverOptions::default();
        recovering
            .ignore_record(!options.resume)
            .turns(Arc::clone(&client.checks))
            .seed(rand::random());
        recover(&storage, &hashes, &recovering, |_| match is_over.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })?
        .ok_or(OpenFailure::Cancelled)?
    };
    recovered.longer.retain(|misfit| is_wanted(misfit.file));
    let path_changes = path_changes(&storage);
    Ok(Opened { metainfo, storage, path_changes, hashes, recovered })
}

/// All changes are put together to count them, which may be many.
fn path_changes(storage: &Storage) -> (Arc<[PathChange]>, usize) {
    let mut changes = storage.path_changes();
    let first: Arc<[PathChange]> = changes.by_ref().take(Event::MAX_PATH_CHANGES).collect();
    let count = first.len() + changes.count();
    (first, count)
}

/// Believes that the content is right, after a look whether its files are there.
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

fn open_storage(
    client: &Resources,
    options: &TorrentOptions,
    info: &Arc<Info>,
) -> Result<Storage, OpenFailure> {
    let mut storage = StorageOptions::default();
    storage
        .read_only(options.read_only)
        .follow_links(options.follow_links)
        .file_pool(Arc::clone(&client.files));
    if info.layout().path_policy() == options.names {
        return Ok(Storage::for_info(Arc::clone(info), &options.folder, &storage)?);
    }
    let layout = info.layout().with_policy(options.names).map_err(TorrentError::from)?;
    Ok(Storage::open(Arc::new(layout), info.hashes(), &options.folder, &storage)?)
}

impl From<TorrentError> for OpenFailure {
    fn from(error: TorrentError) -> Self {
        OpenFailure::Error(error)
    }
}

impl From<StorageError> for OpenFailure {
    fn from(error: StorageError) -> Self {
        OpenFailure::Error(TorrentError::Storage(Arc::new(error)))
    }
}
