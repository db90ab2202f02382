use super::Download;
use crate::PeerKey;
use crate::peer::Peer;
use crate::peers::Peers;
use crate::piece::Pieces;

/// The peers that may lack pieces: each piece that is verified concerns every one of them. Seeds it
/// does not concern, however many there are.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// Each once. Seeds and peers that are gone are dropped at the next walk.
    keys: Vec<PeerKey>,
}

impl Partial {
    pub(super) fn add(&mut self, peer: &mut Peer) {
        if !std::mem::replace(&mut peer.pipeline.is_partial, true) {
            self.keys.push(peer.key);
        }
    }

    /// Does something for each of them.
    pub(super) fn for_each(&mut self, peers: &mut Peers, mut act: impl FnMut(&mut Peer)) {
        self.keys.retain(|&key| {
            let Some(peer) = peers.get_mut(key) else { return false };
            peer.pipeline.is_partial = !matches!(peer.pieces(), Some(Pieces::All { .. }));
            if peer.pipeline.is_partial {
                act(peer);
            }
            peer.pipeline.is_partial
        });
    }

    pub(super) fn check_invariants(&self, peers: &Peers) {
        for peer in peers.iter() {
            let times = self.keys.iter().filter(|&&key| key == peer.key).count();
            assert_eq!(times, usize::from(peer.pipeline.is_partial));
            let is_seed = matches!(peer.pieces(), Some(Pieces::All { .. }));
            assert!(is_seed || times == 1, "a peer would not be told of a piece");
        }
    }
}

impl Download {
    /// Notes a peer that may lack pieces: one that came, or a seed that threw a piece away.
    pub(crate) fn add_partial(&mut self, peer: &mut Peer) {
        self.partial.add(peer);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tinytorrent_types::Geometry;

    use super::*;
    use crate::peer::testing::{leech, seed};

    #[test]
    fn seeds_and_those_that_left_are_dropped_at_the_next_walk() {
        let (now, geometry) = (Instant::now(), Geometry::new(4, 1).unwrap());
        let peers = [seed(now, 0, &geometry), leech(now, 1, &geometry), leech(now, 2, &geometry)];
        let (mut peers, mut partial) = (Peers::of(peers), Partial::default());
        for _ in 0..2 {
            peers.iter_mut().for_each(|peer| partial.add(peer));
        }
        partial.check_invariants(&peers);
        let gone = peers.keys().last().unwrap();
        peers.remove(gone);
        let mut walked = Vec::new();
        partial.for_each(&mut peers, |peer| walked.push(peer.key.slot()));
        assert_eq!((walked, partial.keys.len()), (vec![1], 1));
        partial.check_invariants(&peers);
    }
}
