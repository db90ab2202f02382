//! DNS responses with preferences for trackers (BEP 34): records are parts of the message, and the URLs
//! that they prefer are of the same host, few, and have a port.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_tracker::client::fuzzing::read_dns;
use tinytorrent_tracker::{DnsPreferences, TrackerUrl};

fuzz_target!(|message: &[u8]| {
    // A record is ten bytes at least, and a list of its own.
    let records = within(message.len(), 16, 4 << 10, || read_dns(message)).unwrap_or_default();
    assert!(records.iter().map(Vec::len).sum::<usize>() <= message.len());
    for records in [records, vec![message.to_vec()]] {
        let read = || DnsPreferences::read(records);
        let Some(preferences) = within(message.len(), 16, 4 << 10, read) else { continue };
        for url in ["http://joe@h.example:1/announce?k", "https://h.example/x", "udp://h.example:2"]
        {
            let url: TrackerUrl = url.parse().expect("a URL");
            let preferred = preferences.apply(&url);
            assert_eq!(preferred.is_empty(), preferences.denies_all());
            assert!(preferred.len() <= 10);
            for other in preferred {
                assert_eq!(
                    (other.host(), other.path_and_query()),
                    (url.host(), url.path_and_query())
                );
                assert!(other.port() != 0);
            }
        }
    }
});
