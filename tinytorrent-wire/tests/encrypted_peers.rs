//! Encrypted conversations with libtorrent and transmission, both set to require encryption.
//!
//! A test is left out, with a message, if its program is not installed.
#![cfg(all(feature = "mse", target_os = "linux"))]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "other clients need sockets"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use sha1::{Digest, Sha1};
use tinytorrent_bencode::encode;
use tinytorrent_types::{Geometry, InfoHashV1, InfoHashes, PeerId, WireInfoHash};
use tinytorrent_wire::extension::{
    ExtendedHandshake, Extension, ExtensionMessage, MetadataMessage, OurExtensions, TheirExtensions,
};
use tinytorrent_wire::metadata::MetadataAssembly;
use tinytorrent_wire::mse::{
    Initiator, Method, MseConfig, NegotiateError, ObfuscatedHash, Policy, Randomness, Responder,
    Stream,
};
use tinytorrent_wire::session::{Session, Side, check_greeting};
use tinytorrent_wire::{Decoder, Feature, Handshake, Message, Request, Reserved, session};

const PYTHON: &str = "/usr/bin/python3";
const PIECE: u32 = 32 * 1024;
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns true if the program is installed. Otherwise it prints that the test is left out, or fails where
/// no test may be left out.
fn have(what: &str, check: &mut Command) -> bool {
    let found = check.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    let required = std::env::var("TINYTORRENT_INTEROP").is_ok_and(|value| value == "require");
    assert!(found || !required, "{what} is not installed");
    if !found {
        let _ = writeln!(std::io::stderr(), "skipped: {what} is not installed");
    }
    found
}

fn have_libtorrent() -> bool {
    have("python3-libtorrent", Command::new(PYTHON).args(["-c", "import libtorrent"]))
}

/// A file, its torrent, and a folder for both.
struct Scene {
    folder: tempfile::TempDir,
    content: Vec<u8>,
    info: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> =
            (0..200_000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b1).to_be_bytes()).collect();
        let mut info = Vec::new();
        encode::dict(&mut info, |info| {
            info.integer("length", content.len() as u64);
            info.bytes("name", "content.bin");
            info.integer("piece length", PIECE);
            let hashes: Vec<u8> = content.chunks(PIECE as usize).flat_map(Sha1::digest).collect();
            info.bytes("pieces", hashes);
        });
        let torrent = [b"d4:info", &info[..], b"e"].concat();
        std::fs::write(folder.path().join("content.bin"), &content).unwrap();
        std::fs::write(folder.path().join("content.torrent"), torrent).unwrap();
        Self { folder, content, info }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn torrent(&self) -> InfoHashes {
        InfoHashes::from_v1(InfoHashV1::from_bytes(Sha1::digest(&self.info).into()))
    }

    fn wire_hash(&self) -> WireInfoHash {
        self.torrent().to_wire()
    }

    fn handshake(&self) -> Handshake {
        Handshake {
            reserved: Reserved::from([Feature::Extended, Feature::Fast]),
            info_hash: self.wire_hash(),
            peer_id: PeerId::generate(*b"abcdefghijkl"),
        }
    }

    fn geometry(&self) -> Geometry {
        Geometry::new(self.content.len() as u64, PIECE).unwrap()
    }
}

/// A process that ends with the test.
struct Peer {
    process: Child,
    address: SocketAddr,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A seed that requires encryption of the given level and dials the given peers.
const LIBTORRENT: &str = r#"
import sys, time, threading, os, libtorrent as lt
folder, listen, level, dial = sys.argv[1:5]
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
session = lt.session({
    'listen_interfaces': listen, 'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False,
    'enable_natpmp': False, 'enable_incoming_utp': False, 'enable_outgoing_utp': False,
    'in_enc_policy': int(lt.enc_policy.forced), 'out_enc_policy': int(lt.enc_policy.forced),
    'allowed_enc_level': int(getattr(lt.enc_level, level)), 'prefer_rc4': level != 'plaintext',
    'seeding_outgoing_connections': True, 'min_reconnect_time': 1})
params = lt.add_torrent_params()
params.ti = lt.torrent_info(folder + '/content.torrent')
params.save_path = folder
params.flags |= lt.torrent_flags.seed_mode
params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
handle = session.add_torrent(params)
while not (session.is_listening() and handle.status().is_seeding):
    time.sleep(0.05)
print('READY', flush=True)
while True:
    if dial != 'nobody' and not handle.get_peer_info():
        host, port = dial.split(':')
        handle.connect_peer((host, int(port)))
    time.sleep(0.5)
"#;

fn libtorrent(scene: &Scene, level: &str, dial: Option<SocketAddr>) -> Peer {
    let address = free_address();
    let dial = dial.map_or("nobody".to_owned(), |address| address.to_string());
    let mut process = Command::new(PYTHON)
        .args(["-c", LIBTORRENT])
        .arg(scene.path())
        .args([&address.to_string(), level, &dial])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = process.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "READY");
    Peer { process, address }
}

