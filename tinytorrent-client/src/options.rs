use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tinytorrent_metainfo::{FileSelection, PathPolicy};
use tinytorrent_storage::{Content, StorageError};

use crate::content::ContentSource;
use crate::driver::{FileChoice, SeedGoals};
use crate::priority::{Priorities, Priority, Wish};
use crate::web_seed::WebSeedOptions;
use crate::{ContentRequest, Limits, PauseReason, PeerAddress};

/// Settings of one torrent. Each field is one setting, so that there are many.
///
/// # Defaults
/// - all files are downloaded, rarest pieces first, without limits of rate
/// - [`names`](Self::names): those of the torrent, wherever the disk can hold them
/// - [`resume`](Self::resume): yes
/// - [`max_peers`](Self::max_peers): 100
#[derive(Debug, Clone)]
pub struct TorrentOptions {
    pub(crate) folder: PathBuf,
    pub(crate) trackers: Vec<Vec<String>>,
    pub(crate) without_trackers: bool,
    pub(crate) web_seeds: WebSeedOptions,
    pub(crate) peers: Vec<PeerAddress>,
    pub(crate) files: FileSelection,
    pub(crate) exchange: bool,
    pub(crate) tracker_exchange: bool,
    pub(crate) dht: bool,
    pub(crate) lsd: bool,
    pub(crate) sequential: bool,
    pub(crate) super_seeding: bool,
    pub(crate) download_limit: Option<u64>,
    pub(crate) upload_limit: Option<u64>,
    pub(crate) max_peers: usize,
    pub(crate) upload_slots: usize,
    pub(crate) max_connecting: u16,
    pub(crate) max_requests: u32,
    pub(crate) preallocate: bool,
    pub(crate) sample_bytes: Option<u64>,
    pub(crate) resume: bool,
    pub(crate) assume_complete: bool,
    pub(crate) read_only: bool,
    pub(crate) follow_links: bool,
    pub(crate) names: PathPolicy,
    pub(crate) paused: Option<PauseReason>,
    pub(crate) metadata_only: bool,
    pub(crate) seed_goals: SeedGoals,
    /// `None` for files, and for content that the client's own function opens.
    pub(crate) content: Option<ContentSource>,
    /// The content is of the program's own, by [`content`](Self::content) or by what was kept of it.
    pub(crate) has_own_content: bool,
    /// `None` if all chosen files are equal.
    pub(crate) priorities: Option<Box<Priorities>>,
    /// The folder that the content is about to move to. Not an option, but kept with them.
    pub(crate) moving_to: Option<Box<Path>>,
    /// `None` once a torrent has it. It is not kept.
    #[cfg(feature = "record")]
    pub(crate) recording: Option<crate::recording::RecordingSink>,
}

