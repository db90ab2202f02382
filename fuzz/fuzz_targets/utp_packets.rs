//! Datagrams of uTP: no panic, no memory, and what is read is written and read the same; an endpoint that gets them
//! answers with no more than it got.
#![no_main]

use std::net::SocketAddr;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_utp::packet::Packet;
use tinytorrent_utp::{Endpoint, EndpointConfig};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(packet) = within(bytes.len(), 0, 0, || Packet::decode(bytes)) {
        let mut buffer = vec![0; packet.length()];
        assert_eq!(packet.encode(&mut buffer), buffer.len());
        assert!(buffer.len() <= bytes.len());
        assert_eq!(Packet::decode(&buffer), Ok(packet));
        let steps: Vec<u16> =
            packet.selective_ack.into_iter().flat_map(|ack| ack.steps()).collect();
        assert!(steps.is_sorted() && steps.iter().all(|step| (2..2 + 255 * 8).contains(step)));
    }
    let now = Instant::now();
    let from = SocketAddr::from(([9, 9, 9, 9], 9));
    let mut endpoint = Endpoint::new(now, EndpointConfig::new([1; 32]));
    let id = endpoint.connect(now, from).expect("there is room");
    let mut buffer = [0; 1_500];
    assert!(endpoint.poll_transmit(now, &mut buffer).is_some());
    within(bytes.len(), 0, 4 << 10, || endpoint.handle_datagram(now, from, bytes));
    let answer = endpoint.poll_transmit(now, &mut buffer).map_or(0, |transmit| transmit.length);
    assert!(answer <= bytes.len());
    assert!(endpoint.poll_transmit(now, &mut buffer).is_none());
    assert_eq!(endpoint.readable(id), 0, "it is not connected");
    endpoint.check_invariants();
});
