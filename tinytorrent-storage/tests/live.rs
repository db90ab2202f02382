//! Files that change places, are checked and are deleted while a disk works on them.

mod common;

use std::{
    collections::BTreeSet,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::mpsc,
};

use common::{Session, World, assert_verified, disk};
use proptest::prelude::*;
use tinytorrent_storage::{
    Completion, Counters, Disk, DiskOptions, MoveProgress, PieceVerifyOptions, RecoverOptions,
    Recovered, Storage, StorageError, StorageOptions, TorrentFiles, VerifyProgress, recover,
};
use tinytorrent_types::BlockInfo;

const PIECE: u32 = 32_768;

fn world() -> World {
    World::new(PIECE, &[("t/a", 40_000, false), ("t/d/b", 70_000, false), ("t/c", 200_000, false)])
}

fn go_on(_: VerifyProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn move_on(_: MoveProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn pieces(recovered: &Recovered) -> Vec<u32> {
    recovered.have.iter().collect()
}

/// A disk with one thread, which no torrent may keep from others.
fn narrow_disk() -> Disk {
    Disk::new(DiskOptions::default().threads(1)).unwrap()
}

fn download(session: &Session<'_>, indices: impl IntoIterator<Item = u32>) {
    for index in indices {
        session.store_piece(index);
        assert_verified(session.verify(index), index);
    }
}

fn damage(world: &World, name: &str, at: usize) {
    let mut data = world.file(name);
    data[at] ^= 1;
    fs::write(world.path().join(name), data).unwrap();
}

fn read(session: &Session<'_>, index: u32) -> Result<Vec<u8>, StorageError> {
    session.torrent.read(session.world.blocks(session.world.piece(index))[0], 7);
    match session.next() {
        Completion::BlockRead { tag: 7, data, .. } => Ok(data.to_vec()),
        Completion::BlockUnread { tag: 7, error, .. } => Err(error),
        other => panic!("{other:?}"),
    }
}

// S-16, S-19.
#[test]
fn a_check_of_a_running_torrent_finds_what_somebody_else_has_changed() {
    for is_full in [false, true] {
        let world = world();
        let disk = disk();
        let session = world.join(&disk, Recovered::nothing(10));
        download(&session, 0..10);
        session.checkpoint();
        assert!(read(&session, 9).is_ok(), "it is cached now");
        damage(&world, "t/c", 190_000);
        let files = session.torrent.files();
        let mut options = RecoverOptions::default();
        options.ignore_record(is_full);
        let mut total = 0;
        let recovered = files.recheck(&options, |progress| {
            total = progress.pieces_total;
            go_on(progress)
        });
        assert_eq!(pieces(&recovered.unwrap().unwrap()), (0..9).collect::<Vec<_>>());
        // The three pieces before those of the file are not read again.
        assert_eq!(total, if is_full { 10 } else { 7 });
        // The disk takes the piece anew, and serves it as it is then.
        session.store_piece(9);
        assert_verified(session.verify(9), 9);
        let whole = world.block_data(world.blocks(world.piece(9))[0]);
        assert_eq!(read(&session, 9).unwrap(), whole);
        session.checkpoint();
        disk.shutdown();
        assert!(world.recover().have.is_full());
    }
}

// S-18: blocks of unfinished pieces are as good as before.
#[test]
fn a_check_keeps_the_blocks_of_unfinished_pieces() {
    let world = world();
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(10));
    download(&session, [0]);
    let blocks = world.blocks(world.piece(5));
    session.store(blocks[0]);
    // All of this piece, and nobody has asked for its verification.
    session.store_piece(7);
    let recovered = session.torrent.files().recheck(&RecoverOptions::default(), go_on);
    let recovered = recovered.unwrap().unwrap();
    assert_eq!(pieces(&recovered), [0, 7]);
    assert_eq!((recovered.partial.len(), &recovered.partial[0].blocks[..]), (1, &[0][..]));
    let state = session.torrent.files().state();
    assert_eq!((state.have, state.partial), (recovered.have, recovered.partial));
    session.store(blocks[1]);
    assert_verified(session.verify(5), 5);
    assert_eq!(session.torrent.unstored_bytes(), 0);
    drop(session);
    disk.shutdown();
    assert_eq!(pieces(&world.recover()), [0, 5, 7]);
}

// S-19.
#[test]
fn a_check_that_is_ended_changes_nothing() {
    let world = world();
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(10));
    download(&session, 0..10);
    damage(&world, "t/a", 5);
    let files = session.torrent.files();
    let ended = files.recheck(&RecoverOptions::default(), |_| ControlFlow::Break(()));
    assert!(ended.unwrap().is_none());
    assert!(files.state().have.is_full());
    assert!(
        session.torrent.store(world.blocks(world.piece(0))[0], vec![0; 16_384].into()).is_err()
    );
    disk.shutdown();
}

