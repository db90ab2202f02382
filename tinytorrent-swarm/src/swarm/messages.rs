//! Messages of peers: judged by the rulebook, handed to the parts.

use std::net::SocketAddr;
use std::time::Instant;

use tinytorrent_wire::extension::{ExtendedHandshake, ExtensionMessage, MetadataMessage};
use tinytorrent_wire::session::{Side, Verdict};
use tinytorrent_wire::{Extended, Message};

use super::{Swarm, exchange, hashes};
use crate::PeerKey;
use crate::contract::{Action, Event, LeaveReason, PeerSource};
use crate::download::Download;
use crate::metadata;
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::piece::{Picker, Pieces};
use crate::stage::Stage;

/// The consequence of a message for the swarm beyond the peer that sent it.
#[derive(Debug, PartialEq)]
enum Then {
    Nothing,
    /// All pieces of the peer are to be counted anew.
    CountPieces,
    /// Slots may be given.
    FillSlots,
    /// Metadata or hashes may be asked for.
    Fetch,
    Leave(LeaveReason),
    /// A message of the extension protocol is to be read.
    Extend(Extended),
}

impl Swarm {
    pub(super) fn on_message(&mut self, key: PeerKey, message: Message) {
        let now = self.now;
        if let Message::Piece(piece) = message {
            // It belongs to `handle_block`; a caller that sends it here has lost the bytes.
            self.on_block(key, piece.header());
            return;
        }
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.timing.last_received = now;
        let had_any = peer.session.has_any(Side::Peer);
        let was_interested = peer.is_interested();
        let states_pieces =
            matches!(message, Message::Bitfield(_) | Message::HaveAll | Message::HaveNone);
        // What it said before piece by piece was counted; a second statement is none (W-20).
        let is_counted = states_pieces && !peer.session.has_stated_pieces(Side::Peer);
        if is_counted && let (Some(picker), Some(pieces)) = (self.stage.picker_mut(), peer.pieces())
        {
            picker.remove_peer(pieces);
        }
        let verdict = match peer.session.handle_received(&message) {
            Ok(verdict) => verdict,
            Err(violation) => {
                if is_counted {
                    self.count_pieces(key);
                }
                return self.leave(key, LeaveReason::Violation(violation));
            }
        };
        if let Verdict::Ignore(_) = verdict {
            return;
        }
        let (out, picker) = (&mut self.out, self.stage.picker_mut());
        let then = match message {
            Message::KeepAlive | Message::Piece(_) | Message::Unknown { .. } => Then::Nothing,
            Message::Choke => {
                let void = if let Verdict::Void(void) = verdict { void } else { Vec::new() };
                if let Some(picker) = picker {
                    self.download.on_choke(peer, picker, &void);
                }
                Then::Nothing
            }
            Message::Unchoke | Message::AllowedFast(_) => {
                self.download.has_room(peer);
                Then::Nothing
            }
            Message::Interested if was_interested => Then::Nothing,
            Message::Interested => Then::FillSlots,
            Message::NotInterested if !was_interested => Then::Nothing,
            Message::NotInterested => {
                self.upload.on_not_interested(now, peer, out);
                Then::FillSlots
            }
            Message::Have(index) => match picker {
                Some(picker) => on_have(now, peer, picker, &mut self.download, out, index),
                None if had_any => Then::Nothing,
                None => Then::Fetch,
            },
            Message::Bitfield(_) | Message::HaveAll | Message::HaveNone => Then::CountPieces,
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
                out.tell_if((port != 0).then_some(Event::DhtNodeFound { address }));
                Then::Nothing
            }
            Message::Extended(extended) => Then::Extend(extended),
            Message::HashRequest(request) => {
                let pieces = picker.map(|picker| picker.geometry().piece_count());
                hashes::on_request(now, peer, out, request, &verdict, pieces);
                Then::Nothing
            }
            Message::Hashes(hashes) => {
                if let Stage::Hashes(fetch) = &mut self.stage
                    && fetch.handle_hashes(key, &hashes.request)
                {
                    out.act(Action::CheckHashes { peer: key, hashes });
                }
                Then::Nothing
            }
            Message::HashReject(request) => {
                if let Stage::Hashes(fetch) = &mut self.stage
                    && fetch.handle_reject(now, key, &request)
                {
                    Then::Fetch
                } else {
                    Then::Nothing
                }
            }
        };
        self.follow(key, then);
    }

    fn follow(&mut self, key: PeerKey, then: Then) {
        match then {
            Then::Nothing => {}
            Then::CountPieces => {
                self.count_pieces(key);
                self.send_allowed_fast(key);
                self.fetch();
            }
            Then::FillSlots => {
                self.upload.fill_slots(self.now, &mut self.peers, &mut self.out);
            }
            Then::Fetch => self.fetch(),
            Then::Leave(reason) => self.leave(key, reason),
            Then::Extend(extended) => {
                let then = self.on_extended(key, &extended);
                // An extended message calls for no other.
                debug_assert!(!matches!(then, Then::Extend(_)));
                self.follow(key, then);
            }
        }
    }

    /// A peer threw a piece away (BEP 54).
    fn on_dont_have(&mut self, key: PeerKey, index: u32) -> Then {
        let Some(peer) = self.peers.get_mut(key) else { return Then::Nothing };
        let was_seed = matches!(peer.pieces(), Some(Pieces::All { .. }));
        let verdict = peer.session.handle_dont_have(Side::Peer, index);
        let Some(picker) = self.stage.picker_mut() else { return Then::Nothing };
        let (Some(pieces), Some(piece)) = (peer.pieces(), picker.geometry().piece(index)) else {
            return Then::Nothing;
        };
        if let Verdict::Ignore(_) = verdict {
            return Then::Nothing;
        }
        picker.peer_lost(pieces, piece, was_seed);
        peer.pipeline.interesting -= u32::from(picker.wants(piece));
        if let Verdict::Void(void) = verdict {
            self.download.release(peer, picker, &void);
        }
        self.download.update_interest(self.now, peer, &mut self.out);
        Then::Nothing
    }

    fn on_extended(&mut self, key: PeerKey, extended: &Extended) -> Then {
        // What cannot be read is ignored: peers of every make send odd things here.
        let Ok(message) = self.extensions.ours.read(extended) else { return Then::Nothing };
        let now = self.now;
        match message {
            ExtensionMessage::Handshake(handshake) => self.on_extended_handshake(key, &handshake),
            ExtensionMessage::Metadata(message) => self.on_metadata(key, message),
            ExtensionMessage::DontHave(index) => self.on_dont_have(key, index),
            ExtensionMessage::UploadOnly(is_upload_only) => {
                self.on_upload_only(key, is_upload_only)
            }
            ExtensionMessage::PeerExchange(message) => {
                let is_allowed = self.extensions.may_exchange(self.stage.is_private());
                let Some(peer) = self.peers.get_mut(key).filter(|_| is_allowed) else {
                    return Then::Nothing;
                };
                match exchange::receive(now, peer, &message) {
                    Ok(addresses) => self.on_peers_found(PeerSource::Exchange, &addresses),
                    Err(violation) => return Then::Leave(LeaveReason::Violation(violation)),
                }
                Then::Nothing
            }
            ExtensionMessage::Holepunch(_)
            | ExtensionMessage::Other(..)
            | ExtensionMessage::NotOurs { .. } => Then::Nothing,
        }
    }

    fn on_extended_handshake(&mut self, key: PeerKey, handshake: &ExtendedHandshake) -> Then {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(key) else { return Then::Nothing };
        peer.extensions.update(handshake);
        peer.session.handle_extended_handshake(handshake);
        let voter = peer.contact.address.ip();
        if let Some(ip) = handshake.your_ip.and_then(|ip| self.roster.vote(voter, ip)) {
            self.out.tell(Event::OwnAddressAgreed { ip });
        }
        if let Stage::Metadata(fetch) = &mut self.stage {
            fetch.add_peer(now, peer, handshake.metadata_size);
        }
        let is_allowed = self.extensions.may_exchange(self.stage.is_private());
        exchange::begin(now, peer, &mut self.out, is_allowed);
        self.download.has_room(peer);
        if let Some(port) = handshake.listen_port
            && let Some(twin) = self.roster.listens_at(&mut self.peers, key, port)
        {
            self.leave(twin, LeaveReason::Duplicate);
        }
        if let Some(is_upload_only) = handshake.upload_only
            && let Then::Leave(reason) = self.on_upload_only(key, is_upload_only)
        {
            return Then::Leave(reason);
        }
        Then::Fetch
    }

    fn on_upload_only(&mut self, key: PeerKey, is_upload_only: bool) -> Then {
        let Some(peer) = self.peers.get_mut(key) else { return Then::Nothing };
        peer.is_upload_only = is_upload_only;
        if is_upload_only && self.stage.is_full() {
            Then::Leave(LeaveReason::Useless)
        } else {
            Then::Nothing
        }
    }

    fn on_metadata(&mut self, key: PeerKey, message: MetadataMessage) -> Then {
        if let MetadataMessage::Request { block } = message {
            let info = self.stage.loaded().map(|loaded| loaded.info.clone()).unwrap_or_default();
            if let Some(peer) = self.peers.get_mut(key) {
                metadata::serve(self.now, peer, &mut self.out, &info, block);
            }
            return Then::Nothing;
        }
        if let Stage::Metadata(fetch) = &mut self.stage {
            fetch.on_message(self.now, key, message, &mut self.out);
        }
        Then::Fetch
    }
}

/// A peer has a piece that it did not have before.
fn on_have(
    now: Instant,
    peer: &mut Peer,
    picker: &mut Picker,
    download: &mut Download,
    out: &mut Outbox,
    index: u32,
) -> Then {
    let Some(piece) = picker.geometry().piece(index) else { return Then::Nothing };
    picker.peer_gained(piece);
    peer.pipeline.interesting += u32::from(picker.wants(piece));
    if picker.is_startable(piece) {
        peer.pipeline.search.searched = None;
    }
    if peer.is_seed() && picker.have().is_full() {
        return Then::Leave(LeaveReason::Useless);
    }
    download.update_interest(now, peer, out);
    download.has_room(peer);
    Then::Nothing
}
