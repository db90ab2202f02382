//! Messages about ourselves: the handshake of the extension protocol, and short ones (BEP 10, 21, 54).

use std::borrow::Cow;
use std::time::Instant;

use tinytorrent_types::{Bitfield, PieceIndex};
use tinytorrent_wire::extension::{ExtendedHandshake, Extension, ExtensionMessage, OurExtensions};
use tinytorrent_wire::session::Side;
use tinytorrent_wire::{Message, Request};

use crate::config::{MAX_QUEUED_REQUESTS, SwarmConfig};
use crate::contract::Transport;
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::roster::TWIN;

/// The extensions that we speak, and what we say of ourselves.
#[derive(Debug)]
pub(crate) struct Extensions {
    pub(crate) ours: OurExtensions,
    client: Cow<'static, str>,
    listen_port: Option<u16>,
    /// Peers are told of each other, unless the torrent is private (BEP 11).
    exchanges: bool,
    /// Peers are introduced to each other by uTP, unless the torrent is private (BEP 55).
    punches: bool,
    /// Peers may come from trackers only (BEP 27).
    is_private: bool,
}

/// The state of the torrent, as peers are told of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// Length of the info dictionary in bytes, once it is known.
    pub(crate) metadata_size: Option<u64>,
    /// Every wanted piece is here.
    pub(crate) is_upload_only: bool,
    /// The hash of the trackers that peers are told of (BEP 28).
    pub(crate) tracker_list: Option<[u8; 20]>,
}

impl Extensions {
    pub(crate) fn new(config: &SwarmConfig) -> Self {
        let always = [Extension::Metadata, Extension::DontHave, Extension::UploadOnly];
        let exchange = config.exchange.then_some(Extension::PeerExchange);
        let punches = config.transports.includes(Transport::Utp);
        let holepunch = punches.then_some(Extension::Holepunch);
        let trackers = config.tracker_exchange.as_ref().map(|_| Extension::TrackerExchange);
        let some = exchange.into_iter().chain(holepunch).chain(trackers);
        Self {
            ours: OurExtensions::new(always.into_iter().chain(some).chain([TWIN])),
            client: config.client.clone(),
            listen_port: config.listen_port,
            exchanges: config.exchange,
            punches,
            is_private: false,
        }
    }

    /// Changes the port that peers are told of.
    pub(crate) fn set_listen_port(&mut self, port: Option<u16>) {
        self.listen_port = port;
    }

    /// Returns true if peers may be told of each other.
    pub(crate) fn may_exchange(&self) -> bool {
        // BEP 27: a private torrent's peers come from its trackers alone.
        self.exchanges && !self.is_private
    }

    /// Returns true if peers may be introduced to each other, and we to them.
    pub(crate) fn may_punch(&self) -> bool {
        // BEP 27, as above: whoever is introduced does not come from a tracker.
        self.punches && !self.is_private
    }

    /// Returns true if peers may come from trackers only (BEP 27).
    pub(crate) fn is_private(&self) -> bool {
        self.is_private
    }

    /// The torrent is private. Returns false if that was known.
    pub(crate) fn become_private(&mut self) -> bool {
        !std::mem::replace(&mut self.is_private, true)
    }

    /// Sends our handshake, or what has changed of it.
    pub(crate) fn send_handshake(
        &self,
        now: Instant,
        peer: &mut Peer,
        out: &mut Outbox,
        about: About,
    ) {
        if !peer.is_extended() {
            return;
        }
        let mut handshake = ExtendedHandshake::new(&self.ours);
        if self.is_private {
            // It may have been announced before the metadata told (BEP 10: 0 takes it back).
            for never in [Extension::PeerExchange, Extension::TrackerExchange, Extension::Holepunch]
            {
                handshake.disable(never);
            }
        }
        handshake.client = Some(self.client.as_bytes().to_vec());
        handshake.listen_port = self.listen_port;
        handshake.your_ip = Some(peer.contact.address.ip().to_canonical());
        handshake.request_queue = Some(MAX_QUEUED_REQUESTS as u32);
        handshake.metadata_size = about.metadata_size;
        handshake.upload_only = about.is_upload_only.then_some(true);
        handshake.tracker_list = about.tracker_list;
        out.send(now, peer, handshake.to_message().into());
    }
}

/// Announces the pieces that we have, one by one, to a peer that lacks them.
pub(crate) fn send_haves(now: Instant, peer: &mut Peer, out: &mut Outbox, have: &Bitfield) {
    let Some(theirs) = peer.pieces() else { return };
    let news: Vec<u32> = have.iter().filter(|&index| !theirs.get(index)).collect();
    for index in news {
        out.send(now, peer, Message::Have(index));
    }
}