// The law of back-pressure holds for a caller that does not keep its promise.
#[test]
fn blocks_that_are_stored_during_a_check_are_dropped_and_told_of() {
    let world = world();
    let disk = narrow_disk();
    let session = world.join(&disk, Recovered::nothing(10));
    download(&session, [0, 1]);
    let (files, torrent) = (session.torrent.files(), &session.torrent);
    let mut is_stored = false;
    let recovered = files.recheck(&RecoverOptions::default(), |progress| {
        if !std::mem::replace(&mut is_stored, true) {
            let blocks = [&world.blocks(world.piece(3))[..1], &world.blocks(world.piece(4))];
            for &block in blocks.concat().iter() {
                torrent.store(block, vec![9; block.length() as usize].into()).unwrap();
            }
            torrent.verify(world.piece(4), PieceVerifyOptions::default());
        }
        go_on(progress)
    });
    assert_eq!(pieces(&recovered.unwrap().unwrap()), [0, 1]);
    assert_eq!(session.torrent.unstored_bytes(), 0);
    let (mut bytes, mut is_told) = (0, false);
    while !is_told {
        match session.completion() {
            Completion::BlocksWritten { bytes: more } => bytes += more,
            Completion::PieceUnstored { piece, error } => {
                assert!(matches!(error, StorageError::IncompletePiece { missing: 2 }));
                is_told = piece.get() == 4;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bytes, 3 * 16_384);
    download(&session, 2..10);
    disk.shutdown();
    world.assert_on_disk();
}

#[test]
fn other_torrents_do_not_wait_for_a_check() {
    let (world, others) = (world(), World::new(PIECE, &[("o", 100_000, false)]));
    let disk = narrow_disk();
    let session = world.join(&disk, Recovered::nothing(10));
    let other = others.join(&disk, Recovered::nothing(4));
    download(&session, 0..10);
    let files = session.torrent.files();
    let (begin, has_begun) = mpsc::channel();
    let (end, may_end) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let check = scope.spawn(move || {
            files.recheck(&RecoverOptions::default(), move |progress| {
                let _ = begin.send(());
                // It lasts until the other torrent is complete.
                let _ = may_end.recv();
                go_on(progress)
            })
        });
        has_begun.recv().unwrap();
        session.torrent.read(world.blocks(world.piece(1))[0], 7);
        download(&other, 0..4);
        other.checkpoint();
        assert!(
            session
                .completions
                .try_iter()
                .all(|done| { matches!(done, Completion::BlocksWritten { .. }) })
        );
        drop(end);
        assert!(check.join().unwrap().unwrap().unwrap().have.is_full());
    });
    assert!(matches!(session.next(), Completion::BlockRead { tag: 7, .. }));
    disk.shutdown();
}

// S-18, S-21.
#[test]
fn a_download_goes_on_in_another_folder() {
    let (world, target) = (world(), tempfile::tempdir().unwrap());
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(10));
    download(&session, [0, 1]);
    session.checkpoint();
    session.store(world.blocks(world.piece(4))[0]);
    let moved = session.torrent.files().move_to(target.path(), move_on);
    moved.unwrap().unwrap().settle();
    download(&session, [2]);
    session.store(world.blocks(world.piece(4))[1]);
    session.store(world.blocks(world.piece(6))[0]);
    assert_eq!(read(&session, 0).unwrap().len(), 16_384);
    // No checkpoint: the journal has to be in the new folder.
    drop(session);
    disk.shutdown();
    assert_eq!(fs::read_dir(world.path()).unwrap().count(), 0);
    let world = world.at(target.path());
    let recovered = world.recover();
    assert_eq!(pieces(&recovered), [0, 1, 2, 4]);
    assert_eq!((recovered.partial[0].piece.get(), &recovered.partial[0].blocks[..]), (6, &[0][..]));
}

