use super::*;

/// U-11
#[test]
fn a_datagram_from_elsewhere_is_ignored_and_the_wait_goes_on() {
    let mut world = World::new();
    world.announce(TRACKER);
    let announce = world.connect(7)[0];
    for spoofed in ["192.0.2.2:6969", "192.0.2.1:6970", "[2001:db8::1]:6969"] {
        assert!(!world.receive_from(spoofed, announce.transaction_id, announced(&PEER)));
    }
    assert_eq!(world.exchange.stats().wrong_source, 3);
    assert_eq!(world.outcome(), None);
    assert!(world.receive(announce.transaction_id, announced(&PEER)));
    assert_eq!(world.peers().len(), 1);
}

/// U-12
#[test]
fn a_wrong_transaction_id_is_ignored_and_the_wait_goes_on() {
    let mut world = World::new();
    world.announce(TRACKER);
    let connect = world.sent_one().transaction_id;
    assert!(!world.receive(connect ^ 1, ResponseBody::Connect { connection_id: 1 }));
    assert!(world.receive(connect, ResponseBody::Connect { connection_id: 7 }));
    let announce = world.sent_one();
    assert_eq!(announce.connection_id, Some(7));
    assert!(!world.receive(connect, announced(&PEER)), "the connect is over");
    assert!(!world.receive(announce.transaction_id ^ 1, announced(&PEER)));
    assert_eq!((world.outcome(), world.exchange.stats().stray), (None, 3));
    assert!(world.receive(announce.transaction_id, announced(&PEER)));
    assert_eq!(world.peers().len(), 1);
}

/// U-13, U-44
#[test]
fn short_datagrams_and_unexpected_actions_are_counted_and_the_wait_goes_on() {
    let mut world = World::new();
    world.announce(TRACKER);
    let announce = world.connect(7)[0];
    let tid = announce.transaction_id.to_be_bytes();
    for datagram in [
        &b""[..],
        b"\0\0\0\x01\0\0\0",
        &[&[0, 0, 0, 0], &tid[..], &[0; 8]].concat(),
        &[&[0, 0, 0, 4], &tid[..], &[0; 30]].concat(),
    ] {
        world.exchange.handle_datagram(world.now, address(TRACKER), datagram);
        assert_eq!(world.outcome(), None);
    }
    assert_eq!((world.exchange.stats().stray, world.exchange.stats().unexpected), (2, 2));
    world.pass_until(10_000);
    let (_, outcome) = world.outcome().unwrap();
    assert!(
        matches!(outcome, Err(ExchangeError::TimedOut { unexpected_action: Some(4), .. })),
        "{outcome:?}"
    );
}

/// U-20
#[test]
fn an_announce_reply_without_its_fields_is_an_outcome_and_no_wait() {
    let mut world = World::new();
    world.announce(TRACKER);
    let announce = world.connect(7)[0];
    let datagram = [&[0, 0, 0, 1], &announce.transaction_id.to_be_bytes()[..]].concat();
    world.exchange.handle_datagram(world.now, address(TRACKER), &datagram);
    let (_, outcome) = world.outcome().unwrap();
    assert_eq!(outcome, Err(ExchangeError::CutShort { found: 8 }));
}

/// U-21, U-24, BEP 15 "IPv6"
#[test]
fn the_stride_of_peers_is_that_of_the_datagram() {
    let packed = [7; 36];
    for (tracker, from, count) in [
        (TRACKER, TRACKER, 6),
        ("[2001:db8::1]:6969", "[2001:db8::1]:6969", 2),
        (TRACKER, "[::ffff:192.0.2.1]:6969", 6),
        ("[::ffff:192.0.2.1]:6969", TRACKER, 6),
    ] {
        let mut world = World::new();
        world.announce(tracker);
        let connect = world.sent_one();
        assert_eq!(connect.to, address(tracker), "datagrams go where the caller said");
        world.receive_from(
            from,
            connect.transaction_id,
            ResponseBody::Connect { connection_id: 7 },
        );
        let announce = world.sent_one().transaction_id;
        world.receive_from(from, announce, announced(&packed));
        assert_eq!(world.peers().len(), count, "{tracker} {from}");
    }
}

