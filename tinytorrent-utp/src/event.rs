use std::net::SocketAddr;
use std::ops::Add;
use std::time::Duration;

use crate::ConnectionId;

/// News of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The other end has answered to [`connect`](crate::Endpoint::connect).
    Connected(ConnectionId),
    /// There is something to read, or the stream has ended. It comes again only after a [`read`](crate::Endpoint::read)
    /// that found nothing.
    Readable(ConnectionId),
    /// There is room again, after a [`write`](crate::Endpoint::write) that took less than all.
    Writable(ConnectionId),
    /// All that was written has arrived, with the end of the stream, after [`shutdown`](crate::Endpoint::shutdown).
    Delivered(ConnectionId),
    /// The connection has failed. It stays until it is [closed](crate::Endpoint::close).
    Failed(ConnectionId, Failure),
}

/// Reasons for which a connection fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The other end does not know the connection, or gave it up.
    #[error("the other end has reset the connection")]
    Reset,
    /// The other end did not answer several times in a row.
    #[error("the other end does not answer")]
    TimedOut,
    /// The network has no way to the other end, or nobody listens there.
    #[error("the other end cannot be reached")]
    Unreachable,
}

/// Errors of operations on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// There is nothing to read, or no room to write, for now. An event tells when.
    #[error("the operation would have to wait")]
    WouldBlock,
    /// The stream was ended with [`shutdown`](crate::Endpoint::shutdown) before.
    #[error("the stream was ended before")]
    Ended,
    /// The connection has failed.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The id is of no connection: it was closed or reset before.
    #[error("the connection is unknown")]
    Unknown,
}

/// Errors of [`connect`](crate::Endpoint::connect).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There are as many connections as the settings allow.
    #[error("there are too many connections")]
    TooMany,
}

/// A datagram, or several of equal length in a row, to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The address of the receiver.
    pub to: SocketAddr,
    /// Bytes in the buffer.
    pub length: usize,
    /// Length of each datagram but the last, which may be shorter.
    pub segment: usize,
    /// True for the probe of a larger size: routers must not cut it, and it comes alone. If the system refuses it as
    /// too large, [`handle_too_large`](crate::Endpoint::handle_too_large) takes the id.
    pub dont_fragment: bool,
    /// The connection that sends, if any does.
    pub connection: Option<ConnectionId>,
}

/// Figures of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Mean of late round trips.
    pub round_trip: Option<Duration>,
    /// Bytes that may be in flight.
    pub window: usize,
    /// Bytes in flight.
    pub in_flight: usize,
    /// Time that our packets wait in queues of late, if the other end measures it.
    pub queued: Option<Duration>,
    /// Bytes of the largest packets.
    pub packet: usize,
    /// Packets of the stream that were sent for the first time.
    pub packets_sent: u64,
    /// Packets that were sent again.
    pub packets_resent: u64,
    /// Timeouts of packets.
    pub timeouts: u64,
}

/// Figures of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Connections, with those that are being opened and those that have failed.
    pub connections: usize,
    /// Bytes in the queues of all connections.
    pub memory: usize,
    /// Datagrams that are no packets of uTP.
    pub malformed: u64,
    /// Packets of connections that are not there.
    pub strays: u64,
    /// First packets that were dropped because a limit was reached.
    pub refused: u64,
}

impl Add for EndpointStats {
    type Output = Self;

    /// The figures of two endpoints together.
    fn add(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            memory: self.memory + other.memory,
            malformed: self.malformed + other.malformed,
            strays: self.strays + other.strays,
            refused: self.refused + other.refused,
        }
    }
}
