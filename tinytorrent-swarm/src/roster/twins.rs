//! Connections that may be of one pair of peers: both ends dialed, or a lost connection was made again
//! (W-56).
//!
//! Peer ids are claims, and anybody at the host of a peer, or behind the same router, can make its claim.
//! So nothing is closed for what somebody says. All connections stay for a while; then one over which
//! payload moves is kept, and one over which none does goes. Both ends see the same payload, and come to
//! the same end.
//!
//! Every client keeps one of two, by a rule of its own: libtorrent compares listen ports, or ids where
//! it cannot tell the hosts to be one; transmission keeps what it had first. If both ends choose at
//! once by different rules, both connections go. So the other end may choose first, and two ends that
//! wait for each other choose the same one after a while. Clients of our own make need not wait: see
//! [`proof`].

pub(super) mod proof;

use std::time::{Duration, Instant};

use tinytorrent_types::PeerId;

use crate::PeerKey;
use crate::peer::Peer;
use crate::peers::Peers;

/// Time that the other end may take to choose: a few round trips of the slowest links. Others do it
/// as soon as they see both. In this time, a peer that is asked for something gives it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that were made at the same time come to be within this time. A later one has to go,
/// whichever end made it: the earlier one is in use.
const AT_ONCE: Duration = Duration::from_secs(30);

/// A connection has just come to be. If it may be another one to a peer that is here, it shows in a
/// while which of them is of use.
pub(super) fn greeted(now: Instant, peers: &mut Peers, key: PeerKey) {
    let has_twin = twins_of(peers, key).next().is_some();
    if has_twin && let Some(peer) = peers.get_mut(key) {
        peer.timing.choose_at = Some(now + PATIENCE);
    }
}

/// The connections to leave, if it is time to choose between this one and those that may be to the same
/// peer.
pub(super) fn choose(
    now: Instant,
    peers: &mut Peers,
    key: PeerKey,
    our_id: PeerId,
) -> Vec<PeerKey> {
    let timing = peers.get_mut(key).map(|peer| &mut peer.timing);
    let is_time = timing.and_then(|timing| timing.choose_at.take_if(|at| *at <= now));
    let Some(peer) = peers.get(key).filter(|_| is_time.is_some()) else { return Vec::new() };
    let mut losers: Vec<_> =
        twins_of(peers, key).filter_map(|twin| loser(now, peer, twin, our_id)).collect();
    // It may lose to one and win over another: once it goes, the others stay.
    if losers.contains(&key) {
        losers = vec![key];
    }
    losers
}

/// The one of two connections that goes; none if payload moves over both and the peer may well want
/// both.
fn loser(now: Instant, one: &Peer, other: &Peer, our_id: PeerId) -> Option<PeerKey> {
    let is_used = |peer: &Peer| peer.used_at().is_some_and(|at| now < at + 2 * PATIENCE);
    match (is_used(one), is_used(other)) {
        (true, false) => Some(other.key),
        (false, true) => Some(one.key),
        (is_used, _) if one.contact.is_incoming == other.contact.is_incoming => {
            // A peer that lost its connection makes a new one, and the old one is silent.
            let silent = [one, other].into_iter().min_by_key(|peer| peer.timing.last_received)?;
            (!is_used).then_some(silent.key)
        }
        (..) => Some(later_or_lower(one, other, our_id)),
    }
}

/// The one of two connections that goes, which are proven to be to the same peer.
pub(super) fn proven(
    peers: &Peers,
    one: PeerKey,
    other: PeerKey,
    our_id: PeerId,
) -> Option<PeerKey> {
    let (one, other) = (peers.get(one)?, peers.get(other)?);
    // A peer that makes two connections by itself may want both.
    let are_crossed = one.contact.is_incoming != other.contact.is_incoming;
    are_crossed.then(|| later_or_lower(one, other, our_id))
}

