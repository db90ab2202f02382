//! Metadata from peers: invalid, and alone.

mod support;

use std::time::Duration;

use bytes::BytesMut;
use support::{Scene, client, encrypting_client, in_time};
use tinytorrent_client::{Encryption, Source, State, TorrentError, TorrentOptions};
use tinytorrent_metainfo::Magnet;
use tinytorrent_types::PeerId;
use tinytorrent_wire::extension::{
    ExtendedHandshake, Extension, ExtensionMessage, MetadataMessage, OurExtensions, TheirExtensions,
};
use tinytorrent_wire::{Decoder, Handshake, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Accepts one connection, and answers each request for metadata with these bytes.
async fn serve(listener: TcpListener, metadata: &'static [u8]) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut received = BytesMut::new();
    let theirs = loop {
        stream.read_buf(&mut received).await.unwrap();
        if let Some(handshake) = Handshake::decode(&mut received).unwrap() {
            break handshake;
        }
    };
    let ours = OurExtensions::new([Extension::Metadata]);
    let mut hello = ExtendedHandshake::new(&ours);
    hello.metadata_size = Some(metadata.len() as u64);
    let mut out = BytesMut::new();
    Handshake { peer_id: PeerId::from_bytes([7; 20]), ..theirs }.encode(&mut out);
    Message::from(hello.to_message()).encode(&mut out);
    let (mut decoder, mut names) = (Decoder::new(), TheirExtensions::default());
    loop {
        while let Some(message) = decoder.decode(&mut received).unwrap() {
            let Message::Extended(extended) = message else { continue };
            match ours.read(&extended).unwrap() {
                ExtensionMessage::Handshake(handshake) => names.update(&handshake),
                ExtensionMessage::Metadata(MetadataMessage::Request { block }) => {
                    let data = metadata.into();
                    let total_size = Some(metadata.len() as u64);
                    let answer = MetadataMessage::Data { block, total_size, data };
                    let id = names.id(Extension::Metadata).unwrap();
                    Message::from(answer.to_message(id)).encode(&mut out);
                }
                _ => {}
            }
        }
        stream.write_all_buf(&mut out).await.unwrap();
        if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

// M-49: the info-hash of the metadata is right, so that no peer can have better metadata.
#[tokio::test]
async fn invalid_metadata_that_the_hash_names_ends_the_torrent() {
    let metadata = b"d6:lengthi5e4:name1:x12:piece lengthi0e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = TorrentOptions::new(tempfile::tempdir().unwrap().path());
    options.peer(listener.local_addr().unwrap());
    let peer = tokio::spawn(serve(listener, metadata));

    let magnet: Magnet =
        "magnet:?xt=urn:btih:8f893eb99102a47ce27d74990184186f22903f0d".parse().unwrap();
    let client = encrypting_client(Encryption::Off);
    let torrent = client.add(Source::from(&magnet), options).unwrap();
    let error = in_time(torrent.finished()).await.unwrap_err();
    assert!(matches!(error, TorrentError::Metadata(_)), "{error}");
    assert!(error.to_string().contains("`piece length`"), "{error}");
    assert_eq!(torrent.state(), State::Failed);
    in_time(peer).await.unwrap();
}

#[tokio::test]
async fn metadata_alone_leaves_nothing_on_disk() {
    let scene = Scene::multi();
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let mut options = scene.leech(&seeder);
    let torrent = leecher.add(scene.metainfo.hashes(), options.metadata_only(true).resume(false));
    let torrent = torrent.unwrap();
    let metadata = in_time(torrent.metadata()).await.unwrap();
    assert_eq!(metadata.info().bytes(), scene.metainfo.info().bytes());
    in_time(async {
        while torrent.state() != State::Stopped {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(torrent.metainfo().is_some() && !scene.leech_dir().exists());
    assert!(leecher.torrents().is_empty());
}
