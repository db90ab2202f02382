//! The client of the programs that drive one: its options, and reports of its events.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::json;
use tinytorrent_client::{
    Client, ClientOptions, Encryption, Event, MemoryStats, State, Stats, SwarmEvent, Torrent,
    TorrentError, TorrentOptions,
};
use tinytorrent_metainfo::Info;
use tinytorrent_types::InfoHashes;
use tokio::time::MissedTickBehavior;

use crate::{Failure, NetworkOptions, Output, Told, Words, read_block_list, tell_block_list};

/// Starts a client with these options.
///
/// # Errors
///
/// The client cannot be started, for instance because its address is in use, or the list of blocked addresses cannot be
/// read.
pub fn start_client(network: &NetworkOptions) -> Result<Client, Failure> {
    start_client_with(client_options(network)?)
}

/// Starts a client with these settings.
///
/// # Errors
///
/// The client cannot be started, for instance because its address is in use.
pub fn start_client_with(options: ClientOptions) -> Result<Client, Failure> {
    Client::start(options).map_err(|error| Failure::could_not("cannot start", &error))
}

/// The settings of a client that these options mean.
///
/// # Errors
///
/// The list of blocked addresses cannot be read, or the proxy cannot do what is asked of it.
pub fn client_options(network: &NetworkOptions) -> Result<ClientOptions, Failure> {
    let mut options = ClientOptions::default();
    if let Some(address) = network.listen {
        options.listen(address);
    }
    options.bind(network.ways.bind.clone().unwrap_or_default()).proxy(network.ways.proxy.clone());
    if network.proxy_udp {
        if network.ways.proxy.as_ref().is_some_and(|proxy| !proxy.may_relay()) {
            let error = io::Error::other(
                "an HTTP proxy relays no datagrams; leave it out, or name a socks5:// proxy",
            );
            return Err(Failure::invalid_input("--proxy-udp", &error));
        }
        options.relay_datagrams(true);
    }
    if let Some(memory) = network.memory {
        options.memory(memory);
    }
    options
        .dht(!network.no_dht)
        .lsd(!network.no_lsd)
        .port_mapping(!network.no_port_mapping)
        .utp(!network.no_utp)
        .tcp(!network.no_tcp);
    for node in &network.dht_nodes {
        options.dht_node(node.clone());
    }
    options.allow_local_addresses(network.allow_local_trackers);
    options.encryption(match network.encryption {
        crate::Encryption::Off => Encryption::Off,
        crate::Encryption::Prefer => Encryption::Prefer,
        crate::Encryption::Require => Encryption::Require,
    });
    if let Some(path) = &network.block {
        let list = read_block_list(path)?;
        // A slip in it would have us speak to whom the user avoids.
        let told = tell_block_list(path, &list);
        match list.report.bad {
            0 => tracing::info!("{told}"),
            _ => tracing::warn!("{told}"),
        }
        options.filter(Some(Arc::new(list.ranges)));
    }
    Ok(options)
}

/// Ends a client whose torrents have stopped: the router forgets the ports that it has mapped.
pub async fn close(client: &Client) {
    client.shutdown(Duration::from_secs(2)).await;
}

/// Prints the listening addresses of the client.
pub fn tell_listening(out: &Output, addresses: &[SocketAddr]) {
    for address in addresses {
        out.say(format!("listening at {address}"));
        out.event(&json!({ "event": "listening", "addr": address.to_string() }));
    }
}

/// Applies the options to a torrent.
pub fn apply_network(options: &mut TorrentOptions, network: &NetworkOptions) {
    options
        .without_trackers(network.no_trackers)
        .exchange(!network.no_pex)
        .tracker_exchange(!network.no_tracker_exchange)
        .web_seeds(!network.no_web_seeds)
        .download_limit(network.limit_down)
        .upload_limit(network.limit_up);
    if !network.no_trackers {
        for url in &network.trackers {
            options.tracker(url);
        }
    }
    for url in &network.web_seeds {
        options.web_seed(url.as_str());
    }
    if let Some(count) = network.max_peers {
        options.max_peers(count);
    }
}

/// Returns the info-hashes as JSON: a string for each, or null.
pub fn hashes_json(hashes: &InfoHashes) -> [serde_json::Value; 2] {
    let v1 = hashes.v1().map(|hash| hash.to_string());
    let v2 = hashes.v2().map(|hash| hash.to_string());
    [v1.into(), v2.into()]
}

/// The memory that is held for other hosts, in bytes by kind, and the budget for it.
fn memory_json(memory: &MemoryStats) -> serde_json::Value {
    json!({
        "budget": memory.budget,
        "receive": memory.receive,
        "metadata": memory.metadata,
        "frames": memory.frames,
        "send": memory.send,
        "read": memory.read,
    })
}

