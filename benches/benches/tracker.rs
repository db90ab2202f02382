//! What trackers cost: reading answers, one exchange over UDP, and the embedded tracker's
//! announces a second of one core, beside opentracker's.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tinytorrent_tracker::http::{PeerFormat, read_announce, write_announce};
use tinytorrent_tracker::server::{ServerConfig, TrackerServer};
use tinytorrent_tracker::udp::{Exchange, ExchangeConfig, Response, ResponseBody};
use tinytorrent_tracker::{AnnounceEvent, AnnounceRequest, AnnounceResponse, Peer};
use tinytorrent_types::compact::{self, Family};
use tinytorrent_types::{PeerId, WireInfoHash};

const PEERS: usize = 200;
const TORRENTS: u16 = 100;
/// Datagrams under way at once; few enough for any socket buffer.
const WINDOW: usize = 32;
const BATCH: usize = 64;
/// The name of the thread that our tracker runs on.
const THREAD: &str = "tracker";

fn peers() -> Vec<Peer> {
    let address = |n: usize| SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 6881));
    let id = Some(PeerId::from_bytes([7; 20]));
    (0..PEERS).map(|n| Peer { address: address(n), id }).collect()
}

fn reading(c: &mut Criterion) {
    let mut packed = Vec::new();
    peers().iter().for_each(|peer| compact::write(peer.address, &mut packed));
    let mut response = AnnounceResponse::default();
    response.interval = Some(Duration::from_secs(1800));
    response.peers = peers();
    let body = |format| {
        let mut out = Vec::new();
        write_announce(&response, format, &mut out);
        out
    };
    let dictionaries = body(PeerFormat::Dictionaries { no_peer_id: false });
    let compact_body = body(PeerFormat::Compact);
    let mut group = c.benchmark_group("tracker/read");
    group.throughput(Throughput::Elements(PEERS as u64));
    let mut read = Vec::with_capacity(PEERS);
    group.bench_function("200 compact peers", |b| {
        b.iter(|| {
            read.clear();
            read.extend(compact::peers(black_box(&packed), Family::V4));
            read.len()
        });
    });
    group.bench_function("compact response", |b| {
        b.iter(|| read_announce(black_box(&compact_body)).map(|read| read.peers.len()));
    });
    group.bench_function("dictionary response", |b| {
        b.iter(|| read_announce(black_box(&dictionaries)).map(|read| read.peers.len()));
    });
    group.finish();
}

/// Connect, announce, and a reply with fifty peers.
fn exchange(c: &mut Criterion) {
    let tracker: SocketAddr = (Ipv4Addr::LOCALHOST, 6969).into();
    let mut exchange = Exchange::new(ExchangeConfig::new([7; 32]));
    let (mut now, mut sent, mut reply) = (Instant::now(), Vec::new(), Vec::new());
    let packed = [7; 50 * 6];
    c.bench_function("tracker/one udp exchange", |b| {
        b.iter(|| {
            // So that each exchange has to connect.
            now += Duration::from_secs(61);
            exchange.handle_timeout(now);
            exchange.start_announce(now, tracker, &announce(0, 1), b"/announce");
            for body in [
                ResponseBody::Connect { connection_id: 7 },
                ResponseBody::Announce { interval: 1800, leechers: 1, seeders: 1, peers: &packed },
            ] {
                exchange.poll_transmit(&mut sent).expect("a datagram");
                let transaction_id = transaction_of(&sent);
                reply.clear();
                Response { transaction_id, body }.write(&mut reply);
                exchange.handle_datagram(now, tracker, &reply);
            }
            exchange.poll_outcome().expect("an outcome")
        });
    });
}

/// Announces over loopback, a window at a time, each of another peer. What is counted is the
/// processor time of the tracker, since the clock would count that of the clients too.
fn server(c: &mut Criterion) {
    let mut group = c.benchmark_group("tracker/processor time of announces over udp");
    group.throughput(Throughput::Elements(BATCH as u64));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(THREAD)
        .enable_all()
        .build()
        .expect("a runtime");
    let local = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let ours = runtime.block_on(TrackerServer::bind(ServerConfig::default(), &local, &[]));
    let ours = ours.expect("a free port");
    let is_ours = |name: &str| name == THREAD;
    let mut load = Load::to(ours.udp_addresses()[0]);
    group.bench_function("tinytorrent", |b| {
        b.iter_custom(|count| load.batches(count, || processor_time(std::process::id(), is_ours)));
    });
    let folder = tempfile::tempdir().expect("a folder");
    match Opentracker::start(folder.path()) {
        Some(theirs) => {
            let mut load = Load::to(theirs.address);
            let process = theirs.process.id();
            group.bench_function("opentracker", |b| {
                b.iter_custom(|count| load.batches(count, || processor_time(process, |_| true)));
            });
        }
        None => println!("skipped: opentracker is not installed"),
    }
    group.finish();
    runtime.block_on(ours.shutdown());
}

