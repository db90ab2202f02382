//! The web seeds of one torrent: their connections, and what is being fetched.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use tinytorrent_metainfo::{FileIndex, Info, Layout};
use tinytorrent_net::Network;
use tinytorrent_swarm::{
    FetchKey, FetchOutcome, FetchTask, WebSeedKey, WebSeedState as EngineState, WebSeedView,
};
use tinytorrent_types::{PieceIndex, WireInfoHash};
use tinytorrent_webseed::client::{
    self, Credit, Fetch, FetchError, LocalAccess, Protocol, Reports, Settings, WebSeed,
};
use tinytorrent_webseed::{Refusal, WebSeedUrl};
use tokio::runtime::Handle;

use super::{WebSeedInfo, WebSeedProtocol, WebSeedSource, WebSeedState};
use crate::connection::{Notice, NoticeSender};

/// A report of a web seed.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) seed: WebSeedKey,
    pub(crate) report: client::Report,
}

/// The web seeds of one torrent. `None` inside until there is one.
pub(crate) struct WebSeedParts {
    entries: Vec<Entry>,
    network: Network,
    runtime: Handle,
    user_agent: Option<String>,
    /// The user has lifted the rule for local addresses.
    allows_local: bool,
    hash: WireInfoHash,
}

struct Entry {
    key: WebSeedKey,
    text: String,
    url: WebSeedUrl,
    source: WebSeedSource,
    protocol: WebSeedProtocol,
    /// Its connections, once something was fetched.
    connections: Option<WebSeed>,
    /// Fetches under way, by number.
    fetches: HashMap<u64, (FetchKey, Arc<Credit>)>,
    last_error: Option<String>,
}

/// The way of the reports of one web seed to the driver.
#[derive(Debug, Clone)]
struct Way {
    seed: WebSeedKey,
    notices: NoticeSender,
}

impl Reports for Way {
    async fn report(&self, report: client::Report) -> bool {
        self.notices.send(Notice::WebSeed(Report { seed: self.seed, report })).await.is_ok()
    }
}

/// Bytes of a whole file that are thrown away rather than to ask the server again, another way: less than comes in
/// a round trip.
const MAX_SKIP: u64 = 64 << 10;

impl WebSeedParts {
    pub(crate) fn new(
        network: Network,
        user_agent: Option<String>,
        allows_local: bool,
        hash: WireInfoHash,
    ) -> Self {
        let runtime = Handle::current();
        Self { entries: Vec::new(), network, runtime, user_agent, allows_local, hash }
    }

    /// Returns the URL of a text that names a new web seed, if it does.
    pub(crate) fn new_url(&self, text: &str, protocol: WebSeedProtocol) -> Option<WebSeedUrl> {
        let url: WebSeedUrl = match text.parse() {
            Ok(url) => url,
            Err(error) => {
                tracing::debug!(%error, "a web seed is left out");
                return None;
            }
        };
        let is_there = |entry: &Entry| entry.url == url && entry.protocol == protocol;
        (!self.entries.iter().any(is_there)).then_some(url)
    }

    pub(crate) fn add(
        &mut self,
        key: WebSeedKey,
        text: String,
        url: WebSeedUrl,
        source: WebSeedSource,
        protocol: WebSeedProtocol,
    ) {
        self.entries.push(Entry {
            key,
            text,
            url,
            source,
            protocol,
            connections: None,
            fetches: HashMap::new(),
            last_error: None,
        });
    }

    /// Removes those that fit. Returns their keys.
    pub(crate) fn remove(&mut self, fits: impl Fn(&str, WebSeedSource) -> bool) -> Vec<WebSeedKey> {
        let mut removed = Vec::new();
        self.entries.retain(|entry| {
            let is_removed = fits(&entry.text, entry.source);
            removed.extend(is_removed.then_some(entry.key));
            !is_removed
        });
        removed
    }

    /// Begins a fetch.
    pub(crate) fn fetch(&mut self, task: FetchTask, info: &Arc<Info>, notices: NoticeSender) {
        let FetchTask { key, blocks, takes_whole_files } = task;
        let Some(at) = self.entries.iter().position(|entry| entry.key == key.seed()) else {
            return;
        };
        if self.entries[at].connections.is_none() {
            let connections = self.connect(&self.entries[at], info, notices);
            self.entries[at].connections = Some(connections);
        }
        let entry = &mut self.entries[at];
        let credit = Arc::new(Credit::new(0));
        entry.fetches.insert(key.number(), (key, Arc::clone(&credit)));
        if let Some(connections) = &mut entry.connections {
            let max_skip = if takes_whole_files { u64::MAX } else { MAX_SKIP };
            connections.fetch(Fetch { id: key.number(), blocks, credit, max_skip });
        }
    }

    fn connect(&self, entry: &Entry, info: &Arc<Info>, notices: NoticeSender) -> WebSeed {
        let access = match entry.source {
            _ if self.allows_local => LocalAccess::Full,
            WebSeedSource::User => LocalAccess::Full,
            WebSeedSource::Torrent => LocalAccess::Files,
            WebSeedSource::Link => LocalAccess::Never,
        };
        let protocol = match entry.protocol {
            WebSeedProtocol::Files => Protocol::Files,
            WebSeedProtocol::Pieces => Protocol::Pieces(self.hash),
        };
        let mut settings = Settings::default();
        if let Some(name) = &self.user_agent {
            settings.user_agent(name);
        }
        // A handle of the torrent may be used on any thread.
        let _runtime = self.runtime.enter();
        let (info, url) = (Arc::clone(info), entry.url.clone());
        let way = Way { seed: entry.key, notices };
        WebSeed::new(self.network.clone(), info, url, protocol, access, settings, way)
    }

