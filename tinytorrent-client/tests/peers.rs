//! A connected peer that does nothing costs little memory.

mod support;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

use support::counting::{BYTES, Counting};
use support::{Scene, address, client, in_time};
use tinytorrent_client::Torrent;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that a peer may hold: its buffer, its task, and what the engine knows of it.
const PER_PEER: usize = 16 << 10;

const COUNT: usize = 300;

/// Connects a peer that has nothing and wants everything. Its own end takes no memory of this process but the
/// system's.
fn join(to: SocketAddr, scene: &Scene, number: usize) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    let mut hello = b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0".to_vec();
    hello.extend(scene.metainfo.hashes().to_wire().as_bytes());
    hello.extend(format!("-XX0000-{number:012}").into_bytes());
    hello.extend(b"\0\0\0\x01\x02");
    stream.write_all(&hello).unwrap();
    stream
}

/// Waits until so many peers are there, and have been greeted.
async fn settle(seed: &Torrent, count: usize) {
    in_time(async {
        while seed.stats().peers < count as u32 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    // The first messages are sent, or let go.
    tokio::time::sleep(Duration::from_millis(300)).await;
}

#[tokio::test]
async fn a_thousand_idle_peers_take_sixteen_megabytes() {
    let scene = Scene::single(1 << 20);
    let client = client("127.0.0.1:0");
    let seed = scene.seed(&client).await;
    seed.set_max_peers(COUNT);
    let gather = |numbers: std::ops::Range<usize>| {
        numbers.map(|number| join(address(&client), &scene, number)).collect::<Vec<_>>()
    };
    // The first ones bring the tables that all share.
    let _first = gather(0..COUNT / 3);
    settle(&seed, COUNT / 3).await;
    let before = BYTES.load(Ordering::Relaxed);
    let rest = gather(COUNT / 3..COUNT);
    settle(&seed, COUNT).await;
    let each = BYTES.load(Ordering::Relaxed).saturating_sub(before) / rest.len();
    println!("{each} bytes for each connected peer");
    assert!(each <= PER_PEER, "{each} bytes for each connected peer");
}
