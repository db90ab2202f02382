//! A tracker over UDP and HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::json;
use tinytorrent_examples::{
    AllowList, Common, Failure, Hangups, Outcome, Output, block_on_threads, interrupted, run,
    say_on_stderr, start,
};
use tinytorrent_tracker::Refusal;
use tinytorrent_tracker::server::{Figures, ServerConfig, Tracker, TrackerServer};

/// A tracker over UDP and HTTP, until it is interrupted. It keeps nothing on disk: after a restart its
/// swarms are known again within an interval.
///
/// The networks with most torrents or peers make room when there are too many.
#[derive(Parser)]
#[command(name = "track", version)]
struct Options {
    /// Answer datagrams at this address (repeatable)
    #[arg(long, value_name = "ADDR:PORT")]
    udp: Vec<SocketAddr>,

    /// Answer HTTP requests at this address (repeatable). Without --udp and --http: both, at port 6969
    /// of all addresses
    #[arg(long, value_name = "ADDR:PORT")]
    http: Vec<SocketAddr>,

    /// Serve only the torrents of this file, which has an info-hash on each line, in hexadecimal
    /// digits. It is read again on SIGHUP, and swarms that it no longer lists are forgotten
    #[arg(long, value_name = "FILE")]
    allow: Option<PathBuf>,

    /// The time between two announces of a client
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: u64,

    /// Threads, each with a UDP socket for each address; by default one for each processor
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// The largest number of torrents, some 0.5 KiB each
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    max_torrents: usize,

    /// The largest number of addresses of peers, some 0.1 to 0.3 KiB each
    #[arg(long, value_name = "N", default_value_t = 8_000_000)]
    max_peers: usize,

    /// The largest number of addresses of one host in a swarm; four times as many for the network
    /// around it
    #[arg(long, value_name = "N", default_value_t = 64)]
    max_per_host: u32,

    /// The largest number of open HTTP connections
    #[arg(long, value_name = "N", default_value_t = 512)]
    max_connections: usize,

    #[command(flatten)]
    common: Common,
}

fn main() -> Outcome {
    let options: Options = start();
    let threads = options.threads.map_or_else(processors, usize::from);
    run(&options.common, || block_on_threads(threads, track(&options, threads)))
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

async fn track(options: &Options, threads: usize) -> Result<(), Failure> {
    let mut server = None;
    tokio::select! {
        // First, so that signals are caught before anybody is told that it serves.
        biased;
        _ = interrupted() => {}
        failure = serve(options, threads, &mut server) => return Err(failure),
    }
    if let Some(server) = server {
        let tracker = server.tracker().clone();
        server.shutdown().await;
        tell(options.common.output(), &tracker.figures(), None);
    }
    Err(Failure::Interrupted)
}

/// Serves for ever, or until it cannot.
async fn serve(options: &Options, threads: usize, server: &mut Option<TrackerServer>) -> Failure {
    match try_serve(options, threads, server).await {
        Err(failure) => failure,
        Ok(()) => Failure::Interrupted,
    }
}

async fn try_serve(
    options: &Options,
    threads: usize,
    server: &mut Option<TrackerServer>,
) -> Result<(), Failure> {
    let out = options.common.output();
    let config = config(options, threads);
    let allowed = options.allow.as_deref().map(AllowList::read).transpose()?.map(Arc::new);
    let hangups = Hangups::new(allowed.is_some())?;
    let tracker = Arc::new(new_tracker(&config, allowed.clone()));
    if let Some(allowed) = &allowed {
        tell_allowed(out, allowed);
    }
    let (udp, http) = addresses(options);
    let bound = TrackerServer::serve(tracker.clone(), &config, &udp, &http).await;
    let bound = bound.map_err(|error| Failure::could_not("cannot listen", &error))?;
    tell_listening(out, server.insert(bound));
    tokio::join!(tell_figures(out, &tracker), reload(out, hangups, allowed.as_deref(), &tracker));
    Ok(())
}

fn config(options: &Options, threads: usize) -> ServerConfig {
    let mut config = ServerConfig::default();
    config.interval(Duration::from_secs(options.interval)).max_connections(options.max_connections);
    config.max_torrents(options.max_torrents).max_addresses(options.max_peers);
    config.max_per_host(options.max_per_host).shards(SHARDS_OF_THREAD * threads);
    if cfg!(target_os = "linux") {
        config.sockets(threads);
    }
    config
}

/// The addresses for UDP and for HTTP.
fn addresses(options: &Options) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
    if options.udp.is_empty() && options.http.is_empty() {
        let [v4, v6] = [SocketAddr::from(([0; 4], PORT)), SocketAddr::from(([0u16; 8], PORT))];
        // Not every machine has IPv6.
        let has_v6 = std::net::UdpSocket::bind((v6.ip(), 0)).is_ok();
        let all = if has_v6 { vec![v4, v6] } else { vec![v4] };
        return (all.clone(), all);
    }
    (options.udp.clone(), options.http.clone())
}

