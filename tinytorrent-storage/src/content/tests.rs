use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use tinytorrent_hash::sha1;
use tinytorrent_metainfo::Layout;
use tinytorrent_types::{InfoHashV1, InfoHashes};

use super::{contract::Contract, *};
use crate::{
    Fault, FilePool, PieceHashes, RecoverOptions, Recovered, Storage, StorageOptions, recover,
};

const PIECE: u32 = 16_384;

// S-32.
#[test]
fn memory_obeys_the_contract() {
    Contract::new(|_| Arc::new(MemoryContent::new())).moves(true).check();
}

// S-32.
#[test]
fn files_obey_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let open = |place: &contract::Place| {
        let (layout, options) = (Arc::clone(&place.layout), StorageOptions::default());
        Arc::new(Storage::open(layout, place.identity, &place.folder, &options).unwrap())
    };
    Contract::new(open).base(folder.path()).lasts(true).moves(true).check();
}

// S-32.
#[test]
fn content_of_whole_pieces_obeys_the_contract() {
    Contract::new(|place: &contract::Place| Arc::new(Pieces::new(&place.layout))).check();
}

/// Content that lasts piece by piece, once they are right.
#[derive(Debug)]
struct Pieces {
    layout: Arc<Layout>,
    unsure: MemoryContent,
    kept: Mutex<BTreeMap<u32, Vec<u8>>>,
    is_full: AtomicBool,
}

impl Pieces {
    fn new(layout: &Arc<Layout>) -> Self {
        Self {
            layout: Arc::clone(layout),
            unsure: MemoryContent::new(),
            kept: Mutex::default(),
            is_full: AtomicBool::new(false),
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<u32, Vec<u8>>> {
        self.kept.lock().unwrap()
    }

    fn keep_one(&self, piece: PieceIndex) -> Result<(), StorageError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(StorageError::content(Fault::DiskFull, "pieces", "no room"));
        }
        let geometry = self.layout.geometry();
        let mut data = vec![0; geometry.piece_length(piece) as usize];
        for span in self.layout.piece_spans(piece).filter(|span| !span.is_pad) {
            let file = self.layout.file(span.file.get()).unwrap();
            let offset = file.offset + span.offset;
            let at = (offset - geometry.piece_offset(piece)) as usize;
            self.unsure.read(offset, &mut data[at..][..span.length as usize])?;
        }
        self.kept().insert(piece.get(), data);
        Ok(())
    }
}

impl Content for Pieces {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let length = u64::from(self.layout.geometry().nominal_piece_length());
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let (piece, begin) = ((at / length) as u32, at % length);
            let count = rest.len().min((length - begin) as usize);
            let (part, after) = rest.split_at_mut(count);
            match self.kept().get(&piece) {
                Some(data) => part.copy_from_slice(&data[begin as usize..][..count]),
                None => self.unsure.read(at, part)?,
            }
            (at, rest) = (at + count as u64, after);
        }
        Ok(())
    }

    fn write(&self, offset: u64, slices: &[IoSlice<'_>]) -> Result<(), StorageError> {
        self.unsure.write(offset, slices)
    }

    fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn keep(&self, pieces: &[PieceIndex]) -> Vec<Result<(), StorageError>> {
        pieces.iter().map(|&piece| self.keep_one(piece)).collect()
    }

    fn discard(&self, piece: PieceIndex) {
        self.kept().remove(&piece.get());
    }

    fn kept(&self) -> Result<Option<Bitfield>, StorageError> {
        let mut kept = Bitfield::new(self.layout.geometry().piece_count());
        for piece in self.kept().keys().filter_map(|&index| self.layout.geometry().piece(index)) {
            kept.insert(piece);
        }
        Ok(Some(kept))
    }

    fn keeps_blocks(&self) -> bool {
        false
    }
}

/// Ten pieces of one file, and what is in them.
fn world() -> (Arc<Layout>, InfoHashes, Vec<u8>, PieceHashes) {
    let data: Vec<u8> = (0..10 * PIECE).map(|at| (at / 7) as u8).collect();
    let mut builder = Layout::builder(PIECE);
    builder.file(["a"], 100_000).file(["b"], data.len() as u64 - 100_000);
    let layout = Arc::new(builder.build().unwrap());
    let hashes = PieceHashes::from_v1(data.chunks(PIECE as usize).map(sha1));
    (layout, InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20])), data, hashes)
}

