//! A list of addresses never to speak to, with libtorrent at one of them.

use std::fs;

use crate::support::content::Content;
use crate::support::libtorrent::{Libtorrent, OVER_BOTH};
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};

tests![download_speaks_to_nobody_on_its_list];

fn download_speaks_to_nobody_on_its_list() {
    need!(Need::Example("download"), Need::Example("seed"), Need::Libtorrent);
    let scene = Scene::new(Content::single("wanted", 3 << 20));
    let avoided = Libtorrent::seed_with(&scene, "127.0.0.1", OVER_BOTH);
    // All of 127.0.0.0/8 is this host on Linux, where libtorrent runs as well.
    let (_seed, other) = Ours::seed(&scene, "127.0.0.2", &[]);
    let (dir, list) = (scene.room("download"), scene.path().join("list.p2p"));
    fs::write(&list, "# neighbours\nlibtorrent:127.0.0.1-127.0.0.1\n").unwrap();
    let [list, avoided_at, other] =
        [list.to_str().unwrap().to_owned(), avoided.address.to_string(), other.to_string()];
    let listen = ["--listen", "127.0.0.1:0"];
    let words = ["--block", &list, "--peer", &avoided_at, "--peer", &other];
    let words = [&listen[..], &words].concat();
    let finished = Ours::download(&scene, Source::Torrent, &dir, &words).finish();
    assert_eq!(finished["hash_failures"], 0);
    scene.assert_complete(&dir);
    assert!(!avoided.alerts().contains("incoming_connection_alert"), "{}", avoided.alerts());
}
