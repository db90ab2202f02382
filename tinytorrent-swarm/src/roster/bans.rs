use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;

use tinytorrent_types::{Host, PeerId};

/// Peers that proved to send wrong data, and addresses at which we are ourselves: the last [`MAX_BANS`].
///
/// A whole host is banned unless it is this one, where many peers may live. Here it is the port; and as
/// those that connect to us have a new one each time, their name.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    /// `None` until somebody is banned: most torrents of a large client ban nobody.
    list: Option<Box<List>>,
}

#[derive(Debug, Default)]
struct List {
    banned: HashSet<Banned>,
    /// The same, the longest banned first.
    order: VecDeque<Banned>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Banned {
    Host(Host),
    Place(SocketAddr),
    Name(Host, PeerId),
}

/// Bans to remember, each of about 100 bytes. An attacker with thousands of addresses can always come
/// from one more, and must not fill memory with them.
const MAX_BANS: usize = 8_000;

impl Bans {
    pub(crate) fn add(&mut self, address: SocketAddr, id: Option<PeerId>) {
        let host = Host::of(address.ip());
        if !host.is_loopback() {
            return self.insert(Banned::Host(host));
        }
        self.insert(Banned::Place(address));
        if let Some(id) = id {
            self.insert(Banned::Name(host, id));
        }
    }

    /// This address alone: others may live at its host.
    pub(crate) fn add_place(&mut self, address: SocketAddr) {
        self.insert(Banned::Place(address));
    }

    pub(crate) fn has_address(&self, address: SocketAddr) -> bool {
        self.contains(Banned::Host(Host::of(address.ip()))) || self.contains(Banned::Place(address))
    }

    /// Returns true if a peer of this name was banned here.
    pub(crate) fn has_name(&self, address: SocketAddr, id: PeerId) -> bool {
        self.contains(Banned::Name(Host::of(address.ip()), id))
    }

    fn contains(&self, banned: Banned) -> bool {
        self.list.as_ref().is_some_and(|list| list.banned.contains(&banned))
    }

    fn insert(&mut self, banned: Banned) {
        let List { banned: all, order } = &mut **self.list.get_or_insert_default();
        if !all.insert(banned) {
            return;
        }
        order.push_back(banned);
        if order.len() > MAX_BANS
            && let Some(first) = order.pop_front()
        {
            all.remove(&first);
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
        let list = bans.list.as_ref().unwrap();
        assert_eq!((list.banned.len(), list.order.len()), (MAX_BANS, MAX_BANS));
        assert!(bans.has_address(address(last)) && !bans.has_address(address(0)));
    }

    #[test]
    fn a_ban_holds_for_the_next_connections_of_the_host() {
        let liar = PeerId::from_bytes([7; 20]);
        let mut bans = Bans::default();
        let at = |address: &str| address.parse::<SocketAddr>().unwrap();
        for banned in ["1.2.3.4:1", "[2001:db8::1]:1", "127.0.0.1:1"] {
            bans.add(at(banned), Some(liar));
        }
        for next in ["1.2.3.4:2", "[2001:db8::2]:2"] {
            assert!(bans.has_address(at(next)), "{next}");
        }
        assert!(!bans.has_address(at("127.0.0.1:2")), "another may live there");
        assert!(bans.has_name(at("127.0.0.1:2"), liar));
        assert!(!bans.has_name(at("1.2.3.5:1"), liar), "a name is a claim");
    }
}
