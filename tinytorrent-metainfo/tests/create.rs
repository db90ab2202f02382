//! Files and folders that become part of a torrent, and those that cannot.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests read files")]

use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tinytorrent_metainfo::{
    CreateError, CreateNoteKind, CreateOptions, CreatePlan, FileAttributes, LinkPolicy, Metainfo,
    NameFault, OutputConflict, Progress, Refusal, RefusalReason, Refusals, VerifyOptions, Version,
};

const VERSIONS: [Version; 3] = [Version::V1, Version::V2, Version::Hybrid];

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A folder `album` in a temporary folder, with files of these paths and lengths.
fn album(files: &[(&str, usize)]) -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let album = place.path().join("album");
    fs::create_dir(&album).unwrap();
    for (path, length) in files {
        let path = album.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![*length as u8; *length]).unwrap();
    }
    (place, album)
}

fn options(version: Version, links: LinkPolicy) -> CreateOptions {
    let mut options = CreateOptions::new();
    options.version(version).links(links).piece_length(16_384).unwrap();
    options
}

fn plan(path: &Path, links: LinkPolicy) -> Result<CreatePlan, CreateError> {
    options(Version::V1, links).plan(path)
}

/// Creates a torrent, and checks that it is read strictly and written unchanged.
fn create(path: &Path, version: Version, links: LinkPolicy) -> Metainfo {
    let made = options(version, links).create(path, &go_on).unwrap();
    let read = Metainfo::from_bytes(&made.to_bytes()).unwrap();
    assert_eq!(read, made);
    read
}

fn is_complete(metainfo: &Metainfo, folder: &Path) -> bool {
    let report = VerifyOptions::new().verify(metainfo, folder, &go_on).unwrap();
    report.is_complete() && report.faults().is_empty()
}

/// The paths of all files below the torrent's folder, with attributes and the targets of links.
fn entries(metainfo: &Metainfo) -> Vec<(String, String, Option<String>)> {
    let files = metainfo.layout().files().filter(|file| !file.is_pad());
    let entry = |file: tinytorrent_metainfo::File<'_>| {
        let target = file.link_target.map(|target| target.to_string());
        (file.path.to_string(), file.attributes.to_letters(), target)
    };
    files.map(entry).collect()
}

fn refusals(made: Result<CreatePlan, CreateError>) -> Refusals {
    match made {
        Err(CreateError::Refused(refusals)) => refusals,
        made => panic!("{made:?}"),
    }
}

fn note(plan: &CreatePlan, kind: CreateNoteKind) -> (usize, Vec<&Path>) {
    let note = plan.notes().iter().find(|note| note.kind == kind);
    note.map(|note| (note.count, note.paths.iter().map(PathBuf::as_path).collect()))
        .unwrap_or_default()
}

// V-09, V-08
#[test]
fn a_folder_of_one_file_stays_a_folder_in_every_version() {
    for name in ["track.flac", ".pad", ".a", "d/e"] {
        let (place, album) = album(&[(name, 50_000)]);
        for version in VERSIONS {
            let metainfo = create(&album, version, LinkPolicy::Keep);
            assert!(!metainfo.info().is_single_file(), "{version:?}");
            assert_eq!(entries(&metainfo)[0].0, format!("album/{name}"));
            assert!(is_complete(&metainfo, place.path()), "{version:?} of {name}");
        }
    }
}

// M-43
#[test]
fn links_are_kept_as_links() {
    let (place, album) = album(&[("a", 50_000), ("b/x", 100)]);
    symlink("a", album.join("l")).unwrap();
    symlink("b", album.join("ld")).unwrap();
    symlink("../a", album.join("b/up")).unwrap();
    symlink("later", album.join("dangling")).unwrap();
    for version in VERSIONS {
        let metainfo = create(&album, version, LinkPolicy::Keep);
        let link = |path: &str, target: &str| {
            (format!("album/{path}"), "l".to_owned(), Some(format!("album/{target}")))
        };
        let file = |path: &str| (format!("album/{path}"), String::new(), None);
        let expected = [
            file("a"),
            link("b/up", "a"),
            file("b/x"),
            link("dangling", "later"),
            link("l", "a"),
            link("ld", "b"),
        ];
        assert_eq!(entries(&metainfo), expected, "{version:?}");
        assert!(is_complete(&metainfo, place.path()), "{version:?}");
    }
}

