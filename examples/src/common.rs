use clap::{ArgAction, Args};

use crate::{Mode, Output, logging};

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
    /// Where results go, as `--json` and `--quiet` say.
    pub fn output(&self) -> Output {
        Output::new(match (self.json, self.quiet) {
            (true, _) => Mode::Json,
            (false, true) => Mode::Quiet,
            (false, false) => Mode::Words,
        })
    }

    /// Sends logs to stderr. `-v` wins over `RUST_LOG`; without either, warnings are shown.
    ///
    /// A second call changes nothing.
    pub fn start_logging(&self) {
        let directives = match self.verbose {
            0 => std::env::var("RUST_LOG").unwrap_or_default(),
            1 => "info".to_owned(),
            2 => "debug".to_owned(),
            _ => "trace".to_owned(),
        };
        logging::start(if directives.is_empty() { "warn" } else { &directives });
    }
}

#[cfg(test)]
mod tests {
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
