use std::net::SocketAddr;
use std::time::Instant;

use tinytorrent_types::compact::Family;

use super::{MOST_TRANSMITS, Node, Purpose};
use crate::message::{Body, Message, Method, Query, Want};
use crate::search::Task;
use crate::{Event, NodeId, SearchId, Transmit};

/// The way out: queries of searches and of upkeep.
impl Node {
    /// Sends what the searches have to ask, each in its turn (D-45), and ends those that are done.
    pub(super) fn pump(&mut self, now: Instant) {
        self.end_searches(now);
        self.searches.are_held = false;
        while let Some(id) = self.searches.next_turn() {
            if self.queries.left(now) == 0 {
                // Whether the search has something to ask is not known before it is asked.
                self.searches.are_held = true;
                break;
            }
            let Some(asked) = self.ask_next(now, id) else { break };
            if !asked {
                break;
            }
        }
    }

    /// Sends one query of a search, beginning with the one whose turn it is. Returns false if none has any.
    pub(super) fn ask_next(&mut self, now: Instant, first: u64) -> Option<bool> {
        let after = self.searches.open.range(first..).map(|(id, _)| *id);
        let before = self.searches.open.range(..first).map(|(id, _)| *id);
        let order: Vec<u64> = after.chain(before).collect();
        for id in order {
            let search = self.searches.open.get_mut(&id)?;
            let Some(ask) = search.next() else { continue };
            self.searches.turn = id;
            self.queries.take(now, 1);
            let purpose =
                if ask.token.is_some() { Purpose::Store(id) } else { Purpose::Search(id) };
            let transaction = self.requests.begin(now, ask.to, ask.id, purpose);
            let search = self.searches.open.get(&id)?;
            let method = search.method(&ask, search.target());
            let bytes = self.encode_query(ask.to, &transaction, method)?;
            self.send_query(now, ask.to, bytes);
            return Some(true);
        }
        Some(false)
    }

    pub(super) fn end_searches(&mut self, now: Instant) {
        let open = self.searches.open.iter_mut();
        let done: Vec<u64> =
            open.filter_map(|(id, search)| search.is_done().then_some(*id)).collect();
        for id in done {
            let Some(search) = self.searches.open.remove(&id) else { continue };
            let is_told = !matches!(search.task, Task::Upkeep);
            let subscription = search.subscription;
            let report = search.into_report();
            if let Some(id) = subscription {
                self.searches.subscriptions.on_end(now, id, &report, &mut self.rng);
                self.out.events.push_back(Event::RoundEnded { search: SearchId(id), report });
            } else if is_told {
                self.out.events.push_back(Event::SearchEnded { search: SearchId(id), report });
            }
        }
    }

    /// Sends a query that belongs to no search.
    pub(super) fn ask(
        &mut self,
        now: Instant,
        to: SocketAddr,
        id: Option<NodeId>,
        method: Method<'_>,
        purpose: Purpose,
    ) {
        self.queries.take(now, 1);
        let transaction = self.requests.begin(now, to, id, purpose);
        if let Some(bytes) = self.encode_query(to, &transaction, method) {
            self.send_query(now, to, bytes);
        }
    }

    /// The bytes of a query; `None` if we are not in the network of its receiver.
    pub(super) fn encode_query(
        &self,
        to: SocketAddr,
        transaction: &[u8],
        method: Method<'_>,
    ) -> Option<Vec<u8>> {
        let own = self.id(Family::of(to.ip()))?;
        let mut query = Query::new(own, method);
        // BEP 32: both, if we are in both networks; else the family of the datagram is understood.
        if self.config.v4 && self.config.v6 {
            query.want = Want::BOTH;
        }
        let mut message = Message::new(transaction, Body::Query(query));
        message.version = self.config.version.as_ref().map(|version| &version[..]);
        message.read_only = self.is_read_only();
        let mut bytes = Vec::with_capacity(256);
        message.encode(&mut bytes);
        Some(bytes)
    }

    pub(super) fn send_query(&mut self, now: Instant, to: SocketAddr, bytes: Vec<u8>) {
        self.stats.queries_out += 1;
        self.reach.on_sent(now, to);
        self.send(to, bytes);
    }

    pub(super) fn send(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        // A search may have begun before it was avoided (D-56).
        if self.filter.blocks(to.ip()) {
            return;
        }
        if self.out.transmits.len() < MOST_TRANSMITS {
            self.stats.datagrams_out += 1;
            self.stats.bytes_out += bytes.len() as u64;
            self.out.transmits.push_back(Transmit { to, bytes });
        }
    }
}
