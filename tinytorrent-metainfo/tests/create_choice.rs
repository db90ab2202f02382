//! Torrents of files that the user has chosen: a list with names, or a folder without some.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests read files")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tinytorrent_metainfo::{
    CreateError, CreateNoteKind, CreateOptions, CreatePlan, Metainfo, NameFault, OutputConflict,
    RefusalReason, VerifyOptions, Version,
};

const VERSIONS: [Version; 3] = [Version::V1, Version::V2, Version::Hybrid];

/// A folder with files of these paths and lengths.
fn place(files: &[(&str, usize)]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (path, length) in files {
        let path = place.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![*length as u8; *length]).unwrap();
    }
    place
}

fn paths(metainfo: &Metainfo) -> Vec<String> {
    let files = metainfo.layout().files().filter(|file| !file.is_pad());
    files.map(|file| file.path.to_string()).collect()
}

fn note(plan: &CreatePlan, kind: CreateNoteKind) -> Vec<&Path> {
    let note = plan.notes().iter().find(|note| note.kind == kind);
    note.map_or(Vec::new(), |note| note.paths.iter().map(PathBuf::as_path).collect())
}

/// The options for a list, which needs a name.
fn named() -> CreateOptions {
    let mut options = CreateOptions::new();
    options.name("album").piece_length(16_384).unwrap();
    options
}

#[test]
fn files_of_a_list_are_those_of_a_folder_with_the_same_paths() {
    let scattered = place(&[("x", 40_000), ("deep/er/y", 5), ("z", 16_384), ("empty", 0)]);
    let album = place(&[("album/a", 40_000), ("album/b/c", 5), ("album/b/d", 16_384)]);
    fs::write(album.path().join("album/e"), []).unwrap();
    let names = ["e", "a", "b/d", "b/c"].into_iter();
    let list = names.zip(["empty", "x", "z", "deep/er/y"].map(|path| scattered.path().join(path)));
    for version in VERSIONS {
        let mut options = named();
        options.version(version);
        let made = options.plan_files(list.clone()).unwrap().create_unobserved().unwrap();
        let of_folder = options.create_unobserved(album.path().join("album")).unwrap();
        assert_eq!(made, of_folder, "{version:?}");
        let report = VerifyOptions::new().verify_unobserved(&made, album.path()).unwrap();
        assert!(report.is_complete(), "{version:?}");
    }
}

#[test]
fn list_of_one_file_is_a_folder() {
    let place = place(&[("x", 5)]);
    for version in VERSIONS {
        let plan = named().version(version).plan_files([("a", place.path().join("x"))]).unwrap();
        assert_eq!(paths(&plan.create_unobserved().unwrap()), ["album/a"], "{version:?}");
    }
}

#[test]
fn names_of_a_list_are_checked_before_anything_is_read() {
    let place = place(&[("x", 5)]);
    let x = place.path().join("x");
    let fault = |names: &[&str]| {
        let made = named().plan_files(names.iter().map(|name| (name, &x)));
        let Err(CreateError::Name { name, fault }) = made else { panic!("{names:?}: {made:?}") };
        (name, fault)
    };
    for (name, expected) in [
        ("", NameFault::Empty),
        ("/a", NameFault::EmptyElement),
        ("a//b", NameFault::EmptyElement),
        ("a/", NameFault::EmptyElement),
        ("a/../b", NameFault::Dots),
        ("a\0", NameFault::Separator),
    ] {
        assert_eq!(fault(&["ok", name]), (name.to_owned(), expected));
    }
    assert_eq!(fault(&["b", "a", "b"]), ("b".to_owned(), NameFault::Taken));
    assert_eq!(fault(&["a/b/c", "a-", "a/b"]), ("a/b".to_owned(), NameFault::Taken));
    let nameless = CreateOptions::new().plan_files([("a", &x)]);
    assert!(matches!(nameless, Err(CreateError::NoName)), "{nameless:?}");
    let empty = named().plan_files::<&str, &Path>([]);
    assert_eq!(empty.unwrap_err().to_string(), "album holds no content");
}

