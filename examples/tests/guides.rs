//! The files that the guides name exist.

use std::fs;
use std::path::Path;

const GUIDES: [&str; 4] =
    ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/newcomers.md", "docs/conformance.md"];

/// The start of a path from the root of the repository.
const FOLDERS: [&str; 6] = ["tinytorrent-", "examples/", "benches/", "docs/", "fuzz/", ".ci/"];

/// Terms in backticks that are paths from the root.
fn paths_in(text: &str) -> impl Iterator<Item = &str> {
    let terms = text.split('`').skip(1).step_by(2);
    terms.filter(|term| {
        let is_path = term.contains('/') && !term.contains([' ', ':', '(', '<']);
        is_path && FOLDERS.iter().any(|folder| term.starts_with(folder))
    })
}

#[test]
fn every_file_that_a_guide_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it lies in the workspace");
    let mut missing = Vec::new();
    for guide in GUIDES {
        let text = fs::read_to_string(root.join(guide)).unwrap();
        missing.extend(
            paths_in(&text)
                .filter(|path| !root.join(path).exists())
                .map(|path| format!("{guide}: {path}")),
        );
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn paths_are_told_from_other_terms() {
    let text = "`docs/a.md`, `Swarm::new`, `a/b`, `tinytorrent-wire/src`, `.ci/run clippy`";
    assert_eq!(paths_in(text).collect::<Vec<_>>(), ["docs/a.md", "tinytorrent-wire/src"]);
}
