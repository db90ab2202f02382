//! Messages of peers: judged by the rulebook, handed to the parts.

use std::net::SocketAddr;
use std::time::Instant;

use tinytorrent_wire::extension::{
    ExtendedHandshake, Extension, ExtensionMessage, MetadataMessage,
};
use tinytorrent_wire::session::{Side, Verdict};
use tinytorrent_wire::{Extended, Message};

use crate::contract::{Action, Event, LeaveReason};
use crate::download::Download;
use crate::extensions::Extensions;
use crate::greeting::Greeting;
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::roster::{Roster, TWIN};
use crate::stage::Stage;
use crate::then::Then;
use crate::upload::Upload;
use crate::{availability, exchange, hashes, metadata};

/// The parts that a message of one peer can concern. The other peers are none of them: what concerns
/// them comes back as a [`Then`].
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) now: Instant,
    pub(super) greeting: &'a Greeting,
    pub(super) extensions: &'a Extensions,
    pub(super) stage: &'a mut Stage,
    pub(super) roster: &'a mut Roster,
    pub(super) download: &'a mut Download,
    pub(super) upload: &'a mut Upload,
    pub(super) out: &'a mut Outbox,
}

impl Parts<'_> {
    /// Judges a message, and has its part act on it.
    pub(super) fn on_message(&mut self, peer: &mut Peer, message: Message) -> Then {
        // Whatever it says, it is alive (W-10).
        peer.timing.last_received = self.now;
        // The session forgets both by the time that the part is asked.
        let before = Before {
            has_any: peer.session.has_any(Side::Peer),
            is_interested: peer.is_interested(),
        };
        let states_pieces =
            matches!(message, Message::Bitfield(_) | Message::HaveAll | Message::HaveNone);
        // Pieces announced one by one were counted; a second statement of all is none (W-20).
        let is_recounted = states_pieces && !peer.session.has_stated_pieces(Side::Peer);
        if is_recounted && let Some(picker) = self.stage.picker_mut() {
            availability::uncount(peer, picker);
        }
        match peer.session.handle_received(&message) {
            // Odd, late or known: what deployed clients send without harm is no reason to part.
            Ok(Verdict::Ignore(_)) => Then::Nothing,
            Ok(verdict) => self.act_on(peer, message, verdict, before),
            Err(violation) => {
                if is_recounted && let Some(picker) = self.stage.picker_mut() {
                    // Leaving takes them out of the count once more.
                    availability::count(self.now, peer, picker, self.download, self.out);
                }
                Then::Leave(LeaveReason::Violation(violation))
            }
        }
    }

    fn act_on(
        &mut self,
        peer: &mut Peer,
        message: Message,
        verdict: Verdict,
        before: Before,
    ) -> Then {
        let now = self.now;
        let (out, picker) = (&mut *self.out, self.stage.picker_mut());
        match message {
            Message::KeepAlive | Message::Piece(_) | Message::Unknown { .. } => Then::Nothing,
            Message::Choke => {
                let void = if let Verdict::Void(void) = verdict { void } else { Vec::new() };
                if let Some(picker) = picker {
                    self.download.on_choke(peer, picker, &void);
                }
                Then::Nothing
            }
            Message::Unchoke | Message::AllowedFast(_) => {
                // Its queue may be longer than we took it to be.
                self.download.has_room(peer);
                Then::Nothing
            }
            Message::Interested if before.is_interested => Then::Nothing,
            Message::Interested => Then::FillSlots,
            Message::NotInterested if !before.is_interested => Then::Nothing,
            Message::NotInterested => {
                self.upload.on_not_interested(now, peer, out);
                Then::FillSlots
            }
            Message::Have(index) => {
                match picker.and_then(|p| Some((p.geometry().piece(index)?, p))) {
                    Some((piece, picker)) => {
                        availability::on_have(now, peer, picker, self.download, out, piece)
                    }
                    None if before.has_any => Then::Nothing,
                    None => Then::Fetch,
                }
            }
            Message::Bitfield(_) | Message::HaveAll | Message::HaveNone => match picker {
                Some(picker) => {
                    self.greeting.send_allowed_fast(now, peer, out, picker.have());
                    availability::count(now, peer, picker, self.download, out)
                }
                None => Then::Fetch,
            },
            Message::Request(request) => {
                self.upload.on_request(now, peer, out, request, verdict);
                Then::Nothing
            }
            Message::Cancel(request) => {
                self.upload.on_cancel(now, peer, out, request);
                Then::Nothing
            }
            Message::Reject(request) => {
                if let Some(picker) = picker {
                    self.download.on_reject(now, peer, picker, out, request);
                }
                Then::Nothing
            }
            Message::Suggest(index) => {
                if let Some(piece) = picker.and_then(|picker| picker.geometry().piece(index)) {
                    peer.pipeline.search.suggest(piece);
                    self.download.has_room(peer);
                }
                Then::Nothing
            }
            Message::Port(port) => {
                let address = SocketAddr::new(peer.contact.address.ip().to_canonical(), port);
                // BEP 27: the peers of a private torrent are nobody's business.
                let is_told = port != 0 && !self.extensions.is_private();
                out.tell_if(is_told.then_some(Event::DhtNodeFound { address }));
                Then::Nothing
            }
            Message::Extended(extended) => self.on_extended(peer, &extended),
            Message::HashRequest(request) => {
                let pieces = picker.map(|picker| picker.geometry().piece_count());
                hashes::on_request(now, peer, out, request, &verdict, pieces);
                Then::Nothing
            }
            Message::Hashes(hashes) => {
                if let Stage::Hashes(fetch) = self.stage
                    && fetch.handle_hashes(peer.key, &hashes.request)
                {
                    out.act(Action::CheckHashes { peer: peer.key, hashes });
                }
                Then::Nothing
            }
            Message::HashReject(request) => {
                if let Stage::Hashes(fetch) = self.stage
                    && fetch.handle_reject(now, peer.key, &request)
                {
                    Then::Fetch
                } else {
                    Then::Nothing
                }
            }
        }
    }

    fn on_extended(&mut self, peer: &mut Peer, extended: &Extended) -> Then {
        // What cannot be read is ignored: peers of every make send odd things here.
        let Ok(message) = self.extensions.ours.read(extended) else { return Then::Nothing };
        match message {
            ExtensionMessage::Handshake(handshake) => self.on_extended_handshake(peer, &handshake),
            ExtensionMessage::Metadata(message) => self.on_metadata(peer, message),
            ExtensionMessage::DontHave(index) => {
                let (picker, out) = (self.stage.picker_mut(), &mut *self.out);
                availability::on_dont_have(self.now, peer, picker, self.download, out, index)
            }
            ExtensionMessage::UploadOnly(is_upload_only) => {
                self.on_upload_only(peer, is_upload_only)
            }
            ExtensionMessage::PeerExchange(message) => {
                if !self.extensions.may_exchange() {
                    return Then::Nothing;
                }
                exchange::receive(self.now, peer, &message).map_or_else(
                    |violation| Then::Leave(LeaveReason::Violation(violation)),
                    Then::AddPeers,
                )
            }
            ExtensionMessage::TrackerExchange(message) => Then::LearnTrackers(message),
            ExtensionMessage::Other(TWIN, message) => Then::HearTwin(message),
            // BEP 55: whoever does not speak it itself is ignored.
            ExtensionMessage::Holepunch(message)
                if self.extensions.may_punch()
                    && peer.extensions.id(Extension::Holepunch).is_some() =>
            {
                Then::Introduce(message)
            }
            ExtensionMessage::Holepunch(_)
            | ExtensionMessage::Other(..)
            | ExtensionMessage::NotOurs { .. } => Then::Nothing,
        }
    }

    fn on_extended_handshake(&mut self, peer: &mut Peer, handshake: &ExtendedHandshake) -> Then {
        peer.extensions.update(handshake);
        peer.session.handle_extended_handshake(handshake);
        if let Some(name) = handshake.client_name() {
            peer.claims.client = Some(name);
        }
        if let Some(port) = handshake.listen_port {
            peer.contact.note_listens_at(port);
        }
        peer.tracker_talk.list = handshake.tracker_list.or(peer.tracker_talk.list);
        let voter = peer.contact.address.ip();
        if let Some(ip) = handshake.your_ip.and_then(|ip| self.roster.vote(voter, ip)) {
            self.out.tell(Event::OwnAddressAgreed { ip });
        }
        if let Stage::Metadata(fetch) = self.stage {
            fetch.add_peer(self.now, peer, handshake.metadata_size, self.out);
        }
        let is_allowed = self.extensions.may_exchange();
        exchange::begin(self.now, peer, self.out, is_allowed);
        self.download.has_room(peer);
        // A later handshake says only what has changed (BEP 10).
        let is_upload_only = handshake.upload_only.unwrap_or(peer.claims.is_upload_only);
        match self.on_upload_only(peer, is_upload_only) {
            Then::Nothing => Then::Greeted,
            then => then,
        }
    }

    fn on_upload_only(&mut self, peer: &mut Peer, is_upload_only: bool) -> Then {
        peer.claims.is_upload_only = is_upload_only;
        if is_upload_only && self.stage.is_finished() {
            Then::Leave(LeaveReason::Useless)
        } else {
            Then::Nothing
        }
    }

    fn on_metadata(&mut self, peer: &mut Peer, message: MetadataMessage) -> Then {
        match (message, &mut *self.stage) {
            (MetadataMessage::Request { block }, stage) => {
                let info = stage.loaded().map(|loaded| loaded.info.clone()).unwrap_or_default();
                metadata::serve(self.now, peer, self.out, &info, block);
                Then::Nothing
            }
            (message, Stage::Metadata(fetch)) => {
                if fetch.on_message(self.now, peer.key, message, self.out) {
                    // For the peer, but not for the swarm: it may be part of something that nobody needs.
                    peer.pipeline.note_gift(self.now);
                }
                Then::Fetch
            }
            (_, Stage::Hashes(_) | Stage::Checking { .. } | Stage::Loaded(_)) => Then::Nothing,
        }
    }
}

/// The state of the peer before the message.
#[derive(Debug, Clone, Copy)]
struct Before {
    has_any: bool,
    is_interested: bool,
}
