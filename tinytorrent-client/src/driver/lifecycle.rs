//! The stages of a torrent, and the changes from one to the next.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tinytorrent_metainfo::{FileSelection, Info, Metainfo};
use tinytorrent_storage::{
    Completion, Counters, PieceHashes, Recovered, StorageError, VerifyProgress,
};
use tinytorrent_swarm::{Content, Event as SwarmEvent, Input, PeerKey};
use tinytorrent_types::{Bitfield, InfoHashes};
use tinytorrent_wire::{HashRequest, Hashes};

use super::cancellation::{CancelOnDrop, Cancellation};
use super::choice::FileChoice;
use super::content::{OpenFailure, OpenJob, Opened, Opener};
use super::data;
use super::gauge::Gauge;
use super::inbox::Inbox;
use super::job::Job;
use super::last_look::{self, LastLook, Looked};
use super::layers::LayerFetch;
use super::metadata::{BadMetadata, MetadataStore};
use super::patience::Patience;
use super::running::{self, Running};
use super::stage::{EngineFacts, Stage};
use super::step::Step;
use crate::resources::Resources;
use crate::torrent::State;
use crate::{Event, PeerAddress, TorrentError, TorrentOptions};

/// The stage of a torrent, and the settings that the next stages depend on.
///
/// It runs no job and does not know the engine. Its methods return steps, which the driver carries out
/// in order.
pub(super) struct Lifecycle {
    stage: Stage,
    resources: Arc<Resources>,
    options: Arc<TorrentOptions>,
    /// Files named in the magnet link.
    by_link: FileSelection,
    /// `None` if resume data is neither used nor kept, and once all metadata is there and kept.
    store: Option<Box<MetadataStore>>,
    /// The inbox that the disk reports to.
    completions: Inbox<Completion>,
    /// The flag that ends jobs early: the check of the content, and waits for a descriptor.
    check: CancelOnDrop,
}

impl Lifecycle {
    /// `hashes` are those of the torrent.
    pub(super) fn new(
        hashes: InfoHashes,
        resources: Arc<Resources>,
        options: TorrentOptions,
        by_link: FileSelection,
        completions: Inbox<Completion>,
    ) -> Self {
        let check = CancelOnDrop::default();
        // Before the metadata is there, nobody can tell where else it might be kept.
        let is_in_files = !options.has_own_content && resources.options.content.is_none();
        Self {
            stage: Stage::FetchingMetadata,
            resources,
            store: MetadataStore::new(&options, hashes, check.flag())
                .filter(|_| is_in_files)
                .map(Box::new),
            options: Arc::new(options),
            by_link,
            completions,
            check,
        }
    }

    /// Begins with the metainfo, if it is known, and with the peers of the magnet link.
    pub(super) fn begin(
        &mut self,
        metainfo: Option<Arc<Metainfo>>,
        link_peers: Vec<PeerAddress>,
    ) -> Vec<Step> {
        let mut steps = metainfo.map_or_else(Vec::new, |metainfo| self.open(metainfo));
        let is_missing = matches!(self.stage, Stage::FetchingMetadata | Stage::FetchingLayers(_));
        steps.push(match self.store.as_deref().cloned().filter(|_| is_missing) {
            // The peers of the link are added after the job. Its result may show that the torrent is
            // private, and then has peers from trackers alone (BEP 27).
            Some(store) => Step::Job(Job::LoadMetadata { store, link_peers }),
            None => Step::AddLinkPeers(link_peers),
        });
        steps
    }

    /// Goes on with metadata or piece layers that an earlier run has saved, if they are missing.
    pub(super) fn on_metadata_loaded(
        &mut self,
        saved: Option<Box<Metainfo>>,
        link_peers: Vec<PeerAddress>,
    ) -> Vec<Step> {
        let is_private = saved.as_ref().is_some_and(|saved| saved.info().is_private());
        let mut steps = Vec::new();
        if !is_private {
            steps.push(Step::AddLinkPeers(link_peers));
        }
        let Some(saved) = saved else { return steps };
        match &mut self.stage {
            Stage::FetchingMetadata => {
                tracing::debug!("the metadata is known from an earlier run");
                steps.extend(self.begin_with(*saved));
            }
            Stage::FetchingLayers(fetch) => {
                fetch.add_saved(*saved);
                steps.push(Step::Input(Input::HashesNeeded(fetch.requests())));
                if let Some(metainfo) = fetch.take_complete() {
                    steps.extend(self.begin_with_layers(metainfo));
                }
            }
            // Everything has come from peers in the meantime, or the torrent is about to end.
            Stage::SavingLayers
            | Stage::Checking(_)
            | Stage::Running(_)
            | Stage::Rechecking(..)
            | Stage::Stopping(_)
            | Stage::Over(_) => {}
        }
        steps
    }

