//! From the metadata to a running content, and from oversized files to cut ones.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tinytorrent_metainfo::{Info, Metainfo};
use tinytorrent_storage::PieceHashes;
use tinytorrent_swarm::{Event as SwarmEvent, Input, PeerKey, PeerSource};
use tinytorrent_wire::Hashes;

use super::content::{OpenFailure, OpenJob, Opened};
use super::layers::LayerFetch;
use super::metadata::{self, BadMetadata};
use super::outcome::JobOutcome;
use super::running::Running;
use super::stage::Stage;
use super::{Driver, oversized};
use crate::{Event, PeerAddress, TorrentError};

impl Driver {
    /// Begins with what was known when the torrent was added, and publishes the first state.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        metainfo: Option<Arc<Metainfo>>,
        link_peers: Vec<PeerAddress>,
    ) {
        let options = Arc::clone(&self.options);
        self.add_peers(now, PeerSource::User, options.peers.iter().cloned());
        if let Some(metainfo) = metainfo {
            self.open(now, &metainfo);
        }
        self.load_metadata(now, link_peers);
        self.publish();
    }

    /// Looks for metadata or piece layers that an earlier run has saved, if they are missing.
    fn load_metadata(&mut self, now: Instant, link_peers: Vec<PeerAddress>) {
        let is_missing = matches!(self.stage, Stage::FetchingMetadata | Stage::FetchingLayers(_));
        match self.saved_metadata.clone().filter(|_| is_missing) {
            // Peers of the link wait for the result: the torrent may turn out to be private, and
            // then takes none of them (BEP 27).
            Some(store) => self.spawn_thread(move || {
                let metainfo = store.load().map(Box::new);
                JobOutcome::MetadataLoaded { metainfo, link_peers }
            }),
            None => self.add_peers(now, PeerSource::Magnet, link_peers),
        }
    }

    pub(super) fn on_metadata_loaded(
        &mut self,
        now: Instant,
        saved: Option<Box<Metainfo>>,
        link_peers: Vec<PeerAddress>,
    ) {
        if !saved.as_ref().is_some_and(|saved| saved.info().is_private()) {
            self.add_peers(now, PeerSource::Magnet, link_peers);
        }
        let Some(saved) = saved else { return };
        match &mut self.stage {
            Stage::FetchingMetadata => {
                tracing::debug!("the metadata is known from an earlier run");
                self.swarm.handle_input(now, Input::HashesNeeded(Vec::new()));
                self.begin_with(now, *saved);
            }
            Stage::FetchingLayers(fetch) => {
                fetch.add_saved(*saved);
                let (requests, complete) = (fetch.requests(), fetch.take_complete());
                self.swarm.handle_input(now, Input::HashesNeeded(requests));
                if let Some(metainfo) = complete {
                    self.begin_with_layers(now, &metainfo);
                }
            }
            // Peers have sent everything meanwhile, or the torrent is about to end.
            Stage::SavingLayers
            | Stage::Checking
            | Stage::Running(_)
            | Stage::Stopping(_)
            | Stage::Over(_) => {}
        }
    }

    /// Checks bytes that peers sent as the info dictionary.
    pub(super) fn check_metadata(&mut self, bytes: Bytes) {
        let hashes = self.registration.hashes();
        let store = self.saved_metadata.clone();
        self.spawn_thread(move || {
            let info = metadata::read_info(&bytes, hashes);
            if let (Ok(info), Some(store)) = (&info, store) {
                // Saved before it is published, so that even after a kill peers are not asked again.
                store.save(&Metainfo::from_info(Arc::clone(info)));
            }
            JobOutcome::MetadataChecked(info)
        });
    }

    pub(super) fn on_metadata_checked(
        &mut self,
        now: Instant,
        info: Result<Arc<Info>, BadMetadata>,
    ) {
        if !matches!(self.stage, Stage::FetchingMetadata) {
            return; // that of an earlier run was found meanwhile
        }
        match info {
            Ok(info) => self.begin_with(now, Metainfo::from_info(info)),
            Err(BadMetadata::WrongHash) => self.swarm.handle_input(now, Input::MetadataRefused),
            Err(BadMetadata::Invalid(error)) => self.fail(TorrentError::Metadata(error)),
        }
    }

    /// Goes on with the metadata of a torrent that was added without it.
    fn begin_with(&mut self, now: Instant, metainfo: Metainfo) {
        let metainfo = Arc::new(metainfo);
        self.outbox.set_metainfo(&metainfo);
        self.outbox.push(Event::MetadataReceived(Arc::clone(metainfo.info())));
        self.open(now, &metainfo);
    }

    pub(super) fn on_layers_saved(&mut self, now: Instant, metainfo: &Arc<Metainfo>) {
        if matches!(self.stage, Stage::SavingLayers) {
            self.begin_with_layers(now, metainfo);
        }
    }

    fn begin_with_layers(&mut self, now: Instant, metainfo: &Arc<Metainfo>) {
        self.outbox.set_metainfo(metainfo);
        self.open(now, metainfo);
    }

    /// Begins to open and check the content, or first to fetch the piece layers that are missing.
    fn open(&mut self, now: Instant, metainfo: &Arc<Metainfo>) {
        let Some(hashes) = PieceHashes::from_metainfo(metainfo) else {
            let fetch = LayerFetch::new(metainfo);
            self.swarm.handle_input(now, Input::HashesNeeded(fetch.requests()));
            self.stage = Stage::FetchingLayers(fetch);
            return;
        };
        self.stage = Stage::Checking;
        let job = OpenJob {
            resources: Arc::clone(&self.resources),
            options: Arc::clone(&self.options),
            files: self.files.clone(),
            metainfo: Arc::clone(metainfo),
            hashes,
            cancellation: self.background.cancellation(),
        };
        self.spawn_thread(move || JobOutcome::Opened(job.run()));
    }

    /// Adds hashes of a piece layer that a peer sent.
    pub(super) fn check_hashes(&mut self, now: Instant, peer: PeerKey, hashes: &Hashes) {
        let Stage::FetchingLayers(fetch) = &mut self.stage else { return };
        let (is_right, complete) = (fetch.add(hashes), fetch.take_complete());
        let request = hashes.request;
        self.swarm.handle_input(now, Input::HashesChecked { peer, request, is_right });
        if let Some(metainfo) = complete {
            self.save_layers(metainfo);
        }
    }

    fn save_layers(&mut self, metainfo: Arc<Metainfo>) {
        self.stage = Stage::SavingLayers;
        let store = self.saved_metadata.clone();
        self.spawn_thread(move || {
            if let Some(store) = store {
                store.save(&metainfo);
            }
            JobOutcome::LayersSaved(metainfo)
        });
    }

    pub(super) fn on_opened(&mut self, now: Instant, opened: Result<Box<Opened>, OpenFailure>) {
        if !matches!(self.stage, Stage::Checking) {
            return; // the torrent is about to end
        }
        match opened {
            Ok(opened) => self.run_content(now, *opened),
            Err(OpenFailure::Error(error)) => self.fail(error),
            Err(OpenFailure::Cancelled) => {}
        }
    }

    fn run_content(&mut self, now: Instant, opened: Opened) {
        self.report_files(&opened);
        let disk = &self.resources.disk;
        let (running, content) =
            Running::start(opened, disk, &self.options, self.completions.clone());
        // More would not be written sooner, and would be lost by a kill.
        let budget = running.plane.unstored_limit().min(self.resources.options.store_budget());
        self.swarm.set_store_budget(now, budget);
        self.stage = Stage::Running(Box::new(running));
        self.swarm.handle_input(now, Input::ContentReady(content));
        let stats = self.swarm.stats(now);
        let have = stats.have_bytes;
        self.outbox.push(Event::Checked { have, total: have + stats.left });
    }

    /// Adds events for files that are not on disk as they are in the torrent.
    fn report_files(&mut self, opened: &Opened) {
        let storage = &opened.storage;
        self.outbox.set_content_path(storage.content_path());
        let (changes, count) = (&opened.path_changes.first, opened.path_changes.count);
        if count > 0 {
            self.outbox.push(Event::PathsChanged { changes: Arc::clone(changes), count });
        }
        if self.options.read_only {
            for misfit in &opened.recovered.longer {
                self.outbox.push(oversized::event(storage, *misfit, false));
            }
        }
    }

    /// Begins to cut files that are too long; `false` if there is none.
    pub(super) fn cut_oversized(&mut self) -> bool {
        let Some(running) = self.stage.running() else { return false };
        let Some(files) = running.oversized.begin() else { return false };
        let storage = Arc::clone(running.plane.storage());
        self.spawn_thread(move || JobOutcome::Cut(oversized::cut(&storage, files)));
        true
    }

    /// Adds the events of files that were cut, and the one that was held back until then.
    pub(super) fn on_cut(&mut self, events: Vec<Event>) {
        if let Some(running) = self.stage.running() {
            running.oversized.finish();
        }
        events.into_iter().for_each(|event| self.outbox.push(event));
        self.outbox.push(Event::Swarm(SwarmEvent::Finished));
    }
}