/// Tells a peer whether we download nothing any more (BEP 21), if it understands.
pub(crate) fn send_upload_only(now: Instant, peer: &mut Peer, out: &mut Outbox, is_so: bool) {
    if let Some(id) = peer.extensions.id(Extension::UploadOnly) {
        out.send(now, peer, ExtensionMessage::upload_only(id, is_so).into());
    }
}

/// Takes back that we have a piece, and tells a peer so if it understands (BEP 54). Requests for the piece
/// are refused from now on, whether or not it could be told.
pub(crate) fn send_dont_have(now: Instant, peer: &mut Peer, out: &mut Outbox, piece: PieceIndex) {
    if !peer.session.pieces(Side::Us).is_some_and(|pieces| pieces.contains(piece)) {
        return; // it was not told that we have it
    }
    // The session has to know first: a reject that it does not expect would be a breach of ours.
    peer.session.handle_dont_have(Side::Us, piece.get());
    if let Some(id) = peer.extensions.id(Extension::DontHave) {
        out.send(now, peer, ExtensionMessage::dont_have(id, piece.get()).into());
    }
    // With the fast extension, requests for it are still to be answered; without it, none is left.
    let is_lost = |request: &Request| request.index == piece.get();
    let lost: Vec<_> = peer.session.waiting_requests().filter(is_lost).collect();
    for request in lost {
        out.send(now, peer, Message::Reject(request));
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::{Geometry, InfoHashV1, InfoHashes, PeerId};

    use super::*;
    use crate::peer::testing::leech;

    fn extensions() -> Extensions {
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let mut config = SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 1);
        config.client("test 1").listen_port(6881);
        Extensions::new(&config)
    }

    fn listener(now: Instant) -> Peer {
        let geometry = Geometry::new(4 << 14, 1 << 14).unwrap();
        let mut peer = leech(now, 1, &geometry);
        let theirs = OurExtensions::new([Extension::DontHave, Extension::UploadOnly]);
        peer.extensions.update(&ExtendedHandshake::new(&theirs));
        peer
    }

    #[test]
    fn the_handshake_says_what_is_known() {
        let (now, mut out) = (Instant::now(), Outbox::default());
        let mut peer = listener(now);
        let about = About { metadata_size: Some(99), is_upload_only: true, ..About::default() };
        extensions().send_handshake(now, &mut peer, &mut out, about);
        let [Message::Extended(extended)] = &out.take_messages(peer.key)[..] else { panic!() };
        let said = ExtendedHandshake::parse(&extended.payload).unwrap();
        assert_eq!(said.client_name().as_deref(), Some("test 1"));
        assert_eq!((said.metadata_size, said.upload_only), (Some(99), Some(true)));
        assert_eq!((said.listen_port, said.request_queue), (Some(6881), Some(2000)));
    }

    /// BEP 54, BEP 6.
    #[test]
    fn a_piece_that_is_lost_is_taken_back_and_its_requests_are_rejected() {
        let (now, mut out) = (Instant::now(), Outbox::default());
        let mut peer = listener(now);
        out.send(now, &mut peer, Message::Unchoke);
        let request = tinytorrent_wire::Request { index: 2, begin: 0, length: 1 << 14 };
        peer.session.handle_received(&Message::Request(request)).unwrap();
        out.take_actions();
        let piece = peer.session.geometry().unwrap().piece(2).unwrap();
        send_dont_have(now, &mut peer, &mut out, piece);
        let said = out.take_messages(peer.key);
        assert!(
            matches!(said[..], [Message::Extended(_), Message::Reject(lost)] if lost == request)
        );
        send_dont_have(now, &mut peer, &mut out, piece);
        assert!(out.take_messages(peer.key).is_empty(), "once");
    }

    #[test]
    fn a_lost_piece_is_not_served_to_those_who_cannot_be_told() {
        // BEP 54 is an extension; BEP 6 has an answer for each request.
        let (now, mut out) = (Instant::now(), Outbox::default());
        let mut peer = leech(now, 1, &Geometry::new(4 << 14, 1 << 14).unwrap());
        out.send(now, &mut peer, Message::Unchoke);
        let piece = peer.session.geometry().unwrap().piece(2).unwrap();
        let request = |begin| tinytorrent_wire::Request { index: 2, begin, length: 1 << 13 };
        peer.session.handle_received(&Message::Request(request(0))).unwrap();
        out.take_actions();
        send_dont_have(now, &mut peer, &mut out, piece);
        assert_eq!(out.take_messages(peer.key), [Message::Reject(request(0))]);
        let verdict = peer.session.handle_received(&Message::Request(request(1 << 13))).unwrap();
        assert!(matches!(verdict, tinytorrent_wire::session::Verdict::Refuse(_)));
    }
}
