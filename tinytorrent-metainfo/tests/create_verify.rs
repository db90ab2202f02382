//! Torrents of files on disk, and the files verified with them.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests read files")]

use std::fs;
use std::ops::ControlFlow;
#[cfg(unix)]
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use tinytorrent_metainfo::{
    CreateError, CreateOptions, FileFaultKind, Metainfo, Progress, RefusalReason, VerifyError,
    VerifyOptions, VerifyReport, Version,
};

const VERSIONS: [Version; 3] = [Version::V1, Version::V2, Version::Hybrid];

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Pseudo-random bytes.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let step = |state: &u64| {
        Some(state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407))
    };
    std::iter::successors(Some(seed), step).take(length).map(|state| (state >> 56) as u8).collect()
}

/// A folder with files that share pieces, fill them, or are empty.
fn content(folder: &Path) {
    for (number, (path, length)) in [
        ("album/a.bin", 40_000),
        ("album/b/empty", 0),
        ("album/b/exact", 65_536),
        ("album/b.txt", 100),
        ("album/c/d/large", 200_001),
        ("album/z", 16_384),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes(length, number as u64)).unwrap();
    }
}

fn create(path: &Path, version: Version) -> Metainfo {
    let mut options = CreateOptions::new();
    options.version(version).piece_length(32_768).unwrap();
    options.create(path, &go_on).unwrap()
}

fn verify(metainfo: &Metainfo, folder: &Path) -> VerifyReport {
    VerifyOptions::new().verify(metainfo, folder, &go_on).unwrap()
}

#[test]
fn what_was_created_reads_back_and_verifies() {
    let folder = tempfile::tempdir().unwrap();
    content(folder.path());
    for version in VERSIONS {
        let metainfo = create(&folder.path().join("album"), version);
        let read = Metainfo::from_bytes(&metainfo.to_bytes()).unwrap();
        assert_eq!(read, metainfo);
        assert_eq!((read.info().version(), read.info().is_single_file()), (version, false));
        let report = verify(&read, folder.path());
        assert!(report.is_complete() && report.faults().is_empty(), "{version:?}: {report:?}");
        let two = VerifyOptions::new().threads(2).verify(&read, folder.path(), &go_on).unwrap();
        assert_eq!(two, report);
    }
}

// M-05, M-06, BEP 3
#[test]
fn a_file_and_a_folder_of_one_file_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("files")).unwrap();
    fs::write(folder.path().join("files/only"), bytes(40_000, 1)).unwrap();
    let of_folder = create(&folder.path().join("files"), Version::V1);
    assert!(!of_folder.info().is_single_file());
    assert_eq!(of_folder.layout().file(0).unwrap().path.to_string(), "files/only");
    assert!(verify(&of_folder, folder.path()).is_complete());

    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("files"), bytes(40_000, 1)).unwrap();
    let of_file = create(&other.path().join("files"), Version::V1);
    assert!(of_file.info().is_single_file());
    assert_eq!(of_file.layout().file(0).unwrap().path.to_string(), "files");
    assert!(verify(&of_file, other.path()).is_complete());
    assert_ne!(of_file.hashes(), of_folder.hashes());
    assert_eq!(of_file.info().piece_hashes(), of_folder.info().piece_hashes());
}

#[test]
fn damage_is_found_where_it_is() {
    for version in VERSIONS {
        let folder = tempfile::tempdir().unwrap();
        content(folder.path());
        let metainfo = create(&folder.path().join("album"), version);
        let large = folder.path().join("album/c/d/large");
        let mut damaged = fs::read(&large).unwrap();
        damaged[100_000] ^= 1;
        fs::write(&large, damaged).unwrap();
        let report = verify(&metainfo, folder.path());
        let [fault] = report.faults() else { panic!("{version:?}: {report:?}") };
        let file = metainfo.layout().file(fault.file.get()).unwrap();
        assert_eq!(file.path.to_string(), "album/c/d/large");
        assert_eq!(fault.kind, FileFaultKind::Wrong);
        let piece = ((file.offset + 100_000) / 32_768) as u32;
        assert_eq!((fault.pieces[0].start, fault.piece_count()), (piece, 1));
        assert_eq!(report.pieces().count(), report.pieces().piece_count() - 1);
    }
}

