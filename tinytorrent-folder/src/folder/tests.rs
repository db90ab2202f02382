use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::{EntryKind, FileStamp};

fn elements(path: &str) -> impl Elements<'_> + Clone {
    path.split('/').map(str::as_bytes)
}

/// Opens the file to read it, and to write it.
fn open_both(folder: &Folder, path: &str) -> [Result<File, Error>; 2] {
    [folder.open_file(elements(path)), folder.create_file(elements(path), Mode::Data)]
}

// S-20.
#[test]
fn a_link_is_followed_at_no_depth() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), b"secret").unwrap();
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("a")).unwrap();
    symlink(outside.path(), place.path().join("a/away")).unwrap();
    symlink(outside.path().join("secret"), place.path().join("a/file")).unwrap();
    symlink(outside.path().join("new"), place.path().join("dangling")).unwrap();
    symlink("a", place.path().join("within")).unwrap();

    let folder = Folder::create(place.path()).unwrap();
    for (path, link) in [
        ("a/away/secret", "a/away"),
        ("a/away/new", "a/away"),
        ("a/file", "a/file"),
        ("dangling", "dangling"),
        ("within/file", "within"),
    ] {
        for opened in open_both(&folder, path) {
            let error = opened.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Link), "{path}: {error}");
            assert_eq!(error.path(), place.path().join(link));
        }
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn links_are_followed_to_read_where_the_user_asks_for_it() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("file"), b"content").unwrap();
    let place = tempfile::tempdir().unwrap();
    symlink(outside.path(), place.path().join("away")).unwrap();
    symlink(outside.path().join("file"), place.path().join("file")).unwrap();

    let mut folder = Folder::open(place.path()).unwrap();
    folder.follow_links(true);
    for path in ["away/file", "file"] {
        folder.open_file(elements(path)).unwrap();
        assert_eq!(folder.stamp(elements(path)).unwrap().unwrap().size, 7);
        folder.create_file(elements(path), Mode::Data).unwrap_err();
    }
    assert_eq!(folder.entries(elements("away")).unwrap().len(), 1);
    assert!(folder.remove(elements("away/file")).is_err());
}

// S-20, S-21: whatever was opened before, the way is looked at anew.
#[test]
fn a_folder_that_was_moved_away_takes_no_file_with_it() {
    let outside = tempfile::tempdir().unwrap();
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::create(place.path()).unwrap();
    folder.create_file(elements("a/b/first"), Mode::Data).unwrap();
    std::fs::rename(place.path().join("a/b"), outside.path().join("b")).unwrap();
    folder.create_file(elements("a/b/second"), Mode::Data).unwrap();
    assert!(place.path().join("a/b/second").is_file());
    assert!(!outside.path().join("b/second").exists());
    assert!(folder.stamp(elements("a/b/first")).unwrap().is_none());

    std::fs::remove_dir_all(place.path().join("a")).unwrap();
    symlink(outside.path(), place.path().join("a")).unwrap();
    for opened in open_both(&folder, "a/b/first") {
        let error = opened.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Link), "{error}");
    }
    assert!(folder.stamp(elements("a/b/first")).is_err());
}

#[test]
fn elements_that_lead_elsewhere_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::create(&place.path().join("root")).unwrap();
    for path in ["../x", "a/../../x", "", "/x", "a//b", ".", "a\0b"] {
        for opened in open_both(&folder, path) {
            assert!(matches!(opened.unwrap_err().kind(), ErrorKind::InvalidPath), "{path:?}");
        }
        assert!(folder.remove(elements(path)).is_err() && folder.stamp(elements(path)).is_err());
        assert!(folder.create_link(elements(path), Path::new("x")).is_err());
    }
    assert!(folder.open_file([]).is_err());
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn a_pipe_a_socket_or_a_folder_in_the_place_of_a_file_is_an_error_at_once() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::create(place.path()).unwrap();
    std::fs::create_dir(place.path().join("folder")).unwrap();
    let pipe = place.path().join("pipe");
    let permissions = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, permissions, 0)
        .unwrap();
    std::os::unix::net::UnixListener::bind(place.path().join("socket")).unwrap();
    for path in ["folder", "pipe", "socket"] {
        for opened in open_both(&folder, path) {
            let error = opened.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::NotAFile), "{error}");
        }
        assert_eq!(folder.stamp(elements(path)).unwrap(), None);
    }
}

#[test]
fn reading_creates_nothing() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    assert!(folder.open_file(elements("a/b")).unwrap_err().is_not_found());
    assert!(folder.entries(elements("a")).unwrap_err().is_not_found());
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    assert!(Folder::open(&place.path().join("absent")).is_err());
}

#[test]
fn a_file_in_the_place_of_a_folder_has_no_files_below_it() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a"), b"file").unwrap();
    let folder = Folder::open(place.path()).unwrap();
    assert!(folder.open_file(elements("a/b")).unwrap_err().is_not_found());
    assert_eq!(folder.stamp(elements("a/b")).unwrap(), None);
    folder.remove(elements("a/b")).unwrap();
    folder.create_file(elements("a/b"), Mode::Data).unwrap_err();
    assert_eq!(std::fs::read(place.path().join("a")).unwrap(), b"file");
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
fn entries_are_told_by_their_kinds() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    folder.create_file(elements("folder/.hidden"), Mode::Data).unwrap();
    folder.create_link(elements("link"), Path::new("folder")).unwrap();
    let mut kinds: Vec<_> = folder
        .entries([])
        .unwrap()
        .into_iter()
        .map(|entry| (entry.name.into_string().unwrap(), entry.kind))
        .collect();
    kinds.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(kinds, [("folder".into(), EntryKind::Folder), ("link".into(), EntryKind::Link)]);
    assert_eq!(folder.entries(elements("folder")).unwrap()[0].kind, EntryKind::File);
    let error = folder.entries(elements("link")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Link));
}

#[test]
fn a_link_is_read_and_never_replaces_anything() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    let target = Path::new("../b");
    folder.create_link(elements("a/link"), target).unwrap();
    assert_eq!(folder.link_target(elements("a/link")).unwrap().as_deref(), Some(target));
    folder.create_link(elements("a/link"), Path::new("c")).unwrap_err();
    folder.create_file(elements("a/file"), Mode::Data).unwrap();
    folder.create_link(elements("a/file"), target).unwrap_err();
    assert_eq!(folder.link_target(elements("a/file")).unwrap(), None);
    assert_eq!(folder.link_target(elements("a/none")).unwrap(), None);
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
