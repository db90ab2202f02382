//! Local addresses: trackers there that a torrent names, and those of the user; and peers there, by whoever
//! names them.

mod support;

use std::net::SocketAddr;

use support::{Scene, address, client, in_time};
use tinytorrent_client::{
    Client, ClientOptions, Event, Source, SwarmEvent, Torrent, TorrentOptions,
};
use tinytorrent_metainfo::Magnet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// An HTTP server that knows no peer, and sends the first line of each request to the channel.
async fn server() -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    server_saying(b"d5:peers0:e").await
}

/// An HTTP server that answers each request with this body.
async fn server_saying(body: &[u8]) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let answer = [b"HTTP/1.1 200 OK\r\n\r\n", body].concat();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            let _ = sender.send(text.split("&info_hash").next().unwrap_or_default().to_owned());
            let _ = stream.write_all(&answer).await;
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
    options.accept_peers(false).dht(false).allow_local_addresses(allows);
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

/// G-18: with no option, as whoever runs a tracker at home expects.
#[tokio::test]
async fn a_local_tracker_may_name_local_peers() {
    let scene = Scene::single(100_000);
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    let at = address(&seeder);
    let compact = [&b"d5:peers6:\x7f\0\0\x01"[..], &at.port().to_be_bytes(), b"e"].concat();
    // BEP 3 has names of hosts, too.
    let named = format!("d5:peersld2:ip9:localhost4:porti{}eeee", at.port());
    for body in [&compact, named.as_bytes()] {
        let (tracker, _requests) = server_saying(body).await;
        let mut source = Magnet::from(&scene.metainfo);
        source.trackers = vec![format!("http://{tracker}/announce")];
        let mut options = TorrentOptions::new(scene.leech_dir());
        options.resume(false);
        let client = start(false);
        let torrent = client.add(&source, options).unwrap();
        in_time(torrent.finished()).await.unwrap();
        in_time(torrent.stop()).await;
        scene.assert_complete();
        std::fs::remove_dir_all(scene.leech_dir()).unwrap();
    }
}

/// G-18
#[tokio::test]
async fn a_link_names_no_local_peers_unless_the_user_allows_it() {
    let scene = Scene::single(1);
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = peer.local_addr().unwrap();
    for allows in [false, true] {
        let (tracker, _requests) = server().await;
        let trackers = [format!("http://{tracker}/announce&x.pe={at}")];
        let client = start(allows);
        let mut options = TorrentOptions::new(scene.leech_dir());
        // So that no thread looks for saved metadata before the peers of the link are taken in.
        options.resume(false);
        let torrent = client.add(link(&trackers), options).unwrap();
        let mut events = torrent.events();
        while !matches!(
            in_time(events.next()).await,
            Some(Event::Swarm(SwarmEvent::TrackerAnswered { .. }))
        ) {}
        assert_eq!(torrent.stats().known_peers, u32::from(allows));
        if allows {
            in_time(peer.accept()).await.unwrap();
        }
        in_time(torrent.stop()).await;
    }
}

/// G-18: whatever the link says, the user may connect to his own hosts.
#[tokio::test]
async fn the_user_may_name_local_peers() {
    let scene = Scene::single(1);
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = TorrentOptions::new(scene.leech_dir());
    options.peer(peer.local_addr().unwrap());
    let client = start(false);
    let torrent = client.add(link(&[]), options).unwrap();
    in_time(peer.accept()).await.unwrap();
    in_time(torrent.stop()).await;
}
