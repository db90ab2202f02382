#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{Refusal, RetryIn};

/// A schedule, a clock we own, and trackers by the first letter of their host.
struct World {
    schedule: Schedule,
    begun: Instant,
    now: Instant,
}

/// What was announced: second, tracker, event.
type Told = (u64, char, AnnounceEvent);

use AnnounceEvent::{Completed, None as Regular, Paused, Started, Stopped};

impl World {
    fn new(tiers: &[&str], configure: impl FnOnce(&mut ScheduleConfig)) -> Self {
        let begun = Instant::now();
        let mut config = ScheduleConfig::new(42);
        configure(&mut config);
        let tiers: Vec<Vec<String>> = tiers
            .iter()
            .map(|tier| tier.chars().map(|host| format!("http://{host}/announce")).collect())
            .collect();
        Self { schedule: Schedule::new(config, tiers, begun), begun, now: begun }
    }

    fn at(&mut self, seconds: u64) {
        self.now = self.begun + Duration::from_secs(seconds);
    }

    fn poll(&mut self) -> Option<ScheduledAnnounce> {
        let announce = self.schedule.poll_announce(self.now);
        self.schedule.check_invariants();
        announce
    }

    fn poll_all(&mut self) -> Vec<ScheduledAnnounce> {
        let announces = std::iter::from_fn(|| self.poll()).collect();
        let wake_up = self.schedule.poll_timeout();
        assert!(wake_up.is_none_or(|at| at > self.now), "who sleeps until then never sleeps");
        announces
    }

    fn answer(&mut self, id: AnnounceId, response: &AnnounceResponse) -> OutcomeEffect {
        let effect = self.schedule.handle_outcome(self.now, id, Ok(response));
        self.schedule.check_invariants();
        effect
    }

    fn fail(&mut self, id: AnnounceId) -> OutcomeEffect {
        self.refuse(id, &Failure::Failed("down".into()))
    }

    fn refuse(&mut self, id: AnnounceId, failure: &Failure) -> OutcomeEffect {
        let effect = self.schedule.handle_outcome(self.now, id, Err(failure));
        self.schedule.check_invariants();
        effect
    }

    /// Runs until this second; trackers named in `down` fail, the others answer at once.
    fn run(&mut self, until: u64, down: &str) -> Vec<Told> {
        let end = self.begun + Duration::from_secs(until);
        let mut told = Vec::new();
        loop {
            for announce in self.poll_all() {
                let host = host(&announce);
                told.push(((self.now - self.begun).as_secs(), host, announce.event));
                assert!(told.len() < 10_000, "a storm of announces");
                if down.contains(host) {
                    self.fail(announce.id);
                } else {
                    self.answer(announce.id, &every(1800));
                }
            }
            match self.schedule.poll_timeout() {
                Some(wake) if wake <= end => self.now = self.now.max(wake),
                _ => break,
            }
        }
        self.now = end;
        told
    }

    fn hosts(&mut self, until: u64, down: &str) -> String {
        self.run(until, down).iter().map(|(_, host, _)| host).collect()
    }
}

fn host(announce: &ScheduledAnnounce) -> char {
    announce.url.host().chars().next().unwrap()
}

fn every(seconds: u64) -> AnnounceResponse {
    AnnounceResponse { interval: Some(Duration::from_secs(seconds)), ..Default::default() }
}

fn default(_: &mut ScheduleConfig) {}

fn private(config: &mut ScheduleConfig) {
    config.private(true);
}

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
fn a_tracker_can_be_added_on_the_way() {
    let mut world = World::new(&[], default);
    assert_eq!((world.poll(), world.schedule.poll_timeout()), (None, None));
    let url: TrackerUrl = "udp://late:1".parse().unwrap();
    assert!(world.schedule.add_tracker(world.now, 0, url.clone()).is_some());
    assert_eq!(world.schedule.add_tracker(world.now, 0, url), None);
    assert_eq!(world.poll().unwrap().event, Started);
}

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
