//! Connections that are and that may be: candidates, bans, our own address, double connections.

mod bans;
mod book;
mod departed;
mod dialing;
mod dials;
mod places;
mod priority;
mod teller;
mod told;
mod turnover;
mod twins;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tinytorrent_types::{
    AddressFilter, AddressScope, AddressVerdict, AddressVotes, InfoHashes, IpRanges, PeerId,
    WireInfoHash,
};

use self::book::PeerBook;
use self::departed::Departed;
use self::dials::Dials;
use self::places::{Places, Stand};
use self::teller::is_hearsay;
use crate::PeerKey;
use crate::config::SwarmConfig;
use crate::contract::{LeaveReason, PeerSource, Transports};
use crate::outbox::Outbox;
use crate::peer::Contact;
use crate::peers::{Gone, Peers};

pub(crate) use self::places::Admission;
pub(crate) use self::teller::Teller;
pub(crate) use self::turnover::Need;
pub(crate) use self::twins::proof::{TWIN, TwinProof};

/// The addresses of peers, and the decisions about connections to them.
#[derive(Debug)]
pub(crate) struct Roster {
    hashes: InfoHashes,
    our_id: PeerId,
    listen_port: Option<u16>,
    transports: Transports,
    /// True if local addresses are taken from whoever tells of them.
    trusts_local: bool,
    /// True if only addresses of the public internet are taken, but for those of the user.
    refuses_bogons: bool,
    places: Places,
    dials: Dials,
    book: PeerBook,
    departed: Departed,
    /// Addresses at which peers see us; `None` until one says so.
    votes: Option<Box<AddressVotes>>,
    chance: Chance,
}

/// Numbers that nobody can guess, for proofs. Made when the first is needed: most torrents need none.
#[derive(Debug)]
struct Chance {
    seed: u64,
    numbers: Option<Box<StdRng>>,
}

impl Chance {
    fn numbers(&mut self) -> &mut StdRng {
        self.numbers.get_or_insert_with(|| Box::new(StdRng::seed_from_u64(self.seed)))
    }
}

impl Roster {
    pub(crate) fn new(now: Instant, config: &SwarmConfig) -> Self {
        let mut filter = AddressFilter::new();
        for own in &config.own_addresses {
            filter.add_own(*own);
        }
        Self {
            hashes: config.info_hashes,
            our_id: config.peer_id,
            listen_port: config.listen_port,
            transports: config.transports,
            trusts_local: config.local_peers,
            refuses_bogons: config.refuses_bogons,
            places: Places::new(now, config.max_peers),
            dials: Dials::new(config.max_connecting),
            book: PeerBook::new(filter),
            departed: Departed::default(),
            votes: None,
            // A stream of its own: a twin more does not change which piece is picked.
            chance: Chance { seed: config.seed ^ 0x0074_7769_6e73, numbers: None },
        }
    }

