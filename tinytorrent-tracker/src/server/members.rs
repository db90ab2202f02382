use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use tinytorrent_types::compact::{self, Family};
use tinytorrent_types::{Crowd, Host, Network, PeerId, Share};

use super::ages::{Aged, Ages, Link};

/// One address of a peer, with the data of the last announce from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) address: SocketAddr,
    pub(super) record: Record,
}

/// The data of the last announce from one address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    pub(super) id: PeerId,
    /// The time of the announce, in seconds of the tracker.
    pub(super) seen_at: u32,
    pub(super) is_seed: bool,
    /// True for a partial seed, which is incomplete and downloads nothing more (BEP 21).
    pub(super) is_paused: bool,
    link: Link,
}

/// The addresses of one family in a swarm, the seeds first, since seeds get no seeds.
///
/// Nearly all swarms are small. A small one is two short lists, and is searched from end to end; a
/// large one has an index.
#[derive(Debug)]
pub(super) struct Members<A> {
    /// The addresses in the compact form of replies.
    packed: Vec<A>,
    /// The announces from these addresses, in the same order.
    records: Vec<Record>,
    seeds: usize,
    ages: Ages,
    index: Option<Box<Index<A>>>,
}

/// The index of a large swarm.
#[derive(Debug)]
struct Index<A> {
    /// The place in the lists of each address.
    places: HashMap<A, u32>,
    crowd: Crowd,
}

/// A compact address of one family: 6 or 18 bytes.
pub(super) trait Packed: Copy + Eq + std::hash::Hash {
    const FAMILY: Family;

    /// `None` for an address of the other family.
    fn pack(address: SocketAddr) -> Option<Self>;
    fn unpack(self) -> SocketAddr;
    fn as_bytes(list: &[Self]) -> &[u8];
}

impl Packed for [u8; 6] {
    const FAMILY: Family = Family::V4;

    fn pack(address: SocketAddr) -> Option<Self> {
        let IpAddr::V4(ip) = address.ip().to_canonical() else { return None };
        let ([a, b, c, d], [high, low]) = (ip.octets(), address.port().to_be_bytes());
        Some([a, b, c, d, high, low])
    }

    fn unpack(self) -> SocketAddr {
        let [a, b, c, d, high, low] = self;
        ([a, b, c, d], u16::from_be_bytes([high, low])).into()
    }

    fn as_bytes(list: &[Self]) -> &[u8] {
        list.as_flattened()
    }
}

impl Packed for [u8; 18] {
    const FAMILY: Family = Family::V6;

    fn pack(address: SocketAddr) -> Option<Self> {
        let IpAddr::V6(ip) = address.ip().to_canonical() else { return None };
        let mut packed = [0; 18];
        packed[..16].copy_from_slice(&ip.octets());
        packed[16..].copy_from_slice(&address.port().to_be_bytes());
        Some(packed)
    }

    fn unpack(self) -> SocketAddr {
        let (ip, port) = self.split_at(16);
        let ip = ip.try_into().map_or(0, u128::from_be_bytes);
        (std::net::Ipv6Addr::from(ip), u16::from_be_bytes([port[0], port[1]])).into()
    }

    fn as_bytes(list: &[Self]) -> &[u8] {
        list.as_flattened()
    }
}

impl Record {
    pub(super) fn new(id: PeerId, seen_at: u32, is_seed: bool, is_paused: bool) -> Self {
        Self { id, seen_at, is_seed, is_paused, link: Link::default() }
    }
}

impl Aged for Record {
    fn link(&self) -> Link {
        self.link
    }

    fn link_mut(&mut self) -> &mut Link {
        &mut self.link
    }
}

impl<A> Default for Members<A> {
    fn default() -> Self {
        Self {
            packed: Vec::new(),
            records: Vec::new(),
            seeds: 0,
            ages: Ages::default(),
            index: None,
        }
    }
}

impl<A: Packed> Members<A> {
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The number of seeds, which are the first in the list.
    pub(super) fn seeds(&self) -> usize {
        self.seeds
    }

    /// The announces from all addresses, in the order of the list.
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// All addresses in compact form, in the order of the list.
    pub(super) fn compact(&self) -> &[u8] {
        A::as_bytes(&self.packed)
    }

    /// The member at a place of the list; `None` behind its end.
    pub(super) fn get(&self, at: usize) -> Option<Member> {
        Some(Member { address: self.packed.get(at)?.unpack(), record: *self.records.get(at)? })
    }

    pub(super) fn place_of(&self, address: SocketAddr) -> Option<usize> {
        let address = A::pack(address)?;
        match &self.index {
            Some(index) => index.places.get(&address).map(|&at| at as usize),
            None => self.packed.iter().position(|other| *other == address),
        }
    }

    /// The first so many members in the order of their announces, the oldest first.
    pub(super) fn oldest_first(&self, count: usize) -> impl Iterator<Item = Member> {
        self.ages.oldest_first(&self.records).take(count).filter_map(|at| self.get(at))
    }

