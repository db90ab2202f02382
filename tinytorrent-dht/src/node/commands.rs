use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tinytorrent_types::compact::Family;
use tinytorrent_types::{IpRanges, WireInfoHash, canonical};

use super::{Node, Purpose};
use crate::lookup::Lookup;
use crate::message::Method;
use crate::search::{Owner, Search, Task};
use crate::subscription::{Follow, Subscription};
use crate::{Announce, Event, Item, NodeId, QueryId, SearchId};

impl Node {
    /// Looks for the peers of a torrent. Each answer with new ones is an
    /// [`Event::PeersFound`](crate::Event::PeersFound), and the end is an
    /// [`Event::SearchEnded`](crate::Event::SearchEnded).
    ///
    /// The info-hash of a v2 torrent is cut to 20 bytes, which [`WireInfoHash`] does (BEP 52). Private torrents
    /// are not looked up (BEP 27): that is up to the caller.
    pub fn find_peers(&mut self, now: Instant, hash: WireInfoHash) -> SearchId {
        self.begin(now, hash.into(), Task::FindPeers { hash, no_seeds: false, announce: None })
    }

    /// As [`find_peers`](Self::find_peers), without seeds as far as nodes know them (BEP 33): for a seed, which
    /// has no use for others.
    pub fn find_leeches(&mut self, now: Instant, hash: WireInfoHash) -> SearchId {
        self.begin(now, hash.into(), Task::FindPeers { hash, no_seeds: true, announce: None })
    }

    /// Looks for the peers of a torrent, and announces us to the closest nodes. Peers stay there for about half
    /// an hour.
    pub fn announce(&mut self, now: Instant, hash: WireInfoHash, announce: Announce) -> SearchId {
        let task = Task::FindPeers { hash, no_seeds: announce.is_seed, announce: Some(announce) };
        self.begin(now, hash.into(), task)
    }

    /// Estimates the number of peers and seeds of a torrent (BEP 33), for torrents without trackers.
    pub fn scrape(&mut self, now: Instant, hash: WireInfoHash) -> SearchId {
        self.begin(now, hash.into(), Task::Scrape { hash })
    }

    /// Looks for the nodes closest to a target.
    pub fn find_nodes(&mut self, now: Instant, target: NodeId) -> SearchId {
        self.begin(now, target, Task::FindNodes)
    }

    /// Looks for an immutable item (BEP 44).
    pub fn get(&mut self, now: Instant, target: NodeId) -> SearchId {
        self.begin(now, target, Task::Get { owner: None, newer_than: None })
    }

    /// Looks for a mutable item (BEP 44). Each newer version that is found is an event; the last one before the
    /// end is the newest. Without the feature `mutable` no signature can be verified, and none is found.
    pub fn get_mutable(&mut self, now: Instant, key: [u8; 32], salt: &[u8]) -> SearchId {
        let target = Item::target_of(&key, salt);
        let owner = Some(Owner { key, salt: salt.into() });
        self.begin(now, target, Task::Get { owner, newer_than: None })
    }

    /// Looks for a mutable item now and again until it is [cancelled](Self::cancel): each newer one is an
    /// [`Event::ItemFound`](crate::Event::ItemFound), and each round ends with an
    /// [`Event::RoundEnded`](crate::Event::RoundEnded). The newest is put again each hour if few nodes have it,
    /// so that it outlives its owner (BEP 46, "Consuming content").
    pub fn follow(&mut self, now: Instant, follow: Follow) -> SearchId {
        self.subscribe(now, Subscription::follow(now, follow))
    }

    /// As [`put`](Self::put), and again each hour if few nodes have it, until it is [cancelled](Self::cancel).
    /// Each round ends with an [`Event::RoundEnded`](crate::Event::RoundEnded). If a newer item of the same key
    /// is found, which is an [`Event::ItemFound`](crate::Event::ItemFound), that one is put again instead.
    pub fn publish(&mut self, now: Instant, item: Item, cas: Option<i64>) -> SearchId {
        self.subscribe(now, Subscription::publish(now, item, cas))
    }

    /// Stores an item with the nodes closest to its target, unless there is a newer one, which is an
    /// [`Event::ItemFound`](crate::Event::ItemFound). With `cas`, a mutable one is stored only in the place of
    /// one with this sequence number. Items stay for two hours, unless they are put again.
    pub fn put(&mut self, now: Instant, item: Item, cas: Option<i64>) -> SearchId {
        let target = item.target();
        self.begin(now, target, Task::Put { item, cas, if_few: false })
    }

    /// Ends a search, of which no event comes any more.
    pub fn cancel(&mut self, search: SearchId) {
        self.searches.open.remove(&search.0);
        if self.searches.subscriptions.remove(search.0) {
            self.searches.open.retain(|_, open| open.subscription != Some(search.0));
        }
    }

    /// Asks one node if it is there. The answer is an event.
    pub fn ping(&mut self, now: Instant, address: SocketAddr) -> QueryId {
        self.command(now, address, Method::Ping)
    }

