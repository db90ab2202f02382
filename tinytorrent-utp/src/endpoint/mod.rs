//! All connections of a socket: the application's side. Datagrams come and go in the files beside this one.

mod budget;
mod incoming;
mod outgoing;

use std::collections::{HashMap, VecDeque};
use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use budget::Budget;
use outgoing::Reply;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::connection::{Connection, Ids, Moment, News};
use crate::half_open::HalfOpen;
use crate::table::Table;
use crate::timers::Timers;
use crate::{
    ConnectError, ConnectionId, ConnectionStats, EndpointConfig, EndpointStats, Event, Failure,
    SeqNr, StreamError,
};

/// Any number of connections over one socket, without the socket.
///
/// Datagrams come in by [`handle_datagram`](Self::handle_datagram), and time by
/// [`handle_timeout`](Self::handle_timeout). After each call that takes `now`, the driver sends what
/// [`poll_transmit`](Self::poll_transmit) gives until it gives nothing, takes new connections from
/// [`accept`](Self::accept) and news from [`poll_event`](Self::poll_event), and sleeps until
/// [`poll_timeout`](Self::poll_timeout).
///
/// Datagrams that the socket has at once are best handed over one after the other before the first `poll_transmit`:
/// then each connection acknowledges once (P-38).
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
    rng: StdRng,
    clock: Clock,
    table: Table<Connection>,
    /// Connections by the address of the other end and by the id in packets to us.
    keys: HashMap<(SocketAddr, u16), ConnectionId>,
    /// Attempts to connect by address, the last one of each.
    connecting: HashMap<SocketAddr, ConnectionId>,
    half_open: HalfOpen,
    timers: Timers,
    budget: Budget,
    queues: Queues,
    stats: EndpointStats,
}

/// Lines of work; a connection stands in each at most once.
#[derive(Debug, Default)]
struct Queues {
    /// Connections that may have something to send.
    sending: VecDeque<ConnectionId>,
    /// Packets of no connection.
    replies: VecDeque<Reply>,
    /// Connections with news.
    news: VecDeque<ConnectionId>,
    events: VecDeque<Event>,
    accepted: VecDeque<ConnectionId>,
}

/// The clock of packets: it begins anywhere, so that it does not tell for how long we have been running.
#[derive(Clone, Copy, Debug)]
struct Clock {
    origin: Instant,
    first: u32,
}

impl Clock {
    fn moment(self, now: Instant) -> Moment {
        let micros = now.saturating_duration_since(self.origin).as_micros() as u32;
        Moment { now, micros: self.first.wrapping_add(micros) }
    }
}

impl Endpoint {
    /// An endpoint without connections.
    pub fn new(now: Instant, config: EndpointConfig) -> Self {
        let mut rng = StdRng::from_seed(config.seed);
        let clock = Clock { origin: now, first: rng.random() };
        let budget = Budget::new(config.memory);
        Self {
            config,
            rng,
            clock,
            table: Table::new(),
            keys: HashMap::new(),
            connecting: HashMap::new(),
            half_open: HalfOpen::default(),
            timers: Timers::default(),
            budget,
            queues: Queues::default(),
            stats: EndpointStats::default(),
        }
    }

    /// Begins a connection. Bytes can be written to it at once; [`Event::Connected`] or [`Event::Failed`] follows,
    /// the latter after seven seconds of silence.
    ///
    /// # Errors
    /// If there are too many connections.
    pub fn connect(&mut self, now: Instant, to: SocketAddr) -> Result<ConnectionId, ConnectError> {
        if self.table.len() >= self.config.max_connections {
            return Err(ConnectError::TooMany);
        }
        let ids = self.free_ids(to).ok_or(ConnectError::TooMany)?;
        let seq = SeqNr::new(self.rng.random());
        let id = self.insert(Connection::connect(now, to, ids, seq, &self.config));
        self.connecting.insert(to, id);
        self.settle(now, id);
        Ok(id)
    }

    /// Ids that no connection to this address has (P-17).
    fn free_ids(&mut self, to: SocketAddr) -> Option<Ids> {
        let first: u16 = self.rng.random();
        let is_free = |receive: &u16| {
            !self.keys.contains_key(&(to, *receive)) && !self.half_open.contains((to, *receive))
        };
        let receive = (0..=u16::MAX).map(|step| first.wrapping_add(step)).find(is_free)?;
        Some(Ids { receive, send: receive.wrapping_add(1) })
    }

    /// A connection that another has begun, and that has answered from its address.
    pub fn accept(&mut self) -> Option<ConnectionId> {
        self.queues.accepted.pop_front()
    }

    /// Connections that wait for [`accept`](Self::accept).
    pub fn backlog(&self) -> usize {
        self.queues.accepted.len()
    }

    /// False if [`poll_transmit`](Self::poll_transmit) gives nothing now. If true, it may.
    pub fn may_transmit(&self) -> bool {
        !self.queues.replies.is_empty() || !self.queues.sending.is_empty()
    }

