//! The inputs of the engine: reports of connections, of the disk and of jobs, and commands.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use tinytorrent_metainfo::Metainfo;
use tinytorrent_storage::{Completion, Fault, StorageError};
use tinytorrent_swarm::{AnnounceOutcome, ConnectionError, Input, PeerKey, PeerSource};
use tinytorrent_wire::{Frames, Message};
use tracing::Span;

use super::data::DiskReport;
use super::job::JobOutcome;
use super::{Driver, lookups};
use crate::connection::{Incoming, Notice};
use crate::dht::DhtCounts;
use crate::{Event, PeerAddress, TorrentError};

/// Maximum number of host names that are looked up for one answer of a tracker.
const MAX_NAMED_PEERS: usize = 50;

/// Maximum number of messages before their answers are sent. A reject has as many bytes as its request.
const MAX_UNANSWERED: usize = 256;

impl Driver {
    pub(super) fn on_notice(&mut self, now: Instant, notice: Notice) {
        match notice {
            Notice::Frames { peer, frames } => self.on_frames(now, peer, frames),
            Notice::Served { peer, blocks } => {
                for block in blocks {
                    self.swarm.handle_input(now, Input::BlockServed { peer, block, sent: true });
                }
            }
            Notice::Greeted { peer, transport, handshake, is_encrypted } => {
                if is_encrypted {
                    self.connections.note_encrypted(peer);
                }
                let greeted = Input::HandshakeCompleted { peer, transport, handshake };
                self.swarm.handle_input(now, greeted);
            }
            Notice::Failed { peer, error } => {
                self.close(peer);
                self.swarm.handle_input(now, Input::ConnectFailed { peer, error });
            }
            Notice::WebSeed(report) => self.on_web_seed(now, report),
            Notice::Closed { peer, error } => self.drop_peer(now, peer, error),
        }
    }

    fn on_frames(&mut self, now: Instant, peer: PeerKey, frames: Frames) {
        if self.backlog.has(peer) {
            return self.backlog.push(peer, frames);
        }
        if let Some(rest) = self.handle_frames(now, peer, frames) {
            self.backlog.push(peer, rest);
        }
    }

    /// Goes on with messages that had to wait until their peer has read earlier answers.
    pub(super) fn resume_messages(&mut self, now: Instant) {
        if self.backlog.is_empty() {
            return;
        }
        for peer in self.backlog.peers() {
            let mut waiting = self.backlog.take(peer);
            while let Some(frames) = waiting.pop_front() {
                if let Some(rest) = self.handle_frames(now, peer, frames) {
                    waiting.push_front(rest);
                    break;
                }
            }
            waiting.into_iter().for_each(|frames| self.backlog.push(peer, frames));
        }
    }

    /// Passes messages to the engine. Returns those behind one with so long an answer that the peer has
    /// to read it first.
    fn handle_frames(&mut self, now: Instant, peer: PeerKey, mut frames: Frames) -> Option<Frames> {
        let mut unanswered = 0;
        while !frames.is_empty() {
            if self.connections.is_congested(peer) {
                return Some(frames);
            }
            let message = frames.next()?;
            unanswered += match &message {
                Ok(Message::Piece(_)) | Err(_) => 0,
                // The answer may be a thousand times as long.
                Ok(Message::Extended(_) | Message::HashRequest(_)) => MAX_UNANSWERED,
                Ok(_) => 1,
            };
            match message {
                Ok(Message::Piece(piece)) => {
                    let verdict = self.swarm.handle_block(now, peer, piece.header());
                    if let Some(running) = self.lifecycle.running() {
                        running.plane.store(verdict, piece.data);
                    }
                }
                Ok(message) => {
                    self.charge_early(now, peer, &message);
                    self.swarm.handle_input(now, Input::MessageReceived { peer, message });
                }
                Err(error) => self.drop_peer(now, peer, ConnectionError::Framing(error)),
            }
            if unanswered >= MAX_UNANSWERED {
                unanswered = 0;
                self.perform_all(now);
            }
        }
        None
    }

