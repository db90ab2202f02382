use std::collections::VecDeque;
use std::net::SocketAddr;

use tinytorrent_types::PeerId;

use crate::PeerKey;

/// Peers that left lately: what they sent can still be held against them.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    peers: VecDeque<(PeerKey, SocketAddr, PeerId)>,
}

/// Peers to remember. A piece is verified long before so many have come and gone.
const MAX_DEPARTED: usize = 1_000;

impl Departed {
    pub(crate) fn add(&mut self, key: PeerKey, address: SocketAddr, id: PeerId) {
        // The oldest: what it sent has long been verified.
        if self.peers.len() == MAX_DEPARTED {
            self.peers.pop_front();
        }
        self.peers.push_back((key, address, id));
    }

    pub(crate) fn find(&self, key: PeerKey) -> Option<(SocketAddr, PeerId)> {
        let found = self.peers.iter().find(|(departed, ..)| *departed == key);
        found.map(|&(_, address, id)| (address, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_remembered() {
        let mut departed = Departed::default();
        let address = |n: u32| SocketAddr::from((n.to_be_bytes(), 1));
        for n in 0..=MAX_DEPARTED as u32 {
            departed.add(PeerKey::new(0, n), address(n), PeerId::from_bytes([1; 20]));
        }
        assert!(departed.find(PeerKey::new(0, 0)).is_none());
        let last = departed.find(PeerKey::new(0, MAX_DEPARTED as u32)).map(|(address, _)| address);
        assert_eq!(last, Some(address(MAX_DEPARTED as u32)));
    }
}
