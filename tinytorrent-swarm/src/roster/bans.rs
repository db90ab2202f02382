use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use tinytorrent_types::PeerId;

/// Peers that proved to send wrong data, and addresses at which we are ourselves: the last [`MAX_BANS`].
///
/// A whole IP address is banned unless it is of this host, where many peers may live; there it is
/// the port. In either case the name is banned as well, for that host.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    banned: HashSet<Banned>,
    /// The same, the longest banned first.
    order: VecDeque<Banned>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Banned {
    Host(IpAddr),
    Place(SocketAddr),
    Name(IpAddr, PeerId),
}

/// Bans to remember, each of about 100 bytes. An attacker with thousands of addresses can always come
/// from one more, and must not fill memory with them.
const MAX_BANS: usize = 8_000;

impl Bans {
    pub(crate) fn add(&mut self, address: SocketAddr, id: Option<PeerId>) {
        // Behind one address of ours there may be many peers, as in a test or behind a proxy.
        let is_local = address.ip().is_loopback();
        self.insert(if is_local { Banned::Place(address) } else { Banned::Host(address.ip()) });
        if let Some(id) = id {
            self.insert(Banned::Name(address.ip(), id));
        }
    }

    /// This address alone: others may live at its host.
    pub(crate) fn add_place(&mut self, address: SocketAddr) {
        self.insert(Banned::Place(address));
    }

    pub(crate) fn has_address(&self, address: SocketAddr) -> bool {
        self.banned.contains(&Banned::Host(address.ip()))
            || self.banned.contains(&Banned::Place(address))
    }

    pub(crate) fn has_name(&self, host: IpAddr, id: PeerId) -> bool {
        self.banned.contains(&Banned::Name(host, id))
    }

    fn insert(&mut self, banned: Banned) {
        if !self.banned.insert(banned) {
            return;
        }
        self.order.push_back(banned);
        if self.order.len() > MAX_BANS
            && let Some(first) = self.order.pop_front()
        {
            self.banned.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bans_are_kept_and_no_more() {
        let mut bans = Bans::default();
        let address = |n: u32| SocketAddr::from((n.to_be_bytes(), 6881));
        let last = 4 * MAX_BANS as u32;
        for n in 0..=last {
            bans.add(address(n), None);
            bans.add(address(n), None);
        }
        assert_eq!((bans.banned.len(), bans.order.len()), (MAX_BANS, MAX_BANS));
        assert!(bans.has_address(address(last)) && !bans.has_address(address(0)));
    }
}
