//! Blocks from web servers, on tokio.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the driver, which reads clocks and owns sockets"
)]

mod body;
mod buffers;
mod connect;
mod connection;
mod credit;
mod fetch;
mod item;
mod learned;
mod line;
mod request;
mod responses;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tinytorrent_metainfo::{FileIndex, Info};
use tinytorrent_net::Network;
use tinytorrent_types::{BlockInfo, WireInfoHash};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use self::credit::Credit;
use self::learned::Learned;
use self::worker::Worker;
use crate::{Refusal, WebSeedUrl};

/// Settings of a [`WebSeed`].
///
/// # Defaults
/// - 3 connections.
/// - 64 requests on their way on each, to servers that keep connections.
/// - 15 seconds to connect, and 30 for the next byte.
/// - 5 redirects in a row.
#[derive(Debug, Clone)]
pub struct Settings {
    connections: usize,
    pipeline: usize,
    connect_timeout: Duration,
    read_timeout: Duration,
    max_redirects: u8,
    user_agent: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: 3,
            pipeline: 64,
            connect_timeout: Duration::from_secs(15),
            read_timeout: Duration::from_secs(30),
            max_redirects: 5,
            user_agent: concat!("tinytorrent/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Settings {
    /// Connections at a time at most, at least one. More are a burden that few servers welcome. Default: 3.
    pub fn connections(&mut self, count: usize) -> &mut Self {
        self.connections = count.max(1);
        self
    }

    /// Requests on their way on one connection at most, at least one. Default: 64.
    pub fn pipeline(&mut self, count: usize) -> &mut Self {
        self.pipeline = count.max(1);
        self
    }

    /// The time to connect, TLS included. Default: 15 s.
    pub fn connect_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.connect_timeout = timeout;
        self
    }

    /// The time in which the next byte has to come. Default: 30 s.
    pub fn read_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.read_timeout = timeout;
        self
    }

    /// Redirects of one file in a row at most. Default: 5.
    pub fn max_redirects(&mut self, count: u8) -> &mut Self {
        self.max_redirects = count;
        self
    }

    /// The name that is sent as `User-Agent`; none is sent if it is empty. Default: tinytorrent and its version.
    pub fn user_agent(&mut self, name: impl Into<String>) -> &mut Self {
        self.user_agent = name.into();
        self
    }
}

/// The requests that may go to local addresses: loopback, link-local, private, and all others that the public
/// internet does not route.
///
/// Anybody can write a URL into a torrent, and whoever opens it sends a request there from inside his own network
/// (server-side request forgery).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalAccess {
    /// All: the URL is the user's own, or the user has lifted the rule.
    Full,
    /// Those without a query and without credentials, and never behind a redirect: a server in the same network may
    /// have the files. The rule is that of `ssrf_mitigation` in libtorrent.
    Files,
    /// None: the URL comes from a link, which anybody can make the user click.
    Never,
}

/// The protocol of a web seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Ranges of files (BEP 19).
    Files,
    /// Ranges of pieces of the torrent with this hash (BEP 17).
    Pieces(WireInfoHash),
}

/// Blocks to be fetched in one go.
#[derive(Debug)]
pub struct Fetch {
    /// A name for it, which comes back in its reports.
    pub id: u64,
    /// The blocks, in the order in which they come. Neighbours become one request.
    pub blocks: Vec<BlockInfo>,
    /// The blocks that may be reported. While there are none, nothing is read.
    pub credit: Arc<Credit>,
    /// Bytes of a file that may be read and thrown away to come to the blocks, where the server takes no ranges.
    pub max_skip: u64,
}

/// A report about a [`Fetch`].
#[derive(Debug)]
pub enum Report {
    /// Blocks that have come, unverified.
    Blocks {
        /// The fetch.
        fetch: u64,
        /// The blocks with their bytes.
        blocks: Vec<(BlockInfo, Bytes)>,
    },
    /// All blocks have been reported, or no more will be.
    Ended {
        /// The fetch.
        fetch: u64,
        /// The outcome.
        outcome: Result<(), FetchError>,
    },
}

