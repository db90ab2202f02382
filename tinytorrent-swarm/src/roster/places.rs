//! The places for connections: who gets one, and who makes room.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_types::{Host, Network};

use super::turnover::{Kind, Need, Newcomer, Turnover, crowd_of};
use crate::PeerKey;
use crate::peer::{Contact, Peer};
use crate::peers::Peers;
use crate::planted::{Bug, is_planted};

/// The places, and the shares that hosts and networks have of them.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    pub(super) turnover: Turnover,
}

/// The answer to a connection that wants a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// There is a place.
    Free,
    /// It gets the place of this one.
    InPlaceOf(PeerKey),
    /// All places are taken, and nobody makes room now.
    Refused,
    /// Its host or its network has all the places that it gets, and nobody there makes room.
    Greedy,
}

/// The stand of the torrent, as far as it matters for places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stand {
    /// The content is known. As long as nobody knows what it is, nobody is useless.
    pub(super) is_loaded: bool,
    /// There are addresses to dial.
    pub(super) has_addresses: bool,
}

/// Time in which a newcomer tells what it has and wants.
const NEWS: Duration = Duration::from_secs(4);

impl Places {
    pub(super) fn new(now: Instant, max: usize) -> Self {
        Self { max, turnover: Turnover::new(now) }
    }

    /// Changes the number of places.
    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// Returns true if there is a place for one more connection.
    pub(super) fn is_free(&self, peers: &Peers) -> bool {
        peers.len() < self.max || is_planted(Bug::TakesAll)
    }

    /// The instant from which a place may be found for an address that is ready by then, if that may be.
    pub(super) fn ready_at(
        &self,
        peers: &Peers,
        need: Option<Need>,
        ready: Instant,
    ) -> Option<Instant> {
        if self.is_free(peers) {
            return Some(ready);
        }
        // Those that we could only give to are not worth the place of another.
        (need == Some(Need::Gifts)).then(|| ready.max(self.turnover.next()))
    }

    /// Looks for a place for an address that waits to be dialed.
    pub(super) fn for_dial(
        &mut self,
        now: Instant,
        peers: &Peers,
        address: SocketAddr,
        need: Option<Need>,
    ) -> Admission {
        let greed = self.greed(peers, address);
        if greed.is_none() && self.is_free(peers) {
            return Admission::Free;
        }
        let among = |contact: &Contact| greed.is_none_or(|greed| greed.has(contact));
        let need = need.filter(|&need| need == Need::Gifts);
        let newcomer = Newcomer { kind: greed.map_or(Kind::Found, |_| Kind::Greedy), address };
        let idle = need.and_then(|need| self.turnover.victim(now, peers, need, newcomer, among));
        idle.map_or(refusal(greed), Admission::InPlaceOf)
    }

    /// Looks for a place for a connection that comes in. `need` is `None` as long as nothing can be said
    /// about the use of peers.
    pub(super) fn for_stranger(
        &mut self,
        now: Instant,
        peers: &Peers,
        address: SocketAddr,
        need: Option<Need>,
        stand: Stand,
    ) -> Admission {
        let greed = self.greed(peers, address);
        let keeps_some = stand.has_addresses && need == Some(Need::Gifts);
        if greed.is_none() && self.is_free_for_stranger(peers, keeps_some) {
            return Admission::Free;
        }
        let among = |contact: &Contact| greed.is_none_or(|greed| greed.has(contact));
        let useless = if stand.is_loaded {
            useless(now, peers, address, self.max / 8, among).map(|peer| peer.key)
        } else {
            None
        };
        let newcomer = Newcomer { kind: greed.map_or(Kind::Stranger, |_| Kind::Greedy), address };
        let mut idle = || self.turnover.victim(now, peers, need?, newcomer, among);
        useless.or_else(&mut idle).map_or(refusal(greed), Admission::InPlaceOf)
    }

    /// Returns true if there is a place for one more connection that comes in. `keeps_some`: some places
    /// are left for those whom we find.
    fn is_free_for_stranger(&self, peers: &Peers, keeps_some: bool) -> bool {
        let kept = if keeps_some { self.max / 4 } else { 0 };
        let strangers = peers.contacts().filter(|contact| contact.is_incoming).count();
        self.is_free(peers) && strangers + kept < self.max
    }

    /// Returns true if there is room for one more connection that we make, beside so many that are under way.
    /// Once they are many, the last places are left for those who come: any number of addresses may lead nowhere.
    pub(super) fn has_room_for_dial(&self, peers: &Peers, dials: usize) -> bool {
        dials < self.max.div_ceil(4) || peers.len() + self.max / 8 < self.max
    }

    /// Those who have to make room before the host and the network of this address get one more place.
    /// A host gets a quarter of the places, a network half, so that they cannot keep all others out. Many
    /// peers may live on our own host.
    fn greed(&self, peers: &Peers, address: SocketAddr) -> Option<Greed> {
        let (host, network) = (Host::of(address.ip()), Network::of(address.ip()));
        let count = |greed: Greed| peers.contacts().filter(|contact| greed.has(contact)).count();
        let (of_host, of_network) = (Greed::Host(host), Greed::Network(network));
        if host.is_loopback() {
            None
        } else if count(of_host) >= self.max.div_ceil(4) {
            Some(of_host)
        } else {
            (count(of_network) >= self.max.div_ceil(2)).then_some(of_network)
        }
    }

    pub(super) fn check_invariants(&self, peers: &Peers) {
        assert!(peers.len() <= self.max.max(1) + 1);
    }
}

/// A peer that wants nothing of us, nor we of it, of the host and network with most such ones. It has its
/// time to tell, unless its host has more of them than that of the newcomer, by this margin.
fn useless(
    now: Instant,
    peers: &Peers,
    newcomer: SocketAddr,
    margin: usize,
    among: impl Fn(&Contact) -> bool,
) -> Option<&Peer> {
    let is_useless =
        |peer: &&Peer| !peer.is_interested() && !peer.interests_us() && among(&peer.contact);
    let useless = || peers.iter().filter(is_useless);
    // Neighbours that are of use are not held against it.
    let crowd = crowd_of(useless().map(|peer| &peer.contact));
    let modest = crowd.share(newcomer.ip()).host;
    let share = |peer: &Peer| crowd.share(peer.contact.address.ip());
    // By much: several may come at once from one house.
    let is_greedy = |peer: &Peer| share(peer).host > modest + margin;
    let has_had_its_time = |peer: &&Peer| now >= peer.joined + NEWS || is_greedy(peer);
    useless().filter(has_had_its_time).max_by_key(|peer| (share(peer), peer.key))
}

fn refusal(greed: Option<Greed>) -> Admission {
    greed.map_or(Admission::Refused, |_| Admission::Greedy)
}

/// Those who have all the places that they get.
#[derive(Debug, Clone, Copy)]
enum Greed {
    Host(Host),
    Network(Network),
}

impl Greed {
    fn has(self, contact: &Contact) -> bool {
        let ip = contact.address.ip();
        match self {
            Greed::Host(host) => Host::of(ip) == host,
            Greed::Network(network) => Network::of(ip) == network,
        }
    }
}
