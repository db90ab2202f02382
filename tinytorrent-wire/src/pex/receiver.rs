use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use thiserror::Error;

use super::{INTERVAL, MAX_ENTRIES};
use crate::extension::{PexMessage, PexPeer};

/// The limits on the exchange messages of one peer.
///
/// Messages that come too soon are ignored. Only a flood is a reason to close the connection: a timer
/// may slip, and a network may deliver two messages at once.
#[derive(Debug, Clone, Default)]
pub struct PexReceiver {
    /// Messages of the last minute.
    recent: VecDeque<Instant>,
    has_begun: bool,
}

/// A flood: far more messages than one a minute. Close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{count} ut_pex messages within a minute")]
pub struct PexFlood {
    /// Messages within the minute.
    pub count: usize,
}

impl PexReceiver {
    /// Limits for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a message. Returns its peers: each address once, one of each host, and no more than the
    /// rules allow. Returns none if the message came too soon.
    ///
    /// Nothing proves these addresses: pass them through an
    /// [`AddressFilter`](tinytorrent_types::AddressFilter), and take peers from several sources.
    ///
    /// # Errors
    /// A flood: more than six messages within a minute.
    pub fn handle_message(
        &mut self,
        now: Instant,
        message: &PexMessage,
    ) -> Result<Vec<PexPeer>, PexFlood> {
        while self.recent.front().is_some_and(|&at| at + INTERVAL <= now) {
            self.recent.pop_front();
        }
        // Messages that are ignored count as well, or no flood would be seen.
        self.recent.push_back(now);
        let count = self.recent.len();
        if count > MAX_MESSAGES {
            return Err(PexFlood { count });
        }
        if count > 2 {
            // A second one within the minute is tolerated, as timers slip.
            return Ok(Vec::new());
        }
        // The first message may hold all peers of its sender.
        let limit = if self.has_begun { 2 * MAX_ENTRIES } else { PexMessage::MAX_PEERS };
        self.has_begun = true;
        let mut hosts = BTreeSet::new();
        // Many ports of one host would let a peer point a swarm at that host.
        let is_new = |peer: &&PexPeer| hosts.insert(peer.address.ip().to_canonical());
        Ok(message.added.iter().filter(is_new).take(limit).copied().collect())
    }
}

/// Messages within a minute that are no flood, as in libtorrent.
const MAX_MESSAGES: usize = 6;
