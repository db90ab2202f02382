//! Files that the user selects, renames, moves, checks and deletes while a torrent runs.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use support::{Scene, address, client, in_time, noise};
use tinytorrent_client::{
    CheckScope, Client, ClientOptions, Event, Events, FileInfo, FileSelection, FilesError,
    Priority, Removal, RemoveError, State, StorageError, SwarmEvent, Torrent, TorrentOptions,
};

fn kept_client(state: &Path) -> Client {
    let mut options = ClientOptions::default();
    Client::start(options.listen("127.0.0.1:0".parse().unwrap()).state(state)).unwrap()
}

async fn shut_down(client: Client) {
    in_time(client.shutdown(Duration::from_secs(9))).await;
}

/// Starts to seed the content from the folder of the leecher, of which it is a copy.
async fn keep_copy(scene: &Scene, client: &Client) -> Torrent {
    for file in scene.metainfo.layout().files() {
        let to = file.path.below(&scene.leech_dir());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file.path.below(&scene.seed_dir()), to).unwrap();
    }
    let torrent = client.add(&scene.metainfo, TorrentOptions::new(scene.leech_dir())).unwrap();
    in_time(torrent.finished()).await.unwrap();
    torrent
}

async fn until(events: &mut Events, is_met: impl Fn(&Event) -> bool) -> Event {
    let wait = async {
        loop {
            let event = events.next().await.expect("it has not ended");
            if is_met(&event) {
                return event;
            }
        }
    };
    in_time(wait).await
}

fn select(text: &str) -> FileSelection {
    FileSelection::from_text(text)
}

fn paths(torrent: &Torrent) -> Vec<PathBuf> {
    let path = |file: FileInfo| file.path.expect("the content is open");
    torrent.files().unwrap().into_iter().map(path).collect()
}

/// All files below a folder but hidden ones, by their path in it.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(folder).unwrap().to_owned()),
            }
        }
    }
    found.retain(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'));
    found.sort();
    found
}

// S-10
#[tokio::test]
async fn a_selection_can_grow_and_shrink_while_the_torrent_runs() {
    let scene = Scene::multi();
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder).files(select("0"))).unwrap();
    in_time(torrent.finished()).await.unwrap();
    assert_eq!(tree(&scene.leech_dir()), [Path::new("many/a")]);

    let mut events = torrent.events();
    in_time(torrent.select(select("0-4"))).await.unwrap();
    until(&mut events, |event| matches!(event, Event::Swarm(SwarmEvent::Unfinished))).await;
    until(&mut events, |event| matches!(event, Event::Swarm(SwarmEvent::Finished))).await;
    scene.assert_complete();
    assert!(
        torrent.files().unwrap().iter().all(|file| file.is_wanted() && file.have == file.length)
    );
    let beside: Vec<_> = fs::read_dir(scene.leech_dir()).unwrap().collect();
    assert!(!beside.iter().any(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with("-parts")
    }));

    // What is there stays.
    in_time(torrent.select(select("3"))).await.unwrap();
    scene.assert_complete();
    let wanted: Vec<_> = torrent.files().unwrap().iter().map(|file| file.is_wanted()).collect();
    assert_eq!(wanted, [false, false, false, true, false]);
    let error = in_time(torrent.select(select("3,7"))).await.unwrap_err();
    assert!(matches!(error, FilesError::NoSuchFile { index: 7, count: 5 }), "{error}");
    assert!(torrent.files().unwrap()[3].is_wanted(), "a wrong selection changes nothing");
}

#[tokio::test]
async fn a_selection_is_kept_in_the_session_and_counts_before_the_metadata_is_known() {
    let (state, scene) = (tempfile::tempdir().unwrap(), Scene::multi());
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    let first = kept_client(state.path());
    let hash = scene.metainfo.hashes().to_string();
    let torrent = first.add(hash.as_str(), TorrentOptions::new(scene.leech_dir())).unwrap();
    in_time(torrent.select(select("3"))).await.unwrap();
    shut_down(first).await;

    let second = kept_client(state.path());
    let torrent = second.get(scene.metainfo.hashes()).unwrap();
    torrent.add_peers([address(&seeder).into()]);
    in_time(torrent.finished()).await.unwrap();
    assert_eq!(tree(&scene.leech_dir()), [Path::new("many/e")]);
    shut_down(second).await;
}

