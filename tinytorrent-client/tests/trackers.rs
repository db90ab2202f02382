//! Trackers that are replaced and scraped while their torrent runs.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::{Scene, in_time};
use tinytorrent_client::{Client, ClientOptions, Event, SwarmEvent, Torrent, TorrentOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// An HTTP tracker that knows no peer, and its requests.
struct Tracker {
    address: SocketAddr,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Tracker {
    /// One that answers scrapes like this.
    async fn new(scrape: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap_or_default();
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let line = text.lines().next().unwrap_or_default().to_owned();
                let body = if line.contains("/scrape") { &scrape[..] } else { b"d5:peers0:e" };
                let _ = stream.write_all(&[b"HTTP/1.1 200 OK\r\n\r\n", body].concat()).await;
                let _ = sender.send(line);
            }
        });
        Self { address, requests }
    }

    fn url(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// Waits for a request with this in its first line.
    async fn asked(&mut self, what: &str) {
        while !in_time(self.requests.recv()).await.unwrap().contains(what) {}
    }
}

fn kept_client(state: &std::path::Path) -> Client {
    let mut options = ClientOptions::default();
    Client::start(options.accept_peers(false).dht(false).state(state)).unwrap()
}

fn urls(torrent: &Torrent) -> Vec<String> {
    torrent.trackers().into_iter().map(|tracker| tracker.url).collect()
}

/// BEP 28
#[tokio::test(flavor = "multi_thread")]
async fn a_client_learns_the_trackers_of_the_torrent_from_a_peer_and_asks_them() {
    let mut tracker = Tracker::new(Vec::new()).await;
    let scene = Scene::single(300_000);
    let [seeder, leecher, shy] = [(); 3].map(|()| support::client("127.0.0.1:0"));
    let mut options = TorrentOptions::new(scene.seed_dir());
    options.read_only(true).resume(false).tracker("http://127.0.0.1:1/secret");
    let mut with_tracker = scene.metainfo.clone();
    with_tracker.set_trackers(vec![vec![tracker.url()]]);
    let seed = seeder.add(with_tracker, options).unwrap();
    in_time(seed.finished()).await.unwrap();
    tracker.asked("event=started").await;
    // Slow, so that both are there when it is time to tell.
    let mut options = scene.leech(&seeder);
    options.download_limit(Some(1));
    let learning = leecher.add(&scene.metainfo, &options).unwrap();
    let other = tempfile::tempdir().unwrap();
    let mut options = TorrentOptions::new(other.path());
    options.peer(support::address(&seeder)).download_limit(Some(1)).tracker_exchange(false);
    let deaf = shy.add(&scene.metainfo, options).unwrap();
    tracker.asked("event=started").await;
    assert_eq!((urls(&learning), urls(&deaf)), (vec![tracker.url()], vec![]));
}

/// T-07
#[tokio::test]
async fn a_list_that_is_set_takes_the_place_of_all_others_and_is_kept() {
    let (mut one, mut two) = (Tracker::new(Vec::new()).await, Tracker::new(Vec::new()).await);
    let (scene, state) = (Scene::single(1), tempfile::tempdir().unwrap());
    let client = kept_client(state.path());
    let mut options = TorrentOptions::new(scene.leech_dir());
    options.tracker(one.url());
    let torrent = client.add(&scene.metainfo, options).unwrap();
    one.asked("event=started").await;
    while torrent.trackers()[0].state != tinytorrent_client::TrackerState::Working {
        tokio::task::yield_now().await;
    }
    torrent.set_trackers(vec![vec![two.url()], vec!["no url".into()]]);
    assert_eq!(urls(&torrent), [two.url()]);
    one.asked("event=stopped").await;
    two.asked("event=started").await;
    let later = "http://127.0.0.1:1/announce".to_owned();
    torrent.add_trackers(vec![vec![later.clone()]]);
    in_time(client.shutdown(Duration::from_secs(9))).await;
    drop((client, torrent));

    let client = kept_client(state.path());
    let torrent = client.torrents().remove(0);
    assert_eq!(urls(&torrent), [two.url(), later]);
    two.asked("event=started").await;
    torrent.set_trackers(Vec::new());
    two.asked("event=stopped").await;
    in_time(client.shutdown(Duration::from_secs(9))).await;
    drop((client, torrent));
    let client = kept_client(state.path());
    assert_eq!(urls(&client.torrents()[0]), Vec::<String>::new(), "an empty list is one too");
}

/// H-35 to H-37
#[tokio::test]
async fn a_scrape_brings_the_numbers_of_each_tracker() {
    let scene = Scene::single(1);
    let hash = scene.metainfo.hashes().v1().unwrap();
    let counts = b"d8:completei3e10:downloadedi7e10:incompletei2ee";
    let body = [b"d5:filesd20:", &hash.as_bytes()[..], counts, b"ee"].concat();
    let mut tracker = Tracker::new(body).await;
    let mut options = TorrentOptions::new(scene.leech_dir());
    options.tracker(tracker.url()).tracker("http://127.0.0.1:1/announce").paused(true);
    let mut client = ClientOptions::default();
    let client = Client::start(client.accept_peers(false).dht(false)).unwrap();
    let torrent = client.add(&scene.metainfo, options).unwrap();
    let mut events = torrent.events();
    torrent.scrape();
    let (mut answered, mut failed) = (0, 0);
    while (answered, failed) != (1, 1) {
        match in_time(events.next()).await.unwrap() {
            Event::Swarm(SwarmEvent::TrackerScraped { .. }) => answered += 1,
            Event::Swarm(SwarmEvent::ScrapeFailed { .. }) => failed += 1,
            _ => {}
        }
    }
    let [up, down] = &torrent.trackers()[..] else { panic!() };
    assert_eq!((up.seeders, up.leechers, up.completed), (Some(3), Some(2), Some(7)));
    assert!(up.scrape.age.is_some() && up.scrape.error.is_none());
    assert!(down.scrape.age.is_none() && down.scrape.error.is_some());
    tracker.asked("/scrape").await;
    torrent.resume();
    tracker.asked("event=started").await;
    in_time(torrent.stop()).await;
    torrent.scrape();
    assert_eq!(torrent.trackers(), []);
}
