//! The driver: one task for each torrent, which owns the engine and its surroundings.
//!
//! Each turn of the task hands the engine what has happened, at one reading of the clock, carries
//! out the actions that the engine wants, and publishes the events and the state together. The
//! parts of the driver do not know each other: each owns its fields and returns values, and the
//! driver passes these on.

mod actions;
mod background;
mod choice;
mod connections;
mod content;
mod data;
mod inlets;
mod inputs;
mod layers;
mod links;
mod lookups;
mod metadata;
mod outbox;
mod outcome;
mod oversized;
mod preparation;
mod running;
mod saves;
mod stage;
mod start;
#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::time::Instant;

use background::Background;
use choice::FileChoice;
use connections::Connections;
use inlets::{Inlets, WakeUp};
use metadata::MetadataStore;
use outbox::Outbox;
use outcome::JobOutcome;
use saves::SaveSchedule;
use stage::{EngineFacts, Stage};
pub(crate) use start::start;
use tinytorrent_storage::Completion;
use tinytorrent_swarm::Swarm;
use tokio::sync::mpsc;

use crate::registry::Registration;
use crate::resources::Resources;
use crate::torrent::State;
use crate::{TorrentError, TorrentOptions};

/// The state of a driver, most of it in parts.
struct Driver {
    resources: Arc<Resources>,
    options: Arc<TorrentOptions>,
    files: FileChoice,
    registration: Registration,
    /// `None` if resume data is neither used nor kept.
    saved_metadata: Option<MetadataStore>,
    saves: SaveSchedule,
    swarm: Swarm,
    stage: Stage,
    connections: Connections,
    background: Background<JobOutcome>,
    /// The sender that the disk reports through, once there is a content.
    completions: mpsc::UnboundedSender<Completion>,
    outbox: Outbox,
}

impl Driver {
    /// Runs the torrent until it ends.
    async fn run(mut self, mut inlets: Inlets) {
        let mut now = Instant::now();
        loop {
            self.end_turn(now);
            if self.stage.is_over() {
                return self.end(now);
            }
            let wake_up = inlets.next(now, self.deadline(now)).await;
            now = Instant::now();
            self.handle(now, wake_up);
        }
    }

    /// Brings the engine up to date, carries out its actions, and publishes the changes.
    fn end_turn(&mut self, now: Instant) {
        self.swarm.handle_timeout(now);
        self.save_if_due(now);
        self.act(now);
        self.stage.handle_timeout(now, self.swarm.is_stopped());
        self.publish();
    }

    fn handle(&mut self, now: Instant, wake_up: WakeUp<'_>) {
        match wake_up {
            WakeUp::Notices(notices) => {
                for notice in notices {
                    self.on_notice(now, notice);
                    // A few bytes of a message may call for an answer of many: the actions of one
                    // read are carried out before the next read is looked at.
                    self.perform_all(now);
                }
            }
            WakeUp::Completions(completions) => {
                completions.for_each(|completion| self.on_completion(now, completion));
            }
            WakeUp::Outcome(outcome) => self.on_outcome(now, outcome),
            WakeUp::Incoming(incoming) => self.accept(now, *incoming),
            WakeUp::Command(command) => self.on_command(now, command),
            // Without a handle nobody waits for a stop in good order.
            WakeUp::Abandoned => self.stage = Stage::Over(None),
            WakeUp::Timeout => {}
        }
    }

    /// The time of the next turn, if nothing arrives before.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let deadlines = [
            self.swarm.poll_timeout(),
            self.stage.deadline(now),
            matches!(self.stage, Stage::Running(_)).then_some(self.saves.deadline()),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn save_if_due(&mut self, now: Instant) {
        if let Stage::Running(running) = &self.stage
            && self.saves.is_due(now, || self.swarm.stats(now).have_bytes)
        {
            running.plane.save(&self.swarm.stats(now));
        }
    }

    fn stop(&mut self, now: Instant) {
        if self.stage.is_stopping_or_over() {
            return;
        }
        let state = self.state();
        self.swarm.stop(now);
        // A check that goes on would be in vain: its result is not looked at any more.
        self.background.cancel();
        let stats = self.swarm.stats(now);
        let is_saving = self.stage.running().is_some_and(|running| running.plane.save(&stats));
        self.stage.stop(now, state, is_saving, self.resources.options.stop_patience);
    }

    fn fail(&mut self, error: TorrentError) {
        self.stage.fail(error);
    }

    /// Runs a job on a thread of its own. Without a thread its result would be waited for in vain,
    /// so the torrent fails.
    fn spawn_thread(&mut self, job: impl FnOnce() -> JobOutcome + Send + 'static) {
        if let Err(error) = self.background.spawn_thread(job) {
            self.fail(TorrentError::Thread(Arc::new(error)));
        }
    }

    fn state(&self) -> State {
        self.stage.state(EngineFacts {
            is_paused: self.swarm.is_paused(),
            is_finished: self.swarm.is_finished(),
        })
    }

    fn publish(&mut self) {
        // The end has a publication of its own, with the figures.
        if !self.stage.is_over() {
            self.outbox.publish(self.state());
        }
    }

    fn end(mut self, now: Instant) {
        let stats = self.swarm.stats(now);
        // A program that learns of the end may add the torrent again at once.
        drop(self.registration);
        self.outbox.publish_end(self.stage.into_error(), stats);
    }
}
