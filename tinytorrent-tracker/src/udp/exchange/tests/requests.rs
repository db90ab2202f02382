use super::*;

/// U-10
#[test]
fn every_request_has_a_transaction_id_of_its_own() {
    let mut world = World::new();
    for _ in 0..1000 {
        world.announce(TRACKER);
    }
    let connect = world.sent_one().transaction_id;
    world.receive(connect, ResponseBody::Connect { connection_id: 7 });
    let mut ids: Vec<_> = world.sent().iter().map(|sent| sent.transaction_id).collect();
    ids.push(connect);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1001);
}

/// U-16, U-17, U-35: what goes out over each family
#[test]
fn both_families_carry_the_same_key_and_only_ipv4_the_ip() {
    let mut seen = Vec::new();
    for tracker in [TRACKER, "[2001:db8::1]:6969"] {
        let mut world = World::new();
        world.exchange.start_announce(world.now, address(tracker), &request(), b"/announce?k=1");
        let connect = world.sent_one().transaction_id;
        world.receive_from(tracker, connect, ResponseBody::Connect { connection_id: 7 });
        assert!(world.exchange.poll_transmit(&mut world.datagram).is_some());
        let Request { body: RequestBody::Announce { announce, options, .. }, .. } =
            Request::read(&world.datagram).unwrap()
        else {
            panic!()
        };
        assert_eq!(url_data(options).unwrap(), b"/announce?k=1");
        seen.push((announce.key, announce.ip));
    }
    assert_eq!(seen[0], (0x1234_5678, Ipv4Addr::new(198, 51, 100, 1)));
    assert_eq!(seen[1], (0x1234_5678, Ipv4Addr::UNSPECIFIED));
}

/// U-29, U-31, BEP 15 "Scrape"
#[test]
fn a_scrape_is_its_hashes_and_nothing_behind_them() {
    let mut world = World::new();
    world.scrape(200);
    let connect = world.sent_one().transaction_id;
    world.receive(connect, ResponseBody::Connect { connection_id: 7 });
    assert!(world.exchange.poll_transmit(&mut world.datagram).is_some());
    assert_eq!(world.datagram.len(), 16 + 20 * MAX_SCRAPE_HASHES);
    assert!(world.datagram.len() < 1500);
}

/// U-39
#[test]
fn many_trackers_and_torrents_share_one_machine() {
    let mut world = World::new();
    let trackers: Vec<String> = (1..=50).map(|n| format!("192.0.2.{n}:6969")).collect();
    let mut ids = Vec::new();
    for tracker in trackers.iter().chain(&trackers) {
        ids.push(world.announce(tracker));
    }
    let connects = world.sent();
    assert_eq!(connects.len(), 50);
    for connect in connects.iter().rev() {
        let to = connect.to.to_string();
        world.receive_from(&to, connect.transaction_id, ResponseBody::Connect { connection_id: 1 });
    }
    for announce in world.sent() {
        let to = announce.to.to_string();
        world.receive_from(&to, announce.transaction_id, announced(&PEER));
    }
    let mut over: Vec<_> = std::iter::from_fn(|| world.outcome()).map(|(id, _)| id).collect();
    over.sort_unstable();
    assert_eq!(over, ids);
}

#[test]
fn a_cancelled_request_leaves_nothing_behind() {
    let mut world = World::new();
    let first = world.announce(TRACKER);
    let second = world.announce(TRACKER);
    world.exchange.cancel(first);
    world.exchange.check_invariants();
    assert_eq!(world.exchange.pending_requests(), 1);
    world.exchange.cancel(second);
    world.exchange.cancel(second);
    assert_eq!(world.sent(), []);
    assert_eq!((world.outcome(), world.exchange.poll_timeout()), (None, None));
}

/// U-18: `stopped` asks for no peers
#[test]
fn stopped_asks_for_no_peers() {
    let mut world = World::new();
    let stopped = AnnounceRequest { event: AnnounceEvent::Stopped, ..request() };
    world.exchange.start_announce(world.now, address(TRACKER), &stopped, b"");
    let connect = world.sent_one().transaction_id;
    world.receive(connect, ResponseBody::Connect { connection_id: 7 });
    assert!(world.exchange.poll_transmit(&mut world.datagram).is_some());
    assert_eq!(world.datagram[92..96], [0; 4]);
}
