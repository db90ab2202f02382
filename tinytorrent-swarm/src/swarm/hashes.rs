//! Hashes of v2 torrents, both ways (BEP 52, "hash request").

use bytes::Bytes;
use tinytorrent_wire::{HashRequest, Hashes, Message};

use super::{Stage, Swarm};
use crate::PeerKey;
use crate::config::{HASH_TIMES, HASHES_AT_ONCE};
use crate::contract::Action;
use crate::hash_fetch::HashFetch;

impl Swarm {
    /// The metadata is right, and lacks these hashes.
    pub(super) fn on_hashes_needed(&mut self, requests: Vec<HashRequest>) {
        if self.picker.is_some() {
            return;
        }
        self.settle_metadata();
        self.stage = Stage::Hashes(Box::new(HashFetch::new(requests)));
        self.request_hashes();
    }

    pub(super) fn on_hashes(&mut self, key: PeerKey, hashes: Box<Hashes>) {
        let Stage::Hashes(fetch) = &mut self.stage else { return };
        if fetch.handle_hashes(key, &hashes.request) {
            self.actions.push_back(Action::CheckHashes { peer: key, hashes });
        }
    }

    pub(super) fn on_hash_reject(&mut self, key: PeerKey, request: &HashRequest) {
        let Stage::Hashes(fetch) = &mut self.stage else { return };
        if fetch.handle_reject(self.now, key, request) {
            self.request_hashes();
        }
    }

    pub(super) fn on_hashes_checked(
        &mut self,
        key: PeerKey,
        request: &HashRequest,
        is_right: bool,
    ) {
        let Stage::Hashes(fetch) = &mut self.stage else { return };
        fetch.handle_checked(key, request, is_right);
        if !is_right {
            // A part is proven by itself: nobody else can be at fault.
            self.ban_liar(key);
        }
        self.request_hashes();
    }

    /// Asks whoever has something for the hashes that are missing.
    pub(super) fn request_hashes(&mut self) {
        let Stage::Hashes(fetch) = &mut self.stage else { return };
        fetch.handle_timeout(self.now);
        let can_have = self.peers.iter().filter(|(_, peer)| peer.is_live() && peer.has_any());
        let peers: Vec<PeerKey> = can_have.map(|(key, _)| key).collect();
        for (key, request) in fetch.poll_requests(self.now, &peers) {
            self.send(key, Message::HashRequest(request));
        }
    }

    pub(super) fn on_hash_request(&mut self, key: PeerKey, request: HashRequest) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let pieces = self.picker.as_ref().map(|picker| picker.geometry().piece_count());
        // Whoever asks for all of them again and again is not after the hashes.
        let limit = HASH_TIMES * 2 * u64::from(pieces.unwrap_or(0).next_power_of_two());
        let limit = limit + u64::from(FREE_HASHES);
        let is_fair = pieces.is_some() && peer.hashes.has_room(self.now, limit, HASHES_AT_ONCE);
        if !is_fair || request.validate().is_err() {
            return self.send(key, Message::HashReject(request));
        }
        peer.hashes.add(self.now, request.hash_count().into());
        self.actions.push_back(Action::ReadHashes { peer: key, request });
    }

    pub(super) fn on_hashes_read(
        &mut self,
        key: PeerKey,
        request: HashRequest,
        hashes: Option<Bytes>,
    ) {
        let answer = match hashes {
            Some(hashes) => Message::Hashes(Box::new(Hashes { request, hashes })),
            None => Message::HashReject(request),
        };
        self.send(key, answer);
    }
}

/// Hashes for which a peer may ask whatever the size of the torrent: proofs and refusals count too.
const FREE_HASHES: u32 = 4 * HashRequest::MAX_LENGTH;
