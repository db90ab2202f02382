//! Programs that are interrupted while they wait for somebody else: they end at once all the same.
#![cfg(target_os = "linux")]

mod interrupts;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use interrupts::{interrupt, names};
use tempfile::TempDir;

/// The built file of an example, of the same profile as this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a file lies in a folder");
    deps.with_file_name("examples").join(name)
}

fn place() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A program whose output nobody reads.
fn start(name: &str, folder: &Path, words: &[&str]) -> Child {
    let mut command = Command::new(example(name));
    command.args(words).current_dir(folder).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it was built")
}

/// Waits until the program catches SIGINT.
fn wait_for_handler(child: &mut Child) {
    let status = format!("/proc/{}/status", child.id());
    let catches = || {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap_or(0) & 2 != 0)
    };
    while !catches() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was interrupted");
        std::thread::yield_now();
    }
}

#[test]
fn a_torrent_that_does_not_come_is_not_waited_for() {
    let place = place();
    assert!(Command::new("mkfifo").arg(place.path().join("pipe")).status().unwrap().success());
    let mut child = start("verify", place.path(), &["pipe", "."]);
    wait_for_handler(&mut child);
    assert_eq!(interrupt(child), Some(130));
}

#[test]
fn a_reader_that_reads_nothing_is_not_waited_for() {
    let place = place();
    let many = place.path().join("many");
    fs::create_dir(&many).unwrap();
    for at in 0..3_000 {
        fs::write(many.join(format!("a file of number {at}, of which the name is long")), "x")
            .unwrap();
    }
    let made = start("create", place.path(), &["many", "-o", "t.torrent", "--v2"]).wait();
    assert!(made.unwrap().success());
    fs::remove_dir_all(&many).unwrap();
    for words in [&["t.torrent", "."][..], &["t.torrent", ".", "--json"]] {
        let mut child = start("verify", place.path(), words);
        // It has begun to print, and a pipe does not hold all of it.
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        assert_eq!(interrupt(child), Some(130), "{words:?}");
    }
}

#[test]
fn a_torrent_that_nobody_takes_is_not_waited_for() {
    let place = place();
    fs::File::create(place.path().join("n")).unwrap().set_len(8192 * 16_384).unwrap();
    let before = names(place.path());
    let mut child = start("create", place.path(), &["n", "-o", "-", "--piece-length", "16KiB"]);
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    assert_eq!(interrupt(child), Some(130));
    assert_eq!(names(place.path()), before);
}

/// Nor does it take long: the claim of the torrent is of no account.
#[test]
fn a_torrent_that_claims_much_is_verified_in_few_words() {
    let place = place();
    let root = "r".repeat(32);
    let torrent = format!(
        "d4:infod9:file treed1:fd0:d6:lengthi{}e11:pieces root32:{root}eee12:meta versioni2e\
         4:name1:f12:piece lengthi{}eee",
        1_u64 << 49,
        256 << 20
    );
    assert!(torrent.len() < 170);
    fs::write(place.path().join("t.torrent"), torrent).unwrap();
    let mut said = Vec::new();
    for make in [false, true] {
        if make {
            fs::File::create(place.path().join("f")).unwrap().set_len(1 << 43).unwrap();
        }
        for words in [&["t.torrent", "."][..], &["t.torrent", ".", "--json"]] {
            let output = start("verify", place.path(), words).wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            said.push(String::from_utf8(output.stdout).unwrap());
        }
    }
    assert!(said[0].contains("f: missing, pieces 0-2097151"), "{}", said[0]);
    assert!(said[1].contains("\"pieces\":[[0,2097151]]"), "{}", said[1]);
    assert!(said[2].contains("f: too short, pieces 0-2097151"), "{}", said[2]);
    assert!(said.iter().all(|said| said.len() < 500), "{said:?}");
}
