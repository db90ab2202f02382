//! Bencode through serde: no panic, what is written reads as the same value, and memory is in proportion to the
//! input.
#![no_main]

use std::collections::BTreeMap;
use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use tinytorrent_bencode::{Options, serde as bencode};
use tinytorrent_fuzz::within;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<i64>,
    #[serde(with = "serde_bytes", default)]
    b: Vec<u8>,
    #[serde(default)]
    c: Vec<String>,
    #[serde(default)]
    d: BTreeMap<String, Vec<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<Box<Everything>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    f: Option<Kind>,
    #[serde(default)]
    g: (i8, bool),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    New(u32),
    Tuple(u8, String),
    Struct { x: i16 },
}

fuzz_target!(|input: &[u8]| {
    round_trip::<Everything>(input);
    round_trip::<BTreeMap<String, Kind>>(input);
    round_trip::<Vec<Vec<i64>>>(input);
    round_trip::<Kind>(input);
    let _ = within(input.len(), PER_BYTE, FIXED, || bencode::from_slice::<IgnoredAny>(input));
    let _ = bencode::from_slice_with::<Everything>(&Options::lenient(), input);
});

/// The smallest value that takes much memory is an empty list, of two bytes: a `Vec` has 24, and the list that
/// holds it grows by doubling.
const PER_BYTE: usize = 128;

/// An error has a path and words.
const FIXED: usize = 16 << 10;

fn round_trip<T: DeserializeOwned + Serialize + PartialEq + Debug>(input: &[u8]) {
    let read = || bencode::from_slice::<T>(input);
    let Ok(value) = within(input.len(), PER_BYTE, FIXED, read) else { return };
    let written = bencode::to_vec(&value).expect("what was read can be written");
    assert_eq!(bencode::from_slice::<T>(&written).expect("what we write, we read"), value);
}