/// A daemon that seeds and requires encryption.
fn transmission(scene: &Scene) -> Peer {
    let (address, rpc) = (free_address(), free_address());
    let folder = scene.path().display();
    let settings = format!(
        r#"{{"bind-address-ipv4":"127.0.0.1","bind-address-ipv6":"::1","peer-port":{},
        "rpc-bind-address":"127.0.0.1","rpc-port":{},"download-dir":"{folder}","encryption":2,
        "dht-enabled":false,"lpd-enabled":false,"utp-enabled":false,"pex-enabled":true,
        "port-forwarding-enabled":false,"watch-dir":"{folder}","watch-dir-enabled":true,
        "peer-port-random-on-start":false,"rename-partial-files":false}}"#,
        address.port(),
        rpc.port()
    );
    let config = scene.path().join("config");
    std::fs::create_dir(&config).unwrap();
    std::fs::write(config.join("settings.json"), settings).unwrap();
    let process = Command::new("transmission-daemon")
        .args(["--foreground", "--config-dir"])
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Peer { process, address }
}

/// A connection after the negotiation.
struct Connection {
    stream: Stream<TcpStream>,
    received: BytesMut,
}

fn randomness(seed: u8) -> Randomness {
    Randomness::new([seed; 20], &vec![seed; usize::from(seed)])
}

