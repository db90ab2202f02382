//! Names from strangers: whatever they are, each file gets a path of its own inside the root.
#![no_main]

use std::collections::HashSet;
use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_metainfo::{FileAttributes, Layout, LayoutError, PathPolicy};

const POLICIES: [PathPolicy; 3] = [PathPolicy::System, PathPolicy::Portable, PathPolicy::Exact];

fuzz_target!(|input: &[u8]| {
    let [policy, input @ ..] = input else { return };
    let policy = POLICIES[usize::from(*policy) % POLICIES.len()];
    // An element may be one byte, and has its name, its place in a tree, and the name on disk.
    let layout = match within(input.len(), 1024, 64 << 10, || build(policy, input)) {
        Ok(layout) => {
            assert!(policy != PathPolicy::Exact || layout.path_changes().len() == 0);
            layout
        }
        Err(LayoutError::PathRejected { .. } | LayoutError::NameRejected { .. }) => {
            assert_eq!(policy, PathPolicy::Exact);
            return;
        }
        Err(_) => return,
    };
    check(&layout);
});

fn build(policy: PathPolicy, input: &[u8]) -> Result<Layout, LayoutError> {
    let mut builder = Layout::builder(1);
    builder.policy(policy);
    // A line is a file, a `/` ends an element, a leading `>` makes a link.
    let mut lines = input.split(|&byte| byte == b'\n');
    if let Some(root) = lines.next().filter(|root| !root.is_empty()) {
        builder.root(root);
    }
    for line in lines {
        match line.strip_prefix(b">") {
            Some(link) => {
                let elements = || link.split(|&byte| byte == b'/');
                let target: Vec<&[u8]> = elements().collect();
                builder.symlink(elements(), target.iter().rev(), FileAttributes::NONE);
            }
            None => _ = builder.file(line.split(|&byte| byte == b'/'), 1),
        }
    }
    builder.build()
}

fn check(layout: &Layout) {
    let paths: HashSet<Vec<u8>> = layout.files().map(|file| file.path.to_bytes()).collect();
    assert_eq!(paths.len(), layout.file_count() as usize, "each file has its own path");
    for file in layout.files() {
        for path in [Some(file.path), file.link_target].into_iter().flatten() {
            let below = path.below(Path::new("/root"));
            let mut parts = below.components().skip(2);
            assert!(below.starts_with("/root"), "{below:?}");
            assert!(parts.all(|part| matches!(part, Component::Normal(_))), "{below:?}");
            assert!(path.elements().all(|element| (1..=255).contains(&element.len())));
        }
        // No file is a folder on the way to another.
        let path = file.path.to_bytes();
        let slashes = (0..path.len()).filter(|&at| path[at] == b'/');
        slashes.for_each(|slash| assert!(!paths.contains(&path[..slash])));
    }
}
