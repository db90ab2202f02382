use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;

use tinytorrent_types::compact::Family;

use crate::event::Scrape;
use crate::lookup::Lookup;
use crate::message::{Method, Response};
use crate::requests::Overdue;
use crate::{Item, NodeId, NodeInfo, SearchReport};

mod items;
mod task;

use items::Items;
pub(crate) use task::{Owner, Task};

/// A task of the application or of the node itself: look-ups in one or both families, and what is done at
/// their ends.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) task: Task,
    /// The subscription of which it is a round.
    pub(crate) subscription: Option<u64>,
    v4: Option<Part>,
    v6: Option<Part>,
    /// Peers that were handed out.
    seen: HashSet<SocketAddr>,
    scrape: Option<Box<Scrape>>,
    items: Items,
    stored: u32,
}

/// The look-up of one family.
#[derive(Debug)]
struct Part {
    lookup: Lookup,
    /// The look-up has ended.
    is_over: bool,
    /// Nodes that are to store something, and their tokens.
    to_store: VecDeque<(NodeInfo, Box<[u8]>)>,
    /// Nodes that were asked to store something and are waited for.
    storing: HashSet<SocketAddr>,
}

/// A query to send.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) to: SocketAddr,
    pub(crate) id: Option<NodeId>,
    /// The token, if it is to store something.
    pub(crate) token: Option<Box<[u8]>>,
}

/// What an answer brought.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) peers: Vec<SocketAddr>,
    pub(crate) item: Option<Item>,
}

/// The peers that a search reports. The largest swarms have more, and no client connects to as many.
const MOST_PEERS: usize = 10_000;

impl Search {
    /// A search in the families for which there is a look-up.
    pub(crate) fn new(task: Task, v4: Option<Lookup>, v6: Option<Lookup>) -> Self {
        let part = |lookup| Part {
            lookup,
            is_over: false,
            to_store: VecDeque::new(),
            storing: HashSet::new(),
        };
        let (subscription, seen, scrape, items) = Default::default();
        let (v4, v6, stored) = (v4.map(part), v6.map(part), 0);
        Self { task, subscription, v4, v6, seen, scrape, items, stored }
    }

    /// The next query to send.
    pub(crate) fn next(&mut self) -> Option<Ask> {
        for part in [&mut self.v4, &mut self.v6].into_iter().flatten() {
            if let Some((node, token)) = part.to_store.pop_front() {
                part.storing.insert(node.address);
                return Some(Ask { to: node.address, id: Some(node.id), token: Some(token) });
            }
            if part.is_over {
                continue;
            }
            if let Some((to, id)) = part.lookup.next() {
                return Some(Ask { to, id, token: None });
            }
        }
        None
    }

    /// The question of a query.
    pub(crate) fn method<'a>(&'a self, ask: &'a Ask, target: NodeId) -> Method<'a> {
        match &ask.token {
            None => self.task.question(target),
            Some(token) => self.task.store(token, self.items.held_by(ask.to)),
        }
    }

    pub(crate) fn target(&self) -> NodeId {
        let part = self.v4.as_ref().or(self.v6.as_ref());
        part.map_or(NodeId::from_bytes([0; 20]), |part| part.lookup.target())
    }

    /// A node has answered a query of the look-up. `nodes` are those that it named.
    pub(crate) fn on_answer(
        &mut self,
        from: SocketAddr,
        response: &Response<'_>,
        nodes: impl IntoIterator<Item = NodeInfo>,
    ) -> Found {
        if let Some(part) = self.part_mut(Family::of(from.ip())) {
            part.lookup.on_answer(from, response.id, response.token);
        }
        for node in nodes {
            // Nodes of the other family come in as well, which is how a node finds its first ones there.
            if let Some(part) = self.part_mut(node.family()).filter(|part| !part.is_over) {
                part.lookup.add(node);
            }
        }
        if let Some((seeds, peers)) = response.seeds.as_ref().zip(response.peers.as_ref()) {
            let scrape = self.scrape.get_or_insert_default();
            scrape.seeds.join(seeds);
            scrape.peers.join(peers);
        }
        let item = self.items.on_answer(&self.task, self.target(), from, &response.item);
        Found { peers: self.new_peers(&response.values), item }
    }

    pub(crate) fn on_overdue(&mut self, address: SocketAddr, overdue: Overdue) {
        let Some(part) = self.part_mut(Family::of(address.ip())) else { return };
        match overdue {
            Overdue::Slow => part.lookup.on_slow(address),
            Overdue::GivenUp => part.lookup.on_given_up(address),
            Overdue::Lost => part.lookup.on_failure(address),
        }
    }

    pub(crate) fn on_failure(&mut self, address: SocketAddr) {
        if let Some(part) = self.part_mut(Family::of(address.ip())) {
            part.lookup.on_failure(address);
        }
    }

    /// A node has stored something, or has refused to, or is not waited for any more. If it answers later and before the
    /// end, that counts.
    pub(crate) fn on_stored(&mut self, address: SocketAddr, is_stored: bool) {
        self.stored += u32::from(is_stored);
        if let Some(part) = self.part_mut(Family::of(address.ip())) {
            part.storing.remove(&address);
        }
    }