    /// Charges a bitfield that the engine keeps until it knows the number of pieces.
    fn charge_early(&mut self, now: Instant, peer: PeerKey, message: &Message) {
        let Message::Bitfield(bits) = message else { return };
        if self.lifecycle.running().is_some() || !self.connections.has(peer) {
            return;
        }
        for greedy in self.early.keep(peer, bits.len()) {
            let span = self.connections.span(greedy);
            span.in_scope(|| {
                tracing::debug!("no memory is left for a bitfield before the metadata");
            });
            self.drop_peer(now, greedy, ConnectionError::Unread);
        }
    }

    /// Closes a connection and reports that to the engine.
    pub(super) fn drop_peer(&mut self, now: Instant, peer: PeerKey, error: ConnectionError) {
        self.close(peer);
        self.swarm.handle_input(now, Input::ConnectionClosed { peer, error });
    }

    /// Closes a connection, and cancels the reads for it.
    pub(super) fn close(&mut self, peer: PeerKey) {
        self.connections.close(peer);
        self.serving.remove(peer);
        self.backlog.take(peer);
        self.early.remove(peer);
        if let Some(running) = self.lifecycle.running() {
            running.plane.cancel_reads(peer);
        }
    }

    /// Accepts an incoming connection, if the engine has room for it.
    pub(crate) fn accept(&mut self, now: Instant, incoming: Incoming) {
        // Without room, the socket is closed as `incoming` is dropped.
        let key = self.swarm.accept(now, incoming.address);
        self.count(|counts| match key {
            Some(_) => counts.accepted += 1,
            None => counts.refused += 1,
        });
        if let Some(peer) = key {
            self.connections.accept(peer, incoming, self.swarm.handshake());
        }
    }

    pub(super) fn add_peers(
        &mut self,
        now: Instant,
        source: PeerSource,
        peers: impl IntoIterator<Item = PeerAddress>,
    ) {
        let mut addresses = Vec::new();
        for peer in peers {
            match peer {
                PeerAddress::Address(address) => addresses.push(address),
                PeerAddress::Name(name) => {
                    // In the background, as a look-up may take seconds. Known addresses do not wait
                    // for it.
                    self.resolve(source, name.host().to_owned(), name.port());
                }
            }
        }
        self.swarm.handle_input(now, Input::PeersFound { source, addresses });
    }

    /// Adds peers that a node of the DHT names.
    pub(crate) fn add_dht_peers(&mut self, now: Instant, node: IpAddr, addresses: Vec<SocketAddr>) {
        let source = PeerSource::of_dht_node(node);
        self.swarm.handle_input(now, Input::PeersFound { source, addresses });
    }

    /// True if the torrent may be looked up in the DHT.
    pub(super) fn uses_dht(&self) -> bool {
        self.lifecycle.options().dht && !self.is_private()
    }

    /// True if it is known that the torrent is private.
    pub(super) fn is_private(&self) -> bool {
        let is_private = |metainfo: &Arc<Metainfo>| metainfo.info().is_private();
        self.outbox.metainfo.as_ref().is_some_and(is_private)
    }

    /// Ends the look-ups of the torrent, which are not to announce it any more.
    pub(super) fn leave_dht(&self) {
        if let Some(dht) = &self.resources.dht {
            dht.look_ups.forget(self.outbox.hashes);
        }
    }

    fn resolve(&mut self, source: PeerSource, host: String, port: u16) {
        let network = self.resources.network.clone();
        self.background.spawn(async move {
            let addresses = lookups::resolve(network, host, port).await;
            JobOutcome::Resolved { source, addresses }
        });
    }

