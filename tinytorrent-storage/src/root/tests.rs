use std::os::unix::fs::symlink;

use super::*;
use crate::Fault;

fn elements(path: &str) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
    path.split('/').map(str::as_bytes)
}

// S-20.
#[test]
fn a_link_is_followed_at_no_depth() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), b"secret").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("a")).unwrap();
    symlink(outside.path(), folder.path().join("a/away")).unwrap();
    symlink(outside.path().join("secret"), folder.path().join("a/file")).unwrap();
    symlink(outside.path().join("new"), folder.path().join("dangling")).unwrap();
    symlink("a", folder.path().join("within")).unwrap();

    let root = Root::open(folder.path(), Access::Write).unwrap();
    for (path, link) in [
        ("a/away/secret", "a/away"),
        ("a/away/new", "a/away"),
        ("a/file", "a/file"),
        ("dangling", "dangling"),
        ("within/file", "within"),
    ] {
        for access in [Access::Read, Access::Write] {
            let error = root.file(elements(path), access).unwrap_err();
            let StorageError::SymbolicLink { path: found } = &error else {
                panic!("{path}: {error}")
            };
            assert_eq!(found, &folder.path().join(link));
            assert_eq!(error.fault(), Fault::Obstructed);
        }
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}

// S-20, S-21: whatever was opened before, the way is looked at anew.
#[test]
fn a_folder_that_was_moved_away_takes_no_file_with_it() {
    let outside = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path(), Access::Write).unwrap();
    root.file(elements("a/b/first"), Access::Write).unwrap();
    std::fs::rename(folder.path().join("a/b"), outside.path().join("b")).unwrap();
    root.file(elements("a/b/second"), Access::Write).unwrap();
    assert!(folder.path().join("a/b/second").is_file());
    assert!(!outside.path().join("b/second").exists());
    assert!(root.stamp(elements("a/b/first")).unwrap().is_none());

    std::fs::remove_dir_all(folder.path().join("a")).unwrap();
    symlink(outside.path(), folder.path().join("a")).unwrap();
    for access in [Access::Read, Access::Write] {
        let error = root.file(elements("a/b/first"), access).unwrap_err();
        assert!(matches!(error, StorageError::SymbolicLink { .. }), "{error}");
    }
    assert!(root.stamp(elements("a/b/first")).is_err());
}

#[test]
fn elements_that_lead_elsewhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(&folder.path().join("root"), Access::Write).unwrap();
    for path in ["../x", "a/../../x", "", "/x", "a//b", ".", "a\0b"] {
        assert!(root.file(elements(path), Access::Write).is_err(), "{path:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_pipe_or_a_folder_in_the_place_of_a_file_is_an_error_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path(), Access::Write).unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for path in ["folder", "pipe"] {
        for access in [Access::Read, Access::Write] {
            let error = root.file(elements(path), access).unwrap_err();
            assert_eq!(error.fault(), Fault::Obstructed, "{error}");
        }
    }
}

#[test]
fn reading_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path(), Access::Read).unwrap();
    assert!(root.file(elements("a/b"), Access::Read).unwrap_err().is_not_found());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(Root::open(&folder.path().join("absent"), Access::Read).is_err());
}
