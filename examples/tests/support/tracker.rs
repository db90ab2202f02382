//! A tracker that sends every client the same peers and records the announces.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::net;

/// The constant of a UDP connect request (BEP 15).
const MAGIC: u64 = 0x0417_2710_1980;

/// An announce of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announce {
    /// `started`, `completed`, `stopped`, or nothing.
    pub event: String,
    pub info_hash: [u8; 20],
    pub port: u16,
    pub left: u64,
    pub downloaded: u64,
}

/// A tracker over HTTP and UDP on one port of one host, in threads of its own.
pub struct RecordingTracker {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    peers: Vec<SocketAddr>,
    announces: Mutex<Vec<Announce>>,
    stop: AtomicBool,
}

impl RecordingTracker {
    /// Starts it; those of `peers` that are of the host's family are told to everyone.
    pub fn start(host: &str, peers: &[SocketAddr]) -> Self {
        let address = net::free_address(host);
        let family = |peer: &&SocketAddr| peer.is_ipv4() == address.is_ipv4();
        let shared = Arc::new(Shared {
            peers: peers.iter().filter(family).copied().collect(),
            announces: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let tcp = TcpListener::bind(address).expect("the port was free");
        tcp.set_nonblocking(true).unwrap();
        let udp = UdpSocket::bind(address).expect("the port was free");
        udp.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let (for_http, for_udp) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::spawn(move || serve_http(&tcp, &for_http)),
            std::thread::spawn(move || serve_udp(&udp, &for_udp)),
        ];
        Self { address, shared, threads }
    }

    /// Its HTTP announce URL.
    pub fn http(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// Its UDP announce URL.
    pub fn udp(&self) -> String {
        format!("udp://{}/announce", self.address)
    }

    /// All announces so far, oldest first.
    pub fn announces(&self) -> Vec<Announce> {
        self.shared.announces.lock().unwrap().clone()
    }

    /// The events of all announces so far that have one.
    pub fn events(&self) -> Vec<String> {
        let events = self.announces().into_iter().map(|announce| announce.event);
        events.filter(|event| !event.is_empty()).collect()
    }

    /// Waits until somebody announced this event.
    pub fn wait_for(&self, event: &str, patience: Duration) {
        let deadline = Instant::now() + patience;
        while !self.events().iter().any(|found| found == event) {
            assert!(Instant::now() < deadline, "no `{event}` in {:?}", self.announces());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for RecordingTracker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the tracker panicked");
        }
    }
}

impl Shared {
    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn compact_peers(&self) -> Vec<u8> {
        let bytes = |peer: &SocketAddr| {
            let ip = match peer.ip() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            [ip, peer.port().to_be_bytes().to_vec()].concat()
        };
        self.peers.iter().flat_map(bytes).collect()
    }
}

fn serve_http(listener: &TcpListener, shared: &Shared) {
    while !shared.stopping() {
        match listener.accept() {
            // A client that goes away early is its own affair.
            Ok((stream, _)) => drop(answer_http(stream, shared)),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn answer_http(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => head.extend_from_slice(&buffer[..count]),
        }
    }
    let head = String::from_utf8_lossy(&head);
    let target = head.split(' ').nth(1).unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    shared.announces.lock().unwrap().push(announce_of_query(query));
    let key = if stream.local_addr()?.is_ipv4() { "5:peers" } else { "6:peers6" };
    let peers = shared.compact_peers();
    let mut body = format!("d8:intervali1800e{key}{}:", peers.len()).into_bytes();
    body.extend(peers);
    body.push(b'e');
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat())
}

fn announce_of_query(query: &str) -> Announce {
    let raw = |name: &str| -> Vec<u8> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.into_iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value);
        percent_decode(value)
    };
    let text = |name| String::from_utf8_lossy(&raw(name)).into_owned();
    Announce {
        event: text("event"),
        info_hash: raw("info_hash").try_into().unwrap_or_default(),
        port: text("port").parse().unwrap_or_default(),
        left: text("left").parse().unwrap_or(u64::MAX),
        downloaded: text("downloaded").parse().unwrap_or(u64::MAX),
    }
}

fn percent_decode(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(bytes.next().unwrap_or(b'0')).to_digit(16).unwrap_or(0);
        out.push(if byte == b'%' { (digit() << 4 | digit()) as u8 } else { byte });
    }
    out
}

fn serve_udp(socket: &UdpSocket, shared: &Shared) {
    let mut packet = [0; 2048];
    while !shared.stopping() {
        let Ok((length, from)) = socket.recv_from(&mut packet) else { continue };
        if let Some(answer) = answer_udp(&packet[..length], shared) {
            // A lost answer is what UDP clients must live with.
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn answer_udp(packet: &[u8], shared: &Shared) -> Option<Vec<u8>> {
    let word = |at: usize| Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_be_bytes(packet.get(at..at + 8)?.try_into().ok()?));
    let (action, transaction) = (word(8)?, word(12)?.to_be_bytes());
    if action == 0 && long(0)? == MAGIC {
        return Some([&[0; 4], &transaction[..], &0x0bad_cafe_u64.to_be_bytes()].concat());
    }
    if action != 1 || long(0)? != 0x0bad_cafe {
        return None;
    }
    let event = ["", "completed", "started", "stopped"].get(word(80)? as usize)?;
    shared.announces.lock().unwrap().push(Announce {
        event: (*event).to_owned(),
        info_hash: packet.get(16..36)?.try_into().ok()?,
        port: u16::from_be_bytes(packet.get(96..98)?.try_into().ok()?),
        left: long(64)?,
        downloaded: long(56)?,
    });
    let head = [[0, 0, 0, 1], transaction, 1800_u32.to_be_bytes(), [0; 4], [0; 4]].concat();
    Some([head, shared.compact_peers()].concat())
}
