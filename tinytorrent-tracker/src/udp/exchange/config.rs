use std::time::Duration;

use crate::{AnnounceResponse, Refusal, ScrapeResponse};

/// Settings of an [`Exchange`](super::Exchange).
///
/// # Defaults
/// A first timeout of 15 s and 8 retransmissions (BEP 15, "Time outs"), so that a request without
/// a reply ends after 15 · (2^9 - 1) s, a little over two hours. A caller with a shorter deadline
/// has to [`cancel`](super::Exchange::cancel) it.
#[derive(Debug, Clone)]
pub struct ExchangeConfig {
    pub(super) seed: [u8; 32],
    pub(super) max_retransmits: u32,
    first_timeout: Duration,
}

impl ExchangeConfig {
    /// Default settings. The transaction ids come from `seed`, which has to be from the system's
    /// randomness: whoever can guess the ids can forge replies.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, max_retransmits: MAX_EXPONENT, first_timeout: Duration::from_secs(15) }
    }

    /// The first timeout, which doubles with each retransmission. Default: 15 s; at most a day.
    /// Less burdens trackers, and is for tests.
    pub fn first_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.first_timeout = timeout.min(LONGEST_TIMEOUT);
        self
    }

    /// The number of retransmissions before a request ends. Default and maximum: 8.
    pub fn max_retransmits(&mut self, count: u32) -> &mut Self {
        self.max_retransmits = count.min(MAX_EXPONENT);
        self
    }

    /// The timeout after this number of retransmissions: 15 · 2^n.
    pub(super) fn timeout(&self, retransmits: u32) -> Duration {
        self.first_timeout * 2u32.pow(retransmits.min(MAX_EXPONENT))
    }
}

/// Doubled eight times, it is still an addend that an `Instant` bears.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The largest n of 15 · 2^n (BEP 15, "Time outs").
const MAX_EXPONENT: u32 = 8;

/// The id of a request of one [`Exchange`](super::Exchange).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// A reply to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A reply to an announce.
    Announce(AnnounceResponse),
    /// A reply to a scrape.
    Scrape(ScrapeResponse),
}

/// The failure of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The tracker refused, also with a fresh connection id.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No usable reply came.
    #[error("{}", timed_out(*.connecting, *.sent, *.unexpected_action))]
    TimedOut {
        /// True if the reply to a connect was missing.
        connecting: bool,
        /// The number of datagrams sent, of the request or of the connect before it.
        sent: u32,
        /// The action of the last reply with our transaction id and a wrong action.
        unexpected_action: Option<u32>,
    },
    /// The reply ends before its first field. opentracker sends these for torrents that it does
    /// not list.
    #[error("the reply has {found} bytes only; perhaps the tracker does not list the torrent")]
    CutShort {
        /// The length of the reply in bytes.
        found: usize,
    },
    /// The reply has more scrape entries than the request has info-hashes, so that entries cannot
    /// be matched with these.
    #[error("{found} scrape entries for {asked} info-hashes")]
    TooManyEntries {
        /// Info-hashes in the request.
        asked: usize,
        /// Entries in the reply.
        found: usize,
    },
}

fn timed_out(connecting: bool, sent: u32, unexpected_action: Option<u32>) -> String {
    let what = if connecting { "connect" } else { "request" };
    match unexpected_action {
        Some(action) => format!("only replies with unexpected action {action} to {sent} {what}s"),
        None => format!("no reply to {sent} {what} datagrams"),
    }
}

/// Counters of an [`Exchange`](super::Exchange).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeStats {
    /// Datagrams that `poll_transmit` has returned.
    pub sent: u64,
    /// Replies that were accepted.
    pub accepted: u64,
    /// Datagrams with an unknown transaction id, or without one.
    pub stray: u64,
    /// Datagrams with a known transaction id from another address: forged, or from a tracker with
    /// several addresses.
    pub wrong_source: u64,
    /// Datagrams with a known transaction id that are too short, or have an action that does not
    /// belong to the request.
    pub unexpected: u64,
}
