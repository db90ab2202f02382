//! Content that is absent or full of holes: the work is that of the files on disk, not of what a torrent
//! claims.
#![cfg(target_os = "linux")]

use std::{
    fs::{self, File},
    ops::ControlFlow,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::Arc,
};

use tinytorrent_hash::sha1;
use tinytorrent_metainfo::{FileIndex, Layout};
use tinytorrent_storage::{
    PieceHashes, RecoverOptions, Storage, StorageOptions, Verified, VerifyProgress, recover, verify,
};
use tinytorrent_types::{Bitfield, InfoHashV1, InfoHashes};

const PIECE: u32 = 4 << 20;
const PIECES: u32 = 1 << 20;
const LENGTH: u64 = PIECE as u64 * PIECES as u64;

/// One file of 4 TiB in 2^20 pieces, and a small one behind it.
fn storage(root: &Path) -> Storage {
    let mut builder = Layout::builder(PIECE);
    builder.file(["huge"], LENGTH - 5).file(["small"], 7);
    let layout = Arc::new(builder.build().unwrap());
    let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([1; 20]));
    Storage::open(layout, identity, root, &StorageOptions::default()).unwrap()
}

/// The check of all pieces, and the number of its reports.
fn check(storage: &Storage, hashes: &PieceHashes, pieces: &Bitfield) -> (Verified, u32) {
    let mut reports = 0;
    let mut last = None;
    let verified = verify(storage, hashes, pieces, 2, |progress: VerifyProgress| {
        reports += 1;
        last = Some(progress);
        ControlFlow::Continue(())
    });
    let last = last.unwrap();
    assert_eq!((last.pieces_done, last.pieces_total), (pieces.count(), pieces.count()));
    (verified, reports)
}

fn wrong() -> PieceHashes {
    PieceHashes::from_v1((0..=PIECES).map(|_| [9; 20]))
}

#[test]
fn a_file_that_is_absent_or_short_is_found_missing_in_one_step() {
    let folder = tempfile::tempdir().unwrap();
    let storage = storage(folder.path());
    let (hashes, all) = (wrong(), Bitfield::full(PIECES + 1));
    for size in [None, Some(0), Some(3 * u64::from(PIECE)), Some(3 << 40)] {
        if let Some(size) = size {
            File::create(folder.path().join("huge")).unwrap().set_len(size).unwrap();
        }
        let (verified, reports) = check(&storage, &hashes, &all);
        assert_eq!(verified.absent.count(), PIECES + 1, "{size:?}");
        assert!(verified.first_error.is_none() && reports < 10, "{size:?}: {reports} reports");
        storage.close_files();
    }
}

#[test]
fn holes_are_right_where_zeros_are() {
    let folder = tempfile::tempdir().unwrap();
    let storage = storage(folder.path());
    let file = File::create(folder.path().join("huge")).unwrap();
    file.set_len(LENGTH - 5).unwrap();
    file.write_all_at(&[7; 100], 1 << 40).unwrap();
    fs::write(folder.path().join("small"), [1; 7]).unwrap();
    let zeros = vec![0; PIECE as usize];
    let (zero, mut seven) = (sha1(&zeros), zeros);
    seven[..100].fill(7);
    let data = ((1_u64 << 40) / u64::from(PIECE)) as u32;
    let hash = |index| match index {
        index if index == data => sha1(&seven),
        // The torrent has others there, and at its end.
        5 | PIECES => [9; 20],
        _ => zero,
    };
    let hashes = PieceHashes::from_v1((0..=PIECES).map(hash));
    let all = Bitfield::full(PIECES + 1);
    let (verified, reports) = check(&storage, &hashes, &all);
    assert_eq!(verified.absent.iter().collect::<Vec<_>>(), [5]);
    // The last piece but one is of both files, and is not zeros.
    let expected = PIECES + 1 - 3;
    assert_eq!(verified.have.count(), expected);
    assert!(verified.have.get(data) && !verified.have.get(PIECES - 1));
    assert!(reports < 100, "{reports} reports");
    // Pieces that are not asked for are not told of.
    let mut some = Bitfield::new(PIECES + 1);
    [5, 6, data].into_iter().for_each(|index| {
        some.insert(storage.geometry().piece(index).unwrap());
    });
    let (verified, _) = check(&storage, &hashes, &some);
    assert_eq!(verified.have.iter().collect::<Vec<_>>(), [6, data]);
    assert_eq!(verified.absent.count(), 1);
}

/// S-16: the start of a torrent costs no more either, with the file in its place or in the part file.
#[test]
fn recovery_of_nothing_is_a_step_or_two() {
    for is_wanted in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let storage = storage(folder.path());
        storage.select(|file: FileIndex| is_wanted || file.get() != 0).unwrap();
        let mut reports = 0;
        let found = recover(&storage, &wrong(), &RecoverOptions::default(), |_| {
            reports += 1;
            ControlFlow::Continue(())
        });
        let found = found.unwrap().unwrap();
        assert!(found.have.is_empty() && found.partial.is_empty());
        assert!(reports < 10, "{reports} reports");
    }
}
