use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_utp::{ConnectionId, ConnectionStats, Endpoint, EndpointConfig, Event};

use super::socket::Socket;
use super::stream::Stream;

/// An end of the path: an endpoint with its clock, and applications.
#[derive(Debug)]
pub struct Host {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its address.
    pub address: SocketAddr,
    /// Its socket.
    pub socket: Socket,
    /// Its clock.
    pub clock: Clock,
    /// Its connections, in the order in which they were made or accepted.
    pub streams: Vec<Stream>,
    /// Bytes to be written to each connection of the other end.
    pub answer: u64,
    places: HashMap<ConnectionId, usize>,
}

impl Host {
    pub(super) fn new(address: SocketAddr, clock: Clock, config: EndpointConfig) -> Self {
        Self {
            endpoint: Endpoint::new(clock.start, config),
            address,
            socket: Socket::default(),
            clock,
            streams: Vec::new(),
            answer: 0,
            places: HashMap::new(),
        }
    }

    /// Figures of a connection.
    ///
    /// # Panics
    /// If it was closed.
    pub fn stats(&self, stream: usize) -> ConnectionStats {
        self.endpoint.connection_stats(self.streams[stream].id).expect("it is not closed")
    }

    /// The time of what happens next by itself.
    pub(super) fn next(&self) -> Option<Duration> {
        let timeout = self.endpoint.poll_timeout().map(|timeout| self.clock.time_of(timeout));
        timeout.into_iter().chain(self.socket.next()).min()
    }

    pub(super) fn add(&mut self, id: ConnectionId, to_write: u64) -> usize {
        self.places.insert(id, self.streams.len());
        self.streams.push(Stream::new(id, to_write));
        self.streams.len() - 1
    }

    /// Takes connections and events, and has those streams read and write that can.
    pub(super) fn exchange(&mut self, now: Instant) {
        while let Some(id) = self.endpoint.accept() {
            let stream = self.add(id, self.answer);
            self.streams[stream].exchange(&mut self.endpoint, now);
        }
        while let Some(event) = self.endpoint.poll_event() {
            let (Event::Connected(id)
            | Event::Readable(id)
            | Event::Writable(id)
            | Event::Delivered(id)
            | Event::Failed(id, _)) = event
            else {
                continue;
            };
            // Tests take streams away, to close their connections.
            let place = self.places.get(&id).copied();
            let stream = place.and_then(|place| self.streams.get_mut(place));
            let Some(stream) = stream.filter(|stream| stream.id == id) else { continue };
            stream.is_delivered |= matches!(event, Event::Delivered(_));
            if let Event::Failed(_, failure) = event {
                stream.failure = Some(failure.into());
            }
            stream.exchange(&mut self.endpoint, now);
        }
    }

    /// Has all streams read and write, for what they want may have changed.
    pub(super) fn exchange_all(&mut self, now: Instant) {
        for stream in &mut self.streams {
            stream.exchange(&mut self.endpoint, now);
        }
        self.exchange(now);
    }
}

/// A clock that nobody has set, and that runs at a rate of its own.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Seconds by which it runs fast in each second.
    pub drift: f64,
    /// Timers go off at multiples of this; zero for any time.
    pub step: Duration,
    start: Instant,
}

impl Clock {
    pub(super) fn new(start: Instant) -> Self {
        Self { drift: 0.0, step: Duration::ZERO, start }
    }

    /// The time that it shows at a time of the world.
    pub fn now(&self, at: Duration) -> Instant {
        self.start + at.mul_f64(1.0 + self.drift)
    }

    /// The time of the world at which a timer for an instant goes off.
    pub(super) fn time_of(&self, instant: Instant) -> Duration {
        let mut shown = instant.saturating_duration_since(self.start);
        if !self.step.is_zero() {
            let steps = shown.as_nanos().div_ceil(self.step.as_nanos());
            shown = self.step * steps as u32;
        }
        // Rounded up.
        shown.div_f64(1.0 + self.drift) + Duration::from_nanos(2)
    }
}