#[test]
fn a_torrent_that_is_deleted_leaves_nothing_whatever_is_in_memory() {
    let world = world();
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(10));
    download(&session, 0..3);
    session.checkpoint();
    session.store(world.blocks(world.piece(5))[0]);
    let files = session.torrent.files();
    let removed = files.remove_files().unwrap();
    assert_eq!(removed.left_count, 0);
    session.store_piece(7);
    session.torrent.verify(world.piece(7), PieceVerifyOptions::default());
    session.torrent.checkpoint(Counters::default());
    let mut is_told = false;
    loop {
        match session.next() {
            Completion::PieceUnstored { error: StorageError::Removed, .. } => is_told = true,
            Completion::NotCheckpointed { error: StorageError::Removed } => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(is_told);
    assert!(files.recheck(&RecoverOptions::default(), go_on).unwrap().unwrap().have.is_empty());
    drop((session, files));
    disk.shutdown();
    assert_eq!(fs::read_dir(world.path()).unwrap().count(), 0);
}

/// One may be kept for longer than the disk.
#[test]
fn files_may_change_when_the_disk_is_gone() {
    let (world, target) = (world(), tempfile::tempdir().unwrap());
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(10));
    download(&session, 0..10);
    let files = session.torrent.files();
    drop(session);
    disk.shutdown();
    files.move_to(target.path(), move_on).unwrap().unwrap().settle();
    files.select(|_| true).unwrap();
    let recovered = files.recheck(RecoverOptions::default().ignore_record(true), go_on);
    assert!(recovered.unwrap().is_none_or(|recovered| recovered.have.is_full()));
    world.at(target.path()).assert_on_disk();
}

/// Downloads, and changes what is wanted and named how all the time, until it is killed. Tells of verified
/// pieces in a file.
#[cfg(unix)]
fn change_until_killed(world: &World, told: &Path, seed: u64) -> ! {
    use std::io::Write;
    let disk = disk();
    let storage = world.storage();
    let mut random = common::noise(seed, 1 << 16).into_iter().cycle();
    let mut mask = move || random.next().unwrap();
    storage.select(is_wanted(mask())).unwrap();
    let found = recover(&storage, &world.hashes, &RecoverOptions::default(), go_on);
    let found = found.unwrap().unwrap();
    let session = world.join_storage(&disk, storage, found.clone());
    let files = session.torrent.files();
    let mut told = fs::File::options().append(true).create(true).open(told).unwrap();
    std::thread::spawn(move || {
        loop {
            files.select(is_wanted(mask())).unwrap();
            let index = files.storage().layout().file(u32::from(mask() % 6)).unwrap().index;
            let path = format!("{}/{}", ["t", "u/v"][usize::from(mask() % 2)], mask() % 3);
            let _ = files.rename_files(&[(index, path.into())]);
        }
    });
    for index in (0..PIECES).filter(|index| !found.have.get(*index)) {
        for block in world.blocks(world.piece(index)) {
            // Some are there.
            let _ = session.torrent.store(block, world.block_data(block));
            std::thread::sleep(std::time::Duration::from_micros(500));
        }
        assert_verified(session.verify(index), index);
        told.write_all(&[index as u8]).unwrap();
    }
    loop {
        std::thread::park();
    }
}

