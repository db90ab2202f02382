//! The proof that two connections end at the same peer: what is said over one comes back over the other.
//!
//! An extension of ours, `tt_twin` (BEP 10). Its messages are a byte and a number of eight bytes. 0 asks: a
//! peer that hears the number over one connection says it over the others that may be to the same peer.
//! 1 answers. Whoever is at one end only cannot say what he has not heard.

use std::time::Instant;

use bytes::Bytes;
use rand::{Rng, RngExt};
use tinytorrent_wire::extension::Extension;

use super::twins_of;
use crate::PeerKey;
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::peers::Peers;

/// The extension in which it is asked for and given.
pub(crate) const TWIN: Extension = Extension::Other("tt_twin");

/// The state of the proof on one connection.
#[derive(Debug, Default)]
pub(crate) struct TwinProof {
    /// The number that we sent.
    asked: Option<[u8; 8]>,
    /// The number that the peer sent, until it is said elsewhere.
    heard: Option<[u8; 8]>,
    /// The peer has been answered, once: it could have us send more than it does.
    has_answered: bool,
}

const ASK: u8 = 0;
const ANSWER: u8 = 1;

/// Says what can be said by now over this connection, and over those that may be to the same peer.
pub(in crate::roster) fn talk(
    now: Instant,
    peers: &mut Peers,
    key: PeerKey,
    out: &mut Outbox,
    chance: &mut impl Rng,
) {
    let twins: Vec<PeerKey> = twins_of(peers, key).map(|twin| twin.key).collect();
    if twins.is_empty() {
        return;
    }
    for &one in twins.iter().chain([&key]) {
        let Some(peer) = peers.get_mut(one) else { continue };
        if peer.twin.asked.is_none() && peer.extensions.id(TWIN).is_some() {
            let number = chance.random();
            peer.twin.asked = Some(number);
            say(now, peer, out, ASK, number);
        }
    }
    // The group is small: as many connections as a host has with one name.
    for &one in twins.iter().chain([&key]) {
        answer(now, peers, one, out);
    }
}

/// Says over the other connections what the peer asked over this one.
fn answer(now: Instant, peers: &mut Peers, key: PeerKey, out: &mut Outbox) {
    let Some(number) = peers.get(key).and_then(|peer| peer.twin.heard) else { return };
    let able = twins_of(peers, key).filter(|twin| twin.extensions.id(TWIN).is_some());
    let able: Vec<PeerKey> = able.map(|twin| twin.key).collect();
    for &twin in &able {
        if let Some(twin) = peers.get_mut(twin) {
            say(now, twin, out, ANSWER, number);
        }
    }
    if !able.is_empty()
        && let Some(peer) = peers.get_mut(key)
    {
        (peer.twin.heard, peer.twin.has_answered) = (None, true);
    }
}

/// Takes in a message. Returns the connection that is proven to end at the same peer.
pub(in crate::roster) fn hear(peers: &mut Peers, key: PeerKey, message: &[u8]) -> Option<PeerKey> {
    let (&kind, number) = message.split_first()?;
    let number: [u8; 8] = number.try_into().ok()?;
    if kind == ANSWER {
        let twin = twins_of(peers, key).find(|twin| twin.twin.asked == Some(number));
        return twin.map(|twin| twin.key);
    }
    let peer = peers.get_mut(key).filter(|peer| kind == ASK && !peer.twin.has_answered)?;
    peer.twin.heard = Some(number);
    None
}

fn say(now: Instant, peer: &mut Peer, out: &mut Outbox, kind: u8, number: [u8; 8]) {
    if let Some(id) = peer.extensions.id(TWIN) {
        let payload = [&[kind][..], &number].concat();
        out.send(now, peer, id.message(Bytes::from(payload)).into());
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tinytorrent_wire::Message;
    use tinytorrent_wire::extension::{ExtendedHandshake, OurExtensions};

    use super::*;
    use crate::contract::Action;
    use crate::peer::testing::peer;

    /// An end of two connections that may be to the same peer.
    struct End {
        peers: Peers,
        out: Outbox,
        keys: [PeerKey; 2],
        chance: StdRng,
    }

    impl End {
        fn new(now: Instant, seed: u64) -> Self {
            let both = [0; 2].map(|_| {
                let mut peer = peer(now, 1);
                peer.extensions.update(&ExtendedHandshake::new(&OurExtensions::new([TWIN])));
                peer
            });
            let peers = Peers::of(both);
            let keys: Vec<_> = peers.keys().collect();
            let chance = StdRng::seed_from_u64(seed);
            Self { peers, out: Outbox::default(), keys: [keys[0], keys[1]], chance }
        }

        fn talk(&mut self, now: Instant) {
            let Self { peers, out, keys, chance } = self;
            talk(now, peers, keys[0], out, chance);
        }

        /// What was said over each connection.
        fn said(&mut self) -> [Vec<Bytes>; 2] {
            let mut said = [Vec::new(), Vec::new()];
            for action in self.out.take_actions() {
                if let Action::Send { peer, message: Message::Extended(extended) } = action {
                    said[usize::from(peer == self.keys[1])].push(extended.payload);
                }
            }
            said
        }

        /// What came over a connection. Gives those that are proven.
        fn hear(&mut self, connection: usize, messages: &[Bytes]) -> Vec<PeerKey> {
            let Self { peers, keys, .. } = self;
            messages.iter().filter_map(|said| hear(peers, keys[connection], said)).collect()
        }
    }

    /// Lets two ends speak over the connections that join them. Gives those that each takes for proven.
    fn converse(joined: &[usize]) -> [Vec<PeerKey>; 2] {
        let now = Instant::now();
        let mut ends = [1, 2].map(|seed| End::new(now, seed));
        let mut proven = [Vec::new(), Vec::new()];
        for _ in 0..3 {
            ends.iter_mut().for_each(|end| end.talk(now));
            let said = ends.each_mut().map(End::said);
            for (from, to) in [(0, 1), (1, 0)] {
                for &at in joined {
                    proven[to].extend(ends[to].hear(at, &said[from][at]));
                }
            }
        }
        proven
    }

    #[test]
    fn two_connections_to_one_peer_prove_each_other() {
        let proven = converse(&[0, 1]);
        assert!(proven.iter().all(|proven| proven.len() == 2), "{proven:?}");
    }

    #[test]
    fn whoever_has_one_of_them_proves_nothing() {
        for joined in [0, 1] {
            assert!(converse(&[joined]).iter().all(Vec::is_empty));
        }
    }

    #[test]
    fn one_question_is_answered_on_a_connection() {
        let now = Instant::now();
        let mut end = End::new(now, 1);
        end.talk(now);
        end.said();
        let question = |number: u8| Bytes::from([&[ASK][..], &[number; 8]].concat());
        for number in 0..9 {
            end.hear(0, &[question(number)]);
            end.talk(now);
        }
        assert_eq!(end.said()[1].len(), 1);
    }
}
