//! Downloads a torrent; without a source, shows a whole download on this machine alone.

use std::time::Instant;

use clap::Parser;
use tinytorrent_client::{DhtNode, Torrent};
use tinytorrent_examples::{
    Common, Deadline, DownloadOptions, Failure, Outcome, RecordOptions, Reporter, Source, add,
    block_on, close, demo, follow, format_duration, format_size, interrupted, load_in, report, run,
    start, start_client, tell_finished, tell_listening,
};
use tinytorrent_tracker::TrackerUrl;
use tinytorrent_types::Printable;

/// Download a torrent. Without SOURCE: show a whole download, with tracker, seeders and content
/// of its own, on this machine alone
#[derive(Parser)]
#[command(name = "download", version)]
struct Options {
    /// A .torrent file, a magnet link, the URL of a .torrent, or an info-hash
    source: Option<Source>,

    #[command(flatten)]
    download: DownloadOptions,

    #[command(flatten)]
    recording: RecordOptions,

    #[command(flatten)]
    common: Common,
}

fn main() -> Outcome {
    let started = Instant::now();
    let options: Options = start();
    run(&options.common, || block_on(download(&options, started)))
}

async fn download(options: &Options, started: Instant) -> Result<(), Failure> {
    let out = options.common.output();
    let deadline = Deadline::new(started, options.download.timeout);
    let mut interrupt = std::pin::pin!(interrupted());
    let late = |what: &str| {
        Failure::CouldNot(format!("not complete after {} s: {what}", deadline.seconds()))
    };
    let Some(source) = &options.source else {
        return tokio::select! {
            result = deadline.limit(demo::run(out)) => result.ok_or_else(|| late("the demo still runs"))?,
            _ = &mut interrupt => Err(Failure::Interrupted),
        };
    };
    let client = start_client(&options.download.network)?;
    let reporter = Reporter::new(out);
    let source = tokio::select! {
        loaded = deadline.limit(load_in(&client, source)) => loaded.ok_or_else(|| late(&not_loaded(source)))??,
        _ = &mut interrupt => return Err(Failure::Interrupted),
    };
    let mut torrent = options.download.torrent();
    let recording = options.recording.apply(&mut torrent)?;
    let torrent = add(&client, source, torrent)?;
    tell_listening(&out, client.listen_addresses());
    if let Some(info) = torrent.info() {
        reporter.metadata(&info);
    }
    let ended = tokio::select! {
        ended = complete(&torrent, &reporter, started, deadline, options) => ended,
        _ = &mut interrupt => Err(Failure::Interrupted),
    };
    let stats = torrent.stop().await;
    close(&client).await;
    reporter.finish();
    if let Some(recording) = recording
        && let Some(words) = recording.wait().await
    {
        tracing::warn!("{words}");
    }
    ended?;
    tell_finished(&out, &torrent, &options.download.output, &stats, started.elapsed());
    Ok(())
}

fn not_loaded(source: &Source) -> String {
    match source {
        // As it is shown elsewhere, without the password.
        Source::Url(url) => url.as_str().parse::<TrackerUrl>().map_or_else(
            |error| error.to_string(),
            |url| format!("{url} has not sent the whole torrent"),
        ),
        Source::Magnet(_) => "no node of the DHT has told the torrent of the key".to_owned(),
        _ => "the torrent has not been read".to_owned(),
    }
}

/// Waits until it is complete, and with `--seed` for ever.
async fn complete(
    torrent: &Torrent,
    reporter: &Reporter,
    started: Instant,
    deadline: Deadline,
    options: &Options,
) -> Result<(), Failure> {
    match deadline.limit(follow(torrent, reporter)).await {
        Some(followed) => followed?,
        None => return Err(Failure::CouldNot(too_late(torrent, reporter, deadline).await)),
    }
    if options.download.seed {
        let time = format_duration(started.elapsed());
        reporter.say(format!("complete after {time}, seeding until interrupted"));
        report(torrent, reporter).await?;
    }
    Ok(())
}

fn why_nobody_was_found(torrent: &Torrent, reporter: &Reporter) -> String {
    if let Some(failure) = reporter.tracker_failure() {
        return failure;
    }
    let client = torrent.client();
    let stats = client.dht().map(DhtNode::stats);
    match stats.map(|stats| stats.nodes()) {
        Some(0) => {
            "no node of the DHT has answered; give one with --dht-node, or a peer with --peer"
                .into()
        }
        _ => "give one with --peer, or a tracker with --tracker".into(),
    }
}

/// The words about a web seed that failed.
fn web_seed_failure(torrent: &Torrent) -> String {
    let failure = torrent.web_seeds().into_iter().find_map(|seed| {
        let error = seed.last_error?;
        Some(format!("; the web seed {}: {}", Printable(&seed.url), Printable(&error)))
    });
    failure.unwrap_or_default()
}

async fn too_late(torrent: &Torrent, reporter: &Reporter, deadline: Deadline) -> String {
    let stats = torrent.stats();
    let seconds = deadline.seconds();
    let why = match (stats.known_peers, stats.peers) {
        (0, _) => format!("no peer was found; {}", why_nobody_was_found(torrent, reporter)),
        (known, 0) => format!("none of {known} known peers could be talked to"),
        (_, peers) => format!("{peers} peers are connected"),
    };
    let why = why + &web_seed_failure(torrent);
    let have = format_size(stats.have_bytes);
    match torrent.info() {
        Some(_) => {
            let total = format_size(stats.have_bytes + stats.wanted_left);
            format!("not complete after {seconds} s: {have} of {total} are here, and {why}")
        }
        None => format!("no metadata after {seconds} s: {why}"),
    }
}
