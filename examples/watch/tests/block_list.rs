//! The list of blocked addresses, while the program runs.
#![cfg(unix)]

mod support;

use std::fs;

use support::Scene;

#[test]
fn the_list_is_read_again_when_it_changes_and_at_a_hangup() {
    let scene = Scene::new();
    let list = scene.path("list.dat");
    let words = ["--block", "list.dat"];
    let first = scene.content("first", 50_000);
    fs::write(&list, "127.000.000.000 - 127.255.255.255 , 000 , this machine\n").unwrap();
    scene.put("a.torrent", &first);
    let mut watch = scene.watch(&words);
    watch.wait("added", |_| true);
    // A broken list changes nothing, and is told.
    fs::write(&list, "<html>\n").unwrap();
    let refused = watch.wait("refused", |told| told["file"] == "list.dat");
    assert!(refused["error"].as_str().unwrap().contains("line 1: "), "{refused}");
    assert_eq!(first.seed.stats().peers, 0, "nobody came so far");
    fs::write(&list, "# nobody here\n192.0.2.0/24\nnonsense\n").unwrap();
    watch.signal("HUP");
    let read = watch.wait("blocked", |_| true);
    assert_eq!((&read["ranges"], &read["bad_lines"]), (&1.into(), &1.into()));
    // Peers that the user named were forgotten with the list that had them; a torrent that comes has them.
    let second = scene.content("second", 50_000);
    scene.put("b.torrent", &second);
    watch.wait_for("finished", &second);
    watch.interrupt();
}

#[test]
fn without_a_list_that_can_be_read_nothing_begins() {
    let scene = Scene::new();
    let mut watch = scene.watch(&["--block", "absent"]);
    assert_eq!(watch.end().code(), Some(1));
    fs::write(scene.path("page"), "<html>\n").unwrap();
    let mut watch = scene.watch(&["--block", "page"]);
    assert_eq!(watch.end().code(), Some(2));
}
