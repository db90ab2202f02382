use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_types::AddressScope;
use tinytorrent_types::compact::Family;

use super::{Node, Purpose};
use crate::message::{Body, ErrorMessage, Message, Method, Query, Response};
use crate::requests::{Overdue, Request};
use crate::search::Task;
use crate::server::Served;
use crate::{Event, NodeAnswer, NodeId, NodeInfo, OwnedSample, SearchId};

/// The way in: queries of others, answers to ours, and the time at which there is none.
impl Node {
    pub(super) fn handle_message(&mut self, now: Instant, from: SocketAddr, message: &Message<'_>) {
        match &message.body {
            Body::Query(query) => self.on_query(now, from, message, query),
            Body::Response(response) => {
                let Some(request) = self.requests.answer(now, from, message.transaction) else {
                    self.stats.unsolicited += 1;
                    return;
                };
                self.stats.answers_in += 1;
                self.on_response(now, request, response);
                if let Some(ip) = message.ip {
                    self.on_vote(now, from, ip);
                }
            }
            Body::Error(error) => {
                let Some(request) = self.requests.answer(now, from, message.transaction) else {
                    self.stats.unsolicited += 1;
                    return;
                };
                self.on_refusal(request, error);
                if let Some(ip) = message.ip {
                    self.on_vote(now, from, ip);
                }
            }
        }
    }

    pub(super) fn on_query(
        &mut self,
        now: Instant,
        from: SocketAddr,
        message: &Message<'_>,
        query: &Query<'_>,
    ) {
        self.stats.queries_in += 1;
        self.judge_reach(|reach| reach.on_query(now, from));
        // D-60
        if self.is_read_only() {
            return;
        }
        let served = self.server.answer(now, from, message.transaction, query, &self.sides);
        let is_answered = matches!(served, Served::Answer(_));
        self.deliver(from, served);
        // D-14
        if is_answered && !message.read_only {
            let node = NodeInfo { id: query.id, address: from };
            self.on_asker(now, node);
        }
    }

    /// D-47: a node that asks us is asked itself, at once while we know few.
    pub(super) fn on_asker(&mut self, now: Instant, node: NodeInfo) {
        let Some(side) = self.sides.get_mut(node.family()) else { return };
        side.table.on_query(now, node);
        side.add_asker(now, node);
        if side.is_thin()
            && self.queries.left(now) > 0
            && let Some(candidate) = side.next_candidate()
        {
            let target = side.table.own();
            self.ask(
                now,
                candidate.address,
                Some(candidate.id),
                Method::FindNode { target },
                Purpose::Upkeep,
            );
        }
    }

    pub(super) fn deliver(&mut self, to: SocketAddr, served: Served) {
        match served {
            Served::Answer(bytes) => {
                self.stats.answers_out += 1;
                self.send(to, bytes);
            }
            Served::Flood => self.stats.floods += 1,
            Served::OverBudget => self.stats.over_budget += 1,
        }
    }

