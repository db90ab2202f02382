//! Clients that find each other by the DHT, on loopback.
#![allow(clippy::disallowed_methods, reason = "the nodes of a test need the time")]

mod support;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use support::{Scene, address, in_time};
use tinytorrent_client::{
    Client, ClientOptions, DhtConfig, Event, FigureDetail, SwarmEvent, Torrent, TorrentOptions,
};
use tinytorrent_dht::message::{Body, Message, Method};
use tinytorrent_dht::{Announce, Node};
use tinytorrent_metainfo::{HostPort, Magnet, Version};
use tinytorrent_types::{InfoHashV1, InfoHashes, WireInfoHash};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A node of the DHT that writes down which torrents it is asked for, and by whom.
struct Witness {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
    /// While true, it answers no query for peers.
    is_holding: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Log {
    asked: HashSet<(WireInfoHash, &'static str)>,
    askers: HashSet<SocketAddr>,
}

impl Witness {
    async fn at(address: &str) -> Self {
        let socket = UdpSocket::bind(address).await.unwrap();
        let address = socket.local_addr().unwrap();
        let log = Arc::default();
        let (is_holding, gate) = watch::channel(false);
        let task = tokio::spawn(Self::run(socket, Arc::clone(&log), gate));
        Self { address, log, is_holding, task }
    }

    async fn run(socket: UdpSocket, log: Arc<Mutex<Log>>, mut gate: watch::Receiver<bool>) {
        let mut config = DhtConfig::new([7; 32]);
        let mut node = Node::new(Instant::now(), config.queries_per_host(10_000).clone());
        let (mut buffer, mut held) = ([0; 2_000], Vec::new());
        loop {
            let timeout = node.poll_timeout().unwrap_or_else(Instant::now);
            tokio::select! {
                received = socket.recv_from(&mut buffer) => {
                    let (length, from) = received.unwrap();
                    let datagram = &buffer[..length];
                    let method = log.lock().unwrap().note(from, datagram);
                    if method == Some("get_peers") && *gate.borrow() {
                        held.push((from, datagram.to_vec()));
                    } else {
                        node.handle_datagram(Instant::now(), from, datagram);
                    }
                }
                Ok(()) = gate.changed() => {
                    for (from, datagram) in held.drain(..) {
                        node.handle_datagram(Instant::now(), from, &datagram);
                    }
                }
                () = tokio::time::sleep_until(timeout.into()) => node.handle_timeout(Instant::now()),
            }
            while let Some(transmit) = node.poll_transmit() {
                let _ = socket.send_to(&transmit.bytes, transmit.to).await;
            }
        }
    }

    fn asked(&self) -> HashSet<(WireInfoHash, &'static str)> {
        self.log.lock().unwrap().asked.clone()
    }

    fn is_asked_by(&self, client: &Client) -> bool {
        self.log.lock().unwrap().askers.contains(&address(client))
    }

    async fn until_asked(&self, hash: WireInfoHash, method: &'static str) {
        until(|| self.asked().contains(&(hash, method))).await;
    }

    fn host_port(&self) -> HostPort {
        self.address.to_string().parse().unwrap()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Log {
    /// Notes a query, and returns its method if it is about a torrent.
    fn note(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<&'static str> {
        let Body::Query(query) = Message::decode(datagram).unwrap().body else { return None };
        self.askers.insert(from);
        let (info_hash, method) = match query.method {
            Method::GetPeers { info_hash, .. } => (info_hash, "get_peers"),
            Method::AnnouncePeer { info_hash, .. } => (info_hash, "announce_peer"),
            _ => return None,
        };
        self.asked.insert((info_hash, method));
        Some(method)
    }
}

async fn until(mut holds: impl FnMut() -> bool) {
    in_time(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

fn options(listen: &str) -> ClientOptions {
    let mut options = ClientOptions::default();
    options.listen(listen.parse().unwrap());
    options
}

/// A client that enters by this node.
fn entering(node: SocketAddr) -> Client {
    let any = SocketAddr::new(node.ip(), 0).to_string();
    Client::start(options(&any).dht_node(node)).unwrap()
}

/// Adds the torrent by its bare hashes: no tracker, no peer.
fn add_bare(client: &Client, scene: &Scene) -> Torrent {
    client.add(scene.metainfo.hashes(), TorrentOptions::new(scene.leech_dir())).unwrap()
}

fn wire(scene: &Scene) -> WireInfoHash {
    scene.metainfo.hashes().to_wire()
}

async fn until_nodes(client: &Client, count: usize) {
    in_time(async {
        loop {
            let stats = client.dht().unwrap().stats();
            if stats.nodes() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_bare_hash_is_downloaded_from_peers_of_the_dht() {
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let witness = Witness::at(any).await;
        let scene = Scene::multi();
        let (seeder, leecher) = (entering(witness.address), entering(witness.address));
        let _seed = scene.seed(&seeder).await;
        witness.until_asked(wire(&scene), "announce_peer").await;
        let torrent = add_bare(&leecher, &scene);
        in_time(torrent.finished()).await.unwrap();
        scene.assert_complete();
    }
}

// D-27: both hashes of a hybrid, that of v2 cut to 20 bytes.
#[tokio::test]
async fn a_hybrid_is_announced_by_both_of_its_hashes() {
    let witness = Witness::at("127.0.0.1:0").await;
    let scene = Scene::short_pieces(Version::Hybrid);
    let seeder = entering(witness.address);
    let _seed = scene.seed(&seeder).await;
    for hash in scene.metainfo.hashes().wire_hashes() {
        witness.until_asked(hash, "announce_peer").await;
    }
    let figures = seeder.figures(FigureDetail::Client);
    let value = |name| figures.get(name).unwrap().samples[0].value;
    assert!(value("tinytorrent_dht_queries_total") >= 4.0);
    assert_eq!(value("tinytorrent_dht_nodes"), 1.0);
}

// D-64, BEP 33
#[tokio::test]
async fn a_torrent_without_trackers_is_scraped_in_the_dht() {
    let witness = Witness::at("127.0.0.1:0").await;
    let (scene, tracked) = (Scene::multi(), Scene::single(1_000));
    let client = entering(witness.address);
    let seed = scene.seed(&client).await;
    witness.until_asked(wire(&scene), "announce_peer").await;
    let mut events = seed.events();
    seed.scrape();
    let counts = loop {
        if let Event::DhtScraped { seeds, leeches } = in_time(events.next()).await.unwrap() {
            break (seeds, leeches);
        }
    };
    assert_eq!(counts, (1, 0));
    let mut options = TorrentOptions::new(tracked.leech_dir());
    options.tracker("http://127.0.0.1:1/announce").paused(true);
    let torrent = client.add(&tracked.metainfo, options).unwrap();
    let mut events = torrent.events();
    torrent.scrape();
    loop {
        match in_time(events.next()).await.unwrap() {
            Event::Swarm(SwarmEvent::ScrapeFailed { .. }) => break,
            event => assert!(!matches!(event, Event::DhtScraped { .. })),
        }
    }
    assert!(!witness.asked().contains(&(wire(&tracked), "get_peers")));
}

// D-38, BEP 27: all that a node was asked in a run with a private torrent, beside one that is not.
#[tokio::test]
async fn a_private_torrent_is_never_in_the_dht() {
    let witness = Witness::at("127.0.0.1:0").await;
    let (private, public) = (Scene::private(), Scene::multi());
    let seeder = entering(witness.address);
    let _private = private.seed(&seeder).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        witness.log.lock().unwrap().askers.is_empty(),
        "nobody is asked for a private torrent alone"
    );
    let _public = public.seed(&seeder).await;
    witness.until_asked(wire(&public), "announce_peer").await;
    // The other side of the private one, in a client with the DHT as well.
    let leecher = entering(witness.address);
    let torrent = leecher.add(&private.metainfo, private.leech(&seeder)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    let _other = add_bare(&leecher, &public);
    until(|| witness.is_asked_by(&leecher)).await;
    in_time(_other.finished()).await.unwrap();
    let torrents: HashSet<_> = witness.asked().into_iter().map(|(hash, _)| hash).collect();
    assert_eq!(torrents, HashSet::from([wire(&public)]));
}

// D-21, BEP 27: it is looked up as long as nobody can know, and not announced after that.
#[tokio::test]
async fn a_link_that_turns_out_private_is_announced_to_nobody() {
    let witness = Witness::at("127.0.0.1:0").await;
    witness.is_holding.send_replace(true);
    let scene = Scene::private();
    let seeder = support::client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    let leecher = entering(witness.address);
    let torrent = add_bare(&leecher, &scene);
    witness.until_asked(wire(&scene), "get_peers").await;
    torrent.add_peers([address(&seeder).into()]);
    in_time(torrent.metadata()).await.unwrap();
    // The token comes now.
    witness.is_holding.send_replace(false);
    let node = leecher.dht().unwrap();
    let mut later = node.announce([9; 20].into(), Announce { port: Some(1), is_seed: false });
    while in_time(later.next()).await.is_some() {}
    witness.until_asked([9; 20].into(), "announce_peer").await;
    assert!(!witness.asked().contains(&(wire(&scene), "announce_peer")));
}

#[tokio::test]
async fn without_the_dht_nobody_is_asked() {
    let witness = Witness::at("127.0.0.1:0").await;
    let scene = Scene::multi();
    let without =
        Client::start(options("127.0.0.1:0").dht_node(witness.address).dht(false)).unwrap();
    assert!(without.dht().is_none());
    let _seed = scene.seed(&without).await;
    let with = entering(witness.address);
    let mut settings = TorrentOptions::new(scene.leech_dir());
    let torrent = with.add(&scene.metainfo, settings.dht(false)).unwrap();
    let mut events = torrent.events();
    while !matches!(in_time(events.next()).await, Some(Event::Checked { .. })) {}
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(witness.log.lock().unwrap().askers.is_empty());
}

// BEP 5, "PORT": D-55
#[tokio::test]
async fn a_peer_is_a_way_into_the_dht() {
    let witness = Witness::at("127.0.0.1:0").await;
    let scene = Scene::multi();
    let seeder = entering(witness.address);
    let _seed = scene.seed(&seeder).await;
    witness.until_asked(wire(&scene), "announce_peer").await;
    let stranger = support::client("127.0.0.1:0");
    let torrent = stranger.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    until_nodes(&stranger, 1).await;
    in_time(torrent.finished()).await.unwrap();
}

// BEP 5, "torrent file extensions"
#[tokio::test]
async fn a_torrent_and_a_link_are_ways_into_the_dht_but_not_into_the_local_network() {
    let witness = Witness::at("127.0.0.1:0").await;
    for allows in [true, false] {
        let scene = Scene::multi();
        let mut metainfo = scene.metainfo.clone();
        metainfo.set_nodes(vec![witness.host_port()]);
        let magnet = Magnet::from(&metainfo);
        assert_eq!(magnet.nodes, [witness.host_port()]);
        let start = || Client::start(options("127.0.0.1:0").allow_local_addresses(allows)).unwrap();
        let (by_file, by_link) = (start(), start());
        let folder = TorrentOptions::new(scene.leech_dir());
        by_file.add(&metainfo, &folder).unwrap();
        by_link.add(&magnet, &folder).unwrap();
        for client in [by_file, by_link] {
            if allows {
                until_nodes(&client, 1).await;
            } else {
                tokio::time::sleep(Duration::from_millis(200)).await;
                assert!(!witness.is_asked_by(&client));
            }
        }
    }
}

// D-50
#[tokio::test]
async fn the_next_run_knows_the_nodes_of_the_one_before() {
    let witness = Witness::at("127.0.0.1:0").await;
    let (scene, state) = (Scene::multi(), tempfile::tempdir().unwrap());
    let start = |node: Option<SocketAddr>, state: &Path| {
        let mut options = options("127.0.0.1:0");
        if let Some(node) = node {
            options.dht_node(node);
        }
        Client::start(options.state(state)).unwrap()
    };
    let client = start(Some(witness.address), state.path());
    let _seed = scene.seed(&client).await;
    until_nodes(&client, 1).await;
    in_time(client.shutdown(Duration::from_secs(9))).await;
    drop((client, _seed));
    witness.log.lock().unwrap().asked.clear();
    let again = start(None, state.path());
    witness.until_asked(wire(&scene), "announce_peer").await;
    in_time(again.shutdown(Duration::from_secs(9))).await;
    drop(again);
    std::fs::write(state.path().join("dht-nodes"), "no nodes").unwrap();
    let damaged = start(None, state.path());
    assert_eq!(damaged.torrents().len(), 1, "a damaged file costs nothing else");
}

// D-18: the first look-ups find nobody, as the network is not there yet.
#[tokio::test]
async fn look_ups_that_reached_nobody_are_made_again() {
    let reserved = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let late = reserved.local_addr().unwrap();
    let scene = Scene::multi();
    let client = entering(late);
    for n in 1..=20 {
        let hash = InfoHashes::from_v1(InfoHashV1::from_bytes([n; 20]));
        client.add(hash, TorrentOptions::new(scene.leech_dir())).unwrap();
    }
    let _seed = scene.seed(&client).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(reserved);
    let witness = Witness::at(&late.to_string()).await;
    witness.until_asked(wire(&scene), "announce_peer").await;
}
