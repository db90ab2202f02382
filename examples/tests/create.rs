//! The program `create`: what it never destroys, and what it leaves behind.
#![cfg(target_os = "linux")]

mod interrupts;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use interrupts::{interrupt, names};

/// A folder with `f.bin`, and `album` with two files.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("f.bin"), [1; 50_000]).unwrap();
    fs::create_dir(place.path().join("album")).unwrap();
    fs::write(place.path().join("album/a"), [2; 50_000]).unwrap();
    fs::write(place.path().join("album/b"), b"important").unwrap();
    place
}

/// The program, in this folder.
fn create(place: &Path, words: &[&str]) -> Command {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a file lies in a folder");
    let mut program = Command::new(deps.with_file_name("examples").join("create"));
    program.current_dir(place).args(words).stdin(Stdio::null());
    program
}

fn run(place: &Path, words: &[&str]) -> Output {
    create(place, words).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// All that lies in a folder, with what is in the files.
fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                folders.push(path.clone());
            }
            let content = fs::symlink_metadata(&path).unwrap().is_file();
            let content = if content { fs::read(&path).unwrap() } else { Vec::new() };
            all.push((path, content));
        }
    }
    all.sort();
    all
}

/// The program refuses with this exit code, says so in one line with these words, and leaves everything
/// as it was.
#[track_caller]
fn refuses(place: &Path, words: &[&str], code: i32, told: &[&str]) {
    let before = snapshot(place);
    let output = run(place, words);
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {error}");
    told.iter().for_each(|word| assert!(error.contains(word), "{words:?}: {error}"));
    assert_eq!(snapshot(place), before, "{words:?}");
}

#[test]
fn sources_are_never_written_to() {
    let place = place();
    symlink("album/a", place.path().join("soft")).unwrap();
    fs::hard_link(place.path().join("album/b"), place.path().join("hard")).unwrap();
    symlink("album", place.path().join("way")).unwrap();
    for force in [&[][..], &["--force"]] {
        for (path, output) in [
            ("f.bin", "f.bin"),
            ("f.bin", "./album/../f.bin"),
            ("album", "album/b"),
            ("album", "soft"),
            ("album", "hard"),
            ("album", "way/a"),
            ("album/.", "album/a"),
            ("way", "album/a"),
        ] {
            let words = [&[path, "-o", output], force].concat();
            refuses(place.path(), &words, 1, &[output, "one of the files"]);
        }
        for output in ["album/t.torrent", "way/t.torrent", "album/./t"] {
            let words = [&["album", "-o", output], force].concat();
            refuses(place.path(), &words, 1, &[output, "in the folder"]);
        }
    }
}

#[test]
fn what_exists_is_replaced_by_force_alone() {
    let place = place();
    let torrent = place.path().join("t.torrent");
    fs::write(&torrent, b"theirs").unwrap();
    refuses(place.path(), &["album", "-o", "t.torrent"], 1, &["t.torrent", "--force"]);
    let output = run(place.path(), &["album", "-o", "t.torrent", "--force"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(fs::read(&torrent).unwrap().starts_with(b"d"));
    for output in ["album", "/dev/null", "/dev/full"] {
        refuses(place.path(), &["f.bin", "-o", output, "--force"], 1, &[output]);
    }
}

#[test]
fn a_place_that_cannot_be_written_is_known_before_hashing() {
    let place = place();
    // Nobody could hash this in the time of a test.
    let huge = fs::File::create(place.path().join("huge")).unwrap();
    huge.set_len(1 << 43).unwrap();
    refuses_at_once(place.path(), &["huge", "-o", "none/t.torrent"], &["none"]);
    refuses_at_once(place.path(), &["huge", "-o", "f.bin/t.torrent"], &["f.bin"]);
    refuses_at_once(place.path(), &["huge", "-o", "t/"], &["t/"]);
    let long = "x".repeat(256);
    refuses_at_once(place.path(), &["huge", "-o", &long], &["too long"]);
    refuses_at_once(place.path(), &["huge", "-o", "/proc/t.torrent"], &["/proc"]);
}

#[track_caller]
fn refuses_at_once(place: &Path, words: &[&str], told: &[&str]) {
    let output = run(place, words);
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    told.iter().for_each(|word| assert!(error.contains(word), "{error}"));
}

#[test]
fn a_new_torrent_has_the_permissions_of_any_new_file() {
    let place = place();
    assert!(run(place.path(), &["album", "-o", "t.torrent"]).status.success());
    fs::write(place.path().join("other"), []).unwrap();
    let mode = |name: &str| fs::metadata(place.path().join(name)).unwrap().mode();
    assert_eq!(mode("t.torrent"), mode("other"));
    let names: Vec<_> =
        fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "nothing else is left: {names:?}");
}

#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    let place = place();
    let huge = fs::File::create(place.path().join("huge")).unwrap();
    huge.set_len(1 << 40).unwrap();
    let before: Vec<_> = names(place.path());
    let mut words = create(place.path(), &["huge", "-o", "t.torrent", "--piece-length", "256MiB"]);
    let mut child = words.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // It has begun when it has the file open.
    let fds = PathBuf::from(format!("/proc/{}/fd", child.id()));
    let reads_it = || {
        let fds = fs::read_dir(&fds).into_iter().flatten().flatten();
        fds.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|path| path.ends_with("huge"))
    };
    while !reads_it() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was interrupted");
        std::thread::yield_now();
    }
    assert_eq!(interrupt(child), Some(130));
    assert_eq!(names(place.path()), before);
}

