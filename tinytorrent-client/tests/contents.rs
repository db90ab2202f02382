//! Content of the program's own: in memory, in files elsewhere, or nowhere.

mod support;

use std::collections::HashMap;
use std::fs;
use std::io::IoSlice;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{Scene, address, client, in_time};
use tinytorrent_client::{
    CheckScope, Client, ClientOptions, Content, Event, Fault, FileSelection, FilesElsewhere,
    FilesError, MemoryContent, MoveProgress, Removal, State, StorageError, SwarmEvent,
    TorrentError, TorrentOptions,
};
use tinytorrent_metainfo::{Magnet, Version};
use tinytorrent_storage::FilePool;
use tokio::io::AsyncReadExt;

/// A name that is no folder, and that nothing may be written to.
const NOWHERE: &str = "/nowhere/at/all";

/// Options for a content that is this one.
fn options_with(content: &Arc<MemoryContent>) -> TorrentOptions {
    let content = Arc::clone(content);
    let mut options = TorrentOptions::new(NOWHERE);
    options.content(move |request| {
        assert_eq!(request.folder, Path::new(NOWHERE));
        Ok(Arc::clone(&content) as Arc<dyn Content>)
    });
    options
}

/// The bytes of all files, one after the other as in the torrent, with zeros for padding.
fn bytes_of(scene: &Scene) -> Vec<u8> {
    let mut bytes = Vec::new();
    for file in scene.metainfo.layout().files() {
        bytes.resize(file.offset as usize, 0);
        if !file.is_pad() {
            bytes.extend(fs::read(file.path.below(&scene.seed_dir())).unwrap());
        }
    }
    bytes.resize(scene.metainfo.layout().total_length() as usize, 0);
    bytes
}

fn filled(scene: &Scene) -> Arc<MemoryContent> {
    let content = MemoryContent::new();
    content.write(0, &[IoSlice::new(&bytes_of(scene))]).unwrap();
    Arc::new(content)
}

fn assert_has(content: &MemoryContent, scene: &Scene) {
    let all = bytes_of(scene);
    for file in scene.metainfo.layout().files().filter(|file| !file.is_pad()) {
        let mut found = vec![0; file.length as usize];
        content.read(file.offset, &mut found).unwrap();
        assert!(found == all[file.offset as usize..][..found.len()], "{} differs", file.path);
    }
}

// S-32.
#[tokio::test]
async fn what_is_in_the_memory_of_one_comes_into_the_memory_of_the_other() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let scene = Scene::short_pieces(version);
        let (seed, leech) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
        let (from, to) = (filled(&scene), Arc::new(MemoryContent::new()));
        let seeding = seed.add(&scene.metainfo, options_with(&from)).unwrap();
        in_time(seeding.finished()).await.unwrap();
        let mut options = options_with(&to);
        options.peer(address(&seed));
        let torrent = leech.add(&scene.metainfo, options).unwrap();
        in_time(torrent.finished()).await.unwrap();
        assert_has(&to, &scene);
        let files = torrent.files().unwrap();
        assert!(files.iter().all(|file| file.path.is_none() && file.have == file.length));
        assert_eq!(torrent.content_path(), None);
        // The record is in the content, so that the next run goes on with its counters.
        let downloaded = torrent.stop().await.downloaded;
        let again = leech.add(&scene.metainfo, options_with(&to)).unwrap();
        in_time(again.finished()).await.unwrap();
        assert_eq!(again.history().unwrap().downloaded, downloaded);
        assert!(!Path::new(NOWHERE).exists());
    }
}

#[tokio::test]
async fn a_link_is_read_from_memory_while_it_downloads() {
    let scene = Scene::multi();
    let (seed, leech) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seeding = scene.seed(&seed).await;
    let to = Arc::new(MemoryContent::new());
    let mut options = options_with(&to);
    options.peer(address(&seed));
    let hash = scene.metainfo.hashes().v1().unwrap().to_string();
    let torrent = leech.add(Magnet::from_info_hash(&hash).unwrap(), options).unwrap();
    let mut reader = in_time(torrent.reader(3)).await.unwrap();
    let mut read = Vec::new();
    in_time(reader.read_to_end(&mut read)).await.unwrap();
    let file = scene.metainfo.layout().file(3).unwrap();
    assert!(read == fs::read(file.path.below(&scene.seed_dir())).unwrap());
    in_time(torrent.finished()).await.unwrap();
    assert_has(&to, &scene);
}

