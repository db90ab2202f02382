//! Places that go from those who make no use of them to those who wait.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_types::{Crowd, Share};

use crate::PeerKey;
use crate::peer::{Contact, Peer};
use crate::peers::{Peers, Pending};

/// The turnover of connections while all places are taken. Peers that give nothing make room, the
/// slowest of those who have most places first, so that whoever fills all places with promises has to
/// keep them.
#[derive(Debug)]
pub(super) struct Turnover {
    /// The last time that anybody gave something, or that we began to want something.
    last_gift: Instant,
    /// No place changes hands before, for each [`Kind`].
    next: [Instant; 3],
}

/// Somebody for whom a place may change hands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newcomer {
    pub(super) kind: Kind,
    pub(super) address: SocketAddr,
}

/// A kind of newcomers. Each has its own pace, so that none can use up the changes of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An address to dial.
    Found,
    /// A connection that comes in.
    Stranger,
    /// Either, of a host or network that has all the places that it gets.
    Greedy,
}

/// The use that peers are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// We want something of them: content, or what it is.
    Gifts,
    /// We have everything: they may want something of us.
    Nothing,
}

/// Nobody has given anything for this time: those that do not give go quickly.
const HUNGER: Duration = Duration::from_secs(4);

/// Time in which a peer has to give something, or to make use of us, while others do.
const GRACE: Duration = Duration::from_secs(30);

/// The same for a peer that chokes us and may wait for something in return, while nobody gives.
const GRACE_OF_CHOKERS: Duration = Duration::from_secs(8);

/// Time in which the handshakes have to come to an end, while others wait for the place. A connection that
/// is made takes two round trips.
const GRACE_OF_STRANGERS: Duration = Duration::from_secs(2);

/// Time between two changes while somebody gives something: few enough to leave a working swarm alone.
const PACE: Duration = Duration::from_secs(10);

/// The same, while nobody does.
const HUNGRY_PACE: Duration = Duration::from_millis(50);

/// Time to the next look, if all peers are worth their places.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Turnover {
    pub(super) fn new(now: Instant) -> Self {
        Self { last_gift: now, next: [now; 3] }
    }

    /// Notes that somebody gave something.
    pub(super) fn note_gift(&mut self, now: Instant) {
        self.last_gift = now;
    }

    /// Returns true if nobody has given anything for a while.
    pub(super) fn is_hungry(&self, now: Instant) -> bool {
        now >= self.hungry_at()
    }

    pub(super) fn hungry_at(&self) -> Instant {
        self.last_gift + HUNGER
    }

    /// The instant of the next look for a place for an address to dial.
    pub(super) fn next(&self) -> Instant {
        self.next[Kind::Found as usize]
    }

    /// The connection that has to make room for a newcomer, if there is one and it is time. `among` are those
    /// that it may take the place of.
    pub(super) fn victim(
        &mut self,
        now: Instant,
        peers: &Peers,
        need: Need,
        newcomer: Newcomer,
        among: impl Fn(&Contact) -> bool,
    ) -> Option<PeerKey> {
        if let Some(stranger) = slowest_stranger(now, peers, newcomer.address, &among) {
            return Some(stranger);
        }
        if now < self.next[newcomer.kind as usize] {
            return None;
        }
        let crowd = crowd_of(peers.contacts());
        let is_hungry = need == Need::Gifts && self.is_hungry(now);
        let is_idle = |peer: &&Peer| among(&peer.contact) && is_idle(now, peer, need, is_hungry);
        let victim = peers.iter().filter(is_idle).max_by_key(|peer| {
            let idle_since = peer.used_at().unwrap_or(peer.joined);
            let share = crowd.share(peer.contact.address.ip());
            (share, now.saturating_duration_since(idle_since), peer.key)
        });
        let pace = if is_hungry { HUNGRY_PACE } else { PACE };
        let wait = if victim.is_some() { pace } else { LOOK_AGAIN };
        self.next[newcomer.kind as usize] = now + wait;
        victim.map(|peer| peer.key)
    }
}