impl Connection {
    /// Connects, with retries until the peer is ready. Until then it refuses or closes connections.
    fn connect_when_ready(scene: &Scene, to: SocketAddr, config: MseConfig) -> Self {
        let started = Instant::now();
        loop {
            if let Some(connected) = Connection::connect(scene, to, config) {
                return connected;
            }
            assert!(started.elapsed() < PATIENCE, "the peer does not accept us");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Connects and sends our handshake at once. `None` if the peer is not ready yet.
    fn connect(scene: &Scene, to: SocketAddr, config: MseConfig) -> Option<Self> {
        let socket = TcpStream::connect(to).ok()?;
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let ours = scene.handshake().to_bytes();
        let initiator = Initiator::new(scene.wire_hash(), config, randomness(77), &ours);
        match Stream::negotiate(socket, initiator, &Policy::default()) {
            Ok(stream) => Some(Self { stream, received: BytesMut::new() }),
            Err(NegotiateError::Io(_) | NegotiateError::Closed) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Accepts a connection for the torrent, and sends our handshake.
    fn accept(scene: &Scene, listener: &TcpListener, config: MseConfig) -> Self {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let torrent = scene.wire_hash();
        let find = |hash: &ObfuscatedHash| (*hash == torrent.into()).then_some(torrent);
        let responder = Responder::new(config, randomness(99), find);
        let stream = Stream::negotiate(socket, responder, &Policy::default()).unwrap();
        assert_eq!(stream.torrent(), Some(torrent));
        let mut connection = Self { stream, received: BytesMut::new() };
        connection.write(&scene.handshake().to_bytes());
        connection
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn read(&mut self) {
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "the peer hung up");
        self.received.extend_from_slice(&buffer[..count]);
    }

    fn handshake(&mut self, scene: &Scene) -> Handshake {
        loop {
            if let Some(theirs) = Handshake::decode(&mut self.received).unwrap() {
                check_greeting(&scene.torrent(), &scene.handshake(), &theirs).unwrap();
                return theirs;
            }
            self.read();
        }
    }
}

/// Fetches the metadata and every block after the handshakes, and judges each message.
fn fetch_all(scene: &Scene, mut connection: Connection) {
    let theirs = connection.handshake(scene);
    let features = scene.handshake().reserved;
    let mut session = Session::new(features, theirs.reserved, session::SessionConfig::strict());
    session.learn_geometry(scene.geometry()).unwrap();
    let ours = OurExtensions::new([Extension::Metadata, Extension::PeerExchange]);
    let mut their_extensions = TheirExtensions::default();
    let mut assembly = MetadataAssembly::new(Default::default());
    let hello = Message::from(ExtendedHandshake::new(&ours).to_message());
    let mut outgoing = vec![hello, Message::HaveNone, Message::Interested];
    let geometry = scene.geometry();
    let mut wanted: Vec<Request> = geometry
        .pieces()
        .flat_map(|piece| geometry.blocks(piece))
        .map(|block| Request {
            index: block.piece().get(),
            begin: block.begin(),
            length: block.length(),
        })
        .collect();
    let mut missing = wanted.len();
    let mut decoder = Decoder::new();
    let started = Instant::now();
    while missing > 0 || !assembly.is_done() {
        assert!(started.elapsed() < PATIENCE, "{missing} blocks are missing");
        while let Some(&next) = wanted.last().filter(|next| session.may_request(next.index)) {
            wanted.pop();
            outgoing.push(Message::Request(next));
            session.handle_sent(&Message::Request(next)).unwrap();
        }
        while let Some(((), block)) = assembly.poll_request(started) {
            let id = their_extensions.id(Extension::Metadata).unwrap();
            outgoing.push(ExtensionMessage::request_metadata(id, block).into());
        }
        for message in outgoing.drain(..) {
            if !matches!(message, Message::Request(_)) {
                session.handle_sent(&message).unwrap();
            }
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            connection.write(&bytes);
        }
        let frames: Vec<_> = decoder.split_frames(&mut connection.received).collect();
        if frames.is_empty() {
            connection.read();
        }
        for message in frames {
            let message = message.unwrap();
            session.handle_received(&message).unwrap();
            match &message {
                Message::Piece(piece) => {
                    let at = piece.index as usize * PIECE as usize + piece.begin as usize;
                    assert_eq!(piece.data, scene.content[at..at + piece.data.len()]);
                    missing -= 1;
                }
                Message::Extended(extended) => match ours.read(extended).unwrap() {
                    ExtensionMessage::Handshake(handshake) => {
                        their_extensions.update(&handshake);
                        let size = handshake.metadata_size.unwrap();
                        assembly.add_peer(started, (), size).unwrap();
                    }
                    ExtensionMessage::Metadata(MetadataMessage::Data {
                        block,
                        total_size,
                        data,
                    }) => {
                        assembly.handle_data(started, (), block, total_size, &data);
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        while let Some(complete) = assembly.poll_complete() {
            let is_right = complete.bytes == scene.info;
            assembly.handle_verdict(started, complete, is_right);
        }
    }
    assert!(!session.is_choking(Side::Peer) && session.pieces(Side::Peer).unwrap().is_full());
}

/// W-57: we connect, for either method.
#[test]
fn libtorrent_serves_us_encrypted() {
    if !have_libtorrent() {
        return;
    }
    for (level, config, method) in [
        ("rc4", MseConfig::default(), Method::Rc4),
        ("both", MseConfig::only(Method::Rc4), Method::Rc4),
        ("plaintext", MseConfig::default(), Method::Plaintext),
    ] {
        let scene = Scene::new();
        let peer = libtorrent(&scene, level, None);
        let connection = Connection::connect_when_ready(&scene, peer.address, config);
        assert_eq!(connection.stream.method(), Some(method), "{level}");
        fetch_all(&scene, connection);
    }
}

/// W-57: libtorrent connects, for either method.
#[test]
fn libtorrent_connects_to_us_encrypted() {
    if !have_libtorrent() {
        return;
    }
    for (level, config, method) in [
        ("rc4", MseConfig::default(), Method::Rc4),
        ("both", MseConfig::only(Method::Plaintext), Method::Plaintext),
        ("plaintext", MseConfig::default(), Method::Plaintext),
    ] {
        let scene = Scene::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _peer = libtorrent(&scene, level, Some(listener.local_addr().unwrap()));
        let connection = Connection::accept(&scene, &listener, config);
        assert_eq!(connection.stream.method(), Some(method), "{level}");
        fetch_all(&scene, connection);
    }
}

/// W-57: transmission refuses peers on loopback that it is told of, so it cannot be made to dial.
#[test]
fn transmission_serves_us_encrypted() {
    if !have("transmission-daemon", Command::new("transmission-daemon").arg("--version")) {
        return;
    }
    let scene = Scene::new();
    let peer = transmission(&scene);
    let connection = Connection::connect_when_ready(&scene, peer.address, MseConfig::default());
    assert_eq!(connection.stream.method(), Some(Method::Rc4));
    fetch_all(&scene, connection);
}
