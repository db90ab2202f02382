//! A test runner that tells of each test as it ends, and at the end of those that it left out.
//!
//! It reads the words of libtest and writes its lines, so that `cargo test NAME` and tools that read
//! results work as ever. libtest itself decides what to leave out before a test runs and has no word
//! on why; here that is for the test to say, with [`need!`](super::need::need).

use std::io::Write;
use std::panic::resume_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::need::Need;

mod report;
mod words;

use report::Report;
pub use words::Words;

/// A test and its name, as in `module::function`.
#[derive(Debug, Clone, Copy)]
pub struct Test {
    pub name: &'static str,
    pub run: fn(),
}

impl Test {
    /// The name below the suite's own.
    pub fn name(&self) -> &'static str {
        self.name.split_once("::").map_or(self.name, |(_, name)| name)
    }
}

/// Lists the tests of a module as `TESTS`. One that is forgotten is dead code, which the lints refuse.
macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        pub const TESTS: &[$crate::support::runner::Test] = &[$($crate::support::runner::Test {
            name: concat!(module_path!(), "::", stringify!($name)),
            run: $name,
        }),+];
    };
}
pub(crate) use tests;

/// The result of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Failed,
    /// It never began, for want of this.
    LeftOut(Need),
}

/// Runs the tests that the command line asks for.
pub fn main(modules: &[&[Test]]) -> ExitCode {
    let words = match Words::parse(std::env::args().skip(1)) {
        Ok(words) => words,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let all: Vec<Test> = modules.concat();
    let chosen: Vec<Test> = all.iter().filter(|test| words.choose(test.name())).copied().collect();
    if words.list {
        list(&chosen);
        return ExitCode::SUCCESS;
    }
    let mut report = Report::new(all.len(), chosen.len());
    run_all(&chosen, words.threads, &mut report);
    report.finish()
}

fn list(tests: &[Test]) {
    let mut out = std::io::stdout().lock();
    for test in tests {
        // A reader that has gone away has seen enough.
        let _ = writeln!(out, "{}: test", test.name());
    }
}

/// Runs so many at a time, and tells the report of each as soon as it ends.
fn run_all(tests: &[Test], threads: usize, report: &mut Report) {
    let next = AtomicUsize::new(0);
    let (ended, endings) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (next, ended) = (&next, ended.clone());
            scope.spawn(move || {
                while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let started = Instant::now();
                    let ending = (test, run(*test), started.elapsed());
                    ended.send(ending).expect("the report listens until all is told");
                }
            });
        }
        drop(ended);
        endings.iter().for_each(|(test, outcome, took)| report.tell(test.name(), outcome, took));
    });
}

/// Runs one in a thread of its own, which has its name, and whose end ends what it started.
fn run(test: Test) -> Outcome {
    let thread = thread::Builder::new().name(test.name().to_owned()).spawn(test.run);
    match thread.expect("the system has a thread left").join() {
        Ok(()) => Outcome::Passed,
        Err(payload) => match payload.downcast_ref::<Need>() {
            Some(missing) => Outcome::LeftOut(*missing),
            None => Outcome::Failed,
        },
    }
}

/// Ends the test that calls it, without a word: the report has one.
pub fn leave_out(missing: Need) -> ! {
    resume_unwind(Box::new(missing))
}

/// Default number of tests at a time. Most of them wait for timers of other programs, so that three for
/// each core keep it busy.
fn default_threads() -> usize {
    3 * thread::available_parallelism().map_or(1, usize::from)
}

/// In seconds, as libtest writes it.
fn seconds(took: Duration) -> String {
    format!("{:.2}s", took.as_secs_f64())
}
