use std::borrow::Borrow;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tinytorrent_net::Network;
use tinytorrent_storage::{DiskFigures, FilePool};
use tinytorrent_swarm::Stats;
use tinytorrent_types::{InfoHashes, PeerId};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::bound_sockets::BoundSockets;
use crate::conductor::Conductor;
use crate::datagrams::Datagrams;
use crate::driver::{self, Origin};
use crate::event::Queue;
use crate::figures;
use crate::listener::Reception;
use crate::places::Places;
use crate::registry::Registry;
use crate::resources::{Bound, Resources};
use crate::session::{Kept, Record};
use crate::sockets::Sockets;
use crate::spans;
use crate::threads::{self, JobThreads, SpawnThread};
use crate::torrent::Shared;
use crate::{
    AddError, ClientError, ClientEvents, ClientOptions, Counts, DhtNode, FigureDetail, Figures,
    MemoryStats, Source, SourceError, Torrent, TorrentOptions,
};

/// A BitTorrent client: its torrents, and what they share: one peer id, listening sockets, the disk's
/// threads, a budget of memory and of descriptors, and the sockets to trackers.
///
/// Cheap to clone. When the last clone and the last handle of a torrent are dropped, all torrents are stopped
/// behind the scenes, as far as the runtime lives long enough. [`shutdown`](Self::shutdown) waits for them.
#[derive(Debug, Clone)]
pub struct Client {
    owner: Arc<Owner>,
}

/// Time for the ends of connections of uTP to arrive when the client is shut down: a few round trips.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The owner of the torrents. Their tasks hold the resources alone, so that this is dropped with the last
/// clone and handle.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) resources: Arc<Resources>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.resources.registry.close();
        for torrent in self.resources.registry.all() {
            torrent.begin_stop();
        }
        self.resources.hub.close();
    }
}

/// The opener of a client's sockets. Where a request to a tracker lacks a descriptor, a connection makes room.
fn network(options: &ClientOptions, places: Places) -> Network {
    let mut config = options.network_config();
    config.on_shortage(move || places.make_room_for_tracker());
    Network::new(config)
}

impl Client {
    /// Opens the listening sockets, starts to accept connections, and brings back the torrents of a
    /// [kept session](ClientOptions::state), for which it blocks while their files are read.
    ///
    /// # Errors
    /// A listening socket cannot be opened, the disk's threads cannot be started, or the folder of the kept
    /// session cannot be read.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime with I/O and time.
    pub fn start(options: impl Borrow<ClientOptions>) -> Result<Self, ClientError> {
        Self::with_threads(options.borrow().clone(), threads::spawn)
    }

    /// Starts a client whose torrents get their threads from this function.
    fn with_threads(
        options: ClientOptions,
        spawn_thread: SpawnThread,
    ) -> Result<Self, ClientError> {
        let mut tasks = JoinSet::new();
        let registry = Arc::<Registry>::default();
        let files = Arc::new(FilePool::new(options.file_count()));
        let places = Places::new(options.connection_count(options.limits.max_connections), files);
        let network = network(&options, places.clone());
        let Sockets { listeners, datagrams } = Sockets::open(&options, &network)?;
        let (torrents, encryption) = (Arc::clone(&registry), options.encryption);
        let filter = network.filter();
        let reception = Reception::new(torrents, encryption, places.clone(), filter.clone());
        let datagrams = datagrams.into_iter().map(UdpSocket::from_std).collect::<io::Result<_>>();
        let datagrams = datagrams.and_then(|sockets| match options.is_relayed() {
            true => Ok(Datagrams::relayed(&options, &network)),
            false => Datagrams::start(&options, sockets, filter),
        });
        let mut datagrams = datagrams.map_err(ClientError::Socket)?;
        let (ports, relay) = (std::mem::take(&mut datagrams.ports), datagrams.relay.take());
        if let Some(relay) = relay.clone() {
            tasks.spawn(relay.run());
        }
        let datagram_ways = (ports, relay);
        let bound = BoundSockets::new(network.clone(), reception.clone(), listeners, datagram_ways);
        let bound = bound.map_err(ClientError::Socket)?;
        let mut addresses = bound.listeners().to_vec();
        tasks.spawn(bound.run());
        let takes_utp = options.accepts_peers() && options.utp;
        for socket in datagrams.utp.iter().filter(|_| takes_utp) {
            tasks.spawn(reception.clone().run_utp(socket.listen()));
            // That of a relay is unknown.
            if !options.tcp && !options.is_relayed() {
                addresses.push(socket.local_address());
            }
        }
        tasks.spawn(places.clone().run(Arc::clone(&registry)));
        let conductor = Arc::new(Conductor::new(options.limits));
        tasks.spawn(Arc::clone(&conductor).run(Arc::clone(&registry)));
        let threads = JobThreads::new(spawn_thread);
        let bound = Bound { network, addresses, datagrams };
        let resources =
            Resources::new(options, registry, bound, places, tasks, conductor, threads)?;
        let client = Self { owner: Arc::new(Owner { resources: Arc::new(resources) }) };
        client.restore()?;
        Ok(client)
    }

