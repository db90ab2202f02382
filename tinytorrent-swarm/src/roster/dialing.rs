//! The connections that we make.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_types::{AddressVerdict, WireInfoHash};

use super::book::Candidate;
use super::{Admission, Need, Roster, Teller, insert};
use crate::PeerKey;
use crate::contract::{Action, ConnectionError, LeaveReason, Route, Transport};
use crate::outbox::Outbox;
use crate::peer::{Contact, Peer};
use crate::peers::Peers;

impl Roster {
    /// The instant from which the next address may be tried, or a place be found for it.
    pub(crate) fn ready_at(&self, peers: &Peers, need: Option<Need>) -> Option<Instant> {
        let mut ready = self.book.ready_at()?;
        if !self.has_room_for_dial(peers) {
            ready = ready.max(self.dials.next()?);
        }
        self.places.ready_at(peers, need, ready)
    }

    fn has_room_for_dial(&self, peers: &Peers) -> bool {
        self.dials.has_room() && self.places.has_room_for_dial(peers, self.dials.len())
    }

    /// The connections that are being made, and how many more could be begun now.
    pub(crate) fn dials(&self, now: Instant, peers: &Peers) -> (usize, usize) {
        let is_ready = self.book.ready_at().is_some_and(|at| at <= now)
            && self.places.has_room_for_dial(peers, self.dials.len());
        let more = if is_ready { self.dials.room().min(self.book.len()) } else { 0 };
        (self.dials.len(), more)
    }

    /// Changes the number of connections that may still be begun.
    pub(crate) fn set_dial_credit(&mut self, credit: Option<u32>) {
        self.dials.set_credit(credit);
    }

    /// The number of connections that may still be begun; `None` for any number.
    pub(crate) fn dial_credit(&self) -> Option<u32> {
        self.dials.credit()
    }

    /// Connects to as many as there are places for. Returns a connection that is in the way of the next one
    /// and has had its time; once it is gone, there is more to do. With [`Need::Nothing`], what is known to
    /// be a seed is put aside instead.
    pub(crate) fn dial(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        out: &mut Outbox,
        need: Option<Need>,
    ) -> Option<(PeerKey, LeaveReason)> {
        let spare_seeds = need == Some(Need::Nothing);
        loop {
            // Connections that came in and have not shaken hands hold up no dials: anybody can make them.
            if !self.has_room_for_dial(peers) {
                self.book.ready_at().filter(|&at| at <= now)?;
                let reason = LeaveReason::ConnectFailed(ConnectionError::TimedOut);
                return self.dials.slowest(now).map(|slowest| (slowest, reason));
            }
            self.places.ready_at(peers, need, now).filter(|&at| at <= now)?;
            let candidate = self.book.next(now, spare_seeds)?;
            let address = candidate.address;
            if peers.contacts().any(|contact| contact.dialed() == Some(address)) {
                continue; // busy until that peer leaves
            }
            // From the first claim on, as one who does not give can have another say the same.
            let since = candidate.claimed_since.unwrap_or(now);
            let until = since.checked_add(belief(need));
            let until = if is_proven(peers, address) { None } else { until };
            if until.is_none_or(|until| now < until) && is_claimed(peers, address) {
                self.book.put_off_as_claimed(now, address, until);
                continue;
            }
            match self.places.for_dial(now, peers, address, need) {
                Admission::Free => {}
                Admission::InPlaceOf(other) => {
                    self.book.put_back(now, address);
                    return Some((other, LeaveReason::GaveNothing));
                }
                // Others may be from elsewhere.
                Admission::Greedy => {
                    self.book.put_off(now, address);
                    continue;
                }
                // It waits for the next look, with all others.
                Admission::Refused => {
                    self.book.put_back(now, address);
                    return None;
                }
            }
            let route = self.transports.route(candidate.first);
            self.connect(now, peers, out, candidate, route);
        }
    }

    /// Connects at once to an address that a peer names, which does the same: each lets the other in by what it
    /// sends (BEP 55). This is beside the dials that wait, and takes a place that is free. Returns false if the
    /// address is not to be connected to, or not now.
    pub(crate) fn punch(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        out: &mut Outbox,
        teller: Teller,
        address: SocketAddr,
    ) -> bool {
        let is_here = peers.contacts().any(|contact| contact.is_at(address));
        let is_usable = self.book.judge(address) == AddressVerdict::Usable;
        let has_room = self.places.has_room_for_dial(peers, self.dials.len());
        if is_here || !is_usable || !has_room {
            return false;
        }
        self.add(now, teller, &[address], false);
        let Some(candidate) = self.book.take(address) else { return false };
        if self.places.for_dial(now, peers, address, None) != Admission::Free {
            self.book.put_back(now, address);
            return false;
        }
        let punched = self.connect(now, peers, out, candidate, Route::Only(Transport::Utp));
        if let Some(pending) = peers.pending_mut(punched) {
            pending.contact.is_punched = true;
        }
        true
    }

    fn connect(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        out: &mut Outbox,
        candidate: Candidate,
        route: Route,
    ) -> PeerKey {
        let (address, info_hash) = (candidate.address, self.name_for(candidate));
        let peer = insert(now, peers, out, Contact::outgoing(address, candidate.source, info_hash));
        self.dials.begin(now, peer, candidate.failures);
        out.act(Action::Connect { peer, address, route, info_hash });
        peer
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
}

/// Returns true if a peer that came to us says that it listens at this address.
fn is_claimed(peers: &Peers, address: SocketAddr) -> bool {
    peers.iter().any(|peer| peer.contact.listens_at == Some(address))
}

/// Returns true if one of them has proven it.
fn is_proven(peers: &Peers, address: SocketAddr) -> bool {
    let is_there = |peer: &Peer| peer.contact.listens_at == Some(address);
    peers.iter().any(|peer| is_there(peer) && peer.contact.is_proven)
}

/// Time for which it is believed that somebody listens at an address who says so.
fn belief(need: Option<Need>) -> Duration {
    match need {
        Some(Need::Gifts) => BELIEF,
        // Nobody could give us more than those who claim to be there.
        Some(Need::Nothing) | None => Duration::MAX,
    }
}

/// Time until an address is tried where somebody says that he is, even if somebody gives us something
/// meanwhile: it may be the same one, and give next to nothing.
const BELIEF: Duration = Duration::from_secs(3);