// S-34.
#[tokio::test]
async fn files_elsewhere_are_seeded() {
    let scene = Scene::multi();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for file in scene.metainfo.layout().files() {
        let path = elsewhere.path().join(format!("{}.bin", file.index.get()));
        fs::copy(file.path.below(&scene.seed_dir()), &path).unwrap();
        paths.push((file.index, path));
    }
    let layout = Arc::new(scene.metainfo.layout().clone());
    let content = Arc::new(FilesElsewhere::new(layout, paths, Arc::<FilePool>::default()));
    let (seed, leech) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let mut options = TorrentOptions::new(NOWHERE);
    options.content(move |_| Ok(Arc::clone(&content) as Arc<dyn Content>));
    let seeding = seed.add(&scene.metainfo, options).unwrap();
    in_time(seeding.finished()).await.unwrap();
    let torrent = leech.add(&scene.metainfo, scene.leech(&seed)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 5, "nothing is put beside them");
}

fn kept_client(state: &Path, content: Option<Arc<MemoryContent>>) -> Client {
    let mut options = ClientOptions::default();
    options.listen("127.0.0.1:0".parse().unwrap()).state(state);
    if let Some(content) = content {
        options.content(move |_| Ok(Some(Arc::clone(&content) as Arc<dyn Content>)));
    }
    Client::start(options).unwrap()
}

// S-32.
#[tokio::test]
async fn a_kept_torrent_is_never_downloaded_into_files_instead() {
    let scene = Scene::single(100_000);
    for by_client in [false, true] {
        let state = tempfile::tempdir().unwrap();
        let content = filled(&scene);
        let first = kept_client(state.path(), by_client.then(|| Arc::clone(&content)));
        let folder = scene.leech_dir();
        let mut options = TorrentOptions::new(&folder);
        if !by_client {
            let own = Arc::clone(&content);
            options.content(move |_| Ok(Arc::clone(&own) as Arc<dyn Content>));
        }
        let torrent = first.add(&scene.metainfo, options).unwrap();
        in_time(torrent.finished()).await.unwrap();
        in_time(first.shutdown(Duration::from_secs(9))).await;

        let without = kept_client(state.path(), None);
        let torrent = without.torrents().pop().unwrap();
        let error = in_time(torrent.finished()).await.unwrap_err();
        assert!(matches!(error, TorrentError::NoContent), "{error}");
        assert!(!folder.exists());
        in_time(without.shutdown(Duration::from_secs(9))).await;

        let third = kept_client(state.path(), Some(content));
        let torrent = third.torrents().pop().unwrap();
        in_time(torrent.finished()).await.unwrap();
        assert_eq!(torrent.stats().left, 0);
        in_time(third.shutdown(Duration::from_secs(9))).await;
    }
}

#[tokio::test]
async fn content_that_cannot_be_opened_ends_the_torrent_with_the_reason() {
    let scene = Scene::single(100);
    let client = client("127.0.0.1:0");
    let mut options = TorrentOptions::new(NOWHERE);
    options.content(|_| Err(StorageError::content(Fault::Denied, "a bucket", "no such key")));
    let torrent = client.add(&scene.metainfo, options).unwrap();
    let error = in_time(torrent.finished()).await.unwrap_err();
    let TorrentError::Storage(error) = error else { panic!("{error}") };
    assert_eq!(
        (error.fault(), error.to_string().as_str()),
        (Fault::Denied, "a bucket: no such key")
    );
    assert_eq!(torrent.state(), State::Failed);
}