// S-19
#[tokio::test]
async fn a_check_finds_what_somebody_else_has_changed_and_it_is_repaired() {
    for scope in [CheckScope::All, CheckScope::Changed] {
        let scene = Scene::multi();
        let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
        let _seed = scene.seed(&seeder).await;
        let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
        in_time(torrent.finished()).await.unwrap();
        let downloaded = torrent.stats().downloaded;
        let mut events = torrent.events();
        fs::write(scene.leech_dir().join("many/e"), noise(200_000, 99)).unwrap();

        in_time(torrent.recheck(scope)).await.unwrap();
        let checked = until(&mut events, |event| matches!(event, Event::Checked { .. })).await;
        let Event::Checked { have, total, pieces } = checked else { unreachable!() };
        assert!(have < total && !pieces.is_full());
        in_time(torrent.finished()).await.unwrap();
        scene.assert_complete();
        let again = torrent.stats().downloaded - downloaded;
        assert!((200_000..300_000).contains(&again), "{again} bytes for a file of 200,000");
        assert_eq!(torrent.check_progress(), None);
    }
}

#[tokio::test]
async fn a_check_that_is_dropped_changes_nothing() {
    let scene = Scene::multi();
    let client = client("127.0.0.1:0");
    let torrent = keep_copy(&scene, &client).await;
    for nanos in [0, 1_000, 100_000, 1_000_000, 3_000_000] {
        let check = torrent.recheck(CheckScope::All);
        let _ = tokio::time::timeout(Duration::from_nanos(nanos), check).await;
        in_time(torrent.finished()).await.unwrap();
        assert!(torrent.pieces().unwrap().have.is_full());
    }
    // A chore behind it shows that none is stuck.
    in_time(torrent.recheck(CheckScope::All)).await.unwrap();
    in_time(torrent.finished()).await.unwrap();
}

#[tokio::test]
async fn a_paused_torrent_is_checked_and_stays_paused() {
    let scene = Scene::multi();
    let client = client("127.0.0.1:0");
    let torrent = keep_copy(&scene, &client).await;
    torrent.pause();
    fs::remove_file(scene.leech_dir().join("many/a")).unwrap();
    in_time(torrent.recheck(CheckScope::Changed)).await.unwrap();
    assert_eq!(torrent.state(), State::Paused);
    let missing = torrent.stats().wanted_left;
    assert!((100_001..200_000).contains(&missing), "{missing}");
}

// S-21
#[tokio::test]
async fn content_moves_while_it_is_downloaded() {
    // Another disk, where there is one.
    let shm = Path::new("/dev/shm");
    let places = [None, shm.is_dir().then_some(shm)];
    for place in places {
        let scene = Scene::multi();
        let new = match place {
            Some(place) => tempfile::tempdir_in(place).unwrap(),
            None => tempfile::tempdir_in(scene.seed_dir()).unwrap(),
        };
        let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
        let _seed = scene.seed(&seeder).await;
        let torrent = leecher
            .add(&scene.metainfo, scene.leech(&seeder).download_limit(Some(200_000)))
            .unwrap();
        let mut events = torrent.events();
        until(&mut events, |event| {
            matches!(event, Event::Swarm(SwarmEvent::PieceCompleted { .. }))
        })
        .await;
        let folder = new.path().join("deep/new");
        in_time(torrent.move_to(&folder)).await.unwrap();
        let moved = until(&mut events, |event| matches!(event, Event::Moved { .. })).await;
        assert!(matches!(moved, Event::Moved { folder: to } if to == folder));
        torrent.set_download_limit(None);
        in_time(torrent.finished()).await.unwrap();

        assert_eq!(torrent.content_path(), Some(folder.join("many")));
        assert!(paths(&torrent).iter().all(|path| path.starts_with(&folder)));
        assert_eq!(fs::read_dir(scene.leech_dir()).unwrap().count(), 0, "nothing is left");
        let read = |file: &Path| fs::read(file).unwrap();
        for file in scene.metainfo.layout().files() {
            let same = read(&file.path.below(&folder)) == read(&file.path.below(&scene.seed_dir()));
            assert!(same, "{}", file.path);
        }
    }
}

#[tokio::test]
async fn content_that_has_moved_is_found_there_by_the_next_session() {
    let (state, new, scene) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Scene::multi());
    let first = kept_client(state.path());
    let torrent = keep_copy(&scene, &first).await;
    in_time(torrent.move_to(new.path())).await.unwrap();
    in_time(torrent.rename_file(3, "many/other/name")).await.unwrap();
    assert!(new.path().join("many/other/name").is_file());
    // The session knows already, and nothing in the old folder does.
    assert_eq!(fs::read_dir(scene.leech_dir()).unwrap().count(), 0);
    shut_down(first).await;

    let second = kept_client(state.path());
    let torrent = second.get(scene.metainfo.hashes()).unwrap();
    in_time(torrent.finished()).await.unwrap();
    assert_eq!(torrent.content_path(), Some(new.path().join("many")));
    assert_eq!(paths(&torrent)[3], new.path().join("many/other/name"));
    shut_down(second).await;
}

