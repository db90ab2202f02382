mod end;
mod files;
mod shared;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tinytorrent_metainfo::{Info, Metainfo};
use tinytorrent_swarm::{Stats, Swarm};
use tinytorrent_types::InfoHashes;
use tokio::sync::oneshot;

pub(crate) use end::End;
pub use files::CheckScope;
pub(crate) use shared::Shared;

use crate::client::{Client, Owner};
use crate::event::{Queue, TorrentEvent};
use crate::view::{FileInfo, History, Limits, PeerInfo, PieceInfo, TrackerInfo};
use crate::{Counts, Events, PeerAddress, ReadError, Reader, TorrentError};

/// A handle of a torrent that is downloaded or seeded. Cheap to clone.
///
/// The torrent belongs to its [`Client`](crate::Client), and goes on without a handle; a handle keeps the
/// client. What a handle shows is true at the moment of the call. A call that is not `async` waits for a turn of
/// the torrent at most, and takes a time that does not grow with the torrent, unless its docs say so.
///
/// # After the end
/// A torrent ends by [`stop`](Self::stop), by its removal, with its client, or by an [error](Self::error). Then its
/// last figures, its metadata and its path are still shown, lists are empty, settings are `None`, and changes have
/// no effect. Whoever waits is told of the end.
#[derive(Debug, Clone)]
pub struct Torrent {
    shared: Arc<Shared>,
    /// Keeps the client.
    owner: Arc<Owner>,
}

/// The state of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum State {
    /// The info dictionary (BEP 9) or piece layers (BEP 52) are being fetched from peers.
    FetchingMetadata,
    /// The content on disk is being checked.
    Checking,
    /// Wanted pieces are missing.
    Downloading,
    /// All wanted pieces are on disk.
    Seeding,
    /// The torrent waits until others have ended or are paused, as the client limits how many run at a time.
    Queued,
    /// The torrent has no connections until it is resumed.
    Paused,
    /// The torrent has ended.
    Stopped,
    /// The torrent has ended by a [`TorrentError`].
    Failed,
}

/// The reason for which a torrent is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PauseReason {
    /// [`Torrent::pause`], or [`TorrentOptions::paused`](crate::TorrentOptions::paused).
    User,
    /// The torrent was seeded as much as its [goals](Torrent::set_seed_goals) say.
    SeedGoal,
    /// The disk has failed ([`SwarmEvent::Paused`](crate::SwarmEvent::Paused) says how). It is not kept in the
    /// session: the next run tries again.
    Disk,
}

impl std::fmt::Display for PauseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PauseReason::User => "paused by the user",
            PauseReason::SeedGoal => "seeded enough",
            PauseReason::Disk => "paused as the disk has failed",
        })
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            State::FetchingMetadata => "fetching metadata",
            State::Checking => "checking",
            State::Downloading => "downloading",
            State::Seeding => "seeding",
            State::Queued => "queued",
            State::Paused => "paused",
            State::Stopped => "stopped",
            State::Failed => "failed",
        })
    }
}

/// What the torrent is.
impl Torrent {
    pub(crate) fn new(owner: Arc<Owner>, shared: Arc<Shared>) -> Self {
        Self { shared, owner }
    }

