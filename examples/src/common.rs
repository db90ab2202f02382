use clap::{ArgAction, Args};
use tinytorrent_types::Printable;
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::{FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::{Mode, Output};

/// The options that every program has.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Print one JSON object a line on stdout, and nothing else there
    #[arg(long, global = true)]
    pub json: bool,

    /// Print nothing but errors (and what --json prints, where both are given)
    #[arg(long, short, global = true)]
    pub quiet: bool,

    /// Log more to stderr: once for info, twice for debug, three times for trace (or set RUST_LOG)
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

impl Common {
    /// The output that `--json` and `--quiet` ask for.
    pub fn output(&self) -> Output {
        Output::new(match (self.json, self.quiet) {
            (true, _) => Mode::Json,
            (false, true) => Mode::Quiet,
            (false, false) => Mode::Words,
        })
    }

    /// Sends logs to stderr. `-v` wins over `RUST_LOG`; without either, warnings are shown.
    ///
    /// A second call, of this or of [`start_logging_to`](Self::start_logging_to), changes nothing.
    pub fn start_logging(&self) {
        let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        self.start_logging_to(std::io::stderr, is_terminal);
    }

    /// Sends logs elsewhere, with colours or without: a program that fills the terminal has another place for
    /// them.
    pub fn start_logging_to<W>(&self, writer: W, has_colours: bool)
    where
        W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
    {
        let all = |level: LevelFilter| Targets::new().with_default(level);
        let targets = match self.verbose {
            0 => targets_of_environment().unwrap_or_else(|| all(LevelFilter::WARN)),
            1 => all(LevelFilter::INFO),
            2 => all(LevelFilter::DEBUG),
            _ => all(LevelFilter::TRACE),
        };
        let lines = tracing_subscriber::fmt::layer()
            .fmt_fields(printable_fields())
            .with_writer(writer)
            // It would panic where stderr is full.
            .log_internal_errors(false)
            .with_ansi(has_colours);
        // It fails only when a subscriber is set already, as documented above.
        let _ = tracing_subscriber::registry().with(lines.with_filter(targets)).try_init();
    }
}

/// `RUST_LOG` as `module=level,…`. Filters by span or by regular expression would bring an engine for
/// them into every program.
fn targets_of_environment() -> Option<Targets> {
    std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty())?.parse().ok()
}

/// Fields as they are usually shown, without what a terminal would obey: peers and trackers have a say
/// in many of them.
fn printable_fields() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    let show = |out: &mut Writer<'_>, field: &Field, value: &dyn std::fmt::Debug| {
        let text = format!("{value:?}");
        match field.name() {
            "message" => write!(out, "{}", Printable(&text)),
            name => write!(out, "{name}={}", Printable(&text)),
        }
    };
    debug_fn(show).delimited(" ")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        common: Common,
    }

    fn parse(words: &[&str]) -> Common {
        let words = std::iter::once("program").chain(words.iter().copied());
        Options::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).common
    }

    /// A log that can be read.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn logs_of_strangers_words_are_harmless() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(printable_fields())
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let evil = "a\x1b[31m\u{9b}\u{202e}\nb";
            tracing::warn!(name = %evil, url = ?evil, "it says {evil}");
        });
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let line = text.strip_suffix('\n').unwrap();
        assert!(line.chars().all(tinytorrent_types::is_printable), "{line:?}");
        let shown = "it says a\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}b name=a\u{fffd}[31m";
        assert!(line.contains(shown), "{line:?}");
    }

    #[test]
    fn verbosity_is_counted() {
        assert_eq!(parse(&[]).verbose, 0);
        assert_eq!(parse(&["-vv"]).verbose, 2);
        assert_eq!(parse(&["-v", "--verbose"]).verbose, 2);
    }

    #[test]
    fn output_mode_follows_the_options() {
        assert_eq!(parse(&[]).output().mode(), Mode::Words);
        assert_eq!(parse(&["--json"]).output().mode(), Mode::Json);
        assert_eq!(parse(&["--quiet"]).output().mode(), Mode::Quiet);
    }

    #[test]
    fn json_is_printed_although_quiet() {
        assert_eq!(parse(&["--json", "--quiet"]).output().mode(), Mode::Json);
    }
}
