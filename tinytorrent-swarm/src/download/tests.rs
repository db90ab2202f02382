use std::time::Duration;

use tinytorrent_types::{Bitfield, BlockDigest, Geometry, InfoHashV1, InfoHashes, PeerId};
use tinytorrent_wire::session::Verdict;

use super::*;
use crate::availability;
use crate::contract::Event;
use crate::peer::testing::seed;

const BLOCK: u64 = BLOCK_LENGTH as u64;

/// Seeds of a torrent of eight pieces of four blocks, of which we have none.
struct Scene {
    now: Instant,
    peers: Peers,
    picker: Picker,
    download: Download,
    out: Outbox,
}

impl Scene {
    fn new(seeds: u32, tune: impl FnOnce(&mut SwarmConfig)) -> Self {
        let now = Instant::now();
        let geometry = Geometry::new(8 << 16, 1 << 16).unwrap();
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let mut config = SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 1);
        tune(&mut config);
        let count = geometry.piece_count();
        let peers = Peers::of((0..seeds).map(|slot| seed(now, slot, &geometry)));
        let (have, wanted) = (Bitfield::new(count), Bitfield::full(count));
        let picker = Picker::new(geometry, have, wanted, false, 1);
        let (download, out) = (Download::new(&config), Outbox::default());
        let mut scene = Self { now, peers, picker, download, out };
        for peer in scene.peers.iter_mut() {
            let (picker, download) = (&mut scene.picker, &mut scene.download);
            availability::count(now, peer, picker, download, &mut scene.out);
            scene.download.has_room(peer);
        }
        scene
    }

    fn key(&self, at: usize) -> PeerKey {
        self.peers.keys().nth(at).unwrap()
    }

    /// Fills all pipelines. Gives the messages that go out.
    fn refill(&mut self) -> Vec<(PeerKey, Message)> {
        let Self { now, peers, picker, download, out } = self;
        download.refill(*now, peers, picker, out);
        download.check_invariants(peers, picker);
        let sent = out.take_actions().into_iter().filter_map(|action| match action {
            crate::contract::Action::Send { peer, message } => Some((peer, message)),
            _ => None,
        });
        sent.collect()
    }

    fn requested(&self, at: usize) -> Vec<BlockInfo> {
        self.peers.get(self.key(at)).unwrap().requested().collect()
    }

    fn block(&mut self, at: usize, block: BlockInfo) -> Received {
        let key = self.key(at);
        let Self { now, peers, picker, download, out } = self;
        let peer = peers.get_mut(key).unwrap();
        let verdict = peer.session.handle_received_block(request_of(block).into());
        assert_eq!(verdict, Ok(Verdict::Legal));
        let received = download.on_block(*now, peer, picker, block);
        if let Some(other) = received.other.and_then(|other| peers.get_mut(other)) {
            download.take_back(*now, other, out, block);
        }
        received
    }

    /// Takes the first piece that was asked of a peer.
    fn first_piece(&mut self, at: usize) -> (PieceIndex, Received) {
        let piece = self.requested(at)[0].piece();
        let blocks: Vec<_> = self.picker.geometry().blocks(piece).collect();
        let mut received = blocks.into_iter().map(|block| self.block(at, block));
        let last = received.by_ref().last().unwrap();
        (piece, last)
    }
}

#[test]
fn the_last_block_of_a_piece_comes_with_the_wish_to_verify_it() {
    let mut scene = Scene::new(1, |_| {});
    assert_eq!(scene.refill().len(), 16, "as many as the first window holds");
    let first = scene.requested(0)[0];
    let (piece, last) = scene.first_piece(0);
    let last_block = scene.picker.geometry().blocks(piece).last().unwrap();
    assert_eq!(last.verdict, BlockVerdict::StoreLast { block: last_block, digests: false });
    assert_eq!(first.piece(), piece);
}

#[test]
fn no_more_is_asked_for_than_may_wait_for_the_disk() {
    let mut scene = Scene::new(1, |config| {
        config.store_budget(4 * BLOCK);
    });
    scene.refill();
    scene.first_piece(0);
    assert_eq!(scene.refill(), []);
    scene.download.on_written(BLOCK);
    assert!(!scene.refill().is_empty());
}

#[test]
fn a_verified_piece_is_told_once_and_ends_interest_at_the_last() {
    let mut scene = Scene::new(1, |_| {});
    for left in (0..8).rev() {
        scene.refill();
        let (piece, _) = scene.first_piece(0);
        let Scene { now, peers, picker, download, out } = &mut scene;
        let verified = download.on_verified(*now, peers, picker, out, piece, &[]);
        assert_eq!(verified, Some(vec![]));
        assert_eq!(out.poll_event(), Some(Event::PieceCompleted { piece }));
        assert_eq!(download.on_verified(*now, peers, picker, out, piece, &[]), None, "once");
        let key = peers.keys().next().unwrap();
        let said = out.take_messages(key);
        assert_eq!(said.contains(&Message::NotInterested), left == 0);
    }
}

#[test]
fn a_choke_without_the_fast_extension_frees_what_was_asked() {
    // W-32
    let mut scene = Scene::new(2, |_| {});
    scene.refill();
    let owed = scene.requested(0);
    let key = scene.key(0);
    let void: Vec<_> = owed.iter().copied().map(request_of).collect();
    let peer = scene.peers.get_mut(key).unwrap();
    void.iter().for_each(|request| {
        // As the rulebook does it at such a choke.
        peer.session.handle_sent(&Message::Cancel(*request)).unwrap();
    });
    peer.session.handle_received(&Message::Choke).unwrap();
    scene.download.release(peer, &mut scene.picker, &void);
    scene.refill();
    assert_eq!(scene.requested(0), []);
    assert!(owed.iter().all(|block| !scene.picker.is_requested(key, *block)));
}

