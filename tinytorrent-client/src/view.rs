//! A torrent as values of the moment, for applications.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use tinytorrent_metainfo::FileIndex;
use tinytorrent_storage::Counters;
use tinytorrent_swarm::{PeerView, Transport};
use tinytorrent_tracker::{TrackerState, TrackerStatus, TrackerTotals};
use tinytorrent_types::Bitfield;

use crate::{Priority, TorrentOptions};

/// A connected peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PeerInfo {
    /// The peer, as the engine sees it.
    pub peer: PeerView,
    /// `true` if payload is encrypted with RC4 (MSE).
    pub is_encrypted: bool,
}

impl PeerInfo {
    /// A peer at the other end of a plain TCP connection, for tests.
    pub fn new(peer: PeerView) -> Self {
        Self { peer, is_encrypted: false }
    }

    /// The state of the connection in letters: those of [`PeerFlow`](crate::PeerFlow), `E` if it is encrypted,
    /// `I` if the peer has made it, and `P` if uTP carries it.
    pub fn flags(&self) -> String {
        let is_utp = self.peer.transport == Transport::Utp;
        let letters = [(self.is_encrypted, "E"), (self.peer.is_incoming, "I"), (is_utp, "P")];
        let shown = letters.into_iter().filter(|(is_shown, _)| *is_shown);
        shown.fold(self.peer.flow.to_string(), |flags, (_, letter)| flags + letter)
    }
}

/// The address, the program if it is known, and the flags.
impl fmt::Display for PeerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.peer.address)?;
        if let Some(name) = self.peer.client_name() {
            write!(f, " ({name})")?;
        }
        let flags = self.flags();
        if flags.is_empty() { Ok(()) } else { write!(f, " {flags}") }
    }
}

/// A tracker of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TrackerInfo {
    /// The announce URL, without password.
    pub url: String,
    /// The number of its tier, from 0 (BEP 12).
    pub tier: u32,
    /// The state of the tracker.
    pub state: TrackerState,
    /// The number of failures since the last answer.
    pub failures: u32,
    /// The last error, if there was no answer since.
    pub error: Option<String>,
    /// The warning in its last answer.
    pub warning: Option<String>,
    /// Time until the next announce, if it is known. Serialized, it is a number of seconds.
    #[cfg_attr(feature = "serde", serde(default, with = "tinytorrent_types::as_seconds"))]
    pub next_announce: Option<Duration>,
    /// Seeders in its last answer to an announce or a scrape.
    pub seeders: Option<u32>,
    /// Leechers in its last answer to an announce or a scrape.
    pub leechers: Option<u32>,
    /// Peers that have ever completed the download, if it has said so.
    pub completed: Option<u32>,
    /// Peers listed in its last answer to an announce.
    pub peers: Option<u32>,
    /// The last [scrape](crate::Torrent::scrape).
    pub scrape: ScrapeInfo,
    /// The announces to it since it was added.
    pub totals: TrackerTotals,
}

/// The last scrape of a tracker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct ScrapeInfo {
    /// `true` while its answer is waited for.
    pub is_running: bool,
    /// Time since its last answer; `None` without any. Serialized, it is a number of seconds.
    #[cfg_attr(feature = "serde", serde(default, with = "tinytorrent_types::as_seconds"))]
    pub age: Option<Duration>,
    /// The last error, if there was no answer since.
    pub error: Option<String>,
}

impl TrackerInfo {
    /// A tracker of the first tier that was not asked yet, for tests.
    pub fn of_url(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            tier: 0,
            state: TrackerState::Unused,
            failures: 0,
            error: None,
            warning: None,
            next_announce: None,
            seeders: None,
            leechers: None,
            peers: None,
            completed: None,
            scrape: ScrapeInfo::default(),
            totals: TrackerTotals::default(),
        }
    }

    pub(crate) fn new(now: Instant, status: TrackerStatus<'_>) -> Self {
        Self {
            url: status.url.to_string(),
            tier: status.tier,
            state: status.state,
            failures: status.failures,
            error: status.last_failure.map(ToString::to_string),
            warning: status.warning.map(str::to_owned),
            next_announce: status.next_announce.map(|at| at.saturating_duration_since(now)),
            seeders: status.seeders,
            leechers: status.leechers,
            completed: status.completed,
            peers: status.peers,
            scrape: ScrapeInfo {
                is_running: status.scrape.is_in_flight,
                age: status.scrape.answered.map(|at| now.saturating_duration_since(at)),
                error: status.scrape.failure.map(ToString::to_string),
            },
            totals: status.totals,
        }
    }
}

/// A file of a torrent. Padding is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FileInfo {
    /// The position among the files of the torrent.
    pub index: FileIndex,
    /// The path on disk; `None` until the content is opened, and for content that is
    /// [not in files](crate::TorrentOptions::content). An unwanted file may not be there. Serialized,
    /// bytes that are not UTF-8 are replaced.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialization::optional_path"))]
    pub path: Option<PathBuf>,
    /// Bytes of the file.
    pub length: u64,
    /// Bytes of the file that are verified and on disk.
    pub have: u64,
    /// How much the file is wanted. One that is not selected is skipped.
    pub priority: Priority,
}

