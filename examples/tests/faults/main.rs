//! Real faults over real sockets and disks: kills, suspends, disks that are full or fail, files that somebody else
//! changes, descriptors, networks and clocks.
//!
//! `cargo test -p tinytorrent-examples --test faults` runs a small share. With `TINYTORRENT_FAULTS=full` there are
//! 200 kills, and the cases that take minutes. A failed test tells the seed of its random moments;
//! `TINYTORRENT_FAULTS_SEED` draws the same ones again.
//!
//! The victim is a process of its own, this very file with other words ([`program`]): a client with a kept session.
//! Its peers live in the process of the test.
#![allow(unreachable_pub, reason = "`pub` in a test reads better and reaches nobody either way")]

#[cfg(target_os = "linux")]
mod bad_disk;
#[cfg(target_os = "linux")]
mod changes;
#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(target_os = "linux")]
mod dice;
#[cfg(target_os = "linux")]
mod disks;
#[cfg(target_os = "linux")]
mod full_disk;
#[cfg(target_os = "linux")]
mod kills;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod node;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod seeder;
#[cfg(target_os = "linux")]
mod suspend;

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "the interop suite uses all of it")]
mod support;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some(program::WORD) {
        return program::main(words);
    }
    support::runner::main(&[
        bad_disk::TESTS,
        changes::TESTS,
        clock::TESTS,
        descriptors::TESTS,
        full_disk::TESTS,
        kills::TESTS,
        network::TESTS,
        suspend::TESTS,
    ])
}

/// They look into the kernel's tables, and at how its processes end.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("the suite of faults runs on Linux only");
    ExitCode::SUCCESS
}