/// U-22, U-26
#[test]
fn a_sloppy_reply_is_read_and_told() {
    let mut world = World::new();
    world.announce(TRACKER);
    let announce = world.connect(7)[0];
    let peers = [&PEER[..], b"odd"].concat();
    let body = ResponseBody::Announce { interval: -1, leechers: 0, seeders: 0, peers: &peers };
    world.receive(announce.transaction_id, body);
    let Some((_, Ok(Reply::Announce(response)))) = world.outcome() else { panic!() };
    assert_eq!(response.interval, None);
    assert_eq!(response.peers.len(), 1);
    assert_eq!(response.deviations.len(), 2);
}

/// U-23
#[test]
fn a_thousand_peers_are_a_thousand_peers() {
    let mut world = World::new();
    world.announce(TRACKER);
    let announce = world.connect(7)[0];
    let packed: Vec<u8> =
        (0..1000u16).flat_map(|n| [10, 0, (n >> 8) as u8, n as u8, 1, 1]).collect();
    world.receive(announce.transaction_id, announced(&packed));
    assert_eq!(world.peers().len(), 1000);
}

/// U-27, U-28
#[test]
fn an_error_drops_the_id_and_gets_one_second_chance_with_a_new_one() {
    let mut world = World::new();
    world.announce(TRACKER);
    let announce = world.connect(7)[0];
    let error = ResponseBody::Error { message: b"Connection ID missmatch.\0" };
    world.receive(announce.transaction_id, error);
    assert_eq!(world.outcome(), None);
    let again = world.connect(8)[0];
    assert_eq!(again.connection_id, Some(8));
    assert_eq!(again.transaction_id, announce.transaction_id);
    world.receive(again.transaction_id, announced(&PEER));
    assert_eq!(world.peers().len(), 1);
}

/// U-27, U-28
#[test]
fn a_second_error_is_the_outcome() {
    let mut world = World::new();
    let id = world.announce(TRACKER);
    let announce = world.connect(7)[0];
    let error = ResponseBody::Error { message: b"not \xff registered\0\0" };
    world.receive(announce.transaction_id, error);
    let again = world.connect(8)[0];
    world.receive(again.transaction_id, error);
    let (over, outcome) = world.outcome().unwrap();
    let Err(ExchangeError::Refused(refusal)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((over, refusal.reason.as_str()), (id, "not \u{fffd} registered"));
    assert_eq!(world.pass_until(10_000), []);
}

/// U-27
#[test]
fn a_refused_connect_is_the_outcome_of_all_who_wait() {
    let mut world = World::new();
    world.announce(TRACKER);
    world.announce(TRACKER);
    let connect = world.sent_one().transaction_id;
    world.receive(connect, ResponseBody::Error { message: b"" });
    for _ in 0..2 {
        assert!(matches!(world.outcome(), Some((_, Err(ExchangeError::Refused(_))))));
    }
    assert_eq!(world.exchange.poll_timeout(), None);
}

/// U-30, BEP 15 "Scrape"
#[test]
fn scrape_entries_belong_to_the_hashes_in_their_order() {
    let mut world = World::new();
    world.scrape(3);
    let scrape = world.connect(7)[0].transaction_id;
    let entry = |n: u8| [0, 0, 0, n, 0, 0, 0, n + 1, 0, 0, 0, n + 2];
    let two = [entry(10), entry(20)].concat();
    world.receive(scrape, ResponseBody::Scrape { counts: &two });
    let Some((_, Ok(Reply::Scrape(response)))) = world.outcome() else { panic!() };
    let seeders = |n| response.get(WireInfoHash::from_bytes([n; 20])).map(|counts| counts.seeders);
    assert_eq!((seeders(0), seeders(1), seeders(2)), (Some(Some(10)), Some(Some(20)), None));
}

/// U-30
#[test]
fn more_scrape_entries_than_hashes_are_an_error() {
    let mut world = World::new();
    world.scrape(1);
    let scrape = world.connect(7)[0].transaction_id;
    world.receive(scrape, ResponseBody::Scrape { counts: &[0; 24] });
    let (_, outcome) = world.outcome().unwrap();
    assert_eq!(outcome, Err(ExchangeError::TooManyEntries { asked: 1, found: 2 }));
}
