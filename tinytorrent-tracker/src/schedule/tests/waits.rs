use super::*;

/// T-06
#[test]
fn failures_back_off_with_jitter_to_an_hour_and_success_forgets_them() {
    let gaps = |seed| {
        let mut world = World::new(&["a"], |config| *config = ScheduleConfig::new(seed));
        let times: Vec<u64> = world.run(40_000, "a").iter().map(|(at, ..)| *at).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
    };
    let mut expected = 5.0;
    for gap in gaps(1).iter().take(12) {
        let (low, high) = (expected * 0.8 - 1.0, f64::min(expected * 1.2 + 1.0, 3601.0));
        assert!((low..=high).contains(&(*gap as f64)), "{gap} of {expected}");
        expected = f64::min(expected * 2.5, 3600.0);
    }
    assert_ne!(gaps(1), gaps(2), "jitter");

    let mut world = World::new(&["a"], default);
    world.run(10_000, "a");
    world.at(50_000);
    assert_eq!(world.run(50_000, "").len(), 1);
    world.at(60_000);
    let after: Vec<u64> = world.run(60_020, "a").iter().map(|(at, ..)| *at).collect();
    assert!(after[1] - after[0] <= 7, "{after:?}");
}

/// T-11
#[test]
fn after_a_long_sleep_there_is_one_announce() {
    let mut world = World::new(&["a", "b"], default);
    world.run(10, "");
    world.at(1_000_000);
    assert_eq!(world.run(1_000_000, ""), [(1_000_000, 'a', Regular)]);
}

/// T-12, H-16, BEP 3 "trackers"
#[test]
fn want_of_peers_announces_early_but_not_below_min_interval() {
    let mut world = World::new(&["a"], default);
    let started = world.poll().unwrap();
    let min_interval = Some(Duration::from_secs(600));
    world.answer(started.id, &AnnounceResponse { min_interval, ..every(1800) });
    for second in [1, 100, 599] {
        world.at(second);
        world.schedule.request_more_peers(world.now);
        assert_eq!(world.poll(), None, "{second}");
    }
    world.at(600);
    let early = world.poll().unwrap();
    world.answer(early.id, &every(1800));
    // Without a min interval the configured floor holds: five minutes.
    world.schedule.request_more_peers(world.now);
    world.at(899);
    assert_eq!(world.poll(), None);
    world.at(900);
    assert!(world.poll().is_some());
}

/// H-16: min interval does not stand for interval, and holds back no event
#[test]
fn min_interval_is_a_floor_and_no_interval() {
    let mut world = World::new(&["a"], default);
    let started = world.poll().unwrap();
    let min_interval = Some(Duration::from_secs(300));
    world.answer(started.id, &AnnounceResponse { min_interval, ..every(1800) });
    assert_eq!(world.schedule.poll_timeout(), Some(world.now + Duration::from_secs(1800)));
    world.at(10);
    world.schedule.set_complete(world.now);
    assert_eq!(world.poll().unwrap().event, Completed);
}

/// H-15, U-26
#[test]
fn intervals_are_clamped_and_a_missing_one_is_half_an_hour() {
    for (told, taken) in [
        (Some(0), 60),
        (Some(59), 60),
        (Some(900), 900),
        (Some(u64::from(u32::MAX)), 86_400),
        (Some(u64::MAX), 86_400),
        (None, 1800),
    ] {
        let mut world = World::new(&["a"], default);
        let started = world.poll().unwrap();
        let interval = told.map(Duration::from_secs);
        world.answer(started.id, &AnnounceResponse { interval, ..Default::default() });
        let due = world.schedule.poll_timeout().unwrap();
        assert_eq!((due - world.now).as_secs(), taken, "{told:?}");
    }
}

/// H-13, BEP 31
#[test]
fn retry_in_is_obeyed_and_never_means_never() {
    let mut world = World::new(&["a"], default);
    let refusal =
        |retry_in| Failure::Refused(Refusal { reason: "busy".into(), retry_in: Some(retry_in) });
    let id = world.poll().unwrap().id;
    world.refuse(id, &refusal(RetryIn::After(Duration::from_secs(1200))));
    assert_eq!(world.schedule.poll_timeout(), Some(world.begun + Duration::from_secs(1200)));
    world.at(1200);
    let id = world.poll().unwrap().id;
    assert_eq!(world.refuse(id, &refusal(RetryIn::Never)), OutcomeEffect::Disabled);
    assert_eq!(world.schedule.poll_timeout(), None);
    let status = world.schedule.trackers().next().unwrap();
    assert_eq!(status.state, TrackerState::Disabled);
    // Unless the user insists.
    world.schedule.reannounce(world.now);
    assert!(world.poll().is_some());
}

/// H-17
#[test]
fn the_tracker_id_is_kept_until_a_new_one_comes() {
    let mut world = World::new(&["a"], default);
    let mut ids = Vec::new();
    for (round, given) in [Some("one"), None, Some("two"), None].into_iter().enumerate() {
        world.at(1800 * round as u64);
        let announce = world.poll().unwrap();
        ids.push(announce.tracker_id.clone());
        let tracker_id = given.map(|id| id.as_bytes().to_vec());
        world.answer(announce.id, &AnnounceResponse { tracker_id, ..every(1800) });
    }
    let text = |id: &str| Some(id.as_bytes().to_vec());
    assert_eq!(ids, [None, text("one"), text("one"), text("two")]);
}

#[test]
fn an_announce_whose_outcome_is_lost_does_not_stop_the_run() {
    let mut world = World::new(&["a", "b"], private);
    let lost = world.poll().unwrap();
    assert_eq!(world.poll(), None);
    world.now = world.schedule.poll_timeout().unwrap();
    let next = world.poll().unwrap();
    assert_eq!(host(&next), 'b');
    assert_eq!(world.answer(lost.id, &every(1800)), OutcomeEffect::Stale);
}

#[test]
fn a_floor_above_a_day_holds_for_a_retry_too() {
    let two_days = Duration::from_secs(2 * 86_400);
    let mut world = World::new(&["a"], |config| _ = config.interval_floor(two_days));
    let id = world.poll().unwrap().id;
    let retry_in = Some(RetryIn::After(Duration::from_secs(60)));
    world.refuse(id, &Failure::Refused(Refusal { reason: "busy".into(), retry_in }));
    assert_eq!(world.run(2 * 86_400 - 1, ""), []);
    assert_eq!(world.run(2 * 86_400 + 60, "").len(), 1);
}
