use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

use serde_json::{Value, json};
use tinytorrent_client::{PauseReason, State, Torrent, TorrentError};
use tinytorrent_examples::{Told, Words, format_duration};

use crate::retry::Retry;
use crate::{Phase, Row};

/// A torrent of the fleet, with what the client does not keep of it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) torrent: Torrent,
    /// The place in the order.
    pub(crate) number: u64,
    since: Instant,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) retry: Retry,
    is_finished_told: bool,
    pub(crate) is_leaving: bool,
    /// What was told of it last.
    told: (u64, u64, u64, u32),
}

/// The reason for which a torrent does nothing.
#[derive(Debug)]
pub(crate) struct Trouble {
    text: String,
    /// The torrent has ended.
    pub(crate) has_ended: bool,
}

/// A file that names a torrent, and the name that it gives it.
pub(crate) type Origin<'a> = (&'a OsStr, Option<&'a str>);

impl Member {
    /// A torrent that was just added, at this place in the order.
    pub(crate) fn new(now: Instant, torrent: Torrent, number: u64, retry: Retry) -> Self {
        Self {
            torrent,
            number,
            since: now,
            trouble: None,
            retry,
            is_finished_told: false,
            is_leaving: false,
            told: Default::default(),
        }
    }

    /// Returns what has changed and is to be told.
    pub(crate) fn look(&mut self, now: Instant, output: &Path) -> Vec<Told> {
        let mut told = Vec::new();
        match self.torrent.state() {
            State::Failed if self.trouble.is_none() => {
                let error = self.torrent.error().unwrap_or(TorrentError::Stopped);
                let pause = is_worth_a_retry(&error).then(|| self.retry.fail(now));
                told.push(self.fail(error.to_string(), pause, true));
            }
            // By its goals it may be paused before it is looked at.
            State::Seeding | State::Queued | State::Paused
                if !self.is_finished_told && self.is_complete() =>
            {
                self.is_finished_told = true;
                told.push(self.finished(now, output));
            }
            _ => {}
        }
        told
    }

    fn is_complete(&self) -> bool {
        let stats = self.torrent.stats();
        stats.wanted_left == 0 && self.torrent.content_path().is_some()
    }

    /// The ratio and the time of seeding, over all runs.
    fn seeded(&self) -> (f64, Duration) {
        let have = self.torrent.stats().have_bytes;
        self.torrent.history().map(|it| (it.ratio(have), it.seeding)).unwrap_or_default()
    }

    pub(crate) fn done(&self) -> Told {
        let (ratio, seeding) = self.seeded();
        let words = format!("seeded enough: ratio {ratio:.2}, {}", format_duration(seeding));
        let event = json!({ "event": "done", "ratio": ratio, "seconds": seeding.as_secs() });
        Told { words: Words::Line(words), event: Some(event) }
    }

    fn finished(&self, now: Instant, output: &Path) -> Told {
        let stats = self.torrent.stats();
        let took = now.saturating_duration_since(self.since);
        let mut told = Told::finished(&self.torrent, output, &stats, took);
        if stats.downloaded == 0 {
            // It was there before, as are hundreds of others.
            told.words = Words::Detail("is complete".into());
        }
        told
    }

    pub(crate) fn fail(&mut self, text: String, pause: Option<Duration>, has_ended: bool) -> Told {
        let seconds = pause.map(|pause| pause.as_secs());
        let event = json!({ "event": "failed", "error": text, "retry_seconds": seconds });
        let words = match pause {
            Some(pause) => format!("{text}; next try in {}", format_duration(pause)),
            None => text.clone(),
        };
        let words = Words::Warning(words);
        self.trouble = Some(Trouble { text, has_ended });
        Told { words, event: Some(event) }
    }

    pub(crate) fn recover(&mut self) {
        self.trouble = None;
        self.retry.succeed();
    }

    /// The figures for programs, if they have changed since they were told.
    pub(crate) fn progress(&mut self) -> Option<Told> {
        let stats = self.torrent.stats();
        let now = (stats.have_bytes, stats.download_rate, stats.upload_rate, stats.peers);
        if std::mem::replace(&mut self.told, now) == now {
            return None;
        }
        let total = self.torrent.info().map(|_| stats.have_bytes + stats.wanted_left);
        Some(program(json!({
            "event": "progress",
            "bytes": stats.have_bytes,
            "total": total,
            "down_rate": stats.download_rate,
            "up_rate": stats.upload_rate,
            "peers": stats.peers,
            "seeds": stats.seeds,
        })))
    }

    pub(crate) fn row(&self, origin: Option<Origin<'_>>) -> Row {
        let torrent = &self.torrent;
        let stats = torrent.stats();
        let history = torrent.history();
        let in_file = || origin.and_then(|(_, name)| name.map(str::to_owned));
        let phase = match torrent.state() {
            _ if self.is_leaving => Phase::Stopped,
            State::Paused if self.trouble.is_some() => Phase::Failed,
            State::Paused if torrent.paused_by() == Some(PauseReason::SeedGoal) => Phase::Done,
            state => state.into(),
        };
        Row {
            hashes: torrent.hashes(),
            name: torrent.name().or_else(in_file).unwrap_or_else(|| torrent.hashes().to_string()),
            file: origin.map(|(file, _)| file.to_string_lossy().into_owned()),
            phase,
            error: self.trouble.as_ref().map(|trouble| trouble.text.clone()),
            has_metadata: torrent.info().is_some(),
            stats,
            downloaded: history.map_or(stats.downloaded, |it| it.downloaded),
            uploaded: history.map_or(stats.uploaded, |it| it.uploaded),
            ratio: history.map_or(0.0, |it| it.ratio(stats.have_bytes)),
            seeding: history.map_or_else(Default::default, |it| it.seeding),
            added: history.map_or(UNIX_EPOCH, |it| it.added),
        }
    }
}

/// Something that is told to programs alone.
pub(crate) fn program(event: Value) -> Told {
    Told { words: Words::Detail(String::new()), event: Some(event) }
}

/// `true` if the torrent itself is all right, and its disk or the system may be again.
fn is_worth_a_retry(error: &TorrentError) -> bool {
    matches!(error, TorrentError::Storage(_) | TorrentError::Thread(_) | TorrentError::JobPanicked)
}
