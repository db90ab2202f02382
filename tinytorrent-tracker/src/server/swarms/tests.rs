#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn hash(byte: u8) -> WireInfoHash {
    WireInfoHash::from_bytes([byte; 20])
}

/// From a peer that is known by its port.
fn request(torrent: u8, port: u16, event: AnnounceEvent, left: u64) -> AnnounceRequest {
    let mut id = [b'x'; 20];
    id[..2].copy_from_slice(&port.to_be_bytes());
    let mut request = AnnounceRequest::new(hash(torrent), PeerId::from_bytes(id), port, 1);
    (request.event, request.left) = (event, Some(left));
    request
}

fn swarms(configure: impl FnOnce(&mut ServerConfig)) -> (Swarms, Instant) {
    let mut config = ServerConfig::default();
    configure(&mut config);
    let now = Instant::now();
    (Swarms::new(config, 1, now), now)
}

/// The counts and the peers of a UDP reply.
fn compact(
    swarms: &mut Swarms,
    now: Instant,
    from: IpAddr,
    request: &AnnounceRequest,
) -> (SwarmCounts, Vec<SocketAddr>) {
    let (mut packed, mut found) = (Vec::new(), SwarmCounts::default());
    let write = |_, counts, _: &mut Vec<u8>| found = counts;
    swarms.announce_compact(now, from, request, &mut packed, write).unwrap();
    (found, tinytorrent_types::compact::peers(&packed, Family::of(from)).collect())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The number of peers in the response to a new peer.
fn given(swarms: &mut Swarms, now: Instant, num_want: Option<u32>) -> usize {
    let mut newcomer = request(1, 60_000, AnnounceEvent::Started, 5);
    newcomer.num_want = num_want;
    let response = swarms.announce(now, ip("203.0.113.1"), &newcomer, false).unwrap();
    let stopped = request(1, 60_000, AnnounceEvent::Stopped, 5);
    swarms.announce(now, ip("203.0.113.1"), &stopped, false).unwrap();
    response.peers.len()
}

#[test]
fn peers_are_given_as_many_as_wanted_within_the_limits() {
    let (mut swarms, now) = swarms(|config| {
        config.peers(3, 5);
    });
    for port in 1..=10 {
        let peer = request(1, port, AnnounceEvent::Started, 5);
        swarms.announce(now, ip("192.0.2.1"), &peer, false).unwrap();
    }
    assert_eq!(given(&mut swarms, now, None), 3);
    assert_eq!(given(&mut swarms, now, Some(4)), 4);
    assert_eq!(given(&mut swarms, now, Some(1000)), 5);
    assert_eq!(given(&mut swarms, now, Some(0)), 0);
}

#[test]
fn who_asks_is_not_given_to_itself() {
    let (mut swarms, now) = swarms(|_| {});
    for _ in 0..2 {
        let ours = request(1, 6881, AnnounceEvent::None, 5);
        let response = swarms.announce(now, ip("192.0.2.1"), &ours, true).unwrap();
        assert_eq!(response.peers, []);
        assert_eq!(response.leechers, Some(1));
    }
}

/// U-21, H-10
#[test]
fn families_are_kept_apart_and_http_gives_both() {
    let (mut swarms, now) = swarms(|_| {});
    let peer = |port| request(1, port, AnnounceEvent::Started, 5);
    swarms.announce(now, ip("192.0.2.1"), &peer(1), false).unwrap();
    swarms.announce(now, ip("2001:db8::1"), &peer(4), false).unwrap();
    let over_udp = swarms.announce(now, ip("192.0.2.2"), &peer(2), false).unwrap();
    assert!(over_udp.peers.iter().all(|peer| peer.address.is_ipv4()) && over_udp.peers.len() == 1);
    let over_http = swarms.announce(now, ip("2001:db8::2"), &peer(5), true).unwrap();
    assert_eq!(over_http.peers.len(), 3);
    assert!(over_http.peers[0].address.is_ipv6());
    let mapped = swarms.announce(now, ip("::ffff:192.0.2.3"), &peer(3), false).unwrap();
    assert_eq!(mapped.peers.len(), 2);
}

/// BEP 7
#[test]
fn a_peer_of_both_families_counts_once_and_is_not_given_to_itself() {
    let (mut swarms, now) = swarms(|_| {});
    let mut both = |port, event, left| {
        let mut last = None;
        for from in ["192.0.2.1", "2001:db8::1"] {
            let request = request(1, port, event, left);
            let response = swarms.announce(now, ip(from), &request, true).unwrap();
            swarms.check_invariants();
            last = Some(response);
        }
        last.unwrap()
    };
    use AnnounceEvent::{Completed, Started, Stopped};
    let counts = |response: &AnnounceResponse| {
        (response.seeders.unwrap(), response.leechers.unwrap(), response.downloaded.unwrap())
    };
    let alone = both(1, Started, 5);
    assert_eq!((alone.peers.len(), counts(&alone)), (0, (0, 1, 0)));
    let other = both(2, Started, 5);
    assert_eq!((other.peers.len(), counts(&other)), (2, (0, 2, 0)));
    let complete = both(1, Completed, 0);
    assert_eq!((complete.peers.len(), counts(&complete)), (2, (1, 1, 1)));
    assert_eq!(counts(&both(1, Stopped, 0)), (0, 1, 1));
    assert_eq!(counts(&both(2, AnnounceEvent::None, 5)), (0, 1, 1));
}

/// A peer whose port or address has changed is still that peer.
#[test]
fn an_old_address_of_a_peer_is_not_given_to_it_nor_counted() {
    let (mut swarms, now) = swarms(|_| {});
    let before = request(1, 1, AnnounceEvent::Started, 5);
    swarms.announce(now, ip("192.0.2.1"), &before, true).unwrap();
    let moved = AnnounceRequest { port: 2, ..before };
    for from in ["192.0.2.1", "192.0.2.2"] {
        let response = swarms.announce(now, ip(from), &moved, true).unwrap();
        assert_eq!((response.peers.len(), response.leechers), (0, Some(1)));
        assert_eq!(compact(&mut swarms, now, ip(from), &moved).1, []);
    }
}

/// As in tests of load, and in clients that keep their id to themselves.
#[test]
fn peers_without_an_id_are_known_by_their_addresses() {
    let (mut swarms, now) = swarms(|_| {});
    for (port, others) in [(1, 0), (2, 1), (2, 1)] {
        let nameless = AnnounceRequest {
            peer_id: PeerId::from_bytes([0; 20]),
            ..request(1, port, AnnounceEvent::Started, 5)
        };
        let response = swarms.announce(now, ip("192.0.2.1"), &nameless, true).unwrap();
        assert_eq!(response.leechers, Some(u32::from(port)));
        assert_eq!(response.peers.len(), others);
        assert!(response.peers.iter().all(|peer| peer.id.is_none()));
    }
    swarms.check_invariants();
}

#[test]
fn seeds_are_given_no_seeds() {
    let (mut swarms, now) = swarms(|_| {});
    let mut given = |port, event, left| {
        let peer = request(1, port, event, left);
        let response = swarms.announce(now, ip("192.0.2.1"), &peer, true).unwrap();
        swarms.check_invariants();
        let mut ports: Vec<_> = response.peers.iter().map(|peer| peer.address.port()).collect();
        ports.sort_unstable();
        let (_, compact) = compact(&mut swarms, now, ip("192.0.2.1"), &peer);
        assert_eq!(compact.len(), ports.len());
        ports
    };
    use AnnounceEvent::{Completed, Started};
    assert_eq!(given(1, Started, 0), [0; 0]);
    assert_eq!(given(2, Started, 0), [0; 0]);
    assert_eq!(given(3, Started, 5), [1, 2]);
    assert_eq!(given(1, AnnounceEvent::None, 0), [3]);
    assert_eq!(given(4, Started, 5), [1, 2, 3]);
    assert_eq!(given(3, Completed, 0), [4]);
    assert_eq!(given(4, AnnounceEvent::None, 5), [1, 2, 3]);
    // A peer that is incomplete again, such as after a check of its content, gets seeds again.
    assert_eq!(given(3, AnnounceEvent::None, 5), [1, 2, 4]);
}

/// BEP 48, and what a UDP reply has no other way to say
#[test]
fn an_unknown_swarm_is_scraped_as_empty() {
    let (swarms, _) = swarms(|_| {});
    let response = swarms.scrape(&[hash(1), hash(2)]);
    for torrent in [1, 2] {
        let counts = response.get(hash(torrent)).unwrap();
        assert_eq!((counts.seeders, counts.leechers), (Some(0), Some(0)));
        assert_eq!((counts.completed, counts.downloaders), (Some(0), Some(0)));
    }
    assert_eq!(swarms.counts(hash(1)), None);
}

#[test]
fn a_peer_that_left_without_a_word_is_forgotten() {
    let (mut swarms, now) = swarms(|config| {
        config.interval(Duration::from_secs(600));
    });
    let peer = request(1, 1, AnnounceEvent::Started, 0);
    swarms.announce(now, ip("192.0.2.1"), &peer, false).unwrap();
    let other = |at| (request(2, 1, AnnounceEvent::None, 5), now + Duration::from_secs(at));
    for (at, torrents) in [(1000, 2), (1300, 1)] {
        let (request, now) = other(at);
        swarms.announce(now, ip("192.0.2.2"), &request, false).unwrap();
        swarms.check_invariants();
        assert_eq!(swarms.torrents(), torrents, "after {at} s");
    }
}

#[test]
fn memory_is_limited_in_torrents_and_in_peers() {
    let (mut swarms, now) = swarms(|config| {
        config.max_torrents(2).max_swarm(3);
    });
    for port in 1..=10 {
        let peer = request(1, port, AnnounceEvent::Started, 5);
        swarms.announce(now, ip("192.0.2.1"), &peer, false).unwrap();
        swarms.check_invariants();
    }
    assert_eq!(swarms.counts(hash(1)).unwrap().leechers, Some(3));
    let of = |torrent| request(torrent, 1, AnnounceEvent::Started, 5);
    assert!(swarms.announce(now, ip("192.0.2.1"), &of(2), false).is_ok());
    // A host with all of them gives back its oldest.
    assert!(swarms.announce(now, ip("192.0.2.1"), &of(3), false).is_ok());
    swarms.check_invariants();
    assert_eq!((swarms.counts(hash(1)), swarms.torrents()), (None, 2));
    // Those with one each keep them.
    assert!(swarms.announce(now, ip("192.0.3.1"), &of(4), false).is_ok());
    assert!(swarms.announce(now, ip("192.0.4.1"), &of(5), false).is_err());
    assert!(swarms.announce(now, ip("192.0.2.1"), &of(3), false).is_ok());
}

/// Ten thousand full swarms would take 20 GiB, and one client can fill them.
#[test]
fn memory_is_limited_over_all_torrents() {
    let (mut swarms, now) = swarms(|config| {
        config.max_addresses(3);
    });
    let mut announce = |torrent, from, port, event| {
        let said = swarms.announce(now, ip(from), &request(torrent, port, event, 5), false);
        swarms.check_invariants();
        said.map(|response| response.leechers)
    };
    use AnnounceEvent::{Started, Stopped};
    assert_eq!(announce(1, "192.0.2.1", 1, Started), Ok(Some(1)));
    assert_eq!(announce(1, "192.0.2.1", 2, Started), Ok(Some(2)));
    assert_eq!(announce(2, "192.0.2.1", 1, Started), Ok(Some(1)));
    // A new peer replaces another one of the swarm, and a known peer stays.
    assert_eq!(announce(1, "192.0.2.1", 3, Started), Ok(Some(2)));
    assert_eq!(announce(2, "192.0.2.1", 1, Started), Ok(Some(1)));
    // Another host replaces a torrent of the one that has them all.
    assert_eq!(announce(3, "2001:db8::1", 1, Started), Ok(Some(1)));
    assert_eq!(announce(2, "192.0.2.1", 1, Started), Ok(Some(1)));
    assert_eq!(announce(2, "192.0.2.1", 2, Started), Ok(Some(2)));
    // With one each, only the own swarm makes room.
    assert!(announce(4, "192.0.4.1", 1, Started).is_err());
    assert_eq!(announce(2, "192.0.2.1", 1, Stopped), Ok(Some(1)));
    assert_eq!(announce(4, "192.0.4.1", 1, Started), Ok(Some(1)));
}

/// From another host, in its /24 or not, and in the same minute.
#[test]
fn a_host_that_fills_the_tracker_with_torrents_locks_nobody_out() {
    let torrent = |number: u32| {
        let mut hash = [9; 20];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        AnnounceRequest {
            info_hash: WireInfoHash::from_bytes(hash),
            ..request(0, 1, AnnounceEvent::Started, 5)
        }
    };
    let (mut swarms, now) = swarms(|config| {
        config.max_torrents(200);
    });
    swarms.announce(now, ip("198.51.100.1"), &torrent(0), true).unwrap();
    for number in 1..1_000 {
        let from = if number % 2 == 0 { "192.0.2.1" } else { "192.0.2.2" };
        swarms.announce(now, ip(from), &torrent(number), true).unwrap();
    }
    for (number, from) in [(10_000, "203.0.113.1"), (10_001, "192.0.2.77"), (10_002, "2001:db8::1")]
    {
        swarms.announce(now, ip(from), &torrent(number), true).unwrap();
        for number in 1_000..1_500 {
            swarms.announce(now, ip("192.0.2.1"), &torrent(number), true).unwrap();
        }
        let other = AnnounceRequest { peer_id: PeerId::from_bytes([7; 20]), ..torrent(number) };
        let peers = swarms.announce(now, ip("203.0.113.9"), &other, true).unwrap().peers;
        assert_eq!(peers.len(), 1, "{from} is known");
    }
    assert!(swarms.counts(torrent(0).info_hash).is_some(), "who came before is known too");
    swarms.check_invariants();
}

/// The peers that one host announces are neither all that others get, nor all that is kept.
#[test]
fn ten_thousand_ports_of_a_host_push_nobody_out_of_a_swarm() {
    for (limit, hosts) in [(10_000, 1), (100, 1), (100, 200)] {
        let (mut swarms, now) = swarms(|config| {
            config.max_swarm(limit);
        });
        let seed = request(1, 6881, AnnounceEvent::Started, 0);
        swarms.announce(now, ip("198.51.100.1"), &seed, true).unwrap();
        for port in 1..=10_000 {
            let from = [192, 0, 2, (port % hosts) as u8].into();
            let later = now + Duration::from_millis(port.into());
            let flood = request(1, port, AnnounceEvent::Started, u64::from(port % 2));
            swarms.announce(later, from, &flood, true).unwrap();
        }
        swarms.check_invariants();
        let later = now + Duration::from_secs(20);
        let found = (0..20).filter(|number| {
            let mut leecher = request(1, 7_000 + number, AnnounceEvent::Started, 5);
            leecher.num_want = Some(50);
            let from = ip(&format!("203.0.{number}.9"));
            let response = swarms.announce(later, from, &leecher, true).unwrap();
            response.peers.iter().any(|peer| peer.address == "198.51.100.1:6881".parse().unwrap())
        });
        let least = if hosts == 1 { 10 } else { 5 };
        assert!(found.count() >= least, "{limit} addresses, {hosts} hosts");
    }
}

/// A seed that announces no more often than it has to, among hosts of a whole network.
#[test]
fn a_full_swarm_of_a_greedy_network_keeps_the_others() {
    let (mut swarms, now) = swarms(|config| {
        config.max_swarm(500).max_per_host(1_000);
    });
    for host in 0..20 {
        let honest = request(1, 6881, AnnounceEvent::Started, 0);
        swarms.announce(now, [198, 51, host, 1].into(), &honest, true).unwrap();
    }
    for number in 0..5_000u16 {
        let [high, low] = number.to_be_bytes();
        let from = IpAddr::from([0x2001, 0xdb8, 1, number, 1, 2, 3, 4]);
        let from = if number % 2 == 0 { [10, 0, 0, low].into() } else { from };
        let flood = request(1, 1 + u16::from(high), AnnounceEvent::Started, 5);
        swarms.announce(now + Duration::from_secs(1), from, &flood, true).unwrap();
    }
    swarms.check_invariants();
    let leecher = request(1, 9, AnnounceEvent::Started, 5);
    let leecher = member_of(0, "203.0.113.9:9".parse().unwrap(), &leecher);
    let others = swarms.swarms[&hash(1)].others(Family::V4, &leecher, usize::MAX, 0);
    assert_eq!(others.filter(|member| member.address.port() == 6881).count(), 20);
}

/// `max_swarm` says so
#[test]
fn in_a_full_swarm_who_was_not_heard_of_for_longest_gives_way() {
    let (mut swarms, now) = swarms(|config| {
        config.max_swarm(3);
    });
    let at = |seconds| now + Duration::from_secs(seconds);
    // The first comes back before the fourth arrives, so it is the second that has to go.
    for (second, port) in [1, 2, 3, 1, 4].into_iter().enumerate() {
        let peer = request(1, port, AnnounceEvent::None, 5);
        swarms.announce(at(second as u64), ip("192.0.2.1"), &peer, false).unwrap();
        swarms.check_invariants();
    }
    let other = AnnounceRequest { info_hash: hash(1), ..request(1, 9, AnnounceEvent::None, 5) };
    let found = swarms.announce(at(9), ip("2001:db8::1"), &other, true).unwrap().peers;
    let mut ports: Vec<_> = found.iter().map(|peer| peer.address.port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [1, 3, 4]);
}

#[test]
fn the_ip_parameter_is_believed_on_request_only() {
    for trusts in [false, true] {
        let (mut swarms, now) = swarms(|config| {
            config.trust_ip_parameter(trusts);
        });
        let mut forged = request(1, 80, AnnounceEvent::Started, 5);
        forged.ip = Some(ip("198.51.100.1"));
        swarms.announce(now, ip("192.0.2.1"), &forged, false).unwrap();
        let other = request(1, 81, AnnounceEvent::Started, 5);
        let response = swarms.announce(now, ip("192.0.2.2"), &other, false).unwrap();
        let expected = if trusts { "198.51.100.1:80" } else { "192.0.2.1:80" };
        assert_eq!(response.peers[0].address, expected.parse().unwrap());
    }
}

/// BEP 21, "Tracker Scrapes"
#[test]
fn a_partial_seed_is_a_leecher_and_no_downloader() {
    let (mut swarms, now) = swarms(|_| {});
    let paused = request(1, 1, AnnounceEvent::Paused, 5);
    swarms.announce(now, ip("192.0.2.1"), &paused, true).unwrap();
    let counts = swarms.counts(hash(1)).unwrap();
    assert_eq!((counts.leechers, counts.downloaders), (Some(1), Some(0)));
}

#[test]
fn a_port_nobody_can_connect_to_is_refused() {
    let (mut swarms, now) = swarms(|_| {});
    let peer = request(1, 0, AnnounceEvent::Started, 5);
    assert!(swarms.announce(now, ip("192.0.2.1"), &peer, false).is_err());
    assert_eq!(swarms.torrents(), 0);
}

proptest! {
    /// The list that is read member by member is the specification of the one that is copied.
    #[test]
    fn a_udp_reply_has_the_peers_that_an_http_reply_has(
        announces in prop::collection::vec((0u8..4, 1u16..12, 0u8..30, 0u64..2, 0u32..9), 0..90),
    ) {
        let (mut over_udp, now) = swarms(|_| {});
        let (mut over_http, _) = swarms(|_| {});
        for (host, port, id, left, wanted) in announces {
            let mut peer = request(1, port, AnnounceEvent::Started, left);
            peer.peer_id = PeerId::from_bytes([id; 20]);
            peer.num_want = Some(wanted);
            let from = [ip("192.0.2.1"), ip("192.0.2.2"), ip("2001:db8::1"), ip("2001:db8::2")];
            let from = from[usize::from(host)];
            let (counts, compact) = compact(&mut over_udp, now, from, &peer);
            let response = over_http.announce(now, from, &peer, false).unwrap();
            prop_assert!(compact.into_iter().eq(response.peers.iter().map(|peer| peer.address)));
            prop_assert_eq!((counts.seeders, counts.leechers), (response.seeders, response.leechers));
            over_udp.check_invariants();
        }
    }

    /// A swarm gets an index as it grows, and loses it as it shrinks.
    #[test]
    fn a_swarm_of_any_size_has_those_that_came_and_have_not_left(
        moves in prop::collection::vec((0u16..24, 0u8..4, 0u64..2), 0..250),
    ) {
        let (mut swarms, now) = swarms(|_| {});
        let mut there = std::collections::BTreeMap::new();
        for (number, event, left) in moves {
            let stays = event > 0;
            let event = if stays { AnnounceEvent::None } else { AnnounceEvent::Stopped };
            let from = [192, 0, 2, (number % 5) as u8].into();
            swarms.announce(now, from, &request(1, 1 + number, event, left), true).unwrap();
            swarms.check_invariants();
            if stays { there.insert(number, left) } else { there.remove(&number) };
        }
        let seeds = there.values().filter(|left| **left == 0).count() as u32;
        let counts = swarms.counts(hash(1)).unwrap_or_default();
        prop_assert_eq!(counts.seeders.unwrap_or(0), seeds);
        prop_assert_eq!(counts.leechers.unwrap_or(0), there.len() as u32 - seeds);
        let mut other = request(1, 99, AnnounceEvent::None, 5);
        other.num_want = Some(200);
        let given = swarms.announce(now, ip("203.0.113.1"), &other, true).unwrap().peers;
        let mut ports: Vec<_> = given.iter().map(|peer| peer.address.port()).collect();
        ports.sort_unstable();
        prop_assert!(ports.iter().copied().eq(there.keys().map(|number| 1 + number)));
    }

    #[test]
    fn counts_hold_whatever_is_announced(
        announces in prop::collection::vec((0u8..3, 0u8..6, 1u16..4, 0u8..5, 0u64..2, 0u64..2000), 0..200),
    ) {
        let (mut swarms, mut now) = swarms(|config| {
            config.max_swarm(4).interval(Duration::from_secs(900));
        });
        for (torrent, host, port, event, left, wait) in announces {
            now += Duration::from_secs(wait);
            let event = [
                AnnounceEvent::None, AnnounceEvent::Started, AnnounceEvent::Completed,
                AnnounceEvent::Stopped, AnnounceEvent::Paused,
            ][usize::from(event)];
            let from = if host < 3 { [192, 0, 2, host].into() } else { ip(&format!("2001:db8::{host}")) };
            let request = request(torrent, port, event, left);
            let response = swarms.announce(now, from, &request, true).unwrap();
            let own = request.peer_id;
            prop_assert!(response.peers.iter().all(|peer| peer.id != Some(own)));
            swarms.check_invariants();
        }
    }
}
