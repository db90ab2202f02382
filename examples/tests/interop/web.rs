//! Sources that come over HTTP.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::support::START;
use crate::support::content::Content;
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::Scene;

tests![
    silent_and_trickling_servers_end_with_the_timeout,
    url_that_leads_to_a_magnet_link_is_downloaded,
];

/// The URL of a server that does this with each connection, until the test ends.
fn serve(answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x.torrent", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // The program under test may hang up whenever it likes.
            let _ = stream.and_then(|mut stream| {
                _ = stream.read(&mut [0; 4096])?;
                answer(&mut stream)
            });
        }
    });
    url
}

fn silent_and_trickling_servers_end_with_the_timeout() {
    need!(Need::Example("download"));
    let scene = Scene::new(Content::small_single());
    let silent = serve(|stream| stream.read(&mut [0]).map(drop));
    let trickling = serve(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
        loop {
            stream.write_all(b"d")?;
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    for url in [silent, trickling] {
        let words = [&url, "--timeout", "1", "--listen", "127.0.0.1:0"];
        let mut download = Ours::run("download", &scene, &words);
        assert_eq!(download.wait(START).code(), Some(1));
        let told = download.stderr();
        assert!(told.contains("not complete after 1 s") && told.contains(&url), "{told}");
    }
}

fn url_that_leads_to_a_magnet_link_is_downloaded() {
    need!(Need::Example("download"), Need::Example("seed"));
    let scene = Scene::new(Content::small_single());
    let (_seed, address) = Ours::seed(&scene, "127.0.0.1", &[]);
    let magnet = scene.magnet();
    let url = serve(move |stream| {
        write!(stream, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {magnet}\r\n\r\n")
    });
    let dir = scene.room("download");
    let (peer, output) = (address.to_string(), dir.to_str().unwrap());
    let words = [&url, "--output", output, "--peer", &peer, "--listen", "127.0.0.1:0"];
    Ours::run("download", &scene, &words).finish();
    scene.assert_complete(&dir);
}
