//! Many incoming connections at once.

mod support;

use std::net::SocketAddr;

use support::{Scene, address, client, in_time};
use tinytorrent_client::{Event, LeaveReason, SwarmEvent, TorrentOptions};
use tinytorrent_metainfo::Metainfo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Number of peers in a swarm that starts. Both ends of their connections are in this process, which
/// usually has 1024 descriptors.
const CROWD: usize = 480;

const HANDSHAKE: usize = 68;

/// Opens all connections before anything is sent.
async fn gather(to: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..count {
        crowd.push(in_time(TcpStream::connect(to)).await.unwrap());
    }
    crowd
}

/// Returns the handshake of a seed, and its bitfield.
fn hello(metainfo: &Metainfo, number: usize) -> Vec<u8> {
    let mut hello = b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0".to_vec();
    hello.extend(metainfo.hashes().to_wire().as_bytes());
    hello.extend(format!("-XX0000-{number:012}").into_bytes());
    hello.extend(b"\0\0\0\x02\x05\x80");
    hello
}

/// Sends the handshakes of all peers, and then reads the answers. Returns the accepted connections.
async fn greet(crowd: Vec<TcpStream>, metainfo: &Metainfo, first: usize) -> Vec<TcpStream> {
    let mut greeting = Vec::new();
    for (number, mut stream) in crowd.into_iter().enumerate() {
        // Fails if the client has closed the connection already.
        let said = stream.write_all(&hello(metainfo, first + number)).await;
        greeting.extend(said.is_ok().then_some(stream));
    }
    let mut admitted = Vec::new();
    for mut stream in greeting {
        // The handshake and `interested`: the client has kept the connection.
        let mut answer = [0; HANDSHAKE + 5];
        if in_time(stream.read_exact(&mut answer)).await.is_ok() {
            assert!(answer.starts_with(b"\x13BitTorrent protocol"));
            assert_eq!(answer[HANDSHAKE..], *b"\0\0\0\x01\x02");
            admitted.push(stream);
        }
    }
    admitted
}

// S-28
#[tokio::test]
async fn a_crowd_that_comes_at_once_is_let_in() {
    let scene = Scene::single(1);
    let leecher = client("127.0.0.1:0");
    let mut options = TorrentOptions::new(scene.leech_dir());
    options.max_peers(CROWD);
    let _torrent = leecher.add(&scene.metainfo, options).unwrap();
    let crowd = gather(address(&leecher), CROWD).await;
    assert_eq!(greet(crowd, &scene.metainfo, 0).await.len(), CROWD);
}

// S-28
#[tokio::test]
async fn of_a_crowd_as_many_are_let_in_as_there_are_places() {
    let scene = Scene::single(1);
    let leecher = client("127.0.0.1:0");
    let mut options = TorrentOptions::new(scene.leech_dir());
    options.max_peers(40);
    let _torrent = leecher.add(&scene.metainfo, options).unwrap();
    let crowd = gather(address(&leecher), 100).await;
    let admitted = greet(crowd, &scene.metainfo, 0).await;
    assert_eq!(admitted.len(), 40);
    let others = gather(address(&leecher), 60).await;
    assert_eq!(greet(others, &scene.metainfo, 100).await.len(), 0, "all places are taken");
}

// W-56: of both connections the same one goes at either end; none is made anew.
#[tokio::test]
async fn clients_that_dial_each_other_keep_one_connection() {
    let scene = Scene::single(300_000);
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let seed = scene.seed(&seeder).await;
    seed.set_upload_limit(Some(200_000));
    let torrent = leecher.add(&scene.metainfo, TorrentOptions::new(scene.leech_dir())).unwrap();
    let mut events = torrent.events();
    while !matches!(in_time(events.next()).await, Some(Event::Checked { .. })) {}
    torrent.add_peers([address(&seeder).into()]);
    seed.add_peers([address(&leecher).into()]);
    let (mut joined, mut left) = (0, 0);
    loop {
        match in_time(events.next()).await.unwrap() {
            Event::Swarm(SwarmEvent::PeerJoined { .. }) => joined += 1,
            // Both are complete, and the files of one are looked at.
            Event::Swarm(SwarmEvent::PeerLeft { reason: LeaveReason::Useless, .. }) => {}
            Event::Swarm(SwarmEvent::PeerLeft { .. }) => left += 1,
            Event::Swarm(SwarmEvent::Finished) => break,
            _ => {}
        }
    }
    // A connection that the other client closes before the handshakes are complete joins nothing.
    assert!((1..=2).contains(&joined) && left <= 1, "{joined} joined, {left} left");
    scene.assert_complete();
}
