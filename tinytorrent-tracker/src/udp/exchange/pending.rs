use std::net::SocketAddr;
use std::time::Instant;

use tinytorrent_types::WireInfoHash;

use super::{ExchangeError, canonical};
use crate::udp::{Announce, Request, RequestBody};

/// A request without an outcome.
#[derive(Debug)]
pub(super) struct Pending {
    /// The tracker's address as the caller gave it, to which datagrams are sent.
    pub(super) target: SocketAddr,
    /// The same address in canonical form, to compare with the source of a reply.
    pub(super) address: SocketAddr,
    pub(super) body: Body,
    /// The id of all copies of the request, so that a late reply to an earlier copy counts.
    pub(super) transaction_id: u32,
    /// The n of 15 · 2^n.
    pub(super) retransmits: u32,
    pub(super) phase: Phase,
    /// The time of the next retransmission.
    pub(super) deadline: Option<Instant>,
    /// True once an error reply has led to a new connection id.
    pub(super) has_reconnected: bool,
    pub(super) unexpected_action: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The request waits for a connection id.
    Waiting,
    /// The request was sent with a connection id.
    Sent,
}

#[derive(Debug)]
pub(super) enum Body {
    Announce { announce: Announce, url: Vec<u8> },
    Scrape(Vec<WireInfoHash>),
}

impl Pending {
    pub(super) fn new(target: SocketAddr, body: Body, transaction_id: u32) -> Self {
        Self {
            target,
            address: canonical(target),
            body,
            transaction_id,
            retransmits: 0,
            phase: Phase::Waiting,
            deadline: None,
            has_reconnected: false,
            unexpected_action: None,
        }
    }

    pub(super) fn write(&self, connection_id: u64, out: &mut Vec<u8>) {
        match &self.body {
            Body::Announce { announce, url } => {
                let mut announce = *announce;
                if self.address.is_ipv6() {
                    // The field is too small for IPv6 and has to be zero there (BEP 15, "IPv6").
                    announce.ip = std::net::Ipv4Addr::UNSPECIFIED;
                }
                Request::write_announce(self.transaction_id, connection_id, announce, url, out);
            }
            Body::Scrape(hashes) => {
                let packed: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
                let body = RequestBody::Scrape { connection_id, info_hashes: &packed };
                Request { transaction_id: self.transaction_id, body }.write(out);
            }
        }
    }

    pub(super) fn timed_out(&self) -> ExchangeError {
        ExchangeError::TimedOut {
            connecting: self.phase == Phase::Waiting,
            sent: self.retransmits + 1,
            unexpected_action: self.unexpected_action,
        }
    }
}
