//! Two connections of one pair of peers, since both ends dialed (W-56).
//!
//! Peer ids are claims. Two connections are of one peer only if they have its id and its address as
//! well, and opposite directions; others are left alone, whatever they say.
//!
//! Every client keeps one of two, by a rule of its own: libtorrent compares listen ports, or ids where
//! it cannot tell the hosts to be one; transmission keeps what it had first. If both ends choose at
//! once by different rules, both connections go. So the other end may choose first, and two ends that
//! wait for each other choose the same one after a while. Clients of our own make have our own rule:
//! both ends choose as soon as the peer that was dialed has told that it listens there.
//!
//! Each function returns the connection to leave, if it is time to leave one.

use std::time::{Duration, Instant};

use tinytorrent_types::PeerId;

use crate::PeerKey;
use crate::peer::Peer;
use crate::peers::Peers;

/// Time that the other end may take to choose: a few round trips of the slowest links. Others do it
/// as soon as they see both.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that were made at the same time come to be within this time. A later one has to go,
/// whichever end made it: the earlier one is in use.
const AT_ONCE: Duration = Duration::from_secs(30);

/// A connection has just come to be. If it is the second one to its peer, the other end may choose.
pub(super) fn greeted(
    now: Instant,
    peers: &mut Peers,
    key: PeerKey,
    our_id: PeerId,
) -> Option<PeerKey> {
    let twin = twin_of(peers, key)?;
    if is_of_our_make(peers, key, twin, our_id) {
        return later_or_lower(peers, key, twin, our_id);
    }
    let dialed = [key, twin].into_iter().find_map(|key| peers.get(key)?.contact.dialed());
    for key in [key, twin] {
        if let Some(peer) = peers.get_mut(key) {
            // The one that came to us comes from where the other one was dialed.
            peer.contact.listens_at = peer.contact.listens_at.or(dialed);
        }
    }
    peers.get_mut(key)?.timing.choose_at = Some(now + PATIENCE);
    None
}

/// A peer that came to us told where it listens. If we dialed it there as well, and it is of our make,
/// one of the two connections goes.
pub(super) fn told(peers: &Peers, key: PeerKey, our_id: PeerId) -> Option<PeerKey> {
    let twin = twin_of(peers, key).filter(|&twin| is_of_our_make(peers, key, twin, our_id))?;
    later_or_lower(peers, key, twin, our_id)
}

/// The other end has had its time to choose, if that is over.
pub(super) fn choose(
    now: Instant,
    peers: &mut Peers,
    key: PeerKey,
    our_id: PeerId,
) -> Option<PeerKey> {
    peers.get_mut(key)?.timing.choose_at.take_if(|at| *at <= now)?;
    let twin = twin_of(peers, key)?;
    later_or_lower(peers, key, twin, our_id)
}

/// The one of two connections that was made by the end with the lower id, as libtorrent has it, or
/// that was made long after the other. Both ends come to the same result.
fn later_or_lower(peers: &Peers, one: PeerKey, other: PeerKey, our_id: PeerId) -> Option<PeerKey> {
    let (a, b) = (peers.get(one)?, peers.get(other)?);
    // Both ends saw the two come to be with about the same time between them.
    let keeps_one = if a.joined + AT_ONCE <= b.joined || b.joined + AT_ONCE <= a.joined {
        a.joined < b.joined
    } else {
        (a.id < our_id) != a.contact.is_incoming
    };
    Some(if keeps_one { other } else { one })
}

/// The connection to the same peer in the other direction.
fn twin_of(peers: &Peers, key: PeerKey) -> Option<PeerKey> {
    let peer = peers.get(key)?;
    let is_twin = |other: &&Peer| {
        other.is(peer.id, peer.contact.address)
            && other.contact.is_incoming != peer.contact.is_incoming
    };
    peers.iter().find(is_twin).map(|twin| twin.key)
}

/// Returns true if the other end is of our make, and so follows the same rule at the same time: when
/// it is known that the peer which came to us listens where we dialed it.
fn is_of_our_make(peers: &Peers, one: PeerKey, other: PeerKey, our_id: PeerId) -> bool {
    let (Some(a), Some(b)) = (peers.get(one), peers.get(other)) else { return false };
    let listens_at = (a.contact.listens_at, b.contact.listens_at);
    make(a.id) == make(our_id) && listens_at.0.is_some() && listens_at.0 == listens_at.1
}

/// The client that an id is of, whatever its version (BEP 20).
fn make(id: PeerId) -> [u8; 3] {
    let [first, second, third, ..] = *id.as_bytes();
    [first, second, third]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::testing::peer;

    const OUR_ID: PeerId = PeerId::from_bytes([50; 20]);

    /// Two connections to the peer of this id: the first one was dialed, the second one came in.
    fn twins(now: Instant, id: u8) -> (Peers, [PeerKey; 2]) {
        let both = [false, true].map(|is_incoming| {
            let mut peer = peer(now, 1);
            peer.id = PeerId::from_bytes([id; 20]);
            peer.contact.is_incoming = is_incoming;
            peer.contact.listens_at = peer.contact.dialed();
            peer
        });
        let peers = Peers::of(both);
        let keys: Vec<_> = peers.keys().collect();
        (peers, [keys[0], keys[1]])
    }

    #[test]
    fn the_other_end_chooses_first_and_the_lower_id_loses_then() {
        for (id, loser) in [(10, 1), (90, 0)] {
            let now = Instant::now();
            let (mut peers, keys) = twins(now, id);
            assert_eq!(greeted(now, &mut peers, keys[1], OUR_ID), None);
            assert_eq!(choose(now, &mut peers, keys[1], OUR_ID), None, "not yet");
            assert_eq!(choose(now + PATIENCE, &mut peers, keys[1], OUR_ID), Some(keys[loser]));
        }
    }

    #[test]
    fn a_later_connection_goes_whoever_made_it() {
        let now = Instant::now();
        for late in 0..2 {
            let (mut peers, keys) = twins(now, 10);
            peers.get_mut(keys[late]).unwrap().joined = now + AT_ONCE;
            assert_eq!(later_or_lower(&peers, keys[0], keys[1], OUR_ID), Some(keys[late]));
        }
    }

    #[test]
    fn our_own_make_chooses_as_soon_as_the_listening_port_is_told() {
        let now = Instant::now();
        let (mut peers, keys) = twins(now, 50);
        assert_eq!(told(&peers, keys[1], OUR_ID), None, "it may be another peer of that host");
        let dialed = peers.get(keys[0]).unwrap().contact.dialed();
        peers.get_mut(keys[1]).unwrap().contact.listens_at = dialed;
        assert_eq!(told(&peers, keys[1], OUR_ID), Some(keys[0]));
    }
}
