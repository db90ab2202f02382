use std::time::Instant;

use tinytorrent_types::PeerId;
use tinytorrent_wire::session::Session;

use crate::PeerKey;
use crate::peer::{Contact, MAX_SILENCE, Peer, Timing};
use crate::slab::Slab;

/// The connections of a swarm: those that are being made, and the peers behind those that are.
#[derive(Debug)]
pub(crate) struct Peers {
    places: Slab<Place>,
    /// Places that are [`Place::Live`].
    live: usize,
}

/// A connection before and after its handshakes.
#[derive(Debug)]
enum Place {
    Pending(Pending),
    /// Boxed, as it is many times as large.
    Live(Box<Peer>),
}

/// A connection whose handshakes are not through.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) contact: Contact,
    pub(crate) timing: Timing,
}

impl Peers {
    pub(crate) fn new() -> Self {
        Self { places: Slab::new(), live: 0 }
    }

    /// Takes in a connection that is to be made, or that came in.
    pub(crate) fn insert(&mut self, now: Instant, contact: Contact) -> PeerKey {
        self.places.insert(Place::Pending(Pending { contact, timing: Timing::new(now) }))
    }

    /// The handshakes of a connection are through.
    pub(crate) fn promote(
        &mut self,
        now: Instant,
        key: PeerKey,
        id: PeerId,
        session: Session,
    ) -> Option<&mut Peer> {
        let place = self.places.get_mut(key)?;
        let Place::Pending(Pending { contact, timing }) = place else { return None };
        self.live += 1;
        let mut peer = Peer::new(now, key, contact.clone(), id, session);
        // The reminder that is set goes by this key, and is met by the peer.
        peer.timing.armed = timing.armed;
        *place = Place::Live(Box::new(peer));
        match place {
            Place::Live(peer) => Some(peer),
            Place::Pending(_) => None,
        }
    }

    /// Takes out a connection that is gone.
    pub(crate) fn remove(&mut self, key: PeerKey) -> Option<Gone> {
        match self.places.remove(key)? {
            Place::Pending(Pending { contact, .. }) => Some(Gone::Pending(contact)),
            Place::Live(peer) => {
                self.live -= 1;
                Some(Gone::Live(peer))
            }
        }
    }

    /// Connections, whether or not their handshakes are through.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn get(&self, key: PeerKey) -> Option<&Peer> {
        match self.places.get(key)? {
            Place::Live(peer) => Some(peer),
            Place::Pending(_) => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        match self.places.get_mut(key)? {
            Place::Live(peer) => Some(peer),
            Place::Pending(_) => None,
        }
    }

    pub(crate) fn pending_mut(&mut self, key: PeerKey) -> Option<&mut Pending> {
        match self.places.get_mut(key)? {
            Place::Pending(pending) => Some(pending),
            Place::Live(_) => None,
        }
    }

    /// The ends of a connection.
    pub(crate) fn contact(&self, key: PeerKey) -> Option<&Contact> {
        self.places.get(key).map(Place::contact)
    }

    /// The ends of all connections.
    pub(crate) fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.places.iter().map(|(_, place)| place.contact())
    }

    /// The connections whose handshakes are not through.
    pub(crate) fn pending(&self) -> impl Iterator<Item = (PeerKey, &Pending)> {
        self.places.iter().filter_map(|(key, place)| match place {
            Place::Pending(pending) => Some((key, pending)),
            Place::Live(_) => None,
        })
    }

    /// Keys of all connections.
    pub(crate) fn keys(&self) -> impl Iterator<Item = PeerKey> + '_ {
        self.places.iter().map(|(key, _)| key)
    }

    /// The peers whose handshakes are through.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.places.iter().filter_map(|(_, place)| match place {
            Place::Live(peer) => Some(&**peer),
            Place::Pending(_) => None,
        })
    }

    /// The peers whose handshakes are through.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.places.iter_mut().filter_map(|(_, place)| match place {
            Place::Live(peer) => Some(&mut **peer),
            Place::Pending(_) => None,
        })
    }

    /// Returns true if a reminder for this instant is the one that counts for a connection.
    pub(crate) fn is_armed(&self, key: PeerKey, at: Instant) -> bool {
        let timing = self.places.get(key).map(|place| match place {
            Place::Pending(pending) => &pending.timing,
            Place::Live(peer) => &peer.timing,
        });
        timing.is_some_and(|timing| timing.armed == Some(at))
    }

    pub(crate) fn check_invariants(&self) {
        assert_eq!(self.live, self.iter().count());
        for (key, place) in self.places.iter() {
            if let Place::Live(peer) = place {
                assert_eq!(peer.key, key);
            }
        }
    }
}

impl Place {
    fn contact(&self) -> &Contact {
        match self {
            Place::Pending(pending) => &pending.contact,
            Place::Live(peer) => &peer.contact,
        }
    }
}

impl Pending {
    /// The instant at which the connection was begun.
    pub(crate) fn since(&self) -> Instant {
        self.timing.last_received
    }

    /// The instant at which the handshakes take too long.
    pub(crate) fn deadline(&self) -> Instant {
        self.timing.last_received + MAX_SILENCE
    }
}

/// A connection that was taken out.
#[derive(Debug)]
pub(crate) enum Gone {
    /// Its handshakes were not through.
    Pending(Contact),
    Live(Box<Peer>),
}

impl Gone {
    pub(crate) fn contact(&self) -> &Contact {
        match self {
            Gone::Pending(contact) => contact,
            Gone::Live(peer) => &peer.contact,
        }
    }
}

#[cfg(test)]
impl Peers {
    /// A table of these peers; each gets the key of its place.
    pub(crate) fn of(peers: impl IntoIterator<Item = Peer>) -> Self {
        let mut table = Self::new();
        for mut peer in peers {
            let key = PeerKey::new(table.len() as u32, 0);
            peer.key = key;
            table.live += 1;
            assert_eq!(table.places.insert(Place::Live(Box::new(peer))), key);
        }
        table
    }
}

#[cfg(test)]
mod tests {

    use tinytorrent_types::WireInfoHash;
    use tinytorrent_wire::Reserved;
    use tinytorrent_wire::session::SessionConfig;

    use super::*;
    use crate::PeerSource;

    #[test]
    fn a_connection_is_pending_then_live_then_gone() {
        let (now, mut peers) = (Instant::now(), Peers::new());
        let (address, id) = (([10, 0, 0, 1], 1).into(), PeerId::from_bytes([1; 20]));
        let hash = WireInfoHash::from_bytes([7; 20]);
        let key = peers.insert(now, Contact::outgoing(address, PeerSource::User, hash));
        assert!(peers.get(key).is_none() && peers.pending_mut(key).is_some());
        assert_eq!((peers.len(), peers.pending().count()), (1, 1));
        let session =
            || Session::new(Reserved::empty(), Reserved::empty(), SessionConfig::lenient());
        assert!(peers.promote(now, key, id, session()).is_some());
        assert!(peers.promote(now, key, id, session()).is_none(), "once");
        peers.check_invariants();
        assert_eq!((peers.pending().count(), peers.iter().count()), (0, 1));
        assert!(matches!(peers.remove(key), Some(Gone::Live(_))));
        assert!(peers.remove(key).is_none());
        peers.check_invariants();
    }
}
