use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::{Host, Network};

/// A count of things that addresses hold, by host and by network: connections, entries, places.
///
/// Where there is a limited number of something, whoever has most of it is to make room: the
/// network with most, and in it the host. Each change takes logarithmic time.
///
/// ```
/// use tinytorrent_types::Crowd;
///
/// let mut crowd = Crowd::new();
/// for address in ["1.2.3.4", "1.2.3.4", "1.2.3.5", "5.6.7.8"] {
///     crowd.add(address.parse()?);
/// }
/// let share = crowd.share("1.2.3.4".parse()?);
/// assert_eq!((share.network, share.host), (3, 2));
/// assert!(share > crowd.share("1.2.3.5".parse()?));
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Crowd {
    hosts: BTreeMap<Host, usize>,
    networks: BTreeMap<Network, usize>,
    total: usize,
}

/// The part of a [`Crowd`] that one address has. The order is by network, then by host: the
/// greatest makes room first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    /// The number of things that the network around the address holds.
    pub network: usize,
    /// The number of things that its host holds.
    pub host: usize,
}

impl Crowd {
    /// A count of nothing.
    pub const fn new() -> Self {
        Self { hosts: BTreeMap::new(), networks: BTreeMap::new(), total: 0 }
    }

    /// Counts one thing more.
    pub fn add(&mut self, address: IpAddr) {
        *self.hosts.entry(Host::of(address)).or_default() += 1;
        *self.networks.entry(Network::of(address)).or_default() += 1;
        self.total += 1;
    }

    /// Counts one thing less. Nothing changes if the host of the address holds none.
    pub fn remove(&mut self, address: IpAddr) {
        if subtract(&mut self.hosts, Host::of(address)) {
            subtract(&mut self.networks, Network::of(address));
            self.total -= 1;
        }
    }

    /// The number of things that the network and the host of an address hold.
    pub fn share(&self, address: IpAddr) -> Share {
        Share {
            network: self.networks.get(&Network::of(address)).copied().unwrap_or_default(),
            host: self.hosts.get(&Host::of(address)).copied().unwrap_or_default(),
        }
    }

    /// The hosts with the greatest share, in order; none if nothing is counted. Takes time in
    /// proportion to the number of hosts.
    pub fn greediest(&self) -> Vec<Host> {
        let most = self.networks.values().max();
        let mut greediest = Vec::new();
        let mut greatest = 0;
        for (&host, &count) in &self.hosts {
            if count < greatest || self.networks.get(&host.network()) != most {
                continue;
            }
            if count > greatest {
                greediest.clear();
                greatest = count;
            }
            greediest.push(host);
        }
        greediest
    }

    /// The number of things.
    pub const fn len(&self) -> usize {
        self.total
    }

    /// True if nothing is counted.
    pub const fn is_empty(&self) -> bool {
        self.total == 0
    }
}

impl FromIterator<IpAddr> for Crowd {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addresses: I) -> Self {
        let mut crowd = Self::new();
        addresses.into_iter().for_each(|address| crowd.add(address));
        crowd
    }
}

/// Subtracts one, and forgets a key without any. Returns false if it had none.
fn subtract<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) -> bool {
    let Some(count) = counts.get_mut(&key) else { return false };
    *count -= 1;
    if *count == 0 {
        counts.remove(&key);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn share(network: usize, host: usize) -> Share {
        Share { network, host }
    }

    #[test]
    fn what_is_added_is_counted_by_host_and_by_network() {
        let mut crowd: Crowd =
            ["1.2.3.4", "1.2.3.4", "::ffff:1.2.3.5"].map(ip).into_iter().collect();
        assert_eq!(crowd.share(ip("1.2.3.4")), share(3, 2));
        assert_eq!(crowd.share(ip("1.2.3.9")), share(3, 0));
        assert_eq!(crowd.share(ip("1.2.4.4")), Share::default());
        crowd.remove(ip("1.2.3.4"));
        assert_eq!((crowd.share(ip("1.2.3.4")), crowd.len()), (share(2, 1), 2));
        crowd.remove(ip("1.2.3.9"));
        assert_eq!(crowd.len(), 2, "that host has none");
        crowd.remove(ip("1.2.3.4"));
        crowd.remove(ip("1.2.3.5"));
        assert!(crowd.is_empty() && crowd == Crowd::new(), "nothing is kept of those who left");
    }

    #[test]
    fn the_greediest_are_of_the_network_with_most_and_in_it_the_hosts_with_most() {
        assert!(Crowd::new().greediest().is_empty());
        // One host with three, and a network of three hosts with four.
        let addresses = ["9.0.0.1", "9.0.0.1", "9.0.0.1", "1.2.3.4", "1.2.3.5", "1.2.3.5"];
        let mut crowd: Crowd = addresses.map(ip).into_iter().collect();
        crowd.add(ip("1.2.3.6"));
        let hosts =
            |texts: &[&str]| texts.iter().map(|text| Host::of(ip(text))).collect::<Vec<_>>();
        assert_eq!(crowd.greediest(), hosts(&["1.2.3.5"]));
        crowd.add(ip("1.2.3.4"));
        assert_eq!(crowd.greediest(), hosts(&["1.2.3.4", "1.2.3.5"]));
        let greatest = crowd.share(ip("1.2.3.4"));
        assert!(greatest > crowd.share(ip("1.2.3.6")) && greatest > crowd.share(ip("9.0.0.1")));
    }

    #[test]
    fn shares_are_compared_by_network_first() {
        assert!(share(3, 1) > share(2, 2) && share(3, 2) > share(3, 1));
    }
}