fn storage_of(layout: &Arc<Layout>, identity: InfoHashes, content: Arc<dyn Content>) -> Storage {
    let (layout, options) = (Arc::clone(layout), StorageOptions::default());
    Storage::with_content(layout, identity, Path::new(""), content, &options)
}

fn find(storage: &Storage, hashes: &PieceHashes) -> (Recovered, u32) {
    let mut checked = 0;
    let found = recover(storage, hashes, &RecoverOptions::default(), |done| {
        checked = done.pieces_total;
        ControlFlow::Continue(())
    });
    (found.unwrap().unwrap(), checked)
}

// S-33: a bucket may have terabytes.
#[test]
fn pieces_that_were_kept_are_not_checked_unless_the_sample_is_wrong() {
    let (layout, identity, data, hashes) = world();
    let content = Arc::new(Pieces::new(&layout));
    let own = Arc::clone(&content);
    let storage = storage_of(&layout, identity, own);
    storage.write(0, &[&data[..8 * PIECE as usize]]).unwrap();
    let pieces: Vec<_> = layout.geometry().pieces().collect();
    assert!(storage.keep(&pieces[..7]).iter().all(Result::is_ok));
    let (found, checked) = find(&storage, &hashes);
    // Piece 7 is there and was not kept.
    assert_eq!((found.have.count(), checked), (7, 0));
    // Somebody has changed them.
    content.kept().values_mut().for_each(|data| data[9] ^= 1);
    let (found, checked) = find(&storage, &hashes);
    assert_eq!((found.have.count(), checked), (0, 7), "what was not kept does not count");
}

// S-33.
#[test]
fn a_piece_that_cannot_be_kept_is_lost_with_the_reason() {
    use crate::{Completion, Disk, DiskOptions, PieceVerifyOptions, TorrentDiskOptions};
    let (layout, identity, data, hashes) = world();
    let content = Arc::new(Pieces::new(&layout));
    content.is_full.store(true, Ordering::Relaxed);
    let own = Arc::clone(&content);
    let storage = storage_of(&layout, identity, own);
    let disk = Disk::new(&DiskOptions::default()).unwrap();
    let (sender, completions) = std::sync::mpsc::channel();
    let options = TorrentDiskOptions::default();
    let none = Recovered::nothing(10);
    let torrent = disk.add(Arc::new(storage), hashes, none, &options, move |done| {
        let _ = sender.send(done);
    });
    let piece = layout.geometry().piece(3).unwrap();
    let block = layout.geometry().nth_block(piece, 0).unwrap();
    let bytes = data[3 * PIECE as usize..4 * PIECE as usize].to_vec();
    torrent.store_last(block, bytes.clone().into(), PieceVerifyOptions::default()).unwrap();
    let ended = completions.iter().find(|done| !matches!(done, Completion::BlocksWritten { .. }));
    let Some(Completion::PieceUnstored { piece: lost, error }) = ended else { panic!("{ended:?}") };
    assert_eq!((lost, error.fault()), (piece, Fault::DiskFull));
    // Once there is room, it may come anew.
    content.is_full.store(false, Ordering::Relaxed);
    torrent.store_last(block, bytes.into(), PieceVerifyOptions::default()).unwrap();
    let ended = completions.iter().find(|done| !matches!(done, Completion::BlocksWritten { .. }));
    assert!(matches!(ended, Some(Completion::PieceVerified { .. })), "{ended:?}");
    assert_eq!(content.kept().len(), 1);
    disk.shutdown();
}

/// Two files in other folders and under other names than the torrent's.
fn elsewhere(folder: &Path) -> (FilesElsewhere, Vec<u8>, PieceHashes, Arc<Layout>, InfoHashes) {
    let (layout, identity, data, hashes) = world();
    fs::create_dir(folder.join("x")).unwrap();
    let paths = [folder.join("x/one.mp4"), folder.join("two")];
    fs::write(&paths[0], &data[..100_000]).unwrap();
    fs::write(&paths[1], &data[100_000..]).unwrap();
    let indexed = (0..).map(FileIndex::new).zip(paths);
    let mut content = FilesElsewhere::new(Arc::clone(&layout), indexed, FilePool::default().into());
    content.record_file(folder.join("records/a"));
    (content, data, hashes, layout, identity)
}

