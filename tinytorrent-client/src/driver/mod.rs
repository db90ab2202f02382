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
mod chores;
mod connections;
mod content;
mod data;
mod early;
mod engine;
mod eraser;
mod gauge;
mod goals;
mod inbox;
mod inlets;
mod inputs;
mod job;
mod keep_out;
mod keeping;
mod last_look;
mod layers;
mod lifecycle;
mod links;
mod lookups;
mod metadata;
mod neighbours;
mod notices;
mod outbox;
mod patience;
mod readers;
mod running;
mod saves;
mod serving;
mod stage;
mod start;
mod step;
mod tally;
#[cfg(test)]
mod testing;
mod times;
mod turns;
mod upkeep;
mod user_trackers;
mod views;
mod web_seeds;
mod wishes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use background::Background;
use backlog::Backlog;
pub(crate) use cancellation::CancelOnDrop;
pub(crate) use choice::FileChoice;
use chores::Chores;
pub(crate) use chores::{Chore, Order, ended};
use connections::Connections;
use early::EarlyBitfields;
use engine::Engine;
pub(crate) use goals::SeedGoals;
use inbox::Inbox;
use inlets::{Inlets, WakeUp};
use job::{Job, JobOutcome};
use keeping::Keeping;
pub(crate) use keeping::Origin;
use lifecycle::Lifecycle;
pub(crate) use lookups::RESOLVE_TIMEOUT;
use outbox::Outbox;
use readers::Readers;
pub(crate) use readers::{Access, Place};
use saves::{Mark, SaveSchedule};
use serving::Serving;
use stage::EngineFacts;
pub(crate) use start::start;
use tally::Tally;
use times::Times;
use tinytorrent_storage::{Completion, Counters};
use turns::Turns;
use user_trackers::UserTrackers;

use tokio::sync::mpsc;

use crate::connection::Notice;
use crate::memory::MetadataLease;
use crate::registry::Registration;
use crate::resources::Resources;
use crate::torrent::{End, Shared, State};
use crate::web_seed::WebSeedParts;

/// Interval at which memory is asked for again while it is spent.
const MEMORY_PAUSE: Duration = Duration::from_millis(10);

/// The engine of a torrent and the parts around it.
pub(crate) struct Driver {
    resources: Arc<Resources>,
    swarm: Engine,
    lifecycle: Lifecycle,
    saves: SaveSchedule,
    keeping: Keeping,
    times: Times,
    turns: Turns,
    user_trackers: UserTrackers,
    connections: Connections,
    /// `None` until there is one.
    web_seeds: Option<Box<WebSeedParts>>,
    serving: Serving,
    readers: Readers,
    backlog: Backlog,
    early: EarlyBitfields,
    /// `None` once the metadata is known: few torrents fetch theirs, and the others need no place for it.
    link: Option<Box<Link>>,
    background: Background<JobOutcome>,
    outcomes: Inbox<JobOutcome>,
    completions: Inbox<Completion>,
    /// Empty between turns, kept for its capacity.
    spare: Vec<Completion>,
    /// `None` as long as there is nothing to do.
    chores: Option<Box<Chores>>,
    outbox: Outbox,
    tally: Tally,
    /// The local network is told of the torrent.
    is_announced_locally: bool,
}

/// The state of a torrent whose metadata is not known.
struct Link {
    lease: MetadataLease,
    /// The name in the magnet link (`dn`).
    name: Option<Box<str>>,
}

/// The end of a turn, and all that the task waits for then.
struct TurnEnd {
    /// The time of the next turn, if nothing happens before.
    deadline: Option<Instant>,
    /// The receiver of what connections report, if there is a new one.
    notices: Option<mpsc::Receiver<Notice>>,
}

/// The task of a torrent. Whatever ends the task ends the torrent.
struct Task {
    torrent: Arc<Shared>,
    /// `None` once the torrent is over.
    registration: Option<Registration>,
}

