use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use std::vec::Drain;

use tokio::sync::{Notify, mpsc};
use tokio::time::Sleep;

use crate::connection::Notice;

/// Maximum number of notices in one turn. A turn has a fixed cost, which many notices share. With too
/// many, blocks reach the disk late, and requests are sent late.
const BATCH: usize = 32;

/// What the task of a torrent waits for.
pub(super) struct Inlets {
    /// `None` while there is no connection.
    notices: Option<mpsc::Receiver<Notice>>,
    /// Something was put into an inbox, or a handle has changed something.
    wake: Arc<Notify>,
    /// `None` while there is no deadline, as for most torrents of a large client.
    timer: Option<Pin<Box<Sleep>>>,
    /// Empty between turns, kept for its capacity.
    batch: Vec<Notice>,
}

/// The reason for a turn.
pub(super) enum WakeUp<'a> {
    Notices(Drain<'a, Notice>),
    /// Something else, or the deadline has come.
    Other,
}

impl Inlets {
    pub(super) fn new(wake: Arc<Notify>) -> Self {
        Self { notices: None, wake, timer: None, batch: Vec::new() }
    }

    /// Receives what connections report here from now on. The one before is closed and empty.
    pub(super) fn set_notices(&mut self, notices: mpsc::Receiver<Notice>) {
        self.notices = Some(notices);
    }

    /// Waits until something happens, or until the deadline.
    pub(super) async fn next(&mut self, deadline: Option<Instant>) -> WakeUp<'_> {
        self.set_timer(deadline);
        let Self { notices, wake, timer, batch } = self;
        // Each branch is safe to cancel: a notice that is not received stays in its channel, and a wake-up
        // is passed on. The order is random, so that a busy channel does not hold up the others.
        tokio::select! {
            count = receive(notices, batch) => {
                if count == 0 {
                    // The last connection has ended.
                    *notices = None;
                    *batch = Vec::new();
                }
                WakeUp::Notices(batch.drain(..))
            }
            () = wake.notified() => WakeUp::Other,
            () = sleep(timer) => WakeUp::Other,
        }
    }

    fn set_timer(&mut self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return self.timer = None };
        match &mut self.timer {
            // A reset locks the runtime's timers, and most turns keep the deadline.
            Some(timer) if timer.deadline() != deadline.into() => {
                timer.as_mut().reset(deadline.into());
            }
            Some(_) => {}
            timer => *timer = Some(Box::pin(tokio::time::sleep_until(deadline.into()))),
        }
    }
}

/// Waits for the deadline, or for ever.
async fn sleep(timer: &mut Option<Pin<Box<Sleep>>>) {
    match timer {
        Some(timer) => timer.await,
        None => std::future::pending().await,
    }
}

/// Receives some notices. Returns zero once the channel is closed.
async fn receive(notices: &mut Option<mpsc::Receiver<Notice>>, batch: &mut Vec<Notice>) -> usize {
    match notices {
        Some(notices) => notices.recv_many(batch, BATCH).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tinytorrent_swarm::ConnectionError;

    use super::super::testing::engine;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_wakes_up_at_the_deadline_and_for_what_happens() {
        let (sender, notices) = mpsc::channel(1);
        let wake = Arc::new(Notify::new());
        let mut inlets = Inlets::new(Arc::clone(&wake));
        inlets.set_notices(notices);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(7);
        let wake_up = inlets.next(Some(deadline.into_std())).await;
        assert!(matches!(wake_up, WakeUp::Other));
        drop(wake_up);
        assert!(tokio::time::Instant::now() >= deadline);

        // A wake-up before the wait is not lost.
        wake.notify_one();
        let then = tokio::time::Instant::now();
        assert!(matches!(inlets.next(None).await, WakeUp::Other));
        assert_eq!(tokio::time::Instant::now(), then);
        let (peer, _) = engine();
        sender.try_send(Notice::Failed { peer, error: ConnectionError::Closed }).unwrap();
        assert!(matches!(inlets.next(None).await, WakeUp::Notices(_)));
        drop(sender);
        inlets.next(None).await;
        assert!(inlets.notices.is_none(), "the end of the channel is not told again and again");
    }
}
