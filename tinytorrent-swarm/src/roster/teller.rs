use std::net::IpAddr;

use tinytorrent_types::AddressScope;

use crate::contract::PeerSource;

/// The source of addresses, as far as it decides which of them are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Teller {
    pub(crate) source: PeerSource,
    /// True if it may know hosts of our own network.
    knows_neighbours: bool,
}

impl Teller {
    /// A peer at this address, which tells of others (BEP 11).
    pub(crate) fn peer(address: IpAddr) -> Self {
        let knows_neighbours = AddressScope::of(address).is_local();
        Self { source: PeerSource::Exchange, knows_neighbours }
    }

    /// Returns true if this teller may tell of any peer. BEP 27: no peer of a private torrent but by its
    /// trackers.
    pub(super) fn is_heard(self, is_private: bool) -> bool {
        !(is_private && is_hearsay(self.source))
    }

    /// Returns true if this teller can have the address from somebody who was there. Whoever is on the
    /// internet knows nobody in our house, and is not to send us to doors there.
    pub(super) fn may_know(self, address: IpAddr) -> bool {
        self.knows_neighbours || !AddressScope::of(address).is_local()
    }
}

impl From<PeerSource> for Teller {
    fn from(source: PeerSource) -> Self {
        match source {
            PeerSource::User | PeerSource::Incoming | PeerSource::Lsd => {
                Self { source, knows_neighbours: true }
            }
            PeerSource::LocalTracker => {
                Self { source: PeerSource::Tracker, knows_neighbours: true }
            }
            PeerSource::LocalDht => Self { source: PeerSource::Dht, knows_neighbours: true },
            // A link comes from the same strangers as a torrent does.
            PeerSource::Tracker | PeerSource::Exchange | PeerSource::Dht | PeerSource::Magnet => {
                Self { source, knows_neighbours: false }
            }
        }
    }
}

/// Returns true for sources that have no part in a private torrent: other peers, the DHT, the local network, and the
/// link.
pub(super) fn is_hearsay(source: PeerSource) -> bool {
    matches!(
        source,
        PeerSource::Exchange
            | PeerSource::Dht
            | PeerSource::LocalDht
            | PeerSource::Lsd
            | PeerSource::Magnet
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: [PeerSource; 9] = [
        PeerSource::User,
        PeerSource::Incoming,
        PeerSource::LocalTracker,
        PeerSource::Tracker,
        PeerSource::Exchange,
        PeerSource::Dht,
        PeerSource::Magnet,
        PeerSource::LocalDht,
        PeerSource::Lsd,
    ];

    #[test]
    fn only_neighbours_and_the_user_know_local_addresses() {
        // U-25, G-18
        let local = [
            "127.0.0.1",
            "::1",
            "10.0.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
        ];
        for address in local.map(|text| text.parse().unwrap()) {
            let may_know = |source: PeerSource| Teller::from(source).may_know(address);
            let due = [true, true, true, false, false, false, false, true, true];
            assert_eq!(SOURCES.map(may_know), due);
            assert!(!Teller::peer([20, 0, 0, 1].into()).may_know(address));
            assert!(Teller::peer([192, 168, 0, 2].into()).may_know(address));
        }
    }

    #[test]
    fn whoever_tells_may_know_hosts_of_the_internet() {
        for address in ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8"] {
            let address: IpAddr = address.parse().unwrap();
            assert!(SOURCES.iter().all(|&source| Teller::from(source).may_know(address)));
        }
    }

    #[test]
    fn a_tracker_is_one_source_wherever_it_is() {
        assert_eq!(Teller::from(PeerSource::LocalTracker).source, PeerSource::Tracker);
        assert_eq!(PeerSource::of_tracker(Some([10, 0, 0, 1].into())), PeerSource::LocalTracker);
        assert_eq!(PeerSource::of_tracker(Some([20, 0, 0, 1].into())), PeerSource::Tracker);
        assert_eq!(PeerSource::of_tracker(None), PeerSource::Tracker);
    }

    #[test]
    fn the_dht_is_one_source_wherever_its_nodes_are() {
        // D-38
        let (local, public) = ([10, 0, 0, 1].into(), [20, 0, 0, 1].into());
        assert_eq!(PeerSource::of_dht_node(local), PeerSource::LocalDht);
        assert_eq!(PeerSource::of_dht_node(public), PeerSource::Dht);
        let teller = Teller::from(PeerSource::LocalDht);
        assert_eq!(teller.source, PeerSource::Dht);
        assert!(!teller.is_heard(true) && teller.is_heard(false));
    }
}
