use std::net::SocketAddr;
use std::time::Instant;

use super::Endpoint;
use crate::packet::{HEADER, Header};
use crate::{ConnectionId, Transmit};

/// A packet that no connection sends: 20 bytes, and no longer than what it answers to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    pub(super) to: SocketAddr,
    pub(super) header: Header,
}

impl Endpoint {
    /// Writes datagrams to the start of `buffer`, as many of one connection as fit, all of one length but the last. Can
    /// change after every call that takes `now`.
    ///
    /// # Panics
    /// If the buffer is shorter than [`link_mtu`](crate::EndpointConfig::link_mtu).
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        assert!(
            buffer.len() >= self.config.link_mtu.into(),
            "the buffer is too short for a packet"
        );
        if let Some(Reply { to, mut header }) = self.queues.replies.pop_front() {
            header.timestamp = self.clock.moment(now).micros.max(1);
            header.encode(false, buffer);
            let (length, segment) = (HEADER, HEADER);
            return Some(Transmit { to, length, segment, dont_fragment: false, connection: None });
        }
        while let Some(id) = self.queues.sending.pop_front() {
            if let Some(transmit) = self.transmit(now, id, buffer) {
                self.settle(now, id);
                return Some(transmit);
            }
        }
        None
    }

    fn transmit(&mut self, now: Instant, id: ConnectionId, buffer: &mut [u8]) -> Option<Transmit> {
        let moment = self.clock.moment(now);
        let connection = self.connection(id)?;
        connection.is_queued = false;
        let first = connection.transmit(moment, buffer, None)?;
        let mut transmit = Transmit {
            to: connection.to,
            length: first.length,
            segment: first.length,
            dont_fragment: first.is_probe,
            connection: Some(id),
        };
        let mut is_last = first.is_probe;
        while !is_last && buffer.len() - transmit.length >= first.length {
            let rest = &mut buffer[transmit.length..];
            let Some(next) = connection.transmit(moment, rest, Some(first.length)) else { break };
            transmit.length += next.length;
            is_last = next.length < first.length;
        }
        Some(transmit)
    }

    /// Puts an answer in line; those for which there is no room are dropped.
    pub(super) fn reply(&mut self, reply: Reply) {
        if self.queues.replies.len() < MOST_REPLIES {
            self.queues.replies.push_back(reply);
        }
    }
}

/// A driver takes answers after each batch of datagrams, which is smaller.
const MOST_REPLIES: usize = 1_024;
