//! Stores that fail, are slow, or have something else than was put there; and little memory.

mod common;

use std::{
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use common::{Fault as StoreFault, Faulty, Request, SHORT, World};
use object_store::{ObjectStoreExt, path::Path as Key};
use tinytorrent_storage::{
    Completion, Content, Disk, DiskOptions, Fault, PieceVerifyOptions, RecoverOptions, Recovered,
    Storage, StorageOptions, TorrentDisk, TorrentDiskOptions, recover,
};
use tinytorrent_storage_object::{Bucket, ObjectContent, ObjectOptions};
use tokio::runtime::Runtime;

const BLOCK: usize = 16 << 10;

fn open(bucket: &Bucket, world: &World) -> ObjectContent {
    let layout = Arc::clone(&world.layout);
    bucket.open_layout(layout, world.identity, Path::new(""), false).unwrap()
}

fn storage(world: &World, content: &Arc<ObjectContent>) -> Storage {
    let (layout, content) = (Arc::clone(&world.layout), Arc::clone(content));
    let options = StorageOptions::default();
    Storage::with_content(layout, world.identity, Path::new(""), content, &options)
}

fn write(content: &ObjectContent, world: &World, begin: usize, length: usize) {
    let part = &world.data[begin..begin + length];
    content.write(begin as u64, &[std::io::IoSlice::new(part)]).unwrap();
}

fn keep_all(content: &ObjectContent, world: &World) {
    let pieces: Vec<_> = world.layout.geometry().pieces().collect();
    let kept = content.keep(&pieces);
    assert!(kept.iter().all(Result::is_ok), "{kept:?}");
}

fn read(content: &ObjectContent, begin: usize, length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    content.read(begin as u64, &mut data).unwrap();
    data
}

/// Waits for what happens in the background.
fn eventually(is_so: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it does not happen");
}

// S-36.
#[test]
fn unfinished_pieces_leave_memory_for_the_store_and_come_back_whole() {
    let (store, world) = (Faulty::new(), World::new((8 << 20) + 77, 1 << 20));
    let runtime = Runtime::new().unwrap();
    let mut options = ObjectOptions::default();
    options.write_memory(1 << 20);
    let bucket = Bucket::new(Arc::clone(&store) as _, "", &options).unwrap();
    let content = open(&bucket, &world);
    // A block of each piece in turn, as from many peers.
    let piece = 1 << 20;
    for block in 0..piece / BLOCK {
        for first in (0..world.data.len()).step_by(piece) {
            let begin = first + block * BLOCK;
            if begin < world.data.len() {
                write(&content, &world, begin, BLOCK.min(world.data.len() - begin));
                let memory = bucket.memory().0;
                assert!(memory <= (1 << 20) + BLOCK as u64, "{memory} bytes");
            }
        }
    }
    let drafts =
        || runtime.block_on(store.names()).iter().filter(|name| name.contains("drafts")).count();
    assert!(drafts() > 0, "8 MiB are more than there is memory for");
    assert_eq!(read(&content, 5, 3 << 20), world.data[5..(3 << 20) + 5], "to be hashed");
    keep_all(&content, &world);
    assert_eq!(bucket.memory().0, 0);
    eventually(|| drafts() == 0);
    assert_eq!(runtime.block_on(store.names()).len(), 9, "the pieces");
    assert!(read(&content, 0, world.data.len()) == world.data);
}

// S-36.
#[test]
fn drafts_of_what_was_discarded_or_closed_are_deleted() {
    let (store, world) = (Faulty::new(), World::new(8 << 20, 1 << 20));
    let runtime = Runtime::new().unwrap();
    let mut options = ObjectOptions::default();
    options.write_memory(1 << 20);
    let bucket = Bucket::new(Arc::clone(&store) as _, "", &options).unwrap();
    let content = open(&bucket, &world);
    write(&content, &world, 0, (6 << 20) + 5);
    let names = || runtime.block_on(store.names());
    let before = names().len();
    assert!(before >= 5, "{before}");
    content.discard(world.layout.geometry().piece(0).unwrap());
    eventually(|| names().len() < before);
    let mut byte = [0];
    assert_eq!(content.read(0, &mut byte).unwrap_err().fault(), Fault::Missing);
    drop(content);
    eventually(|| names().is_empty());
    assert_eq!(bucket.memory(), (0, 0));
}

// S-37.
#[test]
fn a_piece_that_is_read_block_by_block_takes_few_requests() {
    let (store, world) = (Faulty::new(), World::new(8 << 20, 4 << 20));
    let bucket = Bucket::new(Arc::clone(&store) as _, "", &ObjectOptions::default()).unwrap();
    let content = open(&bucket, &world);
    write(&content, &world, 0, world.data.len());
    keep_all(&content, &world);
    let before = store.get_count();
    for begin in (0..4 << 20).step_by(BLOCK) {
        assert!(read(&content, begin, BLOCK) == world.data[begin..begin + BLOCK]);
    }
    assert_eq!(store.get_count() - before, 8, "parts of 512 KiB");
    for begin in (0..4 << 20).step_by(BLOCK) {
        read(&content, begin, BLOCK);
    }
    assert_eq!(store.get_count() - before, 8, "they are still there");
}

// S-36.
#[test]
fn what_is_read_stays_within_its_memory() {
    let (store, world) = (Faulty::new(), World::new(16 << 20, 1 << 20));
    let mut options = ObjectOptions::default();
    options.read_ahead(128 << 10).read_memory(1 << 20);
    let bucket = Bucket::new(store, "", &options).unwrap();
    let content = open(&bucket, &world);
    write(&content, &world, 0, world.data.len());
    keep_all(&content, &world);
    std::thread::scope(|scope| {
        for first in 0..4 {
            let (content, world, bucket) = (&content, &world, &bucket);
            scope.spawn(move || {
                for begin in (first * BLOCK..world.data.len()).step_by(4 * BLOCK) {
                    assert!(read(content, begin, BLOCK) == world.data[begin..begin + BLOCK]);
                    assert!(bucket.memory().1 <= (1 << 20) + (512 << 10));
                }
            });
        }
    });
}

// S-35.
#[test]
fn what_is_cut_or_does_not_answer_is_asked_for_again() {
    let (store, world) = (Faulty::new(), World::new(1 << 20, 1 << 20));
    let mut options = ObjectOptions::default();
    options.timeout(SHORT).attempts(4);
    let bucket = Bucket::new(Arc::clone(&store) as _, "", &options).unwrap();
    let content = open(&bucket, &world);
    let is_new = Arc::new(AtomicBool::new(true));
    let silent = Arc::clone(&is_new);
    // The first request of its kind is not answered, and the next one is cut.
    store.judge(move |request, number| match request {
        Request::Put if silent.swap(false, Ordering::Relaxed) => Some(StoreFault::Silence),
        Request::Get if number % 2 == 0 => Some(StoreFault::Cut),
        _ => None,
    });
    write(&content, &world, 0, world.data.len());
    keep_all(&content, &world);
    assert!(read(&content, 0, world.data.len()) == world.data);
    assert!(!is_new.load(Ordering::Relaxed));
}

/// A torrent on a disk, and its completions.
fn run(
    world: &World,
    content: &Arc<ObjectContent>,
) -> (Disk, TorrentDisk, mpsc::Receiver<Completion>) {
    let disk = Disk::new(&DiskOptions::default()).unwrap();
    let (sender, completions) = mpsc::channel();
    let none = Recovered::nothing(world.hashes.piece_count());
    let options = TorrentDiskOptions::default();
    let storage = Arc::new(storage(world, content));
    let torrent = disk.add(storage, world.hashes.clone(), none, &options, move |done| {
        let _ = sender.send(done);
    });
    (disk, torrent, completions)
}

fn store_piece(torrent: &TorrentDisk, world: &World, index: u32, data: &[u8]) {
    let geometry = world.layout.geometry();
    let piece = geometry.piece(index).unwrap();
    for block in geometry.blocks(piece) {
        let begin = geometry.block_offset(block) as usize;
        let bytes = data[begin..begin + block.length() as usize].to_vec();
        torrent.store(block, bytes.into()).unwrap();
    }
    torrent.verify(piece, PieceVerifyOptions::default());
}

fn ended(completions: &mpsc::Receiver<Completion>) -> Completion {
    let is_end = |done: &Completion| !matches!(done, Completion::BlocksWritten { .. });
    completions.iter().find(is_end).unwrap()
}

// S-35, S-13.
#[test]
fn an_outage_that_lasts_loses_the_piece_with_the_reason_and_no_other() {
    let (store, world) = (Faulty::new(), World::new(2 << 20, 1 << 20));
    let mut options = ObjectOptions::default();
    options.attempts(2);
    let bucket = Bucket::new(Arc::clone(&store) as _, "", &options).unwrap();
    let content = Arc::new(open(&bucket, &world));
    let (disk, torrent, completions) = run(&world, &content);
    store_piece(&torrent, &world, 0, &world.data);
    assert!(matches!(ended(&completions), Completion::PieceVerified { .. }));
    store.judge(|request, _| (request == Request::Put).then_some(StoreFault::Error));
    store_piece(&torrent, &world, 1, &world.data);
    let Completion::PieceUnstored { piece, error } = ended(&completions) else { panic!() };
    assert_eq!((piece.get(), error.fault()), (1, Fault::Device));
    assert!(error.to_string().contains("500 as a test"), "{error}");
    assert_eq!(bucket.memory().0, 0, "it is forgotten");
    store.judge(|_, _| None);
    store_piece(&torrent, &world, 1, &world.data);
    assert!(matches!(ended(&completions), Completion::PieceVerified { .. }));
    disk.shutdown();
    assert!(read(&content, 0, world.data.len()) == world.data);
}

// S-33.
#[test]
fn a_wrong_piece_never_comes_into_the_store() {
    let (store, world) = (Faulty::new(), World::new(2 << 20, 1 << 20));
    let runtime = Runtime::new().unwrap();
    let bucket = Bucket::new(Arc::clone(&store) as _, "", &ObjectOptions::default()).unwrap();
    let content = Arc::new(open(&bucket, &world));
    let (disk, torrent, completions) = run(&world, &content);
    let mut wrong = world.data.clone();
    wrong[77] ^= 1;
    store_piece(&torrent, &world, 0, &wrong);
    assert!(matches!(ended(&completions), Completion::PieceFailed { .. }));
    assert!(runtime.block_on(store.names()).is_empty());
    assert_eq!(store.puts.load(Ordering::Relaxed), 0);
    disk.shutdown();
}

// S-33: the pieces that are there are listed, and a sample of them is read.
#[test]
fn the_next_run_reads_a_sample_and_lists_the_rest() {
    let (store, world) = (Faulty::new(), World::new(64 << 20, 1 << 20));
    let runtime = Runtime::new().unwrap();
    let bucket = || Bucket::new(Arc::clone(&store) as _, "", &ObjectOptions::default()).unwrap();
    let first = bucket();
    let content = open(&first, &world);
    for piece in world.layout.geometry().pieces() {
        write(&content, &world, (piece.get() as usize) << 20, 1 << 20);
        assert!(content.keep(&[piece])[0].is_ok());
    }
    drop((content, first));
    let find = |ignores: bool| {
        let content = Arc::new(open(&bucket(), &world));
        let mut options = RecoverOptions::default();
        options.ignore_record(ignores);
        let go_on = |_| ControlFlow::Continue(());
        recover(&storage(&world, &content), &world.hashes, &options, go_on).unwrap().unwrap()
    };
    let before = store.get_count();
    assert!(find(false).have.is_full());
    // The record, and at most 16 pieces in two parts each.
    let gets = store.get_count() - before;
    assert!(gets <= 33, "{gets}");
    // One was cut, one is gone, and one has other bytes.
    let key = |index: u32| Key::from(format!("{}/pieces/{index:08}", "09".repeat(20)));
    runtime.block_on(async {
        store.inner.put(&key(3), vec![0; 5].into()).await.unwrap();
        store.inner.delete(&key(4)).await.unwrap();
    });
    let found = find(false).have;
    assert!(found.count() == 62 && !found.get(3) && !found.get(4));
    runtime.block_on(async { store.inner.put(&key(5), vec![0; 1 << 20].into()).await.unwrap() });
    let found = find(true).have;
    assert!(found.count() == 61 && !found.get(5), "a check reads all of them");
}

#[test]
fn a_store_that_does_not_answer_at_the_start_is_an_error() {
    let (store, world) = (Faulty::new(), World::new(5, 16 << 10));
    store.judge(|_, _| Some(StoreFault::Error));
    let mut options = ObjectOptions::default();
    options.attempts(2);
    let bucket = Bucket::new(store, "", &options).unwrap();
    let layout = Arc::clone(&world.layout);
    let error = bucket.open_layout(layout, world.identity, Path::new(""), true).unwrap_err();
    assert_eq!(error.fault(), Fault::Device);
}

#[test]
fn one_that_is_read_only_writes_nothing() {
    let (store, world) = (Faulty::new(), World::new(5, 16 << 10));
    let bucket = Bucket::new(Arc::clone(&store) as _, "", &ObjectOptions::default()).unwrap();
    let layout = Arc::clone(&world.layout);
    let content = bucket.open_layout(layout, world.identity, Path::new(""), true).unwrap();
    let refused = content.write(0, &[std::io::IoSlice::new(b"x")]).unwrap_err();
    assert_eq!(refused.fault(), Fault::Caller);
    assert!(content.save_record(b"x").is_err() && content.remove().is_err());
    assert!(content.keep(&[world.layout.geometry().piece(0).unwrap()])[0].is_err());
    assert_eq!(store.puts.load(Ordering::Relaxed), 0);
}

/// Pseudorandom numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

// S-36: the plain way to keep the same, a buffer and a mark for each byte, is the law.
#[test]
fn whatever_is_written_read_kept_and_discarded_is_as_in_a_plain_buffer() {
    const PIECE: usize = 256 << 10;
    let world = World::new((4 << 20) - 999, PIECE as u32);
    let length = world.data.len();
    for seed in 1..=6 {
        let mut options = ObjectOptions::default();
        options.write_memory(1 << 20).read_ahead(64 << 10).read_memory(256 << 10);
        let bucket = Bucket::new(Faulty::new(), "", &options).unwrap();
        let content = open(&bucket, &world);
        let geometry = world.layout.geometry();
        let (mut plain, mut is_written) = (vec![0; length], vec![false; length]);
        let mut is_kept = vec![false; geometry.piece_count() as usize];
        let mut numbers = Numbers(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15));
        for step in 0..1_500 {
            let index = numbers.below(is_kept.len());
            let piece = geometry.piece(index as u32).unwrap();
            let whole = index * PIECE..((index + 1) * PIECE).min(length);
            match numbers.below(10) {
                // A piece that is kept is not written to.
                0..=5 if !is_kept[index] => {
                    let begin = whole.start + numbers.below(whole.len() / BLOCK + 1) * BLOCK;
                    let end = (begin + (1 + numbers.below(4)) * BLOCK).min(whole.end);
                    if begin < end {
                        let bytes = vec![(step % 255) as u8 + 1; end - begin];
                        content.write(begin as u64, &[std::io::IoSlice::new(&bytes)]).unwrap();
                        plain[begin..end].copy_from_slice(&bytes);
                        is_written[begin..end].fill(true);
                    }
                }
                6 if !is_kept[index] => {
                    content.discard(piece);
                    is_written[whole].fill(false);
                }
                7 => {
                    let is_whole = is_written[whole].iter().all(|is| *is);
                    if !is_kept[index] {
                        assert_eq!(content.keep(&[piece])[0].is_ok(), is_whole, "{seed}, {step}");
                        is_kept[index] = is_whole;
                    }
                }
                _ => {
                    let begin = numbers.below(length);
                    let end = (begin + 1 + numbers.below(100_000)).min(length);
                    let mut found = vec![0; end - begin];
                    let is_there = is_written[begin..end].iter().all(|is| *is);
                    match content.read(begin as u64, &mut found) {
                        Ok(()) => assert!(is_there && found == plain[begin..end], "{seed}, {step}"),
                        Err(error) => {
                            assert_eq!(error.fault(), Fault::Missing, "{seed}, {step}: {error}");
                            assert!(!is_there, "{seed}, {step}");
                        }
                    }
                }
            }
            assert!(bucket.memory().0 <= (1 << 20) + (64 << 10), "{:?}", bucket.memory());
        }
        assert!(is_kept.iter().any(|is| *is), "{seed}");
    }
}

