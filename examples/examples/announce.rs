//! Announces a torrent to its trackers, once, and shows what each answers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use tinytorrent_examples::{Common, Failure, Identity, Outcome, Output, interrupted, run};
use tinytorrent_tracker::client::{ClientConfig, Error, Families, TrackerClient};
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
    /// A .torrent, a magnet link, or 40 or 64 hexadecimal digits
    #[arg(value_name = "TORRENT|MAGNET|INFO_HASH")]
    source: String,

    /// Announce to this tracker instead of those of the torrent (repeatable)
    #[arg(long = "tracker", value_name = "URL")]
    trackers: Vec<TrackerUrl>,

    /// What to say; the tracker lists us as a peer unless it is stopped
    #[arg(long, value_enum, default_value_t = Event::None)]
    event: Event,

    /// The port at which we say to accept peers
    #[arg(long, value_name = "N", default_value_t = 6881, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    /// Peers to ask for; left to the tracker if not given
    #[arg(long, value_name = "N")]
    num_want: Option<u32>,

    /// Announce over IPv4 only
    #[arg(long, conflicts_with = "ipv6")]
    ipv4: bool,

    /// Announce over IPv6 only
    #[arg(long)]
    ipv6: bool,

    /// Give up on a tracker after so long
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    timeout: u64,

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

#[tokio::main]
async fn main() -> Outcome {
    let options = Options::parse();
    options.common.start_logging();
    let out = options.common.output();
    let result = tokio::select! {
        result = announce(&options, out) => result,
        _ = interrupted() => Err(Failure::Interrupted),
    };
    run(&options.common, || result)
}

async fn announce(options: &Options, out: Output) -> Result<(), Failure> {
    let identity = Identity::read(&options.source)?;
    let (trackers, unusable) = trackers(options, &identity);
    for error in &unusable {
        tell_failure(out, &error.0, &error.1);
    }
    let client = TrackerClient::new(config(options));
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
    let (asked, mut answered) = (announces.len() + unusable.len(), 0);
    while let Some(finished) = announces.join_next().await {
        let Ok((url, outcome)) = finished else { continue };
        answered += usize::from(outcome.is_ok());
        tell(out, &url, &outcome);
    }
    out.event(&json!({ "event": "finished", "trackers": asked, "answered": answered }));
    match (asked, answered) {
        (0, _) => {
            Err(Failure::CouldNot("the torrent has no tracker; give one with --tracker".into()))
        }
        (asked, 0) => Err(Failure::CouldNot(format!("none of {asked} trackers answered"))),
        _ => Ok(()),
    }
}

/// Those to announce to, and those whose URLs cannot be used.
fn trackers(options: &Options, identity: &Identity) -> (Vec<TrackerUrl>, Vec<(String, String)>) {
    if !options.trackers.is_empty() {
        return (options.trackers.clone(), Vec::new());
    }
    let (mut usable, mut unusable) = (Vec::new(), Vec::new());
    for text in &identity.trackers {
        match text.parse() {
            Ok(url) if !usable.contains(&url) => usable.push(url),
            Ok(_) => {}
            Err(error) => unusable.push((text.clone(), format!("{error}"))),
        }
    }
    (usable, unusable)
}

fn config(options: &Options) -> ClientConfig {
    let mut config = ClientConfig::default();
    config.request_timeout(Duration::from_secs(options.timeout.max(1)));
    config.families(match (options.ipv4, options.ipv6) {
        (true, _) => Families::V4,
        (_, true) => Families::V6,
        _ => Families::Both,
    });
    config
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

fn tell(out: Output, url: &TrackerUrl, outcome: &Result<AnnounceResponse, Error>) {
    match outcome {
        Ok(response) => {
            out.say(format!("{url}: {}", in_words(response)));
            for peer in &response.peers {
                out.say(format!("  {}", peer.address));
            }
            out.event(&as_json(url, response));
        }
        Err(error) => tell_failure(out, &url.to_string(), &error.to_string()),
    }
}

fn tell_failure(out: Output, url: &str, error: &str) {
    out.say(if error.contains(url) { error.to_owned() } else { format!("{url}: {error}") });
    out.event(&json!({ "event": "tracker", "tracker": url, "ok": false, "error": error }));
}

fn in_words(response: &AnnounceResponse) -> String {
    let mut parts = vec![format!("{} peers", response.peers.len() + response.named_peers.len())];
    let counts = [(response.seeders, "seeders"), (response.leechers, "leechers")];
    parts.extend(counts.iter().filter_map(|(count, what)| Some(format!("{} {what}", (*count)?))));
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
