//! A tracker server under announces of many hosts: its bounds hold, no peer is given to itself, and an
//! honest host is served and known at the end, whatever the others did.
#![no_main]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_tracker::server::{ServerConfig, Swarms};
use tinytorrent_tracker::{AnnounceEvent, AnnounceRequest};
use tinytorrent_types::{PeerId, WireInfoHash};

fuzz_target!(|bytes: &[u8]| {
    // Whatever is announced, the tables are bounded.
    within(bytes.len(), 0, 256 << 10, || run(bytes));
});

fn run(bytes: &[u8]) {
    let mut config = ServerConfig::default();
    config.max_torrents(4).max_swarm(6).max_addresses(48).max_per_host(2).peers(3, 5);
    let mut now = Instant::now();
    let mut swarms = Swarms::new(config, 1, now);
    for step in bytes.chunks_exact(5) {
        let [kind, host, torrent, port, id] = step else { continue };
        now += Duration::from_secs(u64::from(kind >> 4) * 30);
        // Hosts of three networks of the internet, so that each has more than one of what is short. A host of a local
        // network would be one of its own.
        let from: IpAddr = match host % 3 {
            0 => [20, 0, 0, host >> 4].into(),
            1 => [20, 0, 1, host >> 4].into(),
            _ => [0x2600, 0xdb8, 0, u16::from(host >> 4), 0, 0, 0, u16::from(*host)].into(),
        };
        let event = [
            AnnounceEvent::None,
            AnnounceEvent::Started,
            AnnounceEvent::Completed,
            AnnounceEvent::Stopped,
            AnnounceEvent::Paused,
        ][usize::from(kind % 5)];
        let request = request(torrent % 8, *port, *id, event, u64::from(kind & 1));
        if let Ok(response) = swarms.announce(now, from, &request, kind & 2 == 0) {
            assert!(response.peers.len() <= 5);
            assert!(response.peers.iter().all(|peer| peer.id != Some(request.peer_id)));
        }
        swarms.check_invariants();
        assert!(swarms.torrents() <= 4);
    }
    // Four torrents, and three networks: one of these has two, or there is room.
    let honest = request(200, 80, 255, AnnounceEvent::Started, 0);
    swarms.announce(now, [21, 0, 0, 1].into(), &honest, true).expect("an honest host is served");
    swarms.check_invariants();
    let counts = swarms.counts(honest.info_hash).expect("its torrent is known");
    assert_eq!(counts.seeders, Some(1));
}

fn request(torrent: u8, port: u8, id: u8, event: AnnounceEvent, left: u64) -> AnnounceRequest {
    let hash = WireInfoHash::from_bytes([torrent; 20]);
    let mut request = AnnounceRequest::new(hash, PeerId::from_bytes([id; 20]), port.into(), 1);
    (request.event, request.left) = (event, Some(left));
    request
}
