use super::*;
use crate::Peer;

/// An answer with this number of peers.
fn peers(count: u8) -> AnnounceResponse {
    let peer = |host| Peer { address: ([192, 0, 2, host], 1).into(), id: None };
    AnnounceResponse { peers: (1..=count).map(peer).collect(), ..every(1800) }
}

fn nobody(min_interval: u64) -> AnnounceResponse {
    let min_interval = Some(Duration::from_secs(min_interval));
    AnnounceResponse { min_interval, ..every(1800) }
}

/// Runs a swarm without peers until this second: each answer makes it call for more.
fn starve(
    world: &mut World,
    until: u64,
    mut answer: impl FnMut(char) -> Option<AnnounceResponse>,
) -> Vec<(u64, char)> {
    let end = world.begun + Duration::from_secs(until);
    let mut asked = Vec::new();
    loop {
        for announce in world.poll_all() {
            asked.push(((world.now - world.begun).as_secs(), host(&announce)));
            assert!(asked.len() < 10_000, "a storm of announces");
            if let Some(response) = answer(host(&announce)) {
                world.answer(announce.id, &response);
            }
            world.schedule.request_more_peers(world.now);
        }
        match world.schedule.poll_timeout() {
            Some(wake) if wake <= end => world.now = world.now.max(wake),
            _ => break,
        }
    }
    world.now = end;
    asked
}

#[test]
fn trackers_that_know_nobody_do_not_silence_the_next_tiers() {
    let mut world = World::new(&["a", "b", "c", "d"], default);
    let day = 24 * 3600;
    let asked =
        starve(&mut world, 0, |host| Some(if host == 'c' { peers(1) } else { nobody(day) }));
    // Peers from c, and they may be dead: that is known only when the swarm still starves.
    assert_eq!(asked, [(0, 'a'), (0, 'b'), (0, 'c'), (0, 'd')]);

    let mut world = World::new(&["a", "b", "c"], default);
    for expected in ['a', 'b'] {
        let announce = world.poll_all().remove(0);
        assert_eq!(host(&announce), expected);
        let response = if expected == 'a' { nobody(day) } else { peers(1) };
        world.answer(announce.id, &response);
        if expected == 'a' {
            world.schedule.request_more_peers(world.now);
        }
    }
    assert_eq!(world.poll_all(), [], "peers came, and the swarm has not starved since");
    assert_eq!(world.schedule.poll_timeout(), Some(world.begun + Duration::from_secs(1800)));
}

#[test]
fn a_tracker_that_knows_only_ourselves_knows_nobody() {
    let alone = AnnounceResponse { seeders: Some(0), leechers: Some(1), ..peers(1) };
    let mut world = World::new(&["a"], default);
    let answer = AnnounceResponse { min_interval: Some(Duration::from_secs(86_400)), ..alone };
    let asked = starve(&mut world, 1_000, |_| Some(answer.clone()));
    assert_eq!(asked, [(0, 'a'), (900, 'a')]);
}

/// T-12
#[test]
fn min_interval_is_capped_only_for_one_that_knows_nobody() {
    for (answer, again) in
        [(nobody(86_400), 900), (nobody(600), 600), (every(1800), 300), (nobody(0), 60)]
    {
        let mut world = World::new(&["a"], default);
        assert_eq!(starve(&mut world, again, |_| Some(answer.clone())), [(0, 'a'), (again, 'a')]);
    }
    let day = Some(Duration::from_secs(86_400));
    let mut world = World::new(&["a"], default);
    let told = AnnounceResponse { min_interval: day, ..peers(3) };
    assert_eq!(starve(&mut world, 86_399, |_| Some(told.clone())), [(0, 'a')]);
}

