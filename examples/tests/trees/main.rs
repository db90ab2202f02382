//! Torrents of generated folders: those that are made of a folder verify against it, say what is in it,
//! and can be seeded from it, whatever the names and whatever else lies there.
//!
//! `TREES=10000 cargo test -p tinytorrent-examples --test trees` tries as many; `TREES_FROM=17 TREES=1`
//! tries number 17 again.
#![cfg(unix)]

#[path = "../../../tinytorrent-metainfo/tests/common/exfat.rs"]
mod exfat;
mod names;
mod random;
mod tree;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use tinytorrent_metainfo::{
    CreateError, CreateOptions, File, LinkPolicy, Metainfo, Refusals, SafePath, VerifyOptions,
    Version,
};
use tinytorrent_storage::{PieceHashes, Storage, StorageOptions};
use tinytorrent_types::Bitfield;

use random::Random;
use tree::{Expected, Tree};

const VERSIONS: [Version; 3] = [Version::V1, Version::V2, Version::Hybrid];

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number of trees"))
}

// M-05, M-17, M-19, M-25, M-27, M-43, V-09, V-16
#[test]
fn a_torrent_agrees_with_the_folder_that_it_was_made_of() {
    let (from, count) = (number("TREES_FROM", 0), number("TREES", 250));
    let mut torrents = 0;
    for seed in from..from + count {
        let mut random = Random::new(seed);
        let place = tempfile::tempdir().unwrap();
        let tree = Tree::grow(place.path(), &mut random);
        let links = *random.choose(&[LinkPolicy::Keep, LinkPolicy::Keep, LinkPolicy::Skip]);
        for version in VERSIONS {
            let made = hold(&tree, version, links);
            let made = made.unwrap_or_else(|wrong| panic!("tree {seed}, {version:?}: {wrong}"));
            torrents += u64::from(made);
        }
        let followed = hold_followed(&tree, *random.choose(&VERSIONS));
        followed.unwrap_or_else(|wrong| panic!("tree {seed}, links followed: {wrong}"));
    }
    assert!(torrents > count, "most trees make torrents: {torrents}");
    println!("{torrents} torrents of {count} trees agree");
}

/// Makes a torrent of the tree and holds it against what is known of the tree. Answers whether there is
/// a torrent; some trees have none.
fn hold(tree: &Tree, version: Version, links: LinkPolicy) -> Result<bool, String> {
    let mut options = CreateOptions::new();
    options.version(version).links(links).piece_length(16_384).expect("a power of two");
    let expected = match (options.create_unobserved(tree.path()), tree.expect(version, links)) {
        (Ok(made), Expected::Files(files)) => (made, files),
        (Err(CreateError::NoContent { .. }), Expected::Nothing) => return Ok(false),
        (Err(CreateError::Refused(refusals)), Expected::Refused(paths)) => {
            return same("refused", &refused(&refusals), &paths).map(|()| false);
        }
        (made, expected) => return Err(format!("{made:?}, not {expected:?}")),
    };
    let (made, expected) = expected;
    let bytes = made.to_bytes();
    let read = Metainfo::from_bytes(&bytes).map_err(|error| error.to_string())?;
    same("torrent", &read, &made)?;
    let again = options.threads(2).create_unobserved(tree.path()).map_err(|e| e.to_string())?;
    same("second torrent", &again.to_bytes(), &bytes)?;
    let mut files: Vec<_> = read.layout().files().filter(|f| !f.is_pad()).map(entry).collect();
    files.sort();
    same("files", &files, &expected)?;
    verifies(&read, tree.parent(), false)?;
    is_seeded(read, tree.parent(), false)?;
    Ok(true)
}

