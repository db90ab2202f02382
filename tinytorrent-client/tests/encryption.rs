//! Clients with different settings of encryption.

mod support;

use support::{Scene, encrypting_client, in_time};
use tinytorrent_client::{Encryption, Event, State, SwarmEvent};

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
            () = refused => torrent.state() == State::Seeding,
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
