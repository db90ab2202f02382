//! Files are read while they are downloaded.

mod support;

use std::fs;
use std::io::{self, ErrorKind, SeekFrom};
use std::path::PathBuf;

use support::{Scene, client, in_time, noise};
use tinytorrent_client::{Client, FileSelection, ReadError, Reader, TorrentError, TorrentOptions};
use tinytorrent_metainfo::Version;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt};
use tokio::task::JoinSet;

/// The bytes of a file, and its index.
fn file(scene: &Scene, path: &str) -> (u32, Vec<u8>) {
    let layout = scene.metainfo.layout();
    let mut files = layout.files().filter(|file| !file.is_pad());
    let file = files.find(|file| file.path.to_string().ends_with(path)).unwrap();
    (file.index.get(), fs::read(file.path.below(&scene.seed_dir())).unwrap())
}

/// The reason for which a read has failed.
fn reason(error: &io::Error) -> &ReadError {
    error.get_ref().and_then(|error| error.downcast_ref()).expect("each error has a reason")
}

/// Reads and seeks as this seed says, and compares with the file.
async fn wander(mut reader: Reader, content: Vec<u8>, seed: u64) {
    let length = content.len() as u64;
    let numbers = noise(8 * 60, seed);
    let mut at = reader.position();
    for step in numbers.chunks_exact(8) {
        let number = u64::from_le_bytes(step.try_into().unwrap());
        let amount = number >> 8;
        match number % 8 {
            0 => at = reader.seek(SeekFrom::Start(amount % (length + 9))).await.unwrap(),
            1 => {
                let back = amount % (at + 1);
                let to = reader.seek(SeekFrom::Current(-(back as i64))).await.unwrap();
                assert_eq!(to, at - back);
                at = to;
            }
            2 => {
                let back = amount % (length + 1);
                at = reader.seek(SeekFrom::End(-(back as i64))).await.unwrap();
                assert_eq!(at, length - back);
            }
            _ => {
                let mut buffer = vec![0; (amount % 50_000) as usize];
                let count = in_time(reader.read(&mut buffer)).await.unwrap();
                let rest = content.get(at as usize..).unwrap_or_default();
                assert_eq!(count == 0, rest.is_empty() || buffer.is_empty());
                assert!(buffer[..count] == rest[..count], "{count} bytes at {at} differ");
                at += count as u64;
            }
        }
        assert_eq!(reader.position(), at);
    }
}

#[tokio::test]
async fn any_reads_and_seeks_give_the_bytes_of_the_file() {
    let scenes = [
        Scene::multi(),
        Scene::single(700_001),
        Scene::short_pieces(Version::V2),
        Scene::short_pieces(Version::Hybrid),
    ];
    for scene in scenes {
        let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
        let _seed = scene.seed(&seeder).await;
        let mut options = scene.leech(&seeder);
        options.download_limit(Some(1_000_000));
        let torrent = leecher.add(&scene.metainfo, options).unwrap();
        let mut readers = JoinSet::new();
        let layout = scene.metainfo.layout();
        for file in layout.files().filter(|file| !file.is_pad()) {
            let content = fs::read(file.path.below(&scene.seed_dir())).unwrap();
            let reader = torrent.reader(file.index.get()).await.unwrap();
            assert_eq!(reader.length(), file.length);
            for seed in 1..4 {
                readers.spawn(wander(reader.clone(), content.clone(), seed));
            }
        }
        in_time(readers.join_all()).await;
        torrent.set_download_limit(None);
        in_time(torrent.finished()).await.unwrap();
        scene.assert_complete();
    }
}

#[tokio::test]
async fn what_is_read_comes_first() {
    let scene = Scene::single(4_000_000);
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let mut options = scene.leech(&seeder);
    options.download_limit(Some(400_000));
    let torrent = leecher.add(&scene.metainfo, options).unwrap();
    let (index, content) = file(&scene, "one.bin");
    let mut reader = torrent.reader(index).await.unwrap();
    for at in [3_900_000, 1_000_000, 2_500_000] {
        reader.seek(SeekFrom::Start(at)).await.unwrap();
        let mut buffer = vec![0; 50_000];
        in_time(reader.read_exact(&mut buffer)).await.unwrap();
        assert!(content[at as usize..].starts_with(&buffer));
    }
    let have = torrent.stats().have_bytes;
    assert!(have < 2_000_000, "{have} bytes are there");
}

#[tokio::test]
async fn a_reader_waits_for_the_metadata() {
    let scene = Scene::multi();
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let torrent = leecher.add(scene.metainfo.hashes(), scene.leech(&seeder)).unwrap();
    let (index, content) = file(&scene, "e");
    let mut reader = in_time(torrent.reader(index)).await.unwrap();
    let mut all = Vec::new();
    in_time(reader.read_to_end(&mut all)).await.unwrap();
    assert!(all == content);
}

