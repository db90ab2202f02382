use alloc::collections::VecDeque;
use core::net::IpAddr;

use crate::{AddressScope, Network};

/// A vote of peers on our address on the public internet.
///
/// Peers report our address in `yourip` of the extended handshake (BEP 10), DHT nodes in `ip` (BEP
/// 42), and any report may be false. An address is agreed upon once at least
/// [`QUORUM`](Self::QUORUM) networks report it, and more than half of the last
/// [`KEPT`](Self::KEPT). A [`Network`] has one vote, which is the last report of all its hosts.
///
/// ```
/// use tinytorrent_types::AddressVotes;
///
/// let mut votes = AddressVotes::new();
/// let ours = "8.8.4.4".parse()?;
/// assert_eq!(votes.vote("1.2.3.4".parse()?, ours), None);
/// assert_eq!(votes.vote("2.2.3.4".parse()?, ours), None);
/// assert_eq!(votes.vote("3.2.3.4".parse()?, ours), Some(ours));
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct AddressVotes {
    ipv4: Poll,
    ipv6: Poll,
}

impl AddressVotes {
    /// The number of networks that must report an address. A guess: three networks rarely belong to
    /// one attacker, and a small swarm has as many.
    pub const QUORUM: usize = 3;

    /// The number of networks whose votes are kept for each family, the latest ones. A guess: a new
    /// address wins once more than half of them report it.
    pub const KEPT: usize = 32;

    /// A vote without reports.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts the report of `voter` that our address is `address`. Returns the agreed address when
    /// it changes.
    ///
    /// Reports of or from addresses that are not public are ignored, and so are reports of an
    /// address of the other family.
    pub fn vote(&mut self, voter: IpAddr, address: IpAddr) -> Option<IpAddr> {
        let (voter, address) = (voter.to_canonical(), address.to_canonical());
        // A host of the local network sees our private address.
        if !is_public(address) || !is_public(voter) || voter.is_ipv4() != address.is_ipv4() {
            return None;
        }
        self.poll_of(address).vote(Voter::Network(Network::of(voter)), address)
    }

    /// Counts the report of a tracker (`external ip`, BEP 24). The trackers of a torrent were chosen by its
    /// maker, so that all of them have one vote. Returns the agreed address when it changes.
    pub fn vote_of_trackers(&mut self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        // A tracker of the local network sees our private address.
        is_public(address).then_some(())?;
        self.poll_of(address).vote(Voter::Trackers, address)
    }

    fn poll_of(&mut self, address: IpAddr) -> &mut Poll {
        if address.is_ipv4() { &mut self.ipv4 } else { &mut self.ipv6 }
    }

    /// Our IPv4 address, once it is agreed upon.
    pub fn ipv4(&self) -> Option<IpAddr> {
        self.ipv4.agreed
    }

    /// Our IPv6 address, once it is agreed upon.
    pub fn ipv6(&self) -> Option<IpAddr> {
        self.ipv6.agreed
    }
}

/// The vote on our address of one family.
#[derive(Debug, Clone, Default)]
struct Poll {
    /// Voters and the addresses that they report, the latest last.
    votes: VecDeque<(Voter, IpAddr)>,
    agreed: Option<IpAddr>,
}

impl Poll {
    fn vote(&mut self, voter: Voter, address: IpAddr) -> Option<IpAddr> {
        // The new vote replaces the old one, and becomes the latest.
        self.votes.retain(|(other, _)| *other != voter);
        if self.votes.len() == AddressVotes::KEPT {
            self.votes.pop_front();
        }
        self.votes.push_back((voter, address));
        // The counts of all other addresses are the same or lower than before.
        let count = self.votes.iter().filter(|(_, reported)| *reported == address).count();
        let wins = count >= AddressVotes::QUORUM && 2 * count > self.votes.len();
        if !wins || self.agreed == Some(address) {
            return None;
        }
        self.agreed = Some(address);
        self.agreed
    }
}