    /// Our addresses, of each family that enough peers agree on.
    pub(crate) fn external_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.votes.iter().flat_map(|votes| votes.ipv4().into_iter().chain(votes.ipv6()))
    }

    /// Changes the port that others are told of.
    pub(crate) fn set_listen_port(&mut self, port: Option<u16>) {
        self.listen_port = port;
    }

    /// Changes the number of connections at most.
    pub(crate) fn set_max_peers(&mut self, count: usize) {
        self.places.set_max(count);
    }

    /// Number of addresses that may be peers.
    pub(crate) fn known(&self) -> usize {
        self.book.len()
    }

    /// Takes in addresses. Returns false if nobody can be told of by this teller.
    pub(crate) fn add(
        &mut self,
        now: Instant,
        teller: Teller,
        addresses: &[SocketAddr],
        is_private: bool,
    ) -> bool {
        if !teller.is_heard(is_private) {
            return false;
        }
        for &address in addresses {
            let is_bogon = self.refuses_bogons
                && teller.source != PeerSource::User
                && !AddressScope::of(address.ip()).is_public();
            if !is_bogon && (self.trusts_local || teller.may_know(address.ip())) {
                self.book.add(now, address, teller.source);
            } else {
                self.book.refuse();
            }
        }
        true
    }

    /// Forgets all addresses but those that the user gave.
    pub(crate) fn forget_told(&mut self) {
        self.book.forget(|source| source != PeerSource::User);
    }

    /// Forgets the addresses of which only peers or the link told. Returns the connections to such ones:
    /// a private torrent has no part in them (BEP 27).
    pub(crate) fn forget_hearsay(&mut self, peers: &Peers) -> Vec<PeerKey> {
        self.book.forget(is_hearsay);
        let to_leave = peers
            .keys()
            .filter(|&key| peers.contact(key).is_some_and(|contact| is_hearsay(contact.source)));
        to_leave.collect()
    }

    /// Changes the addresses that the user avoids. Those that are known are forgotten, whoever told of them; returns
    /// the connections to such ones.
    pub(crate) fn block(&mut self, ranges: Option<Arc<IpRanges>>, peers: &Peers) -> Vec<PeerKey> {
        self.book.block(ranges);
        let is_blocked = |key: &PeerKey| {
            peers.contact(*key).is_some_and(|contact| self.book.blocks(contact.address))
        };
        peers.keys().filter(is_blocked).collect()
    }

    /// Returns true if this entry in an answer of a tracker is ourselves.
    pub(crate) fn is_ours(&self, peer: &tinytorrent_tracker::Peer) -> bool {
        peer.id == Some(self.our_id) || self.book.is_own(peer.address)
    }

    /// Notes that this peer told of an address, and could introduce us to the one there.
    pub(crate) fn note_introducer(&mut self, address: SocketAddr, introducer: PeerKey) {
        self.book.note_introducer(address, introducer);
    }

    /// The peer to ask for an introduction to the one at an address. It may be gone.
    pub(crate) fn introducer(&self, address: SocketAddr) -> Option<PeerKey> {
        self.book.introducer(address)
    }

    /// Notes that the introducer of an address is not to be asked again, unless we get there.
    pub(crate) fn note_asked(&mut self, address: SocketAddr) {
        self.book.note_asked(address);
    }

    /// The verdict on an address that a stranger names: it may be ours, or none that a peer can have.
    pub(crate) fn judge(&self, address: SocketAddr) -> AddressVerdict {
        self.book.judge(address)
    }

    /// Returns true if nobody has given anything for a while.
    pub(crate) fn is_hungry(&self, now: Instant) -> bool {
        self.places.turnover.is_hungry(now)
    }

    /// The instant at which it has been a while, if it has not.
    pub(crate) fn hungry_at(&self, now: Instant) -> Option<Instant> {
        Some(self.places.turnover.hungry_at()).filter(|&at| at > now)
    }

    /// Looks for a place for a connection that comes in from this address. `need` is `None` as long as
    /// nothing can be said about the use of peers.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        peers: &Peers,
        address: SocketAddr,
        need: Option<Need>,
        is_loaded: bool,
    ) -> Admission {
        if self.book.is_banned(address) || self.book.blocks(address) {
            return Admission::Refused;
        }
        let stand = Stand { is_loaded, has_addresses: self.book.ready_at().is_some() };
        self.places.for_stranger(now, peers, address, need, stand)
    }

    /// The connection of least use, if there is one that could be left.
    pub(crate) fn least_useful(&self, peers: &Peers) -> Option<PeerKey> {
        turnover::least_useful(peers)
    }

    /// Notes that a peer gave something, or that we begin to want something.
    pub(crate) fn note_gift(&mut self, now: Instant) {
        self.places.turnover.note_gift(now);
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

    /// The reason not to talk to a peer that gave this id, if there is one.
    pub(crate) fn objection(&mut self, contact: &Contact, id: PeerId) -> Option<LeaveReason> {
        let address = contact.address;
        // A tracker tells us of ourselves, and a router may let us reach our own address.
        if id == self.our_id {
            if !contact.is_incoming {
                self.book.shun(address);
            }
            return Some(LeaveReason::OurselvesFound);
        }
        // We went to an address of which nothing bad is known: whose name it gives proves nothing.
        let is_banned_name = contact.is_incoming && self.book.is_banned_name(address, id);
        (is_banned_name || self.book.is_banned(address)).then_some(LeaveReason::Banned)
    }

    /// A peer has shaken hands, naming the torrent by this hash.
    pub(crate) fn greeted(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        key: PeerKey,
        hash: WireInfoHash,
    ) {
        self.dials.end(key);
        if let Some(contact) = peers.contact(key)
            && let Some(address) = contact.reached_at()
        {
            self.book.greeted(address, hash, contact.transport);
        }
        twins::greeted(now, peers, key);
    }

    /// Says what proves other connections to be to the same peer, as far as it can be said by now.
    pub(crate) fn prove_twins(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        key: PeerKey,
        out: &mut Outbox,
    ) {
        twins::proof::talk(now, peers, key, out, self.chance.numbers());
    }

    /// Takes in a message about connections to the same peer. Returns the one to leave.
    pub(crate) fn hear_twin(
        &self,
        peers: &mut Peers,
        key: PeerKey,
        message: &[u8],
    ) -> Option<PeerKey> {
        let twin = twins::proof::hear(peers, key, message)?;
        twins::confirm(peers, [key, twin]);
        twins::proven(peers, key, twin, self.our_id)
    }

    /// The time is over in which it shows which of several connections to one peer is of use. Returns
    /// those to leave.
    pub(crate) fn choose_twin(
        &self,
        now: Instant,
        peers: &mut Peers,
        key: PeerKey,
    ) -> Vec<PeerKey> {
        twins::choose(now, peers, key)
    }

    /// A peer says at which address it sees us. Returns the address if enough of them agree, and it is
    /// news.
    pub(crate) fn vote(&mut self, voter: IpAddr, address: IpAddr) -> Option<IpAddr> {
        let agreed = self.votes.get_or_insert_default().vote(voter, address)?;
        self.agree(agreed)
    }

    /// A tracker says at which address it sees us.
    pub(crate) fn vote_of_tracker(&mut self, address: IpAddr) -> Option<IpAddr> {
        let agreed = self.votes.get_or_insert_default().vote_of_trackers(address)?;
        self.agree(agreed)
    }

    fn agree(&mut self, agreed: IpAddr) -> Option<IpAddr> {
        self.book.set_own(SocketAddr::new(agreed, self.listen_port.unwrap_or(0)));
        Some(agreed)
    }

    /// A connection is gone. Notes in the book how the visit ended.
    pub(crate) fn left(&mut self, now: Instant, key: PeerKey, gone: &Gone, reason: &LeaveReason) {
        let contact = gone.contact();
        if let Gone::Live(peer) = gone {
            self.departed.add(key, contact.address, peer.id);
        }
        self.dials.end(key);
        // Where one that came in says it listens may be another's address: nothing is held against that.
        self.note_visit(now, contact.address, gone, reason);
    }

    fn note_visit(&mut self, now: Instant, address: SocketAddr, gone: &Gone, reason: &LeaveReason) {
        match reason {
            LeaveReason::ConnectFailed(error) => {
                self.book.failed(now, address, error.is_hang_up());
            }
            LeaveReason::Violation(_)
            | LeaveReason::WrongTorrent
            | LeaveReason::GaveNothing
            | LeaveReason::Idle => self.book.failed(now, address, false),
            LeaveReason::Banned
            | LeaveReason::Blocked
            | LeaveReason::OurselvesFound
            | LeaveReason::TrackerChanged
            | LeaveReason::NotOfTracker => {}
            LeaveReason::Stopped | LeaveReason::Checking => self.book.released(now, address),
            LeaveReason::Closed(_)
            | LeaveReason::Duplicate
            | LeaveReason::Useless
            | LeaveReason::Crowded => {
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

    /// Something is wanted again that seeds have which we left.
    pub(crate) fn recall_seeds(&mut self, now: Instant) {
        self.book.recall_seeds(now);
    }

    /// Returns true if no connection to or from this address is wanted any more.
    pub(crate) fn is_banned(&self, address: SocketAddr) -> bool {
        self.book.is_banned(address)
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
        self.places.check_invariants(peers);
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