#[test]
fn missing_short_and_long_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    content(folder.path());
    let metainfo = create(&folder.path().join("album"), Version::Hybrid);
    fs::remove_file(folder.path().join("album/a.bin")).unwrap();
    fs::remove_file(folder.path().join("album/b/empty")).unwrap();
    fs::write(folder.path().join("album/b/exact"), bytes(65_535, 2)).unwrap();
    let mut long = fs::read(folder.path().join("album/z")).unwrap();
    long.push(0);
    fs::write(folder.path().join("album/z"), long).unwrap();
    let report = verify(&metainfo, folder.path());
    let found: Vec<(String, FileFaultKind, u32)> = report
        .faults()
        .iter()
        .map(|fault| {
            let path = metainfo.layout().file(fault.file.get()).unwrap().path.to_string();
            (path, fault.kind, fault.piece_count())
        })
        .collect();
    let expected = [
        ("album/a.bin", FileFaultKind::Missing, 2),
        ("album/b/empty", FileFaultKind::Missing, 0),
        ("album/b/exact", FileFaultKind::Short, 1),
        ("album/z", FileFaultKind::Long, 0),
    ];
    assert_eq!(found, expected.map(|(path, kind, pieces)| (path.to_owned(), kind, pieces)));
}

// V-21
#[test]
fn without_piece_layers_a_file_is_right_as_a_whole_or_not() {
    let folder = tempfile::tempdir().unwrap();
    content(folder.path());
    let metainfo = create(&folder.path().join("album"), Version::V2);
    let bare = Metainfo::from_info(metainfo.info().clone());
    assert!(verify(&bare, folder.path()).is_complete());
    let large = folder.path().join("album/c/d/large");
    let mut damaged = fs::read(&large).unwrap();
    damaged[0] ^= 1;
    fs::write(&large, damaged).unwrap();
    let report = verify(&bare, folder.path());
    assert_eq!(report.faults().len(), 1);
    assert_eq!(report.faults()[0].piece_count(), 200_001_u32.div_ceil(32_768));
}

#[test]
fn more_threads_make_the_same_torrent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    fs::write(&path, bytes(3_000_000, 3)).unwrap();
    for version in VERSIONS {
        let mut options = CreateOptions::new();
        options.version(version);
        let one = options.create(&path, &go_on).unwrap();
        let four = options.threads(4).create(&path, &go_on).unwrap();
        assert_eq!(one.to_bytes(), four.to_bytes());
    }
}

#[test]
fn the_observer_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    fs::write(&path, bytes(3_000_000, 3)).unwrap();
    let metainfo = create(&path, Version::V1);
    let stop = |progress: Progress| {
        assert!(progress.done > 0 && progress.total == 3_000_000);
        ControlFlow::Break(())
    };
    let created = CreateOptions::new().create(&path, &stop);
    assert!(matches!(created, Err(CreateError::Cancelled)));
    let verified = VerifyOptions::new().verify(&metainfo, folder.path(), &stop);
    assert!(matches!(verified, Err(VerifyError::Cancelled)));
}

#[test]
fn the_observer_ends_it_within_a_group_of_large_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse");
    fs::write(&path, []).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    for version in VERSIONS {
        let mut options = CreateOptions::new();
        options.version(version).piece_length(256 << 20).unwrap();
        let stop = |progress: Progress| {
            assert!(progress.done <= 64 << 20, "{} bytes before the first word", progress.done);
            ControlFlow::Break(())
        };
        let created = options.create(&path, &stop);
        assert!(matches!(created, Err(CreateError::Cancelled)));
    }
}

