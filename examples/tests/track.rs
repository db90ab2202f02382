//! The tracker, as a program: both protocols over both families, its list, its figures and its end.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use serde_json::Value;
use tinytorrent_tracker::client::{ClientConfig, ErrorKind, TrackerClient};
use tinytorrent_tracker::{AnnounceEvent, AnnounceRequest, AnnounceResponse, TrackerUrl};
use tinytorrent_types::{PeerId, WireInfoHash};

/// The built file of an example, of the same profile as this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a file lies in a folder");
    deps.with_file_name("examples").join(name)
}

/// A running tracker that prints `--json`.
struct Track {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
}

const EVERYWHERE: [&str; 8] =
    ["--udp", "127.0.0.1:0", "--udp", "[::1]:0", "--http", "127.0.0.1:0", "--http", "[::1]:0"];

impl Track {
    fn start(words: &[&str]) -> Self {
        let mut command = Command::new(example("track"));
        command.args(words).arg("--json").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it was built");
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let err = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, out, err }
    }

    /// The next event of a kind.
    fn event(&mut self, kind: &str) -> Value {
        loop {
            let line = self.out.next().expect("it goes on").expect("it is text");
            let event: Value = serde_json::from_str(&line).expect("it is JSON");
            if event["event"] == kind {
                return event;
            }
        }
    }

    /// The announce URLs of the next listening sockets.
    fn urls(&mut self, count: usize) -> Vec<TrackerUrl> {
        let url = |_| self.event("listening")["url"].as_str().unwrap().parse().unwrap();
        (0..count).map(url).collect()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hash(byte: u8) -> WireInfoHash {
    WireInfoHash::from_bytes([byte; 20])
}

fn announce(url: &TrackerUrl, torrent: u8, peer: u8) -> Result<AnnounceResponse, String> {
    let client = TrackerClient::new(ClientConfig::default()).trusting_urls();
    let id = PeerId::from_bytes([peer; 20]);
    let mut request = AnnounceRequest::new(hash(torrent), id, 7_000 + u16::from(peer), 1);
    (request.event, request.left) = (AnnounceEvent::Started, Some(5));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(client.announce(url, &request)).map_err(|error| match error.kind() {
        ErrorKind::Refused(refusal) => refusal.reason.clone(),
        other => panic!("{url}: {other}"),
    })
}

fn list(path: &Path, torrents: &[u8]) {
    let lines: String = torrents.iter().map(|byte| format!("{} name\n", hash(*byte))).collect();
    fs::write(path, lines).unwrap();
}

#[test]
fn peers_meet_over_both_protocols_and_families() {
    let mut track =
        Track::start(&[&EVERYWHERE[..], &["--threads", "2", "--interval", "900"]].concat());
    for (number, url) in (1..).zip(track.urls(4)) {
        // Sockets share the port, and what came in by one is known by all.
        for _ in 0..4 {
            let response = announce(&url, 1, number).unwrap();
            assert_eq!(response.leechers, Some(u32::from(number)), "{url}");
            assert_eq!(response.interval.unwrap().as_secs(), 900);
        }
    }
    track.signal("INT");
    let last = track.event("figures");
    assert_eq!((&last["torrents"], &last["leechers"]), (&1.into(), &4.into()), "{last}");
    assert_eq!(last["announces"], 16);
    assert_eq!(track.child.wait().unwrap().code(), Some(130));
}

#[test]
fn only_listed_torrents_are_served_and_the_list_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    list(&path, &[1, 2]);
    let mut track = Track::start(&[&EVERYWHERE[..], &["--allow", path.to_str().unwrap()]].concat());
    assert_eq!(track.event("allow")["torrents"], 2);
    let urls = track.urls(4);
    let reason = Err("this torrent is not on the list of this tracker".to_owned());
    for url in &urls {
        assert!(announce(url, 1, 1).is_ok());
        assert_eq!(announce(url, 3, 1), reason);
    }
    list(&path, &[2, 3, 4]);
    track.signal("HUP");
    assert_eq!(track.event("allow")["torrents"], 3);
    for url in &urls {
        assert_eq!(announce(url, 1, 1), reason);
        assert!(announce(url, 3, 1).is_ok());
    }
    // A slip in the list does not end it.
    fs::write(&path, "oops\n").unwrap();
    track.signal("HUP");
    let said = track.err.next().unwrap().unwrap();
    assert!(said.starts_with("warning: the old list stays: "), "{said}");
    assert!(said.ends_with("list, line 1: oops is no info-hash"), "{said}");
    assert!(announce(&urls[0], 3, 1).is_ok());
    track.signal("TERM");
    assert_eq!(track.event("figures")["torrents"], 1, "what is no longer listed is forgotten");
    assert_eq!(track.child.wait().unwrap().code(), Some(130));
}

#[test]
fn what_cannot_be_served_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    fs::write(&path, "oops\n").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let missing = folder.path().join("none");
    for (words, code, part) in [
        (["--allow", path.to_str().unwrap()], 2, "line 1: oops is no info-hash"),
        (["--allow", missing.to_str().unwrap()], 1, "cannot read the list"),
        (["--http", &address], 1, &address),
        (["--udp", "here"], 2, "--udp"),
        (["--interval", "0"], 2, "--interval"),
    ] {
        let output = Command::new(example("track")).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.lines().next().unwrap().contains(part), "{said}");
    }
}
