//! Web seeds of torrents: what the handles show and change, and what is kept.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tinytorrent_client::{
    Client, ClientOptions, FigureDetail, Magnet, Metainfo, TorrentOptions, WebSeedProtocol,
    WebSeedSource, WebSeedState,
};
use tinytorrent_metainfo::CreateOptions;

const LENGTH: usize = 300_000;

fn content() -> Vec<u8> {
    (0..LENGTH).map(|at| (at % 253) as u8).collect()
}

/// A server of the one file that takes no ranges, and the number of its connections.
fn server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let connections = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            connections.fetch_add(1, Ordering::Relaxed);
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
            // The client may hang up.
            let _ = stream.write_all(&[head.as_bytes(), &content()].concat());
        }
    });
    (url, count)
}

fn metainfo(folder: &Path, is_private: bool, web_seeds: &[&str]) -> Metainfo {
    let path = folder.join("x.bin");
    std::fs::write(&path, content()).unwrap();
    let mut options = CreateOptions::new();
    options.private(is_private);
    web_seeds.iter().for_each(|url| _ = options.web_seed(*url));
    let metainfo = options.create(&path, &|_| ControlFlow::Continue(())).unwrap();
    std::fs::remove_file(path).unwrap();
    metainfo
}

fn options() -> ClientOptions {
    let mut options = ClientOptions::default();
    options.listen(([127, 0, 0, 1], 0).into()).dht(false).utp(false);
    options
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), future).await.expect("in time")
}

/// F-02
#[tokio::test]
async fn web_seeds_are_added_and_removed_while_the_torrent_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = server();
    let named = ["http://192.0.2.1/gone", "http://192.0.2.1/gone", "ftp://h/x"];
    let metainfo = metainfo(folder.path(), false, &named);
    let client = Client::start(options()).unwrap();
    let torrent = client.add(metainfo, TorrentOptions::new(folder.path())).unwrap();
    let seeds = torrent.web_seeds();
    assert_eq!(seeds.len(), 1, "{seeds:?}");
    assert_eq!(
        (seeds[0].source, seeds[0].protocol),
        (WebSeedSource::Torrent, WebSeedProtocol::Files)
    );
    torrent.remove_web_seeds(["http://192.0.2.1/gone".to_owned()]);
    assert_eq!(torrent.web_seeds(), []);
    torrent.add_web_seeds([url.clone(), url.clone(), "no url".to_owned()]);
    in_time(torrent.finished()).await.unwrap();
    assert_eq!(std::fs::read(folder.path().join("x.bin")).unwrap(), content());
    let seeds = torrent.web_seeds();
    assert_eq!((seeds.len(), &seeds[0].url), (1, &url));
    assert_eq!((seeds[0].source, seeds[0].downloaded), (WebSeedSource::User, LENGTH as u64));
    assert_eq!(seeds[0].last_error, None);
    let stats = torrent.stats();
    assert_eq!((stats.downloaded, stats.peers, stats.hash_failures), (LENGTH as u64, 0, 0));
    assert_eq!(torrent.counts().downloaded_from_web_seeds, LENGTH as u64);
    let figures = client.figures(FigureDetail::Torrents);
    for name in ["tinytorrent_web_seed_bytes_total", "tinytorrent_torrent_web_seed_bytes_total"] {
        assert_eq!(figures.get(name).unwrap().samples[0].value, LENGTH as f64, "{name}");
    }
}

/// F-16
#[tokio::test]
async fn a_private_torrent_uses_no_web_seed_of_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (url, connections) = server();
    let metainfo = metainfo(folder.path(), true, &[]);
    let mut magnet = Magnet::from(&metainfo);
    magnet.web_seeds = vec![url.clone()];
    let mut allowing = options();
    allowing.allow_local_addresses(true);
    let client = Client::start(allowing).unwrap();
    let torrent = client.add(magnet, TorrentOptions::new(folder.path())).unwrap();
    assert_eq!(torrent.web_seeds()[0].source, WebSeedSource::Link);
    // Another client, which knows the torrent, gives the metadata and nothing else.
    let seed_folder = tempfile::tempdir().unwrap();
    let seeder = Client::start(options()).unwrap();
    let mut seed_options = TorrentOptions::new(seed_folder.path());
    std::fs::write(seed_folder.path().join("x.bin"), content()).unwrap();
    seed_options.upload_limit(Some(0));
    let seed = seeder.add(metainfo, seed_options).unwrap();
    in_time(seed.finished()).await.unwrap();
    torrent.add_peers([seeder.listen_addresses()[0].into()]);
    in_time(torrent.metadata()).await.unwrap();
    in_time(async {
        while !torrent.web_seeds().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(connections.load(Ordering::Relaxed), 0);
    torrent.add_web_seeds([url]);
    in_time(torrent.finished()).await.unwrap();
}

#[tokio::test]
async fn web_seeds_are_kept_in_the_session_and_can_be_off() {
    let folder = tempfile::tempdir().unwrap();
    let metainfo = metainfo(folder.path(), false, &["http://192.0.2.1/a", "http://192.0.2.1/b"]);
    let hashes = metainfo.hashes();
    let state = folder.path().join("state");
    let mut kept = options();
    kept.state(&state);
    let urls = |client: &Client| {
        let seeds = client.get(hashes).unwrap().web_seeds();
        seeds.into_iter().map(|seed| (seed.url, seed.source)).collect::<Vec<_>>()
    };
    let client = Client::start(&kept).unwrap();
    let mut torrent_options = TorrentOptions::new(folder.path());
    torrent_options.web_seed("http://192.0.2.1/user");
    let torrent = client.add(&metainfo, &torrent_options).unwrap();
    torrent.remove_web_seeds(["http://192.0.2.1/a".to_owned()]);
    let before = urls(&client);
    drop(torrent);
    client.shutdown(Duration::from_secs(5)).await;
    drop(client);
    let client = Client::start(&kept).unwrap();
    let [user, b] = ["user", "b"].map(|path| format!("http://192.0.2.1/{path}"));
    assert_eq!(urls(&client), [(user, WebSeedSource::User), (b, WebSeedSource::Torrent)]);
    assert_eq!(urls(&client), before);
    client.shutdown(Duration::from_secs(5)).await;

    let other = Client::start(options()).unwrap();
    torrent_options.web_seeds(false);
    let torrent = other.add(metainfo, torrent_options).unwrap();
    assert_eq!(torrent.web_seeds(), []);
}

#[tokio::test]
async fn a_web_seed_that_cannot_be_reached_says_so_and_rests() {
    let folder = tempfile::tempdir().unwrap();
    let metainfo = metainfo(folder.path(), false, &[]);
    let client = Client::start(options()).unwrap();
    let mut torrent_options = TorrentOptions::new(folder.path());
    // It does not listen, and nobody else gets its port.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    torrent_options.web_seed(format!("http://{}/", socket.local_addr().unwrap()));
    let torrent = client.add(metainfo, torrent_options).unwrap();
    let seed = in_time(async {
        loop {
            let seed = torrent.web_seeds().remove(0);
            if seed.state == WebSeedState::Resting {
                return seed;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(seed.last_error.unwrap().contains("refused"));
    assert!(seed.retry_in.unwrap() <= Duration::from_secs(10) && seed.failures == 1);
}