    /// Returns the job that checks bytes that peers sent as the info dictionary.
    pub(super) fn check_metadata(&self, hashes: InfoHashes, bytes: Bytes) -> Job {
        Job::CheckMetadata { bytes, hashes, store: self.store.as_deref().cloned() }
    }

    pub(super) fn on_metadata_checked(
        &mut self,
        info: Result<Arc<Info>, BadMetadata>,
    ) -> Vec<Step> {
        if !matches!(self.stage, Stage::FetchingMetadata) {
            return Vec::new(); // saved metadata was loaded in the meantime
        }
        match info {
            Ok(info) => self.begin_with(Metainfo::from_info(info)),
            Err(BadMetadata::WrongHash) => vec![Step::Input(Input::MetadataRefused)],
            Err(BadMetadata::Invalid(error)) => {
                self.fail(TorrentError::Metadata(error));
                Vec::new()
            }
        }
    }

    /// Publishes the metadata of a torrent that was added without it, and opens the content.
    fn begin_with(&mut self, metainfo: Metainfo) -> Vec<Step> {
        let metainfo = Arc::new(metainfo);
        let info = Arc::clone(metainfo.info());
        // Before anything else, as peers of the link or of other peers may be there by now.
        let mut steps: Vec<_> =
            info.is_private().then_some(Step::BecomePrivate).into_iter().collect();
        steps.extend([
            // Ends the requests for metadata. The list is empty, as `open` adds its own if hashes are
            // missing.
            Step::Input(Input::HashesNeeded(Vec::new())),
            Step::ShowMetainfo(Arc::clone(&metainfo)),
            Step::Publish(Event::MetadataReceived(info)),
        ]);
        if self.options.metadata_only {
            steps.push(Step::Stop);
        } else {
            steps.extend(self.open(metainfo));
        }
        steps
    }

    /// Opens the content, if all piece layers are there. If not, fetches them first.
    fn open(&mut self, metainfo: Arc<Metainfo>) -> Vec<Step> {
        let Some(hashes) = PieceHashes::from_metainfo(&metainfo) else {
            let fetch = LayerFetch::new(&metainfo);
            let requests = fetch.requests();
            self.stage = Stage::FetchingLayers(fetch);
            return vec![Step::Input(Input::HashesNeeded(requests))];
        };
        let progress = Gauge::default();
        self.stage = Stage::Checking(progress.clone());
        let (opener, files) = (self.opener(metainfo), self.choice());
        vec![Step::Job(Job::Open(OpenJob { opener, files, hashes, progress }))]
    }

    /// Returns what it takes to open the content.
    pub(super) fn opener(&self, metainfo: Arc<Metainfo>) -> Opener {
        Opener {
            resources: Arc::clone(&self.resources),
            options: Arc::clone(&self.options),
            metainfo,
            cancellation: self.check.flag(),
        }
    }

    /// Checks and adds hashes of a piece layer from a peer.
    pub(super) fn add_hashes(&mut self, peer: PeerKey, hashes: &Hashes) -> Vec<Step> {
        let Stage::FetchingLayers(fetch) = &mut self.stage else { return Vec::new() };
        let (is_right, complete) = (fetch.add(hashes), fetch.take_complete());
        let request = hashes.request;
        let mut steps = vec![Step::Input(Input::HashesChecked { peer, request, is_right })];
        if let Some(metainfo) = complete {
            self.stage = Stage::SavingLayers;
            steps.push(Step::Job(Job::SaveLayers {
                metainfo,
                store: self.store.as_deref().cloned(),
            }));
        }
        steps
    }

    pub(super) fn on_layers_saved(&mut self, metainfo: Arc<Metainfo>) -> Vec<Step> {
        if !matches!(self.stage, Stage::SavingLayers) {
            return Vec::new(); // the torrent is about to end
        }
        self.begin_with_layers(metainfo)
    }

