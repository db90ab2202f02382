use std::pin::Pin;
use std::time::{Duration, Instant};
use std::vec::Drain;

use tinytorrent_storage::Completion;
use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::job::JobOutcome;
use crate::connection::{Incoming, Notice};
use crate::torrent::Command;

/// Maximum number of notices in one turn. A turn has a fixed cost, which many notices share. With too
/// many, blocks reach the disk late, and requests are sent late.
const BATCH: usize = 32;

/// Sleep of a torrent without a deadline. Any long time would do.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

/// The receivers of a driver, and its timer.
pub(super) struct Inlets {
    receivers: Receivers,
    timer: Pin<Box<Sleep>>,
    /// Empty between turns, kept for its capacity.
    notices: Vec<Notice>,
    /// Empty between turns, kept for its capacity.
    completions: Vec<Completion>,
}

/// A receiver for each sender that reports to a driver.
pub(super) struct Receivers {
    pub(super) notices: mpsc::Receiver<Notice>,
    pub(super) incoming: mpsc::Receiver<Incoming>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) completions: mpsc::UnboundedReceiver<Completion>,
    pub(super) outcomes: mpsc::UnboundedReceiver<JobOutcome>,
}

/// The reason for a turn.
pub(super) enum WakeUp<'a> {
    Notices(Drain<'a, Notice>),
    Completions(Drain<'a, Completion>),
    Outcome(JobOutcome),
    Incoming(Box<Incoming>),
    Command(Command),
    /// All handles of the torrent were dropped.
    Abandoned,
    /// The deadline has come.
    Timeout,
}

impl Inlets {
    pub(super) fn new(receivers: Receivers) -> Self {
        Self {
            receivers,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            notices: Vec::with_capacity(BATCH),
            completions: Vec::with_capacity(BATCH),
        }
    }

    /// Waits until a report or a command arrives, or until the deadline.
    pub(super) async fn next(&mut self, now: Instant, deadline: Option<Instant>) -> WakeUp<'_> {
        self.set_timer(deadline.unwrap_or(now + MAX_SLEEP));
        let Self { receivers, timer, notices, completions } = self;
        // Each branch is safe to cancel: a message that is not received stays in its channel. The
        // order is random, so that a busy channel does not hold up the others.
        tokio::select! {
            // The driver itself holds a sender of the first two channels, so that they are never
            // closed.
            _ = receivers.notices.recv_many(notices, BATCH) => WakeUp::Notices(notices.drain(..)),
            _ = receivers.completions.recv_many(completions, BATCH) => {
                WakeUp::Completions(completions.drain(..))
            }
            Some(outcome) = receivers.outcomes.recv() => WakeUp::Outcome(outcome),
            Some(incoming) = receivers.incoming.recv() => WakeUp::Incoming(Box::new(incoming)),
            command = receivers.commands.recv() => match command {
                Some(command) => WakeUp::Command(command),
                None => WakeUp::Abandoned,
            },
            () = timer => WakeUp::Timeout,
        }
    }

    fn set_timer(&mut self, deadline: Instant) {
        // A reset locks the runtime's timers, and most turns keep the deadline.
        if self.timer.deadline() != deadline.into() {
            self.timer.as_mut().reset(deadline.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_wakes_up_at_the_deadline_and_for_what_arrives() {
        let (command_sender, commands) = mpsc::unbounded_channel();
        // The driver holds these senders, so that their receivers never see the end.
        let (_notices, notices) = mpsc::channel(1);
        let (_incoming, incoming) = mpsc::channel(1);
        let (_completions, completions) = mpsc::unbounded_channel();
        let (_outcomes, outcomes) = mpsc::unbounded_channel();
        let mut inlets =
            Inlets::new(Receivers { notices, incoming, commands, completions, outcomes });
        let now = tokio::time::Instant::now();
        let deadline = now + Duration::from_secs(7);
        let wake_up = inlets.next(now.into_std(), Some(deadline.into_std())).await;
        assert!(matches!(wake_up, WakeUp::Timeout));
        drop(wake_up);
        assert!(tokio::time::Instant::now() >= deadline);

        command_sender.send(Command::Pause).unwrap();
        let wake_up = inlets.next(deadline.into_std(), None).await;
        assert!(matches!(wake_up, WakeUp::Command(Command::Pause)));
        drop((wake_up, command_sender));
        let wake_up = inlets.next(deadline.into_std(), None).await;
        assert!(matches!(wake_up, WakeUp::Abandoned));
    }
}