/// The connection of least use: the one over which payload has moved longest ago, or never; of those that are
/// alike, one of the host and network with most connections, and then the oldest. Connections that have not
/// shaken hands come last, as most of them are about to begin.
pub(super) fn least_useful(peers: &Peers) -> Option<PeerKey> {
    let crowd = crowd_of(peers.contacts());
    let least = peers.iter().min_by_key(|peer| {
        let share = Reverse(crowd.share(peer.contact.address.ip()));
        (peer.used_at(), share, peer.joined, peer.key)
    });
    // Those that we make may wait for what is short, and have nothing that they could give back.
    let strangers = || peers.pending().filter(|(_, pending)| pending.contact.is_incoming);
    least.map(|peer| peer.key).or_else(|| {
        strangers().min_by_key(|(key, pending)| (pending.since(), *key)).map(|(key, _)| key)
    })
}

/// Returns true if the peer has had its time, and made nothing of it.
fn is_idle(now: Instant, peer: &Peer, need: Need, is_hungry: bool) -> bool {
    let grace = match (is_hungry, peer.chokes_us() && !peer.is_seed()) {
        (false, _) => GRACE,
        (true, false) => HUNGER,
        (true, true) => GRACE_OF_CHOKERS,
    };
    if now < peer.joined + grace {
        return false;
    }
    match need {
        Need::Gifts => !peer.pipeline.gave_within(now, grace),
        // Whoever waits for a slot is no idler; whoever had one and asked for nothing is.
        Need::Nothing => {
            let is_waiting = peer.is_interested() && peer.serving.slot.wasted_at().is_none();
            !is_waiting && peer.used_at().is_none_or(|at| now >= at + grace)
        }
    }
}

/// The connection that came in and has not shaken hands for the longest time, of the host with most such
/// ones. It has its time, unless the host of the newcomer has fewer.
fn slowest_stranger(
    now: Instant,
    peers: &Peers,
    newcomer: SocketAddr,
    among: impl Fn(&Contact) -> bool,
) -> Option<PeerKey> {
    let strangers = || peers.pending().filter(|(_, pending)| pending.contact.is_incoming);
    let crowd = crowd_of(strangers().map(|(_, pending)| &pending.contact));
    let Share { network, host } = crowd.share(newcomer.ip());
    // Once the newcomer is one of them.
    let modest = Share { network: network + 1, host: host + 1 };
    let slow = strangers().filter(|(_, Pending { contact, .. })| among(contact));
    let slow = slow.map(|(key, pending)| {
        let age = now.saturating_duration_since(pending.since());
        (crowd.share(pending.contact.address.ip()), age, key)
    });
    let slow = slow.filter(|(share, age, _)| *age >= GRACE_OF_STRANGERS || *share > modest);
    slow.max().map(|(.., key)| key)
}

