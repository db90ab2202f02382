use std::time::Duration;

use clap::Args;
use tinytorrent_tracker::client::{ClientConfig, Families};

use crate::WayOptions;

/// The options of the programs that send one request to trackers.
#[derive(Debug, Clone, Args)]
pub struct TrackerOptions {
    /// Speak to trackers over IPv4 only
    #[arg(long, conflicts_with_all = ["ipv6", "proxy"])]
    pub ipv4: bool,

    /// Speak to trackers over IPv6 only
    #[arg(long, conflicts_with = "proxy")]
    pub ipv6: bool,

    /// Give up on a tracker after so long
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,

    /// The ways by which everything leaves.
    #[command(flatten)]
    pub ways: WayOptions,

    /// Ask trackers of a torrent at local addresses under any path, and follow redirects there
    #[arg(long)]
    pub allow_local_trackers: bool,
}

impl TrackerOptions {
    /// The settings that these options mean.
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::default();
        config.request_timeout(Duration::from_secs(self.timeout));
        config.network(self.ways.network()).allow_local(self.allow_local_trackers);
        config.families(match (self.ipv4, self.ipv6) {
            (true, _) => Families::V4,
            (_, true) => Families::V6,
            _ => Families::Both,
        });
        config
    }
}

/// Returns the error of a program to which no tracker answered. It contains the first cause, since the
/// lines of the trackers are not printed with `--quiet`.
pub fn none_answered(first: &str, asked: usize) -> String {
    match asked {
        1 => first.to_owned(),
        _ => format!("none of {asked} trackers answered; the first to fail: {first}"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Options {
        #[command(flatten)]
        trackers: TrackerOptions,
    }

    #[test]
    fn contradictions_and_nonsense_are_bad_usage() {
        for words in [
            "--ipv4 --ipv6",
            "--timeout 0",
            "--proxy ftp://h:1",
            "--proxy h:1",
            "--proxy socks5://h:1 --ipv6",
        ] {
            let words = std::iter::once("program").chain(words.split(' '));
            assert!(Options::try_parse_from(words.clone()).is_err(), "{:?}", words.last());
        }
        let parsed = Options::try_parse_from(["program", "--proxy", "socks5://joe@h:1"]);
        assert!(parsed.is_ok_and(|options| options.trackers.ways.proxy.is_some()));
    }
}
