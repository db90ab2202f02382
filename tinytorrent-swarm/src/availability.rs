//! The pieces that peers have: counted for the picker, and the interest that follows.

use std::time::Instant;

use tinytorrent_types::PieceIndex;
use tinytorrent_wire::session::{Side, Verdict};

use crate::contract::LeaveReason;
use crate::download::Download;
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::piece::{Picker, Pieces};
use crate::then::Then;

/// Counts all pieces of a peer, none of which is counted.
pub(crate) fn count(
    now: Instant,
    peer: &mut Peer,
    picker: &mut Picker,
    download: &mut Download,
    out: &mut Outbox,
) -> Then {
    let Some(pieces) = peer.session.pieces(Side::Peer) else { return Then::Nothing };
    picker.add_peer(pieces, &mut peer.pipeline.search);
    peer.pipeline.interesting = picker.count_wanted(pieces);
    follow(now, peer, picker, download, out)
}

/// Takes the pieces of a peer out of the count: it is about to state all of them, or has gone.
pub(crate) fn uncount(peer: &Peer, picker: &mut Picker) {
    if let Some(pieces) = peer.pieces() {
        picker.remove_peer(pieces, &peer.pipeline.search);
    }
}

/// A peer has a piece that it did not have before.
pub(crate) fn on_have(
    now: Instant,
    peer: &mut Peer,
    picker: &mut Picker,
    download: &mut Download,
    out: &mut Outbox,
    piece: PieceIndex,
) -> Then {
    picker.peer_gained(piece, &mut peer.pipeline.search);
    peer.pipeline.interesting += u32::from(picker.wants(piece));
    download.has_room(peer);
    follow(now, peer, picker, download, out)
}

/// A peer threw a piece away (BEP 54).
pub(crate) fn on_dont_have(
    now: Instant,
    peer: &mut Peer,
    picker: Option<&mut Picker>,
    download: &mut Download,
    out: &mut Outbox,
    index: u32,
) -> Then {
    let was_seed = matches!(peer.pieces(), Some(Pieces::All { .. }));
    let verdict = peer.session.handle_dont_have(Side::Peer, index);
    // As long as the geometry is not known, the session remembers it.
    let Some(picker) = picker else { return Then::Nothing };
    if let Verdict::Ignore(_) = verdict {
        return Then::Nothing;
    }
    let Some(piece) = picker.geometry().piece(index) else { return Then::Nothing };
    picker.peer_lost(piece);
    if was_seed {
        // Whatever we want was of interest in it, and was not counted one by one.
        peer.pipeline.interesting = picker.wanted_missing();
        download.add_partial(peer);
    }
    peer.pipeline.interesting -= u32::from(picker.wants(piece));
    if let Verdict::Void(void) = verdict {
        download.release(peer, picker, &void);
    }
    follow(now, peer, picker, download, out)
}

/// Leaves a seed if we want nothing of it (W-52), and else says whether we are interested.
fn follow(
    now: Instant,
    peer: &mut Peer,
    picker: &Picker,
    download: &mut Download,
    out: &mut Outbox,
) -> Then {
    if peer.is_seed() && picker.is_finished() {
        return Then::Leave(LeaveReason::Useless);
    }
    download.update_interest(now, peer, out);
    Then::Nothing
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::{Bitfield, Geometry, InfoHashV1, InfoHashes, PeerId};
    use tinytorrent_wire::Message;

    use super::*;
    use crate::config::SwarmConfig;
    use crate::peer::testing::peer;

    struct Scene {
        now: Instant,
        peer: Peer,
        picker: Picker,
        download: Download,
        out: Outbox,
    }

    impl Scene {
        /// Four pieces, of which we have those that are marked with `#`, and a peer that says something.
        fn new(have: &str, says: Message) -> Self {
            let geometry = Geometry::new(4 << 14, 1 << 14).unwrap();
            let mut field = Bitfield::new(4);
            for piece in geometry.pieces().filter(|p| have.as_bytes()[p.as_usize()] == b'#') {
                field.insert(piece);
            }
            let now = Instant::now();
            let mut peer = peer(now, 1);
            peer.session.learn_geometry(geometry.clone()).unwrap();
            peer.session.handle_received(&says).unwrap();
            let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
            let config = SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 1);
            let picker = Picker::new(geometry, field, Bitfield::full(4), false, 1);
            let (download, out) = (Download::new(&config), Outbox::default());
            Self { now, peer, picker, download, out }
        }

        fn count(&mut self) -> Then {
            count(self.now, &mut self.peer, &mut self.picker, &mut self.download, &mut self.out)
        }

        fn have(&mut self, index: u32) -> Then {
            self.peer.session.handle_received(&Message::Have(index)).unwrap();
            let piece = self.picker.geometry().piece(index).unwrap();
            let Self { now, peer, picker, download, out } = self;
            on_have(*now, peer, picker, download, out, piece)
        }

        fn dont_have(&mut self, index: u32) -> Then {
            let Self { now, peer, picker, download, out } = self;
            on_dont_have(*now, peer, Some(picker), download, out, index)
        }

        fn said(&mut self) -> Vec<Message> {
            self.out.take_messages(self.peer.key)
        }
    }

    #[test]
    fn interest_follows_what_the_peer_has_and_we_want() {
        // W-25
        let mut scene = Scene::new("##..", Message::HaveNone);
        scene.count();
        for uninteresting in [0, 1] {
            scene.have(uninteresting);
            assert_eq!(scene.said(), []);
        }
        scene.have(2);
        assert_eq!(scene.said(), [Message::Interested]);
        scene.dont_have(2);
        assert_eq!(
            (scene.said(), scene.peer.pipeline.interesting),
            (vec![Message::NotInterested], 0)
        );
    }

    #[test]
    fn two_seeds_part_at_the_last_have() {
        // W-23, W-52
        let mut scene = Scene::new("####", Message::Bitfield(vec![0b1110_0000].into()));
        assert_eq!(scene.count(), Then::Nothing);
        assert_eq!(scene.have(3), Then::Leave(LeaveReason::Useless));
        let mut scene = Scene::new("####", Message::HaveAll);
        assert_eq!(scene.count(), Then::Leave(LeaveReason::Useless));
    }

    #[test]
    fn a_seed_that_throws_a_piece_away_is_counted_piece_by_piece() {
        // BEP 54
        let mut scene = Scene::new("....", Message::HaveAll);
        scene.count();
        assert_eq!(scene.peer.pipeline.interesting, 4);
        scene.dont_have(1);
        scene.dont_have(1);
        scene.dont_have(99);
        assert_eq!(scene.peer.pipeline.interesting, 3);
        scene.have(1);
        assert_eq!(scene.peer.pipeline.interesting, 4);
        uncount(&scene.peer, &mut scene.picker);
        scene.picker.check_invariants();
    }
}