#[test]
fn what_is_no_file_in_a_list_is_refused_with_its_path() {
    let place = place(&[("x", 5), ("d/y", 5)]);
    symlink("nowhere", place.path().join("dangling")).unwrap();
    let list = ["d", "dangling", "x", "/dev/null"]
        .map(|path| (path.trim_matches('/'), place.path().join(path)));
    let made = named().plan_files(list);
    let Err(CreateError::Refused(refusals)) = made else { panic!("{made:?}") };
    let told: Vec<_> = refusals.list().iter().map(|refusal| refusal.path.as_path()).collect();
    assert_eq!(
        told,
        [&*place.path().join("d"), &*place.path().join("dangling"), Path::new("/dev/null")]
    );
    assert!(matches!(refusals.list()[0].reason, RefusalReason::NotAFile));
    assert!(matches!(refusals.list()[2].reason, RefusalReason::NotAFile));
}

#[test]
fn links_of_a_list_are_followed_and_changes_noticed() {
    let place = place(&[("d/x", 5), ("y", 5)]);
    let link = place.path().join("link");
    symlink("d/x", &link).unwrap();
    let plan = named().plan_files([("a", &link), ("b", &place.path().join("y"))]).unwrap();
    assert_eq!(note(&plan, CreateNoteKind::FollowedLinks), [&link]);
    assert_eq!(paths(&plan.create_unobserved().unwrap()), ["album/a", "album/b"]);
    for source in ["d/x", "link", "y"] {
        let conflict = plan.output_conflict(&place.path().join(source)).unwrap();
        assert_eq!(conflict, Some(OutputConflict::Source), "{source}");
    }
    assert_eq!(plan.output_conflict(&place.path().join("a.torrent")).unwrap(), None);
    fs::remove_file(&link).unwrap();
    symlink("y", &link).unwrap();
    let made = plan.create_unobserved();
    assert!(matches!(&made, Err(CreateError::Changed { path }) if *path == link), "{made:?}");
    fs::remove_file(&link).unwrap();
    let made = plan.create_unobserved();
    assert!(matches!(&made, Err(CreateError::Changed { path }) if *path == link), "{made:?}");
}

#[test]
fn excluded_files_and_folders_are_left_out_and_noted() {
    let place = place(&[
        ("album/a.flac", 5),
        ("album/a.flac.part", 5),
        ("album/b/c.part", 5),
        ("album/b/d", 5),
        ("album/drafts/e", 5),
        ("album/b/drafts/f", 5),
    ]);
    let album = place.path().join("album");
    symlink("/etc", album.join("etc")).unwrap();
    let mut options = CreateOptions::new();
    options.exclude("*.part").exclude("/drafts").exclude("et?");
    let plan = options.plan(&album).unwrap();
    let made = plan.create_unobserved().unwrap();
    assert_eq!(paths(&made), ["album/a.flac", "album/b/d", "album/b/drafts/f"]);
    let left_out = ["a.flac.part", "drafts", "etc", "b/c.part"].map(|path| album.join(path));
    assert_eq!(note(&plan, CreateNoteKind::Excluded), left_out);
    assert!(note(&plan, CreateNoteKind::EmptyFolders).is_empty());
    // The patterns are for the names in the torrent.
    let mut options = named();
    options.exclude("drafts").exclude("*.part");
    let (e, part) = (album.join("drafts/e"), album.join("a.flac.part"));
    let plan = options.plan_files([("drafts/x/y", &e), ("part", &part)]).unwrap();
    assert_eq!(paths(&plan.create_unobserved().unwrap()), ["album/part"]);
    assert_eq!(note(&plan, CreateNoteKind::Excluded), [e]);
}

#[test]
fn what_is_excluded_need_not_be_readable_or_have_a_name_of_text() {
    use std::os::unix::ffi::OsStrExt;
    let place = place(&[("album/a", 5)]);
    let album = place.path().join("album");
    fs::write(album.join(std::ffi::OsStr::from_bytes(b"caf\xe9")), [1]).unwrap();
    symlink("nowhere", album.join("caf\u{e9}s")).unwrap();
    assert!(CreateOptions::new().plan(&album).is_err());
    let plan = CreateOptions::new().exclude("caf*").plan(&album).unwrap();
    assert_eq!(paths(&plan.create_unobserved().unwrap()), ["album/a"]);
}