    /// The number of addresses in the network around this one, and of the host.
    pub(super) fn share(&self, ip: IpAddr) -> Share {
        if let Some(index) = &self.index {
            return index.crowd.share(ip);
        }
        let (network, host) = (Network::of(ip), Host::of(ip));
        let mut share = Share::default();
        for other in self.packed.iter().map(|address| address.unpack().ip()) {
            share.network += usize::from(Network::of(other) == network);
            share.host += usize::from(Host::of(other) == host);
        }
        share
    }

    /// Replaces the announce from the address at this place, which becomes the newest, and returns
    /// the old one.
    pub(super) fn renew(&mut self, at: usize, record: Record) -> Record {
        let old = self.records[at];
        if old.is_seed == record.is_seed {
            self.records[at] = Record { link: old.link, ..record };
            self.ages.renew(&mut self.records, at);
        } else {
            let address = self.packed[at];
            self.take_out(at);
            self.put_in(address, record);
        }
        old
    }

    /// Adds a member whose address is of this family, and not in the list.
    pub(super) fn push(&mut self, member: Member) {
        let Some(address) = A::pack(member.address) else { return };
        self.put_in(address, member.record);
        if let Some(index) = &mut self.index {
            index.crowd.add(member.address.ip());
        } else if self.len() > MAX_UNINDEXED {
            self.index = Some(Box::new(self.indexed()));
        }
    }

    pub(super) fn remove(&mut self, address: SocketAddr) -> Option<Record> {
        let old = self.take_out(self.place_of(address)?);
        if let Some(index) = &mut self.index {
            index.places.remove(&A::pack(address)?);
            index.crowd.remove(address.ip());
        }
        if self.len() <= MAX_UNINDEXED / 2 {
            self.index = None;
        }
        if self.records.capacity() > 4 * self.len() {
            self.packed.shrink_to(2 * self.len());
            self.records.shrink_to(2 * self.len());
        }
        Some(old)
    }

    /// Adds an address to the lists, in the place that its role has.
    fn put_in(&mut self, address: A, record: Record) {
        // A list of one is the most frequent, and doubling begins with room for four.
        if self.records.len() == self.records.capacity() {
            self.packed.reserve_exact(self.len().max(1));
            self.records.reserve_exact(self.len().max(1));
        }
        self.packed.push(address);
        self.records.push(record);
        let mut at = self.len() - 1;
        if record.is_seed {
            // The first leecher makes room behind the seeds.
            if at != self.seeds {
                self.relocate(self.seeds, at);
                at = self.seeds;
                (self.packed[at], self.records[at]) = (address, record);
            }
            self.seeds += 1;
        }
        self.ages.append(&mut self.records, at);
        if let Some(index) = &mut self.index {
            index.places.insert(address, at as u32);
        }
    }

    /// Takes the address at this place out of the lists.
    fn take_out(&mut self, at: usize) -> Record {
        let old = self.records[at];
        self.ages.unlink(&mut self.records, at);
        let mut hole = at;
        if old.is_seed {
            self.seeds -= 1;
            self.relocate(self.seeds, hole);
            hole = self.seeds;
        }
        self.relocate(self.len() - 1, hole);
        self.packed.pop();
        self.records.pop();
        old
    }

    fn relocate(&mut self, from: usize, to: usize) {
        if from == to {
            return;
        }
        self.packed[to] = self.packed[from];
        self.records[to] = self.records[from];
        self.ages.relocate(&mut self.records, to);
        if let Some(index) = &mut self.index {
            index.places.insert(self.packed[to], to as u32);
        }
    }

    /// An index of all addresses.
    fn indexed(&self) -> Index<A> {
        let crowd = self.packed.iter().map(|address| address.unpack().ip()).collect();
        let places = self.packed.iter().enumerate().map(|(at, address)| (*address, at as u32));
        Index { places: places.collect(), crowd }
    }

    pub(super) fn check_invariants(&self) {
        assert_eq!(self.packed.len(), self.records.len());
        assert!(self.records[..self.seeds].iter().all(|record| record.is_seed));
        assert!(!self.records[self.seeds..].iter().any(|record| record.is_seed));
        let fresh = self.indexed();
        assert_eq!(fresh.places.len(), self.len(), "an address is there twice");
        let addresses = self.packed.iter().map(|address| address.unpack());
        assert!(compact::peers(self.compact(), A::FAMILY).eq(addresses));
        match &self.index {
            Some(index) => {
                assert!(index.places == fresh.places && index.crowd == fresh.crowd);
                assert!(self.len() > MAX_UNINDEXED / 2);
            }
            None => assert!(self.len() <= MAX_UNINDEXED),
        }
        let ages: Vec<_> = self.oldest_first(usize::MAX).map(|m| m.record.seen_at).collect();
        assert!(ages.len() == self.len() && ages.is_sorted());
    }
}

/// The size from which a list has an index. The addresses of a smaller one take two cache lines, and
/// an index as much memory as the list.
const MAX_UNINDEXED: usize = 16;
