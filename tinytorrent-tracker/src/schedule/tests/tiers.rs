use super::*;

/// T-01, BEP 12 "Order of Processing"
#[test]
fn a_tier_is_shuffled_once_and_keeps_its_order() {
    let orders: Vec<String> = (0..50)
        .map(|seed| {
            let mut world = World::new(&["abcdef"], |config| *config = ScheduleConfig::new(seed));
            let first = world.hosts(0, "abcdef");
            world.schedule.reannounce(world.now);
            assert_eq!(world.hosts(0, "abcdef"), first, "the same order again");
            first
        })
        .collect();
    let firsts: std::collections::HashSet<_> = orders.iter().map(|order| &order[..1]).collect();
    assert_eq!(firsts.len(), 6, "each comes first at times: {orders:?}");
    let again =
        World::new(&["abcdef"], |config| *config = ScheduleConfig::new(7)).hosts(0, "abcdef");
    assert_eq!(again, orders[7], "the same seed, the same order");
}

/// T-02, BEP 12 "Order of Processing"
#[test]
fn the_next_tier_has_its_turn_when_all_before_it_failed() {
    let mut world = World::new(&["ab", "c", "d"], default);
    let order = world.hosts(0, "abc");
    assert_eq!(order.len(), 4);
    assert!(order.starts_with("ab") || order.starts_with("ba"), "{order}");
    assert!(order.ends_with("cd"));
}

/// T-02, BEP 15 "Time outs": a tracker that is silent costs a quarter of a minute, not minutes.
#[test]
fn a_slow_tracker_is_overtaken_and_its_answer_still_counts() {
    let mut world = World::new(&["a", "b", "c"], default);
    let slow = world.poll_all().pop().unwrap();
    assert_eq!(host(&slow), 'a');
    assert_eq!(world.schedule.poll_timeout(), Some(world.begun + Duration::from_secs(15)));
    world.at(15);
    let next = world.poll_all();
    assert_eq!(next.iter().map(host).collect::<String>(), "b");
    assert_eq!(world.answer(next[0].id, &every(1800)), OutcomeEffect::Answered);
    world.at(20);
    assert_eq!(world.answer(slow.id, &every(60)), OutcomeEffect::Answered);
    assert_eq!(world.schedule.poll_timeout(), Some(world.begun + Duration::from_secs(1815)));
    world.schedule.stop(world.now);
    let stopped: String = world.poll_all().iter().map(host).collect();
    assert_eq!(stopped, "ab", "both know of us");
}

#[test]
fn the_answer_of_one_that_was_overtaken_ends_the_search() {
    let mut world = World::new(&["a", "b", "c"], default);
    let slow = world.poll_all().pop().unwrap();
    world.at(15);
    let next = world.poll_all().pop().unwrap();
    world.at(16);
    assert_eq!(world.answer(slow.id, &every(1800)), OutcomeEffect::Answered);
    world.at(40);
    assert_eq!(world.poll_all(), [], "nobody else is asked");
    assert_eq!(world.fail(next.id), OutcomeEffect::Failed);
    assert_eq!(world.poll_all(), []);
    assert_eq!(world.schedule.poll_timeout(), Some(world.begun + Duration::from_secs(1816)));
}

#[test]
fn nobody_overtakes_once_a_tracker_has_answered() {
    let mut world = World::new(&["a", "b"], default);
    world.run(1799, "");
    world.at(1800);
    let regular = world.poll_all();
    assert_eq!(regular.iter().map(host).collect::<String>(), "a");
    world.at(1830);
    assert_eq!(world.poll_all(), []);
}

/// T-05, BEP 27
#[test]
fn nobody_overtakes_in_a_private_torrent() {
    let mut world = World::new(&["a", "b"], private);
    assert_eq!(world.poll_all().len(), 1);
    world.at(30);
    assert_eq!(world.poll_all(), []);
}

/// T-02: "on the next announce, repeat in the same order"
#[test]
fn every_round_begins_with_the_first_tier() {
    let mut world = World::new(&["a", "b"], default);
    assert_eq!(world.run(1799, "a"), [(0, 'a', Started), (0, 'b', Started)]);
    assert_eq!(world.run(1800, ""), [(1800, 'a', Started)]);
}

