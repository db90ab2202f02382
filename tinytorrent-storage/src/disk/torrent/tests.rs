use std::time::Duration;

use proptest::prelude::*;
use tinytorrent_metainfo::Layout;
use tinytorrent_types::{InfoHashV1, InfoHashes};

use super::*;
use crate::disk::options::{HOLD, LINGER};
use crate::{PieceHashes, Storage, StorageOptions, hasher::PieceHasher};

/// Four blocks a piece.
const PIECE: u32 = 4 * BLOCK_LENGTH;
const PIECES: u32 = 8;
const BATCH: u64 = 6 * BLOCK_LENGTH as u64;

struct World {
    _folder: tempfile::TempDir,
    torrent: Torrent,
    pins: Pins,
    now: Instant,
    running: Vec<Batch>,
    /// Accepted and not given back by `settle`.
    unstored: u64,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut builder = Layout::builder(PIECE);
        builder.file(["file"], u64::from(PIECE * PIECES));
        let layout = Arc::new(builder.build().unwrap());
        let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([1; 20]));
        let options = StorageOptions::default();
        let storage = Storage::open(layout, identity, folder.path(), &options).unwrap();
        let content = Subject {
            id: 0,
            lane: crate::disk::lanes::Lane::Files,
            keeps_record: true,
            journal: storage.journal().map(Box::new),
            storage: Arc::new(storage),
            hashes: PieceHashes::from_v1([]),
            unstored: Default::default(),
            on_completion: Box::new(|_| ()),
        };
        let torrent = Torrent::new(Arc::new(content), Recovered::nothing(PIECES), BATCH);
        Self {
            _folder: folder,
            torrent,
            pins: Pins::new(1 << 18),
            now: Instant::now(),
            running: Vec::new(),
            unstored: 0,
        }
    }

    fn piece(&self, index: u32) -> PieceIndex {
        self.torrent.content.storage.geometry().piece(index).unwrap()
    }

    fn store(&mut self, piece: u32, number: u32) -> Result<(), NotStored> {
        let geometry = self.torrent.content.storage.geometry();
        let block = geometry.nth_block(self.piece(piece), number).unwrap();
        let data = Bytes::from(vec![0; block.length() as usize]);
        self.torrent.store(self.now, block, data, &mut self.pins)?;
        self.unstored += u64::from(block.length());
        Ok(())
    }

    fn store_piece(&mut self, piece: u32) {
        (0..4).for_each(|number| self.store(piece, number).unwrap());
    }

    fn verify(&mut self, piece: u32) -> Result<(), u32> {
        let piece = self.piece(piece);
        self.torrent.verify(self.now, piece, PieceVerifyOptions::default())
    }

    fn begin(&mut self) -> bool {
        self.torrent.expire_pause(self.now);
        let batch = self.torrent.take_batch(self.now, false);
        let has_begun = batch.is_some();
        self.running.extend(batch);
        has_begun
    }

    /// Ends the batch that began first.
    fn end(&mut self, is_right: bool) -> usize {
        if self.running.is_empty() {
            return 0;
        }
        let batch = self.running.remove(0);
        let count = batch.works.len();
        for mut work in batch.works {
            work.hasher = PieceHasher::default();
            let ending = match (work.finish, is_right) {
                (None, _) => Ending::Unfinished,
                (Some(_), true) => Ending::Verified,
                (Some(_), false) => Ending::Forgotten,
            };
            self.unstored -=
                self.torrent.settle(self.now, work, batch.keep, ending, &mut self.pins);
        }
        self.torrent.note_shortage(self.now, false);
        self.torrent.end_batch();
        count
    }

    /// Ends the batch that began first without a descriptor for a file: before its blocks were written, or
    /// after.
    fn end_short(&mut self, is_written: bool) {
        if self.running.is_empty() {
            return;
        }
        let batch = self.running.remove(0);
        for mut work in batch.works {
            work.is_written = is_written;
            let pins = &mut self.pins;
            self.unstored -= self.torrent.postpone(self.now, work, batch.keep, pins);
        }
        self.torrent.note_shortage(self.now, true);
        self.torrent.end_batch();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn check_invariants(&self) {
        let torrent = &self.torrent;
        let held: u64 = torrent.pieces.values().map(Piece::held).sum();
        assert_eq!(held, self.unstored, "every byte is counted once");
        let in_hand: u64 =
            self.running.iter().flat_map(|batch| &batch.works).map(PieceWork::unwritten).sum();
        assert_eq!(torrent.batches, self.running.len());
        let memory = torrent.pieces.values().flat_map(Piece::in_memory);
        let in_memory = memory.map(|data| data.len() as u64).sum::<u64>();
        torrent.writes.check_invariants(held - in_hand, in_memory);
        torrent.complete.check_invariants();
        for piece in torrent.complete.iter() {
            let entry = &torrent.pieces[piece];
            assert!(entry.is_asked() && !entry.is_busy());
        }
    }
}

