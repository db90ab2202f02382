//! Introductions of peers that cannot be reached (BEP 55): between programs of ours, with libtorrent as the one that
//! wants to meet somebody, and with libtorrent as the one that makes them known.

use crate::support::content::Content;
use crate::support::hidden_peer::HiddenPeer;
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, PYTHON, example, namespace, need};
use crate::support::ours::Ours;
use crate::support::process::Process;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::{COMPLETE, START, net, script};

tests![
    two_behind_firewalls_meet_through_a_third,
    download_introduces_libtorrent,
    download_is_introduced_by_libtorrent,
];

const DOWNLOAD: Need = Need::Example("download");
const HOST: &str = "127.0.0.1";

/// One of the two takes no part in the exchange, as two that learn of each other at the same time would meet by
/// their first dials.
fn two_behind_firewalls_meet_through_a_third() {
    need!(DOWNLOAD, Need::Python, Need::Namespace, Need::Tunnel);
    let scene = Scene::new(Content::small_single());
    let folder = scene.room("hosts");
    let mut command = namespace();
    command.arg(PYTHON).arg(script("firewalled.py")).arg(example("download"));
    command.arg(scene.torrent()).arg(scene.seed_dir()).arg(&folder).arg("--no-pex");
    let mut hosts = Process::spawn("hosts", &command, scene.path());
    hosts.wait_for_line("DONE", COMPLETE);
    scene.assert_complete(&folder.join("leech"));
}

fn download_introduces_libtorrent() {
    need!(DOWNLOAD, Need::Python, Need::Libtorrent);
    let scene = Scene::new(Content::small_single());
    let mut relay = Ours::download_from(&scene, Source::Torrent, &scene.room("relay"), &[]);
    let relay_at = relay.address();
    let mut hidden = HiddenPeer::meet(&scene, relay_at);
    let room = scene.room("leech");
    let initiator = Libtorrent::leech(&scene, Source::Torrent, &room, HOST, &[relay_at]);
    assert_eq!(hidden.wait_introduced(), initiator.address);
}

fn download_is_introduced_by_libtorrent() {
    need!(DOWNLOAD, Need::Python, Need::Libtorrent);
    let scene = Scene::new(Content::small_single());
    let relay = Libtorrent::leech(&scene, Source::Torrent, &scene.room("relay"), HOST, &[]);
    net::wait_listening(relay.address.port(), START);
    let mut hidden = HiddenPeer::meet(&scene, relay.address);
    let mut initiator =
        Ours::download_from(&scene, Source::Torrent, &scene.room("download"), &[relay.address]);
    let address = initiator.address();
    hidden.wait_introduced();
    assert_eq!(hidden.wait_called(), address);
}
