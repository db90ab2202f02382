//! Lists of blocked addresses: no panic, memory in proportion to the list, and what was read is written and read the same.
#![no_main]

use std::fmt::Write;

use libfuzzer_sys::fuzz_target;
use tinytorrent_blocklist::read;
use tinytorrent_fuzz::within;

fuzz_target!(|bytes: &[u8]| {
    // What is compressed may become a thousand times as long.
    let is_compressed = bytes.starts_with(&[0x1f, 0x8b]);
    let per_byte = if is_compressed { 64 << 10 } else { 64 };
    // The shortest range has three bytes, and takes 32.
    let Ok(list) = within(bytes.len(), per_byte, 512 << 10, || read(bytes)) else { return };
    let report = &list.report;
    assert_eq!(report.ranges - report.joined, list.ranges.len() as u64);
    assert!(report.reversed <= report.ranges && report.bad <= report.ranges + report.allowed);
    assert_eq!(report.first_bad.len() as u64, report.bad.min(8));
    let mut text = String::new();
    for range in list.ranges.iter() {
        let (first, last) = range.into_inner();
        assert!(first <= last && list.ranges.contains(first) && list.ranges.contains(last));
        writeln!(text, "{first} - {last}").expect("a string takes all");
    }
    let again = read(text.as_bytes()).expect("what we write, we read");
    assert_eq!(again.ranges, list.ranges);
    assert_eq!((again.report.joined, again.report.bad), (0, 0));
});
