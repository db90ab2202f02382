use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use tinytorrent_types::{Host, Network};

/// Things of which there is a limited number, by the host that holds each. When they run out, the
/// greediest network gives one back, and in it the greediest host.
///
/// The order of the items is that of their age. Each operation takes logarithmic time.
#[derive(Debug)]
pub(super) struct Shares<K> {
    networks: HashMap<Network, Share<K>>,
    /// All networks by their number of items and the time since when they have it.
    order: BTreeSet<(usize, Reverse<u64>, Network)>,
    changes: u64,
}

/// The items of one network.
#[derive(Debug)]
struct Share<K> {
    items: Items<K>,
    /// The number of the last change.
    changed: u64,
}

#[derive(Debug)]
enum Items<K> {
    /// At most [`FEW`] items, with their hosts.
    Few(Vec<(Host, K)>),
    Many(Box<Hosts<K>>),
}

/// The items of a network that holds many, by host.
#[derive(Debug)]
struct Hosts<K> {
    items: HashMap<Host, BTreeSet<K>>,
    /// All hosts by their number of items and the oldest of these.
    order: BTreeSet<(usize, Reverse<K>, Host)>,
    len: usize,
}

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Self { networks: HashMap::new(), order: BTreeSet::new(), changes: 0 }
    }
}

impl<K: Ord + Copy> Shares<K> {
    /// Adds an item that is not there.
    pub(super) fn add(&mut self, ip: IpAddr, item: K) {
        self.change(Network::of(ip), |items| items.add(Host::of(ip), item));
    }

    /// Removes an item, if it is there.
    pub(super) fn remove(&mut self, ip: IpAddr, item: &K) {
        self.change(Network::of(ip), |items| items.remove(Host::of(ip), item));
    }

    /// The number of items of the network around this address.
    pub(super) fn count(&self, ip: IpAddr) -> usize {
        self.networks.get(&Network::of(ip)).map_or(0, |share| share.items.len())
    }

    /// The number of items of the greediest network.
    pub(super) fn greediest_count(&self) -> usize {
        self.order.last().map_or(0, |(count, ..)| *count)
    }

    /// The items of the greediest host in the greediest network, the oldest first. Of equal networks
    /// the one whose number has stood for longest counts, of equal hosts the one with the oldest
    /// item.
    pub(super) fn greediest(&self) -> impl Iterator<Item = K> {
        let share = self.order.last().and_then(|(.., network)| self.networks.get(network));
        share.into_iter().flat_map(|share| share.items.of_greediest())
    }

    /// True if a newcomer from this address may take an item of the greediest: that is itself, or
    /// one that has more than one.
    pub(super) fn may_displace(&self, ip: IpAddr) -> bool {
        let greatest = self.order.last();
        greatest.is_some_and(|(count, _, network)| *network == Network::of(ip) || *count > 1)
    }

    fn change(&mut self, network: Network, change: impl FnOnce(&mut Items<K>)) {
        self.changes += 1;
        let share = self
            .networks
            .entry(network)
            .or_insert_with(|| Share { items: Items::Few(Vec::new()), changed: 0 });
        let before = share.items.len();
        change(&mut share.items);
        let after = share.items.len();
        if before == after && before > 0 {
            return;
        }
        self.order.remove(&(before, Reverse(share.changed), network));
        share.changed = self.changes;
        match after {
            0 => _ = self.networks.remove(&network),
            _ => _ = self.order.insert((after, Reverse(self.changes), network)),
        }
    }

    pub(super) fn check_invariants(&self) {
        assert_eq!(self.order.len(), self.networks.len());
        for (network, share) in &self.networks {
            let place = (share.items.len(), Reverse(share.changed), *network);
            assert!(place.0 > 0 && self.order.contains(&place));
            if let Items::Many(hosts) = &share.items {
                hosts.check_invariants();
            }
        }
    }
}

impl<K: Ord + Copy> Items<K> {
    fn len(&self) -> usize {
        match self {
            Items::Few(items) => items.len(),
            Items::Many(hosts) => hosts.len,
        }
    }

    fn add(&mut self, host: Host, item: K) {
        match self {
            Items::Few(items) if items.len() < FEW => {
                // Most networks have one item.
                items.reserve_exact(usize::from(items.is_empty()));
                items.push((host, item));
            }
            Items::Few(items) => {
                let mut hosts = Hosts { items: HashMap::new(), order: BTreeSet::new(), len: 0 };
                items.iter().for_each(|(host, item)| hosts.add(*host, *item));
                hosts.add(host, item);
                *self = Items::Many(Box::new(hosts));
            }
            Items::Many(hosts) => hosts.add(host, item),
        }
    }

