//! Bitfields that arrive before the number of pieces is known.

use std::collections::BTreeMap;

use tinytorrent_swarm::PeerKey;

use crate::memory::{Charge, Holder, Share};

/// The charges for bitfields that the engine keeps until it has the metadata. A peer can claim any number
/// of pieces until then.
#[derive(Debug)]
pub(super) struct EarlyBitfields {
    frames: Share,
    kept: BTreeMap<PeerKey, (Holder, Charge)>,
}

impl EarlyBitfields {
    pub(super) fn new(frames: Share) -> Self {
        Self { frames, kept: BTreeMap::new() }
    }

    /// Charges a bitfield of this many bytes. Returns the peers that have to go, as there is no memory
    /// for all: those with the longest bitfields, which may be this peer.
    pub(super) fn keep(&mut self, peer: PeerKey, bytes: usize) -> Vec<PeerKey> {
        let mut greedy = Vec::new();
        // A second bitfield takes the place of the first.
        self.remove(peer);
        let holder = self.frames.holder();
        loop {
            if let Some(charge) = holder.try_charge(bytes) {
                self.kept.insert(peer, (holder, charge));
                return greedy;
            }
            let longest = self.kept.iter().max_by_key(|(_, (holder, _))| holder.held());
            match longest.map(|(&peer, (holder, _))| (peer, holder.held())) {
                Some((other, longest)) if longest > bytes => {
                    self.kept.remove(&other);
                    greedy.push(other);
                }
                _ => {
                    greedy.push(peer);
                    return greedy;
                }
            }
        }
    }

    /// Removes a peer that is gone.
    pub(super) fn remove(&mut self, peer: PeerKey) {
        self.kept.remove(&peer);
    }

    /// Removes all, as the engine has checked them.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tinytorrent_swarm::{Swarm, SwarmConfig};
    use tinytorrent_types::{InfoHashV1, InfoHashes, PeerId};

    use super::*;

    #[test]
    fn the_longest_bitfields_make_room() {
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let now = Instant::now();
        let mut swarm = Swarm::new(now, SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 7));
        let mut peer = |n| swarm.accept(now, ([10, 0, 0, n], 1).into()).expect("a place");
        let share = Share::new(1000);
        let mut early = EarlyBitfields::new(share.clone());
        let (first, second, honest, greedy) = (peer(1), peer(2), peer(3), peer(4));
        assert_eq!(early.keep(first, 400), []);
        assert_eq!(early.keep(second, 300), []);
        assert_eq!(early.keep(honest, 160), []);
        assert_eq!(early.keep(honest, 155), [], "in place of the other");
        assert_eq!(early.keep(greedy, 600), [greedy], "nobody has a longer one");
        assert_eq!(early.keep(greedy, 160), [first], "it has the longest");
        early.remove(second);
        assert_eq!(share.held(), 315);
        early.clear();
        assert_eq!(share.held(), 0);
    }
}
