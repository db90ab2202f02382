use std::time::{Duration, Instant};

use crate::{Failure, interrupted};

/// Runs a program on a runtime of one thread; hashing and writing have threads of their own.
///
/// The end does not wait for blocking calls whose results are not needed any more. A look-up of a name
/// and a read of a pipe cannot be cancelled, and may take minutes.
///
/// # Errors
///
/// Errors of the program, and a lack of resources for a runtime.
pub fn block_on<T>(program: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    block_on_runtime(&mut tokio::runtime::Builder::new_current_thread(), program)
}

/// As [`block_on`], until somebody interrupts the program, which ends it at once.
///
/// # Errors
///
/// Those of [`block_on`], and [`Failure::Interrupted`].
pub fn block_on_interruptible<T>(
    program: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    block_on(async {
        tokio::select! {
            result = program => result,
            _ = interrupted() => Err(Failure::Interrupted),
        }
    })
}

/// As [`block_on`], on a runtime of so many threads, for programs that are servers.
///
/// # Errors
///
/// Those of [`block_on`].
pub fn block_on_threads<T>(
    threads: usize,
    program: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    block_on_runtime(builder.worker_threads(threads), program)
}

fn block_on_runtime<T>(
    builder: &mut tokio::runtime::Builder,
    program: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let runtime = builder.enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::could_not("cannot start the runtime", &error))?;
    let result = runtime.block_on(program);
    runtime.shutdown_background();
    result
}

/// The time at which a program gives up, counted from its start and not from that of a step.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Option<Instant>,
    seconds: u64,
}

impl Deadline {
    /// So many seconds after the start; `None` is never.
    pub fn new(started: Instant, seconds: Option<u64>) -> Self {
        let at = seconds.and_then(|seconds| started.checked_add(Duration::from_secs(seconds)));
        Self { at, seconds: seconds.unwrap_or_default() }
    }

    /// The time that was granted, in seconds.
    pub fn seconds(&self) -> u64 {
        self.seconds
    }

    /// The result of a step, or `None` if the deadline came first.
    pub async fn limit<T>(&self, step: impl Future<Output = T>) -> Option<T> {
        match self.at {
            Some(at) => tokio::time::timeout_at(at.into(), step).await.ok(),
            None => Some(step.await),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    /// The pause of the blocking call is longer than anybody would wait for this test.
    #[test]
    fn blocking_call_does_not_hold_up_the_end() {
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        let result = block_on(async {
            tokio::task::spawn_blocking(move || blocked.recv_timeout(Duration::from_secs(3600)));
            tokio::task::yield_now().await;
            Ok(7)
        });
        assert_eq!(result.expect("nothing failed"), 7);
        // The call is still waiting, which this would fail to say otherwise.
        release.send(()).expect("somebody still listens");
    }

    #[tokio::test]
    async fn deadline_counts_from_the_start_of_the_program() {
        let started = Instant::now().checked_sub(Duration::from_secs(10)).expect("not booted yet");
        let late = Deadline::new(started, Some(3));
        assert_eq!((late.limit(pending::<()>()).await, late.seconds()), (None, 3));
        let in_time = Deadline::new(started, Some(3600));
        assert_eq!(in_time.limit(ready(1)).await, Some(1));
    }

    #[tokio::test]
    async fn program_without_a_deadline_waits() {
        for seconds in [None, Some(u64::MAX)] {
            let deadline = Deadline::new(Instant::now(), seconds);
            assert_eq!(deadline.limit(ready(1)).await, Some(1));
        }
    }
}
