//! The start of a conversation: our handshake, the judgement of theirs, our first messages.

use std::time::Instant;

use tinytorrent_types::compact::Family;
use tinytorrent_types::{Bitfield, InfoHashV2, InfoHashes, PeerId};
use tinytorrent_wire::session::{self, GreetingError, Session, check_greeting};
use tinytorrent_wire::{Feature, Handshake, Message, Reserved};

use crate::allowed_fast;
use crate::config::{DhtPorts, MAX_QUEUED_REQUESTS, Sha1, SwarmConfig};
use crate::contract::LeaveReason;
use crate::outbox::Outbox;
use crate::peer::{Contact, Peer};

/// Our name and features in handshakes.
#[derive(Debug)]
pub(crate) struct Greeting {
    hashes: InfoHashes,
    peer_id: PeerId,
    /// Ports of our DHT node for IPv4 and IPv6; none in a private torrent.
    dht_ports: DhtPorts,
    sha1: Option<Sha1>,
}

impl Greeting {
    pub(crate) fn new(config: &SwarmConfig) -> Self {
        let SwarmConfig { info_hashes: hashes, peer_id, dht_ports, sha1, .. } = *config;
        Self { hashes, peer_id, dht_ports, sha1 }
    }

    /// The torrent is private: peers are told of no DHT for its sake (BEP 27).
    pub(crate) fn become_private(&mut self) {
        self.dht_ports = DhtPorts::default();
    }

    /// The info-hashes of the torrent.
    pub(crate) fn hashes(&self) -> &InfoHashes {
        &self.hashes
    }

    /// Our handshake. Of a hybrid torrent it names the v1 info-hash.
    pub(crate) fn handshake(&self) -> Handshake {
        let info_hash = self.hashes.to_wire();
        Handshake { reserved: self.reserved(), info_hash, peer_id: self.peer_id }
    }

    fn reserved(&self) -> Reserved {
        let mut reserved = Reserved::from([Feature::Extended, Feature::Fast]);
        // libtorrent closes the connection when the v2 bit comes with a torrent that has no v2
        // info-hash.
        if self.hashes.v2().is_some() {
            reserved = reserved.with(Feature::V2);
        }
        if self.dht_ports.any() {
            reserved = reserved.with(Feature::Dht);
        }
        reserved
    }

    /// Judges the handshake of a peer. Gives the conversation that follows.
    ///
    /// # Errors
    /// It means another torrent, or it is ourselves.
    pub(crate) fn check(
        &self,
        contact: &Contact,
        theirs: &Handshake,
    ) -> Result<Session, LeaveReason> {
        // A peer that came to us was answered by the hash that it named, if it is one of ours.
        let theirs_named = Some(theirs.info_hash).filter(|&hash| self.hashes.matches(hash));
        // The answer to our dial may be by the other hash of a hybrid.
        let named = contact.info_hash.or(theirs_named);
        let ours = self.handshake();
        let ours = Handshake { info_hash: named.unwrap_or(ours.info_hash), ..ours };
        match check_greeting(&self.hashes, &ours, theirs) {
            Ok(_) => Ok(self.session(theirs)),
            Err(GreetingError::OwnPeerId) => Err(LeaveReason::OurselvesFound),
            Err(_) => Err(LeaveReason::WrongTorrent),
        }
    }

    fn session(&self, theirs: &Handshake) -> Session {
        let is_theirs = |v2: InfoHashV2| v2.to_wire() == theirs.info_hash;
        let mut rules = session::SessionConfig::lenient();
        rules
            .max_outstanding(MAX_QUEUED_REQUESTS)
            // Named by us or in their answer: either way both speak of hashes from now on (BEP 52).
            .by_v2_hash(self.hashes.v2().is_some_and(is_theirs));
        Session::new(self.reserved(), theirs.reserved, rules)
    }

