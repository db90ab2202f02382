//! What is asked of the world in tasks of their own: names, trackers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tinytorrent_metainfo::{Info, Metainfo};
use tinytorrent_swarm::{AnnounceOutcome, AnnounceTask, Input, PeerSource};
use tinytorrent_tracker::{AnnounceResponse, Failure};
use tinytorrent_types::InfoHashes;
use tokio::net::lookup_host;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Driver;
use super::content::{NoInfo, OpenFailure, Opened};
use crate::resources::Resources;
use crate::{Event, PeerAddress};

/// Names are given up on after this time; resolvers take 5 s for each of two tries.
const RESOLVE: Duration = Duration::from_secs(10);

/// Host names that one tracker's answer may make us look up.
const MAX_NAMED_PEERS: usize = 50;

/// What a task has found out.
pub(super) enum Found {
    Addresses {
        source: PeerSource,
        addresses: Vec<SocketAddr>,
    },
    Announced(AnnounceOutcome),
    /// Metadata that an earlier run kept, and the peers of the magnet link.
    Kept {
        metainfo: Option<Box<Metainfo>>,
        link_peers: Vec<PeerAddress>,
    },
    Metadata(Result<Arc<Info>, NoInfo>),
    Layers(Arc<Metainfo>),
    Content(Result<Box<Opened>, OpenFailure>),
    /// Files that were too long have been cut.
    Cut(Vec<Event>),
}

/// Tasks that look something up.
pub(super) struct Lookups {
    tasks: JoinSet<()>,
    found: mpsc::UnboundedSender<Found>,
    /// Tells those that cannot be dropped to end.
    pub(super) is_over: Arc<AtomicBool>,
}

impl Lookups {
    pub(super) fn new(found: mpsc::UnboundedSender<Found>) -> Self {
        Self { tasks: JoinSet::new(), found, is_over: Arc::default() }
    }

    /// Looks a peer's name up.
    pub(super) fn resolve(&mut self, source: PeerSource, host: String, port: u16) {
        self.spawn(async move {
            let lookup = lookup_host((host.as_str(), port));
            let addresses = match timeout(RESOLVE, lookup).await {
                Ok(Ok(addresses)) => addresses.collect(),
                Ok(Err(error)) => {
                    tracing::warn!(host, %error, "cannot resolve the name of a peer");
                    Vec::new()
                }
                Err(_) => {
                    tracing::warn!(host, "the name of a peer was not resolved in time");
                    Vec::new()
                }
            };
            Found::Addresses { source, addresses }
        });
    }

    /// Talks to a tracker.
    pub(super) fn announce(
        &mut self,
        client: &Arc<Resources>,
        hashes: InfoHashes,
        task: AnnounceTask,
    ) {
        let trackers = client.trackers.clone();
        self.spawn(async move {
            let AnnounceTask { id, url, request } = task;
            tracing::debug!(%url, event = ?request.event, left = ?request.left, "announcing");
            let answer = trackers.announce_all_hashes(&url, &hashes, &request).await;
            let result = answer.map_err(|error| Failure::from(&error));
            Found::Announced(AnnounceOutcome { id, result })
        });
    }

    /// Does something that blocks, or is long to compute.
    pub(super) fn work(&mut self, work: impl FnOnce() -> Found + Send + 'static) {
        let found = self.found.clone();
        // Not one of the runtime's threads, for whose end a program would wait.
        let thread = std::thread::Builder::new().name("torrent".into()).spawn(move || {
            // Nobody waits for it any more if the torrent is over.
            let _ = found.send(work());
        });
        if let Err(error) = thread {
            tracing::error!(%error, "the system gives no thread");
        }
    }

    fn spawn(&mut self, lookup: impl Future<Output = Found> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        let found = self.found.clone();
        self.tasks.spawn(async move {
            let _ = found.send(lookup.await);
        });
    }
}

impl Drop for Lookups {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Driver {
    pub(super) fn on_found(&mut self, found: Found) {
        let now = Instant::now();
        match found {
            Found::Addresses { source, addresses } => {
                self.swarm.handle_input(now, Input::PeersFound { source, addresses });
            }
            Found::Announced(outcome) => {
                if let Ok(response) = &outcome.result {
                    self.resolve_named(response);
                }
                self.swarm.handle_input(now, Input::Announced(outcome));
            }
            Found::Kept { metainfo, link_peers } => self.on_kept(now, metainfo, link_peers),
            Found::Metadata(info) => self.on_metadata(now, info),
            Found::Layers(metainfo) => self.on_layers(metainfo),
            Found::Content(opened) => self.on_content(now, opened),
            Found::Cut(files) => self.on_cut(files),
        }
    }

    /// A tracker may tell of peers by name (BEP 3).
    fn resolve_named(&mut self, response: &AnnounceResponse) {
        for peer in response.named_peers.iter().take(MAX_NAMED_PEERS) {
            self.lookups.resolve(PeerSource::Tracker, peer.host.clone(), peer.port);
        }
    }
}
