//! Datagrams of UDP trackers and of their clients: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_tracker::udp::{Request, Response};
use tinytorrent_types::compact::Family;

fuzz_target!(|datagram: &[u8]| {
    let length = datagram.len();
    if let Ok(request) = within(length, 4, 4 << 10, || Request::read(datagram)) {
        let mut written = Vec::new();
        request.write(&mut written);
        assert!(Request::read(&written).is_ok());
    }
    if let Ok(response) = within(length, 4, 4 << 10, || Response::read(datagram)) {
        let mut written = Vec::new();
        response.write(&mut written);
        assert!(datagram.starts_with(&written));
        for (family, stride) in [(Family::V4, 6), (Family::V6, 18)] {
            assert!(response.body.peers(family).count() * stride <= datagram.len());
        }
        assert!(response.body.counts().count() * 12 <= datagram.len());
    }
});