// S-10, S-18.
#[cfg(unix)]
#[test]
fn a_kill_while_files_change_places_loses_nothing_verified() {
    let name = "a_kill_while_files_change_places_loses_nothing_verified";
    let control = tempfile::tempdir().unwrap();
    if let Some(folder) = common::child_folder() {
        let number = || fs::read(folder.join("round")).unwrap()[0].into();
        change_until_killed(
            &small_world().at(&folder.join("root")),
            &folder.join("told"),
            number(),
        );
    }
    for round in 0..16_u8 {
        // Each second one begins anew.
        let folder = control.path().join((round / 2).to_string());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("round"), [round]).unwrap();
        let Some(mut child) = common::in_child(name, ":", &folder) else { return };
        let mut child = child.stdin(std::process::Stdio::null()).spawn().unwrap();
        while !folder.join("told").exists() {
            assert!(child.try_wait().unwrap().is_none(), "it waits to be killed");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        std::thread::sleep(std::time::Duration::from_millis(u64::from(round) * 2));
        child.kill().unwrap();
        child.wait().unwrap();
        let told: BTreeSet<u32> =
            fs::read(folder.join("told")).unwrap().into_iter().map(u32::from).collect();
        let world = small_world().at(&folder.join("root"));
        let run = Run { world: &world, folders: [world.path().into(), "".into()], verified: told };
        let storage = run.open(0, round.wrapping_mul(37));
        let found = recover(&storage, &world.hashes, &RecoverOptions::default(), go_on);
        run.assert_right(&storage, &found.unwrap().unwrap());
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// All blocks of a piece, and its verification.
    Piece(u32),
    /// One block.
    Block(prop::sample::Index),
    Read(prop::sample::Index),
    Select(u8),
    Rename(u32, u8),
    Move,
    Recheck {
        is_full: bool,
    },
    Checkpoint,
    /// Another run, with these files wanted. It has lost nothing but its memory.
    Restart(u8),
}

fn any_step() -> impl Strategy<Value = Step> {
    let any_index = any::<prop::sample::Index>;
    prop_oneof![
        8 => (0..PIECES).prop_map(Step::Piece),
        3 => any_index().prop_map(Step::Block),
        4 => any_index().prop_map(Step::Read),
        6 => any::<u8>().prop_map(Step::Select),
        2 => (0..FILES, any::<u8>()).prop_map(|(file, name)| Step::Rename(file, name)),
        1 => Just(Step::Move),
        1 => any::<bool>().prop_map(|is_full| Step::Recheck { is_full }),
        1 => Just(Step::Checkpoint),
        2 => any::<u8>().prop_map(Step::Restart),
    ]
}

/// Pieces of one to five files, files of several pieces, and one without data.
fn small_world() -> World {
    World::new(
        PIECE,
        &[
            ("t/a", 70_000, false),
            ("t/b", 3_000, false),
            ("t/c", 5, false),
            ("t/d", 90_000, false),
            ("t/e", 0, false),
            ("t/f", 30_000, false),
        ],
    )
}

const FILES: u32 = 6;
const PIECES: u32 = 6;

fn is_wanted(mask: u8) -> impl Fn(tinytorrent_metainfo::FileIndex) -> bool {
    move |file| mask >> file.get() & 1 == 1
}

/// A run of a program, and what all runs together have to know.
struct Run<'a> {
    world: &'a World,
    folders: [PathBuf; 2],
    verified: BTreeSet<u32>,
}

impl<'a> Run<'a> {
    fn open(&self, folder: usize, mask: u8) -> std::sync::Arc<Storage> {
        let layout = std::sync::Arc::clone(&self.world.layout);
        let (identity, options) = (self.world.identity(), StorageOptions::default());
        let storage = Storage::open(layout, identity, &self.folders[folder], &options).unwrap();
        storage.select(is_wanted(mask)).unwrap();
        storage.prepare().unwrap();
        std::sync::Arc::new(storage)
    }

    fn start(&mut self, disk: &Disk, folder: usize, mask: u8) -> Session<'a> {
        let storage = self.open(folder, mask);
        let found = recover(&storage, &self.world.hashes, &RecoverOptions::default(), go_on);
        let found = found.unwrap().unwrap();
        self.assert_right(&storage, &found);
        // Some were complete, and nobody had asked for their verification.
        self.verified.extend(found.have.iter());
        self.world.join_storage(disk, storage, found)
    }

    /// Nothing verified is lost, and nothing wrong is claimed.
    fn assert_right(&self, storage: &Storage, found: &Recovered) {
        let lost: Vec<_> = self.verified.iter().filter(|&&piece| !found.have.get(piece)).collect();
        assert!(lost.is_empty(), "{lost:?} are lost");
        for index in found.have.iter() {
            let block = |block: BlockInfo| {
                let mut data = vec![0; block.length() as usize];
                storage.read_block(block, &mut data).unwrap();
                assert!(data == self.world.block_data(block), "piece {index} is wrong");
            };
            self.world.blocks(self.world.piece(index)).into_iter().for_each(block);
        }
    }

    /// Stores what the piece lacks, while other threads may change the places of its files.
    fn piece(&mut self, session: &Session<'_>, index: u32) {
        let piece = self.world.piece(index);
        for block in self.world.blocks(piece) {
            let _ = session.torrent.store(block, self.world.block_data(block));
        }
        if self.verified.insert(index) {
            session.torrent.verify(piece, PieceVerifyOptions::default());
            assert_verified(session.next(), index);
        }
    }

    fn read(&self, session: &Session<'_>, at: prop::sample::Index) {
        if self.verified.is_empty() {
            return;
        }
        let index = *self.verified.iter().nth(at.index(self.verified.len())).unwrap();
        let block = self.world.blocks(self.world.piece(index))[0];
        session.torrent.read(block, 7);
        match session.next() {
            Completion::BlockRead { data, .. } => assert!(data == self.world.block_data(block)),
            other => panic!("{other:?}"),
        }
    }
}

