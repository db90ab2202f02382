//! Web seeds (BEP 19): the programs, and the web servers that people use.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

use crate::support::content::{Content, Version};
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::web_server::WebServer;

tests![
    everything_comes_from_nginx_and_lighttpd,
    everything_comes_from_a_server_without_ranges,
    names_are_escaped_as_servers_read_them,
    two_thousand_files_come_from_an_archive,
    the_web_seed_of_a_torrent_is_used_unless_it_is_left_out,
    a_web_seed_and_a_peer_give_each_byte_once,
    a_magnet_link_names_a_web_seed_for_when_the_metadata_is_there,
    lies_and_compression_leave_no_wrong_byte,
    a_video_is_streamed_from_a_web_seed_alone,
];

const DOWNLOAD: Need = Need::Example("download");
const ALONE: [&str; 5] = ["--listen", "127.0.0.1:0", "--no-dht", "--no-trackers", "--no-lsd"];

fn download(scene: &Scene, room: &str, words: &[&str]) -> Ours {
    let words = [&ALONE[..], words].concat();
    Ours::download(scene, Source::Torrent, &scene.room(room), &words)
}

fn everything_comes_from_nginx_and_lighttpd() {
    need!(DOWNLOAD, Need::Nginx, Need::Lighttpd);
    let contents = [
        Content::single("big.bin", 20_000_123),
        Content::small_multi(),
        Content::short_pieces(Version::V2),
        Content::short_pieces(Version::Hybrid),
    ];
    for content in contents {
        let scene = Scene::new(content);
        for (name, server) in [("n", WebServer::nginx(&scene)), ("l", WebServer::lighttpd(&scene))]
        {
            let finished = download(&scene, name, &["--web-seed", &server.url()]).finish();
            assert_eq!((&finished["wasted"], &finished["hash_failures"]), (&0.into(), &0.into()));
            scene.assert_complete(&scene.room(name));
        }
    }
}

/// F-14
fn everything_comes_from_a_server_without_ranges() {
    need!(DOWNLOAD, Need::Python);
    for content in [Content::single("big.bin", 9_000_123), Content::small_multi()] {
        let scene = Scene::new(content);
        let server = WebServer::python(&scene);
        download(&scene, "download", &["--web-seed", &server.url()]).finish();
        scene.assert_complete(&scene.room("download"));
    }
}

/// F-01
fn names_are_escaped_as_servers_read_them() {
    need!(DOWNLOAD, Need::Nginx);
    let files =
        [("a b/100%.txt", 70_000), ("x+y#z?.bin", 5), ("ü ö/%20&=;.dat", 99_999), ("'\"<>.x", 7)];
    let scene = Scene::new(Content::multi("top #1 100% + ü", &files));
    let server = WebServer::nginx(&scene);
    download(&scene, "download", &["--web-seed", &server.url()]).finish();
    scene.assert_complete(&scene.room("download"));
}

/// F-11
fn two_thousand_files_come_from_an_archive() {
    need!(DOWNLOAD, Need::Nginx);
    let names: Vec<String> = (0..2_000).map(|at| format!("{}/{at}.txt", at % 40)).collect();
    let files: Vec<(&str, usize)> =
        names.iter().enumerate().map(|(at, name)| (&name[..], at * 7 % 9_000)).collect();
    let scene = Scene::new(Content::multi("archive", &files));
    let server = WebServer::nginx(&scene);
    download(&scene, "download", &["--web-seed", &server.url()]).finish();
    scene.assert_complete(&scene.room("download"));
}

/// Puts `url-list` into the torrent of a scene.
fn name_web_seed(scene: &Scene, url: &str) {
    let mut torrent = fs::read(scene.torrent()).unwrap();
    assert_eq!(torrent.pop(), Some(b'e'));
    torrent.extend(format!("8:url-list{}:{url}e", url.len()).into_bytes());
    fs::write(scene.torrent(), torrent).unwrap();
}

fn the_web_seed_of_a_torrent_is_used_unless_it_is_left_out() {
    need!(DOWNLOAD, Need::Nginx);
    for content in [Content::small_multi(), Content::small_multi().private()] {
        let scene = Scene::new(content);
        let server = WebServer::nginx(&scene);
        name_web_seed(&scene, &server.url());
        let mut without = download(&scene, "none", &["--no-web-seeds", "--timeout", "3"]);
        assert_eq!(without.wait(crate::support::COMPLETE).code(), Some(1));
        assert_eq!(server.bytes_sent(), 0);
        download(&scene, "download", &[]).finish();
        scene.assert_complete(&scene.room("download"));
    }
}

