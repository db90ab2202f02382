use std::time::Duration;

use crate::{AnnounceResponse, Refusal, ScrapeResponse};

/// Settings of an [`Exchange`](super::Exchange).
///
/// # Defaults
/// First time-out 15 s, 8 retransmissions (BEP 15, "Time outs"): a tracker that never answers is
/// given up after 15 · (2^9 - 1) s, a little over two hours. Callers who cannot wait that long
/// [`cancel`](super::Exchange::cancel).
#[derive(Debug, Clone)]
pub struct ExchangeConfig {
    pub(super) seed: [u8; 32],
    pub(super) max_retransmits: u32,
    first_timeout: Duration,
}

impl ExchangeConfig {
    /// `seed` is where the transaction ids come from: take it from the system's randomness, as
    /// only who can guess the ids can forge replies.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, max_retransmits: MAX_EXPONENT, first_timeout: Duration::from_secs(15) }
    }

    /// How long to wait for the first answer; doubles with each retransmission. Default: 15 s.
    /// Less is impolite to trackers on the internet, and fine in tests.
    pub fn first_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.first_timeout = timeout;
        self
    }

    /// How often to send again before giving up. Default and maximum: 8.
    pub fn max_retransmits(&mut self, count: u32) -> &mut Self {
        self.max_retransmits = count.min(MAX_EXPONENT);
        self
    }

    /// 15 · 2^n.
    pub(super) fn timeout(&self, retransmits: u32) -> Duration {
        self.first_timeout * 2u32.pow(retransmits.min(MAX_EXPONENT))
    }
}

/// The largest n of 15 · 2^n (BEP 15, "Time outs").
const MAX_EXPONENT: u32 = 8;

/// Names a request of one [`Exchange`](super::Exchange).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// What a tracker replied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To an announce.
    Announce(AnnounceResponse),
    /// To a scrape.
    Scrape(ScrapeResponse),
}

/// Why a request brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The tracker refused, and once more with a fresh connection id.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing usable came.
    #[error("{}", timed_out(*.connecting, *.sent, *.unexpected_action))]
    TimedOut {
        /// Whether it was the connection id that never came.
        connecting: bool,
        /// How often the request, or the connect before it, was sent.
        sent: u32,
        /// The last action of a reply that had our transaction id and made no sense.
        unexpected_action: Option<u32>,
    },
    /// A reply that ends before its first field; opentracker sends these for torrents that it
    /// does not list.
    #[error("the reply has {found} bytes only; perhaps the tracker does not list the torrent")]
    CutShort {
        /// Its length in bytes.
        found: usize,
    },
    /// More scrape entries than were asked for: nobody can tell which belongs to which.
    #[error("{found} scrape entries where {asked} were asked for")]
    TooManyEntries {
        /// Hashes in the request.
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
    /// Datagrams given to send.
    pub sent: u64,
    /// Datagrams that answered something.
    pub accepted: u64,
    /// Datagrams with a transaction id nobody waits for, or shorter than one.
    pub stray: u64,
    /// Datagrams with the right transaction id from the wrong address: forged, or a tracker with
    /// several addresses.
    pub wrong_source: u64,
    /// Datagrams with the right transaction id and an action that answers something else, or cut
    /// short.
    pub unexpected: u64,
}
