use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use tinytorrent_examples::{Common, parse_rate, parse_size};

/// Run a swarm in virtual time and tell who had what when; or replay what `download --record` wrote,
/// and tell where today's engine differs
#[derive(Debug, Clone, Parser)]
#[command(name = "simulate", version)]
pub struct Options {
    /// Peers that want the content
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub peers: u16,

    /// Peers that have it
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seeds: u16,

    /// Peers that say they have it, and keep others from getting it in one way or another
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub hostile: u16,

    /// Delay of a packet, one way, in milliseconds
    #[arg(long, default_value_t = 20, value_name = "MS", value_parser = clap::value_parser!(u32).range(..=60_000))]
    pub latency: u32,

    /// Packets of a hundred that are lost, and sent again a timeout later with all that are behind them
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT", value_parser = percent)]
    pub loss: f64,

    /// Bytes a second that each peer can send
    #[arg(long, default_value = "1MiB", value_name = "RATE", value_parser = parse_rate)]
    pub uplink: u64,

    /// Size of the content
    #[arg(long, default_value = "32MiB", value_name = "SIZE", value_parser = parse_size)]
    pub size: u64,

    /// Length of its pieces
    #[arg(long, default_value = "256KiB", value_name = "SIZE", value_parser = parse_size)]
    pub piece_length: u64,

    /// Seconds of virtual time after which it ends, complete or not
    #[arg(long, default_value_t = 3_600, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub time: u32,

    /// The seed of all randomness: the same one gives the same bytes
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,

    /// Write all inputs of the first peer's engine, for --replay
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub record: Option<PathBuf>,

    /// Replay a recording, instead of a swarm
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,

    /// Write the recording of --replay with other addresses, ids and names, and no metadata
    #[arg(long, value_name = "FILE", requires = "replay")]
    pub mask: Option<PathBuf>,

    /// Draw the pieces of each peer over time
    #[arg(long, value_name = "FILE.svg", conflicts_with = "replay")]
    pub plot: Option<PathBuf>,

    /// Replace files that exist
    #[arg(long)]
    pub force: bool,

    /// The options of all programs.
    #[command(flatten)]
    pub common: Common,
}

/// A part in percent that leaves something.
fn percent(text: &str) -> Result<f64, String> {
    let percent = text.parse().ok().filter(|percent| (0.0..=50.0).contains(percent));
    percent.ok_or_else(|| "write a number from 0 to 50".to_owned())
}

impl Options {
    /// The virtual time after which it ends.
    pub(crate) fn limit(&self) -> Duration {
        Duration::from_secs(self.time.into())
    }
}
