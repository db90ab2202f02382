//! Content that differs from its torrent, and content in unusual places.

#![cfg(unix)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests make files")]

mod common;

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use common::{d, file, i, info_of_files, s, strings, torrent};
use tinytorrent_metainfo::{
    CreateOptions, FileFaultKind, Metainfo, Progress, VerifyOptions, VerifyReport, merkle,
};

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A folder `top` with `a`, `b` and the empty file `empty`, and a torrent of it.
fn scene() -> (tempfile::TempDir, Metainfo) {
    let place = tempfile::tempdir().unwrap();
    let top = place.path().join("top");
    fs::create_dir(&top).unwrap();
    fs::write(top.join("a"), [1; 50_000]).unwrap();
    fs::write(top.join("b"), [2; 50_000]).unwrap();
    fs::write(top.join("empty"), []).unwrap();
    let metainfo = CreateOptions::new().create(&top, &go_on).unwrap();
    (place, metainfo)
}

fn verify(metainfo: &Metainfo, place: &Path) -> VerifyReport {
    VerifyOptions::new().verify(metainfo, place, &go_on).unwrap()
}

fn faults(metainfo: &Metainfo, report: &VerifyReport) -> Vec<(String, FileFaultKind)> {
    let path = |fault| report.path(metainfo, fault).to_str().unwrap().to_owned();
    report.faults().iter().map(|fault| (path(fault), fault.kind)).collect()
}

fn fault(path: &str, kind: FileFaultKind) -> Vec<(String, FileFaultKind)> {
    vec![(path.to_owned(), kind)]
}

#[test]
fn a_pipe_or_a_folder_in_the_place_of_a_file_is_a_missing_file() {
    for name in ["top/a", "top/empty"] {
        let (place, metainfo) = scene();
        let path = place.path().join(name);
        fs::remove_file(&path).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(
            faults(&metainfo, &verify(&metainfo, place.path()))
                .contains(&(name.to_owned(), FileFaultKind::Missing))
        );
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(!verify(&metainfo, place.path()).is_complete());
    }
}

#[test]
fn an_empty_file_is_right_only_if_it_is_there_and_empty() {
    let (place, metainfo) = scene();
    assert!(verify(&metainfo, place.path()).is_complete());
    let path = place.path().join("top/empty");
    fs::write(&path, b"x").unwrap();
    let report = verify(&metainfo, place.path());
    assert_eq!(faults(&metainfo, &report), fault("top/empty", FileFaultKind::Long));
    assert!(report.pieces().is_full() && !report.is_complete());
    fs::remove_file(&path).unwrap();
    let report = verify(&metainfo, place.path());
    assert_eq!(faults(&metainfo, &report), fault("top/empty", FileFaultKind::Missing));
    assert!(!report.is_complete());
}

#[test]
fn a_file_that_goes_on_too_long_is_not_right() {
    let (place, metainfo) = scene();
    fs::write(place.path().join("top/b"), [2; 50_001]).unwrap();
    let report = verify(&metainfo, place.path());
    assert_eq!(faults(&metainfo, &report), fault("top/b", FileFaultKind::Long));
    assert!(report.pieces().is_full() && !report.is_complete());
}

#[test]
fn links_are_named_unless_they_are_to_be_followed() {
    let (place, metainfo) = scene();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(place.path().join("top"), elsewhere.path().join("moved")).unwrap();
    symlink(elsewhere.path().join("moved"), place.path().join("top")).unwrap();
    let report = verify(&metainfo, place.path());
    assert!(report.faults().iter().all(|fault| fault.kind == FileFaultKind::Link));
    assert_eq!(report.faults().len(), 3);
    let mut options = VerifyOptions::new();
    let followed = options.follow_links(true).verify(&metainfo, place.path(), &go_on).unwrap();
    assert!(followed.is_complete(), "{:?}", followed.faults());
}

