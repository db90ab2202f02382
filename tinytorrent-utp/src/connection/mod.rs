//! One connection: its parts, and the application's side. Packets come and go in the files beside this one.

mod incoming;
mod outgoing;
mod pace;
mod pacer;

use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pace::Pace;

use crate::config::EndpointConfig;
use crate::packet::{HEADER, Header, Kind};
use crate::path_mtu::PathMtu;
use crate::receive_queue::ReceiveQueue;
use crate::send_queue::SendQueue;
use crate::{ConnectionStats, Failure, SeqNr, StreamError};

/// An instant, and what the clock of packets shows then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    pub(crate) micros: u32,
}

/// The ids of a connection at its two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    /// In packets to us.
    pub(crate) receive: u16,
    /// In packets to the other end.
    pub(crate) send: u16,
}

impl Ids {
    /// P-02: who begins expects packets with the id of the first one, and all others have one more.
    pub(crate) fn is_initiator(self) -> bool {
        self.send == self.receive.wrapping_add(1)
    }
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) to: SocketAddr,
    pub(crate) ids: Ids,
    phase: Phase,
    send: SendQueue,
    receive: ReceiveQueue,
    pace: Pace,
    mtu: PathMtu,
    link: Link,
    user: User,
    news: News,
    asks: Asks,
    stats: ConnectionStats,
    /// Bytes that a queue may hold of the memory of all connections.
    share: usize,
    /// Bytes that the endpoint has counted for this connection.
    pub(crate) counted: usize,
    /// The entry of the endpoint's timers.
    pub(crate) armed: Option<Instant>,
    /// True while the endpoint has it in line for sending.
    pub(crate) is_queued: bool,
    /// True while the endpoint has it in line for its news.
    pub(crate) has_news: bool,
}

/// ```text
///  Connecting ──answer──▶ Open ──both ends done, closed──▶ gone
///       └───────reset, timeouts────┴──▶ Failed ──closed──▶ gone
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Our first packet has this number.
    Connecting(SeqNr),
    Open,
    Failed(Failure),
}

/// The words of the two ends to each other in headers.
#[derive(Debug)]
struct Link {
    /// The delay of the last packet from the other end, to be told to it.
    delay: u32,
    /// Room at the other end, in bytes.
    their_window: usize,
    /// The clock of the other end when it told of its room.
    told_at: Option<u32>,
    /// Room that our last packet told of.
    our_window: usize,
    /// True if an acknowledgement, or a first packet, is due.
    is_due: bool,
    duplicates: u8,
    send_buffer: usize,
    /// The time at which a packet was sent last.
    spoke: Instant,
}

/// Packets that timers have asked for, whatever the windows say.
#[derive(Debug, Default)]
struct Asks {
    /// The last packet in flight is sent again, so that the other end acknowledges something.
    for_ack: bool,
    /// A new packet is sent, so that the other end tells its room.
    for_room: bool,
}

/// The application's side.
#[derive(Debug, Default)]
struct User {
    /// True if a write took less than all.
    wants_room: bool,
    /// True unless there was news of something to read that was not read since.
    wants_bytes: bool,
    /// The time at which it was closed: nobody reads or writes any more.
    closed: Option<Instant>,
}

/// News for the application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) is_connected: bool,
    pub(crate) is_readable: bool,
    pub(crate) is_writable: bool,
    pub(crate) is_delivered: bool,
    pub(crate) failure: Option<Failure>,
}

impl Connection {
    /// A connection to be opened, with the number of its first packet.
    pub(crate) fn connect(
        now: Instant,
        to: SocketAddr,
        ids: Ids,
        seq: SeqNr,
        config: &EndpointConfig,
    ) -> Self {
        let mut connection = Self::new(now, to, ids, seq.plus(1), SeqNr::default(), config);
        connection.phase = Phase::Connecting(seq);
        connection.link.is_due = true;
        connection
    }

    /// A connection of another, `theirs` being the number of its first packet, that has answered to our number.
    pub(crate) fn accept(
        now: Instant,
        to: SocketAddr,
        ids: Ids,
        ours: SeqNr,
        theirs: SeqNr,
        config: &EndpointConfig,
    ) -> Self {
        Self::new(now, to, ids, ours, theirs, config)
    }

