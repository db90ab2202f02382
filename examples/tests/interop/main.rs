//! The programs against real peers and trackers on loopback.
//!
//! `cargo test -p tinytorrent-examples` builds the programs and runs these tests. Those that need
//! a program which is not installed are left out, and say so.
#![cfg(target_os = "linux")]
#![allow(unreachable_pub, reason = "`pub` in a test reads better and reaches nobody either way")]

mod demo;
mod encryption;
mod exchange;
mod faults;
mod harness;
mod layout;
mod leechers;
mod our_tracker;
mod resume;
mod seeders;
mod tools;
mod trackers;
mod v2;
mod web;

#[path = "../support/mod.rs"]
mod support;
