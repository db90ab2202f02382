//! Connections that are and that may be: candidates, bans, our own address, double connections.

mod bans;
mod book;
mod departed;
mod priority;
mod twins;

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use tinytorrent_types::{AddressFilter, AddressVotes, InfoHashes, PeerId, WireInfoHash};

use self::book::{Candidate, PeerBook};
use self::departed::Departed;
use crate::PeerKey;
use crate::config::Config;
use crate::contract::{Action, LeaveReason, PeerSource};
use crate::outbox::Outbox;
use crate::peer::{Contact, Peer};
use crate::peers::{Gone, Peers};

/// The addresses of peers, and the decisions about connections to them.
#[derive(Debug)]
pub(crate) struct Roster {
    hashes: InfoHashes,
    our_id: PeerId,
    listen_port: Option<u16>,
    max_peers: usize,
    max_connecting: usize,
    book: PeerBook,
    departed: Departed,
    /// Addresses at which peers see us.
    votes: AddressVotes,
}

impl Roster {
    pub(crate) fn new(config: &Config) -> Self {
        let mut filter = AddressFilter::new();
        for own in &config.own_addresses {
            filter.add_own(*own);
        }
        Self {
            hashes: config.info_hashes,
            our_id: config.peer_id,
            listen_port: config.listen_port,
            max_peers: config.max_peers,
            max_connecting: config.max_connecting,
            book: PeerBook::new(filter),
            departed: Departed::default(),
            votes: AddressVotes::new(),
        }
    }

    /// Number of addresses that may be peers.
    pub(crate) fn known(&self) -> usize {
        self.book.len()
    }

    /// Takes in addresses. Returns false if this source may not tell of peers.
    pub(crate) fn add(
        &mut self,
        now: Instant,
        source: PeerSource,
        addresses: &[SocketAddr],
        is_private: bool,
    ) -> bool {
        let is_allowed = match source {
            PeerSource::User | PeerSource::Tracker | PeerSource::Incoming => true,
            // BEP 27: no peer of a private torrent but by its trackers.
            PeerSource::Exchange | PeerSource::Magnet => !is_private,
        };
        if is_allowed {
            for address in addresses {
                self.book.add(now, *address, source);
            }
        }
        is_allowed
    }

    /// Forgets all addresses but those that the user gave.
    pub(crate) fn forget_all(&mut self) {
        self.book.forget_all();
    }

    /// The addresses in an answer of a tracker, but for our own.
    pub(crate) fn others(&self, peers: &[tinytorrent_tracker::Peer]) -> Vec<SocketAddr> {
        let others = peers.iter().filter(|peer| peer.id != Some(self.our_id));
        others.map(|peer| peer.address).collect()
    }

    /// Returns true if a connection from this address may come in, as far as there are places.
    pub(crate) fn admits(&self, peers: &Peers, address: SocketAddr) -> bool {
        !self.book.is_banned(address) && !self.is_greedy(peers, address.ip())
    }

    /// Returns true if this host has as many places as one gets: half of them, lest it keep all others
    /// out. Many peers may live on our own.
    fn is_greedy(&self, peers: &Peers, host: IpAddr) -> bool {
        !host.is_loopback() && peers.of_host(host) >= self.max_peers.div_ceil(2)
    }

    /// Returns true if there is a place for one more connection.
    pub(crate) fn has_place(&self, peers: &Peers) -> bool {
        peers.len() < self.max_peers
    }

    /// A peer that has no use for us nor we for it, to make a place for another.
    pub(crate) fn useless(&self, peers: &Peers) -> Option<PeerKey> {
        let is_useless = |peer: &&Peer| !peer.is_interested() && !peer.interests_us();
        peers.iter().find(is_useless).map(|peer| peer.key)
    }

