//! A peer of bare bytes against a client that seeds: the wire as it is spoken over a socket.

mod support;

use std::time::Duration;

use support::{Scene, address, encrypting_client, in_time, noise};
use tinytorrent_client::{Client, Encryption, Torrent};
use tinytorrent_types::PeerId;
use tinytorrent_wire::{Handshake, Reserved};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LENGTH: usize = 100_000;

/// A client that seeds a file of four pieces, and a connection to it.
struct Talk {
    _scene: Scene,
    _client: Client,
    _torrent: Torrent,
    socket: TcpStream,
    handshake: [u8; 68],
}

impl Talk {
    async fn new() -> Self {
        Self::with(Encryption::Prefer).await
    }

    async fn with(encryption: Encryption) -> Self {
        let scene = Scene::single(LENGTH);
        let client = encrypting_client(encryption);
        let torrent = scene.seed(&client).await;
        let handshake = Handshake {
            reserved: Reserved::empty(),
            info_hash: scene.metainfo.info().hashes().to_wire(),
            peer_id: PeerId::from_bytes([9; 20]),
        };
        let socket = TcpStream::connect(address(&client)).await.unwrap();
        let handshake = handshake.to_bytes();
        Self { _scene: scene, _client: client, _torrent: torrent, socket, handshake }
    }

    async fn greeted() -> Self {
        let mut talk = Self::new().await;
        let handshake = talk.handshake;
        talk.say(&handshake).await;
        talk.hear(68).await;
        assert_eq!(talk.hear(6).await, [0, 0, 0, 2, 5, 0xf0], "four pieces");
        talk
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    async fn hear(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        in_time(self.socket.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// Waits until the other end closes. Panics if it says something before.
    async fn closes(&mut self) -> bool {
        let mut byte = [0];
        match in_time(self.socket.read(&mut byte)).await {
            Ok(0) => true,
            Ok(_) => panic!("it says something"),
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    async fn is_silent(&mut self) -> bool {
        let mut byte = [0];
        timeout(Duration::from_millis(200), self.socket.read(&mut byte)).await.is_err()
    }

    /// Asks for the first 100 bytes of a piece.
    async fn gets_served(&mut self, piece: u8) {
        let header = [0, 0, 0, 109, 7, 0, 0, 0, piece, 0, 0, 0, 0];
        assert_eq!(self.hear(header.len()).await, header);
        let data = noise(LENGTH, 7);
        let begin = usize::from(piece) * (32 << 10);
        assert_eq!(self.hear(100).await, data[begin..begin + 100]);
    }
}

/// `interested`, then a request for the first 100 bytes of a piece.
fn wants(piece: u8) -> Vec<u8> {
    let request = [0, 0, 0, 13, 6, 0, 0, 0, piece, 0, 0, 0, 0, 0, 0, 0, 100];
    [&[0, 0, 0, 1, 2], &request[..]].concat()
}

/// W-01, BEP 3.
#[tokio::test]
async fn the_handshake_is_answered_before_the_peer_id_has_come() {
    let mut talk = Talk::new().await;
    let handshake = talk.handshake;
    talk.say(&handshake[..48]).await;
    let answer = talk.hear(68).await;
    assert_eq!((&answer[..20], &answer[28..48]), (&handshake[..20], &handshake[28..48]));
    talk.say(&handshake[48..]).await;
    assert_eq!(talk.hear(6).await, [0, 0, 0, 2, 5, 0xf0]);
}

/// W-02.
#[tokio::test]
async fn another_protocol_is_not_answered() {
    let mut talk = Talk::with(Encryption::Off).await;
    talk.say(b"\x13BitTorrent protocoL and so on").await;
    assert!(talk.closes().await);
}

/// W-10, W-53, BEP 3: whatever the reads are.
#[tokio::test]
async fn keep_alives_and_messages_come_byte_by_byte() {
    let mut talk = Talk::greeted().await;
    let bytes = [&[0, 0, 0, 0, 0, 0, 0, 0], &wants(2)[..]].concat();
    for byte in bytes {
        talk.say(&[byte]).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(talk.hear(5).await, [0, 0, 0, 1, 1], "unchoke");
    talk.gets_served(2).await;
}

/// W-21, W-53, W-54: many messages in one write, and each block in one piece.
#[tokio::test]
async fn blocks_come_whole_in_the_order_of_the_requests() {
    let mut talk = Talk::greeted().await;
    talk.say(&wants(0)).await;
    assert_eq!(talk.hear(5).await, [0, 0, 0, 1, 1], "unchoke");
    talk.gets_served(0).await;
    let many: Vec<u8> = (0..100).flat_map(|n| wants(n % 4)[5..].to_vec()).collect();
    talk.say(&many).await;
    for n in 0..100 {
        talk.gets_served(n % 4).await;
    }
}

/// W-09, W-12, BEP 3.
#[tokio::test]
async fn broken_framing_ends_the_connection() {
    let broken: [&[u8]; 4] = [
        &[0xff, 0xff, 0xff, 0xff],
        &[0, 0, 0, 2, 0, 0],
        &[0, 0, 0, 4, 4, 0, 0, 0],
        &[0, 0, 0, 14, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
    ];
    for bytes in broken {
        let mut talk = Talk::greeted().await;
        talk.say(bytes).await;
        assert!(talk.closes().await, "{bytes:?}");
    }
}

/// W-06, W-07, W-13: bits and messages that nobody knows do no harm.
#[tokio::test]
async fn what_is_not_known_is_passed_over() {
    let mut talk = Talk::new().await;
    let mut handshake = talk.handshake;
    // All bits but those of features that we have: they would change the conversation.
    handshake[20..28].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xef, 0xff, 0xea]);
    talk.say(&handshake).await;
    talk.hear(68).await;
    assert_eq!(talk.hear(6).await, [0, 0, 0, 2, 5, 0xf0]);
    talk.say(&[0, 0, 0, 5, 99, 1, 2, 3, 4]).await;
    assert!(talk.is_silent().await);
    talk.say(&wants(1)).await;
    assert_eq!(talk.hear(5).await, [0, 0, 0, 1, 1], "unchoke");
    talk.gets_served(1).await;
}
