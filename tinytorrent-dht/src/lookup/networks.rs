use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use crate::table::{BlockKey, HostKey, MOST_OF_A_BLOCK, SubnetKey, block, subnet};

/// The hosts and networks that have a contact in a look-up: one of a host, one of a /24 or a /64, and two of a /16
/// or of a /32 of IPv6 (D-41).
///
/// One who has a /16 has ids for its addresses that are closer to a target than those of honest nodes, 200 of which
/// are in as many /24s. Nobody else would be asked or announced to.
#[derive(Debug, Default)]
pub(super) struct Networks {
    hosts: HashSet<HostKey>,
    subnets: HashSet<SubnetKey>,
    blocks: HashMap<BlockKey, usize>,
}

impl Networks {
    /// Takes a place for an address, and returns true if there was one.
    pub(super) fn take(&mut self, address: SocketAddr) -> bool {
        let (subnet, block) = (subnet(address.ip()), block(address.ip()));
        let is_full = subnet.is_some_and(|subnet| self.subnets.contains(&subnet))
            || block
                .and_then(|block| self.blocks.get(&block))
                .is_some_and(|n| *n >= MOST_OF_A_BLOCK);
        if is_full || !self.hosts.insert(HostKey::of(address)) {
            return false;
        }
        self.subnets.extend(subnet);
        if let Some(block) = block {
            *self.blocks.entry(block).or_default() += 1;
        }
        true
    }

    /// Gives back the place of an address that had one.
    pub(super) fn free(&mut self, address: SocketAddr) {
        self.hosts.remove(&HostKey::of(address));
        if let Some(subnet) = subnet(address.ip()) {
            self.subnets.remove(&subnet);
        }
        if let Some(count) = block(address.ip()).and_then(|block| self.blocks.get_mut(&block)) {
            *count -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_few_places_and_one_that_is_given_back_is_free() {
        // D-41
        let mut networks = Networks::default();
        let mut take = |address: &str| networks.take(address.parse().unwrap());
        assert!(take("8.8.8.8:1"));
        assert!(!take("8.8.8.8:2"), "the same host");
        assert!(!take("8.8.8.9:1"), "the same /24");
        assert!(take("8.8.9.9:1"));
        assert!(!take("8.8.10.1:1"), "the third of a /16");
        assert!(take("8.9.10.1:1"));
        assert!(take("[2606:4700::1]:1"));
        assert!(!take("[2606:4700::2]:1"), "the same /64");
        assert!(take("[2606:4700:1::2]:1"));
        assert!(!take("[2606:4700:2::2]:1"), "the third of a /32");
        assert!((1..10).all(|port| take(&format!("10.0.0.1:{port}"))), "a local network");
        networks.free("8.8.8.8:1".parse().unwrap());
        assert!(networks.take("8.8.8.9:1".parse().unwrap()));
        assert!(!networks.take("8.8.10.1:1".parse().unwrap()));
    }
}