impl Task {
    /// Runs the torrent until it ends.
    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` keeps its arguments twice, in each torrent"
    )]
    fn run(self, mut inlets: Inlets) -> impl Future<Output = ()> {
        async move {
            // The first turn waits for nothing, as the engine has actions from its start.
            while let Some(TurnEnd { deadline, notices }) = self.end_turn() {
                notices.into_iter().for_each(|notices| inlets.set_notices(notices));
                let wake_up = inlets.next(deadline).await;
                let now = Instant::now();
                self.torrent.with(|driver, _| driver.handle(now, wake_up), |_| ());
            }
        }
    }

    /// Ends a turn. `None` if the torrent is over.
    fn end_turn(&self) -> Option<TurnEnd> {
        self.torrent.with(Driver::end_turn, |_| None)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // Dropped first: a program that sees the last state may add the torrent again at once.
        drop(self.registration.take());
        self.torrent.end();
    }
}

impl Driver {
    /// Lets the time pass in the engine, carries out its actions, and publishes the changes. `None` if
    /// the torrent is over.
    fn end_turn(&mut self, now: Instant) -> Option<TurnEnd> {
        self.swarm.handle_timeout(now);
        self.resume_messages(now);
        self.save_if_due(now);
        self.end_seeding_if_due(now);
        self.do_chores(now);
        self.keep();
        self.share_metadata_memory(now);
        self.act(now);
        self.count_traffic();
        #[cfg(feature = "record")]
        self.tell_end_of_recording();
        let are_others_done =
            self.swarm.is_stopped() && self.keeping.is_saved() && self.is_upkeep_done();
        self.lifecycle.handle_timeout(now, are_others_done);
        if self.lifecycle.stage().is_over() {
            return None;
        }
        self.publish(now);
        // Who hears of an outcome finds the state that belongs to it.
        self.tell_chores();
        let notices = self.connections.take_receiver();
        if !self.rest_web_seeds() {
            self.connections.rest();
        }
        Some(TurnEnd { deadline: self.deadline(now), notices })
    }

    fn handle(&mut self, now: Instant, wake_up: WakeUp<'_>) {
        if let WakeUp::Notices(notices) = wake_up {
            for notice in notices {
                self.on_notice(now, notice);
                // A short message may have a long answer. Actions are carried out after each
                // notice, so that the answers to a flood of messages do not fill the memory.
                self.perform_all(now);
            }
        }
        // Before the completions are: those of before a check come before its outcome.
        let outcomes = self.outcomes.take();
        let mut completions = std::mem::take(&mut self.spare);
        self.completions.swap(&mut completions);
        for completion in completions.drain(..) {
            self.on_completion(now, completion);
        }
        self.spare = completions;
        for outcome in outcomes {
            self.on_outcome(now, outcome);
        }
    }

    /// The time of the next turn, if no report or command arrives before.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        // Polled, as other torrents give memory back without a notice.
        let is_short = self.serving.is_waiting() || !self.backlog.is_empty();
        let deadlines = [
            is_short.then_some(now + MEMORY_PAUSE),
            self.swarm.poll_timeout(),
            self.link.as_ref().and_then(|link| link.lease.deadline()),
            self.lifecycle.stage().deadline(now),
            self.seeding_deadline(now),
            self.saves.deadline().filter(|_| self.lifecycle.stage().is_running()),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Gives the engine its part of the memory for metadata.
    fn share_metadata_memory(&mut self, now: Instant) {
        let Some(link) = self.link.as_mut().filter(|link| link.lease.is_due(now)) else {
            return;
        };
        match self.swarm.metadata_demand() {
            Some(demand) => {
                if let Some(bytes) = link.lease.update(now, demand) {
                    // Before the engine asks peers for more.
                    self.resources.buffers.trim();
                    self.swarm.set_metadata_memory(now, bytes);
                }
            }
            None => self.link = None,
        }
    }

    /// Leaves the connection of least use; `false` if there is none.
    pub(crate) fn leave_one(&mut self, now: Instant) -> bool {
        self.swarm.leave_one(now)
    }

    fn save_if_due(&mut self, now: Instant) {
        let mark = Mark { have: self.swarm.have_bytes(), uploaded: self.swarm.uploaded() };
        if self.lifecycle.stage().is_running() && self.saves.note(now, mark) {
            self.save(now);
        }
    }

    /// Begins to save what has changed of the kept session.
    fn keep(&mut self) {
        let (hashes, metainfo) = (self.outbox.hashes, self.outbox.metainfo.as_ref());
        let position = self.resources.registry.number(hashes);
        let save = self.keeping.begin_save(
            hashes,
            position,
            self.link.as_ref().and_then(|link| link.name.as_deref()),
            self.lifecycle.options(),
            metainfo,
        );
        if let Some(save) = save {
            let patience = self.lifecycle.patience();
            self.spawn_thread(Job::Keep { save, patience });
        }
    }

    /// The state of the moment.
    pub(crate) fn state(&self) -> State {
        self.lifecycle.state(EngineFacts {
            is_waiting: self.turns.is_waiting && self.lifecycle.options().paused.is_none(),
            is_paused: self.swarm.is_paused(),
            is_finished: self.swarm.is_finished(),
        })
    }

    /// The counters of all runs of the torrent together.
    pub(crate) fn totals(&self, now: Instant) -> Counters {
        let before = self.lifecycle.counters_before();
        Counters {
            downloaded: before.downloaded + self.swarm.downloaded(),
            uploaded: before.uploaded + self.swarm.uploaded(),
            wasted: before.wasted + self.swarm.wasted(),
            active_seconds: before.active_seconds + self.times.active(now).as_secs(),
            seeding_seconds: before.seeding_seconds + self.times.seeding(now).as_secs(),
        }
    }

    fn publish(&mut self, now: Instant) {
        // The last state is published together with the figures, by `publish_end`.
        if !self.lifecycle.stage().is_over() {
            let state = self.state();
            self.times.note(now, state);
            self.follow_lsd();
            if self.outbox.publish(state) {
                self.resources.conductor.note_change();
            }
        }
    }

    /// Takes out what is left of the torrent at its end.
    pub(crate) fn end(&mut self, now: Instant) -> End {
        self.follow_lsd();
        let counts = self.counts();
        End {
            name: self.name(),
            counts,
            error: self.lifecycle.take_error(),
            stats: self.swarm.stats(now),
            metainfo: self.outbox.metainfo.take(),
            content_path: self.outbox.content_path.take(),
            entry: self.keeping.take_entry(),
        }
    }

    /// Publishes the end of the torrent.
    pub(crate) fn publish_end(mut self, end: &End) {
        self.outbox.publish_end(end.state(), end.last_event());
        // Another may have its turn.
        self.resources.conductor.note_change();
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("state", &self.state()).finish_non_exhaustive()
    }
}
