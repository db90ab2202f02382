//! Asks a tracker how many peers swarms have.

use clap::Parser;
use serde_json::json;
use tinytorrent_examples::{
    Common, Failure, Identity, Outcome, Output, Source, TrackerOptions, block_on_interruptible,
    none_answered, run, start,
};
use tinytorrent_tracker::client::TrackerClient;
use tinytorrent_tracker::{SwarmCounts, TrackerUrl};
use tinytorrent_types::WireInfoHash;
use tokio::task::JoinSet;

/// Asks a tracker how many peers swarms have: seeders, completed, leechers.
///
/// One request for many swarms, or one for each 74 over UDP. Exit code 0 if at least one tracker
/// answered, 1 if none did.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// A .torrent, a magnet link, or an info-hash (repeatable)
    #[arg(value_name = "INFO_HASH|TORRENT", required = true)]
    sources: Vec<Source>,

    /// The announce URL of the tracker (repeatable)
    #[arg(long = "tracker", value_name = "URL", required = true)]
    trackers: Vec<TrackerUrl>,

    #[command(flatten)]
    how: TrackerOptions,

    #[command(flatten)]
    common: Common,
}

fn main() -> Outcome {
    let options: Options = start();
    let out = options.common.output();
    run(&options.common, || block_on_interruptible(scrape(&options, out)))
}

async fn scrape(options: &Options, out: Output) -> Result<(), Failure> {
    let mut hashes: Vec<WireInfoHash> = Vec::new();
    for source in &options.sources {
        for hash in Identity::read(source)?.hashes.wire_hashes() {
            if !hashes.contains(&hash) {
                hashes.push(hash);
            }
        }
    }
    // All trackers are those of the user.
    let client = TrackerClient::new(options.how.config()).trusting_urls();
    let mut scrapes = JoinSet::new();
    for url in options.trackers.clone() {
        let (client, hashes) = (client.clone(), hashes.clone());
        scrapes.spawn(async move { (client.scrape(&url, &hashes).await, url) });
    }
    let (asked, mut answered, mut first_failure) = (options.trackers.len(), 0, None);
    while let Some(finished) = scrapes.join_next().await {
        match finished {
            Ok((Ok(response), url)) => {
                answered += 1;
                let counts = |hash: &WireInfoHash| (*hash, response.get(*hash));
                hashes.iter().map(counts).for_each(|(hash, counts)| tell(out, &url, hash, counts));
            }
            Ok((Err(error), url)) => {
                let (url, error) = (url.to_string(), error.to_string());
                out.event(
                    &json!({ "event": "tracker", "tracker": url, "ok": false, "error": error }),
                );
                // The only failure is told on stderr.
                if asked > 1 {
                    out.say(&error);
                }
                first_failure.get_or_insert(error);
            }
            Err(_) => {}
        }
    }
    out.event(&json!({ "event": "finished", "trackers": asked, "answered": answered }));
    match first_failure {
        Some(first) if answered == 0 => Err(Failure::CouldNot(none_answered(&first, asked))),
        _ => Ok(()),
    }
}

fn tell(out: Output, url: &TrackerUrl, hash: WireInfoHash, counts: Option<SwarmCounts>) {
    let number = |count: Option<u32>| count.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let plural = |count: Option<u32>| if count == Some(1) { "" } else { "s" };
    out.say(match counts {
        Some(counts) => format!(
            "{hash}: {} seeder{}, {} completed, {} leecher{} ({url})",
            number(counts.seeders),
            plural(counts.seeders),
            number(counts.completed),
            number(counts.leechers),
            plural(counts.leechers),
        ),
        None => format!("{hash}: not known ({url})"),
    });
    let found = counts.unwrap_or_default();
    out.event(&json!({
        "event": "swarm",
        "tracker": url.to_string(),
        "ok": true,
        "info_hash": hash.to_string(),
        "known": counts.is_some(),
        "seeders": found.seeders,
        "completed": found.completed,
        "leechers": found.leechers,
        "downloaders": found.downloaders,
    }));
}
