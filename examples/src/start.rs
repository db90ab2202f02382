use std::ffi::OsString;
use std::io::{self, Write};
use std::process::exit;

use clap::Parser;
use clap::error::Error;
use tinytorrent_types::{Printable, is_printable};

/// The options of the command line, and a process that is ready to run: a file that may not grow any
/// more (`ulimit -f`) is an error of writing, not the end of the process.
///
/// Bad usage ends the process with exit code 2; `--help` and `--version` with 0, or 1 if they cannot be
/// written.
pub fn start<O: Parser>() -> O {
    outlive_file_size_limit();
    O::try_parse().unwrap_or_else(|error| exit(tell(&harmless::<O>(std::env::args_os(), error))))
}

/// The error of arguments that may have been copied from anywhere, as it quotes them: with what a
/// terminal would obey, or a line break, the error is that of the same arguments without.
fn harmless<O: Parser>(arguments: impl Iterator<Item = OsString>, error: Error) -> Error {
    let mut is_harmless = true;
    let arguments: Vec<String> = arguments
        .map(|argument| {
            let argument = argument.to_string_lossy();
            is_harmless &= argument.chars().all(is_printable);
            Printable(&argument).to_string()
        })
        .collect();
    if is_harmless {
        return error;
    }
    let usage =
        || O::command().error(error.kind(), "an argument is wrong, and not fit to be shown");
    O::try_parse_from(arguments).map_or_else(|error| error, |_| usage())
}

/// Shows what clap has to say, and answers the exit code.
fn tell(error: &Error) -> i32 {
    let written = error.print().and_then(|()| io::stdout().flush());
    match written {
        Err(trouble) if !error.use_stderr() && trouble.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "error: cannot write the output: {trouble}");
            1
        }
        _ => error.exit_code(),
    }
}

/// SIGXFSZ would end the process without a word. With a handler, writing fails with `EFBIG` instead.
#[cfg(unix)]
fn outlive_file_size_limit() {
    use tokio::signal::unix::{SignalKind, signal};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let Ok(runtime) = runtime else { return };
    // The handler outlives the runtime, and nobody has to listen to it.
    let _ = runtime.block_on(async { signal(SignalKind::from_raw(SIGXFSZ)) });
}

#[cfg(not(unix))]
fn outlive_file_size_limit() {}

/// Its number on Linux, the BSDs and macOS, but for these processors.
#[cfg(all(unix, not(any(target_arch = "mips", target_arch = "mips64"))))]
const SIGXFSZ: i32 = 25;

#[cfg(all(unix, any(target_arch = "mips", target_arch = "mips64")))]
const SIGXFSZ: i32 = 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    struct Options {
        #[arg(long)]
        number: Option<u32>,
    }

    #[test]
    fn errors_quote_arguments_without_what_a_terminal_obeys() {
        let words = ["program", "--number=\x1b[31m1\nsecond line\u{202e}\x1b"];
        let error = Options::try_parse_from(words).expect_err("that is no number");
        let shown = harmless::<Options>(words.iter().map(OsString::from), error);
        let plain = shown.to_string();
        assert!(plain.contains("'\u{fffd}[31m1\u{fffd}second line\u{fffd}\u{fffd}'"), "{plain}");
        let words = ["program", "--number=x"];
        let error = Options::try_parse_from(words).expect_err("that is no number");
        let before = error.to_string();
        let shown = harmless::<Options>(words.iter().map(OsString::from), error);
        assert_eq!(shown.to_string(), before);
    }
}
