use std::collections::BTreeSet;
use std::time::Instant;

use super::{CONNECTION_LIFE, RequestId};

/// The state of one tracker address.
#[derive(Debug, Default)]
pub(super) struct Endpoint {
    pub(super) connection: Connection,
    /// Requests that wait for a connection id.
    pub(super) waiting: BTreeSet<RequestId>,
    /// The number of requests to this address, waiting or sent.
    pub(super) requests: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Connection {
    #[default]
    None,
    /// A connect is in flight, and at least one request waits for the id.
    Asking { transaction_id: u32, asked_at: Instant },
    /// A connection id, fresh for [`CONNECTION_LIFE`].
    Open { id: u64, received_at: Instant },
}

impl Endpoint {
    pub(super) fn fresh_connection(&self, now: Instant) -> Option<u64> {
        match self.connection {
            Connection::Open { id, received_at } if now < received_at + CONNECTION_LIFE => Some(id),
            _ => None,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.requests == 0 && self.connection == Connection::None
    }
}
