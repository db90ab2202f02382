//! Peer exchange: telling peers of each other (BEP 11).

use std::net::SocketAddr;
use std::time::Instant;

use tinytorrent_types::AddressScope;
use tinytorrent_wire::extension::{Extension, PexFlags, PexMessage, PexPeer};
use tinytorrent_wire::session::{Rule, Side, Violation};

use crate::PeerKey;
use crate::contract::Transport;
use crate::outbox::Outbox;
use crate::peer::{Exchange, Peer};
use crate::peers::Peers;

/// Begins to exchange with a peer that speaks `ut_pex`, if the torrent allows it. The state outlives
/// the peer's taking that back, lest it count its messages anew.
pub(crate) fn begin(now: Instant, peer: &mut Peer, out: &mut Outbox, is_allowed: bool) {
    if !is_allowed {
        peer.exchange = None;
    } else if peer.exchange.is_none() && peer.extensions.id(Extension::PeerExchange).is_some() {
        let address = peer.contact.listens_at.unwrap_or(peer.contact.address);
        peer.exchange = Some(Exchange::new(now, address));
        out.arm(peer);
    }
}

/// Takes in the addresses that a peer tells of.
///
/// # Errors
/// It tells far more often than it may.
pub(crate) fn receive(
    now: Instant,
    peer: &mut Peer,
    message: &PexMessage,
) -> Result<Vec<PexPeer>, Violation> {
    let Some(exchange) = &mut peer.exchange else { return Ok(Vec::new()) };
    let rule = Rule::NoExchangeFlood;
    let flood = |_| Violation { from: Side::Peer, message: "extended", rule };
    exchange.receiver.handle_message(now, message).map_err(flood)
}

/// Tells a peer whom we have met since the last time, if it is time.
pub(crate) fn send(now: Instant, peers: &mut Peers, key: PeerKey, out: &mut Outbox) {
    let is_due = |peer: &Peer| peer.exchange.as_ref().is_some_and(|exchange| now >= exchange.next);
    if !peers.get(key).is_some_and(is_due) {
        return;
    }
    let Some(to) = peers.get(key).map(|peer| peer.contact.address) else { return };
    // Only for a peer that is due, since it walks all of them.
    let told = peers.iter().filter_map(entry).filter(|entry| may_be_told(to, entry.address));
    let connected: Vec<PexPeer> = told.collect();
    let Some(peer) = peers.get_mut(key) else { return };
    let Some(exchange) = &mut peer.exchange else { return };
    // Noted even if there is nothing to tell, lest it be looked at in every turn.
    exchange.note_told(now);
    let Some(id) = peer.extensions.id(Extension::PeerExchange) else { return };
    if let Some(message) = exchange.sender.poll_message(now, connected) {
        out.send(now, peer, message.to_message(id).into());
    }
}

/// Returns true if one of these peers is to be told of the other. Nobody on the internet can make use of
/// an address of our network, or is to learn who is there.
fn may_be_told(to: SocketAddr, of: SocketAddr) -> bool {
    let is_local = |address: SocketAddr| AddressScope::of(address.ip()).is_local();
    is_local(to) || !is_local(of)
}

/// The entry of a peer, if it is known where it listens.
fn entry(peer: &Peer) -> Option<PexPeer> {
    let address = peer.contact.listens_at?;
    let mut flags = PexFlags::default();
    if peer.is_seed() || peer.claims.is_upload_only {
        flags = flags.with(PexFlags::UPLOAD_ONLY);
    }
    if !peer.contact.is_incoming {
        flags = flags.with(PexFlags::REACHABLE);
    }
    if peer.contact.transport == Transport::Utp {
        flags = flags.with(PexFlags::SUPPORTS_UTP);
    }
    if peer.extensions.id(Extension::Holepunch).is_some() {
        flags = flags.with(PexFlags::SUPPORTS_HOLEPUNCH);
    }
    Some(PexPeer { address, flags })
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::WireInfoHash;
    use tinytorrent_wire::Message;
    use tinytorrent_wire::extension::{ExtendedHandshake, OurExtensions};

    use super::*;
    use crate::PeerSource;
    use crate::peer::Contact;
    use crate::peer::testing::peer;

    fn exchanging(now: Instant) -> (Peers, Vec<PeerKey>, Outbox) {
        let mut out = Outbox::default();
        let all = (0..3).map(|slot| {
            let mut peer = peer(now, slot);
            let theirs = OurExtensions::new([Extension::PeerExchange]);
            peer.extensions.update(&ExtendedHandshake::new(&theirs));
            begin(now, &mut peer, &mut out, true);
            peer
        });
        let peers = Peers::of(all.collect::<Vec<_>>());
        let keys = peers.keys().collect();
        (peers, keys, out)
    }

    #[test]
    fn a_peer_is_told_of_the_others_once_a_minute() {
        //
        let now = Instant::now();
        let (mut peers, keys, mut out) = exchanging(now);
        send(now, &mut peers, keys[0], &mut out);
        assert!(out.take_messages(keys[0]).is_empty(), "not before a start has settled");
        let first = peers.get(keys[0]).unwrap().deadline();
        send(first, &mut peers, keys[0], &mut out);
        assert!(matches!(out.take_messages(keys[0])[..], [Message::Extended(_)]));
        send(first, &mut peers, keys[0], &mut out);
        assert!(out.take_messages(keys[0]).is_empty());
        assert_eq!(
            peers.get(keys[0]).unwrap().deadline(),
            first + std::time::Duration::from_secs(60)
        );
    }

    #[test]
    fn nobody_on_the_internet_is_told_of_our_network() {
        let start = Instant::now();
        for (to, is_told) in [([20, 0, 0, 1], false), ([10, 0, 0, 1], true)] {
            let (mut peers, keys, mut out) = exchanging(start);
            for (&key, host) in keys.iter().zip([to, [192, 168, 0, 1], [20, 0, 0, 9]]) {
                peers.get_mut(key).unwrap().contact = Contact::outgoing(
                    (host, 6881).into(),
                    PeerSource::User,
                    WireInfoHash::from_bytes([7; 20]),
                );
            }
            let first = peers.get(keys[0]).unwrap().deadline();
            send(first, &mut peers, keys[0], &mut out);
            let said = out.take_messages(keys[0]);
            let [Message::Extended(said)] = &said[..] else { panic!("{said:?}") };
            let added = PexMessage::parse(&said.payload).unwrap().added;
            let has = |host: [u8; 4]| added.iter().any(|peer| peer.address == (host, 6881).into());
            assert_eq!((has([20, 0, 0, 9]), has([192, 168, 0, 1])), (true, is_told));
        }
    }

    #[test]
    fn a_torrent_that_turns_out_private_stops_to_exchange() {
        let now = Instant::now();
        let (mut peers, keys, mut out) = exchanging(now);
        let peer = peers.get_mut(keys[0]).unwrap();
        begin(now, peer, &mut out, false);
        assert!(peer.exchange.is_none());
        assert_eq!(receive(now, peer, &PexMessage::default()), Ok(Vec::new()));
    }
}
