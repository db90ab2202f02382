use std::net::SocketAddr;
use std::sync::Arc;

use tinytorrent_storage::{CheckTurns, Disk, FilePool};
use tinytorrent_tracker::client::TrackerClient;
use tinytorrent_types::PeerId;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::connection::buffers::BufferPool;
use crate::driver;
use crate::listener;
use crate::registry::Registry;
use crate::resources::Resources;
use crate::threads::{self, SpawnThread};
use crate::{AddError, ClientError, ClientOptions, Source, Torrent, TorrentOptions};

/// What all torrents of a program share: one peer id, listening sockets, the disk's threads, a
/// budget of memory and of descriptors, and the sockets to trackers.
///
/// Cheap to clone. It goes on for as long as a clone or one of its torrents is held; when all are
/// dropped, its tasks end.
#[derive(Debug, Clone)]
pub struct Client {
    resources: Arc<Resources>,
}

impl Client {
    /// Opens the listening sockets and starts to accept.
    ///
    /// # Errors
    /// An address cannot be listened at.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time.
    pub fn start(options: ClientOptions) -> Result<Self, ClientError> {
        Self::with_threads(options, threads::spawn)
    }

    /// Starts a client whose torrents get their threads from this function.
    fn with_threads(
        options: ClientOptions,
        spawn_thread: SpawnThread,
    ) -> Result<Self, ClientError> {
        let sockets =
            if options.accepts { listener::bind(&options.addresses)? } else { Vec::new() };
        let mut listeners = JoinSet::new();
        let mut addresses = Vec::new();
        let registry = Arc::<Registry>::default();
        for socket in sockets {
            let listener = TcpListener::from_std(socket).map_err(ClientError::Socket)?;
            addresses.push(listener.local_addr().map_err(ClientError::Socket)?);
            listeners.spawn(listener::run(listener, Arc::clone(&registry), options.encryption));
        }
        Ok(Self {
            resources: Arc::new(Resources {
                peer_id: PeerId::generate(rand::random()),
                addresses,
                registry,
                buffers: BufferPool::new(options.receive_budget()),
                files: Arc::new(FilePool::new(options.open_files)),
                checks: Arc::<CheckTurns>::default(),
                disk: Disk::new(&options.disk()).map_err(ClientError::Threads)?,
                trackers: TrackerClient::new(options.trackers()),
                spawn_thread,
                listeners,
                options,
            }),
        })
    }

    /// Adds a torrent and returns at once. Whatever has to be looked for, metadata, content on
    /// the disk, trackers or peers, is looked for behind the handle; its
    /// [`events`](Torrent::events) tell.
    ///
    /// # Errors
    /// The torrent is there already.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time.
    pub fn add(
        &self,
        source: impl Into<Source>,
        options: TorrentOptions,
    ) -> Result<Torrent, AddError> {
        driver::start(Arc::clone(&self.resources), source.into(), options)
    }

    /// Where peers can come to us: the addresses asked for, with the ports that were picked.
    pub fn listen_addresses(&self) -> &[SocketAddr] {
        &self.resources.addresses
    }

    /// How we call ourselves in this run.
    pub fn peer_id(&self) -> PeerId {
        self.resources.peer_id
    }
}
