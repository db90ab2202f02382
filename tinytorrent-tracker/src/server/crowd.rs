use std::collections::HashMap;
use std::net::IpAddr;

use super::network::Network;

/// The numbers of addresses in one swarm and family, by host and by the network around it.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    counts: HashMap<Network, u32>,
}

impl Crowd {
    pub(super) fn add(&mut self, ip: IpAddr) {
        for network in [Network::host(ip), Network::around(ip)] {
            *self.counts.entry(network).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, ip: IpAddr) {
        for network in [Network::host(ip), Network::around(ip)] {
            match self.counts.get_mut(&network) {
                Some(count) if *count > 1 => *count -= 1,
                _ => _ = self.counts.remove(&network),
            }
        }
    }

    /// The addresses of the network around this one, and of the host.
    pub(super) fn share(&self, ip: IpAddr) -> (u32, u32) {
        let count = |network| self.counts.get(&network).copied().unwrap_or_default();
        (count(Network::around(ip)), count(Network::host(ip)))
    }

    pub(super) fn check_invariants<'a>(&self, ips: impl Iterator<Item = IpAddr> + 'a) {
        let mut counted = Self::default();
        ips.for_each(|ip| counted.add(ip));
        assert_eq!(self.counts, counted.counts);
    }
}