/// A run that is gone at any moment of a move leaves a session that finds everything.
#[tokio::test]
async fn a_move_that_is_cut_off_at_any_moment_loses_nothing() {
    let shm = Path::new("/dev/shm");
    for round in 0..12_u64 {
        let (state, scene) = (tempfile::tempdir().unwrap(), Scene::multi());
        let new = match shm.is_dir() && round % 2 == 1 {
            true => tempfile::tempdir_in(shm).unwrap(),
            false => tempfile::tempdir_in(scene.seed_dir()).unwrap(),
        };
        let (folder, to) = (state.path().to_owned(), new.path().join("to"));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let hashes = scene.metainfo.hashes();
        let (sender, ready) = tokio::sync::oneshot::channel();
        let scene = std::sync::Arc::new(scene);
        let own = std::sync::Arc::clone(&scene);
        runtime.spawn(async move {
            let client = kept_client(&folder);
            let torrent = keep_copy(&own, &client).await;
            sender.send(()).unwrap();
            // Not dropped, as after a kill.
            let _ = torrent.move_to(to).await;
            std::future::pending::<()>().await;
        });
        in_time(ready).await.unwrap();
        tokio::time::sleep(Duration::from_micros(round * 400)).await;
        runtime.shutdown_background();
        // The threads of the first run are not killed by that.
        tokio::time::sleep(Duration::from_millis(300)).await;

        let client = kept_client(state.path());
        let torrent = client.get(hashes).unwrap();
        in_time(torrent.finished()).await.unwrap();
        assert_eq!(torrent.stats().downloaded, 0);
        assert_eq!(tree(&scene.leech_dir()).len() + tree(new.path()).len(), 5, "round {round}");
        shut_down(client).await;
    }
}

#[tokio::test]
async fn what_is_in_the_way_stays_and_the_torrent_goes_on() {
    let scene = Scene::multi();
    let mut options = ClientOptions::default();
    let private = scene.leech_dir().join("many/private");
    let client = Client::start(options.accept_peers(false).dht(false).keep_out(&private)).unwrap();
    let torrent = keep_copy(&scene, &client).await;
    let new = tempfile::tempdir().unwrap();
    fs::create_dir_all(new.path().join("many")).unwrap();
    fs::write(new.path().join("many/f"), "mine").unwrap();
    let error = in_time(torrent.move_to(new.path())).await.unwrap_err();
    let FilesError::Storage(error) = error else { panic!("{error}") };
    assert!(matches!(*error, StorageError::Exists { .. }), "{error}");
    assert_eq!(fs::read(new.path().join("many/f")).unwrap(), b"mine");
    let error = in_time(torrent.rename_file(0, "many/e")).await.unwrap_err();
    let FilesError::Storage(error) = error else { panic!("{error}") };
    assert!(matches!(*error, StorageError::NotRenamed(_)), "{error}");
    let error = in_time(torrent.rename_file(0, "many/private/x")).await.unwrap_err();
    assert!(matches!(error, FilesError::KeptOut { .. }), "{error}");
    assert!(in_time(torrent.rename_file(0, "../x")).await.is_err());
    let error = in_time(torrent.rename_file(9, "x")).await.unwrap_err();
    assert!(matches!(error, FilesError::NoSuchFile { index: 9, count: 5 }), "{error}");
    assert_eq!(torrent.state(), State::Seeding);
    scene.assert_complete();

    in_time(torrent.stop()).await;
    let error = in_time(torrent.rename_file(0, "many/x")).await.unwrap_err();
    assert!(matches!(error, FilesError::Ended(_)), "{error}");
}

#[tokio::test]
async fn a_stop_ends_what_waits() {
    let scene = Scene::multi();
    let client = client("127.0.0.1:0");
    let hash = scene.metainfo.hashes().to_string();
    let torrent = client.add(hash.as_str(), TorrentOptions::new(scene.leech_dir())).unwrap();
    let again = torrent.clone();
    let moving = tokio::spawn(async move { again.move_to("elsewhere").await });
    tokio::task::yield_now().await;
    in_time(torrent.stop()).await;
    let error = in_time(moving).await.unwrap().unwrap_err();
    assert!(matches!(error, FilesError::Ended(_)), "{error}");
}

