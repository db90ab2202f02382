//! The extension protocol: handshakes (BEP 10), metadata both ways (BEP 9).

use std::net::SocketAddr;

use bytes::Bytes;
use tinytorrent_wire::Extended;
use tinytorrent_wire::extension::{
    ExtendedHandshake, Extension, ExtensionMessage, MetadataMessage, OurExtensions,
};
use tinytorrent_wire::metadata::{self, DataOutcome};

use super::messages::metadata_block;
use super::{Stage, Swarm};
use crate::PeerKey;
use crate::config::{Config, MAX_QUEUED_REQUESTS, METADATA_AT_ONCE, METADATA_TIMES};
use crate::contract::{Action, Event, LeaveReason};

/// What we want to receive.
pub(super) fn ours(config: &Config) -> OurExtensions {
    let always = [Extension::Metadata, Extension::DontHave, Extension::UploadOnly];
    let exchange = config.exchange.then_some(Extension::PeerExchange);
    OurExtensions::new(always.into_iter().chain(exchange))
}

impl Swarm {
    pub(super) fn send_extended_handshake(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get(key) else { return };
        let mut handshake = ExtendedHandshake::new(&self.our_extensions);
        if self.is_private {
            // It may have been announced before the metadata told (BEP 10: 0 takes it back).
            handshake.disable(Extension::PeerExchange);
        }
        handshake.client = Some(self.config.client.clone().into_bytes());
        handshake.listen_port = self.config.listen_port;
        handshake.your_ip = Some(peer.address.ip().to_canonical());
        handshake.request_queue = Some(MAX_QUEUED_REQUESTS as u32);
        handshake.metadata_size = Some(self.info.len() as u64).filter(|&size| size > 0);
        handshake.upload_only = self.is_finished().then_some(true);
        self.send(key, handshake.to_message().into());
    }

    pub(super) fn on_extended(&mut self, key: PeerKey, extended: &Extended) {
        if !self.peers.get(key).is_some_and(|peer| peer.extended) {
            return self.violation(key, "extended message without the extension protocol (BEP 10)");
        }
        // What cannot be read is ignored: peers of every make send odd things here.
        let Ok(message) = self.our_extensions.read(extended) else { return };
        match message {
            ExtensionMessage::Handshake(handshake) => self.on_extended_handshake(key, &handshake),
            ExtensionMessage::Metadata(message) => self.on_metadata(key, message),
            ExtensionMessage::DontHave(index) => self.on_dont_have(key, index),
            ExtensionMessage::UploadOnly(is_upload_only) => {
                self.on_upload_only(key, is_upload_only);
            }
            ExtensionMessage::PeerExchange(message) => self.on_peer_exchange(key, &message),
            ExtensionMessage::Holepunch(_)
            | ExtensionMessage::Other(..)
            | ExtensionMessage::NotOurs { .. } => {}
        }
    }