// S-36.
#[test]
fn a_download_in_any_order_is_whole_with_little_memory() {
    let world = World::new((8 << 20) - 5, 512 << 10);
    let mut options = ObjectOptions::default();
    options.write_memory(1 << 20);
    let bucket = Bucket::new(Faulty::new(), "", &options).unwrap();
    let content = Arc::new(open(&bucket, &world));
    let (disk, torrent, completions) = run(&world, &content);
    let geometry = world.layout.geometry();
    let mut blocks: Vec<_> =
        geometry.pieces().flat_map(|piece| geometry.blocks(piece).collect::<Vec<_>>()).collect();
    let mut numbers = Numbers(7);
    (1..blocks.len()).for_each(|at| blocks.swap(at, numbers.below(at + 1)));
    let (mut out, mut verified) = (0, 0);
    let mut take = |done: Completion, out: &mut u64| match done {
        Completion::BlocksWritten { bytes } => *out -= bytes,
        Completion::PieceVerified { .. } => verified += 1,
        other => panic!("{other:?}"),
    };
    for block in blocks {
        let begin = geometry.block_offset(block) as usize;
        let bytes = world.data[begin..begin + block.length() as usize].to_vec();
        torrent.store(block, bytes.into()).unwrap();
        out += u64::from(block.length());
        while out > torrent.unstored_limit() {
            take(completions.recv().unwrap(), &mut out);
        }
    }
    geometry.pieces().for_each(|piece| torrent.verify(piece, PieceVerifyOptions::default()));
    while out > 0 {
        take(completions.recv().unwrap(), &mut out);
    }
    let left = geometry.piece_count() - verified;
    (0..left)
        .for_each(|_| assert!(matches!(ended(&completions), Completion::PieceVerified { .. })));
    disk.shutdown();
    assert!(read(&content, 0, world.data.len()) == world.data);
    assert_eq!(bucket.memory().0, 0);
}