#[tokio::test]
async fn who_reads_when_the_torrent_ends_is_told() {
    let scene = Scene::single(100_000);
    let here = client("127.0.0.1:0");
    let torrent = here.add(&scene.metainfo, TorrentOptions::new(scene.leech_dir())).unwrap();
    let mut reader = torrent.reader(0).await.unwrap();
    let reading = tokio::spawn(async move { reader.read(&mut [0; 10]).await });
    // It waits by now, or is about to.
    tokio::task::yield_now().await;
    in_time(torrent.stop()).await;
    let error = in_time(reading).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    assert!(matches!(reason(&error), ReadError::Ended(TorrentError::Stopped)), "{error}");
    let late = in_time(torrent.reader(0)).await;
    assert!(matches!(late, Err(ReadError::Ended(TorrentError::Stopped))));

    let without_metadata = here.add(scene.metainfo.hashes(), scene.leech(&here)).unwrap();
    let waiting = without_metadata.clone();
    let waiting = tokio::spawn(async move { waiting.reader(0).await.map(drop) });
    tokio::task::yield_now().await;
    in_time(without_metadata.stop()).await;
    assert!(matches!(in_time(waiting).await.unwrap(), Err(ReadError::Ended(_))));
}

#[tokio::test]
async fn a_file_that_was_not_chosen_is_read_as_far_as_it_is_there() {
    let scene = Scene::new("some", &[("a", 40_000), ("b", 60_000), ("c", 10)]);
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let mut options = scene.leech(&seeder);
    options.files(FileSelection::new([0..=0]));
    let torrent = leecher.add(&scene.metainfo, options).unwrap();
    in_time(torrent.finished()).await.unwrap();
    let (index, content) = file(&scene, "b");
    let mut reader = torrent.reader(index).await.unwrap();
    // The second piece, of 32 KiB, has the end of the first file.
    let shared = (64 << 10) - 40_000;
    let mut buffer = vec![0; shared];
    in_time(reader.read_exact(&mut buffer)).await.unwrap();
    assert!(content.starts_with(&buffer));
    let error = in_time(reader.read(&mut buffer)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(matches!(reason(&error), ReadError::NotWanted { piece: 2 }), "{error}");
    let missing = torrent.reader(3).await;
    assert!(matches!(missing, Err(ReadError::NoSuchFile { index: 3, count: 3 })));
}

#[tokio::test]
async fn padding_is_no_file() {
    let scene = Scene::short_pieces(Version::Hybrid);
    let here = client("127.0.0.1:0");
    let torrent = here.add(&scene.metainfo, TorrentOptions::new(scene.leech_dir())).unwrap();
    let pad = scene.metainfo.layout().files().find(|file| file.is_pad()).unwrap().index.get();
    let reader = torrent.reader(pad).await;
    assert!(matches!(reader, Err(ReadError::NotAFile { index }) if index == pad));
}

/// A seed of a content of one file, and the path of the file.
async fn seed_of_one(size: usize) -> (Scene, Client, tinytorrent_client::Torrent, PathBuf) {
    let scene = Scene::single(size);
    let seeder = client("127.0.0.1:0");
    let seed = scene.seed(&seeder).await;
    let path = scene.seed_dir().join("one.bin");
    (scene, seeder, seed, path)
}

#[tokio::test]
async fn an_error_of_the_disk_is_told_and_a_read_can_be_tried_again() {
    let (scene, _seeder, seed, path) = seed_of_one(100_000).await;
    let mut reader = seed.reader(0).await.unwrap();
    let content = fs::read(&path).unwrap();
    // Descriptors that are open would go on to work.
    fs::write(&path, b"").unwrap();
    let error = reader.read(&mut [0; 10]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(matches!(reason(&error), ReadError::Storage(_)), "{error}");
    fs::write(&path, &content).unwrap();
    let mut all = Vec::new();
    reader.read_to_end(&mut all).await.unwrap();
    assert!(all == content);
    drop(scene);
}

#[tokio::test]
async fn a_clone_goes_on_where_the_original_is() {
    let (_scene, _seeder, seed, path) = seed_of_one(500_000).await;
    let content = fs::read(path).unwrap();
    let mut reader = seed.reader(0).await.unwrap();
    reader.seek(SeekFrom::Start(123_456)).await.unwrap();
    let mut part = vec![0; 1_000];
    reader.read_exact(&mut part).await.unwrap();
    let mut clone = reader.clone();
    reader.seek(SeekFrom::Start(0)).await.unwrap();
    let buffered = clone.fill_buf().await.unwrap().to_vec();
    assert!(!buffered.is_empty() && content[124_456..].starts_with(&buffered));
    let mut rest = Vec::new();
    clone.read_to_end(&mut rest).await.unwrap();
    assert!(rest == content[124_456..]);
    assert_eq!((reader.position(), clone.position()), (0, 500_000));
    let error = clone.seek(SeekFrom::End(-500_001)).await.unwrap_err();
    assert_eq!((error.kind(), clone.position()), (ErrorKind::InvalidInput, 500_000));
}

#[tokio::test]
async fn a_reader_goes_on_after_a_pause() {
    let scene = Scene::single(3_000_000);
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    torrent.pause();
    let mut reader = torrent.reader(0).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.map(|_| all)
    });
    tokio::task::yield_now().await;
    torrent.resume();
    let all = in_time(reading).await.unwrap().unwrap();
    assert!(all == file(&scene, "one.bin").1);
}
