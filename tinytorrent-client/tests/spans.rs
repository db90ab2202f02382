//! Every log line is in the spans of what it is about: its torrent, and the peer or the tracker.

mod support;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use support::{Scene, address, client, in_time, tracker_failed_and_peer_joined};
use tinytorrent_client::{HostPort, TorrentOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing_subscriber::filter::LevelFilter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The lines of the client, as `spans: module: message`.
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .filter(|line| line.contains("tinytorrent_client::"))
            .map(str::to_owned)
            .collect()
    }
}

#[tokio::test]
async fn each_line_is_in_the_spans_of_what_it_is_about() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::DEBUG)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .init();

    let scene = Scene::multi();
    let (here, there) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let seed = scene.seed(&here).await;
    let mut options = TorrentOptions::new(scene.leech_dir());
    // Nobody listens there.
    options.tracker("http://127.0.0.1:1/announce/secret").peer(address(&here));
    options.peer("name.invalid:7".parse::<HostPort>().unwrap());
    let leech = there.add(&scene.metainfo, &options).unwrap();
    tracker_failed_and_peer_joined(&leech).await;
    in_time(leech.finished()).await.unwrap();

    // A stranger, who names no torrent.
    let mut stranger = TcpStream::connect(address(&here)).await.unwrap();
    let strangers_address = stranger.local_addr().unwrap();
    stranger.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    stranger.shutdown().await.unwrap();
    let _ = in_time(stranger.read_to_end(&mut Vec::new())).await;
    let is_resolved = || log.lines().iter().any(|line| line.contains("the name of a peer"));
    in_time(async {
        while !is_resolved() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    leech.stop().await;
    seed.stop().await;

    let lines = log.lines();
    let hash = scene.metainfo.info().hashes().to_string();
    let torrent = format!("torrent{{hash={}}}", &hash[..8]);
    let (strangers, ours): (Vec<&String>, Vec<&String>) =
        lines.iter().partition(|line| line.contains("tinytorrent_client::listener"));
    for line in &ours {
        let spans = line.split(": tinytorrent_client").next().unwrap();
        let is_of = |span: &str| spans.contains(span);
        assert!(is_of(&torrent), "{line}");
        let is_about_peer = ["PeerJoined", "PeerLeft", "disconnecting", "name of a peer"];
        let is_about_tracker = ["TrackerFailed", "TrackerAnswered", "announcing"];
        let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
        assert_eq!(is_of("peer{address="), has(&is_about_peer), "{line}");
        assert_eq!(is_of("tracker{host=\"127.0.0.1\"}"), has(&is_about_tracker), "{line}");
        assert!(!spans.contains("secret"), "{line}");
    }
    for word in ["PeerJoined", "disconnecting", "name.invalid:7", "TrackerFailed", "announcing"] {
        assert!(ours.iter().any(|line| line.contains(word)), "no line has {word}: {ours:#?}");
    }
    let stranger = format!("peer{{address={strangers_address}}}: ");
    assert!(strangers.iter().all(|line| line.contains(&stranger)), "{strangers:#?}");
    assert!(!strangers.is_empty());
}
