//! The program `simulate`: swarms in virtual time, who had what when, and replays of recorded engines.

mod masking;
mod options;
mod plot;
mod replaying;
mod story;
mod swarm;

pub use options::Options;
use tinytorrent_examples::Failure;

/// Runs the program.
///
/// # Errors
///
/// A peer is not complete in time, an engine differs from its recording, or a file cannot be read or written.
pub fn simulate(options: &Options) -> Result<(), Failure> {
    match (&options.replay, &options.mask) {
        (Some(file), Some(mask)) => masking::mask(options, file, mask),
        (Some(file), None) => replaying::replay(options, file),
        (None, _) => swarm::run(options),
    }
}
