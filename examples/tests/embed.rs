//! The programs that show how to embed the client: they do what they say, against a tracker and a seed of ours.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tinytorrent_client::{Client, ClientOptions, TorrentOptions};
use tinytorrent_metainfo::{CreateOptions, Metainfo};
use tinytorrent_tracker::server::{ServerConfig, Tracker, TrackerServer};
use tokio::process::Command;
use tokio::time::timeout;

/// Time for a program. It is long, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a file lies in a folder");
    deps.with_file_name("examples").join(name)
}

/// A seed that has announced itself to a tracker.
struct Scene {
    folder: tempfile::TempDir,
    metainfo: Metainfo,
    url: String,
    _client: Client,
    _server: TrackerServer,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let content = folder.path().join("a film\u{1b}[2J.bin");
        std::fs::write(&content, vec![7; 300_000]).unwrap();
        // Private, so that the DHT of the internet is left alone.
        let metainfo = CreateOptions::new().private(true).create_unobserved(content).unwrap();
        let config = ServerConfig::default();
        let tracker = Arc::new(Tracker::new(config.clone(), 7, Instant::now()));
        let addresses = ["127.0.0.1:0".parse().unwrap()];
        let server = TrackerServer::serve(tracker, &config, &[], &addresses).await.unwrap();
        let url = format!("http://{}/announce", server.http_addresses()[0]);
        let mut options = ClientOptions::default();
        let client = Client::start(options.listen("127.0.0.1:0".parse().unwrap())).unwrap();
        let mut options = TorrentOptions::new(folder.path());
        let seed = client.add(&metainfo, options.read_only(true).tracker(&url)).unwrap();
        timeout(PATIENCE, seed.finished()).await.unwrap().unwrap();
        while seed.trackers().iter().all(|tracker| tracker.totals.answers == 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self { folder, metainfo, url, _client: client, _server: server }
    }

    async fn run(&self, name: &str, words: &[&str]) -> String {
        let mut program = Command::new(example(name));
        let output = program.args(words).kill_on_drop(true).output();
        let output = timeout(PATIENCE, output).await.expect("in time").expect("it was built");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_crawler_prints_what_it_finds() {
    let scene = Scene::new().await;
    let hash = scene.metainfo.info().hashes().to_string();
    let words = ["--listen", "127.0.0.1:0", "--tracker", &scene.url, &hash];
    let found = scene.run("embed_crawler", &words).await;
    assert_eq!(found, format!("{hash}\t1 files\ta film\u{fffd}[2J.bin\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_downloader_downloads() {
    let scene = Scene::new().await;
    let (folder, file) = (scene.folder.path().join("out"), scene.folder.path().join("a.torrent"));
    let mut metainfo = scene.metainfo.clone();
    metainfo.set_trackers(vec![vec![scene.url.clone()]]);
    std::fs::write(&file, metainfo.to_bytes()).unwrap();
    let words = [file.to_str().unwrap(), folder.to_str().unwrap()];
    let said = scene.run("embed_download", &words).await;
    assert!(said.contains("300000 bytes received"), "{said}");
    let content = std::fs::read_dir(&folder).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        path.extension().is_some_and(|it| it == "bin").then(|| std::fs::read(path).unwrap())
    });
    assert!(content.collect::<Vec<_>>() == [vec![7; 300_000]]);
}