    /// Brings back the torrents of the kept session.
    fn restore(&self) -> Result<(), ClientError> {
        let resources = &self.owner.resources;
        let Some(store) = &resources.store else { return Ok(()) };
        for Kept { record, metainfo } in store.load()? {
            let Record { hashes, options, origin, name } = record;
            let Origin { trackers, web_seeds, peers, selection, .. } = origin.clone();
            let nodes = Vec::new();
            let source =
                Source { hashes, name, metainfo, trackers, web_seeds, peers, nodes, selection };
            // Its number is its position, or the next one if two files claim the same.
            self.registry().begin_at(origin.position);
            if let Err(error) = driver::start(Arc::clone(resources), source, options, Some(origin))
            {
                let span = spans::torrent(hashes);
                span.in_scope(|| tracing::warn!(%error, "a kept torrent is left out"));
            }
        }
        Ok(())
    }

    /// Adds a torrent and returns its handle at once. A task fetches the metadata, checks the content on
    /// disk, and connects to trackers and peers. The [`events`](Torrent::events) report the progress.
    ///
    /// The source is a magnet link or an info-hash as text, the bytes of a torrent file, or a
    /// [`Metainfo`](tinytorrent_metainfo::Metainfo), [`Magnet`](tinytorrent_metainfo::Magnet) or
    /// [`InfoHashes`].
    ///
    /// # Errors
    /// The source is no torrent, the client has the torrent already, or the client was shut down.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime with I/O and time.
    pub fn add<S>(
        &self,
        source: S,
        options: impl Borrow<TorrentOptions>,
    ) -> Result<Torrent, AddError>
    where
        S: TryInto<Source>,
        S::Error: Into<SourceError>,
    {
        let source = source.try_into().map_err(Into::into)?;
        let resources = Arc::clone(&self.owner.resources);
        driver::start(resources, source, options.borrow().clone(), None)
            .map(|shared| self.handle(shared))
    }

    /// The torrents, in their order ([`Torrent::queue_position`]): that of their addition, unless some were moved.
    /// One that has ended is not among them. The time grows with
    /// their number.
    pub fn torrents(&self) -> Vec<Torrent> {
        self.registry().all().into_iter().map(|shared| self.handle(shared)).collect()
    }

    /// The torrent with one of these info-hashes; `None` if there is none, or if it has ended. The time does not
    /// grow with the number of torrents.
    pub fn get(&self, hashes: InfoHashes) -> Option<Torrent> {
        self.registry().find_any(hashes).map(|shared| self.handle(shared))
    }

    /// Subscribes to the events of all torrents, those that are added later included. The events of each
    /// torrent begin with [`Event::Now`](crate::Event::Now), which takes a time that grows with the number of
    /// torrents and their pieces. Any number of receivers may subscribe; each costs a copy of each event.
    pub fn events(&self) -> ClientEvents {
        let queue = Queue::new(ClientEvents::KEPT);
        // First, so that a torrent that is added meanwhile is not missed; it may begin twice.
        self.owner.resources.hub.subscribe(&queue);
        for torrent in self.torrents() {
            torrent.begin_events(&queue);
        }
        ClientEvents::new(queue)
    }

    /// The network by which everything leaves: for requests of the program that are to obey the same
    /// [binding](ClientOptions::bind) and [proxy](ClientOptions::proxy).
    pub fn network(&self) -> &Network {
        &self.owner.resources.network
    }

    /// The figures of all torrents together. Bytes and hash failures are those of [`counts`](Self::counts), and
    /// do not become fewer when a torrent ends. The time grows with the number of torrents and connections.
    pub fn stats(&self) -> Stats {
        let torrents = self.torrents();
        let sum = torrents.iter().fold(Stats::default(), |sum, torrent| sum + torrent.stats());
        let Counts { downloaded, uploaded, wasted, hash_failures, .. } = self.counts();
        let hash_failures = u32::try_from(hash_failures).unwrap_or(u32::MAX);
        Stats { downloaded, uploaded, wasted, hash_failures, ..sum }
    }

