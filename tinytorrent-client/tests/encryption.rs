//! Clients with different settings of encryption.

mod support;

use support::{Scene, encrypting_client, in_time};
use tinytorrent_client::{
    ConnectionError, Encryption, Event, LeaveReason, SwarmEvent, TorrentOptions,
};
use tinytorrent_types::PeerId;
use tinytorrent_wire::{Handshake, Reserved};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// Downloads from a seeder with these settings. Returns `false` if no connection is made.
async fn come_together(seeder: Encryption, leecher: Encryption) -> bool {
    let scene = Scene::single(700_001);
    let (seeder, leecher) = (encrypting_client(seeder), encrypting_client(leecher));
    let _seed = scene.seed(&seeder).await;
    let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    let mut events = torrent.events();
    let refused = async {
        loop {
            let event = events.next().await;
            if let Some(Event::Swarm(SwarmEvent::PeerLeft { .. })) = event {
                return;
            }
        }
    };
    let met = in_time(async {
        tokio::select! {
            biased;
            finished = torrent.finished() => finished.is_ok(),
            // The files are looked at before it seeds.
            () = refused => torrent.counts().pieces > 0 && torrent.finished().await.is_ok(),
        }
    })
    .await;
    in_time(torrent.stop()).await;
    if met {
        scene.assert_complete();
    }
    met
}

#[tokio::test]
async fn ends_that_require_encryption_encrypt() {
    assert!(come_together(Encryption::Require, Encryption::Require).await);
}

#[tokio::test]
async fn ends_that_do_as_the_other_wants_meet_everybody() {
    for other in [Encryption::Off, Encryption::Prefer, Encryption::Require] {
        assert!(come_together(other, Encryption::Prefer).await, "{other:?} seeds");
        assert!(come_together(Encryption::Prefer, other).await, "{other:?} leeches");
    }
}

#[tokio::test]
async fn who_requires_it_does_not_meet_who_refuses_it() {
    assert!(!come_together(Encryption::Require, Encryption::Off).await);
    assert!(!come_together(Encryption::Off, Encryption::Require).await);
}

#[tokio::test]
async fn a_plain_answer_to_an_encrypted_start_ends_the_connection() {
    let scene = Scene::single(1_000);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let leecher = encrypting_client(Encryption::Require);
    let mut options = TorrentOptions::new(scene.leech_dir());
    options.peer(listener.local_addr().unwrap());
    let torrent = leecher.add(&scene.metainfo, options).unwrap();
    let mut events = torrent.events();
    let (mut socket, _) = in_time(listener.accept()).await.unwrap();
    let plain = Handshake {
        reserved: Reserved::empty(),
        info_hash: scene.metainfo.info().hashes().to_wire(),
        peer_id: PeerId::from_bytes([9; 20]),
    };
    socket.write_all(&plain.to_bytes()).await.unwrap();
    // It is not known to be no key before as many bytes have come as a key has.
    socket.write_all(&[0; 96]).await.unwrap();
    let reason = in_time(async {
        loop {
            if let Some(Event::Swarm(SwarmEvent::PeerLeft { reason, .. })) = events.next().await {
                return reason;
            }
        }
    });
    assert_eq!(reason.await, LeaveReason::ConnectFailed(ConnectionError::Encryption));
}
