//! A status to be shown by tests.

use std::time::{Duration, UNIX_EPOCH};

use tinytorrent_client::Stats;
use tinytorrent_types::{InfoHashV1, InfoHashes};

use crate::{Phase, Row, Status, Totals};

/// A torrent of 100 bytes, of which a quarter is there, or all of it.
pub(crate) fn row(number: u8, name: &str, phase: Phase) -> Row {
    let have_bytes = if matches!(phase, Phase::Seeding | Phase::Done) { 100 } else { 25 };
    let stats = Stats {
        have_bytes,
        left: 100 - have_bytes,
        wanted_left: 100 - have_bytes,
        download_rate: if phase == Phase::Downloading { 5 } else { 0 },
        upload_rate: 2048,
        peers: 3,
        seeds: 1,
        ..Stats::default()
    };
    Row {
        hashes: InfoHashes::from_v1(InfoHashV1::from_bytes([number; 20])),
        name: name.to_owned(),
        file: Some(format!("{number}.torrent")),
        phase,
        error: None,
        has_metadata: phase != Phase::Metadata,
        stats,
        downloaded: 25,
        uploaded: 50,
        ratio: 0.5,
        seeding: Duration::from_secs(9),
        added: UNIX_EPOCH,
    }
}

pub(crate) fn status(rows: Vec<Row>) -> Status {
    let totals = Totals {
        downloaded: 25,
        uploaded: 50,
        uptime: Duration::from_secs(185),
        ..Totals::default()
    };
    Status { folder: "in".into(), output: "out".into(), rows, totals }
}