    /// Begins the events of this torrent for a subscriber to all torrents.
    pub(crate) fn begin_events(&self, queue: &Queue<TorrentEvent>) {
        let first = self.shared.with(|driver, now| Some(driver.snapshot(now)), |_| None);
        if let Some(event) = first {
            queue.push(TorrentEvent { hashes: self.hashes(), event });
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The client that the torrent belongs to. It is there as long as this handle is, whether or not the torrent
    /// has ended.
    pub fn client(&self) -> Client {
        Client::of(Arc::clone(&self.owner))
    }

    /// The identity of the torrent.
    pub fn hashes(&self) -> InfoHashes {
        self.shared.hashes
    }

    /// The metadata; `None` while it is being fetched. It is shared, so that this copies nothing.
    pub fn info(&self) -> Option<Arc<Info>> {
        self.metainfo().map(|metainfo| Arc::clone(metainfo.info()))
    }

    /// The name of the torrent in its metadata. While it is being fetched, the name in the magnet link
    /// (`dn`), which anybody may have written; `None` without one.
    pub fn name(&self) -> Option<String> {
        self.shared.with(|driver, _| driver.name(), |end| end.name.clone())
    }

    /// The torrent file, as far as it is known: the one that was added, or one with the metadata from
    /// peers. The piece layers of a v2 torrent are in it once they are complete. A program may save it
    /// to add the torrent later without such peers. Trackers of a magnet link are not in it.
    pub fn metainfo(&self) -> Option<Arc<Metainfo>> {
        self.shared.with(|driver, _| driver.metainfo(), |end| end.metainfo.clone())
    }

    /// The path of the file or folder on disk that has the torrent's name; `None` until the content is
    /// checked.
    pub fn content_path(&self) -> Option<PathBuf> {
        self.shared.with(|driver, _| driver.content_path(), |end| end.content_path.clone())
    }

    /// The present state; after the end, [`State::Stopped`] or [`State::Failed`].
    pub fn state(&self) -> State {
        self.shared.with(|driver, _| driver.state(), |end| end.state())
    }

    /// The reason for which the torrent is [paused](State::Paused); `None` if it is not, and after its end.
    pub fn paused_by(&self) -> Option<PauseReason> {
        self.shared.with(|driver, _| driver.paused_by(), |_| None)
    }

    /// The error that ended the torrent; `None` as long as it runs, and after a stop.
    pub fn error(&self) -> Option<TorrentError> {
        self.shared.with(|_, _| None, |end| end.error.clone())
    }

    /// The present figures, or the last ones if the torrent has ended. The time grows with the number of
    /// connections.
    pub fn stats(&self) -> Stats {
        self.shared.with(|driver, now| driver.stats(now), |end| end.stats)
    }

    /// What has happened to the torrent since it was added to this client, or until its end. A torrent that is
    /// added again begins anew; [`history`](Self::history) goes on.
    pub fn counts(&self) -> Counts {
        self.shared.with(|driver, _| driver.counts(), |end| end.counts)
    }

    /// The connected peers, in no order. Empty after the end. The time grows with their number.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.shared.with(|driver, now| driver.peers(now), |_| Vec::new())
    }

    /// The trackers, in the order in which they were added. Empty after the end. The time grows with their number.
    pub fn trackers(&self) -> Vec<TrackerInfo> {
        self.shared.with(|driver, now| driver.trackers(now), |_| Vec::new())
    }

    /// The files, without padding; `None` while the metadata is being fetched, and after the end. The time
    /// grows with the number of files and pieces.
    pub fn files(&self) -> Option<Vec<FileInfo>> {
        self.shared.with(|driver, _| driver.files(), |_| None)
    }

    /// The pieces; `None` until the content is checked, and after the end. The time grows with the number
    /// of pieces.
    pub fn pieces(&self) -> Option<PieceInfo> {
        self.shared.with(|driver, _| driver.pieces(), |_| None)
    }

    /// The limits; `None` after the end.
    pub fn limits(&self) -> Option<Limits> {
        self.shared.with(|driver, _| Some(driver.limits()), |_| None)
    }

    /// The counters and times of all runs; `None` after the end.
    pub fn history(&self) -> Option<History> {
        self.shared.with(|driver, now| Some(driver.history(now)), |_| None)
    }

    /// The addresses at which peers and trackers see us, of each family that enough of them agree on. Empty after
    /// the end.
    pub fn external_addresses(&self) -> Vec<IpAddr> {
        self.shared.with(|driver, _| driver.external_addresses(), |_| Vec::new())
    }

    /// Opens a file for reading while it is downloaded. Waits until the metadata is known, but not for the check
    /// of the content. The index is that of [`FileInfo::index`].
    ///
    /// A file that was not chosen can be read as far as its pieces are on disk; elsewhere reading is an error, and
    /// nothing is downloaded for it.
    ///
    /// # Errors
    /// There is no such file, it is padding or a link, or the torrent has ended.
    pub async fn reader(&self, file: u32) -> Result<Reader, ReadError> {
        let mut state = self.shared.watch();
        loop {
            let metainfo = self.shared.with(
                |driver, _| Ok(driver.metainfo()),
                |end| Err(ReadError::Ended(end.error.clone().unwrap_or(TorrentError::Stopped))),
            )?;
            if let Some(metainfo) = metainfo {
                return Reader::new(self.clone(), metainfo.info().layout(), file);
            }
            // The state changes once the metadata is there. An error means that the torrent has ended.
            let _ = state.changed().await;
        }
    }

    /// `true` while peers that connect are told of single pieces only (BEP 16). It ends by itself once there is
    /// another seed.
    pub fn is_super_seeding(&self) -> bool {
        self.shared.with(|driver, _| driver.is_super_seeding(), |_| false)
    }

    /// The place in the order of all torrents, from 0; `None` if the torrent has ended. Where the client limits
    /// how many run at a time, those in front run. The time grows with the number of torrents.
    pub fn queue_position(&self) -> Option<usize> {
        self.owner.resources.registry.place(self.hashes())
    }

    /// Subscribes to the events. The first one is [`Event::Now`](crate::Event::Now), with the torrent as it
    /// is, so that nothing is missed. If the torrent has ended, the last event follows it. The first one takes a
    /// time that grows with the number of pieces; any number of receivers may subscribe.
    pub fn events(&self) -> Events {
        let queue = Queue::new(Events::KEPT);
        self.shared.with(
            |driver, now| driver.subscribe(now, &queue),
            |end| {
                let hashes = self.shared.hashes;
                end.events().for_each(|event| queue.push(TorrentEvent { hashes, event }));
                queue.close();
            },
        );
        Events::new(queue)
    }
}

/// Changes. They take effect at once; what follows from them, such as messages to peers, comes next. Settings,
/// pauses and trackers are kept in the [session](crate::ClientOptions::state), if there is one. After the end of
/// the torrent, none has an effect.
impl Torrent {
    /// Adds peers. The torrent connects to them when it has room for more connections, whatever their addresses.
    /// Names are looked up meanwhile; one that has no address is told of in the log.
    pub fn add_peers(&self, peers: impl IntoIterator<Item = PeerAddress>) {
        let peers = peers.into_iter().collect();
        self.shared.change(|driver, now| driver.add_user_peers(now, peers));
    }

