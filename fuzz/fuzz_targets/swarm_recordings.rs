//! Recordings of engines, which come from users: reading them ends, with an error or not, and what was read can be
//! written and read again.
#![no_main]

use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use tinytorrent_swarm::fuzzing::read_recording;

fuzz_target!(|bytes: &[u8]| read_recording(Instant::now(), bytes));
