//! The sources: their tests, and the ids of rules that they cite.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::row::is_id;
use crate::{files_below, packages};

/// The place of a test.
#[derive(Debug)]
pub struct Test {
    /// The crate, as paths name it.
    package: String,
    /// The modules that its file makes.
    modules: Vec<String>,
}

impl Test {
    fn new(package: &str, modules: &[&str]) -> Self {
        let modules = modules.iter().map(|module| (*module).to_owned()).collect();
        Self { package: package.to_owned(), modules }
    }

    /// Returns true if a path of a crate and modules leads here. Modules inside the file may follow.
    fn is_at(&self, path: &[&str]) -> bool {
        let Some((package, modules)) = path.split_first() else { return false };
        *package == self.package
            && modules.len() >= self.modules.len()
            && modules.iter().zip(&self.modules).all(|(named, own)| named == own)
    }
}

/// The functions that are tests, by name, with the places that have them.
pub fn tests_of_all_sources() -> BTreeMap<String, Vec<Test>> {
    let mut tests: BTreeMap<String, Vec<Test>> = BTreeMap::new();
    for package in packages() {
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = "));
        let Some(name) = name.map(|name| name.trim_matches('"').replace('-', "_")) else {
            continue;
        };
        for source in files_below(&package, "rs") {
            let modules = modules_of(source.strip_prefix(&package).expect("it lies below"));
            let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
            for test in tests_of(&fs::read_to_string(&source).unwrap()) {
                tests.entry(test).or_default().push(Test::new(&name, &modules));
            }
        }
    }
    tests
}

/// The modules that a file makes, by its path inside its package.
fn modules_of(file: &Path) -> Vec<String> {
    let parts = file.with_extension("");
    let parts = parts.iter().skip(1).map(|part| part.to_string_lossy().into_owned());
    parts.filter(|part| !["lib", "main", "mod"].contains(&part.as_str())).collect()
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

/// Returns true if a test has this path: its crate, the modules of its file, and its name.
pub fn exists(path: &str, tests: &BTreeMap<String, Vec<Test>>) -> bool {
    let parts: Vec<&str> = path.split("::").collect();
    let Some((name, place)) = parts.split_last() else { return false };
    tests.get(*name).is_some_and(|tests| tests.iter().any(|test| test.is_at(place)))
}

/// The comments of a source, line by line.
pub fn comments_of(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| line.split_once("//").map(|(_, comment)| comment))
}

/// The words of a text that are ids of rules.
pub fn ids_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|word| is_id(word))
}

#[test]
fn tests_are_known_by_the_file_that_holds_them() {
    let path = |file: &str| modules_of(Path::new(file)).join("::");
    assert_eq!(path("src/upload/choke.rs"), "upload::choke");
    assert_eq!(path("src/lib.rs"), "");
    assert_eq!(path("src/client/mod.rs"), "client");
    assert_eq!(path("tests/interop/v2.rs"), "interop::v2");
    assert_eq!(path("tests/trees/main.rs"), "trees");
    let tests = BTreeMap::from([("t".into(), vec![Test::new("tinytorrent_x", &["a", "b"])])]);
    for (name, is_there) in [
        ("tinytorrent_x::a::b::t", true),
        ("tinytorrent_x::a::b::tests::t", true),
        ("tinytorrent_x::b::t", false),
        ("tinytorrent_y::a::b::t", false),
        ("tinytorrent_x::a::b::u", false),
    ] {
        assert_eq!(exists(name, &tests), is_there, "{name}");
    }
}

#[test]
fn ids_are_found_in_comments() {
    let source = "let a = \"W-01\";\n// W-02, and X-03; not UTF-16, SHA-1 or W-123\n/// V-04.";
    let ids: Vec<_> = comments_of(source).flat_map(ids_in).collect();
    assert_eq!(ids, ["W-02", "X-03", "V-04"]);
}
