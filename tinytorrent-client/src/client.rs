use std::net::SocketAddr;
use std::sync::Arc;

use tinytorrent_types::PeerId;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::driver;
use crate::listener::{self, Reception};
use crate::places::Places;
use crate::registry::Registry;
use crate::resources::Resources;
use crate::threads::{self, SpawnThread};
use crate::{AddError, ClientError, ClientOptions, MemoryStats, Source, Torrent, TorrentOptions};

/// A BitTorrent client: one peer id, listening sockets, the disk's threads, a budget of memory and
/// of descriptors, and the sockets to trackers, which all its torrents share.
///
/// Cheap to clone. Its tasks run as long as a clone or one of its torrents is held.
#[derive(Debug, Clone)]
pub struct Client {
    resources: Arc<Resources>,
}

impl Client {
    /// Opens the listening sockets and starts to accept connections.
    ///
    /// # Errors
    /// A listening socket cannot be opened, or the disk's threads cannot be started.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime with I/O and time.
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
        let places = Places::new(options.connection_count());
        let reception = Reception::new(Arc::clone(&registry), options.encryption, places.clone());
        for socket in sockets {
            let listener = TcpListener::from_std(socket).map_err(ClientError::Socket)?;
            addresses.push(listener.local_addr().map_err(ClientError::Socket)?);
            listeners.spawn(reception.clone().run(listener));
        }
        let resources =
            Resources::new(options, registry, addresses, places, listeners, spawn_thread)?;
        Ok(Self { resources: Arc::new(resources) })
    }

    /// Adds a torrent and returns at once. A task fetches the metadata, checks the content on disk,
    /// and connects to trackers and peers. Its [`events`](Torrent::events) report the progress.
    ///
    /// # Errors
    /// The client has the torrent already.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime with I/O and time.
    pub fn add(
        &self,
        source: impl Into<Source>,
        options: TorrentOptions,
    ) -> Result<Torrent, AddError> {
        driver::start(Arc::clone(&self.resources), source.into(), options)
    }

    /// The addresses of the listening sockets, with the ports that were picked.
    pub fn listen_addresses(&self) -> &[SocketAddr] {
        &self.resources.addresses
    }

    /// The memory that is held for other hosts, over all torrents.
    pub fn memory(&self) -> MemoryStats {
        self.resources.memory.stats()
    }

    /// The peer id of this run.
    pub fn peer_id(&self) -> PeerId {
        self.resources.peer_id
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use tinytorrent_metainfo::Metainfo;
    use tinytorrent_types::{InfoHashV1, InfoHashes};
    use tokio::time::timeout;

    use super::*;
    use crate::{Event, State, TorrentError};

    const TORRENT: &[u8] =
        b"d4:infod6:lengthi1e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";

    fn client_without_threads() -> Client {
        let mut options = ClientOptions::default();
        options.accept_peers(false);
        Client::with_threads(options, |_| Err(io::ErrorKind::WouldBlock.into())).unwrap()
    }

    #[tokio::test]
    async fn a_torrent_without_a_thread_for_its_job_fails_with_the_reason() {
        let metainfo = Metainfo::from_bytes(TORRENT).unwrap();
        let hash = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        // The first source has its content opened, the second its saved metadata loaded.
        for source in [Source::from(&metainfo), Source::from(hash)] {
            let client = client_without_threads();
            let folder = tempfile::tempdir().unwrap();
            let torrent = client.add(source, TorrentOptions::new(folder.path())).unwrap();
            let mut events = torrent.events();
            let ended = timeout(Duration::from_secs(60), torrent.finished()).await;
            let error = ended.expect("it does not wait for ever").unwrap_err();
            let TorrentError::Thread(source) = &error else { panic!("{error}") };
            assert_eq!(source.kind(), io::ErrorKind::WouldBlock);
            assert_eq!(torrent.state(), State::Failed);
            assert!(matches!(events.next().await, Some(Event::Failed(TorrentError::Thread(_)))));
        }
    }
}
