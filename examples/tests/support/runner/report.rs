//! The lines of libtest, and the tests that were left out, by what would bring them back.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::{Outcome, seconds};
use crate::support::need::Need;

/// The results of a run so far.
#[derive(Debug)]
pub struct Report {
    started: Instant,
    passed: usize,
    failed: Vec<&'static str>,
    left_out: BTreeMap<Need, Vec<&'static str>>,
    filtered_out: usize,
}

impl Report {
    /// The report of a run of `chosen` tests out of `all`, which it announces.
    pub fn new(all: usize, chosen: usize) -> Self {
        say(&format!("\nrunning {chosen} test{}\n", if chosen == 1 { "" } else { "s" }));
        Self {
            started: Instant::now(),
            passed: 0,
            failed: Vec::new(),
            left_out: BTreeMap::new(),
            filtered_out: all - chosen,
        }
    }

    /// Tells what came of a test.
    pub fn tell(&mut self, name: &'static str, outcome: Outcome, took: Duration) {
        let result = match outcome {
            Outcome::Passed => {
                self.passed += 1;
                format!("ok <{}>", seconds(took))
            }
            Outcome::Failed => {
                self.failed.push(name);
                format!("FAILED <{}>", seconds(took))
            }
            Outcome::LeftOut(missing) => {
                self.left_out.entry(missing).or_default().push(name);
                format!("ignored, {missing}")
            }
        };
        say(&format!("test {name} ... {result}\n"));
    }

    /// Tells what was left out and what failed, and counts them.
    pub fn finish(self) -> ExitCode {
        let mut text = String::new();
        for (missing, names) in &self.left_out {
            text += &format!("\nleft out, as {missing}; {}:\n", missing.remedy());
            text.extend(names.iter().map(|name| format!("    {name}\n")));
        }
        if !self.failed.is_empty() {
            text += "\nfailures:\n";
            text.extend(self.failed.iter().map(|name| format!("    {name}\n")));
        }
        let ignored: usize = self.left_out.values().map(Vec::len).sum();
        text += &format!(
            "\ntest result: {}. {} passed; {} failed; {ignored} ignored; 0 measured; \
             {} filtered out; finished in {}\n\n",
            if self.failed.is_empty() { "ok" } else { "FAILED" },
            self.passed,
            self.failed.len(),
            self.filtered_out,
            seconds(self.started.elapsed()),
        );
        say(&text);
        // The code of a panicking test, as libtest has it.
        if self.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(101) }
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that has gone away does not change how the tests end.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
