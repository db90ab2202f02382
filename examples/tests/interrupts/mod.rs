//! Interrupting a program, and looking at what it leaves.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};

/// Interrupts a program that works or waits, for minutes at least. Gives its exit code.
pub(crate) fn interrupt(mut child: Child) -> Option<i32> {
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    child.wait().unwrap().code()
}

/// The names in a folder, in order.
pub(crate) fn names(folder: &Path) -> Vec<OsString> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}