impl FileInfo {
    /// A wanted file of which nothing is there, for tests.
    pub fn new(index: FileIndex, length: u64) -> Self {
        Self { index, path: None, length, have: 0, priority: Priority::Normal }
    }

    /// Returns `true` if the file is to be downloaded.
    pub fn is_wanted(&self) -> bool {
        self.priority != Priority::Skip
    }
}

/// The pieces of a torrent. All three have the same number of pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PieceInfo {
    /// The verified pieces.
    pub have: Bitfield,
    /// The pieces to be downloaded, those that are verified included.
    pub wanted: Bitfield,
    /// The number of connected peers that have each piece.
    pub availability: Vec<u32>,
}

impl PieceInfo {
    /// Pieces of which none is there, all are wanted, and no peer has any, for tests.
    pub fn new(piece_count: u32) -> Self {
        Self {
            have: Bitfield::new(piece_count),
            wanted: Bitfield::full(piece_count),
            availability: vec![0; piece_count as usize],
        }
    }
}

/// A torrent over all of its runs, as far as their resume data was kept.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct History {
    /// The time at which the torrent was added to the session, or to this client if no session is kept.
    /// Serialized, it is the number of seconds since 1970, and so are the other times.
    #[cfg_attr(feature = "serde", serde(with = "crate::serialization::unix_time"))]
    pub added: SystemTime,
    /// Received bytes of content.
    pub downloaded: u64,
    /// Sent bytes of content.
    pub uploaded: u64,
    /// Received bytes of content that were of no use.
    pub wasted: u64,
    /// Time that the torrent was neither paused nor stopped.
    #[cfg_attr(feature = "serde", serde(with = "tinytorrent_types::as_seconds"))]
    pub active: Duration,
    /// Time that the torrent was complete and active.
    #[cfg_attr(feature = "serde", serde(with = "tinytorrent_types::as_seconds"))]
    pub seeding: Duration,
}

impl History {
    /// The history of a torrent with these counters. Their times are whole seconds.
    pub fn new(added: SystemTime, totals: Counters) -> Self {
        Self {
            added,
            downloaded: totals.downloaded,
            uploaded: totals.uploaded,
            wasted: totals.wasted,
            active: Duration::from_secs(totals.active_seconds),
            seeding: Duration::from_secs(totals.seeding_seconds),
        }
    }

    /// Sent bytes for each byte received; of a content that was there from the start, for each byte of the
    /// content, of which `have` are there. Zero if nothing was sent, and infinite if only that was.
    pub fn ratio(&self, have: u64) -> f64 {
        match self.uploaded {
            0 => 0.0,
            uploaded => uploaded as f64 / self.downloaded.max(have) as f64,
        }
    }
}

/// The limits of a torrent.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Limits {
    /// Received bytes of content a second; `None` for no limit.
    pub download: Option<u64>,
    /// Sent bytes of content a second; `None` for no limit.
    pub upload: Option<u64>,
    /// Maximum number of connections.
    pub max_peers: usize,
    /// Maximum number of peers served at a time.
    pub upload_slots: usize,
    /// Sent bytes for each byte of the content, after which the torrent is paused; `None` for never.
    pub seed_ratio: Option<f64>,
    /// Time of seeding after which the torrent is paused, over all runs; `None` for never. Serialized, it is a
    /// number of seconds.
    #[cfg_attr(feature = "serde", serde(default, with = "tinytorrent_types::as_seconds"))]
    pub seed_time: Option<Duration>,
}

/// Those of [`TorrentOptions`](crate::TorrentOptions) by default.
impl Default for Limits {
    fn default() -> Self {
        TorrentOptions::new("").limits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_shown_on_one_line() {
        let address = "192.0.2.1:6881".parse().unwrap();
        let mut peer =
            PeerInfo::new(PeerView::new(tinytorrent_swarm::PeerKey::from_bits(0), address));
        assert_eq!(peer.to_string(), "192.0.2.1:6881 I");
        (peer.is_encrypted, peer.peer.is_incoming) = (true, false);
        peer.peer.flow.we_are_interested = true;
        peer.peer.client = Some("X 1".into());
        assert_eq!(peer.to_string(), "192.0.2.1:6881 (X 1) dE");
        (peer.is_encrypted, peer.peer.flow) = (false, Default::default());
        assert_eq!(peer.to_string(), "192.0.2.1:6881 (X 1)");
        peer.peer.transport = Transport::Utp;
        assert_eq!(peer.to_string(), "192.0.2.1:6881 (X 1) P");
    }

    #[test]
    fn a_ratio_is_a_number_whatever_was_sent_and_received() {
        let ratio = |downloaded, uploaded, have| {
            let totals = Counters { downloaded, uploaded, ..Counters::default() };
            History::new(SystemTime::UNIX_EPOCH, totals).ratio(have)
        };
        assert_eq!(ratio(0, 0, 0), 0.0);
        assert_eq!(ratio(0, 7, 0), f64::INFINITY);
        assert_eq!((ratio(4, 2, 1), ratio(0, 2, 4)), (0.5, 0.5));
    }
}
