//! What the user asks to be done with the files of a torrent, one after the other.

mod work;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use tinytorrent_storage::{MoveProgress, Moved, StorageError};
use tokio::sync::oneshot;

use super::cancellation::Cancellation;
use super::gauge::Gauge;
use crate::priority::Wish;
use crate::torrent::CheckScope;
use crate::{FilesError, TorrentError};
pub(super) use work::{Task, Work, Worked};

/// Something to be done with the files.
#[derive(Debug)]
pub(crate) enum Chore {
    /// Downloads what the user wants.
    Choose(Wish),
    /// Gives files, by their index, other paths below the folder.
    Rename(Vec<(u32, PathBuf)>),
    /// Moves everything to another folder.
    Move(PathBuf),
    /// Checks which pieces are there.
    Check(CheckScope),
}

/// A chore, and who has asked for it.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) chore: Chore,
    /// Ends a move or a check early.
    pub(crate) cancellation: Cancellation,
    pub(crate) reply: Reply,
}

/// The way of the outcome. If it is dropped, the torrent has ended before.
pub(crate) type Reply = oneshot::Sender<Result<(), FilesError>>;

/// The chores of one torrent. A chore begins when the content is open and the one before is done.
///
/// A move is told to the kept session before it begins and when it is over, so that a kill at any moment leaves
/// a session that finds the files:
///
/// ```text
///   Idle ──▶ Announcing ──▶ Working ──▶ Settling ──▶ Idle      a move
///     └────────────────────▶ Working ──▶ Idle                  everything else
/// ```
#[derive(Debug, Default)]
pub(super) struct Chores {
    waiting: VecDeque<Order>,
    step: Step,
    /// Outcomes for those who wait, who are told at the end of the turn.
    done: Vec<(Reply, Result<(), FilesError>)>,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    Idle,
    /// The session is about to know of the move.
    Announcing(Order),
    /// A thread is at work.
    Working { reply: Reply, moving: Option<Gauge<MoveProgress>> },
    /// The session is about to know that the move is over.
    Settling { moved: Option<Moved>, reply: Option<Reply> },
}

/// The next step, which can be taken now.
#[derive(Debug)]
pub(super) enum Due {
    /// An order is to begin.
    Order(Order),
    /// A move of which the session knows is to begin.
    Move(Order),
}

impl Chores {
    pub(super) fn push(&mut self, order: Order) {
        self.waiting.push_back(order);
    }

    /// Returns what is due, if anything is. `is_open`: the content is open, and nobody is at work on it.
    /// `is_saved`: the session knows everything.
    pub(super) fn next(&mut self, is_open: bool, is_saved: bool) -> Option<Due> {
        match std::mem::take(&mut self.step) {
            Step::Announcing(order) if is_saved && is_open => return Some(Due::Move(order)),
            // The torrent stops.
            Step::Announcing(_) if is_saved => {}
            Step::Settling { moved, reply } if is_saved => {
                moved.into_iter().for_each(Moved::settle);
                self.finish(reply, Ok(()));
            }
            Step::Idle => {}
            busy => {
                self.step = busy;
                return None;
            }
        }
        // One that nobody waits for any more has no effect.
        let is_wanted = |order: &Order| !order.cancellation.is_cancelled();
        std::iter::from_fn(|| if is_open { self.waiting.pop_front() } else { None })
            .find(is_wanted)
            .map(Due::Order)
    }

    /// Tells the session of a move before it begins.
    pub(super) fn announce(&mut self, order: Order) {
        self.step = Step::Announcing(order);
    }

    /// A thread begins to work.
    pub(super) fn work(&mut self, reply: Reply, moving: Option<Gauge<MoveProgress>>) {
        self.step = Step::Working { reply, moving };
    }

    /// The thread is done. Returns who waits for it.
    pub(super) fn take_reply(&mut self) -> Option<Reply> {
        match std::mem::take(&mut self.step) {
            Step::Working { reply, .. } => Some(reply),
            other => {
                self.step = other;
                None
            }
        }
    }

    /// Tells the session that a move is over, and deletes its note in the old folder then.
    pub(super) fn settle(&mut self, moved: Option<Moved>, reply: Option<Reply>) {
        self.step = Step::Settling { moved, reply };
    }

    /// The session cannot be saved. Returns `true` if a move does not begin for that.
    pub(super) fn on_unsaved(&mut self, error: &Arc<StorageError>) -> bool {
        match std::mem::take(&mut self.step) {
            Step::Announcing(order) => {
                let error = FilesError::Storage(Arc::clone(error));
                self.finish(Some(order.reply), Err(error));
                true
            }
            // The note in the old folder stays, and leads the next run.
            Step::Settling { reply, .. } => {
                self.finish(reply, Ok(()));
                false
            }
            other => {
                self.step = other;
                false
            }
        }
    }

    /// Returns `true` if nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.step, Step::Idle)
    }

    /// Returns `true` if nothing is left to do.
    pub(super) fn is_empty(&self) -> bool {
        self.is_idle() && self.waiting.is_empty() && self.done.is_empty()
    }

    /// Notes an outcome, if somebody waits for it.
    pub(super) fn finish(&mut self, reply: Option<Reply>, outcome: Result<(), FilesError>) {
        if let (Err(error), Some(true)) = (&outcome, reply.as_ref().map(Reply::is_closed)) {
            tracing::warn!(%error, "the files were not changed");
        }
        self.done.extend(reply.map(|reply| (reply, outcome)));
    }

    /// Tells the outcomes. To be called once the state that belongs to them is published.
    pub(super) fn tell(&mut self) {
        for (reply, outcome) in self.done.drain(..) {
            // Nobody waits any more.
            let _ = reply.send(outcome);
        }
    }

    /// The progress of a move.
    pub(super) fn move_progress(&self) -> Option<MoveProgress> {
        match &self.step {
            Step::Working { moving, .. } => moving.as_ref()?.get(),
            Step::Idle | Step::Announcing(_) | Step::Settling { .. } => None,
        }
    }
}

/// The outcome where the torrent has ended before.
pub(crate) fn ended(error: Option<TorrentError>) -> FilesError {
    FilesError::Ended(error.unwrap_or(TorrentError::Stopped))
}