    /// Asks one node for a sample of its torrents (BEP 51), and for nodes close to a target. The answer is an
    /// event. Within the interval of the last sample the node is not asked again, which is an event as well:
    /// [`Event::SampledBefore`](crate::Event::SampledBefore).
    pub fn sample(&mut self, now: Instant, address: SocketAddr, target: NodeId) -> QueryId {
        let node = canonical(address);
        if let Some(until) = self.sampled.held_until(now, node) {
            let query = self.next_query();
            self.out.events.push_back(Event::SampledBefore { query, until });
            return query;
        }
        self.command(now, address, Method::SampleInfohashes { target })
    }

    /// Adds an address where a node may be, as a torrent, a magnet link or a peer tells it. It comes into the
    /// table once it has answered.
    pub fn add_node(&mut self, now: Instant, address: SocketAddr) {
        let address = canonical(address);
        let is_ours = self.sides.get(Family::of(address.ip())).is_some();
        if is_ours && self.filter.allows(address) {
            self.ask(now, address, None, Method::Ping, Purpose::Upkeep);
        }
    }

    /// Adds the address of a router: a node that is asked when there are no others, and that is not kept in the
    /// table, since too many have its address. While the table is empty, a new one is asked at once.
    pub fn add_router(&mut self, address: SocketAddr) {
        let address = canonical(address);
        if !self.routers.contains(&address) && self.routers.len() < MOST_ROUTERS {
            self.routers.push(address);
            if let Some(side) = self.sides.get_mut(Family::of(address.ip()))
                && side.table.len() == 0
            {
                // The last look-up did not know of it.
                side.next_own = side.looked_up_at;
            }
        }
    }

    /// Sets the addresses that the user avoids, in place of those of before; `None` for none. Nothing that comes from
    /// there is read, nothing is sent there, and no node there is kept or told of, routers included.
    pub fn set_blocked(&mut self, ranges: Option<Arc<IpRanges>>) {
        self.filter.block(ranges.clone());
        let Some(ranges) = ranges else { return };
        for family in [Family::V4, Family::V6] {
            if let Some(side) = self.sides.get_mut(family) {
                side.forget(|node| ranges.contains(node.address.ip()));
            }
        }
        self.out.transmits.retain(|transmit| !ranges.contains(transmit.to.ip()));
    }

    /// Sets if queries are answered (BEP 43): not while nobody can reach us.
    pub fn set_read_only(&mut self, is_read_only: bool) {
        self.config.read_only = is_read_only;
    }

    fn command(&mut self, now: Instant, address: SocketAddr, method: Method<'_>) -> QueryId {
        let query = self.next_query();
        let address = canonical(address);
        match self.filter.blocks(address.ip()) {
            true => self.out.events.push_back(Event::Failed { query, refusal: None }),
            false => self.ask(now, address, None, method, Purpose::Command(query)),
        }
        query
    }

    fn next_query(&mut self) -> QueryId {
        self.searches.next_id += 1;
        QueryId(self.searches.next_id)
    }

    fn subscribe(&mut self, now: Instant, subscription: Subscription) -> SearchId {
        self.searches.next_id += 1;
        let id = self.searches.next_id;
        self.searches.subscriptions.add(id, subscription);
        self.begin_rounds(now);
        self.pump(now);
        SearchId(id)
    }

    /// Begins the rounds of subscriptions that are due.
    pub(super) fn begin_rounds(&mut self, now: Instant) {
        while let Some((id, target, task)) = self.searches.subscriptions.begin_one(now) {
            let [v4, v6] = [Family::V4, Family::V6].map(|family| self.look_up(family, target));
            let mut round = Search::new(task, v4, v6);
            round.subscription = Some(id);
            self.searches.begin(round);
        }
    }

    fn begin(&mut self, now: Instant, target: NodeId, task: Task) -> SearchId {
        let [v4, v6] = [Family::V4, Family::V6].map(|family| self.look_up(family, target));
        let id = self.searches.begin(Search::new(task, v4, v6));
        self.pump(now);
        SearchId(id)
    }

    /// A look-up that begins with what is known in a family.
    pub(super) fn look_up(&self, family: Family, target: NodeId) -> Option<Lookup> {
        let side = self.sides.get(family)?;
        let mut lookup = Lookup::new(target, self.config.branching);
        side.table.closest(target, FIRST_NODES).into_iter().for_each(|node| lookup.add(node));
        let is_avoided = |address: SocketAddr| self.filter.blocks(address.ip());
        if side.is_thin() {
            let known = side.known.iter().filter(|node| !is_avoided(node.address));
            known.for_each(|node| lookup.add(*node));
        }
        let routers = self.routers.iter().filter(|router| Family::of(router.ip()) == family);
        routers.filter(|router| !is_avoided(**router)).for_each(|router| lookup.add_entry(*router));
        Some(lookup)
    }
}

/// The nodes of the table that a look-up begins with: twice as many as it ends with, as some are gone.
const FIRST_NODES: usize = 16;

/// The routers that are kept.
const MOST_ROUTERS: usize = 64;
