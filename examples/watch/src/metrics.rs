use std::fmt::{Display, Write};

use tinytorrent_types::Printable;

use crate::{Phase, Row, Status};

/// The status in Prometheus' text format, version 0.0.4.
pub(crate) fn metrics(status: &Status) -> String {
    let mut out = String::new();
    let totals = &status.totals;
    single(
        &mut out,
        "downloaded_bytes_total",
        COUNTER,
        "Received bytes of content.",
        totals.downloaded,
    );
    single(&mut out, "uploaded_bytes_total", COUNTER, "Sent bytes of content.", totals.uploaded);
    single(&mut out, "wasted_bytes_total", COUNTER, "Received bytes of no use.", totals.wasted);
    let failures = "Pieces that failed their hash.";
    single(&mut out, "hash_failures_total", COUNTER, failures, totals.hash_failures);
    single(&mut out, "memory_bytes", GAUGE, "Bytes that are held for peers.", totals.memory);
    let uptime = totals.uptime.as_secs_f64();
    single(&mut out, "uptime_seconds", GAUGE, "Time since the start.", uptime);
    head(&mut out, "torrents", GAUGE, "Torrents by what they do.");
    for phase in Phase::ALL {
        let count = status.count(phase);
        let _ = writeln!(out, "tinytorrent_torrents{{state=\"{}\"}} {count}", phase.name());
    }
    for (name, kind, help, figure) in FIGURES {
        head(&mut out, name, kind, help);
        for row in &status.rows {
            let _ = writeln!(out, "tinytorrent_{name}{{{}}} {}", labels(row), figure(row));
        }
    }
    out
}

/// A figure of each torrent: its name, its type, its help, and its value.
type Figure = (&'static str, &'static str, &'static str, fn(&Row) -> f64);

const FIGURES: [Figure; 9] = [
    ("torrent_have_bytes", GAUGE, "Bytes that are verified and on disk.", |row| {
        row.stats.have_bytes as f64
    }),
    ("torrent_left_bytes", GAUGE, "Bytes of wanted pieces that are missing.", |row| {
        row.stats.wanted_left as f64
    }),
    ("torrent_download_rate_bytes", GAUGE, "Received bytes a second.", |row| {
        row.stats.download_rate as f64
    }),
    ("torrent_upload_rate_bytes", GAUGE, "Sent bytes a second.", |row| {
        row.stats.upload_rate as f64
    }),
    ("torrent_peers", GAUGE, "Connected peers.", |row| row.stats.peers.into()),
    ("torrent_seeds", GAUGE, "Connected peers that have everything.", |row| row.stats.seeds.into()),
    ("torrent_downloaded_bytes_total", COUNTER, "Received bytes of all runs.", |row| {
        row.downloaded as f64
    }),
    ("torrent_uploaded_bytes_total", COUNTER, "Sent bytes of all runs.", |row| row.uploaded as f64),
    ("torrent_seeding_seconds_total", COUNTER, "Time of seeding of all runs.", |row| {
        row.seeding.as_secs_f64()
    }),
];

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP tinytorrent_{name} {help}\n# TYPE tinytorrent_{name} {kind}");
}

fn single(out: &mut String, name: &str, kind: &str, help: &str, value: impl Display) {
    head(out, name, kind, help);
    let _ = writeln!(out, "tinytorrent_{name} {value}");
}

fn labels(row: &Row) -> String {
    let name = Printable(&row.name).to_string();
    // Backslash, quote and line feed are escaped; the last one is not printable.
    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
    format!("info_hash=\"{}\",name=\"{name}\"", row.hashes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{row, status};

    #[test]
    fn every_line_is_a_comment_or_a_sample() {
        let evil = row(1, "a \"b\" \\ c\nd", Phase::Downloading);
        let text = metrics(&status(vec![evil, row(2, "x", Phase::Seeding)]));
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            let is_comment = line.starts_with("# HELP ") || line.starts_with("# TYPE ");
            let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
            assert!(is_comment || value.is_some(), "{line}");
            assert!(is_comment || line.starts_with("tinytorrent_"), "{line}");
        }
        assert!(text.contains("name=\"a \\\"b\\\" \\\\ c\u{fffd}d\"} 25"), "{text}");
        assert!(text.contains("tinytorrent_torrents{state=\"seeding\"} 1\n"), "{text}");
    }

    #[test]
    fn each_metric_is_introduced_once_and_counters_end_in_total() {
        let text = metrics(&status(vec![row(1, "a", Phase::Paused), row(2, "b", Phase::Paused)]));
        let types: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let mut names: Vec<_> = types.iter().map(|line| line.split(' ').next()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), types.len());
        for line in types {
            let (name, kind) = line.split_once(' ').unwrap();
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
        }
    }
}
