use std::path::PathBuf;

use tinytorrent_metainfo::{FileSelection, PathPolicy};

use crate::PeerAddress;

/// How one torrent is handled.
///
/// # Defaults
/// - everything is downloaded, rarest pieces first, without limits of rate
/// - [`names`](Self::names): the torrent's own, wherever the disk holds them
/// - [`resume`](Self::resume): yes
/// - [`max_peers`](Self::max_peers): 100
#[derive(Debug, Clone)]
pub struct TorrentOptions {
    pub(crate) folder: PathBuf,
    pub(crate) trackers: Vec<Vec<String>>,
    pub(crate) without_trackers: bool,
    pub(crate) peers: Vec<PeerAddress>,
    pub(crate) files: FileSelection,
    pub(crate) exchange: bool,
    pub(crate) sequential: bool,
    pub(crate) download_limit: Option<u64>,
    pub(crate) upload_limit: Option<u64>,
    pub(crate) max_peers: usize,
    pub(crate) resume: bool,
    pub(crate) assume_complete: bool,
    pub(crate) read_only: bool,
    pub(crate) follow_links: bool,
    pub(crate) names: PathPolicy,
}

impl TorrentOptions {
    /// Content in this folder: the one that holds the torrent's name, not the one that bears it.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            trackers: Vec::new(),
            without_trackers: false,
            peers: Vec::new(),
            files: FileSelection::default(),
            exchange: true,
            sequential: false,
            download_limit: None,
            upload_limit: None,
            max_peers: 100,
            resume: true,
            assume_complete: false,
            read_only: false,
            follow_links: false,
            names: PathPolicy::default(),
        }
    }

    /// One more tracker, in a tier of its own (BEP 12). Default: none but those of the torrent.
    pub fn tracker(&mut self, url: impl Into<String>) -> &mut Self {
        self.trackers.push(vec![url.into()]);
        self
    }

    /// Whether to leave out the trackers that the torrent names. Default: no.
    pub fn without_trackers(&mut self, without: bool) -> &mut Self {
        self.without_trackers = without;
        self
    }

    /// A peer to connect to at once. Default: none.
    pub fn peer(&mut self, peer: impl Into<PeerAddress>) -> &mut Self {
        self.peers.push(peer.into());
        self
    }

    /// Only these files. Pieces that they share with others are fetched whole. Default: what the
    /// magnet link says, or else all, as for an empty selection.
    pub fn files(&mut self, files: FileSelection) -> &mut Self {
        self.files = files;
        self
    }

    /// Whether peers and we tell each other of further peers (BEP 11). Default: yes; never in a
    /// private torrent.
    pub fn exchange(&mut self, exchange: bool) -> &mut Self {
        self.exchange = exchange;
        self
    }

    /// Whether to fetch the pieces in order. Default: no, rarest first; in order makes swarms
    /// weaker.
    pub fn sequential(&mut self, sequential: bool) -> &mut Self {
        self.sequential = sequential;
        self
    }

    /// Bytes of content a second to receive. Default: no limit.
    pub fn download_limit(&mut self, bytes_per_second: Option<u64>) -> &mut Self {
        self.download_limit = bytes_per_second;
        self
    }

    /// Bytes of content a second to send. Default: no limit.
    pub fn upload_limit(&mut self, bytes_per_second: Option<u64>) -> &mut Self {
        self.upload_limit = bytes_per_second;
        self
    }

    /// Connections at most. Default: 100. Each costs a descriptor, and up to 256 KiB while it is
    /// busy. One host gets half of them at most, unless it is ours.
    pub fn max_peers(&mut self, count: usize) -> &mut Self {
        self.max_peers = count;
        self
    }

    /// Whether resume data is used and kept. Default: yes. Without it, what is on the disk is
    /// hashed each time, and the metadata of a magnet link is fetched from peers each time.
    pub fn resume(&mut self, resume: bool) -> &mut Self {
        self.resume = resume;
        self
    }

    /// Whether to believe that the content is right without hashing it. Default: no. Files that are
    /// missing or too short are an error all the same. A seeder of a content that is not right will be
    /// banned by its peers.
    pub fn assume_complete(&mut self, assume: bool) -> &mut Self {
        self.assume_complete = assume;
        self
    }

    /// Whether nothing is ever written. Default: no.
    pub fn read_only(&mut self, read_only: bool) -> &mut Self {
        self.read_only = read_only;
        self
    }

    /// Whether symbolic links below the torrent's name are followed, wherever they lead, if it is
    /// [`read_only`](Self::read_only). Default: no. For content that the user has put together himself.
    pub fn follow_links(&mut self, follow: bool) -> &mut Self {
        self.follow_links = follow;
        self
    }

    /// The names of files on disk. Default: [`PathPolicy::System`]. Content that is there under the
    /// torrent's own names is used under each policy; see
    /// [`DiskPaths`](tinytorrent_metainfo::DiskPaths).
    pub fn names(&mut self, policy: PathPolicy) -> &mut Self {
        self.names = policy;
        self
    }
}