    /// Takes in a connection from outside.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        out: &mut Outbox,
        address: SocketAddr,
    ) -> PeerKey {
        // It must not be dialed while it is here.
        self.book.came(address);
        insert(now, peers, out, Contact::incoming(address))
    }

    /// The instant from which the next address may be tried, if there is a place for it.
    pub(crate) fn ready_at(&self, peers: &Peers) -> Option<Instant> {
        if self.wants_connections(peers) { self.book.ready_at() } else { None }
    }

    /// Connections that came in and have not shaken hands take places, but hold up no dials: anybody can
    /// make them.
    fn wants_connections(&self, peers: &Peers) -> bool {
        self.has_place(peers) && peers.dialing() < self.max_connecting
    }

    /// Connects to as many as there are places for. With `drop_seeds`, what is known to be a seed is
    /// forgotten instead.
    pub(crate) fn dial(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        out: &mut Outbox,
        drop_seeds: bool,
    ) {
        while self.wants_connections(peers) {
            let Some(candidate) = self.book.next(now, drop_seeds) else { break };
            let address = candidate.address;
            if peers.contacts().any(|contact| contact.listens_at == Some(address)) {
                continue; // it came to us; busy until that peer leaves
            }
            let info_hash = self.name_for(candidate);
            let peer = insert(now, peers, out, Contact::outgoing(address, info_hash));
            out.act(Action::Connect { peer, address, info_hash });
        }
    }

    /// The hash to name the torrent by. A hybrid is two swarms, and where a peer is in one of them only,
    /// the other hash is tried next time (BEP 52, "upgrade path").
    fn name_for(&self, candidate: Candidate) -> WireInfoHash {
        // A torrent of one version has one name, and then both are the same.
        let mut names = self.hashes.wire_hashes();
        let first = self.hashes.to_wire();
        let second = names.find(|name| *name != first).unwrap_or(first);
        let by_turns = if candidate.failures.is_multiple_of(2) { first } else { second };
        candidate.known_as.unwrap_or(by_turns)
    }

    /// The reason not to talk to a peer that gave this id, if there is one.
    pub(crate) fn objection(
        &mut self,
        peers: &Peers,
        contact: &Contact,
        id: PeerId,
    ) -> Option<LeaveReason> {
        let address = contact.address;
        // A tracker tells us of ourselves, and a router may let us reach our own address.
        if id == self.our_id {
            if !contact.is_incoming {
                self.book.shun(address);
            }
            return Some(LeaveReason::OurselvesFound);
        }
        if self.book.is_banned(address) || self.book.is_banned_id(address, id) {
            return Some(LeaveReason::Banned);
        }
        // One in the other direction was made at the same time: see `twins`.
        let is_again =
            |peer: &Peer| peer.is(id, address) && peer.contact.is_incoming == contact.is_incoming;
        peers.iter().any(is_again).then_some(LeaveReason::Duplicate)
    }

    /// A peer has shaken hands, naming the torrent by this hash. Returns the connection to leave, if it
    /// is one of two to the same peer.
    pub(crate) fn greeted(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        key: PeerKey,
        hash: WireInfoHash,
    ) -> Option<PeerKey> {
        let peer = peers.get(key)?;
        if let Some(address) = peer.contact.dialed() {
            self.book.greeted(address, hash);
        }
        twins::greeted(now, peers, key, self.our_id)
    }

    /// A peer told the port at which it listens. Returns the connection to leave, if it is one of two to
    /// the same peer.
    pub(crate) fn listens_at(
        &mut self,
        peers: &mut Peers,
        key: PeerKey,
        port: u16,
    ) -> Option<PeerKey> {
        let contact = &mut peers.get_mut(key)?.contact;
        let told = SocketAddr::new(contact.address.ip().to_canonical(), port);
        // It told another port before, or we dialed another one: a claim that fits nothing.
        if *contact.listens_at.get_or_insert(told) != told {
            return None;
        }
        twins::told(peers, key, self.our_id)
    }

    /// The time is over in which the other end could choose between two connections. Returns the
    /// connection to leave.
    pub(crate) fn choose_twin(
        &self,
        now: Instant,
        peers: &mut Peers,
        key: PeerKey,
    ) -> Option<PeerKey> {
        twins::choose(now, peers, key, self.our_id)
    }

    /// A peer says at which address it sees us. Returns the address if enough of them agree, and it is
    /// news.
    pub(crate) fn vote(&mut self, voter: IpAddr, address: IpAddr) -> Option<IpAddr> {
        let agreed = self.votes.vote(voter, address)?;
        self.book.set_own(SocketAddr::new(agreed, self.listen_port.unwrap_or(0)));
        Some(agreed)
    }

    /// A tracker says at which address it sees us: nothing else is there.
    pub(crate) fn add_own(&mut self, address: IpAddr) {
        if let Some(port) = self.listen_port {
            let address = SocketAddr::new(address, port);
            self.book.add_own(address);
            self.book.set_own(address);
        }
    }

    /// A connection is gone. Notes in the book how the visit ended.
    pub(crate) fn left(&mut self, now: Instant, key: PeerKey, gone: &Gone, reason: &LeaveReason) {
        let contact = gone.contact();
        if let Gone::Live(peer) = gone {
            self.departed.add(key, contact.address, peer.id);
        }
        self.note_visit(now, contact.address, gone, reason);
        // The port that it came from is not one at which it could be found again.
        if let Some(address) = contact.listens_at.filter(|_| contact.is_incoming) {
            self.note_visit(now, address, gone, reason);
        }
    }

    fn note_visit(&mut self, now: Instant, address: SocketAddr, gone: &Gone, reason: &LeaveReason) {
        match reason {
            LeaveReason::ConnectFailed(_)
            | LeaveReason::Violation(_)
            | LeaveReason::WrongTorrent
            | LeaveReason::Idle => self.book.failed(now, address),
            LeaveReason::Banned | LeaveReason::OurselvesFound | LeaveReason::TrackerChanged => {}
            LeaveReason::Closed(_)
            | LeaveReason::Duplicate
            | LeaveReason::Useless
            | LeaveReason::Crowded
            | LeaveReason::Stopped => {
                let (is_useful, is_seed) = match gone {
                    Gone::Live(peer) => (peer.pipeline.pace.total() > 0, peer.is_seed()),
                    Gone::Pending(_) => (false, false),
                };
                if is_useful {
                    self.book.proved(address);
                }
                self.book.left(now, address, is_seed);
            }
        }
    }

    /// Bans a peer, connected or not, that proved to send wrong data. Returns its address if that is
    /// news.
    pub(crate) fn ban(&mut self, peers: &Peers, key: PeerKey) -> Option<SocketAddr> {
        let present = peers.get(key).map(|peer| (peer.contact.address, peer.id));
        let (address, id) = present.or_else(|| self.departed.find(key))?;
        // A second proof against the same peer is nothing to tell the user of.
        let is_news = !self.book.is_banned(address);
        self.book.ban(address, Some(id));
        is_news.then_some(address)
    }

    pub(crate) fn check_invariants(&self, peers: &Peers) {
        self.book.check_invariants();
        assert!(peers.len() <= self.max_peers.max(1) + 1);
    }
}

fn insert(now: Instant, peers: &mut Peers, out: &mut Outbox, contact: Contact) -> PeerKey {
    let key = peers.insert(now, contact);
    if let Some(pending) = peers.pending_mut(key) {
        let deadline = pending.deadline();
        if pending.timing.arm(deadline) {
            out.timers.remind(deadline, key);
        }
    }
    key
}

#[cfg(test)]
mod tests;