    pub(super) fn on_completion(&mut self, now: Instant, completion: Completion) {
        let Some(running) = self.lifecycle.running() else { return };
        let span = match &completion {
            Completion::BlockUnread { tag, .. } => self.connections.span(PeerKey::from_bits(*tag)),
            _ => Span::none(),
        };
        match span.in_scope(|| running.plane.on_completion(completion)) {
            Some(DiskReport::Input(input)) => self.swarm.handle_input(now, input),
            Some(DiskReport::Read { peer, block, data }) => {
                if let Some((data, hold)) = self.serving.finish(peer, block, data) {
                    self.connections.send_block(peer, block, data, hold);
                }
            }
            Some(DiskReport::NotRead { peer, block, is_lost }) => {
                self.serving.give_up(peer, block);
                self.swarm.handle_input(now, Input::BlockServed { peer, block, sent: false });
                if is_lost {
                    self.swarm.handle_input(now, Input::PieceLost { piece: block.piece() });
                }
            }
            Some(DiskReport::Failed(error)) => self.lifecycle.fail(error),
            Some(DiskReport::Saved) => self.lifecycle.on_saved(),
            Some(DiskReport::NotSaved(error)) => {
                self.log_unsaved(&error);
                self.lifecycle.on_saved();
            }
            None => {}
        }
    }

    fn log_unsaved(&self, error: &StorageError) {
        // A complete content may be on a read-only medium. It needs no new resume data.
        if error.fault() == Fault::Denied && self.swarm.is_finished() {
            tracing::info!(%error, "the resume data was not saved");
        } else {
            tracing::warn!(%error, "the resume data was not saved");
        }
    }

    pub(super) fn on_outcome(&mut self, now: Instant, outcome: JobOutcome) {
        let steps = match outcome {
            JobOutcome::Resolved { source, addresses } => {
                return self.swarm.handle_input(now, Input::PeersFound { source, addresses });
            }
            JobOutcome::Announced(outcome) => return self.on_announced(now, outcome),
            JobOutcome::Scraped(outcome) => {
                return self.swarm.handle_input(now, Input::Scraped(outcome));
            }
            JobOutcome::DhtScraped(DhtCounts { seeds, leeches }) => {
                return self.outbox.push(Event::DhtScraped { seeds, leeches });
            }
            JobOutcome::MetadataLoaded { metainfo, link_peers } => {
                self.lifecycle.on_metadata_loaded(metainfo, link_peers)
            }
            JobOutcome::MetadataChecked(info) => self.lifecycle.on_metadata_checked(info),
            JobOutcome::LayersSaved(metainfo) => self.lifecycle.on_layers_saved(metainfo),
            JobOutcome::Opened(opened) => self.lifecycle.on_opened(opened),
            JobOutcome::Worked(worked) => return self.on_worked(now, worked),
            JobOutcome::Looked(looked) => self.lifecycle.on_looked(looked),
            JobOutcome::Kept(kept) => {
                self.keeping.end_save();
                return kept.unwrap_or_else(|error| self.on_unsaved(error));
            }
            JobOutcome::Panicked => return self.lifecycle.fail(TorrentError::JobPanicked),
        };
        self.take_steps(now, steps);
        if self.lifecycle.running().is_some() {
            self.early.clear();
        }
    }

    fn on_announced(&mut self, now: Instant, outcome: AnnounceOutcome) {
        // The user may have removed the tracker meanwhile.
        let mut trackers = self.swarm.trackers();
        let is_there = trackers.any(|tracker| tracker.id == outcome.id.tracker());
        drop(trackers);
        if let Ok(response) = &outcome.result
            && is_there
        {
            let source = PeerSource::of_tracker(response.reached_at);
            // The `ip` of a peer may be a DNS name (BEP 3, "trackers").
            for peer in response.named_peers.iter().take(MAX_NAMED_PEERS) {
                self.resolve(source, peer.host.clone(), peer.port);
            }
        }
        self.swarm.handle_input(now, Input::Announced(outcome));
    }
}
