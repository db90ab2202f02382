use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tinytorrent_types::WireInfoHash;

use super::{MAX_SCRAPE_HASHES, Request, RequestBody};
use crate::AnnounceRequest;

mod config;
mod endpoint;
mod invariants;
mod pending;
mod receive;

pub use config::{ExchangeConfig, ExchangeError, ExchangeStats, Reply, RequestId};
use endpoint::{Connection, Endpoint};
use pending::{Body, Pending, Phase};

/// The exchange of datagrams with UDP trackers over one socket (BEP 15), without the socket and
/// the clock.
///
/// Many trackers and torrents share one exchange. A reply is matched with its request by the
/// tracker's address and the transaction id. A request without a fresh connection id waits for a
/// connect reply, which it shares with other requests to the same tracker. A lost datagram is sent
/// again after 15 · 2^n seconds, where n counts connects and requests together.
///
/// Each socket, and so each family, needs an exchange of its own, since a connection id is bound
/// to the address that requested it.
///
/// ```text
///            fresh id                       reply
///  start ───────────────▶ sent ──────────────────────────────▶ outcome
///    │                     │ ▲ again after 15·2^n                 ▲
///    │ no fresh id         │ │                                    │
///    ▼                     ▼ │ connect reply                      │
///  waiting for an id ◀─────┘─┘    (n exhausted, refused) ─────────┘
///    └─ connect again after 15·2^n
/// ```
///
/// 1. `start_announce`, `start_scrape`, `handle_datagram` and `handle_timeout` put something in.
/// 2. After each, drain `poll_transmit` and `poll_outcome`.
/// 3. Sleep until `poll_timeout`, then `handle_timeout`.
///
/// ```
/// use std::time::Instant;
/// use tinytorrent_tracker::AnnounceRequest;
/// use tinytorrent_tracker::udp::{Exchange, ExchangeConfig};
/// use tinytorrent_types::{PeerId, WireInfoHash};
///
/// let mut exchange = Exchange::new(ExchangeConfig::new([7; 32]));
/// let now = Instant::now();
/// let torrent = WireInfoHash::from_bytes([1; 20]);
/// let request = AnnounceRequest::new(torrent, PeerId::generate(*b"abcdefghijkl"), 6881, 99);
/// let id = exchange.start_announce(now, "127.0.0.1:6969".parse()?, &request, b"/announce");
///
/// let mut datagram = Vec::new();
/// while let Some(tracker) = exchange.poll_transmit(&mut datagram) {
///     // socket.send_to(&datagram, tracker)
///     assert_eq!(datagram.len(), 16);
/// }
/// // exchange.handle_datagram(now, from, &received);
/// while let Some((id, outcome)) = exchange.poll_outcome() {
///     println!("{id:?}: {outcome:?}");
/// }
/// let wake_at = exchange.poll_timeout();
/// # assert!(wake_at.is_some());
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Exchange {
    config: ExchangeConfig,
    rng: StdRng,
    next_id: u64,
    pending: HashMap<RequestId, Pending>,
    /// Trackers by canonical address, as long as a request is pending or the id is fresh.
    endpoints: HashMap<SocketAddr, Endpoint>,
    /// The owner of each transaction id that a reply may still carry.
    transactions: HashMap<u32, Transaction>,
    timers: BTreeSet<(Instant, Timer)>,
    transmits: VecDeque<Transaction>,
    outcomes: VecDeque<(RequestId, Result<Reply, ExchangeError>)>,
    stats: ExchangeStats,
}

impl Exchange {
    /// An exchange without requests.
    pub fn new(config: ExchangeConfig) -> Self {
        Self {
            rng: StdRng::from_seed(config.seed),
            config,
            next_id: 0,
            pending: HashMap::new(),
            endpoints: HashMap::new(),
            transactions: HashMap::new(),
            timers: BTreeSet::new(),
            transmits: VecDeque::new(),
            outcomes: VecDeque::new(),
            stats: ExchangeStats::default(),
        }
    }

    /// Starts an announce to the tracker at this address. `path_and_query` of its URL are sent as
    /// options (BEP 41).
    pub fn start_announce(
        &mut self,
        now: Instant,
        tracker: SocketAddr,
        request: &AnnounceRequest,
        path_and_query: &[u8],
    ) -> RequestId {
        let body = Body::Announce { announce: request.into(), url: path_and_query.to_vec() };
        self.start(now, tracker, body)
    }