/// The reason for which a [`Fetch`] ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The server does not have this file, or another one in its place.
    #[error("the server does not have file {} (status {status})", file.get())]
    Missing {
        /// The file.
        file: FileIndex,
        /// The status of the response.
        status: u16,
    },
    /// The server wants to be left alone for now.
    #[error("the server is busy (status {status})")]
    Later {
        /// The status of the response.
        status: u16,
        /// The time to wait, if the server says it.
        pause: Option<Duration>,
    },
    /// The response is of no use.
    #[error("{refusal}")]
    Refused {
        /// The file that was asked for; `None` if it was a piece.
        file: Option<FileIndex>,
        /// The reason.
        refusal: Refusal,
    },
    /// A redirect that is not followed: there were too many, or it leads to another protocol, from TLS to plain text,
    /// or into the local network.
    #[error("a redirect to {0} is not followed")]
    ForbiddenRedirect(String),
    /// A stranger's URL leads to a local address.
    #[error("{0} is at a local address, which only the user may name")]
    LocalAddress(String),
    /// The connection failed, or what came over it is no HTTP.
    #[error("{0}")]
    Network(String),
}

/// The receiver of reports. It may wait, and while it does nothing is read from that connection.
pub trait Reports: Clone + Send + Sync + 'static {
    /// Takes in a report. Returns false if nobody wants any more of them.
    fn report(&self, report: Report) -> impl Future<Output = bool> + Send;
}

impl Reports for mpsc::Sender<Report> {
    async fn report(&self, report: Report) -> bool {
        self.send(report).await.is_ok()
    }
}

/// One web seed of one torrent: its connections, and what is known of the server.
///
/// Nothing is connected before the first fetch, and connections that are not used for a while are closed. Dropping it
/// ends all fetches.
#[derive(Debug)]
pub struct WebSeed {
    workers: Vec<mpsc::UnboundedSender<Fetch>>,
    /// Fetches of each worker that have been begun, and may be over by now.
    credits: Vec<Vec<Arc<Credit>>>,
    #[expect(dead_code, reason = "dropping it ends the workers")]
    tasks: JoinSet<()>,
}

/// The part of a web seed that its workers share.
#[derive(Debug)]
struct Shared {
    network: Network,
    info: Arc<Info>,
    url: WebSeedUrl,
    protocol: Protocol,
    access: LocalAccess,
    settings: Settings,
    learned: Mutex<Learned>,
}

impl Shared {
    /// Requests that may be on their way on one connection. One, as long as it is not known that the server keeps
    /// connections.
    fn pipeline_depth(&self) -> usize {
        let learned = self.learned();
        let is_deep = learned.keeps_alive && !learned.refuses_pipelines;
        if is_deep { self.settings.pipeline } else { 1 }
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        // Nothing panics under the lock.
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WebSeed {
    /// A web seed of a torrent. Has to be called within a runtime.
    pub fn new(
        network: Network,
        info: Arc<Info>,
        url: WebSeedUrl,
        protocol: Protocol,
        access: LocalAccess,
        settings: Settings,
        reports: impl Reports,
    ) -> Self {
        let connections = settings.connections;
        let learned = Mutex::default();
        let shared = Arc::new(Shared { network, info, url, protocol, access, settings, learned });
        let mut tasks = JoinSet::new();
        let mut workers = Vec::new();
        for _ in 0..connections {
            let (sender, fetches) = mpsc::unbounded_channel();
            tasks.spawn(Worker::new(Arc::clone(&shared), fetches, reports.clone()).run());
            workers.push(sender);
        }
        Self { credits: vec![Vec::new(); workers.len()], workers, tasks }
    }

    /// Begins a fetch, on the connection with the fewest of them.
    pub fn fetch(&mut self, fetch: Fetch) {
        // A fetch that is over has dropped its credit, and only we have it.
        for credits in &mut self.credits {
            credits.retain(|credit| Arc::strong_count(credit) > 1 && !credit.is_cancelled());
        }
        let least = (0..self.workers.len()).min_by_key(|&at| self.credits[at].len());
        if let Some(at) = least {
            self.credits[at].push(Arc::clone(&fetch.credit));
            // Fails if nobody takes reports any more.
            let _ = self.workers[at].send(fetch);
        }
    }
}