    /// The address of the other end.
    pub fn address(&self, id: ConnectionId) -> Option<SocketAddr> {
        self.table.get(id).map(|connection| connection.to)
    }

    /// True if our first packet began the connection. It may be theirs though we called
    /// [`connect`](Self::connect): of two ends that connect to each other at once, one accepts (P-16).
    pub fn is_initiator(&self, id: ConnectionId) -> bool {
        self.table.get(id).is_some_and(|connection| connection.ids.is_initiator())
    }

    /// Bytes that can be read now.
    pub fn readable(&self, id: ConnectionId) -> usize {
        self.table.get(id).map_or(0, Connection::readable)
    }

    /// Bytes that can be written now.
    pub fn writable(&self, id: ConnectionId) -> usize {
        self.table.get(id).map_or(0, |connection| connection.writable(self.budget.share()))
    }

    /// Moves bytes to the start of `buffer`, and returns how many. Zero, for a buffer that is not empty, is the end of
    /// the stream.
    ///
    /// # Errors
    /// If there is nothing for now, or the connection has failed and everything before has been read.
    pub fn read(
        &mut self,
        now: Instant,
        id: ConnectionId,
        buffer: &mut [u8],
    ) -> Result<usize, StreamError> {
        let result = self.connection(id).ok_or(StreamError::Unknown)?.read(buffer);
        if result.is_ok() {
            self.settle(now, id);
        }
        result
    }

    /// Takes bytes of the slices, in order, and returns how many. They are copied once, into a queue from which each
    /// packet is written.
    ///
    /// # Errors
    /// If there is no room for now, the stream was ended, or the connection has failed.
    pub fn write(
        &mut self,
        now: Instant,
        id: ConnectionId,
        slices: &[IoSlice<'_>],
    ) -> Result<usize, StreamError> {
        let result = self.connection(id).ok_or(StreamError::Unknown)?.write(slices);
        if result.is_ok() {
            self.settle(now, id);
        }
        result
    }

    /// Ends the stream behind what was written; the other direction goes on. [`Event::Delivered`] follows when all has
    /// arrived.
    ///
    /// # Errors
    /// If the connection has failed.
    pub fn shutdown(&mut self, now: Instant, id: ConnectionId) -> Result<(), StreamError> {
        let result = self.table.get_mut(id).ok_or(StreamError::Unknown)?.shutdown();
        self.settle(now, id);
        result
    }

    /// Gives up the id. What was written is still delivered, with the end of the stream; what comes is dropped (P-15).
    pub fn close(&mut self, now: Instant, id: ConnectionId) {
        if let Some(connection) = self.table.get_mut(id) {
            connection.close(now);
            self.settle(now, id);
        }
    }

    /// Ends a connection at once, at both ends.
    pub fn reset(&mut self, id: ConnectionId) {
        let Some(connection) = self.table.get(id) else { return };
        if let Some(header) = connection.reset_header() {
            let to = connection.to;
            self.reply(Reply { to, header });
        }
        self.remove(id);
    }

    /// Ends so many connections at once, those without a word to which both ends are done. Returns false if there is
    /// none left.
    #[cfg(feature = "tokio")]
    pub(crate) fn reset_some(&mut self, count: usize) -> bool {
        let some = self.table.iter().take(count);
        let ids: Vec<_> = some.map(|(id, connection)| (id, connection.is_finished())).collect();
        for &(id, is_finished) in &ids {
            if is_finished { self.remove(id) } else { self.reset(id) }
        }
        !ids.is_empty()
    }

    /// Changes the [memory](EndpointConfig::memory) of the queues of all connections, in bytes. With less, what is in
    /// them stays, and nothing more is taken until they hold less.
    pub fn set_memory(&mut self, bytes: usize) {
        self.budget.set(bytes);
    }

    /// True while something that was written is on its way, or the end of a stream.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_delivering(&self) -> bool {
        self.table.iter().any(|(_, connection)| connection.is_delivering())
    }