    fn begin_with_layers(&mut self, metainfo: Arc<Metainfo>) -> Vec<Step> {
        let mut steps = vec![Step::ShowMetainfo(Arc::clone(&metainfo))];
        steps.extend(self.open(metainfo));
        steps
    }

    /// Returns the requested hashes of a piece layer; `None` if the request is to be refused.
    pub(super) fn answer_hashes(&mut self, request: &HashRequest) -> Option<Bytes> {
        self.running().and_then(|running| running.layers.answer(request))
    }

    pub(super) fn on_opened(&mut self, opened: Result<Box<Opened>, OpenFailure>) -> Vec<Step> {
        if !matches!(self.stage, Stage::Checking(_)) {
            return Vec::new(); // the torrent is about to end
        }
        match opened {
            Ok(opened) => return self.run_content(*opened),
            Err(OpenFailure::Error(error)) => self.fail(error),
            Err(OpenFailure::Cancelled) => {}
        }
        Vec::new()
    }

    fn run_content(&mut self, mut opened: Opened) -> Vec<Step> {
        let mut steps = self.report_files(&opened);
        if !opened.storage.is_in_files() && !self.options.has_own_content {
            // A later run is not to download it into files.
            self.options_mut().has_own_content = true;
            steps.push(Step::KeepSettings);
        }
        if self.options.moving_to.is_some() {
            let (folder, moved) = (opened.storage.root_path(), opened.moved.take());
            steps.push(Step::Settle { folder, moved });
        }
        if let Some((low, high)) = opened.chosen.ranked.take() {
            steps.push(Step::SetPriorities { low, high });
        }
        let disk = &self.resources.disk;
        let (running, content) =
            Running::start(opened, disk, &self.options, self.completions.clone());
        // Blocks beyond this limit of the disk would wait in memory, where a kill loses them.
        let budget = running.plane.unstored_limit().min(self.resources.store_budget());
        self.stage = Stage::Running(Box::new(running));
        self.store = None;
        steps.extend([
            Step::SetStoreBudget(budget),
            Step::Input(Input::ContentReady(content)),
            Step::PublishChecked,
        ]);
        steps
    }

    /// The bytes that the engine may have waiting for the disk; `None` if no content is open.
    pub(super) fn store_budget(&mut self) -> Option<u64> {
        let most = self.resources.store_budget();
        self.running().map(|running| running.plane.unstored_limit().min(most))
    }

    /// Returns events about files that differ on disk from those in the torrent.
    fn report_files(&self, opened: &Opened) -> Vec<Step> {
        let storage = &opened.storage;
        let mut steps = Vec::new();
        steps.extend(storage.content_path().map(Step::ShowContentPath));
        let (changes, count) = (&opened.path_changes.first, opened.path_changes.count);
        if count > 0 {
            let changes = Arc::clone(changes);
            steps.push(Step::Publish(Event::PathsChanged { changes, count }));
        }
        if self.options.read_only {
            let longer = opened.recovered.longer.iter();
            let events = longer.map(|misfit| last_look::longer_file(storage, *misfit, false));
            steps.extend(events.map(Step::Publish));
        }
        steps
    }

    /// The patience of a job, until the torrent is stopped.
    pub(super) fn patience(&self) -> Patience {
        Patience::new(self.check.flag())
    }

    /// Notes that a piece was written.
    pub(super) fn on_written(&mut self) {
        if let Some(running) = self.running() {
            running.last_look.on_written();
        }
    }

    /// Returns `true` if all pieces are there, but it is not known whether all files are.
    pub(super) fn is_unsure(&mut self) -> bool {
        self.running().is_some_and(|running| running.last_look.is_open())
    }

    /// Notes that the disk has failed. Returns `true` if the torrent is not known to be complete by that.
    pub(super) fn fail_look(&mut self) -> bool {
        self.running().is_some_and(|running| running.last_look.fail())
    }

    /// Returns the job that looks at the files at the end of a download, and `is_again` after it has failed; `None` if
    /// they are known.
    pub(super) fn look(&mut self, is_again: bool) -> Option<Job> {
        let running = self.running()?;
        if !running.last_look.begin(is_again) {
            return None;
        }
        let storage = Arc::clone(running.plane.storage());
        Some(Job::Look { storage, choice: self.choice(), patience: self.patience() })
    }

