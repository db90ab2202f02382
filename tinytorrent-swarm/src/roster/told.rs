use std::net::SocketAddr;

use tinytorrent_types::{Crowd, Host};

/// The addresses of which other peers told, counted.
#[derive(Debug, Default)]
pub(super) struct Told {
    crowd: Crowd,
}

/// Addresses that other peers may tell: a single one can name so many that lead nowhere, and there must be
/// room left for what trackers say.
pub(super) const MAX_EXCHANGED: usize = 2_000;

/// Those of one network: it gets fewer places at any time.
const MAX_OF_NETWORK: usize = 100;

impl Told {
    /// Returns true if one more address like this may be taken in.
    pub(super) fn has_room(&self, address: SocketAddr) -> bool {
        let ip = address.ip();
        let is_here = Host::of(ip).is_loopback();
        let is_modest = is_here || self.crowd.share(ip).network < MAX_OF_NETWORK;
        self.len() < MAX_EXCHANGED && is_modest
    }

    pub(super) fn len(&self) -> usize {
        self.crowd.len()
    }

    pub(super) fn add(&mut self, address: SocketAddr) {
        self.crowd.add(address.ip());
    }

    pub(super) fn remove(&mut self, address: SocketAddr) {
        self.crowd.remove(address.ip());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_takes_no_more_than_its_room() {
        let mut told = Told::default();
        let address = |port| SocketAddr::from(([20, 1, 1, port as u8], port));
        let taken = (1..1_000).filter(|&port| {
            let has_room = told.has_room(address(port));
            if has_room {
                told.add(address(port));
            }
            has_room
        });
        assert_eq!(taken.count(), MAX_OF_NETWORK);
        assert!(told.has_room(SocketAddr::from(([20, 1, 2, 1], 1))));
        told.remove(address(1));
        assert!(told.has_room(address(1)));
    }
}
