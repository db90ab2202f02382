//! The program, the watched folder, and the contents.
#![cfg(unix)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::{Scene, program};

#[test]
fn torrents_are_taken_downloaded_and_dropped_with_their_files() {
    let scene = Scene::new();
    let (first, second) = (scene.content("first", 100_000), scene.content("second", 50_000));
    scene.put("a.torrent", &first);
    let mut watch = scene.watch(&[]);
    let finished = watch.wait_for("finished", &first);
    assert_eq!((&finished["bytes"], &finished["downloaded"]), (&100_000.into(), &100_000.into()));
    first.assert_in(&scene.path("out"));
    // Another one comes in by two files, of which one is taken out.
    scene.put("b.torrent", &second);
    scene.write("b.magnet", second.link().as_bytes());
    watch.wait_for("finished", &second);
    scene.take("b.torrent");
    scene.take("a.torrent");
    watch.wait_for("dropped", &first);
    first.assert_in(&scene.path("out"));
    // It comes back, and its content is there.
    scene.put("again.torrent", &first);
    let finished = watch.wait_for("finished", &first);
    assert_eq!(finished["downloaded"], 0);
    assert_eq!(watch.interrupt().code(), Some(130));
    assert_eq!(watch.told("dropped").len(), 1);
    assert_eq!(watch.told("refused").len(), 0);
}

#[test]
fn a_file_may_be_written_slowly_and_a_broken_one_costs_no_other_anything() {
    let scene = Scene::new();
    let content = scene.content("content", 50_000);
    let bytes = content.metainfo.to_bytes();
    let mut watch = scene.watch(&[]);
    watch.wait("listening", |_| true);
    scene.write("broken.torrent", b"d4:info");
    for end in (0..bytes.len()).step_by(bytes.len() / 3) {
        scene.write("slow.torrent", &bytes[..end]);
        std::thread::sleep(Duration::from_millis(1200));
    }
    scene.write("slow.torrent", &bytes);
    watch.wait_for("finished", &content);
    watch.wait("refused", |told| told["file"] == "broken.torrent");
    // It is mended.
    let other = scene.content("other", 20_000);
    scene.put("broken.torrent", &other);
    watch.wait_for("finished", &other);
    watch.interrupt();
    assert_eq!(watch.told("refused").len(), 1, "once, and the slow one never");
}

#[test]
fn links_are_taken_from_a_file_with_comments() {
    let scene = Scene::new();
    let contents = [scene.content("one", 40_000), scene.content("two", 40_000)];
    let [one, two] = contents.each_ref().map(|content| content.link());
    let text = format!("# two of them\r\n{one}&dn=first {two}\n\nmagnet:?xt=urn:btih:bad\n");
    scene.write("links.magnet", text.as_bytes());
    let mut watch = scene.watch(&[]);
    for content in &contents {
        watch.wait_for("metadata", content);
        watch.wait_for("finished", content);
        content.assert_in(&scene.path("out"));
    }
    let refused = watch.told("refused");
    assert_eq!(refused.len(), 1);
    assert!(refused[0]["error"].as_str().unwrap().starts_with("line 4: "), "{refused:?}");
}

#[test]
fn what_was_there_is_there_after_a_restart_and_what_was_taken_out_is_not() {
    let scene = Scene::new();
    let (stays, goes) = (scene.content("stays", 50_000), scene.content("goes", 50_000));
    scene.put("stays.torrent", &stays);
    scene.put("goes.torrent", &goes);
    let mut watch = scene.watch(&[]);
    watch.wait_for("finished", &stays);
    watch.interrupt();
    scene.take("goes.torrent");
    fs::rename(scene.path("in/stays.torrent"), scene.path("in/renamed.torrent")).unwrap();
    let mut watch = scene.watch(&[]);
    let restored = watch.wait("restored", |_| true);
    assert_eq!(restored["torrents"], 2);
    assert_eq!(watch.wait_for("finished", &stays)["downloaded"], 0);
    watch.wait_for("dropped", &goes);
    watch.interrupt();
    assert_eq!(watch.told("dropped").len(), 1);
    let kept = fs::read_dir(scene.path("out/.tinytorrent-watch")).unwrap();
    let records = kept.filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".torrent-state")
    });
    assert_eq!(records.count(), 1);
}

#[test]
fn a_folder_that_vanishes_and_comes_back_costs_nothing() {
    let scene = Scene::new();
    let content = scene.content("content", 50_000);
    scene.put("a.torrent", &content);
    let mut watch = scene.watch(&[]);
    watch.wait_for("finished", &content);
    fs::rename(scene.path("in"), scene.path("away")).unwrap();
    watch.wait("folder_gone", |_| true);
    // Another one in its place, as below a disk that is not mounted.
    fs::create_dir(scene.path("in")).unwrap();
    watch.wait("folder_gone", |told| told["error"].as_str().unwrap().contains("another"));
    std::thread::sleep(Duration::from_secs(8));
    fs::remove_dir(scene.path("in")).unwrap();
    fs::rename(scene.path("away"), scene.path("in")).unwrap();
    watch.wait("folder_back", |_| true);
    watch.interrupt();
    assert_eq!(watch.told("dropped").len(), 0);
    assert_eq!(watch.told("folder_gone").len(), 2);
}

