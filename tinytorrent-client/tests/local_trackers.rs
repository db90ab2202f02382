//! Trackers at local addresses: those that a torrent names, and those of the user.

mod support;

use std::net::SocketAddr;

use support::{Scene, in_time};
use tinytorrent_client::{
    Client, ClientOptions, Event, Source, SwarmEvent, Torrent, TorrentOptions,
};
use tinytorrent_metainfo::Magnet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// An HTTP server that knows no peer, and sends the first line of each request to the channel.
async fn server() -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            let _ = sender.send(text.split("&info_hash").next().unwrap_or_default().to_owned());
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nd5:peers0:e").await;
        }
    });
    (address, requests)
}

/// A magnet link with these trackers.
fn link(trackers: &[String]) -> Source {
    let trackers: String = trackers.iter().map(|url| format!("&tr={url}")).collect();
    let link = format!("magnet:?xt=urn:btih:{}{trackers}", "ab".repeat(20));
    Source::from(&link.parse::<Magnet>().unwrap())
}

fn start(allows: bool) -> Client {
    let mut options = ClientOptions::default();
    options.accept_peers(false).allow_local_trackers(allows);
    Client::start(options).unwrap()
}

async fn failure(torrent: &Torrent) -> String {
    let mut events = torrent.events();
    loop {
        match in_time(events.next()).await {
            Some(Event::Swarm(SwarmEvent::TrackerFailed { failure, .. })) => {
                return failure.to_string();
            }
            Some(_) => {}
            None => panic!("the torrent ended"),
        }
    }
}

#[tokio::test]
async fn a_torrent_chooses_no_path_at_a_local_address_and_the_user_does() {
    let (scene, client) = (Scene::single(1), start(false));
    let (address, mut requests) = server().await;
    let source = link(&[format!("http://{address}/admin?delete=all")]);
    let torrent = client.add(source, TorrentOptions::new(scene.leech_dir())).unwrap();
    let failure = failure(&torrent).await;
    assert!(failure.contains("local address"), "{failure}");
    assert!(requests.try_recv().is_err());

    torrent.add_trackers(vec![vec![format!("http://{address}/later?x")]]);
    assert_eq!(in_time(requests.recv()).await.unwrap(), "GET /later?x");
    in_time(torrent.stop()).await;

    let mut options = TorrentOptions::new(scene.leech_dir());
    options.tracker(format!("http://{address}/mine?x"));
    let torrent = client.add(link(&[]), options).unwrap();
    // The last announce of the torrent before may come first.
    while in_time(requests.recv()).await.unwrap() != "GET /mine?x" {}
    in_time(torrent.stop()).await;
}

#[tokio::test]
async fn an_option_lifts_the_rule() {
    let (scene, client) = (Scene::single(1), start(true));
    let (address, mut requests) = server().await;
    let source = link(&[format!("http://{address}/any?x")]);
    let torrent = client.add(source, TorrentOptions::new(scene.leech_dir())).unwrap();
    assert_eq!(in_time(requests.recv()).await.unwrap(), "GET /any?x");
    in_time(torrent.stop()).await;
}
