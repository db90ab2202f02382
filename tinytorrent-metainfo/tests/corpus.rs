//! Agreement with libtorrent on a corpus of real and broken torrents, where there is one.
#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use tinytorrent_metainfo::{Metainfo, Version};

/// A line of `classification.tsv`: the verdict of libtorrent on a file.
struct Verdict {
    path: String,
    loads: bool,
    kind: String,
    v1: String,
    v2: String,
    total_size: String,
    num_files: String,
    num_pad_files: String,
    num_pieces: String,
    piece_length: String,
    trackers: Vec<String>,
}

fn corpus() -> Option<PathBuf> {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if corpus.is_dir() {
        return Some(corpus);
    }
    println!("skipped: no corpus at ../shared/corpus");
    None
}

fn verdicts(corpus: &std::path::Path) -> Vec<Verdict> {
    let table = fs::read_to_string(corpus.join("classification.tsv")).unwrap();
    let lines = table.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let cell = |at: usize| cells.get(at).copied().unwrap_or_default().to_owned();
            Verdict {
                path: cell(0),
                loads: cell(3) == "yes",
                kind: cell(4),
                v1: cell(5),
                v2: cell(6),
                total_size: cell(8),
                num_files: cell(9),
                num_pad_files: cell(10),
                num_pieces: cell(11),
                piece_length: cell(12),
                trackers: cell(13)
                    .split(',')
                    .filter(|url| !url.is_empty())
                    .map(str::to_owned)
                    .collect(),
            }
        })
        .collect()
}

/// Our verdict on a torrent, in the words of the table.
fn describe(metainfo: &Metainfo) -> [String; 8] {
    let (info, layout) = (metainfo.info(), metainfo.layout());
    let kind = match info.version() {
        Version::V1 => "v1",
        Version::V2 => "v2",
        Version::Hybrid => "hybrid",
    };
    let geometry = info.geometry();
    [
        kind.to_owned(),
        info.hashes().v1().map(|hash| hash.to_string()).unwrap_or_default(),
        info.hashes().v2().map(|hash| hash.to_string()).unwrap_or_default(),
        layout.total_length().to_string(),
        layout.file_count().to_string(),
        layout.files().filter(|file| file.is_pad()).count().to_string(),
        geometry.piece_count().to_string(),
        geometry.nominal_piece_length().to_string(),
    ]
}

#[test]
fn what_libtorrent_loads_is_read_alike() {
    let Some(corpus) = corpus() else { return };
    let mut differences = Vec::new();
    for verdict in verdicts(&corpus).into_iter().filter(|verdict| verdict.loads) {
        let bytes = fs::read(corpus.join(&verdict.path)).unwrap();
        let metainfo = match Metainfo::from_bytes_lenient(&bytes) {
            Ok(metainfo) => metainfo,
            Err(error) => {
                differences.push(format!("{}: {error}", verdict.path));
                continue;
            }
        };
        let theirs = [
            verdict.kind,
            verdict.v1,
            verdict.v2,
            verdict.total_size,
            verdict.num_files,
            verdict.num_pad_files,
            verdict.num_pieces,
            verdict.piece_length,
        ];
        let ours = describe(&metainfo);
        if ours != theirs {
            differences.push(format!("{}: {ours:?} is not {theirs:?}", verdict.path));
        }
        // libtorrent has shuffled the tiers (BEP 12).
        let trackers: BTreeSet<&String> = metainfo.trackers().iter().flatten().collect();
        if trackers != verdict.trackers.iter().collect() {
            differences
                .push(format!("{}: {trackers:?} is not {:?}", verdict.path, verdict.trackers));
        }
        match Metainfo::from_bytes(&bytes) {
            Ok(strict) if strict != metainfo => {
                differences.push(format!("{}: strict reading reads otherwise", verdict.path));
            }
            Err(error) => println!("{}: strict: {error}", verdict.path),
            Ok(_) => {}
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn what_libtorrent_refuses_is_refused_strictly() {
    let Some(corpus) = corpus() else { return };
    let mut accepted = Vec::new();
    for verdict in verdicts(&corpus).into_iter().filter(|verdict| !verdict.loads) {
        let bytes = fs::read(corpus.join(&verdict.path)).unwrap();
        match Metainfo::from_bytes(&bytes) {
            Ok(_) => accepted.push(verdict.path.clone()),
            Err(error) => println!("{}: {error}", verdict.path),
        }
        if let Ok(metainfo) = Metainfo::from_bytes_lenient(&bytes) {
            println!("{}: lenient accepts: {:?}", verdict.path, metainfo.warnings());
        }
    }
    assert!(accepted.is_empty(), "{}", accepted.join("\n"));
}
