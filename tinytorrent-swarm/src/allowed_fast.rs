//! Pieces that peers may have while we choke them (BEP 6, "allowed fast").

use std::time::Instant;

use tinytorrent_types::{Bitfield, WireInfoHash};
use tinytorrent_wire::session::{Pieces, Side};
use tinytorrent_wire::{Message, allowed_fast_set};

use crate::config::Sha1;
use crate::outbox::Outbox;
use crate::peer::Peer;

/// Pieces of a set at most (BEP 6: *k*, "10").
const LARGEST_SET: u32 = 10;

/// Pieces of a set, and the number of pieces with which a peer is none that starts. Not more than half of all: a small
/// torrent would be given whole to everybody at once, in one order, so that nobody had anything to trade.
fn set_of(piece_count: u32) -> u32 {
    LARGEST_SET.min(piece_count.div_ceil(2))
}

/// Sends the set to a peer that has next to nothing to trade, once it has said what it has. Of the set,
/// the pieces are left out that we have not told it of: they could not be served.
pub(crate) fn send(
    now: Instant,
    peer: &mut Peer,
    out: &mut Outbox,
    have: &Bitfield,
    info_hash: WireInfoHash,
    sha1: Option<Sha1>,
) {
    let Some(sha1) = sha1 else { return };
    let count = set_of(have.piece_count());
    let is_starting = peer.pieces().is_some_and(|pieces| pieces.count() < count);
    // A peer that says again and again that it has nothing gets no further sets.
    let was_sent = peer.session.allowed_fast(Side::Us).next().is_some();
    let has_spoken = peer.session.has_stated_pieces(Side::Peer);
    if !peer.is_fast() || !has_spoken || !is_starting || was_sent || have.is_empty() {
        return;
    }
    let address = peer.contact.address.ip();
    let set = allowed_fast_set(address, info_hash, have.piece_count(), count, sha1);
    let lacks =
        |peer: &Peer, index| !peer.pieces().is_some_and(|pieces: &Pieces| pieces.get(index));
    for index in set {
        let is_told = peer.session.pieces(Side::Us).is_some_and(|pieces| pieces.get(index));
        if is_told && lacks(peer, index) {
            out.send(now, peer, Message::AllowedFast(index));
        }
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::Geometry;

    use super::*;
    use crate::peer::testing::{leech, peer};

    const HASH: WireInfoHash = WireInfoHash::from_bytes([7; 20]);

    fn allowed(peer: &mut Peer, have: &Bitfield) -> usize {
        let (now, mut out) = (Instant::now(), Outbox::default());
        send(now, peer, &mut out, have, HASH, Some(tinytorrent_hash::sha1));
        let messages = out.take_messages(peer.key);
        messages.iter().filter(|message| matches!(message, Message::AllowedFast(_))).count()
    }

    /// W-43.
    #[test]
    fn a_small_torrent_is_not_given_whole_to_everybody() {
        let now = Instant::now();
        for (pieces, set) in [(1, 1), (2, 1), (3, 2), (7, 4), (19, 10), (20, 10), (21, 10)] {
            let geometry = Geometry::new(pieces, 1).unwrap();
            let full = Bitfield::full(geometry.piece_count());
            let mut starting = leech(now, 1, &geometry);
            let _ = starting.session.handle_sent(&Message::HaveAll);
            assert_eq!(allowed(&mut starting, &full), set, "{pieces}");
            let mut advanced = leech(now, 2, &geometry);
            let _ = advanced.session.handle_sent(&Message::HaveAll);
            for index in 0..set as u32 {
                advanced.session.handle_received(&Message::Have(index)).unwrap();
            }
            assert_eq!(allowed(&mut advanced, &full), 0, "{pieces}: it has something to trade");
        }
    }

    /// W-43, BEP 6.
    #[test]
    fn a_peer_that_starts_gets_the_set_once() {
        let now = Instant::now();
        let geometry = Geometry::new(100, 1).unwrap();
        let (full, empty) = (Bitfield::full(100), Bitfield::new(100));
        let mut starting = leech(now, 1, &geometry);
        let _ = starting.session.handle_sent(&Message::HaveAll);
        assert_eq!(allowed(&mut starting, &empty), 0, "nothing to serve");
        assert_eq!(allowed(&mut starting, &full), 10);
        assert_eq!(allowed(&mut starting, &full), 0, "once");
        let mut advanced = leech(now, 2, &geometry);
        for index in 0..10 {
            advanced.session.handle_received(&Message::Have(index)).unwrap();
        }
        assert_eq!(allowed(&mut advanced, &full), 0, "it has something to trade");
        let mut silent = peer(now, 3);
        silent.session.learn_geometry(geometry).unwrap();
        assert_eq!(allowed(&mut silent, &full), 0, "it has not said what it has");
    }
}