    fn new(
        now: Instant,
        to: SocketAddr,
        ids: Ids,
        ours: SeqNr,
        theirs: SeqNr,
        config: &EndpointConfig,
    ) -> Self {
        let headers = if to.is_ipv4() { 20 + 8 } else { 40 + 8 };
        let mtu = PathMtu::new(config.link_mtu - headers);
        let pace = Pace::new(now, mtu.size() - HEADER);
        Self {
            to,
            ids,
            phase: Phase::Open,
            send: SendQueue::new(ours),
            receive: ReceiveQueue::new(theirs, config.receive_buffer),
            pace,
            mtu,
            link: Link {
                delay: 0,
                // Until they tell: what a first flight takes.
                their_window: FIRST_WINDOW,
                told_at: None,
                our_window: config.receive_buffer,
                is_due: false,
                duplicates: 0,
                send_buffer: config.send_buffer,
                spoke: now,
            },
            user: User { wants_bytes: true, ..User::default() },
            news: News::default(),
            asks: Asks::default(),
            stats: ConnectionStats::default(),
            share: config.memory,
            counted: 0,
            armed: None,
            is_queued: false,
            has_news: false,
        }
    }

    /// Turns an attempt to connect into the connection that the other end is opening at the same time (P-16).
    pub(crate) fn turn(&mut self, ids: Ids, ours: SeqNr, theirs: SeqNr) {
        self.ids = ids;
        self.phase = Phase::Open;
        // Nothing was numbered so far, so that what was written stays in line.
        self.send.renumber(ours);
        self.receive = ReceiveQueue::new(theirs, self.receive.capacity());
        self.news.is_connected = true;
        self.pace.restart();
    }