    /// Sends what we have, the shortest way there is: it comes first (BEP 3, BEP 6). `have` is `None`
    /// as long as the content is not known.
    pub(crate) fn send_have(
        &self,
        now: Instant,
        peer: &mut Peer,
        out: &mut Outbox,
        have: Option<&Bitfield>,
    ) {
        let message = match have {
            Some(have) if peer.is_fast() && have.is_full() => Message::HaveAll,
            Some(have) if !have.is_empty() => Message::Bitfield(have.as_bytes().to_vec().into()),
            Some(_) | None if peer.is_fast() => Message::HaveNone,
            Some(_) | None => return,
        };
        out.send(now, peer, message);
    }

    /// Sends the pieces that the peer may have while we choke it, if it begins (BEP 6).
    pub(crate) fn send_allowed_fast(
        &self,
        now: Instant,
        peer: &mut Peer,
        out: &mut Outbox,
        have: &Bitfield,
    ) {
        allowed_fast::send(now, peer, out, have, self.hashes.to_wire(), self.sha1);
    }

    /// Sends the port of our DHT node in the family of the connection (BEP 32), if we have one and the peer has too
    /// (BEP 5).
    pub(crate) fn send_port(&self, now: Instant, peer: &mut Peer, out: &mut Outbox) {
        if let Some(port) = self.dht_ports.of(Family::of(peer.contact.address.ip().to_canonical()))
            && peer.session.features().contains(Feature::Dht)
        {
            out.send(now, peer, Message::Port(port));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tinytorrent_types::{InfoHashV1, WireInfoHash};

    use super::*;
    use crate::PeerSource;

    const V1: InfoHashV1 = InfoHashV1::from_bytes([1; 20]);
    const V2: InfoHashV2 = InfoHashV2::from_bytes([2; 32]);

    fn greeting(hashes: InfoHashes, dht_port: Option<u16>) -> Greeting {
        let mut config = SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 0);
        config.dht_port(Family::V4, dht_port.unwrap_or(0));
        Greeting::new(&config)
    }

    fn theirs(info_hash: WireInfoHash, features: &[Feature]) -> Handshake {
        let reserved = features.iter().copied().collect();
        Handshake { reserved, info_hash, peer_id: PeerId::from_bytes([2; 20]) }
    }

    fn address() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 6881))
    }

    #[test]
    fn the_handshake_announces_only_what_is_spoken() {
        // W-46, W-50
        let plain = Reserved::from([Feature::Extended, Feature::Fast]);
        let v1 = InfoHashes::from_v1(V1);
        assert_eq!(greeting(v1, None).handshake().reserved, plain);
        let hybrid = greeting(InfoHashes::from_both(V1, V2), Some(6881)).handshake();
        assert_eq!(hybrid.reserved, plain.with(Feature::V2).with(Feature::Dht));
        assert_eq!(hybrid.info_hash, V1.to_wire());
    }

    #[test]
    fn an_answer_by_the_v2_hash_upgrades_the_conversation() {
        // W-50, BEP 52, "upgrade path"
        let greeting = greeting(InfoHashes::from_both(V1, V2), None);
        let dialed = Contact::outgoing(address(), PeerSource::User, V1.to_wire());
        let speaks = |answer| greeting.check(&dialed, &answer).map(|session| session.speaks_v2());
        assert_eq!(speaks(theirs(V1.to_wire(), &[])).ok(), Some(false));
        assert_eq!(speaks(theirs(V1.to_wire(), &[Feature::V2])).ok(), Some(true));
        assert_eq!(speaks(theirs(V2.to_wire(), &[])).ok(), Some(true));
    }

    #[test]
    fn another_torrent_and_ourselves_are_refused() {
        // W-03, W-04
        let greeting = greeting(InfoHashes::from_v1(V1), None);
        let other = theirs(WireInfoHash::from_bytes([9; 20]), &[]);
        for contact in [
            Contact::incoming(address()),
            Contact::outgoing(address(), PeerSource::User, V1.to_wire()),
        ] {
            let reason = greeting.check(&contact, &other).err();
            assert_eq!(reason, Some(LeaveReason::WrongTorrent));
            let ourselves = greeting.check(&contact, &greeting.handshake()).err();
            assert_eq!(ourselves, Some(LeaveReason::OurselvesFound));
            assert!(greeting.check(&contact, &theirs(V1.to_wire(), &[])).is_ok());
        }
    }
}
