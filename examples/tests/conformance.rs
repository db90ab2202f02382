//! The list of rules in `docs/conformance/` is whole, and names tests that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Each area's letter, what it is about, and the number of its rules, which count from 1.
const AREAS: [(&str, &str, u32); 12] = [
    ("B", "bencode", 32),
    ("M", "metainfo, v1 and common", 50),
    ("V", "metainfo, v2 and hybrid", 22),
    ("U", "trackers over UDP", 44),
    ("H", "trackers over HTTP", 41),
    ("T", "tracker lists and schedule", 13),
    ("W", "peer wire", 57),
    ("X", "extension protocol, metadata, peer exchange", 29),
    ("G", "magnet links", 17),
    ("D", "distributed hash table", 27),
    ("P", "uTP", 16),
    ("S", "pieces, storage, engine", 30),
];

/// Set to write the table of the index anew instead of checking it.
const UPDATE: &str = "CONFORMANCE_UPDATE";

const TABLE_START: &str = "<!-- table: written by examples/tests/conformance.rs -->\n";
const TABLE_END: &str = "<!-- end of table -->\n";

/// The verdict of a row on its rule.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// These tests prove it.
    Proven(Vec<String>),
    /// It does not apply, and the row says why.
    NotApplicable,
    /// It is not obeyed yet, or not proven, and the row says why.
    Open,
}

#[derive(Debug)]
struct Row {
    id: String,
    verdict: Verdict,
    /// File and line.
    place: String,
}

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
fn every_named_test_exists() {
    let tests = tests_of_all_sources();
    let mut wrong = String::new();
    for row in rows_of_all_parts() {
        let Verdict::Proven(names) = &row.verdict else { continue };
        for name in names.iter().filter(|name| !exists(name, &tests)) {
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

#[test]
fn rows_are_read_as_they_are_meant() {
    let verdict = |line: &str| parse_row(line).map(|(_, verdict)| verdict);
    let proven =
        |names: &[&str]| Ok(Verdict::Proven(names.iter().map(|name| (*name).to_owned()).collect()));
    assert_eq!(verdict("| B-01 | `a::b`, `c` |"), proven(&["a::b", "c"]));
    assert_eq!(
        verdict("| B-01 | not applicable: no such thing here |"),
        Ok(Verdict::NotApplicable)
    );
    assert_eq!(verdict("| B-01 | open: needs `x` |"), Ok(Verdict::Open));
    assert!(verdict("| B-01 | open |").is_err(), "a reason is missing");
    assert!(verdict("| B-01 | surely |").is_err(), "neither a test nor a verdict");
}

/// The ids of all rules, in the order of the areas.
fn rules() -> impl Iterator<Item = String> {
    AREAS
        .into_iter()
        .flat_map(|(area, _, count)| (1..=count).map(move |n| format!("{area}-{n:02}")))
}

fn rows_of_all_parts() -> Vec<Row> {
    let mut parts = files_below(&root().join("docs/conformance"), "md");
    parts.sort();
    parts.iter().flat_map(|part| rows_of(part)).collect()
}

fn rows_of(part: &Path) -> Vec<Row> {
    let text = fs::read_to_string(part).unwrap();
    let name = part.file_name().expect("a file has a name").to_string_lossy().into_owned();
    let lines = text.lines().zip(1..);
    let rows = lines.filter(|(line, _)| line.starts_with('|') && is_id(first_cell(line)));
    rows.map(|(line, number)| {
        let place = format!("{name}:{number}");
        let (id, verdict) = parse_row(line).unwrap_or_else(|error| panic!("{place}: {error}"));
        Row { id, verdict, place }
    })
    .collect()
}

/// `| ID | verdict |`, with more cells before the last one if the part wants them.
fn parse_row(line: &str) -> Result<(String, Verdict), String> {
    let id = first_cell(line).to_owned();
    let last = line.trim().trim_end_matches('|').rsplit(" | ").next().unwrap_or_default().trim();
    let reason = |word: &str| last.strip_prefix(word).map(str::trim);
    let verdict = match (reason("not applicable:"), reason("open:")) {
        (Some(""), _) | (_, Some("")) => return Err(format!("{id}: why?")),
        (Some(_), _) => Verdict::NotApplicable,
        (_, Some(_)) => Verdict::Open,
        (None, None) => {
            let names: Vec<String> =
                last.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            if names.is_empty() {
                return Err(format!(
                    "{id}: no test in `{last}`, nor `not applicable:` nor `open:`"
                ));
            }
            Verdict::Proven(names)
        }
    };
    Ok((id, verdict))
}

fn first_cell(line: &str) -> &str {
    line.trim_start_matches('|').split('|').next().unwrap_or_default().trim()
}

fn is_id(cell: &str) -> bool {
    let (area, number) = cell.split_once('-').unwrap_or_default();
    area.len() == 1
        && area.bytes().all(|byte| byte.is_ascii_uppercase())
        && number.len() == 2
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The functions that are tests, with the crates that hold them.
fn tests_of_all_sources() -> BTreeMap<String, BTreeSet<String>> {
    let mut tests: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = "));
        let Some(name) = name.map(|name| name.trim_matches('"')) else { continue };
        for source in files_below(&package, "rs") {
            for test in tests_of(&fs::read_to_string(source).unwrap()) {
                tests.entry(test).or_default().insert(name.replace('-', "_"));
            }
        }
    }
    tests
}

/// Functions below a `#[test]` of any kind, with nothing but attributes and comments between, and
/// those of a `tests!` list, by which a suite with a runner of its own names them.
fn tests_of(source: &str) -> Vec<String> {
    let mut is_test = false;
    let mut tests = listed_tests(source).map(str::to_owned).collect::<Vec<_>>();
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[") && line.contains("test") {
            is_test = true;
        } else if let Some(name) = function_name(line) {
            if is_test {
                tests.push(name.to_owned());
            }
            is_test = false;
        } else if !line.starts_with("#[") && !line.starts_with("//") && !line.is_empty() {
            is_test = false;
        }
    }
    tests
}

fn listed_tests(source: &str) -> impl Iterator<Item = &str> {
    let lists = source.split("\ntests![").skip(1);
    let inner = lists.map(|rest| rest.split_once("];").map_or("", |(inner, _)| inner));
    inner.flat_map(|inner| inner.split(',')).map(str::trim).filter(|name| !name.is_empty())
}

fn function_name(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    let rest = line.strip_prefix("fn ")?;
    rest.find(|c: char| !c.is_alphanumeric() && c != '_').map(|end| &rest[..end])
}

/// A path names a test by its last part; a crate's name in front must be right as well.
fn exists(path: &str, tests: &BTreeMap<String, BTreeSet<String>>) -> bool {
    let path = path.replace('-', "_");
    let first = path.split("::").next().unwrap_or_default();
    let last = path.rsplit("::").next().unwrap_or_default();
    let Some(crates) = tests.get(last) else { return false };
    !first.starts_with("tinytorrent_") || crates.contains(first)
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
        let counted = |wanted: fn(&Verdict) -> bool| {
            of_area.iter().filter(|row| wanted(&row.verdict)).count()
        };
        let proven = counted(|verdict| matches!(verdict, Verdict::Proven(_)));
        let not_applicable = counted(|verdict| *verdict == Verdict::NotApplicable);
        let open = counted(|verdict| *verdict == Verdict::Open);
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
