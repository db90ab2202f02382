//! Announces a torrent to its trackers, once, and shows what each answers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use tinytorrent_examples::{
    Common, Failure, Identity, Outcome, Output, Source, TrackerOptions, block_on_interruptible,
    none_answered, run, start,
};
use tinytorrent_tracker::client::TrackerClient;
use tinytorrent_tracker::{AnnounceEvent, AnnounceRequest, AnnounceResponse, TrackerUrl};
use tinytorrent_types::PeerId;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Announces a torrent to its trackers, once, and shows what each answers.
///
/// Exit code 0 if at least one tracker answered, 1 if none did.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// A .torrent, a magnet link, or an info-hash
    #[arg(value_name = "TORRENT|MAGNET|INFO_HASH")]
    source: Source,

    /// Announce to this tracker instead of those of the torrent (repeatable)
    #[arg(long = "tracker", value_name = "URL")]
    trackers: Vec<TrackerUrl>,

    /// Event to announce; the tracker lists us as a peer unless it is `stopped`
    #[arg(long, value_enum, default_value_t = Event::None)]
    event: Event,

    /// Port to announce, at which peers are accepted
    #[arg(long, value_name = "N", default_value_t = 6881, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    /// Peers to ask for; left to the tracker if not given
    #[arg(long, value_name = "N")]
    num_want: Option<u32>,

    #[command(flatten)]
    how: TrackerOptions,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Event {
    Started,
    Completed,
    Stopped,
    None,
}

impl From<Event> for AnnounceEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::Started => AnnounceEvent::Started,
            Event::Completed => AnnounceEvent::Completed,
            Event::Stopped => AnnounceEvent::Stopped,
            Event::None => AnnounceEvent::None,
        }
    }
}

fn main() -> Outcome {
    let options: Options = start();
    let out = options.common.output();
    run(&options.common, || block_on_interruptible(announce(&options, out)))
}

async fn announce(options: &Options, out: Output) -> Result<(), Failure> {
    let identity = Identity::read(&options.source)?;
    let (trackers, unusable) = trackers(options, &identity);
    let asked = trackers.len() + unusable.len();
    // The only failure is told on stderr.
    let tells = asked > 1;
    for (url, error) in &unusable {
        tell_failure(out, url, error, tells);
    }
    let mut first_failure = unusable.into_iter().next().map(|(_, error)| error);
    let mut client = TrackerClient::new(options.how.config());
    if !options.trackers.is_empty() {
        client = client.trusting_urls();
    }
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let request = request(options, &identity);
    let mut announces = JoinSet::new();
    for url in trackers {
        let (client, request, permits) = (client.clone(), request.clone(), permits.clone());
        let hashes = identity.hashes;
        announces.spawn(async move {
            let _permit = permits.acquire_owned().await;
            let outcome = client.announce_all_hashes(&url, &hashes, &request).await;
            (url, outcome)
        });
    }
    let mut answered = 0;
    while let Some(finished) = announces.join_next().await {
        match finished {
            Ok((url, Ok(response))) => {
                answered += 1;
                tell(out, &url, &response);
            }
            Ok((url, Err(error))) => {
                tell_failure(out, &url.to_string(), &error.to_string(), tells);
                first_failure.get_or_insert_with(|| error.to_string());
            }
            Err(_) => {}
        }
    }
    out.event(&json!({ "event": "finished", "trackers": asked, "answered": answered }));
    match first_failure {
        _ if asked == 0 => {
            Err(Failure::CouldNot("the torrent has no tracker; give one with --tracker".into()))
        }
        Some(first) if answered == 0 => Err(Failure::CouldNot(none_answered(&first, asked))),
        _ => Ok(()),
    }
}