    /// Returns the events of files that were longer, and then that of the finished download, or what is to be done if
    /// it is not.
    pub(super) fn on_looked(&mut self, looked: Result<Looked, StorageError>) -> Vec<Step> {
        let Some(running) = self.running() else { return Vec::new() };
        let storage = Arc::clone(running.plane.storage());
        match looked {
            Ok(Looked { longer, short }) if short.is_empty() => {
                running.last_look.finish();
                let finished = Event::Swarm(SwarmEvent::Finished);
                longer.into_iter().chain([finished]).map(Step::Publish).collect()
            }
            Ok(Looked { short, .. }) => {
                for misfit in &short {
                    let path = storage.file_path(misfit.file).unwrap_or_default();
                    let (path, size) = (path.display(), misfit.size);
                    tracing::warn!(%path, ?size, "somebody else has changed a file of the download");
                }
                vec![Step::Check]
            }
            Err(error) => {
                running.last_look.fail();
                let error = data::disk_error(&error);
                vec![Step::Input(Input::DiskFailed { piece: None, error })]
            }
        }
    }

    /// Begins to stop, and to save the resume data with these counters.
    pub(super) fn stop(&mut self, now: Instant, state: State, totals: Counters) {
        // The result of a check would be ignored from here on.
        self.check.cancel();
        let is_saving = self.running().is_some_and(|running| running.plane.save(totals));
        self.stage.stop(now, state, is_saving, self.resources.options.stop_patience);
    }

    /// Ends the torrent by an error. The first error stays.
    pub(super) fn fail(&mut self, error: TorrentError) {
        self.stage.fail(error);
    }

    /// The counters of earlier runs.
    pub(super) fn counters_before(&self) -> Counters {
        match &self.stage {
            Stage::Running(running) | Stage::Rechecking(running, _) => running.plane.before(),
            _ => Counters::default(),
        }
    }

    /// Begins to check the open content again.
    pub(super) fn begin_recheck(&mut self, progress: Gauge<VerifyProgress>) {
        self.stage.begin_recheck(progress);
    }

    /// Goes on after a check that has found this, or after one that failed, when it `is_known` no better than before.
    /// Returns the content for the engine; `None` if the torrent is stopping.
    pub(super) fn end_recheck(
        &mut self,
        info: &Info,
        mut found: Recovered,
        wanted: Bitfield,
        is_known: bool,
    ) -> Option<Content> {
        if !self.stage.end_recheck() {
            return None;
        }
        let longer = std::mem::take(&mut found.longer);
        let is_cut = !self.options.read_only;
        let running = self.stage.running()?;
        if is_known {
            let longer = if is_cut { &longer[..] } else { &[] };
            running.last_look = LastLook::after_check(longer);
        }
        Some(running::describe(info, &found, wanted))
    }

    /// The present choice of files.
    pub(super) fn choice(&self) -> FileChoice {
        FileChoice::new(&self.options, self.by_link.clone())
    }

    /// The flag that ends jobs when the torrent stops.
    pub(super) fn stop_flag(&self) -> Cancellation {
        self.check.flag()
    }

    /// The present settings, to be changed.
    pub(super) fn options_mut(&mut self) -> &mut TorrentOptions {
        Arc::make_mut(&mut self.options)
    }

    /// The present settings.
    pub(super) fn options(&self) -> &TorrentOptions {
        &self.options
    }

    /// Notes that the resume data is written, or cannot be.
    pub(super) fn on_saved(&mut self) {
        self.stage.on_saved();
    }

    /// Ends a torrent that is stopping, if trackers and the disk are done or out of time.
    pub(super) fn handle_timeout(&mut self, now: Instant, are_trackers_done: bool) {
        self.stage.handle_timeout(now, are_trackers_done);
    }

    pub(super) fn running(&mut self) -> Option<&mut Running> {
        self.stage.running()
    }

    pub(super) fn stage(&self) -> &Stage {
        &self.stage
    }

    pub(super) fn state(&self, engine: EngineFacts) -> State {
        self.stage.state(engine)
    }

    /// Returns the error that has ended the torrent; `None` after a stop.
    pub(super) fn take_error(&mut self) -> Option<TorrentError> {
        self.stage.take_error()
    }
}

#[cfg(test)]
mod tests;