/// The numbers of connections that hosts and networks have.
pub(super) fn crowd_of<'a>(contacts: impl Iterator<Item = &'a Contact>) -> Crowd {
    contacts.map(|contact| contact.address.ip()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::testing::peer;

    const SECOND: Duration = Duration::from_secs(1);

    /// Peers at these addresses.
    fn crowd(now: Instant, hosts: &[[u8; 4]]) -> Peers {
        Peers::of(hosts.iter().zip(0..).map(|(&host, slot)| {
            let mut peer = peer(now, slot);
            peer.contact.address = SocketAddr::from((host, 6881));
            peer
        }))
    }

    fn newcomer() -> Newcomer {
        Newcomer { kind: Kind::Found, address: SocketAddr::from(([99, 0, 0, 1], 1)) }
    }

    fn gives(peers: &mut Peers, slot: usize, now: Instant) {
        peers.iter_mut().nth(slot).unwrap().pipeline.note_block(now, 1);
    }

    #[test]
    fn who_gives_nothing_goes_and_who_gives_stays() {
        let start = Instant::now();
        let mut peers = crowd(start, &[[1, 1, 1, 1], [2, 2, 2, 2]]);
        let mut turnover = Turnover::new(start);
        let now = start + GRACE;
        gives(&mut peers, 0, now - SECOND);
        turnover.note_gift(now - SECOND);
        assert_eq!(
            turnover.victim(start, &peers, Need::Gifts, newcomer(), |_| true),
            None,
            "it has its time"
        );
        let victim = turnover.victim(now, &peers, Need::Gifts, newcomer(), |_| true).unwrap();
        assert_eq!(victim.slot(), 1);
        assert_eq!(
            turnover.victim(now + SECOND, &peers, Need::Gifts, newcomer(), |_| true),
            None,
            "one at a time"
        );
    }

    #[test]
    fn while_nobody_gives_anything_places_change_hands_quickly() {
        let start = Instant::now();
        let peers = crowd(start, &[[1, 1, 1, 1]]);
        let mut turnover = Turnover::new(start);
        assert_eq!(
            turnover.victim(start + HUNGER, &peers, Need::Gifts, newcomer(), |_| true),
            None,
            "it chokes us"
        );
        assert_eq!(turnover.next(), start + HUNGER + LOOK_AGAIN);
        let later = start + GRACE_OF_CHOKERS;
        assert!(turnover.victim(later, &peers, Need::Gifts, newcomer(), |_| true).is_some());
        assert_eq!(turnover.next(), later + HUNGRY_PACE);
    }

    #[test]
    fn no_kind_of_newcomer_uses_up_the_changes_of_another() {
        let start = Instant::now();
        let peers = crowd(start, &[[1, 1, 1, 1], [2, 2, 2, 2]]);
        let mut turnover = Turnover::new(start);
        let now = start + GRACE;
        for kind in [Kind::Greedy, Kind::Found, Kind::Stranger] {
            let newcomer = Newcomer { kind, ..newcomer() };
            let mut victim = || turnover.victim(now, &peers, Need::Gifts, newcomer, |_| true);
            assert!(victim().is_some() && victim().is_none(), "one at a time");
        }
    }

    #[test]
    fn those_who_have_most_places_lose_one_first() {
        let start = Instant::now();
        let hosts = [[9, 1, 1, 1], [2, 2, 2, 1], [2, 2, 2, 2], [2, 2, 2, 2], [9, 1, 2, 1]];
        let peers = crowd(start, &hosts);
        let victim = Turnover::new(start)
            .victim(start + GRACE, &peers, Need::Gifts, newcomer(), |_| true)
            .unwrap();
        assert_eq!(hosts[victim.slot()], [2, 2, 2, 2]);
    }

    #[test]
    fn of_least_use_is_who_gave_and_took_nothing_for_longest() {
        let start = Instant::now();
        let hosts = [[1, 1, 1, 1], [2, 2, 2, 1], [3, 3, 3, 1], [2, 2, 2, 2]];
        let mut peers = crowd(start, &hosts);
        gives(&mut peers, 0, start + SECOND);
        gives(&mut peers, 3, start + 2 * SECOND);
        let mut order = Vec::new();
        while let Some(least) = least_useful(&peers) {
            order.push(least.slot());
            peers.remove(least);
        }
        assert_eq!(order, [1, 2, 0, 3], "of the two without use, one has a neighbour");
    }

    #[test]
    fn a_seed_keeps_those_who_wait_for_it() {
        let start = Instant::now();
        let mut peers = crowd(start, &[[1, 1, 1, 1], [2, 2, 2, 2]]);
        let waiting = peers.iter_mut().next().unwrap();
        waiting.session.handle_received(&tinytorrent_wire::Message::Interested).unwrap();
        let mut turnover = Turnover::new(start);
        assert_eq!(
            turnover
                .victim(start + GRACE, &peers, Need::Nothing, newcomer(), |_| true)
                .unwrap()
                .slot(),
            1
        );
    }
}
