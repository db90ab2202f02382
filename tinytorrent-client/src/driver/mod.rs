//! The driver: one task for each torrent, which owns the engine and its surroundings.
//!
//! Each turn of the task hands the engine what has happened, at one reading of the clock, carries
//! out the actions that the engine wants, and publishes the events and the state together. The
//! parts of the driver do not know each other: each owns its fields and returns values, and the
//! driver passes these on.

mod actions;
mod background;
mod cancellation;
mod choice;
mod connections;
mod content;
mod data;
mod inlets;
mod inputs;
mod job;
mod layers;
mod lifecycle;
mod links;
mod lookups;
mod metadata;
mod outbox;
mod oversized;
mod running;
mod saves;
mod stage;
mod start;
mod step;
#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::time::Instant;

use background::Background;
use connections::Connections;
use inlets::{Inlets, WakeUp};
use job::JobOutcome;
use lifecycle::Lifecycle;
use outbox::Outbox;
use saves::SaveSchedule;
use stage::{EngineFacts, Stage};
pub(crate) use start::start;
use tinytorrent_swarm::Swarm;

use crate::registry::Registration;
use crate::resources::Resources;
use crate::torrent::State;

/// The engine of a torrent and the parts around it.
struct Driver {
    resources: Arc<Resources>,
    registration: Registration,
    swarm: Swarm,
    lifecycle: Lifecycle,
    saves: SaveSchedule,
    connections: Connections,
    background: Background<JobOutcome>,
    outbox: Outbox,
}

impl Driver {
    /// Runs the torrent until it ends.
    async fn run(mut self, mut inlets: Inlets) {
        let mut now = Instant::now();
        loop {
            self.end_turn(now);
            if self.lifecycle.stage().is_over() {
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
        self.lifecycle.handle_timeout(now, self.swarm.is_stopped());
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
            WakeUp::Abandoned => self.lifecycle.abandon(),
            WakeUp::Timeout => {}
        }
    }

    /// The time of the next turn, if nothing arrives before.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let deadlines = [
            self.swarm.poll_timeout(),
            self.lifecycle.stage().deadline(now),
            matches!(self.lifecycle.stage(), Stage::Running(_)).then_some(self.saves.deadline()),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn save_if_due(&mut self, now: Instant) {
        if let Stage::Running(running) = self.lifecycle.stage()
            && self.saves.is_due(now, || self.swarm.stats(now).have_bytes)
        {
            running.plane.save(&self.swarm.stats(now));
        }
    }

    fn stop(&mut self, now: Instant) {
        if !self.lifecycle.stage().is_stopping_or_over() {
            let state = self.state();
            self.swarm.stop(now);
            self.lifecycle.stop(now, state, &self.swarm.stats(now));
        }
    }

    fn state(&self) -> State {
        self.lifecycle.state(EngineFacts {
            is_paused: self.swarm.is_paused(),
            is_finished: self.swarm.is_finished(),
        })
    }

    fn publish(&mut self) {
        // The end has a publication of its own, with the figures.
        if !self.lifecycle.stage().is_over() {
            self.outbox.publish(self.state());
        }
    }

    fn end(mut self, now: Instant) {
        let stats = self.swarm.stats(now);
        // A program that learns of the end may add the torrent again at once.
        drop(self.registration);
        self.outbox.publish_end(self.lifecycle.into_error(), stats);
    }
}
