//! What an application sees of its torrents, and changes while they run.

mod support;

use std::time::Duration;

use support::{Scene, address, client, in_time};
use tinytorrent_client::{
    AddError, Client, Event, SourceError, State, SwarmEvent, Torrent, TorrentOptions,
};
use tinytorrent_types::{InfoHashV1, InfoHashes};

/// Waits until the torrent shows what is wanted.
async fn until<T>(mut shown: impl FnMut() -> Option<T>) -> T {
    in_time(async {
        loop {
            if let Some(value) = shown() {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// A download that has some pieces and goes on slowly.
async fn slow_download(scene: &Scene, seeder: &Client, leecher: &Client) -> Torrent {
    let torrent =
        leecher.add(&scene.metainfo, scene.leech(seeder).download_limit(Some(400_000))).unwrap();
    until(|| (torrent.stats().have_bytes > 0).then_some(())).await;
    torrent
}

#[tokio::test]
async fn a_client_lists_its_torrents_until_they_end() {
    let (one, two) = (Scene::single(1), Scene::single(2));
    let here = client("127.0.0.1:0");
    assert!(here.torrents().is_empty());
    let first = here.add(&one.metainfo, TorrentOptions::new(one.leech_dir())).unwrap();
    here.add(&two.metainfo, &TorrentOptions::new(two.leech_dir())).unwrap();
    let listed: Vec<_> = here.torrents().iter().map(Torrent::hashes).collect();
    assert_eq!(listed, [one.metainfo.hashes(), two.metainfo.hashes()]);
    assert_eq!(
        here.get(two.metainfo.hashes()).unwrap().name(),
        two.metainfo.info().name().to_string().into()
    );
    assert!(matches!(
        here.add(&one.metainfo, TorrentOptions::new(one.leech_dir())),
        Err(AddError::Duplicate(_))
    ));
    in_time(first.stop()).await;
    assert_eq!((here.torrents().len(), first.state()), (1, State::Stopped));
    assert!(here.get(one.metainfo.hashes()).is_none());
    in_time(here.shutdown(Duration::from_secs(9))).await;
    assert!(here.torrents().is_empty());
    let late = here.add(&one.metainfo, TorrentOptions::new(one.leech_dir()));
    assert!(matches!(late, Err(AddError::ShutDown)));
}

#[tokio::test]
async fn a_source_may_be_text_or_bytes() {
    let here = client("127.0.0.1:0");
    let options = TorrentOptions::new("unused");
    let hash = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";
    let link = here.add(format!("magnet:?xt=urn:btih:{hash}"), &options).unwrap();
    assert_eq!(link.hashes().to_string(), hash);
    in_time(link.stop()).await;
    assert!(here.add(hash, &options).is_ok());
    assert!(matches!(
        here.add("nonsense", &options),
        Err(AddError::Source(SourceError::Magnet(_)))
    ));
    let bytes = here.add(&b"d4:infod"[..], &options);
    assert!(matches!(bytes, Err(AddError::Source(SourceError::Metainfo(_)))));
}

#[tokio::test]
async fn a_running_download_is_shown_as_it_is() {
    let scene = Scene::multi();
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let torrent = slow_download(&scene, &seeder, &leecher).await;
    let peers = torrent.peers();
    let [peer] = &peers[..] else { panic!("{peers:?}") };
    assert_eq!(peer.peer.address, address(&seeder));
    assert!(peer.peer.is_seed && peer.peer.downloaded > 0 && !peer.peer.is_incoming);
    assert!(peer.peer.client.as_ref().is_some_and(|name| name.contains("tinytorrent")));
    let (pieces, stats) = (torrent.pieces().unwrap(), torrent.stats());
    assert!(pieces.have.count() > 0 && pieces.wanted.is_full());
    assert!(pieces.availability.iter().all(|&count| count == 1));
    let files = torrent.files().unwrap();
    let total: u64 = files.iter().map(|file| file.length).sum();
    assert_eq!(total, stats.have_bytes + stats.left);
    assert!(files.iter().all(|file| file.is_wanted() && file.have <= file.length));
    assert!(
        files
            .iter()
            .all(|file| file.path.as_ref().is_some_and(|path| path.starts_with(scene.leech_dir())))
    );
    assert!(files.iter().any(|file| file.have > 0));

    torrent.set_download_limit(None);
    assert_eq!(torrent.limits().unwrap().download, None);
    in_time(torrent.finished()).await.unwrap();
    let files = torrent.files().unwrap();
    assert!(files.iter().all(|file| file.have == file.length));
    in_time(torrent.stop()).await;
    assert!(torrent.files().is_none() && torrent.peers().is_empty());
    assert!(torrent.stats().downloaded > 0 && torrent.info().is_some());
}

#[tokio::test]
async fn whoever_subscribes_late_misses_nothing() {
    let scene = Scene::multi();
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let torrent = slow_download(&scene, &seeder, &leecher).await;
    let mut events = torrent.events();
    torrent.set_download_limit(None);
    let Some(Event::Now(now)) = events.next().await else { panic!("the first event") };
    let mut pieces = now.pieces.clone().expect("it is checked");
    assert!(pieces.count() > 0);
    loop {
        match in_time(events.next()).await.unwrap() {
            Event::Swarm(SwarmEvent::PieceCompleted { piece }) => assert!(pieces.insert(piece)),
            Event::Swarm(SwarmEvent::Finished) => break,
            _ => {}
        }
    }
    assert!(pieces.is_full());
}

#[tokio::test]
async fn the_sums_of_a_client_do_not_shrink_when_a_torrent_ends() {
    let scene = Scene::multi();
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    let all = torrent.stats().downloaded;
    assert_eq!(leecher.stats().downloaded, all);
    in_time(torrent.stop()).await;
    let stats = leecher.stats();
    assert_eq!((stats.downloaded, stats.have_bytes), (all, 0));
}

#[tokio::test]
async fn a_pause_is_seen_at_once_and_has_no_rate() {
    let scene = Scene::multi();
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let torrent = slow_download(&scene, &seeder, &leecher).await;
    torrent.pause();
    assert_eq!(torrent.state(), State::Paused);
    assert_eq!((torrent.stats().download_rate, torrent.peers().len()), (0, 0));
    torrent.set_download_limit(None);
    torrent.resume();
    in_time(torrent.finished()).await.unwrap();
}

#[tokio::test]
async fn trackers_are_shown_with_the_reason_why_they_fail() {
    let here = client("127.0.0.1:0");
    let mut options = TorrentOptions::new("unused");
    // Nobody listens there.
    options
        .tracker("http://user:secret@127.0.0.1:1/announce")
        .tracker("http://127.0.0.2:1/announce");
    let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
    let torrent = here.add(hashes, &options).unwrap();
    let failed = until(|| {
        let trackers = torrent.trackers();
        trackers.iter().any(|tracker| tracker.error.is_some()).then_some(trackers)
    })
    .await;
    assert_eq!(failed.iter().map(|tracker| tracker.tier).collect::<Vec<_>>(), [0, 1]);
    assert!(failed.iter().all(|tracker| !tracker.url.contains("secret")), "{failed:?}");
}
