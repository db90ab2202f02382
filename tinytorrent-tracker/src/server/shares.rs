use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;

use tinytorrent_types::{Host, Network};

/// Things of which there is a limited number, by the host that holds each. When they run out, the
/// greediest network gives one back, and in it the greediest host.
///
/// The order of the items is that of their age. Each operation takes logarithmic time.
#[derive(Debug)]
pub(super) struct Shares<K> {
    networks: Ranking<Network>,
    hosts: HashMap<Network, Ranking<Host>>,
    items: HashMap<Host, BTreeSet<K>>,
}

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Self { networks: Ranking::default(), hosts: HashMap::new(), items: HashMap::new() }
    }
}

impl<K: Ord> Shares<K> {
    /// Adds an item that is not there.
    pub(super) fn add(&mut self, ip: IpAddr, item: K) {
        let (network, host) = (Network::of(ip), Host::of(ip));
        self.items.entry(host).or_default().insert(item);
        self.hosts.entry(network).or_default().change(host, 1);
        self.networks.change(network, 1);
    }

    /// Removes an item, if it is there.
    pub(super) fn remove(&mut self, ip: IpAddr, item: &K) {
        let (network, host) = (Network::of(ip), Host::of(ip));
        let Some(items) = self.items.get_mut(&host) else { return };
        if !items.remove(item) {
            return;
        }
        if items.is_empty() {
            self.items.remove(&host);
        }
        self.networks.change(network, -1);
        if let Some(hosts) = self.hosts.get_mut(&network) {
            hosts.change(host, -1);
            if hosts.greatest().is_none() {
                self.hosts.remove(&network);
            }
        }
    }

    /// The number of items of the network around this address.
    pub(super) fn count(&self, ip: IpAddr) -> usize {
        self.networks.count(&Network::of(ip))
    }

    /// The number of items of the greediest network.
    pub(super) fn greediest_count(&self) -> usize {
        self.networks.greatest().map_or(0, |network| self.networks.count(network))
    }

    /// The items of the greediest host in the greediest network, the oldest first. Of equals the
    /// one whose number has stood for longest counts.
    pub(super) fn greediest(&self) -> impl Iterator<Item = &K> {
        let network = self.networks.greatest();
        let host = network.and_then(|network| self.hosts.get(network)?.greatest());
        host.and_then(|host| self.items.get(host)).into_iter().flatten()
    }

    /// True if a newcomer from this address may take an item of the greediest: that is itself, or
    /// one that has more than one.
    pub(super) fn may_displace(&self, ip: IpAddr) -> bool {
        let greatest = self.networks.greatest();
        greatest
            .is_some_and(|network| *network == Network::of(ip) || self.networks.count(network) > 1)
    }

    pub(super) fn check_invariants(&self) {
        let items: usize = self.items.values().map(BTreeSet::len).sum();
        let hosts = self.hosts.values().flat_map(|hosts| hosts.counts.values());
        let hosts: usize = hosts.map(|(count, _)| *count).sum();
        let networks: usize = self.networks.counts.values().map(|(count, _)| *count).sum();
        assert_eq!((items, items), (hosts, networks));
    }
}

/// Numbers by key, in the order of their size.
#[derive(Debug)]
struct Ranking<T> {
    counts: HashMap<T, (usize, u64)>,
    order: BTreeSet<(usize, Reverse<u64>, T)>,
    changes: u64,
}

impl<T> Default for Ranking<T> {
    fn default() -> Self {
        Self { counts: HashMap::new(), order: BTreeSet::new(), changes: 0 }
    }
}

impl<T: Copy + Ord + Hash> Ranking<T> {
    fn count(&self, key: &T) -> usize {
        self.counts.get(key).map_or(0, |(count, _)| *count)
    }

    fn change(&mut self, key: T, by: isize) {
        self.changes += 1;
        let (count, changed) = self.counts.get(&key).copied().unwrap_or_default();
        self.order.remove(&(count, Reverse(changed), key));
        match count.saturating_add_signed(by) {
            0 => _ = self.counts.remove(&key),
            count => {
                self.counts.insert(key, (count, self.changes));
                self.order.insert((count, Reverse(self.changes), key));
            }
        }
    }

    /// The key with the largest number.
    fn greatest(&self) -> Option<&T> {
        self.order.last().map(|(_, _, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(network: u8, host: u8) -> IpAddr {
        [192, 0, network, host].into()
    }

    #[test]
    fn the_oldest_of_the_greediest_host_in_the_greediest_network_goes_first() {
        let mut shares = Shares::default();
        for (item, (network, host)) in
            [(1, 1), (1, 2), (2, 1), (2, 1), (1, 2), (3, 1), (1, 2)].into_iter().enumerate()
        {
            shares.add(ip(network, host), item);
        }
        assert_eq!(shares.greediest().collect::<Vec<_>>(), [&1, &4, &6]);
        assert!(shares.may_displace(ip(9, 9)) && shares.may_displace(ip(1, 1)));
        shares.remove(ip(1, 2), &1);
        shares.remove(ip(1, 2), &4);
        assert_eq!(shares.greediest().next(), Some(&2), "a network of two, for longest");
    }

    #[test]
    fn nobody_gives_back_its_only_item() {
        let mut shares = Shares::default();
        shares.add(ip(1, 1), 1);
        shares.add(ip(2, 1), 2);
        assert!(!shares.may_displace(ip(3, 1)));
        assert!(shares.may_displace(ip(1, 7)), "its own network has it");
    }

    proptest! {
        /// Counting anew is the specification.
        #[test]
        fn the_greediest_is_that_of_a_count(steps in prop::collection::vec((0u8..3, 0u8..3, 0u8..8), 0..80)) {
            let (mut shares, mut all) = (Shares::default(), Vec::new());
            for (network, host, item) in steps {
                let entry = (ip(network, host), item);
                if let Some(at) = all.iter().position(|known| *known == entry) {
                    all.remove(at);
                    shares.remove(entry.0, &item);
                } else {
                    all.push(entry);
                    shares.add(entry.0, item);
                }
                shares.check_invariants();
                let of = |network: u8| all.iter().filter(|(ip, _)| Network::of(*ip) == Network::of(super::tests::ip(network, 0))).count();
                let most = (0..3).map(of).max().unwrap();
                let found: Vec<_> = shares.greediest().collect();
                prop_assert_eq!(found.is_empty(), all.is_empty());
                prop_assert!(found.is_sorted());
                let is_of_greediest = (0..3).any(|network| of(network) == most && (0..3).any(|host| {
                    let of_host: BTreeSet<_> = all.iter().filter(|(at, _)| *at == ip(network, host)).map(|(_, item)| item).collect();
                    of_host.len() == found.len() && of_host.into_iter().eq(found.iter().copied())
                }));
                prop_assert!(found.is_empty() || is_of_greediest);
            }
        }
    }
}
