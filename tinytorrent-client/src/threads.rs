use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A job that blocks, or takes long to compute.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A function that runs a job on another thread. Tests take one that fails.
pub(crate) type SpawnThread = fn(Job) -> io::Result<()>;

/// Maximum number of threads for jobs of one kind.
const MAX_THREADS: usize = 32;

/// Time that a thread waits for its next job before it ends.
const MAX_IDLE: Duration = Duration::from_secs(5);

/// Runs the job on a thread of its own.
pub(crate) fn spawn(job: Job) -> io::Result<()> {
    // Not one of the runtime's blocking threads: a program that ends its runtime waits for those,
    // and hashing a large file may take minutes.
    std::thread::Builder::new().name("torrent".into()).spawn(job).map(drop)
}

/// Threads for the jobs of all torrents, started as they are needed. Cheap to clone. With thousands of
/// torrents, thousands of jobs may begin at once.
#[derive(Debug, Clone)]
pub(crate) struct JobThreads {
    /// For jobs of milliseconds.
    pub(crate) short: Threads,
    /// For jobs that may take hours, or wait for hours until others on the same disk have ended. The short ones
    /// do not wait for them.
    pub(crate) long: Threads,
}

impl JobThreads {
    pub(crate) fn new(spawn: SpawnThread) -> Self {
        Self { short: Threads::new(spawn), long: Threads::new(spawn) }
    }
}

/// Threads for jobs of one kind. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Threads {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    news: Condvar,
    spawn: SpawnThread,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that wait for a job.
    idle: usize,
}

impl Threads {
    pub(crate) fn new(spawn: SpawnThread) -> Self {
        let (state, news) = (Mutex::default(), Condvar::new());
        Self { shared: Arc::new(Shared { state, news, spawn }) }
    }

    /// The number of jobs that wait for a thread.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.lock().jobs.len()
    }

    /// Runs a job, once a thread is free for it.
    ///
    /// # Errors
    /// There is no thread, and the system cannot start one. The job is dropped.
    pub(crate) fn run(&self, job: Job) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.jobs.push_back(job);
        if state.jobs.len() <= state.idle {
            self.shared.news.notify_one();
            return Ok(());
        }
        if state.threads == MAX_THREADS {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        // Under the lock, so that no thread can end that is counted on here.
        match (self.shared.spawn)(Box::new(move || shared.work())) {
            Ok(()) => state.threads += 1,
            // The others will come to it.
            Err(_) if state.threads > 0 => {}
            Err(error) => {
                state.jobs.pop_back();
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Shared {
    /// Runs jobs until there have been none for a while.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
                continue;
            }
            state.idle += 1;
            let wait = self.news.wait_timeout(state, MAX_IDLE);
            let (guard, timeout) = wait.unwrap_or_else(PoisonError::into_inner);
            state = guard;
            state.idle -= 1;
            if timeout.timed_out() && state.jobs.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Jobs run without the lock, so that nothing panics under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Threads").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn jobs_run_side_by_side_and_each_once() {
        let threads = Threads::new(spawn);
        let (sender, done) = mpsc::channel();
        let together = Arc::new(Barrier::new(3));
        for number in 0..3 {
            let (sender, together) = (sender.clone(), Arc::clone(&together));
            let job = move || {
                together.wait();
                sender.send(number).unwrap();
            };
            threads.run(Box::new(job)).unwrap();
        }
        let mut numbers: Vec<_> = done.iter().take(3).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2]);
    }

    #[test]
    fn more_jobs_than_threads_wait_and_none_is_lost() {
        let threads = Threads::new(spawn);
        let (sender, done) = mpsc::channel();
        for number in 0..1_000 {
            let sender = sender.clone();
            threads.run(Box::new(move || sender.send(number).unwrap())).unwrap();
        }
        drop(sender);
        assert_eq!(done.iter().count(), 1_000);
        assert!(threads.shared.lock().threads <= MAX_THREADS);
    }

    #[test]
    fn without_any_thread_a_job_is_refused() {
        let threads = Threads::new(|_| Err(io::ErrorKind::WouldBlock.into()));
        assert!(threads.run(Box::new(|| ())).is_err());
        assert!(threads.shared.lock().jobs.is_empty());
    }
}