#[test]
fn files_that_cannot_be_read_are_all_named_before_hashing() {
    let place = place();
    let album = place.path().join("album");
    let huge = fs::File::create(album.join("0 huge")).unwrap();
    huge.set_len(1 << 43).unwrap();
    fs::create_dir(album.join("locked")).unwrap();
    for (name, mode) in [("a", 0o000), ("b", 0o200), ("locked", 0o000)] {
        fs::set_permissions(album.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut program = create(place.path(), &["album", "-o", "t.torrent"]);
    if fs::File::open(album.join("a")).is_ok() {
        // Nothing is locked for root: somebody else has to try.
        if !is_reachable_by_others(program.get_program()) {
            return;
        }
        program.uid(NOBODY).gid(NOBODY);
    }
    let output = program.output().unwrap();
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    for name in ["album/a ", "album/b ", "album/locked "] {
        assert!(error.contains(name), "{name}: {error}");
    }
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(!place.path().join("t.torrent").exists());
    fs::set_permissions(album.join("locked"), fs::Permissions::from_mode(0o755)).unwrap();
}

const NOBODY: u32 = 65_534;

fn is_reachable_by_others(program: &std::ffi::OsStr) -> bool {
    let folders = Path::new(program).ancestors().skip(1);
    let may_pass = |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.mode() & 1 != 0);
    folders.filter(|folder| *folder != Path::new("")).all(may_pass)
}

#[test]
fn names_that_no_file_can_have_are_bad_usage() {
    let place = place();
    for name in ["..", "a/b", ""] {
        refuses(place.path(), &["album", "-o", "t.torrent", "--name", name], 2, &["--name"]);
    }
}

#[test]
fn what_is_left_out_is_said_on_stderr() {
    let place = place();
    fs::create_dir(place.path().join("album/empty")).unwrap();
    fs::create_dir(place.path().join("album/e\n\x1b[2J")).unwrap();
    symlink("a", place.path().join("album/link")).unwrap();
    let output = run(place.path(), &["album", "-o", "t.torrent", "--links", "skip", "--json"]);
    assert!(output.status.success());
    let notes = stderr(&output);
    assert!(notes.contains("album/empty") && notes.contains("album/link"), "{notes}");
    assert!(!notes.contains('\x1b') && notes.lines().count() == 2, "{notes:?}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["notes"][0]["what"], "empty_folders");
    assert_eq!(told["notes"][1]["paths"][0], "album/link");
}

#[test]
fn the_torrent_can_go_to_standard_output() {
    let place = place();
    let words = ["album", "--no-creation-date"];
    assert!(run(place.path(), &[&words[..], &["-o", "t.torrent"]].concat()).status.success());
    let expected = fs::read(place.path().join("t.torrent")).unwrap();
    for output in ["-", "/dev/stdout"] {
        let told = run(place.path(), &[&words[..], &["-o", output]].concat());
        assert!(told.status.success() && told.stdout == expected, "{}", stderr(&told));
    }
    refuses(place.path(), &["album", "-o", "-", "--json"], 2, &["--json"]);
    assert!(!place.path().join("-").exists());
}