#[test]
fn few_blocks_wait_for_more_but_not_for_long() {
    let mut world = World::new();
    world.store(0, 0).unwrap();
    assert!(!world.begin());
    assert_eq!(world.torrent.deadline(), Some(world.now + HOLD));
    world.pass(HOLD);
    assert!(world.begin());
    world.end(true);
    assert_eq!((world.unstored, world.pins.charge()), (0, 0));
    assert_eq!(world.torrent.partial()[0].blocks, [0]);
}

#[test]
fn a_batch_of_blocks_is_written_at_once() {
    let mut world = World::new();
    (0..3).for_each(|piece| world.store(piece, 0).unwrap());
    assert!(!world.begin());
    (0..3).for_each(|piece| world.store(piece, 3).unwrap());
    assert!(world.begin());
    assert_eq!(world.end(true), 3);
    // The first of each is hashed; the last waits in memory for those between.
    assert_eq!(world.unstored, 0);
    assert!(world.pins.charge() > 0);
    world.pass(HOLD);
    assert!(world.begin(), "but not for long");
    world.end(true);
    assert_eq!(world.pins.charge(), 0);
}

#[test]
fn a_piece_alone_is_verified_at_once_and_quick_ones_wait_for_each_other() {
    let mut world = World::new();
    world.store_piece(0);
    world.verify(0).unwrap();
    assert!(world.begin());
    world.end(true);
    world.store_piece(1);
    world.verify(1).unwrap();
    assert!(!world.begin(), "another may come");
    world.pass(LINGER);
    assert!(world.begin());
    world.end(true);
    assert_eq!(world.torrent.have().count(), 2);
}

#[test]
fn the_last_piece_waits_for_nothing() {
    let mut world = World::new();
    for piece in 0..PIECES {
        world.store_piece(piece);
        world.verify(piece).unwrap();
        if piece + 1 < PIECES {
            world.pass(LINGER);
        }
        assert!(world.begin(), "{piece}");
        world.end(true);
    }
    assert!(world.torrent.have().is_full());
}

// S-16, S-18.
#[test]
fn a_checkpoint_waits_for_what_was_held_and_not_for_what_comes_after() {
    let mut world = World::new();
    world.store(0, 0).unwrap();
    world.torrent.request_checkpoint(Counters::default());
    assert_eq!(world.torrent.take_checkpoint(world.now), None);
    assert!(world.begin(), "it is written at once");
    world.store(1, 0).unwrap();
    assert!(!world.begin());
    assert_eq!(world.torrent.take_checkpoint(world.now), None, "a worker has it in hand");
    world.end(true);
    assert!(world.torrent.take_checkpoint(world.now).is_some(), "however many blocks come");
    assert_eq!(world.torrent.partial().len(), 1);
    world.torrent.end_checkpoint();
    assert_eq!(world.torrent.take_checkpoint(world.now), None);
}

// S-18: a piece may be verified while a record is made that does not have it.
#[test]
fn a_verified_piece_is_claimed_until_a_record_has_it() {
    let mut world = World::new();
    world.store_piece(0);
    world.verify(0).unwrap();
    assert!(world.begin());
    world.end(true);
    assert!(world.torrent.partial().is_empty());
    assert_eq!(world.torrent.claims()[0].blocks, [0, 1, 2, 3]);
    let recorded = world.torrent.take_unrecorded();
    assert!(world.torrent.claims().is_empty());
    world.torrent.put_back_unrecorded(recorded);
    assert_eq!(world.torrent.claims().len(), 1, "the record was not saved");
}

// S-11.
#[test]
fn without_a_descriptor_a_batch_is_done_again_after_a_pause() {
    for is_written in [false, true] {
        let mut world = World::new();
        world.store_piece(0);
        world.verify(0).unwrap();
        assert!(world.begin());
        world.end_short(is_written);
        assert_eq!(world.unstored == 0, is_written, "what is not written counts");
        world.store(1, 0).unwrap();
        assert!(!world.begin() && served(&mut world).is_empty());
        world.torrent.request_checkpoint(Counters::default());
        assert_eq!(world.torrent.take_checkpoint(world.now), None);
        let until = world.torrent.deadline().unwrap();
        world.pass(until - world.now);
        assert!(world.begin(), "that of the piece and that of the other block");
        assert_eq!(world.running[0].works.len(), 2);
        assert_eq!(world.running[0].works[0].feeds.len(), 4, "hashed from the start");
        world.end(true);
        assert_eq!((world.torrent.have().count(), world.unstored), (1, 0));
        assert!(world.torrent.take_checkpoint(world.now).is_some());
        world.check_invariants();
    }
}

