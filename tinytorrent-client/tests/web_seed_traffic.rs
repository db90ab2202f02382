//! Requests to web servers, and the bytes that come of them.

#[path = "../../tinytorrent-net/tests/support/proxy.rs"]
mod proxy;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proxy::Proxy;
use support::{Scene, client, in_time};
use tinytorrent_client::{Client, ClientOptions, FileSelection, TorrentOptions};
use tinytorrent_metainfo::Version;

const LISTEN: &str = "127.0.0.1:0";

/// A web server of a folder, which takes ranges and keeps connections.
struct Server {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    connections: usize,
    paths: BTreeSet<String>,
    /// Bytes of bodies that were asked for.
    bytes: u64,
}

impl Server {
    fn new(folder: &Path) -> Self {
        let listener = TcpListener::bind(LISTEN).unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::<Mutex<Log>>::default();
        let (folder, kept) = (folder.to_owned(), Arc::clone(&log));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (folder, log) = (folder.clone(), Arc::clone(&kept));
                log.lock().unwrap().connections += 1;
                // The client may hang up.
                std::thread::spawn(move || serve(stream.unwrap(), &folder, &log).is_ok());
            }
        });
        Self { address, log }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    fn paths(&self) -> BTreeSet<String> {
        self.log.lock().unwrap().paths.clone()
    }

    fn bytes(&self) -> u64 {
        self.log.lock().unwrap().bytes
    }
}

fn serve(mut stream: TcpStream, folder: &Path, log: &Mutex<Log>) -> std::io::Result<()> {
    let mut received = Vec::new();
    loop {
        while let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(received.drain(..end + 4).collect()).unwrap();
            let path = head.split(' ').nth(1).unwrap().replace("%20", " ");
            let bytes = fs::read(folder.join(&path[1..]))?;
            let range = head.split_once("Range: bytes=").map(|(_, rest)| {
                let (first, last) = rest.lines().next().unwrap().split_once('-').unwrap();
                (first.parse::<usize>().unwrap(), last.parse::<usize>().unwrap())
            });
            let (first, last) = range.unwrap_or((0, bytes.len() - 1));
            let body = &bytes[first..=last];
            {
                let mut log = log.lock().unwrap();
                log.paths.insert(path);
                log.bytes += body.len() as u64;
            }
            let total = bytes.len();
            let status = match range {
                Some(_) => format!("206 Part\r\nContent-Range: bytes {first}-{last}/{total}"),
                None => "200 OK".to_owned(),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), body].concat())?;
        }
        let mut part = [0; 4096];
        match stream.read(&mut part)? {
            0 => return Ok(()),
            length => received.extend_from_slice(&part[..length]),
        }
    }
}

fn options(scene: &Scene, server: &Server) -> TorrentOptions {
    let mut options = TorrentOptions::new(scene.leech_dir());
    options.web_seed(server.url());
    options
}

/// Nothing is asked for but the chosen files, and what the pieces that they share have of others; padding never is.
#[tokio::test]
async fn files_that_are_not_chosen_are_not_asked_for() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let files = [("a", 300_000), ("b", 300_000), ("c", 300_000), ("d", 100), ("e", 300_000)];
        let scene = Scene::of_version(version, "many", &files);
        let server = Server::new(&scene.seed_dir());
        let layout = scene.metainfo.layout();
        let chosen = layout.files().find(|file| file.path.to_string().ends_with("/b")).unwrap();
        let pieces: Vec<_> = layout.file_pieces(chosen.index).collect();
        let touches = |path: &str| {
            let file = layout.files().find(|file| file.path.to_string().ends_with(path)).unwrap();
            layout.file_pieces(file.index).any(|piece| pieces.contains(&piece))
        };
        let names = ["a", "b", "c", "d", "e"].into_iter();
        let shared = names.filter(|name| touches(&format!("/{name}")));
        let shared: BTreeSet<String> = shared.map(|name| format!("/many/{name}")).collect();
        let mut options = options(&scene, &server);
        options.files(FileSelection::new([chosen.index.get()..=chosen.index.get()]));
        let torrent = client(LISTEN).add(&scene.metainfo, options).unwrap();
        in_time(torrent.finished()).await.unwrap();
        assert_eq!(server.paths(), shared);
        assert!(!shared.contains("/many/e"), "{version:?}");
        let read = |folder: PathBuf| fs::read(folder.join("many/b")).unwrap();
        assert!(read(scene.leech_dir()) == read(scene.seed_dir()));
    }
}

