//! Sessions that are kept: what was there comes back.

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use support::{Scene, address, client, in_time};
use tinytorrent_client::{
    Client, ClientError, ClientOptions, State, Torrent, TorrentError, TorrentOptions,
};
use tinytorrent_metainfo::Magnet;

fn kept_client(state: &Path) -> Client {
    let mut options = ClientOptions::default();
    Client::start(options.listen("127.0.0.1:0".parse().unwrap()).state(state)).unwrap()
}

async fn shut_down(client: Client) {
    in_time(client.shutdown(Duration::from_secs(9))).await;
}

/// Waits until the files of so many torrents are in the folder.
async fn saved(state: &Path, count: usize) {
    in_time(async {
        let is_record = |name: &str| name.ends_with(".torrent-state");
        while names(state).iter().filter(|name| is_record(name)).count() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "session.lock").collect()
}

fn magnet(scene: &Scene) -> Magnet {
    let hashes = scene.metainfo.hashes();
    Magnet::from_info_hash(&hashes.v1().unwrap().to_string()).unwrap()
}

#[tokio::test]
async fn torrents_come_back_in_their_order_with_their_settings() {
    let state = tempfile::tempdir().unwrap();
    let scenes = [Scene::single(1), Scene::single(2), Scene::single(3)];
    let first = kept_client(state.path());
    for scene in &scenes {
        first.add(&scene.metainfo, TorrentOptions::new(scene.leech_dir())).unwrap();
    }
    let [one, two, _] = &first.torrents()[..] else { panic!() };
    one.pause();
    two.set_download_limit(Some(7));
    two.add_trackers(vec![vec!["http://127.0.0.1:1/announce".into()]]);
    let added = two.history().unwrap().added;
    shut_down(first).await;

    let second = kept_client(state.path());
    let hashes: Vec<_> = second.torrents().iter().map(Torrent::hashes).collect();
    assert_eq!(hashes, scenes.each_ref().map(|scene| scene.metainfo.hashes()));
    let [one, two, three] = &second.torrents()[..] else { panic!() };
    assert_eq!(one.state(), State::Paused);
    assert_eq!(two.limits().unwrap().download, Some(7));
    assert_eq!(two.trackers().len(), 1);
    assert_eq!(two.history().unwrap().added, added);
    assert_eq!(three.name(), Some(scenes[2].metainfo.info().name().to_string()));
    // A new one comes behind them, and one that is stopped by its handle is forgotten.
    in_time(two.stop()).await;
    let last = Scene::single(4);
    second.add(&last.metainfo, TorrentOptions::new(last.leech_dir())).unwrap();
    shut_down(second).await;
    let third = kept_client(state.path());
    let hashes: Vec<_> = third.torrents().iter().map(Torrent::hashes).collect();
    assert_eq!(hashes, [&scenes[0], &scenes[2], &last].map(|scene| scene.metainfo.hashes()));
    shut_down(third).await;
}

#[tokio::test]
async fn torrents_that_were_moved_come_back_in_their_new_order() {
    let state = tempfile::tempdir().unwrap();
    let scenes = [Scene::single(1), Scene::single(2), Scene::single(3)];
    let hashes = |order: [usize; 3]| order.map(|at| scenes[at].metainfo.hashes());
    let listed =
        |client: &Client| -> Vec<_> { client.torrents().iter().map(Torrent::hashes).collect() };
    let first = kept_client(state.path());
    for scene in &scenes {
        first.add(&scene.metainfo, TorrentOptions::new(scene.leech_dir())).unwrap();
    }
    first.torrents()[2].set_queue_position(0);
    shut_down(first).await;
    let second = kept_client(state.path());
    assert_eq!(listed(&second), hashes([2, 0, 1]));
    // So often that all get new numbers.
    for _ in 0..61 {
        second.torrents()[0].set_queue_position(1);
    }
    let order = listed(&second);
    assert_eq!(order, hashes([0, 2, 1]));
    shut_down(second).await;
    let third = kept_client(state.path());
    assert_eq!(listed(&third), order);
    shut_down(third).await;
}

#[tokio::test]
async fn one_client_at_a_time_has_a_session() {
    let state = tempfile::tempdir().unwrap();
    let scene = Scene::single(1);
    let first = kept_client(state.path());
    let torrent = first.add(&scene.metainfo, TorrentOptions::new(scene.leech_dir())).unwrap();
    let mut options = ClientOptions::default();
    options.accept_peers(false).dht(false).state(state.path());
    let error = Client::start(&options).unwrap_err();
    assert!(matches!(&error, ClientError::SessionInUse { folder } if folder == state.path()));
    assert!(error.to_string().contains(&state.path().display().to_string()), "{error}");
    // A handle of an ended torrent does not keep it.
    shut_down(first).await;
    let second = Client::start(&options).unwrap();
    assert_eq!(second.torrents().len(), 1);
    drop((torrent, second));
    // Its torrents stop behind the scenes.
    in_time(async {
        while Client::start(&options).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_link_shows_its_name_until_the_metadata_has_one() {
    let state = tempfile::tempdir().unwrap();
    let scene = Scene::single(100_000);
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    let mut link = magnet(&scene);
    link.name = Some("a name".to_owned());
    let first = kept_client(state.path());
    let torrent = first.add(&link, TorrentOptions::new(scene.leech_dir())).unwrap();
    assert_eq!(torrent.name().as_deref(), Some("a name"));
    saved(state.path(), 1).await;
    shut_down(first).await;
    assert_eq!(torrent.name().as_deref(), Some("a name"), "it has ended");
    let second = kept_client(state.path());
    let torrent = second.get(scene.metainfo.hashes()).unwrap();
    assert_eq!(torrent.name().as_deref(), Some("a name"));
    torrent.add_peers([address(&seeder).into()]);
    in_time(torrent.finished()).await.unwrap();
    assert_eq!(torrent.name(), Some(scene.metainfo.info().name().to_string()));
    shut_down(second).await;
}

#[tokio::test]
async fn a_client_that_is_gone_without_a_word_loses_nothing_that_was_saved() {
    let state = tempfile::tempdir().unwrap();
    let scene = Scene::multi();
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    let hashes = scene.metainfo.hashes();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (folder, link, leech) = (state.path().to_owned(), magnet(&scene), scene.leech(&seeder));
    // A link; its metadata comes from the seeder.
    let run = runtime.spawn(async move {
        let leecher = kept_client(&folder);
        let torrent = leecher.add(link, leech).unwrap();
        in_time(torrent.finished()).await.unwrap();
        saved(&folder, 1).await;
        std::mem::forget((leecher, torrent));
    });
    in_time(run).await.unwrap();
    // As by a kill: no task gets to its end. Here, nobody gives back the lock of its folder, though.
    runtime.shutdown_background();
    drop(seeder);

    let after = tempfile::tempdir().unwrap();
    for name in names(state.path()) {
        fs::copy(state.path().join(&name), after.path().join(&name)).unwrap();
    }
    let again = kept_client(after.path());
    let torrent = again.get(hashes).expect("it is back");
    in_time(torrent.finished()).await.expect("without a peer");
    assert_eq!(torrent.info().unwrap().bytes(), scene.metainfo.info().bytes());
    assert_eq!(torrent.stats().downloaded, 0);
    scene.assert_complete();
    shut_down(again).await;
}

#[tokio::test]
async fn a_damaged_file_costs_no_other_torrent_anything() {
    let state = tempfile::tempdir().unwrap();
    let (one, two) = (Scene::single(1), Scene::single(2));
    let first = kept_client(state.path());
    for scene in [&one, &two] {
        first.add(&scene.metainfo, TorrentOptions::new(scene.leech_dir())).unwrap();
    }
    saved(state.path(), 2).await;
    shut_down(first).await;
    let path = state.path().join(format!("{}.torrent-state", one.metainfo.hashes()));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    fs::write(state.path().join("else.torrent-state"), b"").unwrap();
    let second = kept_client(state.path());
    let hashes: Vec<_> = second.torrents().iter().map(Torrent::hashes).collect();
    assert_eq!(hashes, [two.metainfo.hashes()]);
    assert_eq!(fs::read(&path).unwrap(), bytes[..bytes.len() / 2], "it is left as it is");
    shut_down(second).await;
}

#[tokio::test]
async fn a_torrent_that_is_stopped_leaves_no_file_behind() {
    let state = tempfile::tempdir().unwrap();
    let scene = Scene::single(1);
    let here = kept_client(state.path());
    let torrent = here.add(&scene.metainfo, TorrentOptions::new(scene.leech_dir())).unwrap();
    // Whether or not its first save has ended.
    in_time(torrent.stop()).await;
    assert_eq!(names(state.path()), Vec::<String>::new());
    shut_down(here).await;
    assert_eq!(names(state.path()), Vec::<String>::new());
}

#[tokio::test]
async fn counters_and_times_go_on() {
    let state = tempfile::tempdir().unwrap();
    let scene = Scene::single(300_000);
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    let first = kept_client(state.path());
    let torrent = first.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    let before = torrent.history().unwrap();
    assert_eq!(before.downloaded, 300_000);
    drop(torrent);
    shut_down(first).await;
    let second = kept_client(state.path());
    let torrent = second.get(scene.metainfo.hashes()).unwrap();
    in_time(torrent.finished()).await.unwrap();
    let after = torrent.history().unwrap();
    assert_eq!((after.downloaded, after.added), (300_000, before.added));
    assert_eq!((torrent.stats().downloaded, after.ratio(300_000)), (0, 0.0));
    assert_eq!(address(&second).port(), second.listen_addresses()[0].port());
    shut_down(second).await;
}

#[tokio::test]
async fn no_content_is_written_into_the_session() {
    // A torrent of this name would bring records of its own, with a folder to write to.
    let scene = Scene::new("state", &[("evil.torrent-state", 100), ("b", 40_000)]);
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    let state = scene.leech_dir().join("state");
    let leecher = kept_client(&state);
    for is_link in [false, true] {
        let options = scene.leech(&seeder);
        let torrent = match is_link {
            false => leecher.add(&scene.metainfo, options).unwrap(),
            true => leecher.add(magnet(&scene), options).unwrap(),
        };
        let error = in_time(torrent.finished()).await.unwrap_err();
        assert!(matches!(&error, TorrentError::KeptOut { folder } if *folder == state), "{error}");
        assert!(!state.join("evil.torrent-state").exists());
        // It is kept, as the next start may have another folder, until it is stopped.
        saved(&state, 1).await;
        in_time(torrent.stop()).await;
        assert_eq!(names(&state), Vec::<String>::new());
    }
    shut_down(leecher).await;
}
