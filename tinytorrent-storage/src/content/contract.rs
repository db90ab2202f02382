//! The laws that a [`Content`] has to obey, as a test for any implementation of it. Behind the feature
//! `contract`, for `dev-dependencies`.
//!
//! ```
//! use std::sync::Arc;
//! use tinytorrent_storage::{MemoryContent, contract::Contract};
//!
//! Contract::new(|_place| Arc::new(MemoryContent::new())).check();
//! ```

mod world;

use std::{fmt, io::IoSlice, ops::ControlFlow, path::PathBuf, sync::Arc};

use tinytorrent_metainfo::{FileIndex, Layout};
use tinytorrent_types::{InfoHashV1, InfoHashes, PieceIndex};

use super::Content;
use crate::{
    Completion, Counters, Fault, RecoverOptions, Recovered, ResumeRecord, Storage, StorageOptions,
    recover,
};
use world::{BLOCK, PIECE, Run, World, read, write};

/// The place of a content that is to be opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Place {
    /// The files and pieces.
    pub layout: Arc<Layout>,
    /// The info-hashes. Each content of the test has others.
    pub identity: InfoHashes,
    /// The folder or another name of a place, as [`Content::move_to`] takes it.
    pub folder: PathBuf,
}

/// The test of an implementation: a function that opens the content of a place, and what else holds of it.
///
/// The function is called several times for each place, the first time when nothing is there.
pub struct Contract<F> {
    open: F,
    lasts: bool,
    moves: bool,
    base: PathBuf,
}

