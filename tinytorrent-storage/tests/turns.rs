//! Torrents that share a disk: none waits for all of what another has to do.

mod common;

use std::sync::{Mutex, mpsc};

use common::World;
use tinytorrent_storage::{
    Completion, Disk, DiskOptions, PieceVerifyOptions, Recovered, TorrentDiskOptions,
};

/// A peer completes a piece of 384 MiB with one byte, as all the rest is padding.
#[test]
fn a_torrent_does_not_wait_for_the_padding_of_another() {
    const LARGE: u32 = 384 << 20;
    let padded = World::new(LARGE, &[("a", 1, false), ("pad", u64::from(LARGE) - 1, true)]);
    let small = World::new(16_384, &[("b", 16_384, false)]);
    let disk = Disk::new(DiskOptions::default().threads(1)).unwrap();
    let (sender, completions) = mpsc::channel();
    // The thread waits in the first completion, until both torrents have something to do.
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let (of_first, of_second) = (sender.clone(), sender);
    let options = TorrentDiskOptions::default();
    let nothing = || Recovered::nothing(1);
    let (storage, hashes) = (padded.storage(), padded.hashes.clone());
    let first = disk.add(storage, hashes, nothing(), &options, move |done| {
        of_first.send(("padded", done)).unwrap();
        let _ = released.lock().unwrap().recv();
    });
    let (storage, hashes) = (small.storage(), small.hashes.clone());
    let second = disk.add(storage, hashes, nothing(), &options, move |done| {
        of_second.send(("small", done)).unwrap();
    });
    for (world, torrent) in [(&padded, &first), (&small, &second)] {
        let block = world.blocks(world.piece(0))[0];
        let data = world.block_data(block);
        torrent.store_last(block, data, PieceVerifyOptions::default()).unwrap();
    }
    drop(release);
    let mut verified = Vec::new();
    while verified.len() < 2 {
        match completions.recv().unwrap() {
            (name, Completion::PieceVerified { .. }) => verified.push(name),
            (_, Completion::BlocksWritten { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(verified, ["small", "padded"]);
    disk.shutdown();
}
