use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Duration;

use crate::{Failure, interrupted, say_on_stderr};

/// A flag that the first SIGINT or SIGTERM raises, for programs that block. Signals are caught from the
/// first call on.
///
/// A program that has not ended shortly after is ended with the exit code of [`Failure::Interrupted`]: it
/// may wait for a disk or for the reader of its output, and never come to look at the flag. What is being
/// written then is removed, see [`NewFile`](crate::NewFile).
///
/// Where signals cannot be caught it stays down, and a signal ends the program as usual.
pub fn interrupt_flag() -> &'static AtomicBool {
    static FLAG: AtomicBool = AtomicBool::new(false);
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let (ready, is_ready) = mpsc::channel();
        thread::spawn(move || watch(&FLAG, ready));
        // Fails if signals cannot be caught.
        let _ = is_ready.recv();
    });
    &FLAG
}

fn watch(flag: &'static AtomicBool, ready: Sender<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let is_interrupted = runtime.is_ok_and(|runtime| {
        runtime.block_on(async {
            let mut signal = pin!(interrupted());
            // The first poll installs the handlers.
            let early = tokio::select! {
                biased;
                result = &mut signal => Some(result),
                () = std::future::ready(()) => None,
            };
            drop(ready);
            match early {
                Some(result) => result.is_ok(),
                None => signal.await.is_ok(),
            }
        })
    });
    if is_interrupted {
        flag.store(true, Ordering::Relaxed);
        thread::sleep(GRACE);
        end();
    }
}

/// Ends the program, whatever its other threads wait for.
fn end() -> ! {
    // Kept to the end, so that no other draft comes.
    let mut drafts = drafts();
    drafts.drain(..).for_each(|draft| _ = fs::remove_file(draft));
    // Standard error may be as full as standard output is.
    thread::spawn(|| say_on_stderr("error", &Failure::Interrupted));
    thread::sleep(LAST_WORDS);
    std::process::exit(Failure::Interrupted.code().into())
}

/// A file that is removed if a signal ends the program, until this is dropped.
pub(crate) struct Draft(PathBuf);

impl Draft {
    pub(crate) fn new(path: &Path) -> Self {
        drafts().push(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        drafts().retain(|draft| *draft != self.0);
    }
}

fn drafts() -> MutexGuard<'static, Vec<PathBuf>> {
    static DRAFTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    DRAFTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Time in which a program ends by itself. It looks at the flag between two reads, which take some
/// milliseconds; people wait no longer than this without a doubt.
const GRACE: Duration = Duration::from_millis(300);

/// Time to write one line where somebody reads it.
const LAST_WORDS: Duration = Duration::from_millis(50);