    pub(crate) fn is_connecting(&self) -> bool {
        matches!(self.phase, Phase::Connecting(_))
    }

    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.phase, Phase::Failed(_))
    }

    /// The numbers of an answer to a first packet, if it is the one that began this connection and nothing has come
    /// since (P-35).
    pub(crate) fn is_begun_by(&self, theirs: SeqNr) -> bool {
        self.phase == Phase::Open && self.receive.ack() == theirs && !self.receive.has_gap()
    }

    pub(crate) fn first_unacked(&self) -> SeqNr {
        self.send.acked().plus(1)
    }

    /// Bytes in both queues.
    pub(crate) fn held(&self) -> usize {
        self.send.len() + self.receive.held()
    }

    /// Sets the bytes that each queue may hold, besides some packets.
    pub(crate) fn set_share(&mut self, bytes: usize) {
        self.share = bytes.max(LEAST_SHARE);
        self.receive.set_limit(self.share);
    }

    pub(crate) fn readable(&self) -> usize {
        self.receive.len()
    }

    /// Room for bytes to be written, with such a share.
    pub(crate) fn writable(&self, share: usize) -> usize {
        let is_open = !self.send.is_ended() && !matches!(self.phase, Phase::Failed(_));
        if is_open { self.room(share.max(LEAST_SHARE)) } else { 0 }
    }

    /// No more than a slow connection can send soon, so that nothing old waits there.
    fn room(&self, share: usize) -> usize {
        let most = (2 * self.pace.window() + LEAST_ROOM).min(self.link.send_buffer).min(share);
        most.saturating_sub(self.send.len())
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StreamError> {
        let length = self.receive.read(buffer);
        if length > 0 {
            // P-37
            let window = self.receive.window();
            let quarter = self.receive.limit() / 4;
            self.link.is_due |=
                self.link.our_window < quarter && window >= self.link.our_window + quarter;
        }
        if length > 0 || buffer.is_empty() || self.receive.is_ended() {
            return Ok(length);
        }
        self.user.wants_bytes = true;
        match self.phase {
            Phase::Failed(failure) => Err(failure.into()),
            _ => Err(StreamError::WouldBlock),
        }
    }

    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, StreamError> {
        if let Phase::Failed(failure) = self.phase {
            return Err(failure.into());
        }
        if self.send.is_ended() {
            return Err(StreamError::Ended);
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let taken = self.send.write(slices, self.room(self.share));
        self.user.wants_room |= taken < offered;
        if taken == 0 && offered > 0 { Err(StreamError::WouldBlock) } else { Ok(taken) }
    }

    pub(crate) fn shutdown(&mut self) -> Result<(), StreamError> {
        match self.phase {
            Phase::Failed(failure) => Err(failure.into()),
            _ => {
                self.send.end();
                Ok(())
            }
        }
    }

    /// Ends the application's side: what was written is still delivered (P-15), and what comes is dropped.
    pub(crate) fn close(&mut self, now: Instant) {
        self.user.closed = Some(now);
        self.send.end();
        self.receive.discard();
        // Without an answer nothing was promised, and nothing is lost.
        if self.is_connecting() && self.send.len() == 0 {
            self.phase = Phase::Failed(Failure::TimedOut);
        }
    }

    /// True if nobody needs the connection any more.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        let Some(closed) = self.user.closed else { return false };
        matches!(self.phase, Phase::Failed(_)) || now >= self.over_at(closed)
    }

    /// True while something that was written, or the end of the stream, has not arrived.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_delivering(&self) -> bool {
        !self.has_failed() && self.send.is_ended() && !self.send.is_done()
    }

    /// True if both ends have ended their streams, and know it.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_finished(&self) -> bool {
        self.send.is_done() && self.receive.is_ended()
    }

    /// The end of a closed connection.
    fn over_at(&self, closed: Instant) -> Instant {
        let quiet_since = closed.max(self.pace.heard_at());
        match (self.send.is_done(), self.receive.is_ended()) {
            // The other end may send its last packet again, as long as our answer is lost.
            (true, true) => quiet_since + LINGER,
            (true, false) => closed.max(self.pace.progress_at()) + LINGER,
            _ => closed.max(self.pace.progress_at()) + LONGEST_CLOSE,
        }
    }

    /// The time at which a packet was sent last, if the connection is open and waits for nothing.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.phase == Phase::Open && self.user.closed.is_none() && !self.waits();
        is_idle.then_some(self.link.spoke)
    }

    /// Has an acknowledgement sent, so that NATs on the way do not forget the connection.
    pub(crate) fn keep_alive(&mut self, now: Instant) {
        self.link.is_due = true;
        self.link.spoke = now;
    }

    pub(crate) fn fail(&mut self, failure: Failure) {
        if !matches!(self.phase, Phase::Failed(_)) {
            self.phase = Phase::Failed(failure);
            self.news.failure = Some(failure);
            self.send = SendQueue::new(self.send.next_seq());
        }
    }

    /// The header of a reset to the other end; none if there is no connection there.
    pub(crate) fn reset_header(&self) -> Option<Header> {
        (self.phase == Phase::Open).then(|| Header {
            kind: Kind::Reset,
            connection: self.ids.send,
            timestamp: 0,
            delay: self.link.delay,
            window: 0,
            seq: self.send.next_seq(),
            ack: self.receive.ack(),
        })
    }

    /// News since the last call. There is none for those who have closed.
    pub(crate) fn take_news(&mut self) -> Option<News> {
        let news = std::mem::take(&mut self.news);
        (self.user.closed.is_none() && news != News::default()).then_some(news)
    }

    pub(crate) fn stats(&self) -> ConnectionStats {
        ConnectionStats {
            round_trip: self.pace.round_trip(),
            window: self.pace.window(),
            in_flight: self.send.bytes_in_flight(),
            queued: self.pace.queued(),
            packet: self.mtu.size(),
            ..self.stats
        }
    }

    pub(crate) fn check_invariants(&self) {
        self.send.check_invariants();
        self.receive.check_invariants();
    }
}

/// Bytes that may be sent before the other end has told its room. It never comes to that: its first packet tells.
const FIRST_WINDOW: usize = 64 << 10;

/// Room for writes beyond twice the window: some blocks of BitTorrent.
const LEAST_ROOM: usize = 64 << 10;

/// Bytes of a queue that it may have though there is no memory: four packets, so that a transfer goes on.
const LEAST_SHARE: usize = 6 << 10;

/// A closed connection still answers to the last packet of the other end for so long: three timeouts of half a second,
/// which double.
const LINGER: Duration = Duration::from_secs(3);

/// A closed connection whose bytes do not get on, say as the other end reads nothing, ends after so long.
const LONGEST_CLOSE: Duration = Duration::from_secs(60);