#[test]
fn a_torrent_that_is_closed_waits_a_bounded_time_for_a_descriptor() {
    let mut world = World::new();
    world.store(0, 0).unwrap();
    let try_again = |world: &mut World| {
        world.pass(HOLD);
        assert!(world.begin());
        world.end_short(false);
    };
    (0..100).for_each(|_| try_again(&mut world));
    assert!(world.torrent.may_wait(), "a running one waits for as long as it takes");
    world.torrent.close();
    assert!(world.torrent.may_wait());
    (0..CLOSED_PAUSES).for_each(|_| try_again(&mut world));
    assert!(!world.torrent.may_wait());
}

fn served(world: &mut World) -> Vec<ReadRequest> {
    match world.torrent.take_reads(world.now, false, |_| true) {
        Reads::Served(requests) | Reads::Refused(requests) => requests,
    }
}

#[test]
fn reads_and_writes_take_turns() {
    let mut world = World::new();
    let block = world.torrent.content.storage.geometry().block(0, 0, 1).unwrap();
    for tag in 0..1000 {
        world.torrent.reads.push(block, tag);
    }
    (0..6).for_each(|number| world.store(number, 0).unwrap());
    assert!(!served(&mut world).is_empty());
    assert!(served(&mut world).is_empty());
    assert!(world.begin());
    assert!(!served(&mut world).is_empty());
}

#[test]
fn a_piece_that_lacks_blocks_is_not_verified() {
    let mut world = World::new();
    assert_eq!(world.verify(0), Err(4));
    world.store(0, 1).unwrap();
    assert_eq!(world.verify(0), Err(3));
}

// S-13.
#[test]
fn a_piece_that_was_lost_before_it_was_complete_is_told_of_once() {
    let mut world = World::new();
    (0..4).for_each(|number| world.store(0, number).unwrap());
    world.pass(HOLD);
    assert!(world.begin());
    let batch = world.running.remove(0);
    for work in batch.works {
        world.unstored -=
            world.torrent.settle(world.now, work, true, Ending::Forgotten, &mut world.pins);
    }
    world.torrent.end_batch();
    // The caller may store more blocks and ask before it reads that the piece is lost.
    world.store(0, 0).unwrap();
    assert_eq!(world.verify(0), Ok(()), "it is reported once");
    assert_eq!(world.verify(0), Err(3));
    (1..4).for_each(|number| world.store(0, number).unwrap());
    assert_eq!(world.verify(0), Ok(()));
    assert!(world.begin(), "all blocks came anew");
    assert_eq!(world.end(true), 1);
    assert_eq!(world.torrent.have().count(), 1);
    world.check_invariants();
}

#[derive(Debug, Clone)]
enum Step {
    Store(u32, u32),
    Verify(u32),
    Begin,
    End(bool),
    EndShort(bool),
    Pass(u64),
    Checkpoint,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..PIECES, 0..4_u32).prop_map(|(piece, number)| Step::Store(piece, number)),
        4 => (0..PIECES).prop_map(Step::Verify),
        4 => Just(Step::Begin),
        4 => prop::bool::weighted(0.8).prop_map(Step::End),
        1 => any::<bool>().prop_map(Step::EndShort),
        1 => prop_oneof![Just(1_u64), Just(5), Just(1_500)].prop_map(Step::Pass),
        1 => Just(Step::Checkpoint),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(300)
    })]

    #[test]
    fn no_byte_is_lost_or_counted_twice_whatever_happens(
        steps in prop::collection::vec(any_step(), 0..150),
    ) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Store(piece, number) => _ = world.store(piece, number),
                Step::Verify(piece) => {
                    if !world.torrent.have().get(piece) {
                        _ = world.verify(piece);
                    }
                }
                Step::Begin => {
                    world.begin();
                }
                Step::End(is_right) => _ = world.end(is_right),
                Step::EndShort(is_written) => world.end_short(is_written),
                Step::Pass(milliseconds) => world.pass(Duration::from_millis(milliseconds)),
                Step::Checkpoint => world.torrent.request_checkpoint(Counters::default()),
            }
            world.check_invariants();
        }
        // Left alone, it comes to rest with nothing in memory.
        world.torrent.close();
        for _ in 0..50 {
            world.pass(HOLD);
            world.begin();
            world.end(true);
            if world.torrent.take_checkpoint(world.now).is_some() {
                world.torrent.end_checkpoint();
            }
            world.check_invariants();
        }
        prop_assert!(world.torrent.is_idle());
        prop_assert_eq!((world.unstored, world.pins.charge()), (0, 0));
    }
}
