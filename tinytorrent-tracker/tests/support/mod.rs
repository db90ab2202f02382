//! Trackers that misbehave, and what the tests against real ones share.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(unreachable_pub, reason = "`pub` in a test reads better and reaches nobody either way")]

pub mod process;
pub mod socks5;
pub mod story;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_net::{Network, NetworkConfig};
use tinytorrent_tracker::client::{ClientConfig, TrackerClient};
use tinytorrent_tracker::udp::{MAX_DATAGRAM, Request, RequestBody, Response, ResponseBody};
use tinytorrent_tracker::{AnnounceRequest, TrackerUrl};
use tinytorrent_types::{PeerId, WireInfoHash};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

/// A task that ends with the test.
pub struct Tracker {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tracker {
    pub fn http(&self) -> TrackerUrl {
        format!("http://{}/announce?passkey=a%2fb", self.address).parse().unwrap()
    }

    pub fn udp(&self) -> TrackerUrl {
        format!("udp://{}/announce", self.address).parse().unwrap()
    }

    /// An HTTP tracker that does what `serve` does with each connection, once the head of the
    /// request has come. The connection is closed when `serve` ends.
    pub async fn http_with<F, Fut>(serve: F) -> Self
    where
        F: Fn(String, TcpStream) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let serve = serve.clone();
                tokio::spawn(async move {
                    let head = read_head(&mut stream).await;
                    serve(head, stream).await;
                });
            }
        });
        Self { address, task }
    }

    /// An HTTP tracker that sends these bytes to every client.
    pub async fn http_sending(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::http_with(move |_, mut stream| {
            let bytes = bytes.clone();
            async move {
                let _ = stream.write_all(&bytes).await;
            }
        })
        .await
    }

    /// A UDP tracker that does what `answer` does with each datagram, counted from 0.
    pub async fn udp_with<F, Fut>(answer: F) -> Self
    where
        F: Fn(usize, Vec<u8>, SocketAddr, std::sync::Arc<UdpSocket>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let socket = std::sync::Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; MAX_DATAGRAM];
            for count in 0.. {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                answer(count, buffer[..length].to_vec(), from, socket.clone()).await;
            }
        });
        Self { address, task }
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1..) => head.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// The reply of a correct UDP tracker.
pub fn honest(datagram: &[u8], peers: &[u8]) -> Vec<u8> {
    let request = Request::read(datagram).unwrap();
    let body = match request.body {
        RequestBody::Connect => ResponseBody::Connect { connection_id: 0x5eed },
        RequestBody::Announce { .. } => {
            ResponseBody::Announce { interval: 1800, leechers: 1, seeders: 2, peers }
        }
        RequestBody::Scrape { .. } => ResponseBody::Scrape { counts: &[0; 12] },
    };
    let mut out = Vec::new();
    Response { transaction_id: request.transaction_id, body }.write(&mut out);
    out
}

pub const PEER: [u8; 6] = [203, 0, 113, 5, 0x1a, 0xe1];

/// A body with one peer.
pub const BODY: &[u8] = b"d8:intervali1800e5:peers6:\xcb\x00\x71\x05\x1a\xe1e";

/// `BODY` as a response with these further headers.
pub fn with_headers(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

pub fn request() -> AnnounceRequest {
    let mut request = AnnounceRequest::new(
        WireInfoHash::from_bytes([0xab; 20]),
        PeerId::from_bytes(*b"-TY0100-abcdefghijkl"),
        6881,
        0x1234_5678,
    );
    request.left = Some(1000);
    request
}

/// The same from another peer.
pub fn other_request() -> AnnounceRequest {
    let peer_id = PeerId::from_bytes(*b"-TY0100-lkjihgfedcba");
    AnnounceRequest { peer_id, port: 7777, ..request() }
}

/// Sends datagrams again after milliseconds, and is patient otherwise: machines are busy.
pub fn hasty() -> ClientConfig {
    let mut config = ClientConfig::default();
    config
        .udp_first_timeout(Duration::from_millis(100))
        .connect_timeout(Duration::from_secs(20))
        .read_timeout(Duration::from_secs(20))
        .request_timeout(Duration::from_secs(30));
    config
}

/// A network with a proxy.
pub fn through(proxy: &str) -> Network {
    let mut network = NetworkConfig::default();
    network.proxy(Some(proxy.parse().unwrap()));
    Network::new(network)
}

pub fn client(config: ClientConfig) -> TrackerClient {
    TrackerClient::new(config)
}
