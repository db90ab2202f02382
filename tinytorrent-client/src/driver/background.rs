//! Jobs that run beside the driver: tasks of the runtime, and threads for what blocks.

use std::io;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::threads::SpawnThread;

/// The jobs of one torrent. Their results arrive at the receiver that belongs to `results`.
pub(super) struct Background<T> {
    /// Aborted when the torrent ends.
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
        // Tasks that have ended are removed here, or a long run would collect them.
        while self.tasks.try_join_next().is_some() {}
        let results = self.results.clone();
        self.tasks.spawn(async move {
            // The receiver is gone once the torrent has ended.
            let _ = results.send(job.await);
        });
    }

    /// Runs a job that blocks or computes for long on a thread of its own.
    ///
    /// # Errors
    /// The system gives no thread. The job is lost, and no result will arrive.
    pub(super) fn spawn_thread(&self, job: impl FnOnce() -> T + Send + 'static) -> io::Result<()> {
        let results = self.results.clone();
        (self.spawn_thread)(Box::new(move || {
            // The receiver is gone once the torrent has ended.
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
