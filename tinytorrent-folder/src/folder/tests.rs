use std::os::unix::fs::symlink;

use super::*;
use crate::{EntryKind, FileTime};

fn elements(path: &str) -> impl Elements<'_> + Clone {
    path.split('/').map(str::as_bytes)
}

/// The results of opening the file for reading and for writing.
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

// S-20, S-21: each call examines the whole path again, whatever was opened before.
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
fn a_link_is_removed_and_not_the_file_it_leads_to() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    folder.create_file(elements("file"), Mode::Data).unwrap();
    folder.create_link(elements("link"), Path::new("file")).unwrap();
    folder.remove(elements("link")).unwrap();
    assert_eq!(folder.link_target(elements("link")).unwrap(), None);
    assert!(folder.stamp(elements("file")).unwrap().is_some());
}

#[test]
fn a_rename_replaces_a_file() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    for name in ["old", "new"] {
        std::fs::write(place.path().join(name), name).unwrap();
    }
    folder.rename("new", "old").unwrap();
    folder.sync_entries().unwrap();
    folder.sync_file_system().unwrap();
    assert_eq!(std::fs::read(place.path().join("old")).unwrap(), b"new");
    let error = folder.rename("new", "old").unwrap_err();
    assert!(error.is_not_found() && error.path() == place.path().join("new"));
    assert_eq!(folder.disk(), Folder::open(place.path()).unwrap().disk());
}

// S-20, S-21.
#[test]
fn a_file_moves_to_another_folder_and_replaces_nothing() {
    let places = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [here, there] = [0, 1].map(|at| Folder::open(places[at].path()).unwrap());
    std::fs::write(places[0].path().join("one"), b"one").unwrap();
    std::fs::write(places[0].path().join("two"), b"two").unwrap();
    here.move_entry(elements("one"), &there, elements("a/b/one")).unwrap();
    assert_eq!(std::fs::read(places[1].path().join("a/b/one")).unwrap(), b"one");

    let error = here.move_entry(elements("two"), &there, elements("a/b/one")).unwrap_err();
    let ErrorKind::Io { source, .. } = error.kind() else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(error.path(), places[1].path().join("a/b/one"));
    assert_eq!(std::fs::read(places[1].path().join("a/b/one")).unwrap(), b"one");

    let error = here.move_entry(elements("none"), &there, elements("new/none")).unwrap_err();
    assert!(error.is_not_found());
    assert!(!places[1].path().join("new").exists(), "nothing is created for what is missing");

    symlink(places[0].path(), places[1].path().join("away")).unwrap();
    for new in ["away/two", "../two", "a//two"] {
        here.move_entry(elements("two"), &there, elements(new)).unwrap_err();
    }
    there.move_entry(elements("away"), &there, elements("a/away")).unwrap();
    assert!(places[1].path().join("a/away").is_symlink(), "a link itself is moved");
    assert_eq!(std::fs::read(places[0].path().join("two")).unwrap(), b"two");
}

#[test]
fn only_an_empty_folder_is_removed() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    folder.create_file(elements("a/b/file"), Mode::Data).unwrap();
    symlink("a", place.path().join("link")).unwrap();
    assert!(!folder.remove_folder(elements("a/b")).unwrap());
    folder.remove(elements("a/b/file")).unwrap();
    folder.remove_folder(elements("link")).unwrap_err();
    folder.remove_folder(elements("link/b")).unwrap_err();
    folder.sync_folder(elements("a/b")).unwrap();
    assert!(folder.remove_folder(elements("a/b")).unwrap());
    assert!(!folder.remove_folder(elements("a/b")).unwrap(), "it is gone");
    assert!(place.path().join("a").exists());
}

#[test]
fn an_entry_has_a_kind_and_a_folder_is_known_by_any_path() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    folder.create_file(elements("a/file"), Mode::Data).unwrap();
    symlink("a", place.path().join("link")).unwrap();
    let kind = |path| folder.kind(elements(path)).unwrap();
    assert_eq!([kind("a"), kind("a/file")], [Some(EntryKind::Folder), Some(EntryKind::File)]);
    assert_eq!([kind("link"), kind("none")], [Some(EntryKind::Link), None]);
    folder.kind(elements("link/file")).unwrap_err();
    let [by_link, other] =
        ["link", "."].map(|path| Folder::open(&place.path().join(path)).unwrap());
    assert!(by_link.is_same(&Folder::open(&place.path().join("a")).unwrap()));
    assert!(folder.is_same(&other) && !folder.is_same(&by_link));
}

#[test]
fn a_file_is_replaced_as_a_whole_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    let read = || std::fs::read(place.path().join("record")).unwrap();
    for sync in [false, true] {
        // A run that was killed has left a longer one.
        std::fs::write(place.path().join("record.new"), b"a long draft").unwrap();
        folder.replace("record", b"first", sync).unwrap();
        folder.replace("record", b"2nd", sync).unwrap();
        assert_eq!(read(), b"2nd");
        std::fs::create_dir(place.path().join("record.new")).unwrap();
        folder.replace("record", b"third", sync).unwrap_err();
        assert_eq!(read(), b"2nd");
        std::fs::remove_dir(place.path().join("record.new")).unwrap();
        assert_eq!(folder.entries([]).unwrap().len(), 1);
    }
}

#[test]
fn a_time_before_1970_counts_its_nanoseconds_forwards() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    let file = folder.create_file(elements("a"), Mode::Data).unwrap();
    for (milliseconds, seconds, nanoseconds) in [(1_500, -2, 500_000_000), (1_000, -1, 0)] {
        let time = std::time::UNIX_EPOCH - std::time::Duration::from_millis(milliseconds);
        file.set_modified(time).unwrap();
        let stamp = folder.stamp(elements("a")).unwrap().unwrap();
        assert_eq!(stamp.modified, FileTime { seconds, nanoseconds });
    }
}
