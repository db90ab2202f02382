//! The effects of the engine's actions.

use std::sync::Arc;
use std::time::Instant;

use tinytorrent_swarm::{
    Action, AnnounceTask, ConnectionError, Event as SwarmEvent, Input, PeerSource, ScrapeTask,
};
use tinytorrent_wire::Handshake;

use super::job::{Job, JobOutcome, run_caught};
use super::saves::Mark;
use super::step::Step;
use super::{Driver, lookups};
use crate::{Event, TorrentError, spans};

impl Driver {
    /// Carries out all actions of the engine, sends all messages, and collects the events.
    pub(super) fn act(&mut self, now: Instant) {
        loop {
            self.perform_all(now);
            let stalled = self.connections.flush();
            if stalled.is_empty() {
                break;
            }
            // Closing connections may cause further actions, for instance new connects.
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
        self.read_blocks();
    }

    /// Begins to read blocks for peers, as far as there is memory.
    fn read_blocks(&mut self) {
        if let Some(running) = self.lifecycle.running() {
            while let Some((peer, block)) = self.serving.next(running.plane.storage().geometry()) {
                running.plane.read(peer, block);
            }
        }
    }

    fn perform(&mut self, now: Instant, action: Action) {
        match action {
            Action::Send { peer, message } => self.connections.send(peer, &message),
            Action::Connect { peer, address, route, info_hash } => {
                self.count(|counts| counts.dials += 1);
                let ours = Handshake { info_hash, ..self.swarm.handshake() };
                self.connections.connect(peer, address, route, ours);
            }
            Action::Disconnect { peer, reason } => {
                let span = self.connections.span(peer);
                span.in_scope(|| tracing::debug!(%reason, "disconnecting"));
                // The engine has removed the peer before, so that it gets no input about the end.
                self.close(peer);
            }
            Action::ServeBlock { peer, block } => self.serving.push(peer, block),
            Action::VerifyPiece { piece, digests } => {
                if let Some(running) = self.lifecycle.running() {
                    running.plane.verify(piece, digests);
                }
            }
            Action::CheckMetadata { info } => {
                let job = self.lifecycle.check_metadata(self.outbox.hashes, info);
                self.spawn_thread(job);
            }
            Action::CheckHashes { peer, hashes } => {
                let steps = self.lifecycle.add_hashes(peer, &hashes);
                self.take_steps(now, steps);
            }
            Action::ReadHashes { peer, request } => {
                let hashes = self.lifecycle.answer_hashes(&request);
                self.swarm.handle_input(now, Input::HashesRead { peer, request, hashes });
            }
            Action::Fetch(task) => self.fetch(task),
            Action::GrantFetch { fetch, blocks } => {
                if let Some(parts) = &mut self.web_seeds {
                    parts.grant(fetch, blocks);
                }
            }
            Action::CancelFetch { fetch } => {
                if let Some(parts) = &mut self.web_seeds {
                    parts.cancel(fetch);
                }
            }
            Action::DoubtFiles { seed, piece } => self.doubt_files(now, seed, piece),
            Action::Announce(task) => self.announce(task),
            Action::Scrape(task) => self.scrape_tracker(task),
            Action::LookUp(task) => {
                if let Some(dht) = &self.resources.dht {
                    dht.look_ups.add(task);
                }
            }
        }
    }

    /// Carries out the steps of a change of stage.
    pub(super) fn take_steps(&mut self, now: Instant, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Input(input) => self.swarm.handle_input(now, input),
                Step::Job(job) => self.spawn_thread(job),
                Step::BecomePrivate => {
                    self.leave_dht();
                    self.leave_link_web_seeds(now);
                    self.swarm.set_private(now);
                }
                Step::AddLinkPeers(peers) => self.add_peers(now, PeerSource::Magnet, peers),
                Step::SetPriorities { low, high } => self.swarm.set_priorities(now, low, high),
                Step::SetStoreBudget(bytes) => self.swarm.set_store_budget(now, bytes),
                Step::ShowMetainfo(metainfo) => {
                    self.outbox.metainfo = Some(metainfo);
                    self.keeping.change_metadata();
                }
                Step::ShowContentPath(path) => self.outbox.content_path = Some(path),
                Step::KeepSettings => self.keeping.change(),
                Step::Settle { folder, moved } => self.on_moved(folder, moved, None),
                Step::Check => self.check(),
                Step::Stop => self.stop(now),
                Step::Publish(event) => self.outbox.push(event),
                Step::PublishChecked => {
                    let stats = self.swarm.stats(now);
                    let (have, total) = (stats.have_bytes, stats.have_bytes + stats.left);
                    self.readers.wake_all();
                    self.saves.begin(Mark { have, uploaded: stats.uploaded });
                    if let Some(pieces) = self.swarm.have().cloned().map(Arc::new) {
                        self.outbox.push(Event::Checked { have, total, pieces });
                    }
                    self.go_on_if_not_enough(now);
                }
            }
        }
    }

    /// Runs a job on a thread of its own.
    pub(super) fn spawn_thread(&mut self, job: Job) {
        // The next stage begins with the result of the job, so that without a thread the torrent
        // would stay in its stage for ever.
        if let Err(error) = self.background.spawn_thread(job.is_long(), || run_caught(|| job.run()))
        {
            self.lifecycle.fail(TorrentError::Thread(Arc::new(error)));
        }
    }

    fn announce(&mut self, task: AnnounceTask) {
        self.count(|counts| counts.announces += 1);
        let trackers = self.user_trackers.client_for(&task.url, &self.resources.trackers);
        let hashes = self.outbox.hashes;
        self.background.spawn(async move {
            JobOutcome::Announced(lookups::announce(trackers, hashes, task).await)
        });
    }

    fn scrape_tracker(&mut self, task: ScrapeTask) {
        let trackers = self.user_trackers.client_for(&task.url, &self.resources.trackers);
        let hashes = self.outbox.hashes;
        self.background.spawn(async move {
            JobOutcome::Scraped(lookups::scrape(trackers, hashes, task).await)
        });
    }

    pub(super) fn scrape_dht(&mut self) {
        let Some(dht) = &self.resources.dht else { return };
        let scrape = dht.scrape(self.outbox.hashes.to_wire());
        self.background.spawn(async move { JobOutcome::DhtScraped(scrape.await) });
    }

    fn on_event(&mut self, event: SwarmEvent) {
        spans::of_event(&event).in_scope(|| tracing::debug!(?event));
        self.count_event(&event);
        self.readers.on_event(&event);
        if let (SwarmEvent::DhtNodeFound { address }, Some(dht)) = (&event, &self.resources.dht) {
            dht.node.add_node(*address);
        }
        match event {
            SwarmEvent::PieceCompleted { .. } => self.lifecycle.on_written(),
            SwarmEvent::Finished => {
                // `Lifecycle::on_looked` returns the event again, if all files are there.
                if let Some(job) = self.lifecycle.look(false) {
                    return self.spawn_thread(job);
                }
                if self.lifecycle.is_unsure() {
                    return;
                }
            }
            _ => {}
        }
        self.outbox.push(Event::Swarm(event));
    }
}
