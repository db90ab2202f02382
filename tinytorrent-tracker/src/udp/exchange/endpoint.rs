use std::collections::BTreeSet;
use std::time::Instant;

use super::{CONNECTION_LIFE, RequestId};

/// What we have with one tracker address.
#[derive(Debug, Default)]
pub(super) struct Endpoint {
    pub(super) connection: Connection,
    /// Requests that cannot be sent before a connection id comes.
    pub(super) waiting: BTreeSet<RequestId>,
    /// All requests to this address, waiting or sent.
    pub(super) requests: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Connection {
    #[default]
    None,
    /// Somebody waits for it.
    Asking { transaction_id: u32, asked_at: Instant },
    /// Usable for [`CONNECTION_LIFE`] after it came.
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