    pub(super) fn on_response(
        &mut self,
        now: Instant,
        request: Request<Purpose>,
        response: &Response<'_>,
    ) {
        self.reach.on_answer(request.to);
        let node = NodeInfo { id: response.id, address: request.to };
        let round_trip = now.saturating_duration_since(request.sent_at);
        // D-19
        if !self.routers.contains(&request.to)
            && let Some(side) = self.sides.get_mut(node.family())
        {
            side.table.on_answer(now, node, round_trip);
            (side.told_empty, side.bootstrap_wait) = (false, crate::side::FIRST_WAIT);
        }
        let nodes: Vec<_> =
            response.all_nodes().filter(|named| self.is_plausible(*named, request.to)).collect();
        match request.purpose {
            Purpose::Search(id) => {
                let Some(search) = self.searches.open.get_mut(&id) else { return };
                let found = search.on_answer(request.to, response, nodes.iter().copied());
                let subscription = search.subscription;
                if matches!(search.task, Task::Upkeep) {
                    self.add_candidates(nodes);
                }
                let search = SearchId(subscription.unwrap_or(id));
                if !found.peers.is_empty() {
                    let (from, peers) = (request.to, found.peers);
                    self.out.events.push_back(Event::PeersFound { search, from, peers });
                }
                if let Some(item) = found.item {
                    if let Some(id) = subscription {
                        self.searches.subscriptions.on_item(now, id, &item);
                    }
                    self.out.events.push_back(Event::ItemFound { search, item });
                }
            }
            Purpose::Store(id) => {
                if let Some(search) = self.searches.open.get_mut(&id) {
                    search.on_stored(request.to, true);
                }
            }
            Purpose::Upkeep => self.add_candidates(nodes),
            Purpose::Command(query) => {
                if let Some(sample) = response.sample {
                    let interval = Duration::from_secs(sample.interval.into());
                    self.sampled.insert(now, request.to, interval);
                }
                let sample = response.sample.map(|sample| OwnedSample {
                    interval: Duration::from_secs(sample.interval.into()),
                    total: sample.total,
                    info_hashes: sample.info_hashes().collect(),
                });
                let answer = NodeAnswer { node, round_trip, nodes, sample };
                self.out.events.push_back(Event::Answered { query, answer });
            }
        }
    }

    pub(super) fn on_refusal(&mut self, request: Request<Purpose>, error: &ErrorMessage<'_>) {
        match request.purpose {
            Purpose::Search(id) => {
                if let Some(search) = self.searches.open.get_mut(&id) {
                    search.on_failure(request.to);
                }
            }
            Purpose::Store(id) => {
                if let Some(search) = self.searches.open.get_mut(&id) {
                    search.on_stored(request.to, false);
                }
            }
            Purpose::Upkeep => {}
            Purpose::Command(query) => {
                let refusal = Some((error.code, error.text.to_vec()));
                self.out.events.push_back(Event::Failed { query, refusal });
            }
        }
    }

    pub(super) fn on_overdue(&mut self, overdue: Overdue, request: Request<Purpose>) {
        let is_lost = overdue == Overdue::Lost;
        if is_lost {
            self.stats.lost += 1;
            let side = self.sides.get_mut(Family::of(request.to.ip()));
            if let Some((side, id)) = side.zip(request.id) {
                side.table.on_failure(NodeInfo { id, address: request.to });
            }
        }
        match request.purpose {
            Purpose::Search(id) => {
                let Some(search) = self.searches.open.get_mut(&id) else { return };
                search.on_overdue(request.to, overdue);
            }
            Purpose::Store(id) => {
                let search = self.searches.open.get_mut(&id);
                if let Some(search) = search.filter(|_| overdue != Overdue::Slow) {
                    search.on_stored(request.to, false);
                }
            }
            Purpose::Command(query) if is_lost => {
                self.out.events.push_back(Event::Failed { query, refusal: None });
            }
            Purpose::Command(_) | Purpose::Upkeep => {}
        }
    }

    /// D-13: counts what a node that we asked says of our address.
    pub(super) fn on_vote(&mut self, now: Instant, from: SocketAddr, ours: SocketAddr) {
        let Some(ip) = self.votes.vote(from.ip(), ours.ip()) else { return };
        let family = Family::of(ip);
        let Some(side) = self.sides.get_mut(family) else { return };
        // D-50
        if !side.table.own().fits_address(ip) {
            let own = NodeId::for_address(ip, &mut self.rng);
            side.table.set_own(own);
            side.next_own = now;
            if self.sides.iter().next().is_some_and(|first| first.family == family) {
                self.server.set_own(own);
            }
        }
        self.judge_reach(|reach| reach.on_new_address(now));
        self.out.events.push_back(Event::AddressAgreed { ip });
    }

    /// True if a node may be where another node says it is. Who is on the internet knows nothing of our local
    /// network, and would have us send datagrams to it.
    fn is_plausible(&self, node: NodeInfo, named_by: SocketAddr) -> bool {
        let may_be_local = AddressScope::of(named_by.ip()).is_local();
        self.filter.allows(node.address)
            && (may_be_local || !AddressScope::of(node.address.ip()).is_local())
    }
}
