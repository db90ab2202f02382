//! Announcements of the local network: no panic and no memory, what is read can be written and read the same, and a
//! machine that gets them finds its own torrents alone, of the sender.
#![no_main]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_lsd::message::{Announcement, MAX_LENGTH, write};
use tinytorrent_lsd::{Family, Link, LinkId, Lsd, Net};
use tinytorrent_types::WireInfoHash;

fuzz_target!(|bytes: &[u8]| {
    let read = within(bytes.len(), 0, 0, || {
        Announcement::parse(bytes).map(|read| (read, read.hashes().count()))
    });
    let Ok((read, count)) = read else { return };
    assert!(read.port != 0 && count * 51 <= bytes.len());
    let hashes: Vec<WireInfoHash> = read.hashes().take(20).collect();
    let mut written = Vec::new();
    assert_eq!(write(&mut written, Family::V4, read.port, "c", &hashes), hashes.len());
    let again = Announcement::parse(&written).expect("it was written");
    assert_eq!((again.port, again.hashes().collect::<Vec<_>>()), (read.port, hashes.clone()));

    let now = Instant::now();
    let mut lsd = Lsd::new(now, [1; 32]);
    let nets = vec![Net { address: [10, 0, 0, 1].into(), prefix: 24 }];
    let link = Link { family: Family::V4, interface: 1, port: 9, nets };
    lsd.set_links(now, vec![(LinkId(0), link)]);
    let ours = hashes.first().copied().unwrap_or(WireInfoHash::from_bytes([7; 20]));
    lsd.insert(now, ours);
    for n in [2, 3, 2] {
        let from = SocketAddr::from(([10, 0, 0, n], 6771));
        let _ = lsd.handle_datagram(now, LinkId(0), from, bytes);
        while let Some(found) = lsd.poll_found() {
            assert_eq!(found.hash, ours);
            assert_eq!(found.address, SocketAddr::from((from.ip(), read.port)));
        }
    }
    let _ = lsd.handle_datagram(now, LinkId(0), ([10, 0, 1, 2], 6771).into(), bytes);
    assert_eq!(lsd.poll_found(), None);
    lsd.check_invariants();
    let later = now + Duration::from_secs(1);
    lsd.handle_timeout(later);
    let sent: Vec<_> = std::iter::from_fn(|| lsd.poll_transmit()).collect();
    assert!(sent.len() == 1 && sent[0].datagram.len() <= MAX_LENGTH);
    lsd.check_invariants();
});
