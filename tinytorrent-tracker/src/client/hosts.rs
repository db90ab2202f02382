//! What requests to one HTTP server share: turns, and connections.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::SendRequest;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Error, ErrorKind, Phase, Route};
use crate::{Scheme, TrackerUrl};

/// The servers that are being asked, or were a moment ago.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    hosts: Mutex<HashMap<Key, Arc<Host>>>,
}

type Key = (Scheme, String, u16);

/// A server. Whoever asks it, or waits for that, holds it.
#[derive(Debug)]
pub(super) struct Host {
    /// Requests under way, and those that wait for their turns.
    asking: AtomicUsize,
    turns: Semaphore,
    /// Turns of those that cannot wait behind the others.
    urgent_turns: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

/// The turn of a request, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _permit: SemaphorePermit<'a>,
    _asking: Asking<'a>,
}

/// A request that is counted.
#[derive(Debug)]
struct Asking<'a>(&'a AtomicUsize);

impl<'a> Asking<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that has had its answer.
#[derive(Debug)]
struct Idle {
    connection: Connection,
    until: Instant,
}

/// An open connection. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sender: SendRequest<Empty<Bytes>>,
    /// The address that was connected to; `None` through a proxy.
    pub(super) peer: Option<SocketAddr>,
    /// The task that reads and writes.
    #[expect(dead_code, reason = "dropping it closes the connection")]
    pub(super) task: JoinSet<()>,
}

/// Requests to a server at a time. libtorrent has 50 over all servers; with a connection for each, this many ask for a
/// thousand torrents within seconds.
const AT_A_TIME: usize = 8;

/// Time that a request waits for its turn at most. The schedule gives up an announce after ten minutes.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Time that a connection is kept for the next request: that of a burst. Descriptors are few, and the same torrent is
/// announced again after half an hour.
const IDLE: Duration = Duration::from_secs(10);

/// Servers that are remembered before those without requests are forgotten.
const MOST_HOSTS: usize = 32;

impl Hosts {
    /// The server of this URL.
    pub(super) fn of(&self, url: &TrackerUrl) -> Arc<Host> {
        let mut hosts = lock(&self.hosts);
        if hosts.len() >= MOST_HOSTS {
            hosts.retain(|_, host| Arc::strong_count(host) > 1 || !lock(&host.idle).is_empty());
        }
        let key = (url.scheme(), url.host_to_resolve().to_owned(), url.port());
        Arc::clone(hosts.entry(key).or_insert_with(|| Arc::new(Host::new())))
    }
}

impl Host {
    fn new() -> Self {
        Self {
            asking: AtomicUsize::new(0),
            turns: Semaphore::new(AT_A_TIME),
            urgent_turns: Semaphore::new(AT_A_TIME),
            idle: Mutex::default(),
        }
    }

    /// Waits for a turn, first come, first served.
    ///
    /// # Errors
    /// There were too many before.
    pub(super) async fn turn(&self, url: &TrackerUrl, is_urgent: bool) -> Result<Turn<'_>, Error> {
        let asking = Asking::new(&self.asking);
        let turns = if is_urgent { &self.urgent_turns } else { &self.turns };
        match timeout(PATIENCE, turns.acquire()).await {
            Ok(Ok(permit)) => Ok(Turn { _permit: permit, _asking: asking }),
            // Nobody closes it.
            Ok(Err(_)) | Err(_) => Err(Error::new(url, Phase::Turn, ErrorKind::TimedOut)),
        }
    }

    /// True if others than the caller ask this server or wait for it, so that a connection is worth keeping.
    pub(super) fn has_others(&self) -> bool {
        self.asking.load(Ordering::Relaxed) > 1
    }

    /// A connection on this route that waits for a request.
    pub(super) fn take(&self, route: &Route) -> Option<Connection> {
        let now = Instant::now();
        let is_on_route = |idle: &Idle| match (route, idle.connection.peer) {
            (Route::Proxied, peer) => peer.is_none(),
            (Route::Direct { .. }, peer) => peer.is_some_and(|peer| route.leads_to(peer)),
        };
        let mut idle = lock(&self.idle);
        idle.retain(|idle| idle.until > now && !idle.connection.sender.is_closed());
        let at = idle.iter().rposition(is_on_route)?;
        Some(idle.swap_remove(at).connection)
    }

    /// Keeps a connection for the next request, for some seconds.
    pub(super) fn keep(self: &Arc<Self>, connection: Connection) {
        let mut idle = lock(&self.idle);
        if idle.len() >= AT_A_TIME {
            return;
        }
        let is_first = idle.is_empty();
        idle.push(Idle { connection, until: Instant::now() + IDLE });
        drop(idle);
        if is_first {
            tokio::spawn(expire(Arc::downgrade(self)));
        }
    }

    /// Closes connections that have waited long enough. Returns when to look again.
    fn close_old(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut idle = lock(&self.idle);
        idle.retain(|idle| idle.until > now);
        idle.iter().map(|idle| idle.until).min()
    }
}

/// Closes the connections of a server, each in its time, until none waits.
async fn expire(host: Weak<Host>) {
    let mut next = Instant::now() + IDLE;
    loop {
        sleep_until(next).await;
        let Some(host) = host.upgrade() else { return };
        match host.close_old() {
            Some(at) => next = at,
            None => return,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
