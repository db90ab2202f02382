use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use thiserror::Error;

use super::{INTERVAL, MAX_ENTRIES};
use crate::extension::{PexMessage, PexPeer};

/// How much of one peer's word to take.
///
/// Messages that come too soon are ignored; one that floods is a reason to hang up, but a late
/// timer or a busy line are not.
#[derive(Debug, Clone, Default)]
pub struct PexReceiver {
    /// Messages of the last minute.
    recent: VecDeque<Instant>,
    has_begun: bool,
}

/// The peer sends far more messages than one a minute: hang up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{count} ut_pex messages within a minute")]
pub struct PexFlood {
    /// Messages within the minute.
    pub count: usize,
}

impl PexReceiver {
    /// Nothing has come yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The peers of a message that are worth a thought: each address once, of each host one, and
    /// no more than the rules allow. None if the message came too soon.
    ///
    /// They are still a stranger's word: pass them through an
    /// [`AddressFilter`](tinytorrent_types::AddressFilter), and take them from several sources.
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
        self.recent.push_back(now);
        let count = self.recent.len();
        if count > MAX_MESSAGES {
            return Err(PexFlood { count });
        }
        if count > 2 {
            // One may come early, as timers slip.
            return Ok(Vec::new());
        }
        let limit = if self.has_begun { 2 * MAX_ENTRIES } else { PexMessage::MAX_PEERS };
        self.has_begun = true;
        let mut hosts = BTreeSet::new();
        let is_new = |peer: &&PexPeer| hosts.insert(peer.address.ip().to_canonical());
        Ok(message.added.iter().filter(is_new).take(limit).copied().collect())
    }
}

/// libtorrent hangs up at as many.
const MAX_MESSAGES: usize = 6;
