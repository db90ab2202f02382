//! A torrent that does nothing costs little: memory, and no turns of its task.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use support::counting::{BYTES, Counting};
use support::in_time;
use tinytorrent_client::{Client, ClientOptions, State, Torrent, TorrentOptions};
use tinytorrent_metainfo::{CreateOptions, Metainfo};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that an idle torrent of a small content may hold: what is known of it included.
const PER_TORRENT: usize = 8 << 10;

const COUNT: usize = 400;

/// Torrents of small files that are all in one folder.
fn torrents(folder: &std::path::Path) -> Vec<Metainfo> {
    let made = (0..COUNT).map(|number| {
        let path = folder.join(format!("content {number}"));
        std::fs::write(&path, number.to_string().repeat(9_000)).unwrap();
        let mut options = CreateOptions::new();
        options.piece_length(16 << 10).unwrap();
        options.create(&path, &|_| std::ops::ControlFlow::Continue(())).unwrap()
    });
    made.collect()
}

#[tokio::test]
async fn ten_thousand_idle_torrents_take_eighty_megabytes() {
    let folder = tempfile::tempdir().unwrap();
    let torrents = torrents(folder.path());
    let mut options = ClientOptions::default();
    options.listen("127.0.0.1:0".parse().unwrap());
    let client = Client::start(&options).unwrap();
    let add = |metainfo: &Metainfo| {
        client.add(metainfo, TorrentOptions::new(folder.path()).read_only(true)).unwrap()
    };
    // The first ones bring the threads and the tables that all share.
    let (first, rest) = torrents.split_at(COUNT / 4);
    let seeded = async |added: Vec<Torrent>| {
        for torrent in added {
            in_time(torrent.finished()).await.unwrap();
            assert_eq!(torrent.state(), State::Seeding);
        }
        // What the checks have held is let go.
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    seeded(first.iter().map(add).collect()).await;
    let before = BYTES.load(Ordering::Relaxed);
    seeded(rest.iter().map(add).collect()).await;
    let each = BYTES.load(Ordering::Relaxed).saturating_sub(before) / rest.len();
    println!("{each} bytes for each idle torrent");
    assert!(each <= PER_TORRENT, "{each} bytes for each idle torrent");
}
