use std::collections::HashMap;
use std::net::SocketAddr;

use super::network::{Host, Network};

/// The number of addresses of which other peers told, and of each network.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) all: usize,
    of_network: HashMap<Network, usize>,
}

/// Addresses that other peers may tell: a single one can name so many that lead nowhere, and there must be
/// room left for what trackers say.
pub(super) const MAX_EXCHANGED: usize = 2_000;

/// Those of one network: it gets fewer places at any time.
const MAX_OF_NETWORK: usize = 100;

impl Told {
    /// Returns true if one more address like this may be taken in.
    pub(super) fn has_room(&self, address: SocketAddr) -> bool {
        let of_network = self.of_network.get(&Network::of(address.ip())).copied();
        let is_here = Host::of(address.ip()).is_here();
        self.all < MAX_EXCHANGED && (is_here || of_network.unwrap_or_default() < MAX_OF_NETWORK)
    }

    pub(super) fn add(&mut self, address: SocketAddr) {
        self.all += 1;
        *self.of_network.entry(Network::of(address.ip())).or_default() += 1;
    }

    pub(super) fn remove(&mut self, address: SocketAddr) {
        self.all -= 1;
        let network = Network::of(address.ip());
        if let Some(count) = self.of_network.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.of_network.remove(&network);
            }
        }
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
