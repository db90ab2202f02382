use super::*;

impl World {
    fn replace(&mut self, tiers: &[&str]) -> bool {
        let is_used_removed = self.schedule.set_trackers(self.now, urls(tiers));
        self.schedule.check_invariants();
        is_used_removed
    }

    fn listed(&self) -> Vec<(u32, char, TrackerState)> {
        let listed = self.schedule.trackers().map(|tracker| {
            (tracker.tier, tracker.url.host().chars().next().unwrap(), tracker.state)
        });
        listed.collect()
    }
}

/// T-07
#[test]
fn a_tracker_that_is_removed_is_told_and_one_that_stays_goes_on() {
    let mut world = World::new(&["a", "b"], |config| {
        config.announce_mode(AnnounceMode::AllTiers);
    });
    world.run(100, "");
    assert!(world.replace(&["cb"]), "a was in use");
    assert_eq!(world.listed(), [(0, 'b', TrackerState::Working), (0, 'c', TrackerState::Unused),]);
    // One lane is left, which has its tracker.
    assert_eq!(
        world.run(5_000, ""),
        [(100, 'a', Stopped), (1_800, 'b', Regular), (3_600, 'b', Regular)]
    );
    assert!(world.replace(&["c"]));
    assert_eq!(world.run(5_000, ""), [(5_000, 'b', Stopped), (5_000, 'c', Started)]);
}

/// T-07
#[test]
fn a_single_tracker_is_removed_as_by_a_list_without_it() {
    let mut world = World::new(&["a", "b"], default);
    world.run(10, "");
    let id = |world: &World, host| {
        let mut all = world.schedule.trackers();
        all.find(|tracker| tracker.url.host().starts_with(host)).map(|tracker| tracker.id)
    };
    let (a, b) = (id(&world, 'a').unwrap(), id(&world, 'b').unwrap());
    assert!(world.schedule.remove_tracker(world.now, a));
    world.schedule.check_invariants();
    assert!(!world.schedule.remove_tracker(world.now, a));
    assert_eq!(world.run(2_000, ""), [(10, 'a', Stopped), (1_800, 'b', Started)]);
    assert!(world.schedule.remove_tracker(world.now, b));
    assert_eq!((world.run(9_000, ""), world.listed()), (vec![(2_000, 'b', Stopped)], vec![]));
    // One that comes again is asked at once.
    assert!(
        world.schedule.add_tracker(world.now, 0, urls(&["c"])[0][0].parse().unwrap()).is_some()
    );
    assert_eq!(world.run(9_100, ""), [(9_000, 'c', Started)]);
}

/// T-07
#[test]
fn a_tracker_that_knows_nothing_of_us_is_removed_without_a_word() {
    let mut world = World::new(&["ab"], default);
    let first = world.run(10, "");
    let other = if first[0].1 == 'a' { "a" } else { "b" };
    assert!(!world.replace(&[other]), "the one in use stays");
    assert_eq!(world.run(1_000, ""), []);
    let mut down = World::new(&["a"], default);
    down.run(10, "a");
    assert!(!down.replace(&[]));
    assert_eq!((down.run(10_000, ""), down.schedule.poll_timeout()), (vec![], None));
}

/// T-07
#[test]
fn a_tracker_that_is_removed_while_it_is_asked_is_told_once_it_knows_us() {
    let mut world = World::new(&["a"], default);
    let started = world.poll().unwrap();
    world.replace(&["b"]);
    assert_eq!(host(&world.poll().unwrap()), 'b', "nobody waits for it");
    let response = AnnounceResponse { tracker_id: Some(b"us".to_vec()), ..every(1800) };
    assert_eq!(world.answer(started.id, &response), OutcomeEffect::Answered);
    assert!(world.schedule.tracker(started.id.tracker()).is_none());
    let stopped = world.poll().unwrap();
    assert_eq!((host(&stopped), stopped.event, stopped.num_want), ('a', Stopped, Some(0)));
    assert_eq!(stopped.tracker_id, Some(b"us".to_vec()));
    world.fail(stopped.id);
    assert_eq!(world.poll(), None, "it is not told twice");
}

/// T-07
#[test]
fn a_tracker_that_comes_back_is_started_again_unless_it_was_not_told() {
    let mut world = World::new(&["a"], default);
    world.run(10, "");
    world.replace(&["b"]);
    world.replace(&["a"]);
    assert_eq!(world.run(2_000, ""), [(300, 'a', Regular)]);
    world.replace(&[]);
    let stopped = world.poll().unwrap();
    world.replace(&["a"]);
    assert_eq!(world.poll(), None, "one after the other");
    world.answer(stopped.id, &every(1800));
    assert_eq!(world.poll().unwrap().event, Started);
}

#[test]
fn the_end_waits_for_trackers_that_were_removed() {
    let mut world = World::new(&["a"], default);
    world.run(10, "");
    world.replace(&[]);
    let stopped = world.poll().unwrap();
    world.schedule.stop(world.now);
    assert!(!world.schedule.is_stopped());
    world.answer(stopped.id, &every(1800));
    assert!(world.schedule.is_stopped());
}

#[test]
fn a_new_list_is_shuffled_and_the_tracker_in_use_stays_in_front() {
    let orders: std::collections::HashSet<_> = (0..40)
        .map(|seed| {
            let mut schedule =
                Schedule::new(ScheduleConfig::new(seed), urls(&["x"]), Instant::now());
            schedule.set_trackers(Instant::now(), urls(&["abc"]));
            schedule.poll_announce(Instant::now()).map(|announce| host(&announce))
        })
        .collect();
    assert_eq!(orders.len(), 3, "T-01");
    let mut world = World::new(&["a"], default);
    world.run(10, "");
    world.replace(&["bcad"]);
    assert_eq!(world.hosts(4_000, ""), "aa", "T-03");
}

#[test]
fn replaced_lists_without_number_take_no_memory_without_number() {
    let mut world = World::new(&[], |config| {
        config.announce_mode(AnnounceMode::AllTrackers);
    });
    for round in 0..5 {
        let urls = (0..700).map(|number| [format!("http://{round}-{number}.example/announce")]);
        world.schedule.set_trackers(world.now, urls);
        // They know us, and their answers to `stopped` never come.
        for announce in world.poll_all() {
            world.answer(announce.id, &every(1800));
        }
    }
    let held = world.schedule.leaving.as_ref().map_or(0, |leaving| leaving.iter().count());
    assert!(held <= 1_000, "{held}");
}