/// Content with zeros among it, of two files and as each version sees them.
#[cfg(unix)]
fn zeros_and_data(folder: &Path) {
    let album = folder.join("album");
    fs::create_dir_all(&album).unwrap();
    let mut large = vec![0; 40 * 65_536 + 5];
    large[..70_000].copy_from_slice(&bytes(70_000, 5));
    large[20 * 65_536 + 9] = 1;
    fs::write(album.join("large"), large).unwrap();
    // A hole in one piece, which it shares with no other file in v2.
    fs::write(album.join("small"), vec![0; 50_000]).unwrap();
}

/// The same content, with holes in the place of blocks of zeros.
#[cfg(unix)]
fn make_sparse(folder: &Path) {
    for name in ["large", "small"] {
        let path = folder.join("album").join(name);
        let content = fs::read(&path).unwrap();
        let file = fs::File::create(&path).unwrap();
        file.set_len(content.len() as u64).unwrap();
        for (at, block) in content.chunks(4096).enumerate() {
            if block.iter().any(|&byte| byte != 0) {
                file.write_all_at(block, at as u64 * 4096).unwrap();
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn holes_are_right_where_zeros_are_and_nowhere_else() {
    for version in VERSIONS {
        for length in [16_384, 65_536, 1 << 20] {
            let folder = tempfile::tempdir().unwrap();
            zeros_and_data(folder.path());
            let mut options = CreateOptions::new();
            options.version(version).piece_length(length).unwrap();
            let metainfo = options.create(&folder.path().join("album"), &go_on).unwrap();
            let bare = Metainfo::from_info(metainfo.info().clone());
            make_sparse(folder.path());
            for metainfo in [&metainfo, &bare] {
                let report = verify(metainfo, folder.path());
                assert!(report.is_complete(), "{version:?} {length}: {:?}", report.faults());
            }
            // The same as of a file that is zeros where others should be, whether it is sparse or not.
            for name in ["large", "small"] {
                let path = folder.path().join("album").join(name);
                let size = fs::metadata(&path).unwrap().len();
                fs::File::create(&path).unwrap().set_len(size).unwrap();
            }
            let sparse = [&metainfo, &bare].map(|metainfo| verify(metainfo, folder.path()));
            for name in ["large", "small"] {
                let path = folder.path().join("album").join(name);
                fs::write(&path, vec![0; fs::metadata(&path).unwrap().len() as usize]).unwrap();
            }
            assert_eq!(sparse, [&metainfo, &bare].map(|metainfo| verify(metainfo, folder.path())));
            assert!(!sparse[0].is_complete() && !sparse[1].is_complete());
        }
    }
}

// M-18
#[test]
fn nothing_makes_no_torrent() {
    let folder = tempfile::tempdir().unwrap();
    let go_on: tinytorrent_metainfo::Observer<'_> = &go_on;
    let created = CreateOptions::new().create(folder.path(), go_on);
    assert!(matches!(created, Err(CreateError::NoContent { .. })));
    fs::write(folder.path().join("empty"), []).unwrap();
    let created = CreateOptions::new().create(folder.path(), go_on);
    assert!(matches!(created, Err(CreateError::NoContent { .. })));
    let created = CreateOptions::new().create(&folder.path().join("none"), go_on);
    assert!(matches!(created, Err(CreateError::Io { .. })));
}

#[cfg(unix)]
// M-41
#[test]
fn names_that_mean_padding_are_refused_where_they_would_be_padding() {
    let folder = tempfile::tempdir().unwrap();
    content(folder.path());
    let album = folder.path().join("album");
    let name = album.join("_____padding_file_0_c");
    fs::write(&name, bytes(77, 9)).unwrap();
    for version in [Version::V1, Version::Hybrid] {
        let mut options = CreateOptions::new();
        let made = options.version(version).create(&album, &go_on);
        let Err(CreateError::Refused(refusals)) = made else { panic!("{made:?}") };
        let [refusal] = refusals.list() else { panic!("{refusals}") };
        assert!(matches!(refusal.reason, RefusalReason::Padding) && refusal.path == name);
    }
    assert!(verify(&create(&album, Version::V2), folder.path()).is_complete());
    // A single file is never padding, as no other file follows.
    assert!(verify(&create(&name, Version::V1), &album).is_complete());
}
