//! Messages of peers that have to read the answers to earlier ones first.

use std::collections::{BTreeMap, VecDeque};

use tinytorrent_swarm::PeerKey;
use tinytorrent_wire::Frames;

/// Received frames that wait, in order. Their connections are not read meanwhile, so that each peer has
/// those of a few reads at most.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    peers: BTreeMap<PeerKey, VecDeque<Frames>>,
}

impl Backlog {
    /// Returns `true` if frames of the peer wait, so that later ones have to wait as well.
    pub(super) fn has(&self, peer: PeerKey) -> bool {
        self.peers.contains_key(&peer)
    }

    /// Adds frames behind the others of the peer.
    pub(super) fn push(&mut self, peer: PeerKey, frames: Frames) {
        self.peers.entry(peer).or_default().push_back(frames);
    }

    /// Removes and returns the frames of a peer.
    pub(super) fn take(&mut self, peer: PeerKey) -> VecDeque<Frames> {
        self.peers.remove(&peer).unwrap_or_default()
    }

    /// The peers with frames.
    pub(super) fn peers(&self) -> Vec<PeerKey> {
        self.peers.keys().copied().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use tinytorrent_wire::{Decoder, Message};

    use super::super::testing::engine;
    use super::*;

    fn frames(message: &Message) -> Frames {
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes);
        Decoder::new().split_frames(&mut bytes)
    }

    #[test]
    fn frames_wait_in_order_until_they_are_taken() {
        let (mut backlog, (peer, _)) = (Backlog::default(), engine());
        assert!(!backlog.has(peer) && backlog.is_empty());
        let messages = [Message::Have(1), Message::Have(2)];
        messages.iter().for_each(|message| backlog.push(peer, frames(message)));
        assert!(backlog.has(peer) && backlog.peers() == [peer]);
        let taken: Vec<_> = backlog.take(peer).into_iter().flatten().map(Result::unwrap).collect();
        assert_eq!(taken, messages);
        assert!(backlog.is_empty());
    }
}