/// A printer of the events of a torrent: in words with a progress bar, or as JSON.
#[derive(Debug)]
pub struct Reporter {
    out: Output,
    bar: ProgressBar,
    tracker_failure: RefCell<Option<String>>,
}

impl Reporter {
    /// Makes a reporter that has printed nothing.
    pub fn new(out: Output) -> Self {
        let bar = out.progress_bar(0);
        Self { out, bar, tracker_failure: RefCell::default() }
    }

    /// The last error of a tracker, with its URL.
    pub fn tracker_failure(&self) -> Option<String> {
        self.tracker_failure.borrow().clone()
    }

    /// Interval at which figures are printed.
    pub fn interval(&self) -> Duration {
        // A bar should move smoothly, and programs get a line each second.
        if self.bar.is_hidden() { Duration::from_secs(1) } else { Duration::from_millis(100) }
    }

    /// Prints an event, if it is of interest.
    pub fn event(&self, event: &Event) {
        if let Event::Swarm(SwarmEvent::TrackerFailed { url, failure }) = event {
            self.tracker_failure.replace(Some(format!("tracker {url}: {failure}")));
        }
        Told::of(event).iter().for_each(|told| self.tell(told));
    }

    /// Prints the metadata.
    pub fn metadata(&self, info: &Info) {
        self.tell(&Told::metadata(info));
    }

    fn tell(&self, told: &Told) {
        match &told.words {
            Words::Line(line) => self.say(line),
            Words::Warning(text) => self.bar.suspend(|| tracing::warn!("{text}")),
            Words::Detail(text) => self.bar.suspend(|| tracing::info!("{text}")),
        }
        if let Some(event) = &told.event {
            self.out.event(event);
        }
    }

    /// Prints the present figures. The total is the number of bytes at the end of the download, and
    /// null while the metadata is unknown.
    pub fn progress(&self, torrent: &Torrent, stats: &Stats) {
        let state = torrent.state();
        let total = match state {
            State::FetchingMetadata => None,
            State::Checking => torrent.info().map(|info| info.geometry().total_payload()),
            _ => Some(stats.have_bytes + stats.wanted_left),
        };
        self.bar.set_length(total.unwrap_or_default());
        self.bar.set_position(stats.have_bytes);
        self.bar.set_message(match state {
            State::FetchingMetadata => format!("metadata, {} peers", stats.peers),
            State::Checking => "checking".to_owned(),
            _ => format!("{} peers", stats.peers),
        });
        self.out.event(&json!({
            "event": "progress",
            "bytes": stats.have_bytes,
            "total": total,
            "down_rate": stats.download_rate,
            "up_rate": stats.upload_rate,
            "peers": stats.peers,
            "seeds": stats.seeds,
            "memory": memory_json(&torrent.client().memory()),
        }));
    }

    /// Prints a line for people, above the bar.
    pub fn say(&self, line: impl AsRef<str>) {
        self.bar.suspend(|| self.out.say(line));
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Prints events and figures until all wanted pieces are there.
///
/// # Errors
///
/// The torrent fails, its disk fails, or the output cannot be written.
pub async fn follow(torrent: &Torrent, reporter: &Reporter) -> Result<(), Failure> {
    let result = tokio::select! {
        biased;
        result = report(torrent, reporter) => result,
        result = torrent.finished() => result.map_err(|error| could_not(&error)),
    };
    result?;
    tell_progress(torrent, reporter).await;
    Ok(())
}

/// Prints events and figures until the torrent ends.
///
/// # Errors
///
/// The torrent fails, its disk fails, or the output cannot be written.
pub async fn report(torrent: &Torrent, reporter: &Reporter) -> Result<(), Failure> {
    let mut events = torrent.events();
    let mut tick = tokio::time::interval(reporter.interval());
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Swarm(SwarmEvent::Paused { error })) => {
                    return Err(Failure::CouldNot(error.to_string()));
                }
                Some(event) => reporter.event(&event),
                None => return torrent.finished().await.map_err(|error| could_not(&error)),
            },
            _ = tick.tick() => {
                tell_progress(torrent, reporter).await;
                reporter.out.check()?;
            }
        }
    }
}

/// Prints the present figures.
async fn tell_progress(torrent: &Torrent, reporter: &Reporter) {
    let stats = torrent.stats();
    reporter.progress(torrent, &stats);
}

fn could_not(error: &TorrentError) -> Failure {
    match error {
        TorrentError::Metadata(_) => Failure::invalid_input("no valid torrent", error),
        _ => Failure::could_not("it failed", error),
    }
}

/// Prints the result of a download, in words and as the last event.
pub fn tell_finished(
    out: &Output,
    torrent: &Torrent,
    folder: &Path,
    stats: &Stats,
    took: Duration,
) {
    let told = Told::finished(torrent, folder, stats, took);
    if let Words::Line(line) = &told.words {
        out.say(line);
    }
    if let Some(event) = &told.event {
        out.event(event);
    }
}