impl<C: Content + 'static, F: Fn(&Place) -> Arc<C>> Contract<F> {
    /// The test of what the function opens, of which nothing is expected that is not for all.
    pub fn new(open: F) -> Self {
        Self { open, lasts: false, moves: false, base: PathBuf::new() }
    }

    /// Expects the content to last when it is dropped, so that the next one of the same place has it. Default:
    /// no.
    pub fn lasts(mut self, lasts: bool) -> Self {
        self.lasts = lasts;
        self
    }

    /// Expects that the content can be moved. Default: no, but one that can is to do it right.
    pub fn moves(mut self, moves: bool) -> Self {
        self.moves = moves;
        self
    }

    /// Puts the folders of all places below this one. Default: they are relative.
    pub fn base(mut self, folder: impl Into<PathBuf>) -> Self {
        self.base = folder.into();
        self
    }

    /// Checks all laws.
    ///
    /// # Panics
    /// A law is broken, which the message names.
    pub fn check(&self) {
        self.what_was_written_last_is_read();
        self.what_was_not_written_is_missing();
        self.threads_do_not_disturb_each_other();
        self.right_pieces_are_kept_and_wrong_ones_are_not();
        self.a_record_comes_back_whole();
        self.a_stamp_changes_with_the_data();
        self.what_lasts_is_there_in_the_next_run();
        self.nothing_is_left_of_what_is_removed();
        self.what_is_moved_is_in_the_other_place();
        self.a_disk_downloads_to_it_and_the_next_run_finds_everything();
        self.a_wrong_piece_is_replaced();
    }

    fn world(&self, number: u8) -> World {
        let mut builder = Layout::builder(PIECE);
        // Files within a piece, over several, one that is empty, and padding.
        builder.file(["a"], 5).file(["b"], 100_000).file(["c"], 0).pad(27).file(["d"], 70_001);
        let layout = Arc::new(builder.build().expect("a layout without errors"));
        let length = layout.total_length() as usize;
        let mut data: Vec<u8> = (0..length).map(|at| (at * 7 + at / 251) as u8 | 1).collect();
        let pads = layout.files().filter(|file| file.is_pad());
        pads.for_each(|pad| data[pad.offset as usize..][..pad.length as usize].fill(0));
        let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([number; 20]));
        let place = Place { layout, identity, folder: self.folder(number, "first") };
        World { place, data }
    }

    fn folder(&self, number: u8, name: &str) -> PathBuf {
        self.base.join(number.to_string()).join(name)
    }

    fn open(&self, place: &Place) -> Storage {
        self.wrap(place, &(self.open)(place))
    }

    fn what_was_written_last_is_read(&self) {
        let world = self.world(1);
        let storage = self.open(&world.place);
        let data = &world.data;
        // In slices of any length, over the borders of files and pieces.
        let wrong = vec![9; data.len()];
        write(&storage, 0, &[&wrong]);
        let mut at = 0_usize;
        for length in [3, 1, 40_000, 16_384, 50_000, usize::MAX] {
            let part = &data[at..at.saturating_add(length).min(data.len())];
            let (one, rest) = part.split_at(part.len() / 3);
            let (two, three) = rest.split_at(rest.len() / 2);
            write(&storage, at as u64, &[one, two, &[], three]);
            at += part.len();
        }
        for (offset, length) in [(0, data.len()), (4, 2), (16_383, 2), (99_999, 60_000)] {
            let law = "what was written last is read";
            assert_eq!(
                read(&storage, offset, length).expect(law),
                data[offset..][..length],
                "{law}"
            );
        }
    }

    fn what_was_not_written_is_missing(&self) {
        let world = self.world(2);
        let storage = self.open(&world.place);
        let content = (self.open)(&self.world(3).place);
        let law = "what was not written is missing";
        assert_eq!(read(&storage, 0, 10).expect_err(law).fault(), Fault::Missing, "{law}");
        // A part of a block, and the block before and after.
        write(&storage, 20_000, &[&world.data[20_000..30_000]]);
        assert!(read(&storage, 20_000, 10_000).is_ok());
        for (offset, length) in [(19_999, 2), (29_999, 2), (140_000, 5), (19_000, 12_000)] {
            let range = offset..offset + length;
            match read(&storage, offset, length) {
                Err(error) => {
                    assert_eq!(error.fault(), Fault::Missing, "{law}: {range:?}");
                }
                // As a hole of a file, which reads as zeros.
                Ok(found) => {
                    let unwritten =
                        range.zip(found).filter(|(at, _)| !(20_000..30_000).contains(at));
                    assert!(unwritten.into_iter().all(|(_, byte)| byte == 0), "{law}");
                }
            }
        }
        content.write(20_000, &[IoSlice::new(&[7; 10])]).expect("a write");
        if content.kept().expect("kept pieces, or none").is_none() {
            let is_present = content.is_present(20_000..20_010).expect("presence");
            assert!(is_present, "what is written is present");
        }
        assert_eq!(content.keep(&[]).len(), 0, "there is a result for each piece");
    }

    fn threads_do_not_disturb_each_other(&self) {
        let world = self.world(4);
        let storage = &self.open(&world.place);
        let data = &world.data;
        std::thread::scope(|scope| {
            for first in 0..4 {
                scope.spawn(move || {
                    for block in (first..data.len().div_ceil(BLOCK)).step_by(4) {
                        let range = block * BLOCK..((block + 1) * BLOCK).min(data.len());
                        write(storage, range.start as u64, &[&data[range.clone()]]);
                        assert_eq!(
                            read(storage, range.start, range.len()).expect("a read"),
                            data[range]
                        );
                    }
                });
            }
        });
        assert_eq!(read(storage, 0, data.len()).expect("a read"), *data, "of all threads");
    }

    fn right_pieces_are_kept_and_wrong_ones_are_not(&self) {
        let world = self.world(5);
        let content = (self.open)(&world.place);
        let storage = self.wrap(&world.place, &content);
        let pieces: Vec<PieceIndex> = storage.geometry().pieces().collect();
        let law = "right pieces are kept, and others are not";
        write(&storage, 0, &[&world.data]);
        let results = storage.keep(&pieces[1..3]);
        assert!(results.len() == 2 && results.iter().all(Result::is_ok), "{law}: {results:?}");
        storage.discard(pieces[0]);
        if let Some(kept) = content.kept().expect(law) {
            let kept: Vec<u32> = kept.iter().collect();
            assert_eq!(kept, [1, 2], "{law}");
        }
        let (begin, end) = (PIECE as usize, 3 * PIECE as usize);
        assert_eq!(read(&storage, begin, end - begin).expect(law), world.data[begin..end], "{law}");
        // It comes anew.
        write(&storage, 0, &[&world.data[..begin]]);
        assert_eq!(read(&storage, 0, begin).expect(law), world.data[..begin], "{law}");
        assert!(storage.keep(&pieces[..1]).iter().all(Result::is_ok), "{law}");
    }

    fn a_record_comes_back_whole(&self) {
        let world = self.world(6);
        let content = (self.open)(&world.place);
        assert_eq!(content.load_record().expect("no record is no error"), None);
        for record in [&b"a long record"[..], b"short"] {
            content.save_record(record).expect("a record is saved");
            let found = content.load_record().expect("a record is read");
            assert!(found.is_none_or(|found| found == record), "a record is replaced as a whole");
        }
    }

    fn a_stamp_changes_with_the_data(&self) {
        let world = self.world(7);
        let content = (self.open)(&world.place);
        let storage = self.wrap(&world.place, &content);
        write(&storage, 0, &[&vec![9; world.data.len()]]);
        let file = FileIndex::new(1);
        let before = content.stamp(file).expect("a stamp, or none");
        if before.is_some() {
            assert_eq!(content.stamp(file).expect("a stamp"), before, "nothing was written");
            // A system may count times in milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(20));
            write(&storage, 50, &[b"other"]);
            assert_ne!(content.stamp(file).expect("a stamp"), before, "data has another stamp");
        }
    }

    fn what_lasts_is_there_in_the_next_run(&self) {
        let world = self.world(8);
        if !self.lasts {
            return;
        }
        let law = "what lasts is there in the next run";
        let storage = self.open(&world.place);
        write(&storage, 0, &[&world.data]);
        let pieces: Vec<PieceIndex> = storage.geometry().pieces().collect();
        assert!(storage.keep(&pieces).iter().all(Result::is_ok), "{law}");
        storage.sync().expect(law);
        storage.save_record(b"record").expect(law);
        drop(storage);
        let storage = self.open(&world.place);
        assert_eq!(read(&storage, 0, world.data.len()).expect(law), world.data, "{law}");
        let record = storage.load_record(u64::MAX).expect(law);
        assert!(record.is_none_or(|record| record == b"record"), "{law}");
    }

    fn nothing_is_left_of_what_is_removed(&self) {
        let world = self.world(9);
        let content = (self.open)(&world.place);
        let storage = self.wrap(&world.place, &content);
        write(&storage, 0, &[&world.data]);
        let pieces: Vec<PieceIndex> = storage.geometry().pieces().collect();
        storage.keep(&pieces);
        storage.save_record(b"record").expect("a record is saved");
        let removed = storage.remove_files().expect("it is not read-only");
        let law = "nothing is left of what is removed";
        match removed.first_error {
            Some(error) => assert_eq!(error.fault(), Fault::Unsupported, "{law}: {error}"),
            None => {
                let kept = content.kept().expect(law);
                assert!(kept.is_none_or(|kept| kept.is_empty()), "{law}");
                assert_eq!(read(&storage, 0, 10).expect_err(law).fault(), Fault::Missing, "{law}");
                assert_eq!(content.load_record().expect(law), None, "{law}");
                let again = storage.remove_files().expect(law);
                assert!(again.first_error.is_none(), "it can be removed again");
            }
        }
    }

    fn what_is_moved_is_in_the_other_place(&self) {
        let world = self.world(10);
        let content = (self.open)(&world.place);
        let storage = self.wrap(&world.place, &content);
        write(&storage, 0, &[&world.data]);
        let pieces: Vec<PieceIndex> = storage.geometry().pieces().collect();
        storage.keep(&pieces);
        storage.save_record(b"record").expect("a record is saved");
        let (law, second) = ("what is moved is in the other place", self.folder(10, "second"));
        let moved = storage.move_to(&second, |_| ControlFlow::Continue(()));
        match moved {
            Err(error) if !self.moves => return assert_eq!(error.fault(), Fault::Unsupported),
            moved => moved.expect(law).expect(law).settle(),
        }
        assert_eq!(read(&storage, 0, world.data.len()).expect(law), world.data, "{law}");
        drop((storage, content));
        if self.lasts {
            let mut place = world.place;
            let old = self.open(&place);
            assert_eq!(read(&old, 0, 10).expect_err(law).fault(), Fault::Missing, "{law}");
            place.folder = second;
            let new = self.open(&place);
            assert_eq!(read(&new, 0, world.data.len()).expect(law), world.data, "{law}");
        }
    }

    fn a_disk_downloads_to_it_and_the_next_run_finds_everything(&self) {
        let world = self.world(11);
        let content = (self.open)(&world.place);
        let law = "a disk downloads to it";
        let none = Recovered::nothing(world.hashes().piece_count());
        let run = Run::new(&world, self.wrap(&world.place, &content), none);
        run.store(&world.data);
        let verified = run.verified(world.hashes().piece_count());
        assert!(verified.is_full(), "{law}");
        let counters = Counters { downloaded: 7, ..Counters::default() };
        run.torrent.checkpoint(counters);
        let done = run.next(|done| matches!(done, Completion::Checkpointed));
        assert!(done.is_some(), "{law}: a checkpoint is made");
        run.disk.shutdown();

        let law = "the next run finds everything";
        let storage = if self.lasts {
            drop(content);
            self.open(&world.place)
        } else {
            self.wrap(&world.place, &content)
        };
        let mut options = RecoverOptions::default();
        for ignore in [false, true] {
            options.ignore_record(ignore).threads(2);
            let go_on = |_| ControlFlow::Continue(());
            let found = recover(&storage, &world.hashes(), &options, go_on).expect(law);
            let found = found.expect("it was not cancelled");
            assert!(found.have.is_full() && found.partial.is_empty(), "{law}: {found:?}");
            if ResumeRecord::load(&storage).expect(law).is_some() && !ignore {
                assert_eq!(found.counters, counters, "{law}");
            }
        }
    }

    fn a_wrong_piece_is_replaced(&self) {
        let world = self.world(12);
        let content = (self.open)(&world.place);
        let none = Recovered::nothing(world.hashes().piece_count());
        let run = Run::new(&world, self.wrap(&world.place, &content), none);
        let mut wrong = world.data.clone();
        wrong[PIECE as usize + 9] ^= 1;
        run.store(&wrong);
        let count = world.hashes().piece_count();
        let law = "a wrong piece is replaced";
        assert_eq!(run.verified(count).count(), count - 1, "{law}");
        if let Some(kept) = content.kept().expect(law) {
            assert_eq!(kept.count(), count - 1, "{law}: a wrong piece is not kept");
        }
        run.store(&world.data);
        assert!(run.verified(1).get(1), "{law}");
        run.disk.shutdown();
        let storage = self.wrap(&world.place, &content);
        assert_eq!(read(&storage, 0, world.data.len()).expect(law), world.data, "{law}");
    }

    fn wrap(&self, place: &Place, content: &Arc<C>) -> Storage {
        let (layout, content) = (Arc::clone(&place.layout), Arc::clone(content));
        let options = StorageOptions::default();
        Storage::with_content(layout, place.identity, &place.folder, content, &options)
    }
}

impl<F> fmt::Debug for Contract<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contract")
            .field("lasts", &self.lasts)
            .field("moves", &self.moves)
            .finish_non_exhaustive()
    }
}