/// What the threads of a process that have such a name have used so far; Linux only.
fn processor_time(process: u32, counts: impl Fn(&str) -> bool) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("Linux");
    let nanoseconds = |thread: &Path| -> Option<u64> {
        let name = std::fs::read_to_string(thread.join("comm")).ok()?;
        let spent = std::fs::read_to_string(thread.join("schedstat")).ok()?;
        counts(name.trim()).then(|| spent.split(' ').next()?.parse().ok()).flatten()
    };
    let spent = threads.filter_map(|thread| nanoseconds(&thread.ok()?.path())).sum();
    Duration::from_nanos(spent)
}

fn announce(torrent: u16, port: u16) -> AnnounceRequest {
    let mut id = [3; 20];
    id[..2].copy_from_slice(&port.to_be_bytes());
    let mut request = AnnounceRequest::new(hash(torrent), PeerId::from_bytes(id), port.max(1), 9);
    (request.event, request.left) = (AnnounceEvent::Started, Some(5));
    // Trackers differ in how many they give unasked.
    request.num_want = Some(50);
    request
}

fn hash(torrent: u16) -> WireInfoHash {
    let mut bytes = [0xab; 20];
    bytes[..2].copy_from_slice(&torrent.to_be_bytes());
    WireInfoHash::from_bytes(bytes)
}

fn transaction_of(request: &[u8]) -> u32 {
    u32::from_be_bytes(request[12..16].try_into().expect("four bytes"))
}

/// Clients without a wait between announces, over one machine and one socket.
struct Load {
    socket: UdpSocket,
    tracker: SocketAddr,
    exchange: Exchange,
    count: u16,
    datagram: Vec<u8>,
}

impl Load {
    fn to(tracker: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a time-out");
        let mut config = ExchangeConfig::new([7; 32]);
        config.first_timeout(Duration::from_millis(500));
        Self { socket, tracker, exchange: Exchange::new(config), count: 0, datagram: Vec::new() }
    }

    /// How much of `spent` so many batches cost.
    fn batches(&mut self, count: u64, spent: impl Fn() -> Duration) -> Duration {
        let before = spent();
        (0..count).for_each(|_| self.batch());
        spent() - before
    }

    fn batch(&mut self) {
        for _ in 0..BATCH / WINDOW {
            for _ in 0..WINDOW {
                self.count = self.count.wrapping_add(1);
                // Peers come back, as they do: a hundred ports for each torrent.
                let port = 10_000 + self.count / TORRENTS % 100;
                let request = announce(self.count % TORRENTS, port);
                self.exchange.start_announce(Instant::now(), self.tracker, &request, b"");
            }
            self.finish();
        }
    }

    fn finish(&mut self) {
        let mut buffer = [0; 2048];
        while self.exchange.pending_requests() > 0 {
            while let Some(to) = self.exchange.poll_transmit(&mut self.datagram) {
                self.socket.send_to(&self.datagram, to).expect("loopback takes it");
            }
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
                self.exchange.handle_datagram(Instant::now(), from, &buffer[..length]);
            }
            self.exchange.handle_timeout(Instant::now());
            while let Some((_, outcome)) = self.exchange.poll_outcome() {
                outcome.expect("an answer");
            }
        }
    }
}

/// A process that ends with the benchmark.
struct Opentracker {
    address: SocketAddr,
    process: Child,
}

impl Opentracker {
    /// Debian builds it for listed torrents only.
    fn start(folder: &Path) -> Option<Self> {
        let list = folder.join("whitelist");
        let hashes: String = (0..TORRENTS).map(|torrent| format!("{}\n", hash(torrent))).collect();
        std::fs::write(&list, hashes).ok()?;
        let port =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?.local_addr().ok()?.port();
        let mut command = Command::new("opentracker");
        command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-P", &port.to_string()]);
        command.args(["-u", "nobody", "-w"]).arg(&list).current_dir(folder);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().ok()?;
        let started = Self { address: (Ipv4Addr::LOCALHOST, port).into(), process };
        for _ in 0..100 {
            if TcpStream::connect(started.address).is_ok() {
                return Some(started);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }
}

impl Drop for Opentracker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

criterion_group!(benches, reading, exchange, server);
criterion_main!(benches);