    /// The next news. It can change after every call that takes `now`.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.queues.events.pop_front() {
                return Some(event);
            }
            let id = self.queues.news.pop_front()?;
            let Some(connection) = self.table.get_mut(id) else { continue };
            connection.has_news = false;
            let Some(news) = connection.take_news() else { continue };
            self.queues.events.extend(events(id, news));
        }
    }

    /// The time of the next [`handle_timeout`](Self::handle_timeout). It can change after every call that takes `now`, and
    /// connections that wait for nothing have no part in it.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next().into_iter().chain(self.half_open.next()).min()
    }

    /// Goes by the time. A call that is too early changes nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.half_open.expire(now);
        while let Some(id) = self.timers.pop(now) {
            let Some(connection) = self.table.get_mut(id) else { continue };
            connection.armed = None;
            if connection.deadline().is_some_and(|deadline| deadline <= now) {
                let (to, header) = (connection.to, connection.reset_header());
                connection.handle_timeout(now);
                // The other end may still be there, and wait.
                if let Some(header) = header.filter(|_| connection.has_failed()) {
                    self.reply(Reply { to, header });
                }
            } else if keep_alive_at(connection, &self.config, self.clock)
                .is_some_and(|at| at <= now)
            {
                connection.keep_alive(now);
            }
            self.settle(now, id);
        }
    }

    /// The system has refused the probe of a connection as too large for the path (EMSGSIZE).
    pub fn handle_too_large(&mut self, now: Instant, id: ConnectionId) {
        if let Some(connection) = self.table.get_mut(id) {
            connection.handle_too_large(now);
            self.settle(now, id);
        }
    }

    /// The network says that an address cannot be reached: attempts to connect to it fail. Connections that are open
    /// go on, since anybody can send such a message.
    pub fn handle_unreachable(&mut self, now: Instant, to: SocketAddr) {
        let connecting = |(_, connection): &(ConnectionId, &Connection)| {
            connection.to == to && connection.is_connecting()
        };
        let ids: Vec<_> = self.table.iter().filter(connecting).map(|(id, _)| id).collect();
        for id in ids {
            if let Some(connection) = self.table.get_mut(id) {
                connection.fail(Failure::Unreachable);
            }
            self.settle(now, id);
        }
    }

    /// Figures of a connection.
    pub fn connection_stats(&self, id: ConnectionId) -> Option<ConnectionStats> {
        self.table.get(id).map(Connection::stats)
    }

    /// Figures of all.
    pub fn stats(&self) -> EndpointStats {
        EndpointStats { connections: self.table.len(), memory: self.budget.used(), ..self.stats }
    }

    /// Fails if the parts do not agree; for tests.
    ///
    /// # Panics
    /// If they do not.
    #[doc(hidden)]
    pub fn check_invariants(&self) {
        assert_eq!(self.keys.len(), self.table.len());
        let counted = self.table.iter().map(|(_, connection)| connection.counted).sum::<usize>();
        assert_eq!(counted, self.budget.used());
        for (id, connection) in self.table.iter() {
            assert_eq!(connection.counted, connection.held());
            assert_eq!(self.keys.get(&(connection.to, connection.ids.receive)), Some(&id));
            connection.check_invariants();
        }
    }

    /// A connection that knows its share of the memory.
    fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.table.get_mut(id)?;
        connection.set_share(self.budget.share());
        Some(connection)
    }

    fn insert(&mut self, connection: Connection) -> ConnectionId {
        let key = (connection.to, connection.ids.receive);
        let id = self.table.insert(connection);
        self.keys.insert(key, id);
        id
    }

    fn remove(&mut self, id: ConnectionId) {
        if let Some(mut connection) = self.table.remove(id) {
            self.budget.count(&mut connection.counted, 0);
            self.keys.remove(&(connection.to, connection.ids.receive));
            self.timers.cancel(id, &mut connection.armed);
            if self.connecting.get(&connection.to) == Some(&id) {
                self.connecting.remove(&connection.to);
            }
        }
    }

    /// Puts a connection that has changed in the lines and timers where it belongs.
    fn settle(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        if connection.is_over(now) {
            self.remove(id);
            return;
        }
        let held = connection.held();
        self.budget.count(&mut connection.counted, held);
        if !connection.is_connecting() && self.connecting.get(&connection.to) == Some(&id) {
            self.connecting.remove(&connection.to);
        }
        if connection.may_send() && !std::mem::replace(&mut connection.is_queued, true) {
            self.queues.sending.push_back(id);
        }
        if !std::mem::replace(&mut connection.has_news, true) {
            self.queues.news.push_back(id);
        }
        let keep_alive_at = || keep_alive_at(connection, &self.config, self.clock);
        let deadline = connection.deadline().or_else(keep_alive_at);
        self.timers.set(id, &mut connection.armed, deadline);
    }
}

/// The time for an idle connection to say something: on the second before, so that there is one timer for many.
fn keep_alive_at(
    connection: &Connection,
    config: &EndpointConfig,
    clock: Clock,
) -> Option<Instant> {
    let at = connection.idle_since()? + config.keep_alive?;
    let since = at.saturating_duration_since(clock.origin);
    Some(clock.origin + Duration::from_secs(since.as_secs()))
}

/// News as events, in the order in which they came about.
fn events(id: ConnectionId, news: News) -> impl Iterator<Item = Event> {
    [
        news.is_connected.then_some(Event::Connected(id)),
        news.is_readable.then_some(Event::Readable(id)),
        news.is_writable.then_some(Event::Writable(id)),
        news.is_delivered.then_some(Event::Delivered(id)),
        news.failure.map(|failure| Event::Failed(id, failure)),
    ]
    .into_iter()
    .flatten()
}
