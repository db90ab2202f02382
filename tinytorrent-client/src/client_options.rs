use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_storage::DiskOptions;
use tinytorrent_tracker::client::ClientConfig;

use crate::Encryption;
use crate::connection::buffers::LARGE;

/// How a [`Client`](crate::Client) uses the machine.
///
/// # Defaults
/// - [`listen`](Self::listen): IPv6 and IPv4 at one of the customary ports 6881 to 6889, or at any
///   port if they are taken
/// - [`memory`](Self::memory): 48 MiB
/// - [`open_files`](Self::open_files): 128
/// - [`disk_threads`](Self::disk_threads): 2
/// - [`stop_patience`](Self::stop_patience): 2 s
/// - [`encryption`](Self::encryption): as the other side wants
#[derive(Debug, Clone)]
pub struct ClientOptions {
    pub(crate) accepts: bool,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) memory: u64,
    pub(crate) open_files: usize,
    pub(crate) disk_threads: usize,
    pub(crate) stop_patience: Duration,
    pub(crate) user_agent: Option<String>,
    pub(crate) encryption: Encryption,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            accepts: true,
            addresses: Vec::new(),
            memory: 48 << 20,
            open_files: 128,
            disk_threads: 2,
            stop_patience: Duration::from_secs(2),
            user_agent: None,
            encryption: Encryption::default(),
        }
    }
}

impl ClientOptions {
    /// One more address to accept peers at; port 0 lets the system pick one. `[::]` alone takes
    /// IPv4 as well; beside others it takes IPv6 only.
    pub fn listen(&mut self, address: SocketAddr) -> &mut Self {
        self.addresses.push(address);
        self
    }

    /// Whether peers can come to us at all. Default: yes. Without, two clients behind routers
    /// never meet.
    pub fn accept_peers(&mut self, accept: bool) -> &mut Self {
        self.accepts = accept;
        self
    }

    /// Bytes of content under way at most, received and not yet written or read and not yet sent.
    /// Default: 48 MiB, at least 8 MiB. More rides out longer stalls of the disk; less makes
    /// pieces that come out of order be read back for hashing.
    ///
    /// What connections and torrents cost besides is not in it: up to 256 KiB for each busy
    /// connection, and some bytes for each piece.
    pub fn memory(&mut self, bytes: u64) -> &mut Self {
        self.memory = bytes.max(8 << 20);
        self
    }

    /// Files of contents open at a time at most. Default: 128. More spare opening them again;
    /// connections need descriptors too.
    pub fn open_files(&mut self, count: usize) -> &mut Self {
        self.open_files = count.max(1);
        self
    }

    /// Threads that write, hash and read. Default: 2.
    pub fn disk_threads(&mut self, count: usize) -> &mut Self {
        self.disk_threads = count.max(1);
        self
    }

    /// How long a torrent that is stopped waits for its trackers. Default: 2 s, at most 4 s.
    pub fn stop_patience(&mut self, patience: Duration) -> &mut Self {
        self.stop_patience = patience.min(Duration::from_secs(4));
        self
    }

    /// Whether connections to peers hide what they are. Default: as the other side wants. It
    /// keeps out of the way of filters; it is no security, as RC4 is broken and nobody proves
    /// who they are.
    pub fn encryption(&mut self, encryption: Encryption) -> &mut Self {
        self.encryption = encryption;
        self
    }

    /// What to call ourselves towards HTTP trackers. Default: name and version of this library.
    pub fn user_agent(&mut self, name: impl Into<String>) -> &mut Self {
        self.user_agent = Some(name.into());
        self
    }

    /// What the disk's threads get of the memory: half of it for what is received, an eighth for
    /// what is sent. The rest is that of receive buffers on their way.
    pub(crate) fn disk(&self) -> DiskOptions {
        let mut disk = DiskOptions::default();
        disk.threads(self.disk_threads)
            .memory(self.memory / 2)
            .read_cache(self.memory / 8)
            .receive_buffer(LARGE);
        disk
    }

    /// Bytes that the engine may have received and not seen written.
    pub(crate) fn store_budget(&self) -> u64 {
        self.memory / 4
    }

    /// Bytes of receive buffers that are full and wait for the disk. It comes under pressure at
    /// half of that.
    pub(crate) fn receive_budget(&self) -> u64 {
        self.memory / 4 * 3
    }

    pub(crate) fn trackers(&self) -> ClientConfig {
        let mut trackers = ClientConfig::default();
        if let Some(name) = &self.user_agent {
            trackers.user_agent(name);
        }
        trackers
    }
}