    /// Adds tiers of trackers behind the present ones (BEP 12). They may be at any path of a local
    /// address, as the URLs are the user's. Malformed URLs, and those that are there already, are left out.
    pub fn add_trackers(&self, tiers: Vec<Vec<String>>) {
        self.shared.change(|driver, now| driver.add_trackers(now, tiers));
    }

    /// Replaces all trackers, those of the torrent included, by others in tiers (BEP 12). An empty list
    /// leaves none. Trackers that are in both lists go on as they are. Those that are removed are sent
    /// `stopped` if they know of us. A private torrent whose tracker in use is removed disconnects all
    /// peers (BEP 27). Malformed URLs are left out.
    ///
    /// The list is kept in the [session](crate::ClientOptions::state). Its trackers may be at any path of a
    /// local address, but for those that the torrent names and the user did not give before: a program
    /// that edits [`trackers`](Self::trackers) does not make them trusted by that.
    pub fn set_trackers(&self, tiers: Vec<Vec<String>>) {
        self.shared.change(|driver, now| driver.set_trackers(now, tiers));
    }

    /// Asks all trackers for the numbers of their seeders and leechers, and of completed downloads (BEP 48).
    /// Nothing is announced, so that this is also possible while the torrent is paused. A tracker that was
    /// scraped less than a minute ago, or than it wants, is left out.
    ///
    /// [`SwarmEvent::TrackerScraped`](crate::SwarmEvent::TrackerScraped) tells that the numbers are in
    /// [`trackers`](Self::trackers), and [`SwarmEvent::ScrapeFailed`](crate::SwarmEvent::ScrapeFailed) that a
    /// tracker cannot be scraped. A torrent without trackers is scraped in the DHT, if it may be there (BEP 33):
    /// [`Event::DhtScraped`](crate::Event::DhtScraped) has the numbers.
    pub fn scrape(&self) {
        self.shared.change(|driver, now| driver.scrape(now));
    }

