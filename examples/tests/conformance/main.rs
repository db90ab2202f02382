//! The list of rules in `docs/conformance/` is whole: each rule is a sentence, with its source and its
//! proof, and the proofs are tests that exist.

#![allow(unreachable_pub, reason = "`pub` in a test reads better and reaches nobody either way")]

mod row;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use row::{Row, Verdict, check_sentence, check_source, rows_of_all_parts};
use source::{comments_of, exists, ids_in, tests_of_all_sources};

/// Each area's letter, what it is about, and the number of its rules, which count from 1.
const AREAS: [(&str, &str, u32); 15] = [
    ("B", "bencode", 32),
    ("M", "metainfo, v1 and common", 50),
    ("V", "metainfo, v2 and hybrid", 22),
    ("U", "trackers over UDP", 44),
    ("H", "trackers over HTTP", 41),
    ("T", "tracker lists and schedule", 13),
    ("W", "peer wire", 57),
    ("X", "extension protocol, metadata, peer exchange", 29),
    ("G", "magnet links", 18),
    ("D", "distributed hash table", 74),
    ("P", "uTP", 42),
    ("F", "web seeds", 19),
    ("L", "local discovery", 12),
    ("N", "port mapping", 32),
    ("S", "pieces, storage, engine", 37),
];

/// Set to write the table of the index anew instead of checking it.
const UPDATE: &str = "CONFORMANCE_UPDATE";

const TABLE_START: &str = "<!-- table: written by examples/tests/conformance -->\n";
const TABLE_END: &str = "<!-- end of table -->\n";

#[test]
fn every_rule_has_exactly_one_row() {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows_of_all_parts() {
        rows.entry(row.id).or_default().push(row.place);
    }
    let rules: BTreeSet<String> = rules().collect();
    let mut wrong = String::new();
    for rule in &rules {
        match rows.get(rule).map(Vec::as_slice) {
            Some([_]) => {}
            Some(places) => writeln!(wrong, "{rule} has {}", places.join(" and ")).unwrap(),
            None => writeln!(wrong, "{rule} has no row").unwrap(),
        }
    }
    for (id, places) in rows.iter().filter(|(id, _)| !rules.contains(*id)) {
        writeln!(wrong, "{id} is no rule: {}", places.join(" and ")).unwrap();
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_rule_is_a_sentence_with_a_source() {
    let mut wrong = String::new();
    for Row { id, sentence, source, place, .. } in rows_of_all_parts() {
        if let Err(why) = check_sentence(&sentence).and_then(|()| check_source(&source)) {
            writeln!(wrong, "{place}: {id}: {why}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_id_in_the_sources_can_be_looked_up() {
    let rules: BTreeSet<String> = rules().collect();
    let mut wrong = String::new();
    for source in packages().iter().flat_map(|package| files_below(package, "rs")) {
        let text = fs::read_to_string(&source).unwrap();
        for id in comments_of(&text).flat_map(ids_in).filter(|id| !rules.contains(*id)) {
            writeln!(wrong, "{}: {id} is no rule", source.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_named_test_exists() {
    let tests = tests_of_all_sources();
    let mut wrong = String::new();
    for row in rows_of_all_parts() {
        for name in row.tests.iter().filter(|name| !exists(name, &tests)) {
            writeln!(wrong, "{}: {}: no test `{name}`", row.place, row.id).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

// Without libtest the attribute takes the function away, and nobody would miss it.
#[test]
fn no_test_of_the_interop_suite_is_left_to_libtest() {
    for source in files_below(&root().join("examples/tests/interop"), "rs") {
        let text = fs::read_to_string(&source).unwrap();
        assert!(!text.contains("#[test]"), "{}: list it in `tests!` instead", source.display());
    }
}

#[test]
fn index_counts_what_the_parts_say() {
    let index = root().join("docs/conformance.md");
    let text = fs::read_to_string(&index).unwrap();
    let (before, rest) = text.split_once(TABLE_START).expect("the index marks its table");
    let (table, after) = rest.split_once(TABLE_END).expect("the index marks its table's end");
    let due = table_of_index();
    if std::env::var_os(UPDATE).is_some() {
        let text = [before, TABLE_START, &due, TABLE_END, after].concat();
        fs::write(&index, text).unwrap();
    } else {
        let remedy = format!("{UPDATE}=1 cargo test -p tinytorrent-examples --test conformance");
        assert_eq!(table, due, "docs/conformance.md is old; write it anew with {remedy}");
    }
}

/// The ids of all rules, in the order of the areas.
fn rules() -> impl Iterator<Item = String> {
    AREAS
        .into_iter()
        .flat_map(|(area, _, count)| (1..=count).map(move |n| format!("{area}-{n:02}")))
}

fn packages() -> Vec<PathBuf> {
    let entries = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.join("Cargo.toml").is_file()).collect()
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    files
}

fn table_of_index() -> String {
    let rows = rows_of_all_parts();
    let mut table = String::from("| area | rules | proven | not applicable | open | parts |\n");
    table.push_str("|---|---|---|---|---|---|\n");
    for (area, about, count) in AREAS {
        let of_area: Vec<&Row> = rows.iter().filter(|row| row.id.starts_with(area)).collect();
        let [proven, not_applicable, open] =
            [Verdict::Proven, Verdict::NotApplicable, Verdict::Open]
                .map(|verdict| of_area.iter().filter(|row| row.verdict == verdict).count());
        let files: BTreeSet<&str> =
            of_area.iter().filter_map(|row| row.place.split(':').next()).collect();
        let links: Vec<String> =
            files.iter().map(|file| format!("[{file}](conformance/{file})")).collect();
        writeln!(
            table,
            "| {area}: {about} | {count} | {proven} | {not_applicable} | {open} | {} |",
            links.join(", ")
        )
        .unwrap();
    }
    table
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace")
}
