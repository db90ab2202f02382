//! Torrents as they are met, when the corpus is there.
#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::fs;
use std::path::Path;

use tinytorrent_bencode::{Kind, decode, decode_lenient, encode};

#[test]
fn what_libtorrent_loads_reads_leniently_and_strictly_if_canonical() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let Ok(table) = fs::read_to_string(corpus.join("classification.tsv")) else {
        println!("skipped: no corpus at {}", corpus.display());
        return;
    };
    let mut odd = 0;
    let rows = table.lines().map(|row| row.split('\t').collect::<Vec<_>>());
    let loaded: Vec<_> = rows.filter(|row| row.get(3) == Some(&"yes")).map(|row| row[0]).collect();
    for name in &loaded {
        let bytes = fs::read(corpus.join(name)).unwrap();
        let doc = decode_lenient(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(doc.root().kind(), Kind::Dict, "{name}");
        assert!(doc.get("info").is_some(), "{name}");
        assert_eq!(doc.is_canonical(), decode(&bytes).is_ok(), "{name}");
        let mut out = Vec::new();
        encode::value(&mut out, &doc.root().to_value().unwrap());
        assert_eq!(doc.is_canonical(), out == bytes, "{name}");
        if !doc.is_canonical() {
            odd += 1;
            for deviation in doc.deviations() {
                println!("{name}: {deviation}");
            }
        }
    }
    println!("{odd} of {} are not canonical", loaded.len());
    assert!(loaded.len() > 50 && odd > 0);
}