// M-43
#[test]
fn links_that_a_torrent_cannot_hold_are_all_named() {
    let (_place, album) = album(&[("a", 5), ("d/e", 5)]);
    symlink("/etc", album.join("absolute")).unwrap();
    symlink("../../x", album.join("d/out")).unwrap();
    symlink("..", album.join("d/root")).unwrap();
    let refusals = refusals(plan(&album, LinkPolicy::Keep));
    let named: Vec<&Path> =
        refusals.list().iter().map(|r| r.path.strip_prefix(&album).unwrap()).collect();
    assert_eq!(named, ["absolute", "d/out", "d/root"].map(Path::new));
    assert!(refusals.list().iter().all(|r| matches!(r.reason, RefusalReason::Outside)));
}

#[test]
fn followed_links_are_what_they_lead_to() {
    let (place, album) = album(&[("a", 50_000), ("b/x", 100)]);
    fs::write(place.path().join("outside"), [1; 10]).unwrap();
    symlink("a", album.join("l")).unwrap();
    symlink("b", album.join("ld")).unwrap();
    symlink("../outside", album.join("o")).unwrap();
    for version in VERSIONS {
        let metainfo = create(&album, version, LinkPolicy::Follow);
        let names: Vec<String> = entries(&metainfo).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["a", "b/x", "l", "ld/x", "o"].map(|name| format!("album/{name}")));
        assert!(entries(&metainfo).iter().all(|(_, letters, _)| letters.is_empty()));
        let mut verification = VerifyOptions::new();
        let report = verification.follow_links(true).verify(&metainfo, place.path(), &go_on);
        assert!(report.unwrap().is_complete(), "{version:?}");
    }
    let plan = plan(&album, LinkPolicy::Follow).unwrap();
    let links = ["l", "ld", "o"].map(|name| album.join(name));
    let links = links.iter().map(PathBuf::as_path).collect();
    assert_eq!(note(&plan, CreateNoteKind::FollowedLinks), (3, links));
}

#[test]
fn a_link_in_the_place_of_the_content_is_followed_and_noted() {
    let (place, album) = album(&[("a", 5)]);
    for (target, link) in [("album", "other"), ("album/a", "file")] {
        let link = place.path().join(link);
        symlink(target, &link).unwrap();
        for links in [LinkPolicy::Keep, LinkPolicy::Follow, LinkPolicy::Skip] {
            let plan = plan(&link, links).unwrap();
            assert_eq!(plan.name(), link.file_name().unwrap());
            assert_eq!(note(&plan, CreateNoteKind::FollowedLinks), (1, vec![&*link]));
        }
    }
    assert!(plan(&album, LinkPolicy::Keep).unwrap().notes().is_empty());
}

#[test]
fn followed_links_end() {
    let (_place, album) = album(&[("a", 5), ("d/e", 5)]);
    symlink("none", album.join("dangling")).unwrap();
    symlink("..", album.join("d/back")).unwrap();
    symlink(".", album.join("d/self")).unwrap();
    let refusals = refusals(plan(&album, LinkPolicy::Follow));
    let refused = |r: &Refusal| {
        let path = r.path.strip_prefix(&album).unwrap().to_owned();
        (path, matches!(r.reason, RefusalReason::Loop))
    };
    let refused: Vec<(PathBuf, bool)> = refusals.list().iter().map(refused).collect();
    let expected = [("dangling", false), ("d/back", true), ("d/self", true)];
    assert_eq!(refused, expected.map(|(path, is_loop)| (path.into(), is_loop)));
    assert!(matches!(refusals.list()[0].reason, RefusalReason::Dangling));
}

