//! Downloads and seeds every torrent that is in a folder or comes into it.

use tinytorrent_examples::{Outcome, block_on, run, start};
use tinytorrent_watch::{Log, Options, has_view, watch};

fn main() -> Outcome {
    let options: Options = start();
    let log = has_view(&options).then(Log::default);
    if let Some(log) = log.clone() {
        // The screen is no place for lines of others.
        options.common.start_logging_to(move || log.writer(), false);
    }
    let common = options.common.clone();
    run(&common, || block_on(watch(options, log)))
}
