use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tinytorrent_net::Network;
use tinytorrent_storage::{CheckTurns, Disk, FilePool, RecoverOptions};
use tinytorrent_tracker::client::TrackerClient;
use tinytorrent_types::PeerId;
use tokio::task::JoinSet;

use crate::conductor::Conductor;
use crate::connection::buffers::BufferPool;
use crate::datagrams::Datagrams;
use crate::dht::{self, Dht};
use crate::dialer::Dialer;
use crate::event::Hub;
use crate::lsd::Lsd;
use crate::memory::Memory;
use crate::places::Places;
#[cfg(feature = "port-mapping")]
use crate::port_mapping::{self, Listener};
use crate::registry::Registry;
use crate::session::{SessionLock, Store};
use crate::threads::JobThreads;
use crate::told_port::ToldPort;
use crate::{ClientError, ClientOptions};

/// The resources that all torrents of a client share.
#[derive(Debug)]
pub(crate) struct Resources {
    pub(crate) peer_id: PeerId,
    pub(crate) options: ClientOptions,
    /// The opener of sockets.
    pub(crate) network: Network,
    /// Addresses of the listening sockets.
    pub(crate) addresses: Vec<SocketAddr>,
    /// `None` without the DHT.
    pub(crate) dht: Option<Dht>,
    /// `None` without discovery in the local network.
    pub(crate) lsd: Option<Lsd>,
    pub(crate) told_port: Arc<ToldPort>,
    /// `None` without a gateway that could map ports.
    #[cfg(feature = "port-mapping")]
    pub(crate) port_mapper: Option<tinytorrent_portmap::PortMapper>,
    pub(crate) registry: Arc<Registry>,
    /// The lock of the folder of the kept session.
    pub(crate) session_lock: Option<SessionLock>,
    /// The kept session, if one is kept.
    pub(crate) store: Option<Store>,
    pub(crate) memory: Memory,
    pub(crate) buffers: BufferPool,
    pub(crate) places: Places,
    pub(crate) dialer: Dialer,
    pub(crate) files: Arc<FilePool>,
    pub(crate) checks: Arc<CheckTurns>,
    pub(crate) disk: Disk,
    pub(crate) trackers: TrackerClient,
    pub(crate) threads: JobThreads,
    pub(crate) conductor: Arc<Conductor>,
    pub(crate) started: Instant,
    /// The subscribers to the events of all torrents.
    pub(crate) hub: Arc<Hub>,
    /// Tasks that accept connections and receive datagrams, and the conductor; aborted when the last torrent of a client that was
    /// dropped has ended.
    #[expect(dead_code, reason = "dropping it aborts the tasks")]
    tasks: JoinSet<()>,
}

/// The sockets of a client, as they were opened.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    pub(crate) network: Network,
    /// Addresses at which peers can connect.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) datagrams: Datagrams,
}

impl Bound {
    /// The port to announce: that at which connections are accepted, if it is one for all addresses.
    fn announce_port(&self) -> Option<u16> {
        let first = self.addresses.first()?.port();
        self.addresses.iter().all(|address| address.port() == first).then_some(first)
    }
}

impl Resources {
    /// Options of a check, which has its turn after those of others on the same disk. `sample_bytes`: another
    /// size of the sample than by default.
    pub(crate) fn recover_options(&self, sample_bytes: Option<u64>) -> RecoverOptions {
        let mut options = RecoverOptions::default();
        // Another sample of the pieces in each run, so that many runs check all of them.
        options.turns(Arc::clone(&self.checks)).seed(rand::random());
        if let Some(threads) = self.options.check_threads {
            options.threads(threads);
        }
        if let Some(bytes) = sample_bytes {
            options.sample_bytes(bytes);
        }
        options
    }

    /// Bytes of blocks that are received and not yet written, for each torrent at most.
    pub(crate) fn store_budget(&self) -> u64 {
        self.memory.budget() / 4
    }

    /// Starts the disk's threads and the node of the DHT.
    ///
    /// # Errors
    /// The system gives no threads, the session is in use, or the runtime cannot use a socket.
    pub(crate) fn new(
        options: ClientOptions,
        registry: Arc<Registry>,
        bound: Bound,
        places: Places,
        mut tasks: JoinSet<()>,
        conductor: Arc<Conductor>,
        threads: JobThreads,
    ) -> Result<Self, ClientError> {
        let limits = conductor.limits();
        let memory = Memory::new(limits.memory);
        let checks = Arc::<CheckTurns>::default();
        checks.set_limit(limits.active_checks);
        let session_lock = options.state.as_deref().map(SessionLock::new).transpose()?;
        let store = options.state.as_deref().map(Store::open).transpose()?;
        let told_port = Arc::new(ToldPort::new(bound.announce_port()));
        let Bound { network, addresses, mut datagrams } = bound;
        let mut config = options.trackers();
        config.network(network.clone());
        let trackers = TrackerClient::new(config);
        datagrams.serve_trackers(&trackers).map_err(ClientError::Socket)?;
        let Datagrams { utp, dht: sockets, are_on_loopback, .. } = datagrams;
        let dht = match sockets.is_empty() {
            true => None,
            false => {
                let (kept, torrents) = (store.clone(), Arc::clone(&registry));
                let ways = dht::Ways { network: &network, sockets, are_on_loopback };
                let port = Arc::clone(&told_port);
                let started = Dht::start(&options, ways, port, kept, torrents, &mut tasks);
                Some(started.map_err(ClientError::Socket)?)
            }
        };
        // A proxy has no part in the local network, and does not hide who announces himself there.
        let lsd = match options.local_network.lsd && network.proxy().is_none() {
            true => Lsd::start(&addresses, network.binding(), Arc::clone(&registry), &mut tasks),
            false => None,
        };
        #[cfg(feature = "port-mapping")]
        let port_mapper = {
            let listener = Listener { addresses: &addresses, has_datagrams: !utp.is_empty() };
            port_mapping::start(&options, &network, listener, &told_port, &registry, &mut tasks)
        };
        Ok(Self {
            peer_id: PeerId::generate(rand::random()),
            addresses,
            dialer: Dialer::new(network.clone(), options.usable(), utp.into()),
            network,
            dht,
            lsd,
            told_port,
            #[cfg(feature = "port-mapping")]
            port_mapper,
            registry,
            session_lock,
            store,
            buffers: BufferPool::new(memory.clone()),
            memory,
            files: Arc::clone(places.files()),
            places,
            checks,
            disk: Disk::new(&options.disk(limits.memory)).map_err(ClientError::Threads)?,
            trackers,
            threads,
            conductor,
            started: Instant::now(),
            hub: Arc::default(),
            tasks,
            options,
        })
    }
}
