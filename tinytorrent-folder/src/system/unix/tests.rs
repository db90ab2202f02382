//! Tests of what only the implementation for Unix promises. The other tests are in `folder/tests.rs`.

use std::os::unix::fs::PermissionsExt as _;

use crate::{Elements, FileStamp, Folder, Mode, Trial};

fn elements(path: &str) -> impl Elements<'_> + Clone {
    path.split('/').map(str::as_bytes)
}

/// Linux takes no path of more than 4,096 bytes at once.
#[test]
fn a_path_may_be_longer_than_the_system_takes() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    let name = "x".repeat(200);
    let path = [name.as_str(); 40].join("/");
    drop(folder.create_file(elements(&path), Mode::Data).unwrap());
    folder.open_file(elements(&path)).unwrap();
    assert_eq!(folder.stamp(elements(&path)).unwrap().unwrap().size, 0);
    let (parent, _) = path.rsplit_once('/').unwrap();
    assert_eq!(folder.entries(elements(parent)).unwrap().len(), 1);
    folder.remove(elements(&path)).unwrap();
    assert_eq!(folder.entries(elements(parent)).unwrap(), []);
}

#[test]
fn a_new_file_may_be_run_if_it_is_to_be() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    for (name, mode, is_executable) in [
        ("data", Mode::Data, false),
        ("run", Mode::Executable, true),
        ("data", Mode::Executable, false),
    ] {
        let file = folder.create_file(elements(name), mode).unwrap();
        let permissions = file.metadata().unwrap().permissions().mode();
        assert_eq!(permissions & 0o100 != 0, is_executable, "{name} {permissions:o}");
    }
}

// S-16: a backup that is restored brings its times along.
#[test]
fn a_file_that_was_replaced_has_another_stamp_although_size_and_time_are_the_same() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    for name in ["old", "new"] {
        std::fs::write(place.path().join(name), name).unwrap();
        let file = folder.create_file(elements(name), Mode::Data).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    let old = folder.stamp(elements("old")).unwrap().unwrap();
    folder.rename("new", "old").unwrap();
    let new = folder.stamp(elements("old")).unwrap().unwrap();
    assert_eq!((old.size, old.modified), (new.size, new.modified));
    assert_ne!(old.inode, new.inode);
}

// S-16: the system has times in steps of some milliseconds, so it may take several writes.
#[test]
fn a_write_shows_in_the_stamp_although_the_time_of_the_content_was_set_back() {
    use std::os::unix::fs::FileExt as _;
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    let file = folder.create_file(elements("a"), Mode::Data).unwrap();
    let write = |byte: u8| {
        file.write_all_at(&[byte], 0).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        folder.stamp(elements("a")).unwrap().unwrap()
    };
    let before = write(1);
    let after = std::iter::repeat_with(|| write(2)).find(|after| after.changed != before.changed);
    assert_eq!(after, Some(FileStamp { changed: after.unwrap().changed, ..before }));
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_linux_holds_are_held_by_its_own_file_systems() {
    // The folder of tests is nearly always on one of these.
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    let trial = Trial::new(&folder).unwrap();
    for name in [&b"what?"[..], b"a:b", b"con", b"a.", b"a ", b"\xff", b"\x01", b"a\\b"] {
        assert!(trial.holds(name).unwrap(), "{name:?}");
    }
    assert!(trial.distinguishes_similar_names().unwrap());
}