fn new_tracker(config: &ServerConfig, allowed: Option<Arc<AllowList>>) -> Tracker {
    let tracker = Tracker::new(config.clone(), rand::random(), Instant::now());
    let Some(allowed) = allowed else { return tracker };
    tracker.with_admission(move |_, request| match allowed.contains(request.info_hash) {
        true => Ok(()),
        false => Err(Refusal::new("this torrent is not on the list of this tracker")),
    })
}

/// Reads the list again at each SIGHUP. Never ends.
async fn reload(out: Output, mut hangups: Hangups, allowed: Option<&AllowList>, tracker: &Tracker) {
    loop {
        hangups.next().await;
        let Some(allowed) = allowed else { continue };
        match allowed.reload() {
            Ok(()) => {
                tracker.retain(|hash, _| allowed.contains(hash));
                tell_allowed(out, allowed);
            }
            // A tracker that runs is worth more than one that ends over a slip in its list.
            Err(failure) => say_on_stderr("warning", &format!("the old list stays: {failure}")),
        }
    }
}

/// Prints the figures each ten seconds. Never ends.
async fn tell_figures(out: Output, tracker: &Tracker) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.tick().await;
    let mut before = tracker.figures();
    loop {
        ticks.tick().await;
        tracker.handle_timeout(Instant::now());
        let figures = tracker.figures();
        tell(out, &figures, Some(&before));
        before = figures;
    }
}

fn tell(out: Output, figures: &Figures, before: Option<&Figures>) {
    let totals = figures.totals;
    let rate = before.map(|before| (figures.announces - before.announces) / PERIOD.as_secs());
    let rate_in_words = rate.map_or_else(String::new, |rate| format!(" ({rate}/s)"));
    out.say(format!(
        "{} torrents, {} seeders, {} leechers; {} announces{rate_in_words}, {} scrapes, {} refused, \
         {} invalid",
        totals.torrents,
        totals.seeders,
        totals.leechers,
        figures.announces,
        figures.scrapes,
        figures.refused,
        figures.invalid,
    ));
    let mut event = json!(figures);
    event["event"] = json!("figures");
    event["announces_per_second"] = json!(rate);
    out.event(&event);
}

fn tell_listening(out: Output, server: &TrackerServer) {
    for (protocol, addresses) in
        [("udp", server.udp_addresses()), ("http", server.http_addresses())]
    {
        for address in addresses {
            let url = format!("{protocol}://{address}/announce");
            out.say(format!("announce to {url}"));
            out.event(&json!({
                "event": "listening",
                "protocol": protocol,
                "addr": address.to_string(),
                "url": url,
            }));
        }
    }
}

fn tell_allowed(out: Output, allowed: &AllowList) {
    out.say(format!("{} torrents are on the list", allowed.len()));
    out.event(&json!({ "event": "allow", "torrents": allowed.len() }));
}

/// The time between two lines of figures.
const PERIOD: Duration = Duration::from_secs(10);

/// So many that two threads seldom want the same.
const SHARDS_OF_THREAD: usize = 32;

/// The port that most trackers have.
const PORT: u16 = 6969;