    /// The counts of all torrents since the start of the client, those that have ended included. The time
    /// does not grow with the number of torrents; traffic of the last turn of a torrent may be missing.
    pub fn counts(&self) -> Counts {
        self.registry().counts.get()
    }

    /// The work of the disk's threads. The time grows with the number of torrents that have jobs for them.
    pub fn disk(&self) -> DiskFigures {
        self.owner.resources.disk.figures()
    }

    /// The figures of the moment, in a form for exporters of metrics. The time grows with the number of torrents
    /// and connections; with [`FigureDetail::Client`] as little as that of [`stats`](Self::stats) does.
    pub fn figures(&self, detail: FigureDetail) -> Figures {
        figures::collect(&self.owner.resources, detail)
    }

    /// Stops all torrents: trackers are notified, and blocks in memory and resume data are written. They stay
    /// in the [kept session](ClientOptions::state). Returns once all have stopped, or after `deadline`; none takes
    /// more than 5 s. Later calls of [`add`](Self::add) are refused. Listening sockets stay open until the last
    /// clone and handle are dropped. A future that is dropped has begun the stops all the same.
    pub async fn shutdown(&self, deadline: Duration) {
        self.registry().close();
        let torrents = self.torrents();
        torrents.iter().for_each(Torrent::begin_stop);
        let all = async {
            for torrent in &torrents {
                torrent.ended().await;
            }
            // The other ends of connections that have closed would wait for what is lost.
            _ = tokio::time::timeout(LAST_WORDS, self.owner.resources.dialer.delivered()).await;
            if let Some(dht) = &self.owner.resources.dht {
                dht.save().await;
            }
        };
        // Not after the torrents: one that does not stop would keep the ports mapped.
        let (ended, ()) = tokio::join!(tokio::time::timeout(deadline, all), self.unmap_ports());
        if ended.is_err() {
            tracing::warn!("the client is shut down, though some torrents have not stopped");
        } else if let Some(lock) = &self.owner.resources.session_lock {
            // Though somebody may keep a handle.
            lock.release();
        }
        self.owner.resources.hub.close();
    }

    /// Deletes what the gateway has mapped, within two seconds.
    async fn unmap_ports(&self) {
        #[cfg(feature = "port-mapping")]
        if let Some(mapper) = &self.owner.resources.port_mapper {
            mapper.release().await;
        }
    }

    /// The addresses of the listening sockets, with the ports that were picked; none if the client
    /// [accepts no peers](ClientOptions::accept_peers).
    pub fn listen_addresses(&self) -> &[SocketAddr] {
        &self.owner.resources.addresses
    }

    /// The node of the DHT, for look-ups of the program's own, its figures, and items; `None` if the client has
    /// [none](ClientOptions::dht). It ends with the client.
    pub fn dht(&self) -> Option<&DhtNode> {
        self.owner.resources.dht.as_ref().map(|dht| &dht.node)
    }

    /// The ports of the listener, and what the gateway of the local network makes of them; none if
    /// [none are mapped](ClientOptions::port_mapping).
    #[cfg(feature = "port-mapping")]
    pub fn port_mappings(&self) -> Vec<crate::PortMapping> {
        self.owner
            .resources
            .port_mapper
            .as_ref()
            .map(|mapper| mapper.mappings())
            .unwrap_or_default()
    }

    /// The memory that is held for other hosts, over all torrents. The time does not grow with their number.
    pub fn memory(&self) -> MemoryStats {
        self.owner.resources.memory.stats()
    }

    pub(crate) fn resources(&self) -> &Resources {
        &self.owner.resources
    }

    pub(crate) fn of(owner: Arc<Owner>) -> Self {
        Self { owner }
    }

    pub(crate) fn threads(&self) -> &JobThreads {
        &self.owner.resources.threads
    }

    fn registry(&self) -> &Registry {
        &self.owner.resources.registry
    }

    fn handle(&self, shared: Arc<Shared>) -> Torrent {
        Torrent::new(Arc::clone(&self.owner), shared)
    }

    /// The peer id of this run, which all torrents of the client have in common. The next run has another.
    pub fn peer_id(&self) -> PeerId {
        self.owner.resources.peer_id
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
        options.accept_peers(false).dht(false);
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
            let mut last = None;
            while let Some(event) = events.next().await {
                last = Some(event);
            }
            assert!(matches!(last, Some(Event::Failed(TorrentError::Thread(_)))));
        }
    }
}
