//! What peers say, but for requests and blocks.

use bytes::Bytes;
use tinytorrent_types::{Bitfield, PieceIndex};
use tinytorrent_wire::{Message, Request};

use super::{Stage, Swarm};
use crate::PeerKey;
use crate::contract::{Content, Event};
use crate::peer::{EarlyField, Pieces};
use crate::piece::{PeerPieces, Picker};

impl Swarm {
    pub(super) fn on_message(&mut self, key: PeerKey, message: Message) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.is_live()) else { return };
        peer.last_received = now;
        if message.is_fast() && !peer.fast {
            return self.violation(key, "fast message without the fast extension (BEP 6)");
        }
        match message {
            Message::KeepAlive => {}
            Message::Choke => self.on_choke(key),
            Message::Unchoke => self.on_unchoke(key),
            Message::Interested => self.on_interested(key),
            Message::NotInterested => self.on_not_interested(key),
            Message::Have(index) => self.on_have(key, index),
            Message::Bitfield(bytes) => self.on_field(key, EarlyField::Bitfield(bytes)),
            Message::HaveAll => self.on_field(key, EarlyField::All),
            Message::HaveNone => self.on_field(key, EarlyField::None),
            Message::Request(request) => self.on_request(key, request),
            Message::Cancel(request) => self.on_cancel(key, request),
            Message::Reject(request) => self.on_reject(key, request),
            Message::AllowedFast(index) => self.on_allowed_fast(key, index),
            Message::Extended(extended) => self.on_extended(key, &extended),
            // It belongs to `handle_block`; whoever sends it here has lost the bytes.
            Message::Piece(piece) => {
                self.on_block(key, piece.header());
            }
            // Advice that a rarest-first picker has no use for, and BEPs to come.
            Message::Suggest(_) | Message::Port(_) | Message::Unknown { .. } => {}
            Message::HashRequest(request) => self.on_hash_request(key, request),
            Message::Hashes(hashes) => self.on_hashes(key, hashes),
            Message::HashReject(request) => self.on_hash_reject(key, &request),
        }
    }

    /// `bitfield`, `have all` or `have none`: once, before any other word about pieces (BEP 3,
    /// BEP 6).
    fn on_field(&mut self, key: PeerKey, field: EarlyField) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if std::mem::replace(&mut peer.has_spoken, true) {
            // A second one would count its pieces twice; some clients send it late (W-20).
            return;
        }
        if let Pieces::Known(known) = &peer.pieces
            && let Some(picker) = &mut self.picker
        {
            picker.remove_peer(known);
            let count = picker.geometry().piece_count();
            picker.add_peer(&PeerPieces::none(count));
        }
        peer.pieces = Pieces::Early { field: Some(field), haves: Vec::new() };
        peer.interesting = 0;
        self.resolve_pieces(key);
        self.request_hashes();
    }

    /// Reads what the peer said of its pieces, if the geometry is known.
    pub(super) fn resolve_pieces(&mut self, key: PeerKey) {
        let (Some(picker), Some(peer)) = (&mut self.picker, self.peers.get_mut(key)) else {
            return;
        };
        if peer.pieces().is_some() {
            return;
        }
        let Some(pieces) = peer.pieces.resolve(picker.geometry()) else {
            return self.violation(key, "bitfield or have of another torrent (BEP 3)");
        };
        peer.interesting = interesting(picker, &pieces);
        peer.requests.searched = None;
        picker.add_peer(&pieces);
        peer.pieces = Pieces::Known(pieces);
        if self.is_pointless(key) {
            return self.disconnect(key, crate::LeaveReason::Useless);
        }
        self.update_interest(key);
    }

    fn on_have(&mut self, key: PeerKey, index: u32) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(picker) = &mut self.picker else {
            let had_any = peer.has_any();
            if let Pieces::Early { haves, .. } = &mut peer.pieces {
                Pieces::remember_have(haves, index);
            }
            if !had_any {
                self.request_hashes();
            }
            return;
        };
        let Some(piece) = picker.geometry().piece(index) else {
            return self.violation(key, "have of a piece that does not exist (BEP 3)");
        };
        let Pieces::Known(pieces) = &mut peer.pieces else { return };
        if picker.peer_gained(pieces, piece) {
            peer.interesting += u32::from(picker.wants(piece));
            if picker.is_startable(piece) {
                peer.requests.searched = None;
            }
            if self.is_pointless(key) {
                return self.disconnect(key, crate::LeaveReason::Useless);
            }
            self.update_interest(key);
            self.make_hungry(key);
        }
    }

    /// BEP 54: the peer threw a piece away.
    pub(super) fn on_dont_have(&mut self, key: PeerKey, index: u32) {
        let (Some(picker), Some(peer)) = (&mut self.picker, self.peers.get_mut(key)) else {
            return;
        };
        let Some(piece) = picker.geometry().piece(index) else { return };
        let Pieces::Known(pieces) = &mut peer.pieces else { return };
        if picker.peer_lost(pieces, piece) {
            peer.interesting -= u32::from(picker.wants(piece));
            self.update_interest(key);
        }
    }

    /// Says whether we want something, when that changes (W-25).
    pub(super) fn update_interest(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let wants = peer.interesting > 0;
        if wants != peer.am_interested {
            peer.am_interested = wants;
            self.send(key, if wants { Message::Interested } else { Message::NotInterested });
            self.make_hungry(key);
        }
    }

    /// The content is known: what the peers said before can be read, and nobody is dropped.
    pub(super) fn on_content_ready(&mut self, content: Content) {
        if self.picker.is_some() {
            return;
        }
        let Content { geometry, have, wanted, partial, info, is_private } = content;
        let mut picker =
            Picker::new(geometry, have, wanted, self.config.sequential, self.config.seed);
        partial.into_iter().for_each(|block| picker.recover(block));
        let recovered = picker.recovered_pieces();
        picker.set_urgent(std::mem::take(&mut self.urgent));
        let is_finished = picker.is_finished();
        self.settle_metadata();
        self.info = info;
        self.is_private = is_private;
        self.trackers.begin(self.now, picker.have().is_full(), is_private);
        self.picker = Some(picker);
        self.stage = if is_finished { Stage::Finished } else { Stage::Running };
        for piece in recovered {
            self.verify(piece);
        }
        if is_finished {
            self.events.push_back(Event::Finished);
        }
        for key in self.live_peers() {
            self.begin_exchange(key);
            self.resolve_pieces(key);
            self.announce_content(key);
        }
        self.poll_trackers();
        self.connect_more();
    }

    /// Tells a peer that was there before the content what we have of it.
    fn announce_content(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get(key) else { return };
        if peer.extended {
            self.send_extended_handshake(key);
        }
        let (Some(picker), Some(peer)) = (&self.picker, self.peers.get(key)) else { return };
        let Some(pieces) = peer.pieces() else { return };
        let have = picker.have().iter().filter_map(|index| picker.geometry().piece(index));
        let news: Vec<PieceIndex> = have.filter(|&piece| !pieces.contains(piece)).collect();
        // The one bitfield of this connection is spent, or its time has passed.
        for piece in news {
            self.send(key, Message::Have(piece.get()));
        }
    }

    pub(super) fn on_allowed_fast(&mut self, key: PeerKey, index: u32) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let piece = self.picker.as_ref().and_then(|picker| picker.geometry().piece(index));
        // BEP 6: a piece that does not exist is ignored (W-42).
        if let Some(piece) = piece
            && peer.requests.allowed_fast.len() < MAX_ALLOWED_FAST
            && !peer.requests.allowed_fast.contains(&piece)
        {
            peer.requests.allowed_fast.push(piece);
            self.make_hungry(key);
        }
    }
}

/// Sets are of ten by custom; more are a way to make us keep lists.
const MAX_ALLOWED_FAST: usize = 64;

/// How many of these pieces we want.
fn interesting(picker: &Picker, pieces: &PeerPieces) -> u32 {
    let wanted = |piece: &PieceIndex| picker.wants(*piece);
    match pieces {
        PeerPieces::All => picker.missing(),
        PeerPieces::Some(some) => count(some, picker, wanted),
    }
}

fn count(some: &Bitfield, picker: &Picker, wanted: impl Fn(&PieceIndex) -> bool) -> u32 {
    some.iter().filter_map(|index| picker.geometry().piece(index)).filter(wanted).count() as u32
}

/// A range as a message names it.
pub(super) fn request_of(block: tinytorrent_types::BlockInfo) -> Request {
    Request { index: block.piece().get(), begin: block.begin(), length: block.length() }
}

/// Metadata in blocks of 16 KiB (BEP 9).
pub(super) fn metadata_block(info: &Bytes, block: u32) -> Option<Bytes> {
    let length = tinytorrent_wire::metadata::BLOCK_LENGTH as usize;
    let start = (block as usize).checked_mul(length).filter(|&start| start < info.len())?;
    Some(info.slice(start..info.len().min(start + length)))
}