// S-34.
#[test]
fn files_elsewhere_are_read_and_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let (content, data, hashes, layout, identity) = elsewhere(folder.path());
    let storage = storage_of(&layout, identity, Arc::new(content));
    let (found, checked) = find(&storage, &hashes);
    assert_eq!((found.have.count(), checked), (10, 10));
    let mut read = vec![0; 20_000];
    storage.read(90_000, &mut read).unwrap();
    assert_eq!(read, data[90_000..110_000]);
    assert!(matches!(storage.write(0, &[b"x"]), Err(StorageError::ReadOnly)));
    let removed = storage.remove_files().unwrap().first_error.unwrap();
    assert_eq!(removed.fault(), Fault::Unsupported);
    // One that is cut, and one that is gone.
    fs::write(folder.path().join("two"), &data[100_000..120_000]).unwrap();
    fs::remove_file(folder.path().join("x/one.mp4")).unwrap();
    storage.read(110_000, &mut read[..5_000]).unwrap();
    assert_eq!(storage.read(119_999, &mut read[..2]).unwrap_err().fault(), Fault::Missing);
    assert_eq!(find(&storage, &hashes).0.have.count(), 0);
}

// S-34: with its record elsewhere as well, it is hashed once.
#[test]
fn files_elsewhere_are_checked_again_when_they_have_changed() {
    use crate::{Counters, ResumeRecord};
    let folder = tempfile::tempdir().unwrap();
    let (content, data, hashes, layout, identity) = elsewhere(folder.path());
    let storage = storage_of(&layout, identity, Arc::new(content));
    let record = ResumeRecord {
        identity,
        have: Bitfield::full(10),
        partial: Vec::new(),
        counters: Counters { uploaded: 5, ..Counters::default() },
        stamps: storage.stamps().unwrap(),
    };
    record.save(&storage).unwrap();
    let (found, checked) = find(&storage, &hashes);
    assert_eq!((found.have.count(), checked, found.counters.uploaded), (10, 0, 5));
    let mut changed = data[..100_000].to_vec();
    changed[50_000] ^= 1;
    fs::write(folder.path().join("x/one.mp4"), changed).unwrap();
    let (found, checked) = find(&storage, &hashes);
    assert_eq!((found.have.count(), checked), (9, 7), "the pieces of the first file");
}

/// Content that answers nothing until it is told to.
#[derive(Debug, Default)]
struct Stuck {
    memory: MemoryContent,
    is_free: Mutex<bool>,
    freed: std::sync::Condvar,
}

impl Stuck {
    fn wait(&self) {
        let is_free = self.is_free.lock().unwrap();
        drop(self.freed.wait_while(is_free, |is_free| !*is_free).unwrap());
    }
}

impl Content for Stuck {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        self.wait();
        self.memory.read(offset, buffer)
    }

    fn write(&self, offset: u64, slices: &[IoSlice<'_>]) -> Result<(), StorageError> {
        self.wait();
        self.memory.write(offset, slices)
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.memory.sync()
    }
}

// S-13.
#[test]
fn content_that_does_not_answer_holds_up_no_files() {
    use crate::{Completion, Disk, DiskOptions, PieceVerifyOptions, TorrentDiskOptions};
    let folder = tempfile::tempdir().unwrap();
    let (layout, identity, data, hashes) = world();
    let mut options = DiskOptions::default();
    options.threads(1).content_threads(1);
    let disk = Disk::new(&options).unwrap();
    let (sender, completions) = std::sync::mpsc::channel();
    let add = |storage: Storage, is_own: bool| {
        let (sender, options) = (sender.clone(), TorrentDiskOptions::default());
        let none = Recovered::nothing(10);
        disk.add(Arc::new(storage), hashes.clone(), none, &options, move |done| {
            if matches!(done, Completion::PieceVerified { .. }) {
                let _ = sender.send(is_own);
            }
        })
    };
    let stuck = Arc::new(Stuck::default());
    let own = add(storage_of(&layout, identity, Arc::clone(&stuck) as Arc<dyn Content>), true);
    let options = StorageOptions::default();
    let files = Storage::open(Arc::clone(&layout), identity, folder.path(), &options).unwrap();
    let files = add(files, false);
    let piece = layout.geometry().piece(0).unwrap();
    let block = layout.geometry().nth_block(piece, 0).unwrap();
    let bytes = bytes::Bytes::copy_from_slice(&data[..PIECE as usize]);
    for torrent in [&own, &files] {
        torrent.store_last(block, bytes.clone(), PieceVerifyOptions::default()).unwrap();
    }
    assert!(!completions.recv().unwrap(), "that of files comes, and alone");
    *stuck.is_free.lock().unwrap() = true;
    stuck.freed.notify_all();
    assert!(completions.recv().unwrap());
    disk.shutdown();
}