#[test]
fn a_torrent_is_done_when_it_has_been_seeded_enough() {
    let scene = Scene::new();
    let content = scene.content("content", 50_000);
    scene.put("a.torrent", &content);
    let mut watch = scene.watch(&["--ratio", "0"]);
    watch.wait_for("done", &content);
    watch.interrupt();
    assert_eq!(watch.told("finished").len(), 1);
    content.assert_in(&scene.path("out"));
}

#[test]
fn a_torrent_that_failed_is_tried_again() {
    let scene = Scene::new();
    let content = scene.content("content", 50_000);
    scene.put("a.torrent", &content);
    // In the place of the file.
    fs::create_dir(scene.path("out/content")).unwrap();
    let mut watch = scene.watch(&[]);
    let failed = watch.wait_for("failed", &content);
    assert_eq!(failed["retry_seconds"], 10);
    fs::remove_dir(scene.path("out/content")).unwrap();
    watch.wait_for("finished", &content);
    content.assert_in(&scene.path("out"));
}

#[test]
fn torrents_wait_for_their_turns() {
    let scene = Scene::new();
    let contents: Vec<_> = (0..4).map(|at| scene.content(&at.to_string(), 400_000)).collect();
    for (at, content) in contents.iter().enumerate() {
        content.seed.set_upload_limit(Some(100_000));
        scene.put(&format!("{at}.torrent"), content);
    }
    let mut watch = scene.watch(&["--max-active", "1"]);
    for content in &contents {
        watch.wait_for("finished", content);
    }
    let queued = watch.told("state").into_iter().filter(|told| told["state"] == "queued").count();
    assert!(queued >= 2, "{queued}");
}

#[test]
fn contents_in_the_watched_folder_are_not_taken_for_torrents() {
    let scene = Scene::new();
    let plain = scene.content("plain", 50_000);
    let inner = scene.content("inner", 100);
    // The content is a torrent, which would be taken, and may not replace that of the user.
    fs::write(scene.path("seed/evil.torrent"), inner.metainfo.to_bytes()).unwrap();
    let size = inner.metainfo.to_bytes().len();
    let evil = scene.content("evil.torrent", size);
    scene.put("plain.torrent", &plain);
    scene.put("wrapped.torrent", &evil);
    scene.write("link.magnet", evil.link().as_bytes());
    let mut watch = scene.watch_into("in", &[]);
    watch.wait_for("finished", &plain);
    plain.assert_in(&scene.path("in"));
    watch.wait("refused", |told| told["file"] == "wrapped.torrent");
    watch.wait_for("failed", &evil);
    std::thread::sleep(Duration::from_secs(3));
    watch.interrupt();
    assert_eq!(watch.told("added").len(), 2, "the plain one, and the link");
}

#[test]
fn the_status_is_served_to_readers_of_this_machine() {
    let scene = Scene::new();
    let content = scene.content("<content>", 50_000);
    scene.put("a.torrent", &content);
    let mut watch = scene.watch(&["--http", "0"]);
    let serving = watch.wait("serving", |_| true)["url"].as_str().unwrap().to_owned();
    let address = serving.trim_start_matches("http://").trim_end_matches('/').to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    watch.wait_for("finished", &content);
    let ask = |line: &str, host: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let page = ask("GET /", &address);
    assert!(page.contains("&lt;content&gt;") && !page.contains("<content>"), "{page}");
    let json = ask("GET /status.json", &address);
    let json: serde_json::Value =
        serde_json::from_str(json.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(json["torrents"][0]["state"], "seeding");
    assert_eq!(
        (&json["torrents"][0]["bytes"], &json["downloaded"]),
        (&50_000.into(), &50_000.into())
    );
    let metrics = ask("GET /metrics", &address);
    assert!(metrics.contains("\ntinytorrent_torrents{state=\"seeding\"} 1\n"), "{metrics}");
    assert!(ask("GET /", "evil.example").starts_with("HTTP/1.1 421"));
    assert!(ask("POST /", &address).starts_with("HTTP/1.1 405"));
    assert!(ask("GET /else", &address).starts_with("HTTP/1.1 404"));
}

#[test]
fn what_cannot_be_started_is_told_with_its_code() {
    let scene = Scene::new();
    let run = |words: &[&str]| {
        let mut command = Command::new(program());
        command.args(words).current_dir(scene.path("")).stdin(Stdio::null());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, told) = run(&["nowhere", "--output", "out"]);
    assert!(code == Some(1) && told.contains("nowhere"), "{code:?} {told}");
    fs::write(scene.path("file"), "").unwrap();
    assert_eq!(run(&["file", "--output", "out"]).0, Some(2));
    assert_eq!(run(&["in"]).0, Some(2));
    let mut watch = scene.watch(&[]);
    watch.wait("listening", |_| true);
    let (code, told) = run(&["in", "--output", "out", "--listen", "127.0.0.1:0"]);
    assert!(code == Some(1) && told.contains("--state"), "{code:?} {told}");
    assert_eq!(watch.interrupt().code(), Some(130));
}
