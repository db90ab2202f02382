//! Blocks for peers: tags, cancelling, and pieces that change.

mod common;

use std::sync::{Mutex, mpsc};

use common::{World, assert_verified};
use tinytorrent_storage::{Completion, Disk, DiskOptions, Recovered, TorrentDisk, TorrentOptions};
use tinytorrent_types::Bitfield;

/// A torrent whose content is on disk.
fn world() -> World {
    let world = World::new(524_288, &[("file", 600_000, false)]);
    std::fs::write(world.path().join("file"), &world.content).unwrap();
    world
}

fn complete() -> Recovered {
    Recovered::with_pieces(Bitfield::full(2))
}

/// A disk of one thread, which waits in the first completion until it is released.
fn held_disk(world: &World) -> (Disk, TorrentDisk, mpsc::Sender<()>, mpsc::Receiver<Completion>) {
    let disk = Disk::new(DiskOptions::default().threads(1)).unwrap();
    let (release, released) = mpsc::channel();
    let (sender, completions) = mpsc::channel();
    let released = Mutex::new(released);
    let options = TorrentOptions::default();
    let storage = world.storage();
    let torrent = disk.add(storage, world.hashes.clone(), complete(), &options, move |done| {
        sender.send(done).unwrap();
        // Fails at once when the sender is gone.
        let _ = released.lock().unwrap().recv();
    });
    (disk, torrent, release, completions)
}

#[test]
fn many_reads_share_a_tag_and_are_cancelled_by_it() {
    let world = world();
    let blocks = world.blocks(world.piece(0));
    let (disk, torrent, release, completions) = held_disk(&world);
    torrent.read(blocks[0], 1);
    assert!(matches!(completions.recv().unwrap(), Completion::BlockRead { tag: 1, .. }));
    for &block in &blocks[..8] {
        [1, 2, 3].into_iter().for_each(|tag| torrent.read(block, tag));
    }
    torrent.cancel_reads(|block, tag| tag == 1 || (tag == 2 && block.begin() == 0));
    drop(release);
    let mut read = Vec::new();
    while read.len() < 15 {
        let Completion::BlockRead { tag, block, data } = completions.recv().unwrap() else {
            panic!("all is there")
        };
        assert!(data == world.block_data(block));
        read.push((tag, block.number()));
    }
    read.sort_unstable();
    let expected = (1..8).map(|number| (2, number)).chain((0..8).map(|number| (3, number)));
    assert!(read.into_iter().eq(expected));
    disk.shutdown();
    assert!(completions.try_recv().is_err(), "what was cancelled is not told of");
}

#[test]
fn a_piece_that_comes_anew_is_not_served_from_memory() {
    let world = world();
    let disk = Disk::new(&DiskOptions::default()).unwrap();
    let session = world.join(&disk, Recovered::nothing(2));
    std::fs::write(world.path().join("file"), vec![7; 600_000]).unwrap();
    session.torrent.read(world.blocks(world.piece(0))[0], 1);
    assert!(matches!(session.next(), Completion::BlockRead { .. }));
    session.store_piece(0);
    assert_verified(session.verify(0), 0);
    for block in world.blocks(world.piece(0)) {
        session.torrent.read(block, 2);
        let Completion::BlockRead { data, .. } = session.next() else { panic!("it is there") };
        assert!(data == world.block_data(block));
    }
    disk.shutdown();
}

/// Threads that read at the same time do not overtake each other.
#[test]
fn what_one_tag_asked_for_comes_in_its_order() {
    let world = world();
    let disk = Disk::new(DiskOptions::default().threads(4)).unwrap();
    let session = world.join(&disk, complete());
    let piece = world.blocks(world.piece(0));
    let asked: Vec<_> = piece.iter().cycle().take(400).collect();
    for block in &asked {
        [1, 2].into_iter().for_each(|tag| session.torrent.read(**block, tag));
    }
    let mut came = [const { Vec::new() }; 2];
    for _ in 0..2 * asked.len() {
        let Completion::BlockRead { tag, block, .. } = session.next() else {
            panic!("it is there")
        };
        came[tag as usize - 1].push(block);
    }
    assert!(came.iter().all(|blocks| blocks.iter().eq(asked.iter().copied())));
    disk.shutdown();
}