#[tokio::test]
async fn a_torrent_is_removed_with_its_content_or_without() {
    let (state, scene) = (tempfile::tempdir().unwrap(), Scene::multi());
    let client = kept_client(state.path());
    let hashes = scene.metainfo.hashes();
    let _torrent = keep_copy(&scene, &client).await;
    let removed = in_time(client.remove(hashes, Removal::Keep)).await.unwrap();
    assert!(removed.files.is_none() && client.torrents().is_empty());
    scene.assert_complete();
    let is_record = |path: &PathBuf| path.extension().is_some_and(|it| it == "torrent-state");
    assert!(!tree(state.path()).iter().any(is_record), "the session has forgotten it");
    let error = in_time(client.remove(hashes, Removal::Delete)).await.unwrap_err();
    assert!(matches!(error, RemoveError::NoSuchTorrent(gone) if gone == hashes));

    let _torrent = keep_copy(&scene, &client).await;
    fs::write(scene.leech_dir().join("many/b/mine"), "mine").unwrap();
    let removed = in_time(client.remove(hashes, Removal::Delete)).await.unwrap();
    assert!(removed.files.is_some());
    assert_eq!(tree(&scene.leech_dir()), [Path::new("many/b/mine")]);
    let hidden = fs::read_dir(scene.leech_dir()).unwrap().count();
    assert_eq!(hidden, 1, "only the folder of the torrent is left");
    shut_down(client).await;
}

/// The content of a torrent that is removed before it was opened, or while it is.
#[tokio::test]
async fn content_that_is_not_open_is_deleted_as_well() {
    for wait in [0, 1, 5] {
        let scene = Scene::multi();
        let client = client("127.0.0.1:0");
        let torrent = keep_copy(&scene, &client).await;
        in_time(torrent.stop()).await;
        let hashes = torrent.hashes();
        let options = TorrentOptions::new(scene.leech_dir());
        let _again = client.add(&scene.metainfo, options).unwrap();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        in_time(client.remove(hashes, Removal::Delete)).await.unwrap();
        assert_eq!(fs::read_dir(scene.leech_dir()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn files_have_priorities_that_are_kept_and_count() {
    let (state, scene) = (tempfile::tempdir().unwrap(), Scene::multi());
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    let first = kept_client(state.path());
    let mut options = TorrentOptions::new(scene.leech_dir());
    options.file_priority(select("0"), Priority::Low);
    let torrent = first.add(&scene.metainfo, &options).unwrap();
    in_time(torrent.set_file_priority(select("3"), Priority::High)).await.unwrap();
    in_time(torrent.set_file_priority(select("4"), Priority::Skip)).await.unwrap();
    in_time(torrent.set_piece_priority(3..=3, Some(Priority::Skip))).await.unwrap();
    let priorities = |torrent: &Torrent| {
        let files = torrent.files().unwrap();
        files.iter().map(|file| file.priority).collect::<Vec<_>>()
    };
    let expected =
        [Priority::Low, Priority::Normal, Priority::Normal, Priority::High, Priority::Skip];
    assert_eq!(priorities(&torrent), expected);
    shut_down(first).await;

    let second = kept_client(state.path());
    let torrent = second.get(scene.metainfo.hashes()).unwrap();
    assert_eq!(priorities(&torrent), expected);
    let mut events = torrent.events();
    // So that pieces come one by one.
    torrent.set_download_limit(Some(250_000));
    torrent.add_peers([address(&seeder).into()]);
    let mut order = Vec::new();
    loop {
        match in_time(events.next()).await.expect("it has not ended") {
            Event::Swarm(SwarmEvent::PieceCompleted { piece, .. }) => order.push(piece.get()),
            Event::Swarm(SwarmEvent::Finished) => break,
            _ => {}
        }
    }
    // The third file begins in piece 3, which is not wanted; pieces 0 to 2 are of the first one.
    assert_eq!(torrent.pieces().unwrap().wanted.count(), torrent.pieces().unwrap().have.count());
    assert!(!torrent.pieces().unwrap().have.iter().any(|piece| piece == 3));
    let last_three: Vec<_> = order.iter().rev().take(3).collect();
    assert!(last_three.iter().all(|piece| **piece < 3), "{order:?}");
    torrent.set_download_limit(None);
    in_time(torrent.set_piece_priority(0..=u32::MAX, None)).await.unwrap();
    in_time(torrent.finished()).await.unwrap();
    assert!(torrent.pieces().unwrap().have.is_full());
    shut_down(second).await;
}