// S-13: a content of the program's own that fails.
#[tokio::test]
async fn content_that_takes_nothing_pauses_the_torrent() {
    let scene = Scene::single(100_000);
    let (seed, leech) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seeding = scene.seed(&seed).await;
    let layout = Arc::new(scene.metainfo.layout().clone());
    let content = Arc::new(FilesElsewhere::new(layout, [], Arc::<FilePool>::default()));
    let mut options = TorrentOptions::new(NOWHERE);
    options.peer(address(&seed)).content(move |_| Ok(Arc::clone(&content) as Arc<dyn Content>));
    let torrent = leech.add(&scene.metainfo, options).unwrap();
    in_time(async {
        while torrent.state() != State::Paused {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(torrent.stats().have_bytes, 0);
}

#[tokio::test]
async fn content_that_is_not_in_files_is_chosen_checked_moved_and_deleted_as_well() {
    let scene = Scene::multi();
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let content = Arc::new(MemoryContent::new());
    let mut options = options_with(&content);
    options.peer(address(&seeder)).files(FileSelection::from_text("0"));
    let torrent = leecher.add(&scene.metainfo, options).unwrap();
    in_time(torrent.finished()).await.unwrap();
    let mut events = torrent.events();
    in_time(torrent.select(FileSelection::from_text("0-4"))).await.unwrap();
    in_time(async {
        while !matches!(events.next().await, Some(Event::Swarm(SwarmEvent::Finished))) {}
    })
    .await;
    assert_has(&content, &scene);

    content.write(100, &[IoSlice::new(b"wrong")]).unwrap();
    in_time(torrent.recheck(CheckScope::All)).await.unwrap();
    in_time(torrent.finished()).await.unwrap();
    assert_has(&content, &scene);

    let error = in_time(torrent.rename_file(0, "x")).await.unwrap_err();
    let FilesError::Storage(error) = error else { panic!("{error}") };
    assert_eq!(error.fault(), Fault::Unsupported);
    in_time(torrent.move_to("another name")).await.unwrap();
    assert_has(&content, &scene);
    in_time(leecher.remove(torrent.hashes(), Removal::Delete)).await.unwrap();
    let error = content.read(0, &mut [0; 4]).unwrap_err();
    assert_eq!(error.fault(), Fault::Missing);
}

/// Contents by the names of their places.
type Places = Arc<Mutex<HashMap<PathBuf, Arc<MemoryContent>>>>;

/// A content that copies itself to another place and then, as if the program were killed, does not come back.
#[derive(Debug)]
struct Killed {
    places: Places,
    folder: PathBuf,
}

impl Killed {
    fn inner(&self) -> Arc<MemoryContent> {
        Arc::clone(self.places.lock().unwrap().entry(self.folder.clone()).or_default())
    }
}

impl Content for Killed {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        self.inner().read(offset, buffer)
    }

    fn write(&self, offset: u64, slices: &[IoSlice<'_>]) -> Result<(), StorageError> {
        self.inner().write(offset, slices)
    }

    fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn is_present(&self, range: std::ops::Range<u64>) -> Result<bool, StorageError> {
        self.inner().is_present(range)
    }

    fn move_to(
        &self,
        folder: &Path,
        progress: &mut dyn FnMut(MoveProgress) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StorageError> {
        let moved = self.inner();
        let mut places = self.places.lock().unwrap();
        places.insert(folder.to_owned(), moved);
        places.remove(&self.folder);
        drop(places);
        // Until the torrent is stopped, so that the test leaves no thread behind.
        while progress(MoveProgress::new(0, 1)).is_continue() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(StorageError::content(Fault::Device, "a test", "killed"))
    }
}

// S-21.
#[tokio::test]
async fn content_whose_move_was_cut_short_is_found_where_it_is() {
    let scene = Scene::single(100_000);
    let state = tempfile::tempdir().unwrap();
    let places = Places::default();
    places.lock().unwrap().insert("first".into(), filled(&scene));
    let start = |places: &Places| {
        let places = Arc::clone(places);
        let mut options = ClientOptions::default();
        options.listen("127.0.0.1:0".parse().unwrap()).state(state.path());
        options.content(move |request| {
            let folder = request.folder.to_owned();
            Ok(Some(Arc::new(Killed { places: Arc::clone(&places), folder })))
        });
        Client::start(options).unwrap()
    };
    let first = start(&places);
    let torrent = first.add(&scene.metainfo, TorrentOptions::new("first")).unwrap();
    in_time(torrent.finished()).await.unwrap();
    let moving = tokio::spawn({
        let torrent = torrent.clone();
        async move { torrent.move_to("second").await }
    });
    in_time(async {
        while places.lock().unwrap().contains_key(Path::new("first")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    // As the run that is killed has left it.
    let kept = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(state.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), kept.path().join(entry.file_name())).unwrap();
    }
    in_time(first.shutdown(Duration::from_secs(9))).await;
    assert!(in_time(moving).await.unwrap().is_err());
    for entry in fs::read_dir(kept.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), state.path().join(entry.file_name())).unwrap();
    }
    let second = start(&places);
    let torrent = second.torrents().pop().unwrap();
    in_time(torrent.finished()).await.unwrap();
    assert_eq!(torrent.stats().left, 0, "it is in the new place");
    in_time(second.shutdown(Duration::from_secs(9))).await;
}
