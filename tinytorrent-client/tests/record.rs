//! Recordings of engines that drive real sockets and disks.

mod support;

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use support::{Scene, address, client, in_time};
use tinytorrent_client::{Event, SwarmEvent, Torrent, TorrentOptions};
use tinytorrent_metainfo::Version;
use tinytorrent_swarm::Sha1;
use tinytorrent_swarm::record::{Replayed, mask, replay};

/// A sink that hands over what it was given when it is dropped.
struct Tape {
    bytes: Vec<u8>,
    whole: Sender<Vec<u8>>,
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        // A test that has failed waits for it no more.
        let _ = self.whole.send(std::mem::take(&mut self.bytes));
    }
}

fn record(options: &mut TorrentOptions) -> Receiver<Vec<u8>> {
    let (whole, recording) = channel();
    options.record(Tape { bytes: Vec::new(), whole });
    recording
}

/// Stops a torrent, and replays its recording.
async fn stop(torrent: Torrent, recording: Receiver<Vec<u8>>) -> (Vec<u8>, Replayed) {
    in_time(torrent.stop()).await;
    let received = tokio::task::spawn_blocking(move || {
        recording.recv_timeout(Duration::from_secs(60)).expect("the sink is dropped")
    });
    let bytes = received.await.expect("no panic");
    let replayed = replay(Instant::now(), &bytes[..], &[tinytorrent_hash::sha1]);
    let replayed = replayed.expect("the recording can be read");
    assert!(replayed.parting.is_none(), "{:#?}", replayed.parting);
    assert!(!replayed.is_cut);
    let (mut masked, sha1) = (Vec::new(), [tinytorrent_hash::sha1 as Sha1]);
    mask(Instant::now(), || Ok(&bytes[..]), &sha1, &mut masked).expect("it can be masked");
    let replayed_masked = replay(Instant::now(), &masked[..], &sha1).expect("it can be read");
    assert!(replayed_masked.parting.is_none(), "{:#?}", replayed_masked.parting);
    (bytes, replayed)
}

/// Downloads with both ends recorded; the recordings replay equal.
async fn replays(scene: Scene, by_link: bool) {
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let mut options = TorrentOptions::new(scene.seed_dir());
    options.read_only(true).resume(false);
    let of_seed = record(&mut options);
    let seed = seeder.add(&scene.metainfo, options).unwrap();
    in_time(seed.finished()).await.unwrap();
    let mut options = scene.leech(&seeder);
    let of_leech = record(&mut options);
    let torrent = if by_link {
        leecher.add(scene.metainfo.info().hashes(), options).unwrap()
    } else {
        leecher.add(&scene.metainfo, options).unwrap()
    };
    torrent.set_download_limit(Some(100 << 20));
    in_time(torrent.finished()).await.unwrap();
    // Looks at the figures of peers change them as well.
    let _ = torrent.peers();
    torrent.pause();
    torrent.resume();
    let blocks = scene.metainfo.layout().payload_length_total() / (16 << 10);
    let (bytes, replayed) = stop(torrent, of_leech).await;
    assert!(replayed.actions >= blocks, "each block was requested");
    assert!(replayed.time > Duration::ZERO);
    // The content is not there: 32 bytes of it in a row would be.
    let content = scene.metainfo.layout().files().next().unwrap();
    let content = std::fs::read(content.path.below(&scene.seed_dir())).unwrap();
    assert!(!bytes.windows(32).any(|window| window == &content[..32]));
    stop(seed, of_seed).await;
}

#[tokio::test]
async fn a_download_and_its_seed_replay_equal() {
    replays(Scene::multi(), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_download_of_many_blocks_on_many_threads_replays_equal() {
    replays(Scene::single(20_000_000), false).await;
}

#[tokio::test]
async fn a_download_of_metadata_and_layers_replays_equal() {
    replays(Scene::short_pieces(Version::Hybrid), true).await;
    replays(Scene::short_pieces(Version::V2), true).await;
}

/// A disk that is full from the beginning.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_recording_that_fails_is_told_once_and_the_download_goes_on() {
    let scene = Scene::single(3_000_000);
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let mut options = TorrentOptions::new(scene.leech_dir());
    options.record(Full);
    let torrent = leecher.add(&scene.metainfo, options).unwrap();
    let mut events = torrent.events();
    // The next calls that are written are those after a quarter of a second.
    let failed = in_time(async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            torrent.reannounce();
            let event = tokio::time::timeout(Duration::from_millis(100), async {
                while let Some(event) = events.next().await {
                    if let Event::RecordingFailed { error } = event {
                        return error;
                    }
                }
                panic!("the torrent goes on");
            });
            if let Ok(error) = event.await {
                return error;
            }
        }
    });
    assert_eq!(failed.await.kind, io::ErrorKind::StorageFull);
    torrent.add_peers([address(&seeder).into()]);
    in_time(torrent.finished()).await.unwrap();
    in_time(torrent.stop()).await;
    let (mut again, mut is_finished) = (0, false);
    while let Some(event) = in_time(events.next()).await {
        again += u32::from(matches!(event, Event::RecordingFailed { .. }));
        is_finished |= matches!(event, Event::Swarm(SwarmEvent::Finished));
    }
    assert!(is_finished);
    assert_eq!(again, 0);
    scene.assert_complete();
}

#[tokio::test]
async fn one_torrent_has_the_recording() {
    let scene = Scene::single(100_000);
    let (one, other) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let mut options = TorrentOptions::new(scene.seed_dir());
    options.read_only(true).resume(false);
    let recording = record(&mut options);
    let first = one.add(&scene.metainfo, options.clone()).unwrap();
    let second = other.add(&scene.metainfo, options).unwrap();
    in_time(first.finished()).await.unwrap();
    in_time(second.finished()).await.unwrap();
    in_time(second.stop()).await;
    let (_, replayed) = stop(first, recording).await;
    assert!(replayed.events > 0);
}
