//! Connections that may be of one pair of peers: both ends dialed, or a lost connection was made again
//! (W-56).
//!
//! Peer ids are claims, and anybody at the host of a peer, or behind the same router, can make its claim.
//! So nothing is closed for what somebody says. All connections stay for a while; then one over which
//! payload moves is kept, and one over which none does goes. Both ends see the same payload, and come to
//! the same end.
//!
//! Every client keeps one of two, by a rule of its own: libtorrent compares listen ports, or ids where
//! it cannot tell the hosts to be one; transmission keeps what it had first. Others are left to choose, as
//! both connections would go if both ends chose at once by different rules. Clients of our own make prove
//! that two connections are to one peer, and choose the same: see [`proof`].

pub(super) mod proof;

use std::time::{Duration, Instant};

use tinytorrent_types::PeerId;

use crate::PeerKey;
use crate::peer::Peer;
use crate::peers::Peers;

/// Time in which a peer that is asked for something gives it.
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
pub(super) fn choose(now: Instant, peers: &mut Peers, key: PeerKey) -> Vec<PeerKey> {
    let timing = peers.get_mut(key).map(|peer| &mut peer.timing);
    let is_time = timing.and_then(|timing| timing.choose_at.take_if(|at| *at <= now));
    let Some(peer) = peers.get(key).filter(|_| is_time.is_some()) else { return Vec::new() };
    let is_used = |peer: &Peer| peer.used_at().is_some_and(|at| now < at + 2 * PATIENCE);
    if is_used(peer) {
        let unused = twins_of(peers, key).filter(|twin| !is_used(twin));
        unused.map(|twin| twin.key).collect()
    } else if twins_of(peers, key).any(is_used) {
        vec![key]
    } else {
        // Nothing is lost by either: if a place is needed, those that give nothing make room.
        Vec::new()
    }
}

/// Two connections are proven to be to the same peer. It listens where we went: where one that came in says
/// the same, that is proven too, and the address is not tried while the peer is here.
pub(super) fn confirm(peers: &mut Peers, both: [PeerKey; 2]) {
    let dialed = both.map(|key| peers.get(key).and_then(|peer| peer.contact.dialed()));
    for address in dialed.into_iter().flatten() {
        for key in both {
            if let Some(peer) = peers.get_mut(key) {
                peer.contact.is_proven |= peer.contact.listens_at == Some(address);
            }
        }
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
    fn of_two_that_are_proven_that_of_the_lower_id_goes_and_a_later_one_always() {
        let now = Instant::now();
        for (id, loser) in [(10, 1), (90, 0)] {
            let (peers, keys) = twins(now, id, [false, true]);
            assert_eq!(proven(&peers, keys[0], keys[1], OUR_ID), Some(keys[loser]));
        }
        for late in 0..2 {
            let (mut peers, keys) = twins(now, 10, [false, true]);
            peers.get_mut(keys[late]).unwrap().joined = now + AT_ONCE;
            assert_eq!(proven(&peers, keys[0], keys[1], OUR_ID), Some(keys[late]));
        }
    }

    #[test]
    fn a_claim_to_listen_somewhere_is_proven_by_who_is_there() {
        let now = Instant::now();
        for (port, is_proven) in [(6881, true), (6882, false)] {
            let (mut peers, keys) = twins(now, 10, [false, true]);
            let incoming = &mut peers.get_mut(keys[1]).unwrap().contact;
            (incoming.listens_at, incoming.is_proven) = (None, false);
            incoming.note_listens_at(port);
            confirm(&mut peers, keys);
            assert_eq!(peers.get(keys[1]).unwrap().contact.is_proven, is_proven);
        }
    }

    #[test]
    fn a_connection_that_gives_is_not_closed_for_one_that_does_not() {
        let now = Instant::now();
        for (giving, directions) in
            [(1, [false, true]), (0, [false, true]), (0, [true, true]), (1, [true, true])]
        {
            let (mut peers, keys) = twins(now, 10, directions);
            peers.get_mut(keys[giving]).unwrap().pipeline.note_block(now + PATIENCE / 2, 1);
            assert_eq!(choose(now, &mut peers, keys[1]), [], "not yet");
            assert_eq!(choose(now + PATIENCE, &mut peers, keys[1]), [keys[1 - giving]]);
            assert_eq!(choose(now + PATIENCE, &mut peers, keys[1]), [], "once");
        }
    }

    #[test]
    fn two_that_are_used_stay_and_so_do_two_that_are_not() {
        let now = Instant::now();
        for are_used in [true, false] {
            let (mut peers, keys) = twins(now, 10, [false, true]);
            let used = peers.iter_mut().filter(|_| are_used);
            used.for_each(|peer| peer.pipeline.note_block(now + PATIENCE / 2, 1));
            assert_eq!(choose(now + PATIENCE, &mut peers, keys[1]), []);
        }
    }
}
