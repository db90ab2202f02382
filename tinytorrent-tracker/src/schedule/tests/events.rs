use super::*;

/// T-07, H-23
#[test]
fn started_is_sent_until_it_is_accepted_and_then_never_again() {
    let mut world = World::new(&["a"], default);
    assert!(world.run(100, "a").iter().all(|(_, _, event)| *event == Started));
    world.at(10_000);
    let events: Vec<_> = world.run(20_000, "").into_iter().map(|(_, _, event)| event).collect();
    assert_eq!(events[0], Started);
    assert!(events.len() > 3 && events[1..].iter().all(|event| *event == Regular), "{events:?}");
}

/// T-07, H-23, BEP 3 "trackers"
#[test]
fn completed_is_sent_at_once_and_once_to_who_heard_started() {
    let mut world = World::new(&["a", "b"], |c| {
        c.announce_mode(AnnounceMode::AllTiers);
    });
    world.run(10, "b");
    world.at(100);
    world.schedule.set_complete(world.now);
    world.schedule.set_complete(world.now);
    let told = world.run(100, "b");
    assert!(told.contains(&(100, 'a', Completed)), "{told:?}");
    assert!(!told.contains(&(100, 'b', Completed)), "{told:?}");
    let later = world.run(20_000, "");
    assert!(later.iter().all(|(_, _, event)| *event != Completed), "{later:?}");
    assert!(later.iter().any(|(_, host, event)| (*host, *event) == ('b', Started)));
}

/// H-23: "no completed is sent if the file was complete when started"
#[test]
fn a_torrent_complete_from_the_start_never_says_completed() {
    let mut world = World::new(&["a"], |config| {
        config.complete(true);
    });
    world.run(10, "");
    world.schedule.set_complete(world.now);
    assert!(world.run(10_000, "").iter().all(|(_, _, event)| *event == Regular));
}

/// T-07: complete while `started` is under way
#[test]
fn completed_follows_a_started_that_was_under_way() {
    let mut world = World::new(&["a"], default);
    let started = world.poll().unwrap();
    world.at(1);
    world.schedule.set_complete(world.now);
    assert_eq!(world.poll(), None);
    world.answer(started.id, &every(1800));
    assert_eq!(world.poll().unwrap().event, Completed);
}

/// T-07: a `completed` that failed is sent again
#[test]
fn completed_is_sent_until_it_is_accepted() {
    let mut world = World::new(&["a"], default);
    world.run(10, "");
    world.schedule.set_complete(world.now);
    assert!(world.run(30, "a").iter().all(|(_, _, event)| *event == Completed));
    let events: Vec<_> = world.run(5000, "").into_iter().map(|(_, _, event)| event).collect();
    assert_eq!(events[..2], [Completed, Regular]);
}

/// H-24, BEP 21 "Tracker Announce"
#[test]
fn a_partial_seed_says_paused_in_every_regular_announce() {
    let mut world = World::new(&["a"], default);
    world.run(10, "");
    world.schedule.set_partial_seed(true);
    let events: Vec<_> = world.run(6000, "").into_iter().map(|(_, _, event)| event).collect();
    assert_eq!(events, [Paused; 3]);
    world.schedule.set_complete(world.now);
    assert_eq!(world.run(9000, "")[0].2, Completed);
}

/// T-10, U-18
#[test]
fn stopped_goes_to_all_who_know_us_at_once_and_asks_for_no_peers() {
    let mut world = World::new(&["a", "b", "c"], |config| {
        config.announce_mode(AnnounceMode::AllTrackers).num_want(Some(100));
    });
    let first = world.poll_all();
    assert!(first.iter().all(|announce| announce.num_want == Some(100)));
    world.answer(first[0].id, &every(1800));
    world.answer(first[1].id, &every(1800));
    world.fail(first[2].id);
    world.at(10);
    world.schedule.stop(world.now);
    let told = world.poll_all();
    let hosts: String = told.iter().map(host).collect();
    assert_eq!(hosts, "ab", "c never accepted our started");
    assert!(told.iter().all(|a| (a.event, a.num_want) == (Stopped, Some(0))));
    assert!(!world.schedule.is_stopped());
    world.answer(told[0].id, &every(1800));
    world.fail(told[1].id);
    assert!(world.schedule.is_stopped(), "a failed stopped is not repeated");
    assert_eq!((world.poll(), world.schedule.poll_timeout()), (None, None));
}

/// T-10, U-41
#[test]
fn stopping_has_an_end_even_if_no_tracker_answers() {
    let mut world = World::new(&["a"], default);
    world.run(10, "");
    world.schedule.stop(world.now);
    assert_eq!(world.poll().unwrap().event, Stopped);
    let end = world.schedule.poll_timeout().unwrap();
    assert_eq!(end, world.now + Duration::from_secs(5));
    world.now = end;
    assert_eq!(world.poll(), None);
    assert!(world.schedule.is_stopped());
}

/// T-07: stopped where started was accepted
#[test]
fn a_started_that_is_accepted_while_we_stop_is_followed_by_stopped() {
    let mut world = World::new(&["a"], default);
    let started = world.poll().unwrap();
    world.schedule.stop(world.now);
    assert!(!world.schedule.is_stopped());
    assert_eq!(world.poll(), None);
    world.answer(started.id, &every(1800));
    let stopped = world.poll().unwrap();
    assert_eq!(stopped.event, Stopped);
    world.answer(stopped.id, &every(1800));
    assert!(world.schedule.is_stopped());
}

/// T-07
#[test]
fn who_never_started_need_not_stop_and_who_starts_again_says_so() {
    let mut world = World::new(&["a"], default);
    world.schedule.stop(world.now);
    assert!(world.schedule.is_stopped());
    world.schedule.start(world.now);
    assert_eq!(world.run(10, ""), [(0, 'a', Started)]);
    world.schedule.stop(world.now);
    assert_eq!(world.run(10, ""), [(10, 'a', Stopped)]);
    world.schedule.start(world.now);
    assert_eq!(world.run(10, ""), [(10, 'a', Started)]);
}