/// T-12: however long it lasts and however many trackers there are.
#[test]
fn a_swarm_that_starves_asks_no_tracker_more_often_than_it_allows() {
    let mut world = World::new(&["ab", "c", "d"], default);
    let asked = starve(&mut world, 86_400, |host| match host {
        'c' => Some(nobody(700)),
        'd' => Some(peers(50)),
        _ => Some(every(1800)),
    });
    for (tracker, floor) in [('a', 300), ('b', 300), ('c', 700), ('d', 300)] {
        let of = asked.iter().filter(|(_, host)| *host == tracker).map(|(at, _)| *at);
        let times: Vec<u64> = of.collect();
        assert!(times.len() > 40, "{tracker}: {times:?}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= floor), "{tracker}: {times:?}");
    }
}

/// T-02, BEP 12: each round begins with the first tier, and goes on to the one that has peers.
#[test]
fn a_round_does_not_end_at_a_tracker_that_knows_nobody_if_another_has_peers() {
    let mut world = World::new(&["a", "b", "c"], default);
    let mut round = |second: u64, is_short: bool| {
        world.at(second);
        let mut asked = String::new();
        for _ in 0..9 {
            for announce in world.poll_all() {
                asked.push(host(&announce));
                let response = if host(&announce) == 'b' { peers(1) } else { every(1800) };
                world.answer(announce.id, &response);
                if is_short && host(&announce) == 'a' {
                    world.schedule.request_more_peers(world.now);
                }
            }
        }
        asked
    };
    assert_eq!(round(0, true), "ab");
    assert_eq!(round(1800, false), "ab");
    assert_eq!(round(3600, false), "ab");
}

/// T-05, BEP 27
#[test]
fn a_private_torrent_stays_with_a_tracker_that_knows_nobody() {
    let mut world = World::new(&["a", "b"], private);
    let asked = starve(&mut world, 1_000, |_| Some(nobody(86_400)));
    assert_eq!(asked, [(0, 'a'), (900, 'a')]);
    // The same if that is known only later.
    let mut world = World::new(&["a", "b"], default);
    let first = world.poll_all().remove(0);
    world.schedule.request_more_peers(world.now);
    world.schedule.set_private();
    world.answer(first.id, &nobody(86_400));
    world.schedule.request_more_peers(world.now);
    assert_eq!(world.poll_all(), []);
}

/// BEP 15 "Time outs"
#[test]
fn a_hundred_silent_trackers_delay_the_one_that_answers_by_minutes() {
    let mut config = ScheduleConfig::new(1);
    config.interval_floor(Duration::from_secs(60));
    let begun = Instant::now();
    let tiers = (0..100).map(|tier| [format!("udp://{tier}.silent:1")]);
    let tiers: Vec<_> = tiers.chain([["udp://honest:1".to_owned()]]).collect();
    let (mut schedule, mut now) = (Schedule::new(config, tiers, begun), begun);
    let mut asked = 0;
    loop {
        schedule.check_invariants();
        match schedule.poll_announce(now) {
            Some(announce) if announce.url.host() == "honest" => break,
            Some(_) => asked += 1,
            None => now = schedule.poll_timeout().unwrap(),
        }
    }
    assert_eq!(asked, 100);
    let took = now - begun;
    assert!(took < Duration::from_secs(180), "{took:?}");
    assert!(took > Duration::from_secs(60), "a storm would be no better: {took:?}");
}

#[test]
fn a_silent_tracker_does_not_end_the_search_of_one_who_starves() {
    let mut world = World::new(&["a", "b", "c"], default);
    let asked = starve(&mut world, 30, |host| match host {
        'a' => Some(nobody(86_400)),
        'b' => None,
        _ => Some(peers(1)),
    });
    assert_eq!(asked, [(0, 'a'), (0, 'b'), (15, 'c')]);
}

#[test]
fn a_late_answer_with_peers_takes_the_place_of_one_without() {
    let mut world = World::new(&["a", "b"], default);
    let slow = world.poll_all().remove(0);
    world.at(15);
    let next = world.poll_all().remove(0);
    world.answer(next.id, &every(1800));
    world.at(20);
    let from = next.id.tracker();
    assert_eq!(world.answer(slow.id, &peers(1)), OutcomeEffect::Switched { from });
}

#[test]
fn once_the_download_is_complete_nobody_is_asked_for_more() {
    let mut world = World::new(&["a", "b"], default);
    let first = world.poll_all().remove(0);
    world.schedule.request_more_peers(world.now);
    world.schedule.set_complete(world.now);
    world.answer(first.id, &every(1800));
    assert!(world.poll_all().iter().all(|announce| host(announce) == 'a'));
}
