//! Clients that a third peer introduces to each other (BEP 55).

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use support::{Scene, address, encrypting_client, in_time};
use tinytorrent_client::{Client, Encryption, TorrentOptions, Transport};
use tinytorrent_types::PeerId;
use tinytorrent_wire::extension::{
    ExtendedHandshake, Extension, ExtensionMessage, Holepunch, OurExtensions, TheirExtensions,
};
use tinytorrent_wire::{Decoder, Feature, Handshake, Message, Reserved};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// A peer that introduces others, connected to one client.
struct Relay {
    socket: TcpStream,
    theirs: TheirExtensions,
}

impl Relay {
    async fn meet(scene: &Scene, client: &Client) -> Self {
        let mut socket = TcpStream::connect(address(client)).await.unwrap();
        let greeting = Handshake {
            reserved: Reserved::from([Feature::Extended]),
            info_hash: scene.metainfo.info().hashes().to_wire(),
            peer_id: PeerId::from_bytes([9; 20]),
        };
        let ours = OurExtensions::new([Extension::Holepunch]);
        let mut words = greeting.to_bytes().to_vec();
        Message::from(ExtendedHandshake::new(&ours).to_message()).encode(&mut words);
        socket.write_all(&words).await.unwrap();
        in_time(socket.read_exact(&mut [0; Handshake::LENGTH])).await.unwrap();

        let mut theirs = TheirExtensions::default();
        let (mut decoder, mut received) = (Decoder::new(), BytesMut::new());
        while theirs.id(Extension::Holepunch).is_none() {
            in_time(socket.read_buf(&mut received)).await.unwrap();
            for message in decoder.split_frames(&mut received) {
                let Message::Extended(said) = message.unwrap() else { continue };
                if let Ok(ExtensionMessage::Handshake(handshake)) = ours.read(&said) {
                    theirs.update(&handshake);
                }
            }
        }
        Self { socket, theirs }
    }

    async fn say_connect(&mut self, to: SocketAddr) {
        let id = self.theirs.id(Extension::Holepunch).unwrap();
        let mut words = Vec::new();
        Message::from(ExtensionMessage::holepunch(id, Holepunch::Connect(to))).encode(&mut words);
        self.socket.write_all(&words).await.unwrap();
    }
}

///
#[tokio::test(flavor = "multi_thread")]
async fn two_clients_meet_by_utp_at_the_word_of_a_third() {
    let scene = Scene::single(1_000_000);
    let [seeder, leecher] = [(); 2].map(|()| encrypting_client(Encryption::Prefer));
    let seed = scene.seed(&seeder).await;
    let mut options = TorrentOptions::new(scene.leech_dir());
    // Long enough to be seen.
    options.download_limit(Some(1));
    let torrent = leecher.add(&scene.metainfo, options).unwrap();
    let mut relays = [Relay::meet(&scene, &seeder).await, Relay::meet(&scene, &leecher).await];
    let [first, second] = &mut relays;
    tokio::join!(first.say_connect(address(&leecher)), second.say_connect(address(&seeder)));

    let met = async {
        loop {
            let met =
                torrent.peers().into_iter().find(|peer| peer.peer.address == address(&seeder));
            match met {
                Some(peer) => return peer,
                None => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    assert_eq!(in_time(met).await.peer.transport, Transport::Utp);
    torrent.set_download_limit(None);
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
    let introduced = torrent.counts().introduced + seed.counts().introduced;
    assert!((1..=2).contains(&introduced), "{introduced}");
}