    fn remove(&mut self, host: Host, item: &K) {
        match self {
            Items::Few(items) => items.retain(|entry| *entry != (host, *item)),
            Items::Many(hosts) => hosts.remove(host, item),
        }
    }

    fn of_greediest(&self) -> Box<dyn Iterator<Item = K> + '_> {
        match self {
            Items::Few(items) => Box::new(of_greediest(items).into_iter()),
            Items::Many(hosts) => {
                let greatest = hosts.order.last().and_then(|(.., host)| hosts.items.get(host));
                Box::new(greatest.into_iter().flatten().copied())
            }
        }
    }
}

/// The items of the host with most, in their order.
fn of_greediest<K: Ord + Copy>(items: &[(Host, K)]) -> BTreeSet<K> {
    let of = |host: Host| items.iter().filter(move |entry| entry.0 == host).map(|entry| entry.1);
    let hosts = items.iter().map(|(host, _)| *host);
    let greediest = hosts.max_by_key(|host| (of(*host).count(), of(*host).min().map(Reverse)));
    greediest.into_iter().flat_map(of).collect()
}

impl<K: Ord + Copy> Hosts<K> {
    fn add(&mut self, host: Host, item: K) {
        self.change(host, |items| items.insert(item));
    }

    fn remove(&mut self, host: Host, item: &K) {
        self.change(host, |items| items.remove(item));
    }

    fn change(&mut self, host: Host, change: impl FnOnce(&mut BTreeSet<K>) -> bool) {
        let items = self.items.entry(host).or_default();
        if let Some(oldest) = items.first() {
            self.order.remove(&(items.len(), Reverse(*oldest), host));
        }
        let before = items.len();
        change(items);
        self.len = self.len - before + items.len();
        match items.first() {
            Some(oldest) => _ = self.order.insert((items.len(), Reverse(*oldest), host)),
            None => _ = self.items.remove(&host),
        }
    }

    fn check_invariants(&self) {
        assert_eq!(self.len, self.items.values().map(BTreeSet::len).sum::<usize>());
        assert_eq!(self.order.len(), self.items.len());
        for (host, items) in &self.items {
            let oldest = *items.first().expect("no host is without an item");
            assert!(self.order.contains(&(items.len(), Reverse(oldest), *host)));
        }
    }
}

/// The number of items of a network up to which a list of them is shorter and faster than an index.
const FEW: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(network: u8, host: u8) -> IpAddr {
        [192, 0, network, host].into()
    }

    fn at_host(ip: IpAddr) -> u8 {
        let IpAddr::V4(ip) = ip else { return 0 };
        ip.octets()[3]
    }

    #[test]
    fn the_oldest_of_the_greediest_host_in_the_greediest_network_goes_first() {
        let mut shares = Shares::default();
        for (item, (network, host)) in
            [(1, 1), (1, 2), (2, 1), (2, 1), (1, 2), (3, 1), (1, 2)].into_iter().enumerate()
        {
            shares.add(ip(network, host), item);
        }
        assert_eq!(shares.greediest().collect::<Vec<_>>(), [1, 4, 6]);
        assert!(shares.may_displace(ip(9, 9)) && shares.may_displace(ip(1, 1)));
        shares.remove(ip(1, 2), &1);
        shares.remove(ip(1, 2), &4);
        assert_eq!(shares.greediest().next(), Some(2), "a network of two, for longest");
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
        fn the_greediest_is_that_of_a_count(steps in prop::collection::vec((0u8..3, 0u8..3, 0u8..12), 0..120)) {
            let (mut shares, mut all) = (Shares::default(), Vec::new());
            for (network, host, item) in steps {
                // No two hosts hold the same.
                let item = 3 * item + host;
                let entry = (ip(network, host), item);
                if let Some(at) = all.iter().position(|known| *known == entry) {
                    all.remove(at);
                    shares.remove(entry.0, &item);
                } else {
                    all.push(entry);
                    shares.add(entry.0, item);
                }
                shares.check_invariants();
                let of_network = |network: u8| {
                    all.iter().filter(|(at, _)| *at == ip(network, at_host(*at))).count()
                };
                let most = (0..3).map(of_network).max().unwrap_or(0);
                let items = |network, host| -> Vec<u8> {
                    let own = all.iter().filter(|(at, _)| *at == ip(network, host));
                    let own: BTreeSet<u8> = own.map(|(_, item)| *item).collect();
                    own.into_iter().collect()
                };
                let greediest = (0..3).filter(|network| of_network(*network) == most).map(|network| {
                    let hosts = (0..3).map(|host| items(network, host));
                    hosts.max_by_key(|items| (items.len(), items.first().copied().map(Reverse)))
                });
                let found: Vec<u8> = shares.greediest().collect();
                prop_assert!(greediest.flatten().any(|items| items == found), "{:?}", found);
            }
        }
    }
}
