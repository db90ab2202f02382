use super::Download;
use crate::PeerKey;
use crate::peer::Peer;
use crate::peers::Peers;
use crate::piece::Pieces;

/// The peers that may lack pieces: each piece that is verified concerns every one of them. Seeds it
/// does not concern, however many there are.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// Each once. Seeds are dropped at the next walk.
    keys: Vec<PeerKey>,
}

impl Partial {
    pub(super) fn add(&mut self, peer: &mut Peer) {
        if !std::mem::replace(&mut peer.pipeline.is_partial, true) {
            self.keys.push(peer.key);
        }
    }

    /// Takes a peer out that is gone. A walk may never come: nothing is verified any more, or nothing yet.
    pub(super) fn remove(&mut self, peer: &Peer) {
        if peer.pipeline.is_partial
            && let Some(at) = self.keys.iter().position(|&key| key == peer.key)
        {
            self.keys.swap_remove(at);
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
        assert!(self.keys.iter().all(|&key| peers.get(key).is_some()), "it is gone");
        for peer in peers.iter() {
            let times = self.keys.iter().filter(|&&key| key == peer.key).count();
            assert_eq!(times, usize::from(peer.pipeline.is_partial));
            let is_seed = matches!(peer.pieces(), Some(Pieces::All { .. }));
            assert!(is_seed || times == 1, "a peer would not be told of a piece");
        }
    }
}

impl Download {
    /// Takes a peer off all lists that is gone.
    pub(crate) fn leave_out(&mut self, peer: &Peer) {
        self.partial.remove(peer);
        self.refill.remove(peer);
    }

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
    fn seeds_are_dropped_at_the_next_walk_and_those_that_leave_at_once() {
        let (now, geometry) = (Instant::now(), Geometry::new(4, 1).unwrap());
        let peers = [seed(now, 0, &geometry), leech(now, 1, &geometry), leech(now, 2, &geometry)];
        let (mut peers, mut partial) = (Peers::of(peers), Partial::default());
        for _ in 0..2 {
            peers.iter_mut().for_each(|peer| partial.add(peer));
        }
        partial.check_invariants(&peers);
        let gone = peers.keys().last().unwrap();
        partial.remove(peers.get(gone).unwrap());
        peers.remove(gone);
        partial.check_invariants(&peers);
        let mut walked = Vec::new();
        partial.for_each(&mut peers, |peer| walked.push(peer.key.slot()));
        assert_eq!((walked, partial.keys.len()), (vec![1], 1));
        partial.check_invariants(&peers);
    }
}
