//! The figures of a client, collected into metrics.

use std::sync::Arc;
use std::time::Duration;

use tinytorrent_storage::DiskFigures;
use tinytorrent_swarm::Stats;
use tinytorrent_types::{InfoHashes, Printable};

use super::dht::DHT;
use super::utp::UTP;
use super::{FigureDetail, Figures, Metric, MetricKind, Sample};
use crate::resources::Resources;
use crate::torrent::{Shared, State};
use crate::view::{History, PeerInfo, TrackerInfo};
use crate::{Counts, MemoryStats};

/// The figures of a torrent, taken under one lock.
pub(crate) struct TorrentFigures {
    pub(crate) hashes: InfoHashes,
    /// The name in the metadata, which comes from a stranger.
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) stats: Stats,
    pub(crate) history: History,
    pub(crate) counts: Counts,
    /// The trackers, each with its host.
    pub(crate) trackers: Vec<(String, TrackerInfo)>,
    pub(crate) peers: Vec<PeerInfo>,
}

/// The figures of a client without its torrents.
struct ClientFigures {
    counts: Counts,
    stats: Stats,
    memory: MemoryStats,
    connections: usize,
    max_connections: usize,
    open_files: usize,
    uptime: Duration,
}

type Labels = Arc<[(&'static str, String)]>;

/// A metric of each `T`: its name, kind and help, and its value.
pub(super) type Column<T> = (&'static str, MetricKind, &'static str, fn(&T) -> f64);

/// Collects the figures. Each torrent is locked once.
pub(crate) fn collect(resources: &Resources, detail: FigureDetail) -> Figures {
    let torrents = resources.registry.all();
    let figures = |torrent: &Arc<Shared>| {
        torrent.with(|driver, now| Some(driver.figures(now, detail)), |_| None)
    };
    let torrents: Vec<TorrentFigures> = torrents.iter().filter_map(figures).collect();
    let mut metrics = of_client(resources, &torrents);
    if detail >= FigureDetail::Torrents {
        let rows: Vec<_> = torrents.iter().map(|torrent| (labels_of(torrent), torrent)).collect();
        metrics.extend(table(TORRENT, rows.iter().map(|(labels, row)| (labels.clone(), *row))));
        let trackers = torrents.iter().flat_map(tracker_rows).collect::<Vec<_>>();
        metrics.extend(table(TRACKER, trackers.iter().map(|(labels, row)| (labels.clone(), *row))));
    }
    if detail >= FigureDetail::Peers {
        let peers = torrents.iter().flat_map(peer_rows).collect::<Vec<_>>();
        metrics.extend(table(PEER, peers.iter().map(|(labels, row)| (labels.clone(), *row))));
    }
    Figures { metrics }
}

fn of_client(resources: &Resources, torrents: &[TorrentFigures]) -> Vec<Metric> {
    let (connections, max_connections) = resources.places.taken();
    let client = ClientFigures {
        counts: resources.registry.counts.get(),
        stats: torrents.iter().fold(Stats::default(), |sum, torrent| sum + torrent.stats),
        memory: resources.memory.stats(),
        connections,
        max_connections,
        open_files: resources.files.open_files(),
        uptime: resources.started.elapsed(),
    };
    let row = [(Labels::default(), &client)];
    let mut metrics: Vec<Metric> = table(CLIENT, row.into_iter()).collect();
    metrics.push(labelled("tinytorrent_torrents", STATES_HELP, "state", STATES, |state| {
        torrents.iter().filter(|torrent| torrent.state == state).count() as f64
    }));
    metrics.push(labelled("tinytorrent_memory_bytes", MEMORY_HELP, "use", MEMORY, |read| {
        read(&client.memory) as f64
    }));
    let jobs = [("short", &resources.threads.short), ("long", &resources.threads.long)];
    metrics.push(labelled("tinytorrent_waiting_jobs", JOBS_HELP, "kind", jobs, |threads| {
        threads.waiting() as f64
    }));
    let disk = [(Labels::default(), &resources.disk.figures())];
    metrics.extend(table(DISK, disk.into_iter()));
    let dht = resources.dht.as_ref().map(|dht| dht.node.stats()).unwrap_or_default();
    metrics.extend(table(DHT, [(Labels::default(), &dht)].into_iter()));
    let utp = [(Labels::default(), &resources.dialer.utp_stats())];
    metrics.extend(table(UTP, utp.into_iter()));
    metrics
}

/// A gauge with one label.
fn labelled<T>(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    rows: impl IntoIterator<Item = (&'static str, T)>,
    value: impl Fn(T) -> f64,
) -> Metric {
    let samples = rows
        .into_iter()
        .map(|(text, row)| Sample { labels: [(label, text.to_owned())].into(), value: value(row) });
    Metric { name, help, kind: MetricKind::Gauge, samples: samples.collect() }
}

/// A metric for each column, with a sample for each row.
fn table<'a, T: 'a>(
    columns: &'a [Column<T>],
    rows: impl Iterator<Item = (Labels, &'a T)> + Clone + 'a,
) -> impl Iterator<Item = Metric> + 'a {
    columns.iter().map(move |&(name, kind, help, value)| {
        let sample = |(labels, row)| Sample { labels, value: value(row) };
        Metric { name, help, kind, samples: rows.clone().map(sample).collect() }
    })
}

fn labels_of(torrent: &TorrentFigures) -> Labels {
    let hash = torrent.hashes.to_wire().to_string();
    [("info_hash", hash), ("name", Printable(&torrent.name).to_string())].into()
}

fn tracker_rows(torrent: &TorrentFigures) -> impl Iterator<Item = (Labels, &TrackerInfo)> {
    let hash = torrent.hashes.to_wire().to_string();
    torrent.trackers.iter().enumerate().map(move |(number, (host, tracker))| {
        // Two trackers may have the same host, and paths may hold the user's passkey.
        let labels = [
            ("info_hash", hash.clone()),
            ("tracker", host.clone()),
            ("number", number.to_string()),
        ];
        (labels.into(), tracker)
    })
}

fn peer_rows(torrent: &TorrentFigures) -> impl Iterator<Item = (Labels, &PeerInfo)> {
    let hash = torrent.hashes.to_wire().to_string();
    torrent.peers.iter().map(move |peer| {
        let labels = [("info_hash", hash.clone()), ("address", peer.peer.address.to_string())];
        (labels.into(), peer)
    })
}

use MetricKind::{Counter, Gauge};

const CLIENT: &[Column<ClientFigures>] = &[
    ("tinytorrent_downloaded_bytes_total", Counter, "Received bytes of content.", |it| {
        it.counts.downloaded as f64
    }),
    (
        "tinytorrent_web_seed_bytes_total",
        Counter,
        "Received bytes of content that came from web seeds.",
        |it| it.counts.downloaded_from_web_seeds as f64,
    ),
    ("tinytorrent_uploaded_bytes_total", Counter, "Sent bytes of content.", |it| {
        it.counts.uploaded as f64
    }),
    ("tinytorrent_wasted_bytes_total", Counter, "Received bytes of no use.", |it| {
        it.counts.wasted as f64
    }),
    ("tinytorrent_pieces_total", Counter, "Pieces that were downloaded and verified.", |it| {
        it.counts.pieces as f64
    }),
    ("tinytorrent_hash_failures_total", Counter, "Pieces that failed their hash.", |it| {
        it.counts.hash_failures as f64
    }),
    ("tinytorrent_dials_total", Counter, "Connections that we tried to make.", |it| {
        it.counts.dials as f64
    }),
    ("tinytorrent_accepted_total", Counter, "Connections of peers that were let in.", |it| {
        it.counts.accepted as f64
    }),
    ("tinytorrent_refused_total", Counter, "Connections of peers that were refused.", |it| {
        it.counts.refused as f64
    }),
    (
        "tinytorrent_failed_connections_total",
        Counter,
        "Connections that ended before both handshakes were through.",
        |it| it.counts.failed_connections as f64,
    ),
    ("tinytorrent_joined_peers_total", Counter, "Peers whose handshakes were through.", |it| {
        it.counts.joined as f64
    }),
    ("tinytorrent_introduced_peers_total", Counter, "Peers met at the word of another.", |it| {
        it.counts.introduced as f64
    }),
    ("tinytorrent_banned_peers_total", Counter, "Peers that were banned.", |it| {
        it.counts.banned as f64
    }),
    ("tinytorrent_announces_total", Counter, "Announces to trackers.", |it| {
        it.counts.announces as f64
    }),
    ("tinytorrent_failed_announces_total", Counter, "Announces that failed.", |it| {
        it.counts.failed_announces as f64
    }),
    ("tinytorrent_announced_peers_total", Counter, "Peers in the answers of trackers.", |it| {
        it.counts.announced_peers as f64
    }),
    ("tinytorrent_download_rate_bytes", Gauge, "Received bytes of content a second.", |it| {
        it.stats.download_rate as f64
    }),
    ("tinytorrent_upload_rate_bytes", Gauge, "Sent bytes of content a second.", |it| {
        it.stats.upload_rate as f64
    }),
    ("tinytorrent_peers", Gauge, "Connected peers.", |it| it.stats.peers.into()),
    ("tinytorrent_seeds", Gauge, "Connected peers that have everything.", |it| {
        it.stats.seeds.into()
    }),
    ("tinytorrent_connections", Gauge, "Connections, those without a torrent included.", |it| {
        it.connections as f64
    }),
    ("tinytorrent_max_connections", Gauge, "The limit of connections at present.", |it| {
        it.max_connections as f64
    }),
    ("tinytorrent_open_files", Gauge, "Content files that are open.", |it| it.open_files as f64),
    ("tinytorrent_memory_limit_bytes", Gauge, "The budget of memory.", |it| {
        it.memory.budget as f64
    }),
    ("tinytorrent_uptime_seconds", Gauge, "Time since the start of the client.", |it| {
        it.uptime.as_secs_f64()
    }),
];

const STATES_HELP: &str = "Torrents by their state.";
const STATES: [(&str, State); 6] = [
    ("fetching_metadata", State::FetchingMetadata),
    ("checking", State::Checking),
    ("downloading", State::Downloading),
    ("seeding", State::Seeding),
    ("queued", State::Queued),
    ("paused", State::Paused),
];

/// A use of memory, and the bytes of it.
type Use = (&'static str, fn(&MemoryStats) -> u64);

const MEMORY_HELP: &str = "Bytes that are held for other hosts.";
const MEMORY: [Use; 5] = [
    ("receive", |memory| memory.receive),
    ("metadata", |memory| memory.metadata),
    ("frames", |memory| memory.frames),
    ("send", |memory| memory.send),
    ("read", |memory| memory.read),
];

const JOBS_HELP: &str = "Jobs that wait for a thread: short ones, and checks of content.";

const DISK: &[Column<DiskFigures>] = &[
    ("tinytorrent_disk_unwritten_bytes", Gauge, "Bytes of blocks that wait to be written.", |it| {
        it.unstored_bytes as f64
    }),
    ("tinytorrent_disk_held_bytes", Gauge, "Bytes of memory that these blocks keep.", |it| {
        it.held_bytes as f64
    }),
    ("tinytorrent_disk_read_memory_bytes", Gauge, "Bytes of memory of reads and cache.", |it| {
        it.read_memory as f64
    }),
    ("tinytorrent_disk_active_torrents", Gauge, "Torrents with jobs for the disk.", |it| {
        it.active_torrents as f64
    }),
    ("tinytorrent_disk_waiting_reads", Gauge, "Blocks that wait to be read.", |it| {
        it.waiting_reads as f64
    }),
    ("tinytorrent_disk_written_bytes_total", Counter, "Bytes of blocks that were written.", |it| {
        it.stored_bytes as f64
    }),
    ("tinytorrent_disk_read_bytes_total", Counter, "Bytes of blocks that were read.", |it| {
        it.read_bytes as f64
    }),
    ("tinytorrent_disk_read_blocks_total", Counter, "Blocks that were read.", |it| {
        it.read_blocks as f64
    }),
    ("tinytorrent_disk_cache_hits_total", Counter, "Blocks that were in the read cache.", |it| {
        it.cache_hits as f64
    }),
    ("tinytorrent_disk_right_pieces_total", Counter, "Pieces that were hashed, right.", |it| {
        it.right_pieces as f64
    }),
    ("tinytorrent_disk_wrong_pieces_total", Counter, "Pieces that were hashed, wrong.", |it| {
        it.wrong_pieces as f64
    }),
    ("tinytorrent_disk_records_total", Counter, "Resume records that were written.", |it| {
        it.records as f64
    }),
    ("tinytorrent_disk_store_errors_total", Counter, "Pieces that could not be written.", |it| {
        it.store_errors as f64
    }),
    ("tinytorrent_disk_read_errors_total", Counter, "Blocks that could not be read.", |it| {
        it.read_errors as f64
    }),
    (
        "tinytorrent_disk_record_errors_total",
        Counter,
        "Resume records that could not be written.",
        |it| it.record_errors as f64,
    ),
];

const TORRENT: &[Column<TorrentFigures>] = &[
    ("tinytorrent_torrent_have_bytes", Gauge, "Bytes that are verified and on disk.", |it| {
        it.stats.have_bytes as f64
    }),
    ("tinytorrent_torrent_left_bytes", Gauge, "Bytes of wanted pieces that are missing.", |it| {
        it.stats.wanted_left as f64
    }),
    ("tinytorrent_torrent_download_rate_bytes", Gauge, "Received bytes a second.", |it| {
        it.stats.download_rate as f64
    }),
    ("tinytorrent_torrent_upload_rate_bytes", Gauge, "Sent bytes a second.", |it| {
        it.stats.upload_rate as f64
    }),
    (
        "tinytorrent_torrent_web_seed_bytes_total",
        Counter,
        "Bytes received from web seeds in this run.",
        |it| it.counts.downloaded_from_web_seeds as f64,
    ),
    ("tinytorrent_torrent_peers", Gauge, "Connected peers.", |it| it.stats.peers.into()),
    ("tinytorrent_torrent_seeds", Gauge, "Connected peers that have everything.", |it| {
        it.stats.seeds.into()
    }),
    ("tinytorrent_torrent_known_peers", Gauge, "Known addresses of peers.", |it| {
        it.stats.known_peers.into()
    }),
    ("tinytorrent_torrent_downloaded_bytes_total", Counter, "Received bytes of all runs.", |it| {
        it.history.downloaded as f64
    }),
    ("tinytorrent_torrent_uploaded_bytes_total", Counter, "Sent bytes of all runs.", |it| {
        it.history.uploaded as f64
    }),
    ("tinytorrent_torrent_wasted_bytes_total", Counter, "Bytes of no use, of all runs.", |it| {
        it.history.wasted as f64
    }),
    ("tinytorrent_torrent_active_seconds_total", Counter, "Active time of all runs.", |it| {
        it.history.active.as_secs_f64()
    }),
    ("tinytorrent_torrent_seeding_seconds_total", Counter, "Time of seeding of all runs.", |it| {
        it.history.seeding.as_secs_f64()
    }),
    ("tinytorrent_torrent_hash_failures_total", Counter, "Pieces that failed their hash.", |it| {
        it.counts.hash_failures as f64
    }),
    ("tinytorrent_torrent_dials_total", Counter, "Connections that we tried to make.", |it| {
        it.counts.dials as f64
    }),
    ("tinytorrent_torrent_accepted_total", Counter, "Connections that were let in.", |it| {
        it.counts.accepted as f64
    }),
    ("tinytorrent_torrent_refused_total", Counter, "Connections that were refused.", |it| {
        it.counts.refused as f64
    }),
    (
        "tinytorrent_torrent_failed_connections_total",
        Counter,
        "Connections that ended before both handshakes were through.",
        |it| it.counts.failed_connections as f64,
    ),
    ("tinytorrent_torrent_banned_peers_total", Counter, "Peers that were banned.", |it| {
        it.counts.banned as f64
    }),
];

const TRACKER: &[Column<TrackerInfo>] = &[
    ("tinytorrent_tracker_failures", Gauge, "Failures since the last answer.", |it| {
        it.failures.into()
    }),
    ("tinytorrent_tracker_seeders", Gauge, "Seeders in the last answer.", |it| {
        it.seeders.unwrap_or_default().into()
    }),
    ("tinytorrent_tracker_leechers", Gauge, "Leechers in the last answer.", |it| {
        it.leechers.unwrap_or_default().into()
    }),
    ("tinytorrent_tracker_answers_total", Counter, "Announces that were answered.", |it| {
        it.totals.answers as f64
    }),
    ("tinytorrent_tracker_failed_announces_total", Counter, "Announces that failed.", |it| {
        it.totals.failures as f64
    }),
    ("tinytorrent_tracker_peers_total", Counter, "Peers in all answers.", |it| {
        it.totals.peers as f64
    }),
];

const PEER: &[Column<PeerInfo>] = &[
    ("tinytorrent_peer_downloaded_bytes_total", Counter, "Received bytes of content.", |it| {
        it.peer.downloaded as f64
    }),
    ("tinytorrent_peer_uploaded_bytes_total", Counter, "Sent bytes of content.", |it| {
        it.peer.uploaded as f64
    }),
    ("tinytorrent_peer_download_rate_bytes", Gauge, "Received bytes a second.", |it| {
        it.peer.download_rate as f64
    }),
    ("tinytorrent_peer_upload_rate_bytes", Gauge, "Sent bytes a second.", |it| {
        it.peer.upload_rate as f64
    }),
    ("tinytorrent_peer_pieces", Gauge, "Pieces that the peer has.", |it| it.peer.pieces.into()),
    ("tinytorrent_peer_our_requests", Gauge, "Our requests that are not answered yet.", |it| {
        it.peer.flow.our_requests.into()
    }),
    ("tinytorrent_peer_its_requests", Gauge, "Its requests that are not answered yet.", |it| {
        it.peer.flow.peer_requests.into()
    }),
];