/// F-17, F-18
fn a_web_seed_and_a_peer_give_each_byte_once() {
    need!(DOWNLOAD, Need::Example("seed"), Need::Nginx);
    let scene = Scene::new(Content::single("big.bin", 30_000_000));
    let server = WebServer::nginx(&scene);
    let (_seed, peer) = Ours::seed(&scene, "127.0.0.1", &["--no-dht", "--limit-up", "4MiB"]);
    let words = ["--web-seed", &server.url(), "--peer", &peer.to_string(), "--limit-down", "8MiB"];
    let finished = download(&scene, "download", &words).finish();
    scene.assert_complete(&scene.room("download"));
    let wasted = finished["wasted"].as_u64().unwrap();
    assert!(wasted < 1_000_000, "{wasted} bytes came twice, and not at the end alone");
    assert!(server.bytes_sent() < 30_000_000, "the peer gave nothing");
}

fn a_magnet_link_names_a_web_seed_for_when_the_metadata_is_there() {
    need!(DOWNLOAD, Need::Example("seed"), Need::Nginx);
    let scene = Scene::new(Content::small_multi());
    let server = WebServer::nginx(&scene);
    // It gives the metadata, and of the content next to nothing.
    let (_seed, peer) = Ours::seed(&scene, "127.0.0.1", &["--no-dht", "--limit-up", "1"]);
    let link = format!("{}&ws={}", scene.magnet(), server.url());
    let dir = scene.room("download");
    let (dir, peer) = (dir.to_str().unwrap(), peer.to_string());
    // A link is a stranger's, and the server is local.
    let words = [&[&link, "--output", dir, "--peer", &peer, "--allow-local-trackers"], &ALONE[..]];
    Ours::run("download", &scene, &words.concat()).finish();
    scene.assert_complete(&scene.room("download"));
    assert!(server.bytes_sent() > 0);
}

/// F-04, F-09, F-13
fn lies_and_compression_leave_no_wrong_byte() {
    need!(DOWNLOAD, Need::Nginx);
    let scene = Scene::new(Content::single("big.bin", 3_000_000));
    let wrong = serve(&[7; 3_000_000], "");
    let compressed = serve(&[7; 3_000_000], "Content-Encoding: gzip\r\n");
    let short = serve(&[7; 1_000], "");
    let honest = WebServer::nginx(&scene);
    let mut words = vec!["--web-seed", &wrong, "--web-seed", &compressed, "--web-seed", &short];
    let mut alone = download(&scene, "alone", &[&words[..], &["--timeout", "4"]].concat());
    assert_eq!(alone.wait(crate::support::COMPLETE).code(), Some(1));
    let url = honest.url();
    words.extend(["--web-seed", &url]);
    download(&scene, "download", &words).finish();
    scene.assert_complete(&scene.room("download"));
}

/// The URL of a server that has these bytes at each path, and sends them whole.
fn serve(bytes: &'static [u8], headers: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let length = bytes.len();
                let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n");
                // The program under test may hang up whenever it likes.
                let _ = stream.write_all(&[head.as_bytes(), bytes].concat());
            });
        }
    });
    url
}

fn a_video_is_streamed_from_a_web_seed_alone() {
    need!(Need::Example("stream"), Need::Nginx, Need::Curl);
    let scene = Scene::new(Content::single("film.mp4", 12_000_000));
    let server = WebServer::nginx(&scene);
    let (torrent, dir) = (scene.torrent(), scene.room("stream"));
    let (torrent, dir) = (torrent.to_str().unwrap(), dir.to_str().unwrap());
    let url = server.url();
    let words = [
        torrent,
        "--output",
        dir,
        "--listen",
        "127.0.0.1:0",
        "--no-dht",
        "--no-lsd",
        "--web-seed",
        &url,
    ];
    let mut stream = Ours::run("stream", &scene, &words);
    let serving = stream.wait_for_event("serving", crate::support::START);
    let url = serving["url"].as_str().unwrap();
    let range = crate::support::curl::curl(url, &["--range", "11000000-11000999"]);
    assert_eq!(range.body, scene.content.files[0].1[11_000_000..11_001_000]);
}
