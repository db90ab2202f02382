//! Floods of incoming connections from one host, and an honest peer from another.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::{Scene, address, client, in_time};
use tinytorrent_client::{Client, ClientOptions};
use tinytorrent_metainfo::Metainfo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// Connects from this address of the loopback network.
async fn connect(from: &str, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("{from}:0").parse().unwrap())?;
    socket.connect(to).await
}

fn handshake(metainfo: &Metainfo, number: usize) -> Vec<u8> {
    let mut hello = b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0".to_vec();
    hello.extend(metainfo.hashes().to_wire().as_bytes());
    hello.extend(format!("-XX0000-{number:012}").into_bytes());
    hello
}

/// Opens connections from one host for ever, and says this on each. Each task keeps the last ones.
fn flood(to: SocketAddr, kept: usize, says: Vec<u8>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut sockets = std::collections::VecDeque::new();
        loop {
            if let Ok(mut socket) = connect("127.0.0.2", to).await {
                let _ = socket.write_all(&says).await;
                sockets.push_back(socket);
            }
            if sockets.len() > kept {
                sockets.pop_front();
            }
            tokio::task::yield_now().await;
        }
    })
}

/// Lets a flood go on while honest peers shake hands, one after the other, each in pieces.
async fn assert_open(client: &Client, metainfo: &Metainfo, says: Vec<u8>) {
    let to = address(client);
    let floods: Vec<_> = (0..4).map(|_| flood(to, 300, says.clone())).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let hello = handshake(metainfo, 7);
    for honest in ["127.0.0.1", "127.0.0.3", "127.0.7.1"] {
        let mut socket = in_time(connect(honest, to)).await.unwrap();
        socket.set_nodelay(true).unwrap();
        for part in hello.chunks(20) {
            socket.write_all(part).await.unwrap();
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        in_time(socket.read_exact(&mut [0; 68])).await.expect("it is let in");
    }
    floods.iter().for_each(JoinHandle::abort);
}

// S-28
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_of_one_host_keep_no_other_out() {
    let scene = Scene::single(100_000);
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    assert_open(&seeder, &scene.metainfo, Vec::new()).await;
}

// S-28
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partial_handshakes_of_one_host_keep_no_other_out() {
    let scene = Scene::single(100_000);
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    assert_open(&seeder, &scene.metainfo, handshake(&scene.metainfo, 0)[..40].to_vec()).await;
}

// S-28
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_handshakes_of_one_host_keep_no_other_out() {
    let scene = Scene::single(100_000);
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    assert_open(&seeder, &scene.metainfo, handshake(&scene.metainfo, 0)).await;
}

// S-28, MSE
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_exchanges_of_one_host_keep_no_other_out() {
    let scene = Scene::single(100_000);
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    assert_open(&seeder, &scene.metainfo, vec![0x55; 96]).await;
}

// S-28
#[tokio::test]
async fn connections_of_all_torrents_together_are_limited() {
    let (one, two) = (Scene::single(100_000), Scene::single(200_000));
    let mut options = ClientOptions::default();
    options.listen("127.0.0.1:0".parse().unwrap()).max_connections(8);
    let seeder = Client::start(options).unwrap();
    let (_one, _two) = (one.seed(&seeder).await, two.seed(&seeder).await);
    let mut open = Vec::new();
    for n in 0..12 {
        let mut socket = connect("127.0.0.1", address(&seeder)).await.unwrap();
        let scene = if n % 2 == 0 { &one } else { &two };
        let _ = socket.write_all(&handshake(&scene.metainfo, n)).await;
        let is_open = in_time(socket.read_exact(&mut [0; 68])).await.is_ok();
        open.extend(is_open.then_some(socket));
    }
    assert_eq!(open.len(), 6, "three quarters, as the client may want to connect as well");
    open.pop();
    // Once the client has noticed the end, there is a place again.
    in_time(async {
        loop {
            let mut socket = connect("127.0.0.1", address(&seeder)).await.unwrap();
            let _ = socket.write_all(&handshake(&one.metainfo, 99)).await;
            if socket.read_exact(&mut [0; 68]).await.is_ok() {
                break;
            }
        }
    })
    .await;
}