#[test]
fn skipped_links_are_noted() {
    let (place, album) = album(&[("a", 5)]);
    symlink("/etc", album.join("l")).unwrap();
    let plan = plan(&album, LinkPolicy::Skip).unwrap();
    assert_eq!(note(&plan, CreateNoteKind::SkippedLinks), (1, vec![&*album.join("l")]));
    let metainfo = plan.create(&go_on).unwrap();
    assert_eq!(metainfo.layout().file_count(), 1);
    assert!(is_complete(&metainfo, place.path()));
}

// M-39
#[test]
fn executable_bits_are_kept() {
    let (place, album) = album(&[("run.sh", 5), ("data", 20_000)]);
    fs::set_permissions(album.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    for version in VERSIONS {
        let metainfo = create(&album, version, LinkPolicy::Keep);
        let letters: Vec<String> = entries(&metainfo).into_iter().map(|(_, l, _)| l).collect();
        assert_eq!(letters, ["", "x"]);
        let alone = create(&album.join("run.sh"), version, LinkPolicy::Keep);
        let file = alone.layout().file(0).unwrap();
        assert_eq!(file.attributes, FileAttributes::EXECUTABLE, "{version:?}");
        assert!(is_complete(&metainfo, place.path()) && is_complete(&alone, &album));
    }
}

// M-09
#[test]
fn names_that_are_no_text_are_all_named() {
    let (place, album) = album(&[("a", 5)]);
    let bad = [&b"\xff"[..], b"caf\xe9"].map(OsStr::from_bytes);
    fs::write(album.join(bad[0]), [1]).unwrap();
    fs::create_dir(album.join(bad[1])).unwrap();
    let refusals = refusals(plan(&album, LinkPolicy::Keep));
    assert_eq!(refusals.count(), 2);
    assert!(refusals.list().iter().all(|r| matches!(r.reason, RefusalReason::NotUtf8)));
    let named: Vec<_> = refusals.list().iter().map(|r| r.path.file_name().unwrap()).collect();
    assert_eq!(named, [bad[1], bad[0]]);
    let named = place.path().join(bad[0]);
    fs::write(&named, [1]).unwrap();
    let made = plan(&named, LinkPolicy::Keep);
    assert!(matches!(made, Err(CreateError::Name { fault: NameFault::NotUtf8, .. })), "{made:?}");
    assert!(CreateOptions::new().name("text").plan(&named).is_ok());
}

// M-21, M-22
#[test]
fn a_name_is_one_that_a_file_can_have() {
    let (_place, album) = album(&[("a", 5)]);
    let long = "x".repeat(256);
    for (name, fault) in [
        ("", NameFault::Empty),
        (".", NameFault::Dots),
        ("..", NameFault::Dots),
        ("a/b", NameFault::Separator),
        ("a\0b", NameFault::Separator),
        (&long, NameFault::TooLong),
    ] {
        for path in [album.clone(), album.join("a")] {
            let made = CreateOptions::new().name(name).plan(&path);
            let is_refused =
                matches!(&made, Err(CreateError::Name { fault: f, .. }) if *f == fault);
            assert!(is_refused, "{name:?}: {made:?}");
        }
    }
    let plan = CreateOptions::new().name("con").plan(&album).unwrap();
    assert_eq!(note(&plan, CreateNoteKind::UnportableNames).0, 1);
}

#[test]
fn names_that_other_systems_cannot_hold_are_noted() {
    let (_place, album) = album(&[("Foo", 1), ("foo", 1), ("what?", 1), ("fine", 1)]);
    let plan = plan(&album, LinkPolicy::Keep).unwrap();
    let (count, paths) = note(&plan, CreateNoteKind::UnportableNames);
    assert_eq!(count, 2, "{paths:?}");
    assert!(paths.contains(&&*album.join("what?")), "{paths:?}");
}

#[test]
fn what_has_no_content_is_left_out_and_noted() {
    let (place, album) = album(&[("a", 5), ("full/b", 5)]);
    make_pipe(&album.join("pipe"));
    let _socket = std::os::unix::net::UnixListener::bind(album.join("socket")).unwrap();
    fs::create_dir_all(album.join("empty/below")).unwrap();
    let plan = plan(&album, LinkPolicy::Keep).unwrap();
    let special = note(&plan, CreateNoteKind::SpecialFiles);
    assert_eq!(special, (2, vec![&*album.join("pipe"), &*album.join("socket")]));
    let empty = note(&plan, CreateNoteKind::EmptyFolders);
    assert_eq!(empty, (2, vec![&*album.join("empty"), &*album.join("empty/below")]));
    let metainfo = plan.create(&go_on).unwrap();
    assert_eq!(metainfo.layout().file_count(), 2);
    assert!(is_complete(&metainfo, place.path()));
    let made = CreateOptions::new().plan(&album.join("pipe"));
    assert!(matches!(made, Err(CreateError::NotAFile { .. })), "{made:?}");
}

/// Creates a named pipe with `mkfifo`, as the standard library has no function for it.
fn make_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_file_that_changes_while_it_is_read_is_named() {
    let (_place, album) = album(&[("a", 100_000), ("b", 100)]);
    for version in VERSIONS {
        fs::write(album.join("b"), [7; 100]).unwrap();
        let plan = options(version, LinkPolicy::Keep).plan(&album).unwrap();
        // The length stays the same, and the clock may not have advanced: the time is set explicitly.
        fs::write(album.join("b"), [8; 100]).unwrap();
        let file = fs::File::options().write(true).open(album.join("b")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        let made = plan.create(&go_on);
        let Err(CreateError::Changed { path }) = made else { panic!("{made:?}") };
        assert_eq!(path, album.join("b"));
    }
}

// M-28
#[test]
fn what_lies_too_deep_is_named() {
    let (_place, album) = album(&[("a", 5)]);
    fs::create_dir_all(album.join("d/".repeat(100))).unwrap();
    assert!(plan(&album, LinkPolicy::Keep).is_ok());
    fs::write(album.join("d/".repeat(100)).join("f"), [1]).unwrap();
    let refusals = refusals(plan(&album, LinkPolicy::Keep));
    let [refusal] = refusals.list() else { panic!("{refusals}") };
    assert!(matches!(refusal.reason, RefusalReason::TooDeep) && refusal.path.ends_with("d/f"));
}

#[test]
fn an_output_is_never_a_source_and_never_inside() {
    let (place, album) = album(&[("a", 5), ("d/b", 5)]);
    let outside = place.path();
    fs::create_dir(outside.join("linked")).unwrap();
    fs::write(outside.join("linked/c"), [1]).unwrap();
    symlink("../linked", album.join("away")).unwrap();
    symlink("album/a", outside.join("soft")).unwrap();
    fs::hard_link(album.join("a"), outside.join("hard")).unwrap();
    symlink("album/d", outside.join("way in")).unwrap();
    let plan = plan(&album, LinkPolicy::Follow).unwrap();
    use OutputConflict::{InsideFolder, Source};
    for (output, expected) in [
        ("album/a", Some(Source)),
        ("album/./d/../a", Some(Source)),
        ("soft", Some(Source)),
        ("hard", Some(Source)),
        ("way in/b", Some(Source)),
        ("linked/c", Some(Source)),
        ("album/new", Some(InsideFolder)),
        ("album/d/new", Some(InsideFolder)),
        ("way in/new", Some(InsideFolder)),
        ("linked/new", Some(InsideFolder)),
        ("new", None),
        ("album.torrent", None),
    ] {
        assert_eq!(plan.output_conflict(&outside.join(output)).unwrap(), expected, "{output}");
    }
    assert!(plan.output_conflict(&outside.join("none/new")).is_err());
    let single = CreateOptions::new().plan(&album.join("a")).unwrap();
    assert_eq!(single.output_conflict(&album.join("a")).unwrap(), Some(Source));
    assert_eq!(single.output_conflict(&album.join("new")).unwrap(), None);
}