/// Links that were followed are followed again.
fn hold_followed(tree: &Tree, version: Version) -> Result<(), String> {
    let mut options = CreateOptions::new();
    match options.version(version).links(LinkPolicy::Follow).create_unobserved(tree.path()) {
        Ok(made) => {
            verifies(&made, tree.parent(), true)?;
            is_seeded(made, tree.parent(), true)
        }
        Err(CreateError::NoContent { .. } | CreateError::Refused(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn refused(refusals: &Refusals) -> Vec<PathBuf> {
    let mut paths: Vec<_> = refusals.list().iter().map(|refusal| refusal.path.clone()).collect();
    paths.sort();
    paths
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found:?} is not {expected:?}")),
    }
}

fn elements(path: SafePath<'_>) -> Vec<String> {
    let text = |element: &[u8]| String::from_utf8(element.to_vec()).expect("names are text");
    path.elements().map(text).collect()
}

fn entry(file: File<'_>) -> tree::Entry {
    tree::Entry {
        path: elements(file.path),
        length: file.length,
        is_executable: file.attributes.is_executable(),
        target: file.link_target.map(elements),
    }
}

fn verifies(metainfo: &Metainfo, folder: &Path, follow: bool) -> Result<(), String> {
    let report = VerifyOptions::new().follow_links(follow).verify_unobserved(metainfo, folder);
    let report = report.map_err(|error| format!("verify: {error}"))?;
    let is_right = report.is_complete() && report.faults().is_empty();
    if is_right { Ok(()) } else { Err(format!("verify: {report:?}")) }
}

/// The check that a seeder begins with.
fn is_seeded(metainfo: Metainfo, folder: &Path, follow: bool) -> Result<(), String> {
    let metainfo = Arc::new(metainfo);
    let mut options = StorageOptions::default();
    options.read_only(true).follow_links(follow);
    let failed = |error| format!("seed: {error}");
    let storage = Storage::for_info(metainfo.info().clone(), folder, &options).map_err(failed)?;
    same("misfits", &storage.misfits().map_err(failed)?, &Vec::new())?;
    let hashes = PieceHashes::from_metainfo(&metainfo).expect("all piece layers are there");
    let pieces = Bitfield::full(metainfo.info().geometry().piece_count());
    let go_on = |_| ControlFlow::Continue(());
    let found = tinytorrent_storage::verify(&storage, &hashes, &pieces, 1, go_on);
    match found.have == pieces {
        true => Ok(()),
        false => Err(format!("seed: {found:?}")),
    }
}

/// One of the example programs, if it is built.
fn program(name: &str) -> Option<Command> {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a file lies in a folder");
    let path = deps.with_file_name("examples").join(name);
    path.exists().then(|| Command::new(path))
}

/// Returns the JSON that a program prints when it succeeds.
fn run(name: &str, words: &[&Path]) -> Result<Value, String> {
    let mut program = program(name).expect("asked for before");
    let output = program.arg("--json").args(words).stdin(Stdio::null()).output().unwrap();
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap());
    }
    Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn the_programs_agree_on_folders_as_their_libraries_do() {
    if ["create", "verify", "inspect"].into_iter().any(|name| program(name).is_none()) {
        return;
    }
    let (from, count) = (number("TREES_FROM", 0), number("TREES", 250).div_ceil(10));
    for seed in from..from + count {
        let mut random = Random::new(seed);
        let place = tempfile::tempdir().unwrap();
        let tree = Tree::grow(place.path(), &mut random);
        for (version, option) in VERSIONS.into_iter().zip(["--v1", "--v2", "--hybrid"]) {
            let Expected::Files(expected) = tree.expect(version, LinkPolicy::Keep) else {
                continue;
            };
            let held = hold_programs(&tree, option, &expected);
            held.unwrap_or_else(|wrong| panic!("tree {seed}, {option}: {wrong}"));
        }
    }
}

fn hold_programs(tree: &Tree, option: &str, expected: &[tree::Entry]) -> Result<(), String> {
    let place = tempfile::tempdir().unwrap();
    let torrent = place.path().join("t.torrent");
    let words = [&*tree.path(), Path::new("--output"), &torrent, Path::new(option)];
    let length = [Path::new("--piece-length"), Path::new("16KiB")];
    run("create", &[&words[..], &length].concat())?;
    run("verify", &[&torrent, tree.parent()])?;
    let told = run("inspect", &[&torrent])?;
    let files = told["files"].as_array().expect("a list of files");
    let is_listed = |entry: &tree::Entry| {
        let is_it = |file: &&Value| file["path"] == json!(entry.path) && file["pad"] == false;
        files.iter().find(is_it).is_some_and(|file| {
            file["length"] == entry.length
                && file["executable"] == entry.is_executable
                && file["symlink"] == json!(entry.target)
        })
    };
    match expected.iter().find(|entry| !is_listed(entry)) {
        None => Ok(()),
        Some(entry) => Err(format!("inspect does not list {entry:?}: {told}")),
    }
}

// M-25, M-27
#[test]
fn content_of_generated_folders_is_stored_on_a_disk_that_holds_other_names() {
    let Some(disk) = exfat::Exfat::mount() else { return };
    let (from, count) = (number("TREES_FROM", 0), number("TREES", 250).div_ceil(4));
    let mut renamed = 0;
    for seed in from..from + count {
        let mut random = Random::new(seed);
        let place = tempfile::tempdir().unwrap();
        let tree = Tree::grow(place.path(), &mut random);
        let mut options = CreateOptions::new();
        options.version(*random.choose(&VERSIONS)).links(LinkPolicy::Skip);
        let Ok(made) = options.create_unobserved(tree.path()) else { continue };
        let there = tempfile::tempdir_in(disk.path()).unwrap();
        let copied = copy(&made, tree.parent(), there.path());
        renamed += copied.unwrap_or_else(|wrong| panic!("tree {seed}: {wrong}"));
        let held = verifies(&made, there.path(), false)
            .and_then(|()| is_seeded(made, there.path(), false));
        held.unwrap_or_else(|wrong| panic!("tree {seed}: {wrong}"));
    }
    assert!(
        renamed * 4 > count as usize,
        "many have names that this disk does not hold: {renamed}"
    );
}

/// Stores the content of one folder in another, and counts the files that have other names there.
fn copy(metainfo: &Metainfo, from: &Path, to: &Path) -> Result<usize, String> {
    let open = |place, read_only| {
        let mut options = StorageOptions::default();
        options.read_only(read_only);
        Storage::for_info(metainfo.info().clone(), place, &options)
    };
    let copy = || {
        let (from, to) = (open(from, true)?, open(to, false)?);
        to.prepare()?;
        for piece in from.geometry().pieces() {
            let mut data = vec![0; from.geometry().piece_length(piece) as usize];
            from.read(from.geometry().piece_offset(piece), &mut data)?;
            to.write(from.geometry().piece_offset(piece), &[data])?;
        }
        Ok(to.path_changes().count())
    };
    copy().map_err(|error: tinytorrent_storage::StorageError| format!("copy: {error}"))
}

#[test]
fn damage_to_a_generated_folder_is_found() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let place = tempfile::tempdir().unwrap();
        let tree = Tree::grow(place.path(), &mut random);
        let Ok(made) = CreateOptions::new().create_unobserved(tree.path()) else { continue };
        tree.damage();
        assert!(verifies(&made, tree.parent(), false).is_err(), "tree {seed}");
        assert!(is_seeded(made, tree.parent(), false).is_err(), "tree {seed}");
    }
}
