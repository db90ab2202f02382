use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tinytorrent_metainfo::{FileSelection, Metainfo};
use tinytorrent_storage::StorageError;

use crate::session::{Entry, Record};
use crate::web_seed::NamedWebSeeds;
use crate::{PeerAddress, Source, TorrentOptions};

/// The part of the kept session that is about this torrent: what it is, and whether it is saved.
#[derive(Debug)]
pub(super) struct Keeping {
    /// `None` if no session is kept, or the torrent was removed from it.
    entry: Option<Box<Entry>>,
    is_dirty: bool,
    is_saving: bool,
    /// The metadata is in the store.
    has_metadata: bool,
    origin: Origin,
}

/// Facts about a torrent that are known from its addition on.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The trackers that the torrent or its link names.
    pub(crate) trackers: Vec<Vec<String>>,
    /// The list that the user has set in place of these and of his own.
    pub(crate) set_trackers: Option<Box<[Vec<String>]>>,
    /// The web seeds that the torrent or its link names.
    pub(crate) web_seeds: NamedWebSeeds,
    /// The peers that the link names.
    pub(crate) peers: Vec<PeerAddress>,
    /// The files that the link selects.
    pub(crate) selection: FileSelection,
    /// Seconds from 1970 to the addition.
    pub(crate) added: u64,
    /// The place in the order of the torrents.
    pub(crate) position: u64,
}

/// A record to be written.
#[derive(Debug)]
pub(super) struct Save {
    entry: Entry,
    record: Box<Record>,
    metainfo: Option<Arc<Metainfo>>,
}

impl Origin {
    /// The trackers to announce to.
    pub(super) fn trackers(&self, options: &TorrentOptions) -> Vec<Vec<String>> {
        let of_torrent = if options.without_trackers { &[][..] } else { &self.trackers };
        let both = || [of_torrent, &options.trackers].concat();
        self.set_trackers.as_deref().map_or_else(both, <[_]>::to_vec)
    }

    pub(crate) fn new(source: &Source, position: u64) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            trackers: source.trackers.clone(),
            set_trackers: None,
            web_seeds: source.web_seeds.clone(),
            peers: source.peers.clone(),
            selection: source.selection.clone(),
            added: since.unwrap_or_default().as_secs(),
            position,
        }
    }
}

impl Keeping {
    /// `is_kept`: the store has the torrent already.
    pub(super) fn new(entry: Option<Entry>, origin: Origin, is_kept: bool) -> Self {
        Self {
            entry: entry.map(Box::new),
            is_dirty: !is_kept,
            is_saving: false,
            has_metadata: is_kept,
            origin,
        }
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Adds tiers to the list that the user has set, if there is one.
    pub(super) fn add_trackers(&mut self, tiers: &[Vec<String>]) {
        if let Some(set) = &mut self.origin.set_trackers {
            *set = [set, tiers].concat().into();
        }
    }

    /// Sets the list of trackers in place of all others.
    pub(super) fn set_trackers(&mut self, tiers: Vec<Vec<String>>) {
        self.origin.set_trackers = Some(tiers.into());
    }

    /// Removes web seeds that the torrent or its link names.
    pub(super) fn remove_web_seeds(&mut self, urls: &[String]) {
        urls.iter().for_each(|url| self.origin.web_seeds.remove(url));
    }

    /// Notes that something has changed that is kept.
    pub(super) fn change(&mut self) {
        self.is_dirty = true;
    }

    /// Notes that the metadata has become known, or more complete.
    pub(super) fn change_metadata(&mut self) {
        (self.is_dirty, self.has_metadata) = (true, false);
    }

    /// Returns what is to be saved now. One save at a time, so that an old record does not replace a new
    /// one.
    pub(super) fn begin_save(
        &mut self,
        hashes: tinytorrent_types::InfoHashes,
        position: Option<u64>,
        link_name: Option<&str>,
        options: &TorrentOptions,
        metainfo: Option<&Arc<Metainfo>>,
    ) -> Option<Save> {
        if !self.is_dirty || self.is_saving {
            return None;
        }
        let entry = self.entry.as_deref()?.clone();
        // A torrent that is out of the order by now keeps its place.
        self.origin.position = position.unwrap_or(self.origin.position);
        let (options, origin) = (options.clone(), self.origin.clone());
        let record = Box::new(Record { hashes, options, origin, name: link_name.map(Into::into) });
        let metainfo = metainfo.filter(|_| !self.has_metadata).cloned();
        self.has_metadata |= metainfo.is_some();
        (self.is_dirty, self.is_saving) = (false, true);
        Some(Save { entry, record, metainfo })
    }

    /// Notes that a save has ended.
    pub(super) fn end_save(&mut self) {
        self.is_saving = false;
    }

    /// Returns `true` if nothing is left to be saved.
    pub(super) fn is_saved(&self) -> bool {
        self.entry.is_none() || !(self.is_dirty || self.is_saving)
    }

    /// Returns `true` if the torrent is in a session.
    pub(super) fn is_kept(&self) -> bool {
        self.entry.is_some()
    }

    /// Takes the torrent out of the session. Returns its files, which are to be removed.
    pub(super) fn take_entry(&mut self) -> Option<Entry> {
        self.entry.take().map(|entry| *entry)
    }
}

impl Save {
    /// Writes the record. Blocks.
    pub(super) fn run(&self) -> Result<(), StorageError> {
        self.entry.save(&self.record, self.metainfo.as_deref())
    }
}
