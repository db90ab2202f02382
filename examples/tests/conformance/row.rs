//! The rows of `docs/conformance/`.

use std::fs;
use std::path::Path;

use crate::{AREAS, files_below, root};

/// The verdict of a row on its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Tests prove it.
    Proven,
    /// It does not apply, and the row says why.
    NotApplicable,
    /// It is not obeyed yet, or not proven, and the row says why.
    Open,
}

/// A rule, its source and its proof.
#[derive(Debug)]
pub struct Row {
    pub id: String,
    /// The rule in words.
    pub sentence: String,
    /// The BEP, the RFC or the kind of source.
    pub source: String,
    pub verdict: Verdict,
    /// The tests that it names.
    pub tests: Vec<String>,
    /// File and line.
    pub place: String,
}

pub fn rows_of_all_parts() -> Vec<Row> {
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
        let error = format!("{place}: ");
        parse_row(line, place).unwrap_or_else(|why| panic!("{error}{why}"))
    })
    .collect()
}

/// `| ID | sentence | source | proof |`, with more cells before the last one if the part wants them.
fn parse_row(line: &str, place: String) -> Result<Row, String> {
    let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
    let [id, sentence, source, .., proof] = cells[..] else {
        return Err(format!("no rule, sentence, source and proof in `{line}`"));
    };
    let verdict = parse_verdict(id, proof)?;
    // The reason why a rule is open may hold other terms as well.
    let is_test = |term: &&str| verdict == Verdict::Proven || term.starts_with("tinytorrent_");
    let tests = quoted(proof).filter(is_test).map(str::to_owned).collect();
    let [id, sentence, source] = [id, sentence, source].map(str::to_owned);
    Ok(Row { id, sentence, source, verdict, tests, place })
}

fn parse_verdict(id: &str, proof: &str) -> Result<Verdict, String> {
    let reason = |word: &str| proof.strip_prefix(word).map(str::trim);
    match (reason("not applicable:"), reason("open:")) {
        (Some(""), _) | (_, Some("")) => Err(format!("{id}: why?")),
        (Some(_), _) => Ok(Verdict::NotApplicable),
        (_, Some(_)) => Ok(Verdict::Open),
        (None, None) if quoted(proof).next().is_some() => Ok(Verdict::Proven),
        (None, None) => {
            Err(format!("{id}: no test in `{proof}`, nor `not applicable:` nor `open:`"))
        }
    }
}

/// The terms between backticks.
fn quoted(proof: &str) -> impl Iterator<Item = &str> {
    proof.split('`').skip(1).step_by(2)
}

/// One sentence: some words, a capital or a term at the start, and the only full stop at the end.
pub fn check_sentence(sentence: &str) -> Result<(), String> {
    let is_start = |c: char| c.is_ascii_uppercase() || c == '`';
    let ends = sentence
        .match_indices(". ")
        .filter(|(at, _)| sentence[at + 2..].starts_with(|next: char| next.is_ascii_uppercase()));
    if !sentence.starts_with(is_start) || !sentence.ends_with('.') || ends.count() > 0 {
        return Err(format!("`{sentence}` is not one sentence"));
    }
    if sentence.split_whitespace().count() < 4 {
        return Err(format!("`{sentence}` says too little"));
    }
    Ok(())
}

/// Sources, with a semicolon between: `BEP 3, "section"`, `RFC 3986, section 2`, or a kind.
pub fn check_source(source: &str) -> Result<(), String> {
    for one in source.split("; ") {
        let (document, section) = one.split_once(", ").unwrap_or((one, "\"\""));
        let number = document.strip_prefix("BEP ").or(document.strip_prefix("RFC "));
        let is_number = number.is_some_and(|number| number.parse::<u16>().is_ok());
        let is_section =
            section.starts_with('"') && section.ends_with('"') || section.starts_with("section ");
        if !(is_number && is_section || KINDS_OF_SOURCE.contains(&one)) {
            return Err(format!("`{source}` is no source"));
        }
    }
    Ok(())
}

fn first_cell(line: &str) -> &str {
    line.trim_start_matches('|').split('|').next().unwrap_or_default().trim()
}

pub fn is_id(cell: &str) -> bool {
    let (area, number) = cell.split_once('-').unwrap_or_default();
    AREAS.iter().any(|(letter, ..)| *letter == area)
        && number.len() == 2
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Sources of rules that are no documents; `docs/conformance.md` says what each means.
const KINDS_OF_SOURCE: [&str; 4] = ["practice", "safety", "design", "MSE"];

#[test]
fn rows_are_read_as_they_are_meant() {
    let read = |proof: &str| {
        let row = parse_row(&format!("| B-01 | A rule is so. | BEP 3 | {proof} |"), String::new());
        row.map(|row| (row.verdict, row.tests.join(" ")))
    };
    let is = |verdict, tests: &str| Ok((verdict, tests.to_owned()));
    assert_eq!(read("`a::b`, `c`"), is(Verdict::Proven, "a::b c"));
    assert_eq!(read("a choice | `c`"), is(Verdict::Proven, "c"));
    assert_eq!(read("not applicable: no such thing here"), is(Verdict::NotApplicable, ""));
    assert_eq!(read("open: `x` lacks `tinytorrent_y::z`"), is(Verdict::Open, "tinytorrent_y::z"));
    assert!(read("open").is_err(), "a reason is missing");
    assert!(read("surely").is_err(), "neither a test nor a verdict");
    assert!(parse_row("| B-01 | `a::b` |", String::new()).is_err(), "no sentence, no source");
}

#[test]
fn sentences_and_sources_are_checked() {
    assert_eq!(check_sentence("Keys are ordered by their bytes."), Ok(()));
    assert_eq!(check_sentence("`have all` comes first, e.g. here."), Ok(()));
    for bad in
        ["", "Keys.", "keys are ordered by bytes.", "Keys are ordered by bytes", "A is B. C is D."]
    {
        assert!(check_sentence(bad).is_err(), "{bad}");
    }
    for good in ["BEP 3", "BEP 3, \"bencoding\"; BEP 52", "RFC 3986, section 2.1", "practice"] {
        assert_eq!(check_source(good), Ok(()));
    }
    for bad in ["", "BEP", "BEP three", "BEP 3 bencoding", "libtorrent", "practice; "] {
        assert!(check_source(bad).is_err(), "{bad}");
    }
}