/// T-03, BEP 12 "Order of Processing", second example
#[test]
fn a_tracker_that_answers_moves_to_the_front_of_its_tier() {
    let mut world = World::new(&["abc"], default);
    let order = world.hosts(0, "abc");
    let (first, second, third) = (&order[0..1], &order[1..2], &order[2..3]);
    world.at(7200);
    let down = format!("{first}{third}");
    assert_eq!(world.hosts(7200, &down), format!("{first}{second}"));
    // tracker2, tracker1, tracker3
    world.at(40_000);
    let down = format!("{first}{second}");
    assert_eq!(world.hosts(40_000, &down), format!("{second}{first}{third}"));
    // tracker3, tracker2, tracker1
    world.at(80_000);
    assert_eq!(world.hosts(80_000, "abc"), format!("{third}{second}{first}"));
}

/// T-04
#[test]
fn one_tracker_is_the_default_and_all_are_an_option() {
    let in_mode = |mode| {
        let mut world = World::new(&["ab", "c"], |config| {
            config.announce_mode(mode);
        });
        let mut hosts: Vec<char> = world.poll_all().iter().map(host).collect();
        hosts.sort_unstable();
        hosts.into_iter().collect::<String>()
    };
    assert_eq!(World::new(&["ab", "c"], default).poll_all().len(), 1);
    let tiers = in_mode(AnnounceMode::AllTiers);
    assert!(tiers == "ac" || tiers == "bc", "{tiers}");
    assert_eq!(in_mode(AnnounceMode::AllTrackers), "abc");
}

/// T-05, BEP 27
#[test]
fn a_private_torrent_has_one_tracker_and_says_when_it_changes() {
    let mut world = World::new(&["a", "b"], |config| {
        config.private(true).announce_mode(AnnounceMode::AllTrackers);
    });
    let first = world.poll_all();
    assert_eq!(first.len(), 1);
    assert_eq!(world.answer(first[0].id, &every(1800)), OutcomeEffect::Answered);
    world.at(1800);
    let failing = world.poll().unwrap();
    assert_eq!(world.fail(failing.id), OutcomeEffect::Failed);
    let backup = world.poll().unwrap();
    assert_eq!(host(&backup), 'b');
    let from = first[0].id.tracker();
    assert_eq!(world.answer(backup.id, &every(1800)), OutcomeEffect::Switched { from });
}

/// T-08
#[test]
fn the_same_host_under_two_schemes_counts_once() {
    let mut config = ScheduleConfig::new(1);
    config.announce_mode(AnnounceMode::AllTrackers);
    let now = Instant::now();
    let tiers = [["http://a/announce"], ["udp://a:6969"], ["http://b/announce"]];
    let mut schedule = Schedule::new(config, tiers, now);
    let told: Vec<_> = std::iter::from_fn(|| schedule.poll_announce(now)).collect();
    assert_eq!(told.len(), 2);
    let tiers: Vec<_> = schedule.trackers().map(|tracker| tracker.tier).collect();
    assert_eq!(tiers, [0, 0, 2]);
}

/// T-09
#[test]
fn urls_that_differ_in_case_of_the_host_or_the_default_port_only_are_one() {
    let tiers = [
        vec![
            "http://A.example/Announce",
            "HTTP://a.EXAMPLE:80/Announce",
            " http://a.example/Announce",
        ],
        vec!["http://a.example/announce", "http://a.example:81/Announce", "", "wss://x/"],
    ];
    let schedule = Schedule::new(ScheduleConfig::new(1), tiers, Instant::now());
    let urls: Vec<_> = schedule.trackers().map(|tracker| tracker.url.to_string()).collect();
    assert_eq!(
        urls,
        ["http://a.example/Announce", "http://a.example/announce", "http://a.example:81/Announce"]
    );
    assert_eq!(schedule.rejected().len(), 2);
}

/// A torrent has room for a million.
#[test]
fn a_flood_of_trackers_is_not_looked_at() {
    for (prefix, trackers, rejected) in [("udp://h:1/", 1_000, 0), ("wss://h:1/", 0, 10_000)] {
        let looked_at = std::cell::Cell::new(0);
        let urls = (0..1_000_000).map(|number| {
            looked_at.set(looked_at.get() + 1);
            [format!("{prefix}{number}")]
        });
        let schedule = Schedule::new(ScheduleConfig::new(1), urls, Instant::now());
        let counts = (schedule.trackers().count(), schedule.rejected().len(), looked_at.get());
        assert_eq!(counts, (trackers, rejected, 10_000));
    }
}

#[test]
fn a_tracker_can_be_added_on_the_way() {
    let mut world = World::new(&[], default);
    assert_eq!((world.poll(), world.schedule.poll_timeout()), (None, None));
    let url: TrackerUrl = "udp://late:1".parse().unwrap();
    assert!(world.schedule.add_tracker(world.now, 0, url.clone()).is_some());
    assert_eq!(world.schedule.add_tracker(world.now, 0, url), None);
    assert_eq!(world.poll().unwrap().event, Started);
}