    /// Lets so many more blocks of a fetch come.
    pub(crate) fn grant(&mut self, fetch: FetchKey, blocks: u32) {
        if let Some((_, credit)) = self.fetch_of(fetch) {
            credit.grant(blocks);
        }
    }

    pub(crate) fn cancel(&mut self, fetch: FetchKey) {
        if let Some(entry) = self.entry(fetch.seed())
            && let Some((_, credit)) = entry.fetches.remove(&fetch.number())
        {
            credit.cancel();
        }
    }

    /// The key of a fetch that is under way.
    pub(crate) fn key_of(&mut self, seed: WebSeedKey, number: u64) -> Option<FetchKey> {
        self.entry(seed)?.fetches.get(&number).map(|(key, _)| *key)
    }

    /// A fetch has ended. Returns its key and the result for the engine.
    pub(crate) fn end(
        &mut self,
        seed: WebSeedKey,
        number: u64,
        outcome: Result<(), FetchError>,
        layout: &Layout,
    ) -> Option<(FetchKey, FetchOutcome)> {
        let entry = self.entry(seed)?;
        let (key, _) = entry.fetches.remove(&number)?;
        let Err(error) = outcome else { return Some((key, FetchOutcome::Complete)) };
        tracing::debug!(url = %entry.text, %error, "a web seed fails");
        let outcome = match &error {
            FetchError::Missing { file, .. } => {
                FetchOutcome::Missing { pieces: pieces_of(layout, *file) }
            }
            FetchError::Later { pause, .. } => FetchOutcome::Busy { pause: *pause },
            FetchError::Refused { refusal: Refusal::NoRanges, .. } => FetchOutcome::NoRanges,
            // It may be that of this file alone, for instance because of its name.
            FetchError::Refused { file: Some(file), .. } => {
                FetchOutcome::Missing { pieces: pieces_of(layout, *file) }
            }
            FetchError::LocalAddress(_) | FetchError::ForbiddenRedirect(_) => {
                FetchOutcome::Forbidden
            }
            _ => FetchOutcome::Failed,
        };
        // That a server sends whole files is no failure.
        if outcome != FetchOutcome::NoRanges {
            entry.last_error = Some(error.to_string());
        }
        Some((key, outcome))
    }

    /// The pieces of all files of which a wrong piece has bytes: which of them is wrong is not known.
    pub(crate) fn doubt(
        &mut self,
        seed: WebSeedKey,
        piece: PieceIndex,
        layout: &Layout,
    ) -> Vec<Range<u32>> {
        let Some(entry) = self.entry(seed) else { return Vec::new() };
        entry.last_error = Some(format!("piece {} is wrong", piece.get()));
        tracing::warn!(url = %entry.text, piece = piece.get(), "a web seed has sent wrong data");
        if entry.protocol == WebSeedProtocol::Pieces {
            return std::iter::once(0..u32::MAX).collect();
        }
        let spans = layout.piece_spans(piece).filter(|span| !span.is_pad);
        spans.map(|span| pieces_of(layout, span.file)).collect()
    }

    /// Closes the connections, if nothing is being fetched.
    pub(crate) fn rest(&mut self) {
        for entry in &mut self.entries {
            if entry.fetches.is_empty() {
                entry.connections = None;
            }
        }
    }

    /// True if reports may come.
    pub(crate) fn is_connected(&self) -> bool {
        self.entries.iter().any(|entry| entry.connections.is_some())
    }

    pub(crate) fn infos(&self, now: Instant, views: &[WebSeedView]) -> Vec<WebSeedInfo> {
        let info = |entry: &Entry| {
            let view = views.iter().find(|view| view.key == entry.key)?;
            let (state, retry_in) = match view.state {
                EngineState::Idle => (WebSeedState::Idle, None),
                EngineState::Fetching => (WebSeedState::Fetching, None),
                EngineState::Resting(until) => {
                    (WebSeedState::Resting, Some(until.saturating_duration_since(now)))
                }
                _ => (WebSeedState::Useless, None),
            };
            Some(WebSeedInfo {
                url: entry.text.clone(),
                source: entry.source,
                protocol: entry.protocol,
                state,
                downloaded: view.downloaded,
                bytes_per_second: view.bytes_per_second,
                failures: view.failures,
                retry_in,
                last_error: entry.last_error.clone(),
            })
        };
        self.entries.iter().filter_map(info).collect()
    }

    fn entry(&mut self, seed: WebSeedKey) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == seed)
    }

    fn fetch_of(&mut self, fetch: FetchKey) -> Option<&mut (FetchKey, Arc<Credit>)> {
        self.entry(fetch.seed())?.fetches.get_mut(&fetch.number())
    }
}

/// The pieces with bytes of a file.
fn pieces_of(layout: &Layout, file: FileIndex) -> Range<u32> {
    let mut pieces = layout.file_pieces(file);
    let first = pieces.next();
    let last = pieces.next_back().or(first);
    first.zip(last).map_or(0..0, |(first, last)| first.get()..last.get() + 1)
}
