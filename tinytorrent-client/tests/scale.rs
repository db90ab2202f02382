//! Ten thousand torrents at once, to be measured: `docs/performance/scale.md` has the figures.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::in_time;
use tinytorrent_client::{Client, ClientOptions, Torrent, TorrentOptions};
use tinytorrent_metainfo::{CreateOptions, Metainfo};

/// Torrents of a file of 40,000 bytes each, three pieces, all files in one folder. Those of an earlier run
/// are taken again.
fn torrents(folder: &Path, count: usize) -> Vec<Metainfo> {
    fs::create_dir_all(folder.join("torrents")).unwrap();
    let made = (0..count).map(|number| {
        let torrent = folder.join(format!("torrents/{number}.torrent"));
        if let Ok(bytes) = fs::read(&torrent) {
            return Metainfo::from_bytes(&bytes).unwrap();
        }
        let path = folder.join(format!("content {number}"));
        fs::write(&path, format!("{number:08}").repeat(5_000)).unwrap();
        let mut options = CreateOptions::new();
        options.piece_length(16 << 10).unwrap();
        let metainfo = options.create_unobserved(&path).unwrap();
        fs::write(&torrent, metainfo.to_bytes()).unwrap();
        metainfo
    });
    made.collect()
}

/// Resident bytes of the process, where the system tells.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or_default() * 4096
}

/// Processor time of the process in ticks of 10 ms, where the system tells.
fn ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let field = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
    field(12).unwrap_or_default() + field(13).unwrap_or_default()
}

async fn seeding(torrents: &[Torrent]) {
    for torrent in torrents {
        in_time(torrent.finished()).await.unwrap();
    }
}

async fn run(what: &str, folder: &Path, torrents: &[Metainfo]) {
    let mut options = ClientOptions::default();
    let client = Client::start(options.listen("127.0.0.1:0".parse().unwrap())).unwrap();
    let (before, start) = (resident(), Instant::now());
    let add = |metainfo: &Metainfo| client.add(metainfo, TorrentOptions::new(folder)).unwrap();
    let added: Vec<Torrent> = torrents.iter().map(add).collect();
    let adding = start.elapsed();
    seeding(&added).await;
    let all = start.elapsed();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let each = resident().saturating_sub(before) / torrents.len() as u64;
    let idle = ticks();
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!(
        "{what}: added in {adding:.2?}, all seeding after {all:.2?}, {each} resident bytes for each, \
         {} ms of processor time in 5 s at rest",
        (ticks() - idle) * 10
    );
    let start = Instant::now();
    client.shutdown(Duration::from_secs(60)).await;
    println!("{what}: shut down in {:.2?}", start.elapsed());
}

fn folder() -> PathBuf {
    std::env::var_os("TINYTORRENT_SCALE")
        .map_or_else(|| tempfile::tempdir().unwrap().keep(), PathBuf::from)
}

fn count() -> usize {
    std::env::var("TINYTORRENT_COUNT").map_or(10_000, |count| count.parse().unwrap())
}

// The tests below each want a process of their own, since what one leaves in the heap is not counted for the next:
//
//     export TINYTORRENT_SCALE=FOLDER
//     cargo test --release -p tinytorrent-client --test scale -- --ignored --nocapture new_torrents
//     cargo test --release -p tinytorrent-client --test scale -- --ignored --nocapture known_torrents

#[tokio::test]
#[ignore = "it measures, and takes a minute"]
async fn new_torrents() {
    let folder = folder();
    let torrents = torrents(&folder, count());
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "tinytorrent-resume") {
            fs::remove_file(path).unwrap();
        }
    }
    run("checked", &folder, &torrents).await;
    println!("torrents and contents are in {}", folder.display());
}

#[tokio::test]
#[ignore = "it measures, and takes a minute"]
async fn known_torrents() {
    let folder = folder();
    let torrents = torrents(&folder, count());
    run("from resume records", &folder, &torrents).await;
}