/// A file that cannot be read does not stop the verification of others. Root can read all files, so the
/// test runs as another user.
#[test]
fn every_bad_file_is_named() {
    let (place, metainfo) = scene();
    fs::set_permissions(place.path().join("top/a"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::write(place.path().join("top/b"), [3; 50_000]).unwrap();
    if fs::read(place.path().join("top/a")).is_ok() {
        return; // This is root.
    }
    let denied = FileFaultKind::Unreadable(io::ErrorKind::PermissionDenied);
    let expected = [("top/a".to_owned(), denied), ("top/b".to_owned(), FileFaultKind::Wrong)];
    assert_eq!(faults(&metainfo, &verify(&metainfo, place.path())), expected);
}

// M-43, BEP 47
#[test]
fn a_link_of_the_torrent_is_right_if_it_leads_where_it_should() {
    let (place, _) = scene();
    let link = |path: &[&str], target: &[&str]| {
        d([("attr", s("l")), ("path", strings(path)), ("symlink path", strings(target))])
    };
    let files = [file(50_000, &["a"]), link(&["l"], &["a"]), link(&["d", "l"], &["b"])];
    let metainfo = Metainfo::from_bytes(&torrent(info_of_files(&files, 50_000), &[])).unwrap();
    let name = metainfo.info().name().to_owned();
    let top = place.path().join(&name);
    fs::rename(place.path().join("top"), &top).unwrap();
    let kinds = || -> Vec<FileFaultKind> {
        let report = verify(&metainfo, place.path());
        report.faults().iter().map(|fault| fault.kind).skip(1).collect()
    };
    assert_eq!(kinds(), [FileFaultKind::Missing; 2]);
    fs::create_dir(top.join("d")).unwrap();
    symlink("./a", top.join("l")).unwrap();
    symlink("../a", top.join("d/l")).unwrap();
    assert_eq!(kinds(), [FileFaultKind::Wrong]);
    fs::remove_file(top.join("d/l")).unwrap();
    symlink(format!("../../{name}/b"), top.join("d/l")).unwrap();
    assert_eq!(kinds(), []);
}

#[test]
fn content_is_verified_under_its_own_names_and_beyond_the_longest_path() {
    let place = tempfile::tempdir().unwrap();
    let long = "x".repeat(200);
    let deep = [long.as_str(); 30];
    let mut builder = vec![file(50_000, &["what?"]), file(10, &["WHAT?"])];
    builder.push(file(10, &deep));
    let metainfo = Metainfo::from_bytes(&torrent(info_of_files(&builder, 50_020), &[])).unwrap();
    let folder = tinytorrent_folder::Folder::open(place.path()).unwrap();
    for file in metainfo.layout().files() {
        use io::Write as _;
        let mode = tinytorrent_folder::Mode::Data;
        let mut out = folder.create_file(file.path.elements(), mode).unwrap();
        out.write_all(&vec![7; file.length as usize]).unwrap();
    }
    // The hashes are made up, so each file is wrong, and none is missing.
    let report = verify(&metainfo, place.path());
    assert_eq!(report.faults().len(), 3);
    assert!(report.faults().iter().all(|fault| fault.kind == FileFaultKind::Wrong));
}

/// A v2 torrent of 159 bytes, of one file of 2^49 bytes in 2^21 pieces.
fn huge(pieces_root: [u8; 32], length: u64) -> Metainfo {
    let tree =
        d([("f", d([("", d([("length", i(length.into())), ("pieces root", s(pieces_root))]))]))]);
    let info = d([
        ("file tree", tree),
        ("meta version", i(2)),
        ("name", s("f")),
        ("piece length", i(256 << 20)),
    ]);
    let bytes = d([("info", info)]);
    assert!(bytes.len() < 170, "{}", bytes.len());
    Metainfo::from_bytes_lenient(&bytes).unwrap()
}

/// The work is that of the file on disk, not of the claim: going through the pieces would not end.
#[test]
fn a_small_torrent_that_claims_much_is_verified_at_once() {
    let place = tempfile::tempdir().unwrap();
    let metainfo = huge([7; 32], 1 << 49);
    let bytes_seen = std::sync::atomic::AtomicU64::new(0);
    let calls = std::sync::atomic::AtomicU64::new(0);
    let observer = |progress: Progress| {
        bytes_seen.fetch_max(progress.done, std::sync::atomic::Ordering::Relaxed);
        calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    for (size, kind) in [
        (None, FileFaultKind::Missing),
        (Some(0), FileFaultKind::Short),
        (Some(70_000), FileFaultKind::Short),
        (Some(1 << 43), FileFaultKind::Short),
    ] {
        if let Some(size) = size {
            let file = fs::File::create(place.path().join("f")).unwrap();
            file.set_len(size).unwrap();
        }
        let report = VerifyOptions::new().verify(&metainfo, place.path(), &observer).unwrap();
        assert_eq!(faults(&metainfo, &report), fault("f", kind));
        let fault = &report.faults()[0];
        assert_eq!((fault.pieces.len(), fault.piece_count()), (1, 1 << 21));
    }
    assert_eq!(bytes_seen.into_inner(), 1 << 49);
    assert!(calls.into_inner() < 30, "it went through the pieces");
}

#[test]
fn a_huge_file_of_holes_is_right_if_the_torrent_is_of_zeros() {
    let place = tempfile::tempdir().unwrap();
    let length = (1 << 42) - 5;
    fs::File::create(place.path().join("f")).unwrap().set_len(length).unwrap();
    let blocks = length.div_ceil(16_384) as usize;
    let right = huge(merkle::root_of_zeros(length, blocks.next_power_of_two()), length);
    assert!(verify(&right, place.path()).is_complete());
    let metainfo = huge([7; 32], length);
    let wrong = verify(&metainfo, place.path());
    assert_eq!(faults(&metainfo, &wrong), fault("f", FileFaultKind::Wrong));
    assert_eq!(wrong.faults()[0].pieces.len(), 1);
}