/// The one of two connections that was made by the end with the lower id, as libtorrent has it, or
/// that was made long after the other. Both ends come to the same result.
fn later_or_lower(a: &Peer, b: &Peer, our_id: PeerId) -> PeerKey {
    // Both ends saw the two come to be with about the same time between them.
    let keeps_one = if a.joined + AT_ONCE <= b.joined || b.joined + AT_ONCE <= a.joined {
        a.joined < b.joined
    } else {
        (a.id < our_id) != a.contact.is_incoming
    };
    if keeps_one { b.key } else { a.key }
}

/// The other connections to this host whose peers gave the same id.
fn twins_of(peers: &Peers, key: PeerKey) -> impl Iterator<Item = &Peer> {
    let of = peers.get(key).map(|peer| (peer.id, peer.contact.address));
    let is_twin = move |other: &&Peer| {
        other.key != key && of.is_some_and(|(id, address)| other.is(id, address))
    };
    peers.iter().filter(is_twin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::testing::peer;

    const OUR_ID: PeerId = PeerId::from_bytes([50; 20]);

    /// Two connections to the peer of this id: the first one was dialed, the second one came in, or both
    /// did.
    fn twins(now: Instant, id: u8, is_incoming: [bool; 2]) -> (Peers, [PeerKey; 2]) {
        let both = is_incoming.map(|is_incoming| {
            let mut peer = peer(now, 1);
            peer.id = PeerId::from_bytes([id; 20]);
            peer.contact.is_incoming = is_incoming;
            peer
        });
        let mut peers = Peers::of(both);
        let keys: Vec<_> = peers.keys().collect();
        greeted(now, &mut peers, keys[1]);
        (peers, [keys[0], keys[1]])
    }

    #[test]
    fn the_other_end_chooses_first_and_the_lower_id_loses_then() {
        for (id, loser) in [(10, 1), (90, 0)] {
            let now = Instant::now();
            let (mut peers, keys) = twins(now, id, [false, true]);
            assert_eq!(choose(now, &mut peers, keys[1], OUR_ID), [], "not yet");
            let later = now + PATIENCE;
            assert_eq!(choose(later, &mut peers, keys[1], OUR_ID), [keys[loser]]);
            assert_eq!(choose(later, &mut peers, keys[1], OUR_ID), [], "once");
        }
    }

    #[test]
    fn a_later_connection_goes_whoever_made_it() {
        let now = Instant::now();
        for late in 0..2 {
            let (mut peers, keys) = twins(now, 10, [false, true]);
            peers.get_mut(keys[late]).unwrap().joined = now + AT_ONCE;
            assert_eq!(choose(now + PATIENCE, &mut peers, keys[1], OUR_ID), [keys[late]]);
        }
    }

    #[test]
    fn a_connection_that_gives_is_not_closed_for_one_that_does_not() {
        let now = Instant::now();
        for (id, giving, directions) in [
            (10, 1, [false, true]),
            (90, 0, [false, true]),
            (10, 0, [true, true]),
            (10, 1, [true, true]),
        ] {
            let (mut peers, keys) = twins(now, id, directions);
            peers.get_mut(keys[giving]).unwrap().pipeline.note_block(now + PATIENCE / 2, 1);
            assert_eq!(choose(now + PATIENCE, &mut peers, keys[1], OUR_ID), [keys[1 - giving]]);
        }
    }

    #[test]
    fn of_two_that_came_in_the_silent_one_goes_and_two_that_give_stay() {
        let now = Instant::now();
        let (mut peers, keys) = twins(now, 10, [true, true]);
        peers.get_mut(keys[1]).unwrap().timing.last_received += PATIENCE;
        assert_eq!(choose(now + PATIENCE, &mut peers, keys[1], OUR_ID), [keys[0]]);
        let (mut peers, keys) = twins(now, 10, [true, true]);
        peers.iter_mut().for_each(|peer| peer.pipeline.note_block(now + PATIENCE / 2, 1));
        assert_eq!(choose(now + PATIENCE, &mut peers, keys[1], OUR_ID), []);
    }
}
