use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tinytorrent_client::{State, Stats};
use tinytorrent_examples::hashes_json;
use tinytorrent_types::InfoHashes;

/// All torrents as they are at one moment, for the view, the page, and programs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Status {
    /// The watched folder.
    pub(crate) folder: PathBuf,
    /// The folder of the contents.
    pub(crate) output: PathBuf,
    /// The torrents, in the order of their addition.
    pub(crate) rows: Vec<Row>,
    /// The figures of all torrents of this run, those that are gone included.
    pub(crate) totals: Totals,
}

/// Figures of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Totals {
    /// Received bytes of content.
    pub(crate) downloaded: u64,
    /// Sent bytes of content.
    pub(crate) uploaded: u64,
    /// Received bytes that were of no use.
    pub(crate) wasted: u64,
    /// Pieces that failed their hash.
    pub(crate) hash_failures: u64,
    /// Bytes that are held for peers.
    pub(crate) memory: u64,
    /// Time since the start.
    pub(crate) uptime: Duration,
}

/// One torrent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Its identity.
    pub(crate) hashes: InfoHashes,
    /// Its name, or that of its link, or else the info-hash. It comes from a stranger.
    pub(crate) name: String,
    /// The file in the watched folder that names it.
    pub(crate) file: Option<String>,
    /// What it does.
    pub(crate) phase: Phase,
    /// The error that it waits or ended for.
    pub(crate) error: Option<String>,
    /// `true` once the metadata is known.
    pub(crate) has_metadata: bool,
    /// The figures of this run.
    pub(crate) stats: Stats,
    /// Received bytes of content of all runs.
    pub(crate) downloaded: u64,
    /// Sent bytes of content of all runs.
    pub(crate) uploaded: u64,
    /// Sent bytes for each byte of content.
    pub(crate) ratio: f64,
    /// Time of seeding, of all runs.
    pub(crate) seeding: Duration,
    /// The time of its addition.
    pub(crate) added: SystemTime,
}

/// What a torrent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It fetches its metadata from peers.
    Metadata,
    /// Its content is being checked.
    Checking,
    /// It downloads.
    Downloading,
    /// It waits for its turn.
    Queued,
    /// It is complete and serves.
    Seeding,
    /// The user has paused it.
    Paused,
    /// It has seeded as much as it should.
    Done,
    /// It is being stopped.
    Stopped,
    /// It waits after an error, or has ended by one.
    Failed,
}

impl Phase {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Phase::Metadata,
        Phase::Checking,
        Phase::Downloading,
        Phase::Queued,
        Phase::Seeding,
        Phase::Paused,
        Phase::Done,
        Phase::Stopped,
        Phase::Failed,
    ];

    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::Metadata => "metadata",
            Phase::Checking => "checking",
            Phase::Downloading => "downloading",
            Phase::Queued => "queued",
            Phase::Seeding => "seeding",
            Phase::Paused => "paused",
            Phase::Done => "done",
            Phase::Stopped => "stopped",
            Phase::Failed => "failed",
        }
    }
}

impl From<State> for Phase {
    fn from(state: State) -> Self {
        match state {
            State::FetchingMetadata => Phase::Metadata,
            State::Checking => Phase::Checking,
            State::Downloading => Phase::Downloading,
            State::Seeding => Phase::Seeding,
            State::Queued => Phase::Queued,
            State::Paused => Phase::Paused,
            State::Failed => Phase::Failed,
            _ => Phase::Stopped,
        }
    }
}

impl Row {
    /// Bytes of the wanted pieces; `None` while the metadata is unknown.
    pub(crate) fn total(&self) -> Option<u64> {
        self.has_metadata.then(|| self.stats.have_bytes + self.stats.wanted_left)
    }

    /// The part of the wanted pieces that is there, from 0 to 1.
    pub(crate) fn done(&self) -> f64 {
        match self.total() {
            None => 0.0,
            Some(0) => 1.0,
            Some(total) => self.stats.have_bytes as f64 / total as f64,
        }
    }

    /// Time until all is there, at the present rate.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let rate = self.stats.download_rate;
        let is_running = self.phase == Phase::Downloading && rate > 0;
        is_running.then(|| Duration::from_secs(self.stats.wanted_left / rate))
    }

    /// The torrent as JSON.
    pub(crate) fn to_json(&self) -> Value {
        let [v1, v2] = hashes_json(&self.hashes);
        let added = self.added.duration_since(UNIX_EPOCH).unwrap_or_default();
        json!({
            "info_hash_v1": v1,
            "info_hash_v2": v2,
            "name": self.name,
            "file": self.file,
            "state": self.phase.name(),
            "error": self.error,
            "bytes": self.stats.have_bytes,
            "total": self.total(),
            "down_rate": self.stats.download_rate,
            "up_rate": self.stats.upload_rate,
            "peers": self.stats.peers,
            "seeds": self.stats.seeds,
            "downloaded": self.downloaded,
            "uploaded": self.uploaded,
            // JSON has no infinity.
            "ratio": self.ratio.is_finite().then_some(self.ratio),
            "seeding_seconds": self.seeding.as_secs(),
            "added": added.as_secs(),
        })
    }
}

impl Status {
    /// The number of torrents in a phase.
    pub(crate) fn count(&self, phase: Phase) -> usize {
        self.rows.iter().filter(|row| row.phase == phase).count()
    }

    /// The sum of a figure over all torrents.
    pub(crate) fn sum(&self, figure: impl Fn(&Stats) -> u64) -> u64 {
        self.rows.iter().map(|row| figure(&row.stats)).sum()
    }

    /// All of it as JSON.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "folder": self.folder.to_string_lossy(),
            "output": self.output.to_string_lossy(),
            "down_rate": self.sum(|stats| stats.download_rate),
            "up_rate": self.sum(|stats| stats.upload_rate),
            "peers": self.sum(|stats| stats.peers.into()),
            "downloaded": self.totals.downloaded,
            "uploaded": self.totals.uploaded,
            "wasted": self.totals.wasted,
            "hash_failures": self.totals.hash_failures,
            "memory": self.totals.memory,
            "uptime_seconds": self.totals.uptime.as_secs_f64(),
            "torrents": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
        })
    }
}
