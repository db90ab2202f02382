use std::time::Duration;

use rand::SeedableRng;
use tinytorrent_types::{Geometry, InfoHashV1, InfoHashes, PeerId};

use super::*;
use crate::peer::testing::leech;

const SECOND: Duration = Duration::from_secs(1);

/// Leeches that are interested in a torrent of four pieces of which we have all.
struct Scene {
    now: Instant,
    peers: Peers,
    upload: Upload,
    out: Outbox,
}

impl Scene {
    fn new(leeches: u32, tune: impl FnOnce(&mut SwarmConfig)) -> Self {
        let now = Instant::now();
        let geometry = Geometry::new(4 << 20, 1 << 20).unwrap();
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let mut config = SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 1);
        tune(&mut config);
        let upload = Upload::new(now, &config, Xoshiro256PlusPlus::seed_from_u64(1));
        let peers = Peers::of((0..leeches).map(|slot| leech(now, slot, &geometry)));
        let mut scene = Self { now, peers, upload, out: Outbox::default() };
        scene.upload.fill_slots(now, &mut scene.peers, &mut scene.out);
        scene
    }

    fn key(&self, at: usize) -> PeerKey {
        self.peers.keys().nth(at).unwrap()
    }

    fn ask(&mut self, at: usize, begin: u32) {
        let request = Request { index: 0, begin, length: 1 << 14 };
        let key = self.key(at);
        let peer = self.peers.get_mut(key).unwrap();
        let verdict = peer.session.handle_received(&Message::Request(request)).unwrap();
        self.upload.on_request(self.now, peer, &mut self.out, request, verdict);
        self.upload.check_invariants(&self.peers);
    }

    /// Blocks that the driver is handed, by peer, since the last look.
    fn served(&mut self) -> Vec<usize> {
        let served = self.out.take_actions().into_iter().filter_map(|action| match action {
            Action::ServeBlock { peer, .. } => Some(peer.slot()),
            _ => None,
        });
        served.collect()
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.upload.poll_timeout().filter(|&at| at <= end) {
            self.now = at;
            self.upload.handle_timeout(at, &mut self.peers, &mut self.out, true);
            self.upload.check_invariants(&self.peers);
        }
        self.now = end;
    }

    fn unchoked(&self) -> Vec<usize> {
        let unchoked = self.peers.iter().filter(|peer| !peer.is_choked());
        unchoked.map(|peer| peer.key.slot()).collect()
    }
}

#[test]
fn free_slots_are_given_at_once_and_no_more_of_them() {
    let mut scene = Scene::new(3, |config| {
        config.upload_slots(2);
    });
    assert_eq!(scene.unchoked().len(), 2);
    let gone = scene.key(scene.unchoked()[0]);
    let peer = scene.peers.get_mut(gone).unwrap();
    peer.session.handle_received(&Message::NotInterested).unwrap();
    scene.upload.on_not_interested(scene.now, peer, &mut scene.out);
    scene.upload.fill_slots(scene.now, &mut scene.peers, &mut scene.out);
    assert_eq!(scene.unchoked().len(), 2);
    assert!(!scene.unchoked().contains(&gone.slot()));
}

#[test]
fn a_seed_lets_everybody_have_a_turn() {
    // S-23
    let mut scene = Scene::new(4, |config| {
        config.upload_slots(1);
    });
    let mut turns = std::collections::BTreeSet::new();
    for _ in 0..60 {
        // Each has always something to ask for.
        for at in scene.unchoked() {
            scene.ask(at, 0);
            let key = scene.key(at);
            let block = scene.peers.get(key).unwrap().session.geometry().unwrap();
            let block = block.block(0, 0, 1 << 14).unwrap();
            let peer = scene.peers.get_mut(key).unwrap();
            scene.upload.on_block_served(scene.now, peer, &mut scene.out, block, true);
        }
        turns.extend(scene.unchoked());
        scene.wait(5 * SECOND);
    }
    assert_eq!(turns.len(), 4);
}

#[test]
fn a_slot_that_is_not_used_goes_to_one_that_waits() {
    let mut scene = Scene::new(2, |config| {
        config.upload_slots(1);
    });
    let first = scene.unchoked();
    scene.wait(5 * SECOND);
    assert_ne!(scene.unchoked(), first);
}

#[test]
fn the_limit_serves_peers_in_turn() {
    // S-24
    let mut scene = Scene::new(2, |config| {
        config.upload_limit(Some(1 << 14));
    });
    for begin in 0..4 {
        scene.ask(0, begin << 14);
        scene.ask(1, begin << 14);
    }
    scene.wait(6 * SECOND);
    let served = scene.served();
    assert!((4..=7).contains(&served.len()), "{served:?}");
    let of_first = served.iter().filter(|&&slot| slot == 0).count();
    assert!(served.len().abs_diff(2 * of_first) <= 1, "{served:?}");
    scene.upload.set_limit(scene.now, &mut scene.peers, &mut scene.out, None);
    assert_eq!(served.len() + scene.served().len(), 8);
}

#[test]
fn a_peer_that_leaves_gives_its_slot_and_its_place_in_the_line_back() {
    let mut scene = Scene::new(2, |config| {
        config.upload_limit(Some(0));
    });
    scene.ask(0, 0);
    assert_eq!(scene.upload.line.len(), 1);
    let key = scene.key(0);
    let Some(crate::peers::Gone::Live(peer)) = scene.peers.remove(key) else { panic!() };
    assert!(scene.upload.forget(scene.now, &peer));
    scene.upload.check_invariants(&scene.peers);
}

#[test]
fn a_block_that_cannot_be_read_is_rejected_and_the_next_one_served() {
    // W-35
    let mut scene = Scene::new(1, |_| {});
    scene.ask(0, 0);
    scene.out.take_actions();
    let key = scene.key(0);
    let peer = scene.peers.get_mut(key).unwrap();
    let block = peer.session.geometry().unwrap().block(0, 0, 1 << 14).unwrap();
    for _ in 0..2 {
        // The second time the driver speaks of what it was not asked for.
        scene.upload.on_block_served(scene.now, peer, &mut scene.out, block, false);
    }
    assert_eq!(scene.out.take_messages(key), [Message::Reject(request_of(block))]);
    assert_eq!(scene.upload.total(), 0);
}
