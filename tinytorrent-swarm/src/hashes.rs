//! Answers to peers that want hashes of a v2 torrent (BEP 52, "hash request").

use std::time::Instant;

use bytes::Bytes;
use tinytorrent_wire::session::Verdict;
use tinytorrent_wire::{HashRequest, Hashes, Message};

use crate::contract::Action;
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::planted::{Bug, is_planted};

/// Hashes that a peer gets at one instant: 8 MiB. They are copied, and nobody knows yet whether the
/// peer reads them.
const AT_ONCE: u64 = 1 << 18;

/// Times over that a peer may fetch the hashes of all pieces from us.
const TIMES: u64 = 4;

/// Hashes that a peer may ask for whatever the size of the torrent: proofs and refusals count too.
const SPARE: u64 = 4 * HashRequest::MAX_LENGTH as u64;

/// Has hashes looked up that a peer wants, unless it has had its share. `piece_count` is `None` as long
/// as the content is not known.
pub(crate) fn on_request(
    now: Instant,
    peer: &mut Peer,
    out: &mut Outbox,
    request: HashRequest,
    verdict: &Verdict,
    piece_count: Option<u32>,
) {
    // A peer that asks for all of them again and again is not after the hashes.
    let limit = |pieces: u32| TIMES * 2 * u64::from(pieces.next_power_of_two()) + SPARE;
    let is_fair = |pieces: u32| peer.rations.hashes.has_room(now, limit(pieces), AT_ONCE);
    if !matches!(verdict, Verdict::Legal) || !piece_count.is_some_and(is_fair) {
        return out.send(now, peer, Message::HashReject(request));
    }
    if is_planted(Bug::IgnoresHashRequests) {
        return;
    }
    // Counted when it is asked, as the answer is made elsewhere and may come much later.
    peer.rations.hashes.add(now, request.hash_count().into());
    out.act(Action::ReadHashes { peer: peer.key, request });
}

/// Sends hashes that were looked up, or says that they are not known.
pub(crate) fn on_read(
    now: Instant,
    peer: &mut Peer,
    out: &mut Outbox,
    request: HashRequest,
    hashes: Option<Bytes>,
) {
    let answer = match hashes {
        Some(hashes) => Message::Hashes(Box::new(Hashes { request, hashes })),
        None => Message::HashReject(request),
    };
    out.send(now, peer, answer);
}

#[cfg(test)]
mod tests {
    use tinytorrent_wire::{Feature, Reserved};

    use super::*;
    use crate::peer::testing::peer_with;

    const REQUEST: HashRequest =
        HashRequest { pieces_root: [1; 32], base_layer: 2, index: 0, length: 512, proof_layers: 0 };

    #[test]
    fn hashes_are_looked_up_some_times_over_and_refused_then() {
        let (now, mut out) = (Instant::now(), Outbox::default());
        let mut peer = peer_with(now, 1, Reserved::from([Feature::V2]));
        let mut ask = |piece_count| {
            let message = Message::HashRequest(REQUEST);
            let verdict = peer.session.handle_received(&message).unwrap();
            on_request(now, &mut peer, &mut out, REQUEST, &verdict, piece_count);
            let looked_up = matches!(out.take_actions()[..], [Action::ReadHashes { .. }]);
            if looked_up {
                on_read(now, &mut peer, &mut out, REQUEST, None);
                out.take_actions();
            }
            looked_up
        };
        assert!(!ask(None), "nothing is known yet");
        let times = (0..1_000).filter(|_| ask(Some(512))).count();
        assert!((8..100).contains(&times), "{times}");
    }
}