    /// Announces to the trackers as soon as they allow, whatever their back-off. Nothing is announced while the
    /// torrent is paused. [`SwarmEvent::TrackerAnswered`](crate::SwarmEvent::TrackerAnswered) and
    /// [`SwarmEvent::TrackerFailed`](crate::SwarmEvent::TrackerFailed) tell of the outcome.
    pub fn reannounce(&self) {
        self.shared.change(|driver, now| driver.reannounce(now));
    }

    /// Disconnects all peers, and announces `stopped` to the trackers. The content stays on disk, and a check of
    /// it goes on. [`stop`](Self::stop) ends the torrent instead.
    pub fn pause(&self) {
        self.shared.change(|driver, now| driver.pause(now));
    }

    /// Goes on after [`pause`](Self::pause), or after a pause because the disk had failed
    /// ([`SwarmEvent::Paused`](crate::SwarmEvent::Paused)) or the torrent had been seeded enough. It may have to
    /// [wait](State::Queued) for its turn.
    pub fn resume(&self) {
        self.shared.change(|driver, now| driver.resume(now));
    }

    /// Sets the pieces to be downloaded before all others, in this order, for instance those that a
    /// player will read next. They replace the urgent pieces of an earlier call; an empty list goes back
    /// to the rarest first. Pieces that are on disk or not wanted are ignored, and so are those beyond
    /// the first 1,024.
    ///
    /// [`Layout::file_pieces`](tinytorrent_metainfo::Layout::file_pieces) returns the pieces of a file.
    pub fn set_urgent(&self, pieces: impl IntoIterator<Item = u32>) {
        let pieces = pieces.into_iter().take(Swarm::MAX_URGENT).collect();
        self.shared.change(|driver, now| driver.set_urgent(now, pieces));
    }

    /// Downloads the pieces in order, or the rarest first. Requests that are in flight stay as they are.
    pub fn set_sequential(&self, sequential: bool) {
        self.shared.change(|driver, now| driver.set_sequential(now, sequential));
    }

    /// Super seeds from now on (BEP 16), or tells all peers of all pieces. It begins only with a complete
    /// content, and with peers that connect from now on: others know all pieces already. The wish is kept in
    /// the [session](crate::ClientOptions::state); see
    /// [`TorrentOptions::super_seeding`](crate::TorrentOptions::super_seeding).
    pub fn set_super_seeding(&self, super_seeding: bool) {
        self.shared.change(|driver, now| driver.set_super_seeding(now, super_seeding));
    }

    /// Limits the received bytes of content a second; `None` for no limit. With zero nothing is
    /// received.
    pub fn set_download_limit(&self, bytes_per_second: Option<u64>) {
        self.shared.change(|driver, now| driver.set_download_limit(now, bytes_per_second));
    }

    /// Limits the sent bytes of content a second; `None` for no limit. With zero nothing is sent.
    pub fn set_upload_limit(&self, bytes_per_second: Option<u64>) {
        self.shared.change(|driver, now| driver.set_upload_limit(now, bytes_per_second));
    }

    /// Pauses the torrent once it has sent so many bytes for each byte of its content, or was seeded for so
    /// long, over all runs; `None` is never. One that has reached a goal is paused at once. One that is
    /// [resumed](Self::resume) then goes on until other goals are set, and one that is
    /// [paused by a goal](PauseReason::SeedGoal) goes on if the new ones are not reached.
    pub fn set_seed_goals(&self, ratio: Option<f64>, time: Option<Duration>) {
        self.shared.change(|driver, now| driver.set_seed_goals(now, ratio, time));
    }

