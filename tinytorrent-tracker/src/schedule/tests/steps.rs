use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Poll,
    Wait(u32),
    Answer(usize, u32, Option<u32>),
    Fail(usize, Option<bool>),
    Complete,
    Partial(bool),
    Shortage,
    Reannounce,
    Stop,
    Start,
    Add(u8, u8),
    Remove(usize),
    Replace(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Poll),
        4 => (0u32..4000).prop_map(Step::Wait),
        6 => (any::<usize>(), any::<u32>(), any::<Option<u32>>())
            .prop_map(|(which, interval, min)| Step::Answer(which, interval, min)),
        4 => (any::<usize>(), any::<Option<bool>>()).prop_map(|(which, retry)| Step::Fail(which, retry)),
        1 => Just(Step::Complete),
        1 => any::<bool>().prop_map(Step::Partial),
        1 => Just(Step::Shortage),
        1 => Just(Step::Reannounce),
        1 => Just(Step::Stop),
        1 => Just(Step::Start),
        1 => (0u8..4, 0u8..8).prop_map(|(tier, host)| Step::Add(tier, host)),
        1 => (0usize..8).prop_map(Step::Remove),
        1 => prop::collection::vec(0u8..8, 0..6).prop_map(Step::Replace),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    /// T-07, H-23: what each tracker hears is a story that makes sense, whatever happens.
    #[test]
    fn events_come_in_order_to_each_tracker(
        steps in steps(),
        mode in prop::sample::select(vec![
            AnnounceMode::OneTracker, AnnounceMode::AllTiers, AnnounceMode::AllTrackers,
        ]),
    ) {
        let mut world = World::new(&["ab", "c", "d"], |config| { config.announce_mode(mode); });
        let mut open: Vec<ScheduledAnnounce> = Vec::new();
        let mut accepted: HashMap<TrackerId, Vec<AnnounceEvent>> = HashMap::new();
        for step in steps {
            match step {
                Step::Poll => open.extend(world.poll_all()),
                Step::Wait(seconds) => world.now += Duration::from_secs(seconds.into()),
                Step::Answer(which, interval, min) if !open.is_empty() => {
                    let announce = open.swap_remove(which % open.len());
                    let min_interval = min.map(|min| Duration::from_secs(min.into()));
                    let response = AnnounceResponse { min_interval, ..every(interval.into()) };
                    if world.answer(announce.id, &response) != OutcomeEffect::Stale {
                        accepted.entry(announce.id.tracker()).or_default().push(announce.event);
                    }
                }
                Step::Fail(which, retry) if !open.is_empty() => {
                    let announce = open.swap_remove(which % open.len());
                    let retry_in = retry.map(|never| match never {
                        true => RetryIn::Never,
                        false => RetryIn::After(Duration::from_secs(300)),
                    });
                    world.refuse(announce.id, &Failure::Refused(Refusal { reason: "no".into(), retry_in }));
                }
                Step::Complete => world.schedule.set_complete(world.now),
                Step::Partial(is_partial) => world.schedule.set_partial_seed(is_partial),
                Step::Shortage => world.schedule.request_more_peers(world.now),
                Step::Reannounce => world.schedule.reannounce(world.now),
                Step::Stop => world.schedule.stop(world.now),
                Step::Start => world.schedule.start(world.now),
                Step::Add(tier, host) => {
                    let url = format!("udp://{host}.example:1").parse().unwrap();
                    world.schedule.add_tracker(world.now, tier.into(), url);
                }
                Step::Remove(which) => {
                    let id = world.schedule.trackers().map(|tracker| tracker.id).nth(which);
                    id.map(|id| world.schedule.remove_tracker(world.now, id));
                }
                Step::Replace(hosts) => {
                    let urls = hosts.iter().map(|host| {
                        format!("http://{}/announce", char::from(b'a' + host))
                    });
                    world.schedule.set_trackers(world.now, urls.map(|url| [url]));
                }
                Step::Answer(..) | Step::Fail(..) => {}
            }
            world.schedule.check_invariants();
        }
        for story in accepted.values() {
            let mut knows_us = false;
            for (at, event) in story.iter().enumerate() {
                match event {
                    Started => knows_us = true,
                    Stopped => { prop_assert!(knows_us, "{:?}", story); knows_us = false; }
                    _ => prop_assert!(knows_us, "{:?} at {}", story, at),
                }
            }
            prop_assert!(story.iter().filter(|event| **event == Completed).count() <= 1, "{:?}", story);
        }
        // It always comes to an end.
        world.schedule.stop(world.now);
        world.now += Duration::from_secs(5);
        world.poll();
        prop_assert!(world.schedule.is_stopped());
    }
}
