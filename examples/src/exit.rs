use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::{ExitCode, Termination};

use tinytorrent_types::Printable;

use crate::Common;

/// The reason for which a program failed, and so its exit code.
#[derive(Debug)]
pub enum Failure {
    /// The program could not do its work: exit code 1. The text names the work, the place and the
    /// remedy.
    CouldNot(String),
    /// The input is invalid: exit code 2, as for bad usage.
    InvalidInput(String),
    /// The user ended it: exit code 130.
    Interrupted,
}

impl Failure {
    /// Makes a failure with the whole chain of causes in one line.
    pub fn could_not(what: impl fmt::Display, error: &dyn Error) -> Self {
        Failure::CouldNot(format!("{what}: {}", chain(error)))
    }

    /// Makes a failure about invalid input, with the whole chain of causes in one line.
    pub fn invalid_input(what: impl fmt::Display, error: &dyn Error) -> Self {
        Failure::InvalidInput(format!("{what}: {}", chain(error)))
    }

    /// The exit code of this failure.
    pub fn code(&self) -> u8 {
        match self {
            Failure::CouldNot(_) => 1,
            Failure::InvalidInput(_) => 2,
            Failure::Interrupted => 130,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::CouldNot(text) | Failure::InvalidInput(text) => f.write_str(text),
            Failure::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl Error for Failure {}

/// The result of `main`, which prints a failure to stderr in one line and becomes the exit code.
#[derive(Debug)]
pub struct Outcome(Result<(), Failure>);

impl From<Result<(), Failure>> for Outcome {
    fn from(result: Result<(), Failure>) -> Self {
        Outcome(result)
    }
}

impl Termination for Outcome {
    fn report(self) -> ExitCode {
        match self.0 {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                say_on_stderr("error", &failure);
                ExitCode::from(failure.code())
            }
        }
    }
}

/// Writes a line to stderr, harmless to a terminal whatever it quotes.
pub fn say_on_stderr(label: &str, what: &impl fmt::Display) {
    // Fails if stderr is closed. The exit code then has to do.
    let _ = writeln!(io::stderr(), "{label}: {}", Printable(&what.to_string()));
}

/// Starts logging and runs a program.
///
/// With `--json` a failure is printed to stdout as well, as `{"event":"failed","error":…}`. Output
/// that could not be written is a failure, too.
pub fn run(common: &Common, program: impl FnOnce() -> Result<(), Failure>) -> Outcome {
    common.start_logging();
    let out = common.output();
    let result = program();
    if let Err(failure) = &result {
        out.event(&serde_json::json!({ "event": "failed", "error": failure.to_string() }));
    }
    Outcome(result.and_then(|()| out.check()))
}

/// The error and its sources on one line; a source whose words the text has already is left out.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let words = source.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = source.source();
    }
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|layer| layer as _)
        }
    }

    #[test]
    fn exit_codes_are_those_promised() {
        assert_eq!(Failure::CouldNot(String::new()).code(), 1);
        assert_eq!(Failure::InvalidInput(String::new()).code(), 2);
        assert_eq!(Failure::Interrupted.code(), 130);
    }

    #[test]
    fn causes_are_told_once_and_on_one_line() {
        let error = Layer("outer", Some(Box::new(Layer("in\nner", None))));
        let told = Failure::could_not("cannot read x", &error).to_string();
        assert_eq!(told, "cannot read x: outer: in ner");

        let repeating = Layer("outer: inner", Some(Box::new(Layer("inner", None))));
        assert_eq!(Failure::could_not("x", &repeating).to_string(), "x: outer: inner");
    }
}
