//! Files on disk that differ from the torrent: with other names, too long, behind links, or missing.

#![cfg(unix)]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use support::{Scene, client, in_time};
use tinytorrent_client::{
    Client, Event, Events, PauseReason, State, Torrent, TorrentError, TorrentOptions,
};
use tinytorrent_metainfo::{Metainfo, PathPolicy};
use tinytorrent_storage::StorageError;

const LISTEN: &str = "127.0.0.1:0";

/// Returns the events up to the end of the check, or of the torrent.
async fn events_of_start(events: &mut Events) -> Vec<Event> {
    let mut seen = Vec::new();
    while let Some(event) = in_time(events.next()).await {
        let is_last = matches!(event, Event::Checked { .. } | Event::Failed(_));
        seen.push(event);
        if is_last {
            break;
        }
    }
    seen
}

async fn add(client: &Client, scene: &Scene, options: TorrentOptions) -> (Torrent, Events) {
    let torrent = client.add(&scene.metainfo, options).unwrap();
    let events = torrent.events();
    (torrent, events)
}

#[tokio::test]
async fn a_download_goes_on_once_its_disk_has_recovered() {
    let scene = Scene::single(100_000);
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    // In the place of the file, so that no block can be stored.
    let obstacle = scene.leech_dir().join("one.bin");
    fs::create_dir_all(&obstacle).unwrap();
    let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    let mut events = torrent.events();
    let paused = async {
        while !matches!(events.next().await.unwrap(), Event::StateChanged(State::Paused)) {}
    };
    in_time(paused).await;
    assert_eq!(torrent.paused_by(), Some(PauseReason::Disk));
    fs::remove_dir(&obstacle).unwrap();
    // Blocks that were under way may fail after it once more.
    in_time(async {
        while torrent.state() != State::Seeding {
            torrent.resume();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    scene.assert_complete();
}

#[tokio::test]
async fn a_longer_file_is_cut_once_the_content_is_there() {
    let scene = Scene::multi();
    let (seeder, leecher) = (client(LISTEN), client(LISTEN));
    let _seed = scene.seed(&seeder).await;
    for name in ["a", "b/empty"] {
        let path = scene.leech_dir().join("many").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![7; 150_000]).unwrap();
    }
    let (torrent, mut events) = add(&leecher, &scene, scene.leech(&seeder)).await;
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
    in_time(torrent.stop()).await;
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        if let Event::LongerFile { path, size, length, is_cut } = event {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            told.push((name, size, length, is_cut));
        }
    }
    let expected = [("a", 150_000, 100_001, true), ("empty", 150_000, 0, true)];
    assert_eq!(told, expected.map(|(name, size, length, cut)| (name.into(), size, length, cut)));
}

/// Changes the file of a download that is half done, and waits until it is finished.
async fn change_half_way(change: impl Fn(&std::path::Path)) -> (Scene, Torrent, Client) {
    let scene = Scene::single(400_000);
    let (seeder, leecher) = (client(LISTEN), client(LISTEN));
    let seed = scene.seed(&seeder).await;
    seed.set_upload_limit(Some(300_000));
    let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    in_time(async {
        while torrent.counts().pieces < 6 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    change(&scene.leech_dir().join("one.bin"));
    seed.set_upload_limit(None);
    let ended = async {
        while !matches!(torrent.state(), State::Seeding | State::Paused) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    in_time(ended).await;
    (scene, torrent, seeder)
}

// Its verified pieces are gone, and it would be told to be complete.
#[tokio::test]
async fn a_file_that_somebody_cuts_replaces_or_takes_away_during_a_download_comes_again() {
    let cut = |path: &std::path::Path| {
        fs::File::options().write(true).open(path).unwrap().set_len(10).unwrap();
    };
    change_half_way(cut).await.0.assert_complete();
    change_half_way(|path| fs::remove_file(path).unwrap()).await.0.assert_complete();
    let replace = |path: &std::path::Path| {
        let other = path.with_file_name("other");
        fs::write(&other, vec![7; 400_000]).unwrap();
        fs::rename(other, path).unwrap();
    };
    change_half_way(replace).await.0.assert_complete();
}

#[tokio::test]
async fn a_download_whose_file_became_a_link_is_not_complete_until_it_is_none() {
    let become_link = |path: &std::path::Path| {
        fs::remove_file(path).unwrap();
        symlink("/dev/null", path).unwrap();
    };
    let (scene, torrent, _seeder) = change_half_way(become_link).await;
    assert_eq!(torrent.paused_by(), Some(PauseReason::Disk));
    torrent.resume();
    let is_still = async {
        loop {
            assert_ne!(torrent.state(), State::Seeding);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_millis(300), is_still).await.is_err());
    fs::remove_file(scene.leech_dir().join("one.bin")).unwrap();
    torrent.resume();
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
}

#[tokio::test]
async fn a_seed_tells_of_a_longer_file_and_leaves_it() {
    let scene = Scene::multi();
    let path = scene.seed_dir().join("many/f");
    let longer = [&fs::read(&path).unwrap()[..], b"more"].concat();
    fs::write(&path, &longer).unwrap();
    let mut options = TorrentOptions::new(scene.seed_dir());
    options.read_only(true).resume(false);
    let client = client(LISTEN);
    let (torrent, mut events) = add(&client, &scene, options).await;
    let seen = events_of_start(&mut events).await;
    assert!(seen.iter().any(|event| matches!(event, Event::LongerFile { is_cut: false, .. })));
    in_time(torrent.finished()).await.unwrap();
    assert_eq!(torrent.state(), State::Seeding);
    assert_eq!(fs::read(path).unwrap(), longer);
}

#[tokio::test]
async fn a_seed_that_believes_still_looks_whether_files_are_there() {
    let scene = Scene::multi();
    fs::write(scene.seed_dir().join("many/e"), vec![0; 199_999]).unwrap();
    let mut options = TorrentOptions::new(scene.seed_dir());
    options.read_only(true).resume(false).assume_complete(true);
    let client = client(LISTEN);
    let (torrent, _) = add(&client, &scene, options).await;
    let error = in_time(torrent.finished()).await.unwrap_err();
    let TorrentError::Storage(error) = error else { panic!("{error}") };
    let StorageError::MissingData { path, offset } = &*error else { panic!("{error}") };
    assert_eq!((path, *offset), (&scene.seed_dir().join("many/e"), 199_999));
}

#[tokio::test]
async fn a_seed_reads_through_links_where_the_user_wants_it() {
    let scene = Scene::multi();
    let elsewhere = tempfile::tempdir().unwrap();
    let (top, moved) = (scene.seed_dir().join("many"), elsewhere.path().join("moved"));
    fs::create_dir(&moved).unwrap();
    for name in ["a", "b"] {
        fs::rename(top.join(name), moved.join(name)).unwrap();
        symlink(moved.join(name), top.join(name)).unwrap();
    }
    let (seeder, leecher) = (client(LISTEN), client(LISTEN));
    let mut options = TorrentOptions::new(scene.seed_dir());
    options.read_only(true).resume(false);
    let (refused, _) = add(&seeder, &scene, options.clone()).await;
    let error = in_time(refused.finished()).await.unwrap_err();
    assert!(error.to_string().contains("many/b"), "it names the link: {error}");
    in_time(refused.stop()).await;
    options.follow_links(true);
    let (seed, _) = add(&seeder, &scene, options).await;
    in_time(seed.finished()).await.unwrap();
    let (torrent, _) = add(&leecher, &scene, scene.leech(&seeder)).await;
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
}

#[tokio::test]
async fn names_on_disk_are_those_that_are_wanted_or_there() {
    let scene = Scene::new("a: b", &[("what?", 40_000), ("Foo", 5), ("foo", 5)]);
    let seeder = client(LISTEN);
    let _seed = scene.seed(&seeder).await;
    let fetch = async |names| {
        let leecher = client(LISTEN);
        let mut options = scene.leech(&seeder);
        options.names(names);
        let (torrent, mut events) = add(&leecher, &scene, options).await;
        let seen = events_of_start(&mut events).await;
        in_time(torrent.finished()).await.unwrap();
        let stats = in_time(torrent.stop()).await;
        let changes = seen.iter().find_map(|event| match event {
            Event::PathsChanged { changes, count } => {
                assert_eq!(changes.len(), *count);
                Some(changes.iter().map(|change| change.written.clone()).collect::<Vec<_>>())
            }
            _ => None,
        });
        (stats.downloaded > 0, changes)
    };
    let portable = ["a_ b/Foo", "a_ b/foo.1", "a_ b/what_"];
    let portable = Some(portable.map(str::to_owned).to_vec());
    assert_eq!(fetch(PathPolicy::Portable).await, (true, portable.clone()));
    assert_eq!(fetch(PathPolicy::System).await, (false, portable), "it is there already");
    fs::remove_dir_all(scene.leech_dir()).unwrap();
    assert_eq!(fetch(PathPolicy::Exact).await, (true, None));
    assert_eq!(fetch(PathPolicy::Portable).await, (false, None), "it is there already");
    scene.assert_complete();
}

#[tokio::test]
async fn exact_names_that_no_disk_holds_are_an_error() {
    let torrent = b"d4:infod6:lengthi1e4:name3:a/b12:piece lengthi16384e\
        6:pieces20:ABCDEFGHIJKLMNOPQRSTee";
    let metainfo = Metainfo::from_bytes_lenient(torrent).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut options = TorrentOptions::new(folder.path());
    options.names(PathPolicy::Exact);
    let client = client(LISTEN);
    let torrent = client.add(&metainfo, options).unwrap();
    let error = in_time(torrent.finished()).await.unwrap_err();
    assert!(matches!(error, TorrentError::Names(_)), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A torrent cannot bring the resume data of another one.
#[tokio::test]
async fn a_content_with_the_name_of_a_file_of_ours_is_refused() {
    let hash = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";
    let names = ["resume", "journal", "metadata", "parts", "RESUME.new"];
    for name in names.map(|name| format!(".{hash}.tinytorrent-{name}")) {
        let scene = Scene::new(&name, &[("a", 1)]);
        let here = client("127.0.0.1:0");
        let torrent = here.add(&scene.metainfo, TorrentOptions::new(scene.leech_dir())).unwrap();
        let error = in_time(torrent.finished()).await.unwrap_err();
        assert!(matches!(error, TorrentError::NameOfOurs { .. }), "{error}");
        assert!(!scene.leech_dir().join(&name).exists());
    }
}