    /// Starts a scrape of swarms at the tracker at this address. Takes the first
    /// [`MAX_SCRAPE_HASHES`] info-hashes; others need further requests.
    pub fn start_scrape(
        &mut self,
        now: Instant,
        tracker: SocketAddr,
        info_hashes: &[WireInfoHash],
    ) -> RequestId {
        let taken = &info_hashes[..info_hashes.len().min(MAX_SCRAPE_HASHES)];
        self.start(now, tracker, Body::Scrape(taken.to_vec()))
    }

    /// Cancels a request, which then has no outcome. Changes nothing if the request is over.
    pub fn cancel(&mut self, id: RequestId) {
        self.remove(id);
    }

    /// Clears `out`, writes the next datagram into it, and returns its destination.
    ///
    /// New datagrams can be due after `start_*`, `handle_datagram` and `handle_timeout`.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> Option<SocketAddr> {
        while let Some(next) = self.transmits.pop_front() {
            out.clear();
            let target = match next {
                Transaction::Connect(address) => self.write_connect(address, out),
                Transaction::Request(id) => self.write_request(id, out),
            };
            // There is none if the request has been cancelled since.
            if target.is_some() {
                self.stats.sent += 1;
                return target;
            }
        }
        None
    }

    /// The outcome of the next request that is over.
    ///
    /// New outcomes can be due after `handle_datagram` and `handle_timeout`.
    pub fn poll_outcome(&mut self) -> Option<(RequestId, Result<Reply, ExchangeError>)> {
        self.outcomes.pop_front()
    }

    /// The deadline for [`handle_timeout`](Self::handle_timeout). Every other call can change it.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Sends datagrams again that got no reply, and ends requests that have been sent often
    /// enough. A call before the deadline changes nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, timer)) = self.timers.first()
            && at <= now
        {
            self.timers.remove(&(at, timer));
            match timer {
                Timer::Retransmit(id) => self.on_retransmit(now, id),
                Timer::ForgetConnection(address) => self.on_forget(now, address),
            }
        }
    }

    /// Counters of datagrams since the start.
    pub fn stats(&self) -> ExchangeStats {
        self.stats
    }

    /// The number of requests without an outcome.
    pub fn pending_requests(&self) -> usize {
        self.pending.len()
    }

    fn start(&mut self, now: Instant, tracker: SocketAddr, body: Body) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        let transaction_id = self.new_transaction(Transaction::Request(id));
        let pending = Pending::new(tracker, body, transaction_id);
        self.endpoints.entry(pending.address).or_default().requests += 1;
        self.pending.insert(id, pending);
        self.advance(now, id);
        id
    }

    /// Sends the request if there is a fresh connection id, and a connect otherwise. Sets the
    /// deadline for the next retransmission.
    fn advance(&mut self, now: Instant, id: RequestId) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        let Some(endpoint) = self.endpoints.get_mut(&pending.address) else { return };
        if endpoint.fresh_connection(now).is_some() {
            pending.phase = Phase::Sent;
            self.transmits.push_back(Transaction::Request(id));
        } else {
            pending.phase = Phase::Waiting;
            endpoint.waiting.insert(id);
            let address = pending.address;
            self.connect(now, address);
        }
        self.set_deadline(now, id);
    }

    /// Sends a connect, unless one is in flight for another request to the same tracker.
    fn connect(&mut self, now: Instant, address: SocketAddr) {
        let first_timeout = self.config.timeout(0);
        let Some(endpoint) = self.endpoints.get_mut(&address) else { return };
        match &mut endpoint.connection {
            // Each waiting request comes here at its own deadlines; a thousand of them must not
            // flood the tracker.
            Connection::Asking { asked_at, .. } if now < *asked_at + first_timeout => return,
            // The transaction id stays, so that a late reply to the first connect is still taken.
            Connection::Asking { asked_at, .. } => *asked_at = now,
            Connection::None | Connection::Open { .. } => {
                let transaction_id = self.new_transaction(Transaction::Connect(address));
                if let Some(endpoint) = self.endpoints.get_mut(&address) {
                    endpoint.connection = Connection::Asking { transaction_id, asked_at: now };
                }
            }
        }
        self.transmits.push_back(Transaction::Connect(address));
    }

    fn set_deadline(&mut self, now: Instant, id: RequestId) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        if let Some(old) = pending.deadline.take() {
            self.timers.remove(&(old, Timer::Retransmit(id)));
        }
        let deadline = now + self.config.timeout(pending.retransmits);
        pending.deadline = Some(deadline);
        self.timers.insert((deadline, Timer::Retransmit(id)));
    }

    fn on_retransmit(&mut self, now: Instant, id: RequestId) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        pending.deadline = None;
        if pending.retransmits >= self.config.max_retransmits {
            let error = pending.timed_out();
            self.finish(id, Err(error));
        } else {
            pending.retransmits += 1;
            self.advance(now, id);
        }
    }

    fn on_forget(&mut self, now: Instant, address: SocketAddr) {
        // A newer id may have replaced the one that this deadline was set for.
        if let Some(endpoint) = self.endpoints.get_mut(&address)
            && endpoint.fresh_connection(now).is_none()
            && matches!(endpoint.connection, Connection::Open { .. })
        {
            endpoint.connection = Connection::None;
        }
        self.drop_if_idle(address);
    }

    fn finish(&mut self, id: RequestId, outcome: Result<Reply, ExchangeError>) {
        if self.remove(id) {
            self.outcomes.push_back((id, outcome));
        }
    }

    fn remove(&mut self, id: RequestId) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        self.transactions.remove(&pending.transaction_id);
        if let Some(deadline) = pending.deadline {
            self.timers.remove(&(deadline, Timer::Retransmit(id)));
        }
        if let Some(endpoint) = self.endpoints.get_mut(&pending.address) {
            endpoint.requests -= 1;
            endpoint.waiting.remove(&id);
            // Without a waiting request the connect reply is of no use.
            if endpoint.waiting.is_empty()
                && let Connection::Asking { transaction_id, .. } = endpoint.connection
            {
                endpoint.connection = Connection::None;
                self.transactions.remove(&transaction_id);
            }
        }
        self.drop_if_idle(pending.address);
        true
    }

    fn drop_if_idle(&mut self, address: SocketAddr) {
        if self.endpoints.get(&address).is_some_and(Endpoint::is_idle) {
            self.endpoints.remove(&address);
        }
    }

    fn new_transaction(&mut self, owner: Transaction) -> u32 {
        // Random, since a forged reply has to carry it (BEP 15, "UDP connections / spoofing").
        loop {
            let id = self.rng.next_u32();
            if let std::collections::hash_map::Entry::Vacant(free) = self.transactions.entry(id) {
                free.insert(owner);
                return id;
            }
        }
    }

    fn write_connect(&self, address: SocketAddr, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let endpoint = self.endpoints.get(&address)?;
        let Connection::Asking { transaction_id, .. } = endpoint.connection else { return None };
        Request { transaction_id, body: RequestBody::Connect }.write(out);
        // The key of the endpoint is canonical; the socket gets the address that the caller gave.
        let waiting = endpoint.waiting.first()?;
        self.pending.get(waiting).map(|pending| pending.target)
    }

    fn write_request(&self, id: RequestId, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let pending = self.pending.get(&id)?;
        let Connection::Open { id, .. } = self.endpoints.get(&pending.address)?.connection else {
            return None;
        };
        pending.write(id, out);
        Some(pending.target)
    }
}

/// The owner of a transaction id, and of a datagram to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    Connect(SocketAddr),
    Request(RequestId),
}

/// The action at a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Sends a request again, or the connect that it waits for.
    Retransmit(RequestId),
    /// Drops a connection id that is too old.
    ForgetConnection(SocketAddr),
}

/// The time for which a client may use a connection id (BEP 15, "UDP connections / spoofing").
const CONNECTION_LIFE: Duration = Duration::from_secs(60);

/// The canonical form of an address, without IPv4 mapped into IPv6, and without flow info.
fn canonical(address: SocketAddr) -> SocketAddr {
    // A dual-stack socket gives the source of an IPv4 datagram in the mapped form.
    match (address.ip().to_canonical(), address) {
        (std::net::IpAddr::V6(ip), SocketAddr::V6(full)) => {
            SocketAddr::V6(std::net::SocketAddrV6::new(ip, full.port(), 0, full.scope_id()))
        }
        (ip, _) => SocketAddr::new(ip, address.port()),
    }
}

#[cfg(test)]
mod tests;
