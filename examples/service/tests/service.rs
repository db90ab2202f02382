//! The service at work: a torrent is added, read, paused and removed over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tinytorrent::metainfo::CreateOptions;
use tinytorrent::{Client, ClientOptions, Metainfo, TorrentOptions};

/// The service, until this is dropped.
struct Service {
    child: Child,
    address: SocketAddr,
}

/// A response: its status, its head in lower case, and its body.
struct Response {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Service {
    fn start(folder: &Path) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_tinytorrent-service"));
        program.arg(folder).arg("127.0.0.1:0").stdout(Stdio::piped());
        let mut child = program.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap();
        Self { child, address: address.strip_suffix("/torrents").unwrap().parse().unwrap() }
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Response {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response { status, head, body: bytes[end + 4..].to_vec() }
    }

    fn get(&self, path: &str) -> Value {
        let response = self.ask("GET", path, "", b"");
        assert_eq!(response.status, 200, "{path}");
        serde_json::from_slice(&response.body).unwrap()
    }

    fn read(&self, path: &str, range: &str) -> Response {
        self.ask("GET", path, &format!("range: bytes={range}\r\n"), b"")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A file, its torrent, and a client that seeds it.
fn seed(folder: &Path, length: usize) -> (Metainfo, Client) {
    std::fs::write(folder.join("film.bin"), content(length)).unwrap();
    let mut options = CreateOptions::new();
    // The service listens anywhere, and is to leave the DHT of the internet alone.
    let metainfo = options.private(true).create_unobserved(folder.join("film.bin")).unwrap();
    let mut options = ClientOptions::default();
    let client = Client::start(options.listen("127.0.0.1:0".parse().unwrap())).unwrap();
    client.add(&metainfo, TorrentOptions::new(folder).read_only(true)).unwrap();
    (metainfo, client)
}

const TORRENT: &str = "content-type: application/x-bittorrent\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_torrent_is_added_read_paused_and_removed() {
    let (seeds, leeches) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let length = 300_000;
    let (metainfo, seeder) = seed(seeds.path(), length);
    let peer = seeder.listen_addresses()[0];
    let service = Service::start(leeches.path());

    let path = format!("/torrents?peer={peer}");
    let added = service.ask("POST", &path, TORRENT, &metainfo.to_bytes());
    assert_eq!(added.status, 201, "{}", String::from_utf8_lossy(&added.body));
    let hash = metainfo.info().hashes().to_string();
    assert_eq!(service.get("/torrents")[0]["hashes"], hash);
    let again = service.ask("POST", "/torrents", TORRENT, &metainfo.to_bytes());
    assert_eq!(again.status, 400);
    assert!(String::from_utf8_lossy(&again.body).contains("added already"));

    // It waits for the pieces.
    let torrent = format!("/torrents/{hash}");
    let (file, expected) = (format!("{torrent}/files/0"), content(length));
    let part = service.read(&file, "200000-200099");
    assert_eq!((part.status, &part.body[..]), (206, &expected[200_000..200_100]));
    assert!(part.head.contains("content-range: bytes 200000-200099/300000"), "{}", part.head);
    let last = service.read(&file, "-7");
    assert_eq!((last.status, &last.body[..]), (206, &expected[length - 7..]));
    assert_eq!(service.read(&file, "300000-").status, 416);
    // Several at once are ignored, as a server may do.
    assert!(service.read(&file, "0-1,5-6").body == expected);
    assert!(service.ask("GET", &file, "", b"").body == expected);
    assert_eq!(service.ask("GET", &format!("{torrent}/files/1"), "", b"").status, 400);

    let files = service.get(&format!("{torrent}/files"));
    assert_eq!((&files[0]["length"], &files[0]["have"]), (&json!(length), &json!(length)));
    service.get(&format!("{torrent}/peers")).as_array().unwrap();
    let metrics = service.ask("GET", "/metrics", "", b"");
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(metrics.contains("\ntinytorrent_torrents{state=\"seeding\"} 1\n"), "{metrics}");

    service.ask("POST", &format!("{torrent}/pause"), "", b"");
    assert_eq!(service.get(&torrent)["state"], "paused");
    service.ask("POST", &format!("{torrent}/resume"), "", b"");
    let deadline = Instant::now() + Duration::from_secs(60);
    while service.get(&torrent)["state"] != "seeding" {
        assert!(Instant::now() < deadline, "it goes on");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(service.ask("POST", &format!("{torrent}/dance"), "", b"").status, 404);
    assert_eq!(service.ask("DELETE", &torrent, "", b"").status, 200);
    assert_eq!(service.ask("GET", &torrent, "", b"").status, 404);
    let content = leeches.path().join("film.bin");
    assert!(std::fs::read(&content).unwrap() == expected, "it stays");
    // It is found again, and deleted.
    service.ask("POST", "/torrents", TORRENT, &metainfo.to_bytes());
    let delete = format!("{torrent}?content=delete");
    assert_eq!(service.ask("DELETE", &delete, "", b"").status, 200);
    assert!(!content.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn curl_gets_ranges_of_a_file_while_it_is_downloaded() {
    let has_curl = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    if !has_curl.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("TINYTORRENT_INTEROP").is_none(), "curl is not installed");
        return eprintln!("left out: curl is not installed");
    }
    let (seeds, leeches) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let length = 1_000_000;
    let (metainfo, seeder) = seed(seeds.path(), length);
    let service = Service::start(leeches.path());
    let url = format!("http://{}/torrents", service.address);
    let curl = |arguments: &[&str]| {
        let output = Command::new("curl").args(["-s", "--fail"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        output.stdout
    };
    let add = format!("{url}?peer={}", seeder.listen_addresses()[0]);
    let torrent = seeds.path().join("a.torrent");
    std::fs::write(&torrent, metainfo.to_bytes()).unwrap();
    let body = format!("@{}", torrent.display());
    curl(&["-H", TORRENT.trim(), "--data-binary", &body, &add]);
    let file = format!("{url}/{}/files/0", metainfo.info().hashes());
    assert!(curl(&["-r", "900000-", &file]) == content(length)[900_000..]);
    assert!(curl(&["-r", "100-199", &file]) == content(length)[100..200]);
    assert!(curl(&[&file]) == content(length));
}

#[test]
fn pages_of_other_sites_and_what_is_no_torrent_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let origin = "origin: http://evil.example\r\n";
    assert_eq!(service.ask("POST", "/torrents", origin, b"x").status, 403);
    let refused = service.ask("POST", "/torrents", "", b"x");
    assert_eq!(refused.status, 400);
    let error: Value = serde_json::from_slice(&refused.body).unwrap();
    assert!(error["error"].as_str().unwrap().contains("info-hash"), "{error}");
    assert_eq!(service.get("/torrents"), json!([]));
}
