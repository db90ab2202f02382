//! Jobs that run beside the driver: futures on the runtime, and blocking jobs on threads.

use std::io;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::threads::SpawnThread;

/// The running jobs of one torrent. They send their results through `results`.
pub(super) struct Background<T> {
    /// Futures on the runtime, which are aborted when the torrent ends.
    tasks: JoinSet<()>,
    results: mpsc::UnboundedSender<T>,
    spawn_thread: SpawnThread,
}

impl<T: Send + 'static> Background<T> {
    pub(super) fn new(results: mpsc::UnboundedSender<T>, spawn_thread: SpawnThread) -> Self {
        Self { tasks: JoinSet::new(), results, spawn_thread }
    }

    /// Runs a future on the runtime.
    pub(super) fn spawn(&mut self, job: impl Future<Output = T> + Send + 'static) {
        // A set keeps tasks that have ended, so that it would grow without this.
        while self.tasks.try_join_next().is_some() {}
        let results = self.results.clone();
        self.tasks.spawn(async move {
            // Fails if the torrent has ended.
            let _ = results.send(job.await);
        });
    }

    /// Runs a job that blocks or computes for long on a thread of its own.
    ///
    /// # Errors
    /// The system cannot start a thread. The job is dropped, and no result will arrive.
    pub(super) fn spawn_thread(&self, job: impl FnOnce() -> T + Send + 'static) -> io::Result<()> {
        let results = self.results.clone();
        (self.spawn_thread)(Box::new(move || {
            // Fails if the torrent has ended.
            let _ = results.send(job());
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads;

    #[tokio::test]
    async fn results_of_tasks_and_threads_arrive() {
        let (sender, mut results) = mpsc::unbounded_channel();
        let mut background = Background::new(sender, threads::spawn);
        background.spawn(async { 1 });
        assert_eq!(results.recv().await, Some(1));
        background.spawn_thread(|| 2).unwrap();
        assert_eq!(results.recv().await, Some(2));
    }

    #[tokio::test]
    async fn a_thread_that_cannot_be_started_is_an_error() {
        let (sender, mut results) = mpsc::unbounded_channel();
        let background = Background::new(sender, |_| Err(io::ErrorKind::WouldBlock.into()));
        let error = background.spawn_thread(|| 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(results.try_recv().is_err());
    }
}
