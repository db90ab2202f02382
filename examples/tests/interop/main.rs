//! The programs against real peers and trackers on loopback.
//!
//! `cargo test -p tinytorrent-examples` builds the programs and runs these tests. Those that need
//! a program which is not installed are left out; they are listed at the end, with the commands that
//! install what they lack. `cargo test --test interop NAME` runs those whose names hold NAME.
#![allow(unreachable_pub, reason = "`pub` in a test reads better and reaches nobody either way")]

#[cfg(target_os = "linux")]
mod demo;
#[cfg(target_os = "linux")]
mod dht;
#[cfg(target_os = "linux")]
mod encryption;
#[cfg(target_os = "linux")]
mod exchange;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod harness;
#[cfg(target_os = "linux")]
mod introductions;
#[cfg(target_os = "linux")]
mod layout;
#[cfg(target_os = "linux")]
mod leechers;
#[cfg(target_os = "linux")]
mod lsd;
#[cfg(target_os = "linux")]
mod others;
#[cfg(target_os = "linux")]
mod our_tracker;
#[cfg(target_os = "linux")]
mod port_mapping;
#[cfg(target_os = "linux")]
mod proxy;
#[cfg(target_os = "linux")]
mod recordings;
#[cfg(target_os = "linux")]
mod resume;
#[cfg(target_os = "linux")]
mod seeders;
#[cfg(target_os = "linux")]
mod stream;
#[cfg(target_os = "linux")]
mod tools;
#[cfg(target_os = "linux")]
mod trackers;
#[cfg(target_os = "linux")]
mod upkeep;
#[cfg(target_os = "linux")]
mod utp;
#[cfg(target_os = "linux")]
mod utp_faults;
#[cfg(target_os = "linux")]
mod v2;
#[cfg(target_os = "linux")]
mod web;
#[cfg(target_os = "linux")]
mod webseed;

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    support::runner::main(&[
        demo::TESTS,
        dht::TESTS,
        encryption::TESTS,
        exchange::TESTS,
        faults::TESTS,
        filter::TESTS,
        harness::TESTS,
        introductions::TESTS,
        layout::TESTS,
        leechers::TESTS,
        lsd::TESTS,
        others::TESTS,
        our_tracker::TESTS,
        port_mapping::TESTS,
        proxy::TESTS,
        recordings::TESTS,
        resume::TESTS,
        seeders::TESTS,
        stream::TESTS,
        tools::TESTS,
        trackers::TESTS,
        upkeep::TESTS,
        utp::TESTS,
        utp_faults::TESTS,
        v2::TESTS,
        web::TESTS,
        webseed::TESTS,
    ])
}

/// They look into the kernel's tables, and at how its processes end.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("the interop suite runs on Linux only");
    ExitCode::SUCCESS
}