    /// Notes the ends of look-ups. Returns true once nothing is left to do.
    pub(crate) fn is_done(&mut self) -> bool {
        // Items that are known to be out of date are not stored.
        let stores = self.task.stores() && !self.items.are_newer_than(&self.task);
        let mut is_done = true;
        for (family, part) in [(Family::V4, &mut self.v4), (Family::V6, &mut self.v6)] {
            let Some(part) = part else { continue };
            if !part.is_over && part.lookup.is_done() {
                part.is_over = true;
                let closest = part.lookup.closest();
                if stores && !self.items.have_enough_copies(&self.task, family, closest) {
                    part.to_store =
                        part.lookup.tokens().map(|(node, token)| (node, token.into())).collect();
                }
            }
            is_done &= part.is_over && part.to_store.is_empty() && part.storing.is_empty();
        }
        is_done
    }

    pub(crate) fn into_report(self) -> SearchReport {
        let mut report = SearchReport {
            peers: self.seen.len(),
            stored: self.stored,
            copies: self.items.copies(&self.task),
            scrape: self.scrape,
            ..SearchReport::default()
        };
        for part in [self.v4, self.v6].into_iter().flatten() {
            let (queries, answers) = part.lookup.counts();
            report.queries += queries;
            report.answers += answers;
            report.closest.extend(part.lookup.closest());
        }
        report
    }

    /// D-43: peers that were not handed out yet. Those that nobody can connect to are left out.
    fn new_peers(&mut self, values: &[SocketAddr]) -> Vec<SocketAddr> {
        if !matches!(self.task, Task::FindPeers { .. }) {
            return Vec::new();
        }
        let room = MOST_PEERS.saturating_sub(self.seen.len());
        let is_peer = |peer: &&SocketAddr| {
            let ip = peer.ip();
            peer.port() != 0 && !ip.is_unspecified() && !ip.is_multicast()
        };
        values
            .iter()
            .filter(is_peer)
            .filter(|peer| self.seen.insert(**peer))
            .take(room)
            .copied()
            .collect()
    }

    fn part_mut(&mut self, family: Family) -> Option<&mut Part> {
        match family {
            Family::V4 => self.v4.as_mut(),
            Family::V6 => self.v6.as_mut(),
        }
    }

    pub(crate) fn check_invariants(&self) {
        for part in [&self.v4, &self.v6].into_iter().flatten() {
            part.lookup.check_invariants();
        }
        assert!(self.seen.len() <= MOST_PEERS + 200);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::ItemFields;

    fn node(target: NodeId, rank: u8) -> NodeInfo {
        let mut id = *target.as_bytes();
        id[19] ^= rank;
        NodeInfo {
            id: NodeId::from_bytes(id),
            // Each local port is a host of its own.
            address: SocketAddr::from(([127, 0, 0, 1], u16::from(rank))),
        }
    }

    /// Puts an item if few have it, where the nodes of these ranks have it. The closest three are named last.
    /// Returns the ranks of those that are to store it.
    fn stored_by(item: &Item, has: impl Fn(u16) -> bool) -> (Vec<u16>, SearchReport) {
        let target = item.target();
        let task = Task::Put { item: item.clone(), cas: None, if_few: true };
        let mut search = Search::new(task, Some(Lookup::new(target, 4)), None);
        (4..=11)
            .for_each(|rank| search.part_mut(Family::V4).unwrap().lookup.add(node(target, rank)));
        let mut stored = Vec::new();
        while !search.is_done() {
            let ask = search.next().expect("it waits for nobody");
            let rank = ask.to.port();
            if ask.token.is_some() {
                stored.push(rank);
                search.on_stored(ask.to, true);
                continue;
            }
            let mut response = Response::new(ask.id.unwrap());
            response.token = Some(b"token");
            if has(rank) {
                let value = Some(item.raw()).filter(|_| item.seq().is_none());
                response.item = ItemFields { value, seq: item.seq(), ..ItemFields::default() };
            }
            let named = (1..=3).map(|rank| node(target, rank)).filter(|_| rank == 11);
            search.on_answer(ask.to, &response, named);
        }
        (stored, search.into_report())
    }

    #[test]
    fn an_item_that_the_closest_and_others_have_is_not_put_again() {
        // D-70
        let immutable = Item::from_text("text").unwrap();
        let mut items = vec![immutable];
        #[cfg(feature = "mutable")]
        items.push(Item::sign(&[1; 32], b"", 4, b"i1e").unwrap());
        for item in items {
            let (stored, report) = stored_by(&item, |_| true);
            assert_eq!((stored, report.copies), (vec![], 11));
            let (stored, report) = stored_by(&item, |rank| rank <= 8);
            assert_eq!((stored.len(), report.copies), (8, 8), "nobody else puts it");
            let (stored, report) = stored_by(&item, |rank| rank != 2);
            assert_eq!((stored.len(), report.copies), (8, 10), "one of the closest lacks it");
        }
    }
}
