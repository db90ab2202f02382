use super::*;

/// U-06, BEP 15 "Time outs" and "Examples": connect times out
#[test]
fn a_connect_is_sent_again_after_15_times_2_to_the_n() {
    let mut world = World::new();
    world.announce(TRACKER);
    let sent = world.pass_until(100_000);
    let seconds: Vec<_> = sent.iter().map(|sent| sent.at).collect();
    assert_eq!(seconds, [0, 15, 45, 105, 225, 465, 945, 1905, 3825]);
    let last = sent.last().unwrap().at;
    assert_eq!(last + 3840, 15 * 511);
    let (_, outcome) = world.outcome().unwrap();
    assert_eq!(
        outcome,
        Err(ExchangeError::TimedOut { connecting: true, sent: 9, unexpected_action: None })
    );
    assert_eq!(world.exchange.poll_timeout(), None);
}

/// U-03, U-07, U-08, BEP 15 "Examples": announce times out
#[test]
fn an_announce_falls_back_to_connect_when_its_id_expires_and_keeps_its_n() {
    let mut world = World::new();
    world.announce(TRACKER);
    let connect = world.sent_one();
    // The time line of the BEP: the reply comes at 1; the announce is sent at 2 there,
    // after a second for the client, and at once here.
    world.pass_until(1);
    world.receive(connect.transaction_id, ResponseBody::Connect { connection_id: 7 });
    let sent = world.pass_until(500);
    let (announce, connect) = (false, true);
    assert_eq!(
        times(&sent),
        [
            (1, announce),
            (16, announce),
            (46, announce),
            (106, connect),
            (226, connect),
            (466, connect)
        ]
    );
}

/// U-07: n rises over connect and announce alike
#[test]
fn an_announce_after_a_slow_connect_waits_longer() {
    let mut world = World::new();
    world.announce(TRACKER);
    let connect = world.pass_until(16);
    assert_eq!(times(&connect), [(0, true), (15, true)]);
    world.receive(connect[1].transaction_id, ResponseBody::Connect { connection_id: 7 });
    assert_eq!(times(&world.pass_until(100)), [(16, false), (46, false)]);
}

/// U-03, BEP 15 "Examples": multiple requests
#[test]
fn a_connection_id_serves_for_a_minute_after_it_came() {
    let mut world = World::new();
    world.announce(TRACKER);
    let connect = world.sent_one();
    world.pass_until(1);
    world.receive(connect.transaction_id, ResponseBody::Connect { connection_id: 7 });
    let first = world.sent_one();
    assert_eq!(first.connection_id, Some(7));
    world.receive(first.transaction_id, announced(&PEER));
    assert_eq!(world.peers().len(), 1);

    world.pass_until(60);
    world.announce(TRACKER);
    let second = world.sent_one();
    assert_eq!(second.connection_id, Some(7), "59 s after it came");
    world.receive(second.transaction_id, announced(&PEER));
    world.pass_until(61);
    world.announce(TRACKER);
    assert_eq!(world.sent_one().connection_id, None, "60 s after it came");
}

/// U-05
#[test]
fn a_connection_id_belongs_to_address_and_port() {
    let mut world = World::new();
    world.announce(TRACKER);
    assert_eq!(world.connect(7)[0].connection_id, Some(7));
    world.announce("192.0.2.1:7000");
    assert_eq!(world.sent_one().connection_id, None);
    world.announce("192.0.2.2:6969");
    assert_eq!(world.sent_one().connection_id, None);
}

/// U-09
#[test]
fn a_late_answer_to_an_earlier_copy_is_accepted() {
    let mut world = World::new();
    world.announce(TRACKER);
    let first = world.connect(7)[0];
    let again = world.pass_until(20);
    assert_eq!(again[0].transaction_id, first.transaction_id);
    // Even while it is back at asking for a connection id.
    let connect = world.pass_until(110);
    assert_eq!(connect.last().unwrap().connection_id, None);
    assert!(world.receive(first.transaction_id, announced(&PEER)));
    assert_eq!(world.peers().len(), 1);
    assert_eq!(world.pass_until(10_000), []);
}

/// U-43
#[test]
fn a_storm_of_announces_shares_one_connect() {
    let mut world = World::new();
    for second in 0..10 {
        world.now = world.begun + Duration::from_secs(second);
        world.announce(TRACKER);
    }
    assert_eq!(world.sent().len(), 1);
    let connects = world.pass_until(44);
    assert!(connects.iter().all(|sent| sent.connection_id.is_none()));
    assert!(connects.len() <= 2, "{connects:?}");
    let connect = connects.last().unwrap().transaction_id;
    world.receive(connect, ResponseBody::Connect { connection_id: 7 });
    assert_eq!(world.sent().len(), 10);
}

#[test]
fn a_timeout_that_is_too_early_changes_nothing() {
    let mut world = World::new();
    world.announce(TRACKER);
    world.sent();
    let wake = world.exchange.poll_timeout();
    for _ in 0..10 {
        world.exchange.handle_timeout(world.now);
        assert_eq!((world.sent(), world.exchange.poll_timeout()), (vec![], wake));
    }
}

#[test]
fn no_first_timeout_leads_beyond_the_end_of_time() {
    let mut config = ExchangeConfig::new([1; 32]);
    config.first_timeout(Duration::MAX);
    assert!(Instant::now().checked_add(config.timeout(u32::MAX)).is_some());
}
