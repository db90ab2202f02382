//! From actions of the engine to effects.

use std::time::Instant;

use tinytorrent_swarm::{Action, AnnounceTask, ConnectionError, Event as SwarmEvent, Input};
use tinytorrent_wire::Handshake;

use super::outcome::JobOutcome;
use super::{Driver, lookups};
use crate::Event;

impl Driver {
    /// Carries out all actions of the engine, sends all messages, and collects the events.
    pub(super) fn act(&mut self, now: Instant) {
        loop {
            self.perform_all(now);
            let stalled = self.connections.flush();
            if stalled.is_empty() {
                break;
            }
            // The engine may answer a closed connection by further actions.
            for peer in stalled {
                self.drop_peer(now, peer, ConnectionError::Unread);
            }
        }
        while let Some(event) = self.swarm.poll_event() {
            self.on_event(event);
        }
    }

    /// Carries out all actions of the engine; messages wait for the end of the turn.
    pub(super) fn perform_all(&mut self, now: Instant) {
        while let Some(action) = self.swarm.poll_action() {
            self.perform(now, action);
        }
    }

    fn perform(&mut self, now: Instant, action: Action) {
        match action {
            Action::Send { peer, message } => self.connections.send(peer, &message),
            Action::Connect { peer, address, info_hash } => {
                let ours = Handshake { info_hash, ..self.swarm.handshake() };
                self.connections.connect(peer, address, ours);
            }
            Action::Disconnect { peer, reason } => {
                tracing::debug!(%peer, %reason, "disconnecting");
                self.close(peer);
            }
            Action::ServeBlock { peer, block } => {
                let running = self.stage.running();
                if let Some(data) = running.and_then(|running| running.plane.read(peer, block)) {
                    self.connections.send_block(peer, block, data);
                }
            }
            Action::VerifyPiece { piece, digests } => {
                if let Some(running) = self.stage.running() {
                    running.plane.verify(piece, digests);
                }
            }
            Action::CheckMetadata { info } => self.check_metadata(info),
            Action::CheckHashes { peer, hashes } => self.check_hashes(now, peer, &hashes),
            Action::ReadHashes { peer, request } => {
                let running = self.stage.running();
                let hashes = running.and_then(|running| running.layers.answer(&request));
                self.swarm.handle_input(now, Input::HashesRead { peer, request, hashes });
            }
            Action::Announce(task) => self.announce(task),
        }
    }

    fn announce(&mut self, task: AnnounceTask) {
        let trackers = self.resources.trackers.clone();
        let hashes = self.registration.hashes();
        self.background.spawn(async move {
            JobOutcome::Announced(lookups::announce(trackers, hashes, task).await)
        });
    }

    fn on_event(&mut self, event: SwarmEvent) {
        tracing::debug!(?event);
        // The download counts as finished once oversized files are cut; see `on_cut`.
        if matches!(event, SwarmEvent::Finished) && self.cut_oversized() {
            return;
        }
        self.outbox.push(Event::Swarm(event));
    }
}
