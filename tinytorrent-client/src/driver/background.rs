//! Jobs that run beside the driver: futures on the runtime, and blocking jobs on threads.

use std::io;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tracing::{Instrument, Span};

use super::inbox::Inbox;
use crate::threads::JobThreads;

/// The running jobs of one torrent, in its span. Their results come into an inbox.
pub(super) struct Background<T> {
    /// Futures on the runtime, which are aborted when the torrent ends.
    tasks: JoinSet<()>,
    results: Inbox<T>,
    threads: JobThreads,
    runtime: Handle,
}

impl<T: Send + 'static> Background<T> {
    pub(super) fn new(results: Inbox<T>, threads: JobThreads, runtime: Handle) -> Self {
        Self { tasks: JoinSet::new(), results, threads, runtime }
    }

    /// Runs a future on the runtime. May be called from any thread.
    pub(super) fn spawn(&mut self, job: impl Future<Output = T> + Send + 'static) {
        // A set keeps tasks that have ended, so that it would grow without this.
        while self.tasks.try_join_next().is_some() {}
        let results = self.results.clone();
        let job = async move { results.push(job.await) };
        self.tasks.spawn_on(job.in_current_span(), &self.runtime);
    }

    /// Runs a job that blocks on a thread; `is_long`: for minutes or hours.
    ///
    /// # Errors
    /// The system cannot start a thread. The job is dropped, and no result will arrive.
    pub(super) fn spawn_thread(
        &self,
        is_long: bool,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<()> {
        let results = self.results.clone();
        let threads = if is_long { &self.threads.long } else { &self.threads.short };
        let span = Span::current();
        threads.run(Box::new(move || results.push(span.in_scope(job))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Notify;

    use super::*;
    use crate::threads;

    fn background(spawn: threads::SpawnThread) -> (Background<u8>, Inbox<u8>, Arc<Notify>) {
        let wake = Arc::new(Notify::new());
        let inbox = Inbox::new(&wake);
        let jobs = Background::new(inbox.clone(), JobThreads::new(spawn), Handle::current());
        (jobs, inbox, wake)
    }

    #[tokio::test]
    async fn results_of_tasks_and_threads_arrive() {
        let (mut background, inbox, wake) = background(threads::spawn);
        background.spawn(async { 1 });
        wake.notified().await;
        assert_eq!(inbox.take(), [1]);
        background.spawn_thread(true, || 2).unwrap();
        wake.notified().await;
        assert_eq!(inbox.take(), [2]);
    }

    #[tokio::test]
    async fn a_thread_that_cannot_be_started_is_an_error() {
        let (background, inbox, _wake) = background(|_| Err(io::ErrorKind::WouldBlock.into()));
        let error = background.spawn_thread(false, || 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(inbox.take().is_empty());
    }
}