    /// Moves the torrent to this place in the order of all torrents, from 0, or to the last one if there are
    /// not so many. It may run or wait by that, and so may others. The order is kept in the
    /// [session](crate::ClientOptions::state). The time grows with the number of torrents.
    pub fn set_queue_position(&self, position: usize) {
        let resources = &self.owner.resources;
        for torrent in resources.registry.move_to(self.hashes(), position) {
            torrent.change(|driver, _| driver.keep_position());
        }
        resources.conductor.note_change();
    }

    /// Limits the number of connections. Those beyond it are closed, first those that do least.
    pub fn set_max_peers(&self, count: usize) {
        self.shared.change(|driver, now| driver.set_max_peers(now, count));
    }

    /// Limits the number of peers that are served at a time. Those beyond it are choked at once.
    pub fn set_upload_slots(&self, count: usize) {
        self.shared.change(|driver, now| driver.set_upload_slots(now, count));
    }
}

/// The end.
impl Torrent {
    /// Waits until all wanted pieces are verified and on disk, and the torrent seeds. It does not as long as it
    /// is paused, or waits in a queue. Safe to cancel.
    ///
    /// # Errors
    /// The torrent has ended before, by an error or by a stop: [`TorrentError::Stopped`].
    pub async fn finished(&self) -> Result<(), TorrentError> {
        let mut state = self.shared.watch();
        let done = |state: &State| match state {
            State::Seeding | State::Stopped | State::Failed => true,
            State::FetchingMetadata
            | State::Checking
            | State::Downloading
            | State::Queued
            | State::Paused => false,
        };
        // The sender is dropped after the last state.
        let last = state.wait_for(done).await.map_or(State::Stopped, |state| *state);
        match last {
            State::Seeding => Ok(()),
            _ => Err(self.error().unwrap_or(TorrentError::Stopped)),
        }
    }

    /// Waits until the metadata is known, and returns the torrent file as far as it is known then. Safe to cancel.
    /// After the end it is returned all the same, if it was known.
    ///
    /// # Errors
    /// The torrent has ended before, by an error or by a stop: [`TorrentError::Stopped`].
    pub async fn metadata(&self) -> Result<Arc<Metainfo>, TorrentError> {
        let mut events = self.events();
        loop {
            if let Some(metainfo) = self.metainfo() {
                return Ok(metainfo);
            }
            if events.next().await.is_none() {
                return self
                    .metainfo()
                    .ok_or_else(|| self.error().unwrap_or(TorrentError::Stopped));
            }
        }
    }

    /// Ends the torrent: disconnects the peers, announces `stopped` to the trackers, and writes the
    /// blocks in memory and the resume data. Takes 5 s at most, however slow trackers and the disk are.
    /// Returns the last figures. The client does not have the torrent any more. Its
    /// content stays on disk, and it is not in the [kept session](crate::ClientOptions::state) any more.
    pub async fn stop(&self) -> Stats {
        self.forget().await;
        self.begin_stop();
        self.ended().await
    }

    /// Takes the torrent out of the kept session, and waits until its files there are removed.
    async fn forget(&self) {
        let is_again = self.client().get(self.hashes()).is_some();
        // The files of one that has ended may be those of its successor by now.
        let ended = |end: &mut End| if is_again { None } else { end.entry.take() };
        let Some(entry) = self.shared.with(|driver, _| driver.forget(), ended) else { return };
        let (done, is_done) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let job = move || {
            if let Err(error) = entry.remove() {
                shared.log_unforgotten(&error);
            }
            // Fails if the caller does not wait any more.
            let _ = done.send(());
        };
        match self.client().threads().short.run(Box::new(job)) {
            Ok(()) => _ = is_done.await,
            Err(error) => self.shared.log_unforgotten(&error),
        }
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) -> Stats {
        let mut state = self.shared.watch();
        let is_over = |state: &State| matches!(state, State::Stopped | State::Failed);
        // An error means that the task is gone, as after a stop.
        let _ = state.wait_for(is_over).await;
        self.stats()
    }

    pub(crate) fn begin_stop(&self) {
        self.shared.begin_stop();
    }
}