    fn on_extended_handshake(&mut self, key: PeerKey, handshake: &ExtendedHandshake) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.extensions.update(handshake);
        if let Some(reqq) = handshake.request_queue {
            peer.requests.reqq = reqq.max(1);
        }
        if let Some(port) = handshake.listen_port {
            let told = SocketAddr::new(peer.address.ip().to_canonical(), port);
            if *peer.listens_at.get_or_insert(told) == told {
                self.meet_told_twin(key);
            }
        }
        let Some(peer) = self.peers.get_mut(key) else { return };
        let voter = peer.address.ip();
        if let Some(ip) = handshake.your_ip.and_then(|ip| self.own_address.vote(voter, ip)) {
            self.events.push_back(Event::OwnAddressAgreed { ip });
        }
        if let (Stage::Metadata { assembly, .. }, Some(size)) =
            (&mut self.stage, handshake.metadata_size)
            && peer.extensions.id(Extension::Metadata).is_some()
        {
            // A size that is refused makes the peer useless for the metadata, no more.
            let _ = assembly.add_peer(self.now, key, size);
            self.request_metadata();
        }
        self.begin_exchange(key);
        if let Some(is_upload_only) = handshake.upload_only {
            self.on_upload_only(key, is_upload_only);
        }
        self.make_hungry(key);
    }

    fn on_upload_only(&mut self, key: PeerKey, is_upload_only: bool) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.is_upload_only = is_upload_only;
        if is_upload_only && self.have().is_some_and(|have| have.is_full()) {
            self.disconnect(key, LeaveReason::Useless);
        }
    }

    fn on_metadata(&mut self, key: PeerKey, message: MetadataMessage) {
        let now = self.now;
        match (message, &mut self.stage) {
            (MetadataMessage::Request { block }, _) => self.serve_metadata(key, block),
            (
                MetadataMessage::Data { block, total_size, data },
                Stage::Metadata { assembly, .. },
            ) => {
                let outcome = assembly.handle_data(now, key, block, total_size, &data);
                if outcome == DataOutcome::Stored {
                    self.tell_metadata_progress();
                }
                self.check_metadata();
                self.request_metadata();
            }
            (MetadataMessage::Reject { block }, Stage::Metadata { assembly, .. }) => {
                assembly.handle_reject(now, key, block);
                self.request_metadata();
            }
            _ => {}
        }
    }

    fn serve_metadata(&mut self, key: PeerKey, block: u32) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(id) = peer.extensions.id(Extension::Metadata) else { return };
        // whoever asks for it again and again is not after the metadata.
        let blocks = self.info.len().div_ceil(metadata::BLOCK_LENGTH as usize) as u64;
        let limit = METADATA_TIMES * (blocks + 8) + 1;
        let is_fair = peer.metadata.has_room(self.now, limit, METADATA_AT_ONCE);
        let answer = match metadata_block(&self.info, block).filter(|_| is_fair) {
            Some(data) => {
                peer.metadata.add(self.now, 1);
                MetadataMessage::Data { block, total_size: Some(self.info.len() as u64), data }
            }
            None => MetadataMessage::Reject { block },
        };
        self.send(key, answer.to_message(id).into());
    }

    fn tell_metadata_progress(&mut self) {
        if let Stage::Metadata { assembly, .. } = &self.stage
            && let Some((bytes, total)) = assembly.progress()
        {
            let (bytes, total) = (bytes.into(), total.into());
            self.events.push_back(Event::MetadataProgress { bytes, total });
        }
    }

    /// Asks whoever has metadata for the blocks that are due.
    pub(super) fn request_metadata(&mut self) {
        let Stage::Metadata { assembly, .. } = &mut self.stage else { return };
        let mut requests = Vec::new();
        while let Some((key, block)) = assembly.poll_request(self.now) {
            let id = self.peers.get(key).and_then(|p| p.extensions.id(Extension::Metadata));
            match id {
                Some(id) => requests.push((key, ExtensionMessage::request_metadata(id, block))),
                None => assembly.remove_peer(key),
            }
        }
        for (key, request) in requests {
            self.send(key, request.into());
        }
    }

    /// Hands what is complete to whoever can hash it, one at a time.
    fn check_metadata(&mut self) {
        let Stage::Metadata { assembly, checking } = &mut self.stage else { return };
        if checking.is_none()
            && let Some(complete) = assembly.poll_complete()
        {
            let info = Bytes::copy_from_slice(&complete.bytes);
            *checking = Some(complete);
            self.actions.push_back(Action::CheckMetadata { info });
        }
    }

    pub(super) fn on_metadata_refused(&mut self) {
        let Stage::Metadata { assembly, checking } = &mut self.stage else { return };
        let Some(complete) = checking.take() else { return };
        for guilty in assembly.handle_verdict(self.now, complete, false) {
            self.ban_liar(guilty);
        }
        self.check_metadata();
        self.request_metadata();
    }

    /// A peer sent metadata or hashes that are not what the info-hash names, all by itself.
    pub(super) fn ban_liar(&mut self, key: PeerKey) {
        if let Some((address, id)) = self.peers.get(key).map(|peer| (peer.address, peer.id)) {
            self.banish(key, address, id);
        }
    }

    /// The metadata proved right: its stage is over.
    pub(super) fn settle_metadata(&mut self) {
        if let Stage::Metadata { assembly, checking } = &mut self.stage
            && let Some(complete) = checking.take()
        {
            assembly.handle_verdict(self.now, complete, true);
        }
    }
}