/// Those who have one vote together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voter {
    Network(Network),
    Trackers,
}

fn is_public(address: IpAddr) -> bool {
    AddressScope::of(address).is_public()
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};
    use std::vec::Vec;

    use super::*;

    const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 4, 4));
    const FALSE: IpAddr = IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9));

    /// A host of another network for each number.
    fn voter(n: u8) -> IpAddr {
        Ipv4Addr::new(20, 1, n, 7).into()
    }

    /// X-09: the address is a vote, and one peer alone is not believed.
    #[test]
    fn one_peer_alone_is_not_believed() {
        let mut votes = AddressVotes::new();
        for host in 0..100 {
            assert_eq!(votes.vote(Ipv4Addr::new(20, 1, 1, host).into(), FALSE), None);
        }
        assert_eq!(votes.ipv4(), None);
    }

    /// X-09: the address counts once three networks report it, and is returned once.
    #[test]
    fn an_address_counts_when_three_networks_name_it() {
        let mut votes = AddressVotes::new();
        let told: Vec<_> = (1..=9).filter_map(|n| votes.vote(voter(n), OURS)).collect();
        assert_eq!(told, [OURS]);
        assert_eq!(votes.ipv4(), Some(OURS));
        assert_eq!(votes.ipv6(), None);
    }

    /// BEP 24.
    #[test]
    fn trackers_have_one_vote() {
        let mut votes = AddressVotes::new();
        for _ in 0..9 {
            assert_eq!(votes.vote_of_trackers(FALSE), None);
        }
        assert_eq!(votes.vote(voter(1), FALSE), None);
        assert_eq!(votes.vote(voter(2), FALSE), Some(FALSE));
        assert_eq!(votes.vote_of_trackers(Ipv4Addr::new(192, 168, 1, 2).into()), None);
    }

    /// X-09: more than half of the networks have to report another address.
    #[test]
    fn a_minority_of_liars_does_not_move_it() {
        let mut votes = AddressVotes::new();
        for n in 1..=10 {
            votes.vote(voter(n), OURS);
        }
        for n in 11..=20 {
            assert_eq!(votes.vote(voter(n), FALSE), None);
        }
        assert_eq!(votes.ipv4(), Some(OURS));
    }

    #[test]
    fn an_address_that_changed_is_believed_in_time() {
        let mut votes = AddressVotes::new();
        for n in 1..=200 {
            votes.vote(voter(n), OURS);
        }
        let told: Vec<_> = (1..=200).filter_map(|n| votes.vote(voter(n), FALSE)).collect();
        assert_eq!(told, [FALSE]);
    }

    #[test]
    fn neighbours_do_not_know_our_public_address() {
        let mut votes = AddressVotes::new();
        for n in 1..=9 {
            let neighbour = Ipv4Addr::new(10, 0, n, 1).into();
            assert_eq!(votes.vote(neighbour, OURS), None);
            assert_eq!(votes.vote(voter(n), Ipv4Addr::new(192, 168, 1, 2).into()), None);
            assert_eq!(votes.vote(voter(n), Ipv4Addr::UNSPECIFIED.into()), None);
            assert_eq!(votes.vote(voter(n), Ipv6Addr::from_bits(0x2606 << 112).into()), None);
        }
    }

    #[test]
    fn families_are_counted_apart_and_mapped_addresses_as_ipv4() {
        let mut votes = AddressVotes::new();
        let six = IpAddr::V6(Ipv6Addr::from_bits((0x2606_4700 << 96) | 1));
        for n in 1..=3_u8 {
            let IpAddr::V4(four) = voter(n) else { unreachable!("voters are of IPv4") };
            votes.vote(four.to_ipv6_mapped().into(), OURS);
            let network = (0x2606_0000_u128 | u128::from(n)) << 96;
            votes.vote(Ipv6Addr::from_bits(network).into(), six);
        }
        assert_eq!((votes.ipv4(), votes.ipv6()), (Some(OURS), Some(six)));
    }
}
