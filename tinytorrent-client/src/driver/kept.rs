//! Metadata and piece layers of earlier runs: a torrent that began without a torrent file needs no
//! peer that has them a second time.

use std::time::Instant;

use tinytorrent_metainfo::Metainfo;
use tinytorrent_storage::MetadataFile;
use tinytorrent_swarm::{Input, PeerSource};
use tinytorrent_types::InfoHashes;

use super::Driver;
use super::content::read_options;
use super::lookups::Found;
use crate::{PeerAddress, TorrentOptions};

/// The place where metadata is kept. Its methods block.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    file: MetadataFile,
    is_read_only: bool,
}

impl Kept {
    /// `None` if resume data is not wanted.
    pub(super) fn new(options: &TorrentOptions, hashes: InfoHashes) -> Option<Self> {
        options.resume.then(|| Self {
            file: MetadataFile::new(&options.folder, hashes),
            is_read_only: options.read_only,
        })
    }

    pub(super) fn load(&self) -> Option<Metainfo> {
        self.file.load(&read_options())
    }

    /// Failing costs the next run some peers, so it is no failure of this one.
    pub(super) fn save(&self, metainfo: &Metainfo) {
        if self.is_read_only {
            return;
        }
        if let Err(error) = self.file.save(metainfo) {
            tracing::warn!(%error, "the metadata is not kept for the next run");
        }
    }
}

impl Driver {
    /// Looks for what an earlier run kept of what is missing. Peers that the link names are told to the
    /// engine afterwards: a private torrent takes none of them (BEP 27), and it may turn out to be one.
    pub(super) fn look_for_kept(&mut self, now: Instant, link_peers: Vec<PeerAddress>) {
        let is_missing = !self.knows_metadata() || self.is_fetching_layers();
        match self.kept.clone().filter(|_| is_missing) {
            Some(kept) => self.lookups.work(move || {
                let metainfo = kept.load().map(Box::new);
                Found::Kept { metainfo, link_peers }
            }),
            None => self.add_peers(now, PeerSource::Magnet, link_peers),
        }
    }

    pub(super) fn on_kept(
        &mut self,
        now: Instant,
        kept: Option<Box<Metainfo>>,
        link_peers: Vec<PeerAddress>,
    ) {
        if !kept.as_ref().is_some_and(|kept| kept.info().is_private()) {
            self.add_peers(now, PeerSource::Magnet, link_peers);
        }
        match kept {
            Some(kept) if self.is_fetching_layers() => self.fill_layers(now, *kept),
            // Peers may have been quicker.
            Some(kept) if !self.knows_metadata() => {
                tracing::debug!("the metadata is known from an earlier run");
                self.swarm.handle_input(now, Input::HashesNeeded(Vec::new()));
                self.begin_with(*kept);
            }
            _ => {}
        }
    }

    pub(super) fn knows_metadata(&self) -> bool {
        self.status.borrow().metainfo.is_some()
    }
}
