//! Introductions of peers that cannot be reached (BEP 55), with libtorrent as the one that wants to meet somebody
//! and as the one that makes them known.

use crate::support::START;
use crate::support::content::Content;
use crate::support::hidden_peer::HiddenPeer;
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};

tests![download_introduces_libtorrent, download_is_introduced_by_libtorrent,];

const DOWNLOAD: Need = Need::Example("download");
const HOST: &str = "127.0.0.1";

fn download_introduces_libtorrent() {
    need!(DOWNLOAD, Need::Python, Need::Libtorrent);
    let scene = Scene::new(Content::small_single());
    let mut relay = Ours::download_from(&scene, Source::Torrent, &scene.room("relay"), &[]);
    let listening = relay.wait_for_event("listening", START);
    let relay_at = listening["addr"].as_str().expect("`addr` is text").parse().unwrap();
    let mut hidden = HiddenPeer::meet(&scene, relay_at);
    let room = scene.room("leech");
    let initiator = Libtorrent::leech(&scene, Source::Torrent, &room, HOST, &[relay_at]);
    assert_eq!(hidden.wait_introduced(), initiator.address);
}

fn download_is_introduced_by_libtorrent() {
    need!(DOWNLOAD, Need::Python, Need::Libtorrent);
    let scene = Scene::new(Content::small_single());
    let relay = Libtorrent::leech(&scene, Source::Torrent, &scene.room("relay"), HOST, &[]);
    crate::support::net::wait_listening(relay.address.port(), START);
    let mut hidden = HiddenPeer::meet(&scene, relay.address);
    let mut initiator =
        Ours::download_from(&scene, Source::Torrent, &scene.room("download"), &[relay.address]);
    let listening = initiator.wait_for_event("listening", START);
    let address = listening["addr"].as_str().expect("`addr` is text");
    hidden.wait_introduced();
    assert_eq!(hidden.wait_called().to_string(), address);
}