/// A change that happens while other steps do. Not all are possible.
fn change(files: &TorrentFiles, step: &Step, folders: &[PathBuf; 2]) {
    match step {
        Step::Select(mask) => files.select(is_wanted(*mask)).unwrap(),
        Step::Rename(file, name) => {
            let index = files.storage().layout().file(*file).unwrap().index;
            let path = format!("{}/{}", ["t", "u", "t/x"][usize::from(name % 3)], name % 7);
            match files.rename_files(&[(index, path.into())]) {
                Ok(()) | Err(StorageError::NotRenamed(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        Step::Move => {
            let is_first = files.storage().root_path() == folders[0];
            files.move_to(&folders[usize::from(is_first)], move_on).unwrap().unwrap().settle();
        }
        _ => {}
    }
}

fn folder_of(storage: &Storage, folders: &[PathBuf; 2]) -> usize {
    usize::from(storage.root_path() == folders[1])
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(64)
    })]

    // S-10, S-18, S-21.
    #[test]
    fn nothing_verified_is_lost_or_wrong_whatever_changes_meanwhile(
        steps in prop::collection::vec(any_step(), 0..40),
        mask in any::<u8>(),
        is_other_device in any::<bool>(),
    ) {
        let (world, near) = (small_world(), tempfile::tempdir().unwrap());
        let far = Path::new("/dev/shm");
        let target = match is_other_device && far.is_dir() {
            true => tempfile::tempdir_in(far).unwrap(),
            false => near,
        };
        let folders = [world.path().to_owned(), target.path().to_owned()];
        let mut run = Run { world: &world, folders, verified: BTreeSet::new() };
        let disk = disk();
        let mut session = run.start(&disk, 0, mask);
        let mut steps = steps.iter().peekable();
        while let Some(step) = steps.next() {
            match step {
                Step::Piece(index) => run.piece(&session, *index),
                Step::Block(at) => {
                    let all: Vec<_> =
                        world.geometry().pieces().flat_map(|piece| world.blocks(piece)).collect();
                    let block = *at.get(&all);
                    let _ = session.torrent.store(block, world.block_data(block));
                }
                Step::Read(at) => run.read(&session, *at),
                Step::Checkpoint => session.checkpoint(),
                Step::Select(_) | Step::Rename(..) | Step::Move => {
                    let (files, folders) = (session.torrent.files(), run.folders.clone());
                    std::thread::scope(|scope| {
                        let changing = scope.spawn(|| change(&files, step, &folders));
                        // Meanwhile, whatever comes next.
                        while let Some(Step::Piece(index)) =
                            steps.next_if(|step| matches!(step, Step::Piece(_)))
                        {
                            run.piece(&session, *index);
                        }
                        while let Some(Step::Read(at)) =
                            steps.next_if(|step| matches!(step, Step::Read(_)))
                        {
                            run.read(&session, *at);
                        }
                        changing.join().unwrap();
                    });
                }
                Step::Recheck { is_full } => {
                    let mut options = RecoverOptions::default();
                    options.ignore_record(*is_full);
                    let found = session.torrent.files().recheck(&options, go_on).unwrap().unwrap();
                    run.assert_right(session.torrent.storage(), &found);
                    run.verified.extend(found.have.iter());
                }
                Step::Restart(mask) => {
                    let folder = folder_of(session.torrent.storage(), &run.folders);
                    let old = session.torrent.files();
                    drop(session);
                    // Blocks in memory are written, without a record.
                    old.recheck(&RecoverOptions::default(), |_| ControlFlow::Break(())).unwrap();
                    drop(old);
                    session = run.start(&disk, folder, *mask);
                }
            }
        }
        // All of it, at the end.
        (0..PIECES).for_each(|index| run.piece(&session, index));
        session.torrent.files().select(|_| true).unwrap();
        session.checkpoint();
        let storage = std::sync::Arc::clone(session.torrent.storage());
        drop(session);
        disk.shutdown();
        for file in world.layout.files() {
            let range = file.offset as usize..(file.offset + file.length) as usize;
            let found = fs::read(storage.file_path(file.index).unwrap()).unwrap();
            prop_assert!(found == world.content[range], "{} differs", file.path);
        }
    }
}
