use std::net::IpAddr;

use tinytorrent_types::{Network, WireInfoHash};

use super::shares::Shares;

/// The torrents of a tracker by the host that each is charged to: the first that announced it, or a
/// later one that has fewer. So no host can fill the tracker, nor is a swarm of many that a greedy
/// host announced first charged to it for long.
#[derive(Debug, Default)]
pub(super) struct Owners {
    shares: Shares<(u64, WireInfoHash)>,
    next: u64,
}

/// The owner of one torrent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    ip: IpAddr,
    serial: u64,
}

impl Owners {
    /// Charges a torrent to a host.
    pub(super) fn add(&mut self, ip: IpAddr, torrent: WireInfoHash) -> Owner {
        self.next += 1;
        self.shares.add(ip, (self.next, torrent));
        Owner { ip, serial: self.next }
    }

    pub(super) fn remove(&mut self, owner: Owner, torrent: WireInfoHash) {
        self.shares.remove(owner.ip, &(owner.serial, torrent));
    }

    /// The owner of a torrent that is announced from this address.
    pub(super) fn announced(&mut self, owner: Owner, ip: IpAddr, torrent: WireInfoHash) -> Owner {
        // As nearly always where few hosts have most torrents.
        if Network::of(ip) == Network::of(owner.ip) {
            return owner;
        }
        if self.shares.count(ip) + 1 >= self.shares.count(owner.ip) {
            return owner;
        }
        self.remove(owner, torrent);
        self.add(ip, torrent)
    }

    /// True if the network around this address has as many torrents as any.
    pub(super) fn is_greediest(&self, ip: IpAddr) -> bool {
        self.shares.greediest_count() <= self.shares.count(ip)
    }

    /// The torrent to remove for another one of this address; `None` if nobody has more than it.
    /// `is_alone` tells if only one network takes part in a torrent: such are preferred.
    pub(super) fn victim(
        &self,
        ip: IpAddr,
        keep: WireInfoHash,
        is_alone: impl Fn(&WireInfoHash) -> bool,
    ) -> Option<WireInfoHash> {
        if !self.shares.may_displace(ip) {
            return None;
        }
        let torrents = || {
            let torrents = self.shares.greediest().map(|(_, torrent)| torrent);
            torrents.filter(|torrent| *torrent != keep).take(LOOKED_AT)
        };
        torrents().find(is_alone).or_else(|| torrents().next())
    }

    pub(super) fn check_invariants(&self) {
        self.shares.check_invariants();
    }
}

/// A guess: a host that joins so many swarms of others first has announced to all of them.
const LOOKED_AT: usize = 16;
