use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tinytorrent_client::{Event, Stats, SwarmEvent, Torrent};
use tinytorrent_metainfo::Info;

use crate::{format_duration, format_size, hashes_json};

/// Something that happened to a torrent, in words for people and as an event for programs.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The words.
    pub words: Words,
    /// The event; `None` if programs know it from another one.
    pub event: Option<Value>,
}

/// Words for people, by their weight.
#[derive(Debug, Clone, PartialEq)]
pub enum Words {
    /// A line of output.
    Line(String),
    /// A warning in the log.
    Warning(String),
    /// A detail in the log.
    Detail(String),
}

impl Told {
    /// The report of an event; nothing if it is of no interest.
    pub fn of(event: &Event) -> Vec<Self> {
        let line = |line: String, event| Told { words: Words::Line(line), event };
        match event {
            Event::MetadataReceived(info) => vec![Self::metadata(info)],
            Event::Checked { have, .. } if *have > 0 => {
                vec![line(format!("{} are there already", format_size(*have)), None)]
            }
            Event::PathsChanged { changes, count } => {
                let renamed = changes.iter().map(|change| {
                    let (original, path) = (&change.original, &change.written);
                    let event = json!({ "event": "renamed", "original": original, "path": path });
                    line(format!("`{original}` is `{path}` on disk"), Some(event))
                });
                let rest = count.checked_sub(changes.len()).filter(|rest| *rest > 0);
                renamed.chain(rest.map(|rest| line(format!("and {rest} more"), None))).collect()
            }
            Event::LongerFile { path, size, length, is_cut } => {
                let done = if *is_cut { "was cut" } else { "is too long" };
                let words =
                    format!("{} {done}: {size} bytes, of which {length} count", path.display());
                let event = json!({
                    "event": "longer_file",
                    "path": path.to_string_lossy(),
                    "size": size,
                    "length": length,
                    "cut": is_cut,
                });
                vec![line(words, Some(event))]
            }
            Event::Swarm(SwarmEvent::PeerBanned { address, piece }) => {
                let words = format!("banned {address}: it sent wrong data for piece {piece}");
                let addr = address.to_string();
                let event = json!({ "event": "banned", "addr": addr, "piece": piece.get() });
                vec![Told { words: Words::Warning(words), event: Some(event) }]
            }
            Event::Swarm(SwarmEvent::MetadataTooLarge { bytes, limit }) => {
                let (bytes, limit) = (format_size(*bytes), format_size(*limit));
                let words = format!("a peer has metadata of {bytes}, and --memory allows {limit}");
                vec![Told { words: Words::Warning(words), event: None }]
            }
            Event::RecordingFailed { error } => {
                // The words come at the end, where they are not overlooked.
                let words = Words::Detail(format!("the recording has ended: {error}"));
                let event = json!({ "event": "recording_failed", "error": error.to_string() });
                vec![Told { words, event: Some(event) }]
            }
            Event::Swarm(SwarmEvent::TrackerFailed { url, failure }) => {
                let (url, error) = (url.to_string(), failure.to_string());
                let words = Words::Detail(format!("tracker {url}: {error}"));
                let event = json!({ "event": "tracker_failed", "url": url, "error": error });
                vec![Told { words, event: Some(event) }]
            }
            _ => Vec::new(),
        }
    }

    /// The report of the metadata, once it is known.
    pub fn metadata(info: &Info) -> Self {
        let [v1, v2] = hashes_json(&info.hashes());
        let geometry = info.geometry();
        let total = geometry.total_payload();
        let event = json!({
            "event": "metadata",
            "name": info.name(),
            "info_hash_v1": v1,
            "info_hash_v2": v2,
            "total": total,
            "piece_length": geometry.nominal_piece_length(),
            "piece_count": geometry.piece_count(),
            "files": info.layout().file_count(),
        });
        let words = Words::Line(format!("{}: {}", info.name(), format_size(total)));
        Self { words, event: Some(event) }
    }

    /// The report of a torrent that is complete, after so long a time. The folder is the one of the
    /// content.
    pub fn finished(torrent: &Torrent, folder: &Path, stats: &Stats, took: Duration) -> Self {
        let [v1, v2] = hashes_json(&torrent.hashes());
        let path = torrent.content_path().unwrap_or_else(|| folder.to_owned());
        let rate = stats.downloaded as f64 / took.as_secs_f64().max(0.001);
        let words = format!(
            "{}: {} verified in {}; received {} ({}/s), sent {}, wasted {}",
            path.display(),
            format_size(stats.have_bytes),
            format_duration(took),
            format_size(stats.downloaded),
            format_size(rate as u64),
            format_size(stats.uploaded),
            format_size(stats.wasted),
        );
        let event = json!({
            "event": "finished",
            "info_hash_v1": v1,
            "info_hash_v2": v2,
            "path": path.to_string_lossy(),
            "bytes": stats.have_bytes,
            "downloaded": stats.downloaded,
            "uploaded": stats.uploaded,
            "wasted": stats.wasted,
            "hash_failures": stats.hash_failures,
            "seconds": took.as_secs_f64(),
        });
        Self { words: Words::Line(words), event: Some(event) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tinytorrent_types::Bitfield;

    use super::*;

    #[test]
    fn what_is_there_already_is_told_to_people_alone() {
        let checked = |have| Event::Checked { have, total: 9, pieces: Arc::new(Bitfield::new(1)) };
        let told = Told::of(&checked(7));
        assert_eq!(told[0].words, Words::Line("7 B are there already".into()));
        assert_eq!((told.len(), &told[0].event), (1, &None));
        assert_eq!(Told::of(&checked(0)), []);
    }

    #[test]
    fn a_longer_file_is_told_with_its_path_and_sizes() {
        let event = Event::LongerFile { path: "a/b".into(), size: 7, length: 5, is_cut: true };
        let told = Told::of(&event);
        assert_eq!(told[0].words, Words::Line("a/b was cut: 7 bytes, of which 5 count".into()));
        assert_eq!(told[0].event.as_ref().unwrap()["cut"], true);
    }
}