/// Nothing that came in an earlier run is asked for again.
#[tokio::test]
async fn a_download_that_is_gone_on_with_asks_for_the_rest() {
    let scene = Scene::single(3_000_000);
    let server = Server::new(&scene.seed_dir());
    let first = client(LISTEN);
    let mut limited = options(&scene, &server);
    limited.download_limit(Some(400_000));
    let torrent = first.add(&scene.metainfo, limited).unwrap();
    in_time(async {
        while torrent.stats().have_bytes < 500_000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let before = in_time(torrent.stop()).await;
    drop(torrent);
    first.shutdown(Duration::from_secs(5)).await;
    let second = client(LISTEN);
    let torrent = second.add(&scene.metainfo, options(&scene, &server)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
    let downloaded = torrent.stats().downloaded;
    assert!(downloaded + before.have_bytes <= 3_000_000, "{downloaded} after {before:?}");
}

/// F-15
#[tokio::test]
async fn the_limits_of_torrent_and_client_hold_for_web_seeds() {
    for is_global in [false, true] {
        let scene = Scene::single(500_000);
        let server = Server::new(&scene.seed_dir());
        let client = client(LISTEN);
        let mut options = options(&scene, &server);
        if is_global {
            client.set_download_limit(Some(0));
        } else {
            options.download_limit(Some(0));
        }
        let torrent = client.add(&scene.metainfo, options).unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(torrent.stats().downloaded, 0);
        client.set_download_limit(None);
        torrent.set_download_limit(None);
        in_time(torrent.finished()).await.unwrap();
        assert_eq!((torrent.stats().wasted, server.bytes()), (0, 500_000));
    }
}

/// F-15: behind a proxy, the server is known by its name alone, and nothing goes another way.
#[tokio::test(flavor = "multi_thread")]
async fn web_seeds_are_reached_through_the_proxy() {
    let scene = Scene::single(500_000);
    let server = Server::new(&scene.seed_dir());
    let (at, names) = (SocketAddr::from(([127, 0, 0, 1], 0)), Some(server.address));
    let proxy = Proxy::start(at, None, false, names).await.unwrap();
    let mut options = ClientOptions::default();
    options.proxy(Some(format!("socks5://{}", proxy.address).parse().unwrap()));
    let client = Client::start(options).unwrap();
    let mut options = TorrentOptions::new(scene.leech_dir());
    options.web_seed("http://mirror.example:8080/");
    let torrent = client.add(&scene.metainfo, options).unwrap();
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
    assert_eq!(proxy.asked(), ["tcp mirror.example:8080"]);
}

#[tokio::test]
async fn a_thousand_files_come_in_few_connections() {
    let names: Vec<String> = (0..1_000).map(|at| format!("{}/{at}", at % 10)).collect();
    let files: Vec<_> = names.iter().enumerate().map(|(at, name)| (&name[..], at % 40)).collect();
    let scene = Scene::new("many", &files);
    let server = Server::new(&scene.seed_dir());
    let torrent = client(LISTEN).add(&scene.metainfo, options(&scene, &server)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
    // Empty files are made, and not asked for.
    assert_eq!(server.paths().len(), 1_000 - 25);
    assert_eq!(torrent.stats().wasted, 0);
    assert!(server.log.lock().unwrap().connections <= 3);
}