/// Those to announce to, and those whose URLs cannot be used. Of a torrent with more than
/// [`MAX_TRACKERS`] only the first are looked at.
fn trackers(options: &Options, identity: &Identity) -> (Vec<TrackerUrl>, Vec<(String, String)>) {
    if !options.trackers.is_empty() {
        return (options.trackers.clone(), Vec::new());
    }
    let beyond = identity.trackers.len().saturating_sub(MAX_TRACKERS);
    if beyond > 0 {
        tracing::warn!(
            "{beyond} trackers of the torrent are not asked, beyond the first {MAX_TRACKERS}"
        );
    }
    let (mut usable, mut unusable) = (Vec::new(), Vec::new());
    for text in identity.trackers.iter().take(MAX_TRACKERS) {
        match text.parse() {
            Ok(url) if !usable.contains(&url) => usable.push(url),
            Ok(_) => {}
            Err(error) => unusable.push((text.clone(), format!("{error}"))),
        }
    }
    (usable, unusable)
}

fn request(options: &Options, identity: &Identity) -> AnnounceRequest {
    let peer_id = PeerId::generate(rand::random());
    let info_hash = identity.hashes.to_wire();
    let mut request = AnnounceRequest::new(info_hash, peer_id, options.port, rand::random());
    request.event = options.event.into();
    request.num_want = options.num_want;
    request.left = match options.event {
        Event::Completed => Some(0),
        _ => identity.length,
    };
    request
}

fn tell(out: Output, url: &TrackerUrl, response: &AnnounceResponse) {
    out.say(format!("{url}: {}", in_words(response)));
    let named = response.named_peers.iter().map(|peer| format!("{}:{}", peer.host, peer.port));
    let peers = response.peers.iter().map(|peer| peer.address.to_string());
    peers.chain(named).for_each(|peer| out.say(format!("  {peer}")));
    out.event(&as_json(url, response));
}

fn tell_failure(out: Output, url: &str, error: &str, in_words: bool) {
    if in_words {
        out.say(if error.contains(url) { error.to_owned() } else { format!("{url}: {error}") });
    }
    out.event(&json!({ "event": "tracker", "tracker": url, "ok": false, "error": error }));
}

fn in_words(response: &AnnounceResponse) -> String {
    let plural = |count: u32, what| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let peers = response.peers.len() + response.named_peers.len();
    let mut parts = vec![plural(peers as u32, "peer")];
    let counts = [(response.seeders, "seeder"), (response.leechers, "leecher")];
    parts.extend(counts.into_iter().filter_map(|(count, what)| Some(plural(count?, what))));
    let seconds = |wait: Option<Duration>| wait.map(|wait| wait.as_secs());
    parts.extend(seconds(response.interval).map(|s| format!("again in {s} s")));
    parts.extend(seconds(response.min_interval).map(|s| format!("in {s} s at the earliest")));
    parts.extend(response.external_ip.map(|ip: IpAddr| format!("we are {ip}")));
    parts.extend(response.warning.as_ref().map(|warning| format!("warning: {warning}")));
    parts.extend(response.deviations.iter().map(|deviation| format!("odd: {deviation}")));
    parts.join(", ")
}

fn as_json(url: &TrackerUrl, response: &AnnounceResponse) -> Value {
    let named = response.named_peers.iter().map(|peer| format!("{}:{}", peer.host, peer.port));
    let peers = response.peers.iter().map(|peer| peer.address.to_string());
    json!({
        "event": "tracker",
        "tracker": url.to_string(),
        "ok": true,
        "peers": peers.chain(named).collect::<Vec<_>>(),
        "seeders": response.seeders,
        "leechers": response.leechers,
        "downloaded": response.downloaded,
        "interval": response.interval.map(|wait| wait.as_secs()),
        "min_interval": response.min_interval.map(|wait| wait.as_secs()),
        "external_ip": response.external_ip.map(|ip| ip.to_string()),
        "warning": response.warning,
        "deviations": response.deviations.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// Announces at once; a torrent may name a thousand trackers.
const AT_ONCE: usize = 64;

/// Far beyond any honest torrent; one of 64 MiB has room for a million.
const MAX_TRACKERS: usize = 1_000;