#[test]
fn a_peer_that_rejects_rests_and_another_is_asked() {
    let mut scene = Scene::new(2, |_| {});
    scene.refill();
    let block = scene.requested(0)[0];
    let key = scene.key(0);
    let peer = scene.peers.get_mut(key).unwrap();
    let reject = request_of(block);
    peer.session.handle_received(&Message::Reject(reject)).unwrap();
    let (now, picker, out) = (scene.now, &mut scene.picker, &mut scene.out);
    scene.download.on_reject(now, peer, picker, out, reject);
    assert!(peer.pipeline.credit.is_resting(now));
    let before = scene.requested(0).len();
    scene.refill();
    assert_eq!(scene.requested(0).len(), before, "it is not asked while it rests");
    assert!(out_of(&scene.peers, key) || scene.picker.is_requested(scene.key(1), block));
}

/// Returns true if the other peer has no room for more.
fn out_of(peers: &Peers, but: PeerKey) -> bool {
    peers.iter().filter(|peer| peer.key != but).all(|peer| peer.requested_count() >= 16)
}

#[test]
fn a_snub_cancels_what_is_owed_and_leaves_one_request() {
    // S-07
    let mut scene = Scene::new(1, |_| {});
    scene.refill();
    let owed = scene.requested(0).len();
    scene.now += Duration::from_secs(30);
    let key = scene.key(0);
    let peer = scene.peers.get_mut(key).unwrap();
    assert!(!peer.pipeline.note_snub());
    let (now, picker, out) = (scene.now, &mut scene.picker, &mut scene.out);
    scene.download.on_snub(now, peer, picker, out);
    let cancels = out.take_messages(key);
    assert_eq!(cancels.len(), owed);
    assert!(cancels.iter().all(|message| matches!(message, Message::Cancel(_))));
    scene.now += Duration::from_secs(2);
    let peer = scene.peers.get_mut(key).unwrap();
    scene.download.end_rest(scene.now, peer);
    scene.refill();
    assert_eq!(scene.requested(0).len(), 1, "it may show that it is back");
}

#[test]
fn the_end_game_takes_over_what_a_silent_peer_owes() {
    let mut scene = Scene::new(2, |_| {});
    scene.refill();
    // The quick one has sent all that it was asked for, until nothing is left but what the other owes.
    while !scene.requested(0).is_empty() {
        scene.now += Duration::from_millis(50);
        for block in scene.requested(0) {
            if let BlockVerdict::StoreLast { block, .. } = scene.block(0, block).verdict {
                let Scene { now, peers, picker, download, out } = &mut scene;
                download.on_verified(*now, peers, picker, out, block.piece(), &[]);
            }
        }
        scene.refill();
        let until = scene.download.poll_timeout();
        if let Some(at) = until.filter(|_| scene.requested(0).is_empty()) {
            scene.now = at;
            scene.download.handle_timeout(at);
            scene.refill();
        }
    }
    assert!(scene.picker.is_finished());
    assert_eq!(scene.requested(1), [], "each was cancelled");
}

#[test]
fn a_piece_that_fails_is_asked_of_one_peer() {
    let mut scene = Scene::new(2, |_| {});
    scene.refill();
    let (piece, _) = scene.first_piece(0);
    let Scene { peers, picker, download, out, .. } = &mut scene;
    let guilty =
        download.on_failed(peers, picker, out, piece, &[BlockDigest::from_bytes([9; 20]); 4]);
    assert_eq!(guilty, [scene.key(0)], "it sent all of it");
    assert_eq!(scene.out.poll_event(), Some(Event::PieceFailed { piece }));
    assert_eq!((scene.download.hash_failures(), scene.download.wasted()), (1, 4 * BLOCK));
}

#[test]
fn a_limit_of_zero_leaves_nothing_due() {
    // S-24: the driver would wake up without end.
    let mut scene = Scene::new(3, |_| {});
    scene.refill();
    scene.download.set_limit(Some(0));
    scene.refill();
    let due = scene.download.poll_timeout().expect("the end game looks again");
    scene.download.handle_timeout(due);
    assert_eq!(scene.download.poll_timeout(), None);
    scene.now = due;
    scene.refill();
    scene.download.handle_timeout(due + Duration::from_secs(60));
    assert!(
        scene.download.refill.is_empty(),
        "nobody is asked as long as nothing may be asked for"
    );
}

#[test]
fn what_is_rejected_is_left_for_others_to_be_asked_for() {
    // S-24
    let mut scene = Scene::new(2, |config| _ = config.download_limit(Some(BLOCK)));
    scene.refill();
    scene.now += Duration::from_secs(1);
    scene.download.handle_timeout(scene.now);
    scene.refill();
    let asked: Vec<_> = (0..2).filter(|&at| !scene.requested(at).is_empty()).collect();
    let [one] = asked[..] else { panic!("a block a second: {asked:?}") };
    let request = request_of(scene.requested(one)[0]);
    let key = scene.key(one);
    let Scene { now, peers, picker, download, out } = &mut scene;
    let peer = peers.get_mut(key).unwrap();
    peer.session.handle_received(&Message::Reject(request)).unwrap();
    download.on_reject(*now, peer, picker, out, request);
    scene.refill();
    assert_eq!(scene.requested(1 - one).len(), 1, "it was paid for");
}
