//! The driver of a torrent: a task that owns the engine and carries out its actions.
//!
//! The task works in turns. A turn reads the clock once, passes reports and commands to the engine,
//! carries out the engine's actions, and publishes the state and the events together.
//!
//! The driver composes parts: the connections, the stage, the background jobs, the outbox. They do
//! not know each other. Each owns its fields and returns values, which the driver passes on.

mod actions;
mod background;
mod backlog;
mod cancellation;
mod choice;
mod connections;
mod content;
mod data;
mod early;
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
mod serving;
mod stage;
mod start;
mod step;
#[cfg(test)]
mod testing;
mod user_trackers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use background::Background;
use backlog::Backlog;
use connections::Connections;
use early::EarlyBitfields;
use inlets::{Inlets, WakeUp};
use job::JobOutcome;
use lifecycle::Lifecycle;
use outbox::Outbox;
use saves::SaveSchedule;
use serving::Serving;
use stage::{EngineFacts, Stage};
pub(crate) use start::start;
use tinytorrent_swarm::Swarm;
use user_trackers::UserTrackers;

use crate::registry::Registration;
use crate::resources::Resources;
use crate::torrent::State;

/// Interval at which memory is asked for again while it is spent.
const MEMORY_PAUSE: Duration = Duration::from_millis(10);

/// The engine of a torrent and the parts around it.
struct Driver {
    resources: Arc<Resources>,
    registration: Registration,
    swarm: Swarm,
    lifecycle: Lifecycle,
    saves: SaveSchedule,
    user_trackers: UserTrackers,
    connections: Connections,
    serving: Serving,
    backlog: Backlog,
    early: EarlyBitfields,
    background: Background<JobOutcome>,
    outbox: Outbox,
}

impl Driver {
    /// Runs the torrent until it ends.
    async fn run(mut self, mut inlets: Inlets) {
        // The first turn waits for nothing, as the engine has actions from its start.
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

    /// Lets the time pass in the engine, carries out its actions, and publishes the changes.
    fn end_turn(&mut self, now: Instant) {
        self.swarm.handle_timeout(now);
        self.resume_messages(now);
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
                    // A short message may have a long answer. Actions are carried out after each
                    // notice, so that the answers to a flood of messages do not fill the memory.
                    self.perform_all(now);
                }
            }
            WakeUp::Completions(completions) => {
                completions.for_each(|completion| self.on_completion(now, completion));
            }
            WakeUp::Outcome(outcome) => self.on_outcome(now, outcome),
            WakeUp::Incoming(incoming) => self.accept(now, *incoming),
            WakeUp::Command(command) => self.on_command(now, command),
            // No handle is left to wait for trackers and the disk.
            WakeUp::Abandoned => self.lifecycle.abandon(),
            WakeUp::Timeout => {}
        }
    }

    /// The time of the next turn, if no report or command arrives before.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        // Polled, as other torrents give memory back without a notice.
        let is_short = self.serving.is_waiting() || !self.backlog.is_empty();
        let deadlines = [
            is_short.then_some(now + MEMORY_PAUSE),
            self.swarm.poll_timeout(),
            self.lifecycle.stage().deadline(now),
            matches!(self.lifecycle.stage(), Stage::Running(_)).then_some(self.saves.deadline()),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn save_if_due(&mut self, now: Instant) {
        if let Stage::Running(running) = self.lifecycle.stage()
            && self.saves.take_due(now, || self.swarm.stats(now).have_bytes)
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
        // `end` publishes the last state, together with the figures.
        if !self.lifecycle.stage().is_over() {
            self.outbox.publish(self.state());
        }
    }

    fn end(mut self, now: Instant) {
        let stats = self.swarm.stats(now);
        // Dropped first: a program that sees the last state may add the torrent again at once.
        drop(self.registration);
        self.outbox.publish_end(self.lifecycle.into_error(), stats);
    }
}