impl TorrentOptions {
    /// Settings for a content in this folder. The folder contains the file or folder that has the
    /// torrent's name.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            trackers: Vec::new(),
            without_trackers: false,
            web_seeds: WebSeedOptions::default(),
            peers: Vec::new(),
            files: FileSelection::default(),
            exchange: true,
            tracker_exchange: true,
            dht: true,
            lsd: true,
            sequential: false,
            super_seeding: false,
            download_limit: None,
            upload_limit: None,
            max_peers: 100,
            upload_slots: 8,
            max_connecting: 30,
            max_requests: 1_000,
            preallocate: false,
            sample_bytes: None,
            resume: true,
            assume_complete: false,
            read_only: false,
            follow_links: false,
            names: PathPolicy::default(),
            paused: None,
            metadata_only: false,
            seed_goals: SeedGoals::default(),
            content: None,
            has_own_content: false,
            priorities: None,
            moving_to: None,
            #[cfg(feature = "record")]
            recording: None,
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            download: self.download_limit,
            upload: self.upload_limit,
            max_peers: self.max_peers,
            upload_slots: self.upload_slots,
            seed_ratio: self.seed_goals.ratio,
            seed_time: self.seed_goals.time,
        }
    }

    /// Adds a tracker, in a tier of its own (BEP 12). Default: the trackers of the torrent alone.
    /// Other than those it may be at any path of a local address, as the URL is the user's.
    pub fn tracker(&mut self, url: impl Into<String>) -> &mut Self {
        self.trackers.push(vec![url.into()]);
        self
    }

    /// Leaves out the trackers that the torrent names. Default: no.
    pub fn without_trackers(&mut self, without: bool) -> &mut Self {
        self.without_trackers = without;
        self
    }

    /// Adds a peer to connect to at once. Default: none.
    pub fn peer(&mut self, peer: impl Into<PeerAddress>) -> &mut Self {
        self.peers.push(peer.into());
        self
    }

    /// Files to download. Pieces that they share with other files are downloaded whole. Default: the
    /// selection of the magnet link, if it has one; otherwise all files. An empty selection is the
    /// default.
    pub fn files(&mut self, files: FileSelection) -> &mut Self {
        self.files = files;
        self
    }

    /// Gives files a priority, as [`Torrent::set_file_priority`](crate::Torrent::set_file_priority) does. Default:
    /// those that are downloaded have [`Priority::Normal`]. Files that a magnet link leaves out stay so.
    pub fn file_priority(&mut self, files: FileSelection, priority: Priority) -> &mut Self {
        let mut choice = FileChoice::new(self, FileSelection::default());
        choice.follow(&Wish::Files(files, priority));
        choice.put_into(self);
        self
    }

    /// Looks for peers in the DHT, if the [client has one](crate::ClientOptions::dht). Default: yes, but never for a
    /// private torrent.
    pub fn dht(&mut self, dht: bool) -> &mut Self {
        self.dht = dht;
        self
    }

    /// Looks for peers in the local network, and announces the torrent there, if the client
    /// [does so](crate::ClientOptions::lsd). Default: yes, but never for a private torrent.
    pub fn lsd(&mut self, lsd: bool) -> &mut Self {
        self.lsd = lsd;
        self
    }

    /// Exchanges addresses of peers with peers (BEP 11). Default: yes, but never in a private
    /// torrent.
    pub fn exchange(&mut self, exchange: bool) -> &mut Self {
        self.exchange = exchange;
        self
    }

    /// Exchanges trackers with peers (BEP 28). Default: yes, but never in a private torrent. Peers are told of the
    /// trackers that the torrent names, and of those of others that have answered. Trackers that a peer names come after
    /// all others and are forgotten once they have failed three times; few are taken. Those that the user adds are
    /// told to nobody.
    pub fn tracker_exchange(&mut self, exchange: bool) -> &mut Self {
        self.tracker_exchange = exchange;
        self
    }

    /// Downloads the pieces in order. Default: no, the rarest pieces first. In order, rare pieces
    /// become rarer, which harms the swarm.
    pub fn sequential(&mut self, sequential: bool) -> &mut Self {
        self.sequential = sequential;
        self
    }

    /// Super seeds (BEP 16) a content that is complete from the start, as the first seed of a new torrent:
    /// little more than one copy is sent until there is another seed, and then the torrent seeds as usual.
    /// Default: no. Where there are seeds already it makes the swarm slower.
    pub fn super_seeding(&mut self, super_seeding: bool) -> &mut Self {
        self.super_seeding = super_seeding;
        self
    }

    /// Limit of received bytes of content a second. Default: no limit.
    pub fn download_limit(&mut self, bytes_per_second: Option<u64>) -> &mut Self {
        self.download_limit = bytes_per_second;
        self
    }

    /// Limit of sent bytes of content a second. Default: no limit.
    pub fn upload_limit(&mut self, bytes_per_second: Option<u64>) -> &mut Self {
        self.upload_limit = bytes_per_second;
        self
    }

    /// Maximum number of connections. Default: 100. Each costs a descriptor, and up to 256 KiB while
    /// it is busy. One remote host gets at most a quarter of them, and one network half.
    pub fn max_peers(&mut self, count: usize) -> &mut Self {
        self.max_peers = count;
        self
    }

    /// Maximum number of peers that are served at a time. Default: 8. More of them share the uplink in
    /// thinner streams.
    pub fn upload_slots(&mut self, count: usize) -> &mut Self {
        self.upload_slots = count;
        self
    }

    /// Maximum number of connections that are being made at a time. Default: 30. More make a quicker start, and
    /// more noise for home routers. [`ClientOptions::half_open`](crate::ClientOptions::half_open) limits those of all
    /// torrents.
    pub fn max_connecting(&mut self, count: u16) -> &mut Self {
        self.max_connecting = count;
        self
    }

    /// Maximum number of requests in flight to one peer, whatever it accepts; at least 1. Default: 1,000, which are
    /// 16 MiB of content. More keep longer and faster links busy; with fewer, less is requested again when a
    /// peer fails.
    pub fn max_requests(&mut self, count: u32) -> &mut Self {
        self.max_requests = count.max(1);
        self
    }

    /// Reserves room for the wanted files when the content is opened. Default: no, files grow with their pieces.
    /// Files are less fragmented then, and a full disk is noticed at once. It takes long on file systems that
    /// have to write zeros, and without resume data everything has to be read at the next start. It has no
    /// effect on file systems that cannot reserve room, and on content that is not in files.
    pub fn preallocate(&mut self, preallocate: bool) -> &mut Self {
        self.preallocate = preallocate;
        self
    }

    /// Bytes of content that are hashed at the start although resume data vouches for them, another sample in each
    /// run; zero for none. Default: 16 MiB, at most 16 pieces.
    /// With [`resume(false)`](Self::resume) everything is hashed.
    pub fn sample_bytes(&mut self, bytes: u64) -> &mut Self {
        self.sample_bytes = Some(bytes);
        self
    }

    /// Uses and saves resume data. Default: yes. Without it, the content on disk is hashed at each
    /// start, and the metadata of a magnet link is fetched from peers at each start.
    pub fn resume(&mut self, resume: bool) -> &mut Self {
        self.resume = resume;
        self
    }

    /// Takes the content for complete and right without hashing it. Default: no. Files that are
    /// missing or too short are still an error. A seed with a wrong content will be banned by its
    /// peers.
    pub fn assume_complete(&mut self, assume: bool) -> &mut Self {
        self.assume_complete = assume;
        self
    }

    /// Writes nothing to the disk. Default: no.
    pub fn read_only(&mut self, read_only: bool) -> &mut Self {
        self.read_only = read_only;
        self
    }

    /// Follows symbolic links below the torrent's name, to any place, if the torrent is
    /// [`read_only`](Self::read_only). Default: no. It is safe for content that the user has put
    /// together.
    pub fn follow_links(&mut self, follow: bool) -> &mut Self {
        self.follow_links = follow;
        self
    }

    /// Begins paused: the content is checked, and nobody is connected to until
    /// [`Torrent::resume`](crate::Torrent::resume). Default: no.
    pub fn paused(&mut self, paused: bool) -> &mut Self {
        self.paused = paused.then_some(PauseReason::User);
        self
    }

    /// Fetches the metadata alone: the torrent stops once it is there, and content is neither opened nor created.
    /// [`Torrent::metadata`](crate::Torrent::metadata) waits for it. Default: no.
    pub fn metadata_only(&mut self, only: bool) -> &mut Self {
        self.metadata_only = only;
        self
    }

    /// Pauses the torrent once it has sent so many bytes for each byte of its content, over all runs.
    /// Default: never.
    pub fn seed_ratio(&mut self, ratio: Option<f64>) -> &mut Self {
        self.seed_goals.ratio = ratio;
        self
    }

    /// Pauses the torrent once it has been seeded for so long, over all runs. Default: never.
    pub fn seed_time(&mut self, time: Option<Duration>) -> &mut Self {
        self.seed_goals.time = time;
        self
    }

    /// Keeps the content wherever this function opens it, and not in files. Default: in files below the folder, or
    /// as [`ClientOptions::content`](crate::ClientOptions::content) says.
    ///
    /// The function is called once the metadata is known, at each start of the torrent, on a thread that may
    /// block; again while it ends with [`Fault::NoDescriptor`](tinytorrent_storage::Fault::NoDescriptor). Any
    /// other error ends the torrent. The folder is a name that only the function has to understand, and nothing
    /// is written there: metadata of a magnet link is kept in the
    /// [session](crate::ClientOptions::state) alone.
    ///
    /// A kept session cannot have the function. It has a note that there was one, and the torrent comes back with
    /// the content that [`ClientOptions::content`](crate::ClientOptions::content) opens, or fails
    /// ([`TorrentError::NoContent`](crate::TorrentError::NoContent)); it is never downloaded into files instead.
    pub fn content<F>(&mut self, open: F) -> &mut Self
    where
        F: Fn(ContentRequest<'_>) -> Result<Arc<dyn Content>, StorageError> + Send + Sync + 'static,
    {
        self.content = Some(ContentSource::new(move |request| open(request).map(Some)));
        self.has_own_content = true;
        self
    }

    /// Records the engine: its settings, each input with its instant, and each action, for
    /// [`replay`](tinytorrent_swarm::record::replay). Default: no. Feature `record`.
    ///
    /// The content is not there, but the addresses of peers, the names in the torrent and the URLs of trackers are,
    /// with their passwords. A thread writes, a quarter of a second late at most while the torrent is busy, and
    /// without gathering more, so that `sink` needs no buffer. It is dropped after the end of the torrent, once all is
    /// written: a program that is about to end waits for that. An error ends the recording and nothing else
    /// ([`Event::RecordingFailed`](crate::Event::RecordingFailed)), and so does a sink that falls 16 MiB behind.
    ///
    /// The first torrent that is added with these options, or with a clone of them, has the recording. A kept session
    /// has no note of it: a recording begins with an engine, and that of another run would need another sink.
    #[cfg(feature = "record")]
    pub fn record(&mut self, sink: impl std::io::Write + Send + 'static) -> &mut Self {
        self.recording = Some(crate::recording::RecordingSink::new(sink));
        self
    }

    /// Policy for the names of files on disk. Default: [`PathPolicy::System`]. Content that is on disk
    /// under the names of the torrent is used under each policy; see
    /// [`DiskPaths`](tinytorrent_metainfo::DiskPaths).
    pub fn names(&mut self, policy: PathPolicy) -> &mut Self {
        self.names = policy;
        self
    }
}
