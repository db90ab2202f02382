//! Blocks for peers: tags, cancelling, and pieces that change.

mod common;

use std::sync::{Mutex, mpsc};

use common::{World, assert_verified};
use tinytorrent_storage::{
    Completion, Disk, DiskOptions, Recovered, StorageError, TorrentDisk, TorrentDiskOptions,
};
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
    let options = TorrentDiskOptions::default();
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

#[test]
fn memory_that_is_taken_away_is_given_back_and_nothing_is_lost() {
    let world = World::new(1 << 20, &[("file", 8 << 20, false)]);
    std::fs::write(world.path().join("file"), &world.content).unwrap();
    let mut options = DiskOptions::default();
    let disk = Disk::new(options.memory(32 << 20).read_cache(8 << 20)).unwrap();
    let session = world.join(&disk, Recovered::with_pieces(Bitfield::full(8)));
    let read_all = || {
        for piece in 0..8 {
            for block in world.blocks(world.piece(piece)) {
                session.torrent.read(block, 1);
                let Completion::BlockRead { data, .. } = session.next() else {
                    panic!("it is there")
                };
                assert!(data == world.block_data(block));
            }
        }
    };
    read_all();
    let (cached, limit) = (disk.read_bytes(), session.torrent.unstored_limit());
    assert!(cached > 4 << 20);
    disk.set_memory(options.memory(1 << 20).read_cache(1 << 20));
    assert!(disk.read_bytes() <= 1 << 20);
    assert!(session.torrent.unstored_limit() <= limit);
    read_all();
    assert!(disk.read_bytes() <= 1 << 20);
    disk.set_memory(options.memory(32 << 20).read_cache(8 << 20));
    read_all();
    assert_eq!(disk.read_bytes(), cached);
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

/// Peers that ask and do not read keep what was read for them. It is bounded, and nothing is lost.
#[test]
fn what_is_read_and_not_dropped_stays_within_the_budget() {
    let world = World::new(1 << 20, &[("file", 8 << 20, false)]);
    std::fs::write(world.path().join("file"), &world.content).unwrap();
    let (cache, memory) = (1 << 20, 400_000);
    let disk = Disk::new(DiskOptions::default().read_cache(cache).read_memory(memory)).unwrap();
    let session = world.join(&disk, Recovered::with_pieces(Bitfield::full(8)));
    // One block of each run for each of many peers, and then the rest.
    let blocks: Vec<_> = world.geometry().pieces().flat_map(|piece| world.blocks(piece)).collect();
    let asked: Vec<_> = (0..16).flat_map(|first| blocks.iter().skip(first).step_by(16)).collect();
    for (number, block) in asked.iter().enumerate() {
        session.torrent.read(**block, number as u64 % 5);
    }
    let mut held = std::collections::VecDeque::new();
    let mut came = [const { Vec::new() }; 5];
    let (mut waits, mut left) = (0, asked.len());
    while left > 0 {
        // How long it waits is of no account: it only drops blocks sooner or later.
        match session.completions.recv_timeout(std::time::Duration::from_millis(30)) {
            Ok(Completion::BlockRead { tag, block, data }) => {
                assert!(data == world.block_data(block));
                came[tag as usize].push(block);
                held.push_back(data);
                left -= 1;
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => {
                waits += 1;
                assert!(held.pop_front().is_some(), "nothing is held, and reads wait");
                held.truncate(held.len() / 2);
            }
        }
        assert!(disk.read_bytes() <= cache + memory, "{}", disk.read_bytes());
        // A run of 16 blocks is the most that one byte can keep.
        let kept: usize = held.iter().map(bytes::Bytes::len).sum();
        assert!(kept as u64 <= cache + memory);
    }
    assert!(waits > 0, "all of it fits");
    for (tag, came) in came.iter().enumerate() {
        assert!(came.iter().eq(asked.iter().skip(tag).step_by(5).copied()), "{tag}");
    }
    drop(held);
    assert!(disk.read_bytes() <= cache, "the cache is left");
    disk.shutdown();
}

/// Whoever reads in order is read ahead for, as long as what was read is sent.
#[test]
fn reading_in_order_reads_ahead() {
    let world = world();
    let disk = Disk::new(&DiskOptions::default()).unwrap();
    let session = world.join(&disk, complete());
    let mut last: Option<bytes::Bytes> = None;
    for (number, block) in world.blocks(world.piece(0)).into_iter().enumerate() {
        session.torrent.read(block, 1);
        let Completion::BlockRead { data, .. } = session.next() else { panic!("it is there") };
        if let Some(last) = last.filter(|_| number % 16 != 0) {
            assert_eq!(last.as_ptr().wrapping_add(last.len()), data.as_ptr(), "{number}");
        }
        last = Some(data);
    }
    disk.shutdown();
}

/// The end does not wait for somebody who drops what was read.
#[test]
fn reads_without_room_do_not_hold_up_the_end() {
    let world = world();
    let disk = Disk::new(DiskOptions::default().read_cache(0).read_memory(16_384)).unwrap();
    let session = world.join(&disk, complete());
    let blocks = world.blocks(world.piece(0));
    for block in &blocks {
        session.torrent.read(*block, 1);
    }
    let held = session.next();
    assert!(matches!(held, Completion::BlockRead { .. }));
    disk.shutdown();
    let rest: Vec<_> = session.completions.try_iter().collect();
    let is_refused = |completion: &Completion| {
        matches!(completion, Completion::BlockUnread { error: StorageError::ShutDown, .. })
    };
    assert_eq!(rest.iter().filter(|completion| is_refused(completion)).count(), blocks.len() - 1);
}
