//! The announce schedule under any operations: what each tracker hears makes sense.
#![no_main]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_tracker::{
    AnnounceEvent, AnnounceMode, AnnounceResponse, Failure, OutcomeEffect, Refusal, RetryIn,
    Schedule, ScheduleConfig, TrackerId,
};
use tinytorrent_types::{InfoHashV1, InfoHashes};

fuzz_target!(|bytes: &[u8]| {
    // Five trackers, and the announces that nobody has answered.
    within(bytes.len(), 64, 64 << 10, || run(bytes));
});

fn run(bytes: &[u8]) {
    let [setup, input @ ..] = bytes else { return };
    let mut config = ScheduleConfig::new(u64::from(*setup));
    config.private(setup & 4 != 0).complete(setup & 8 != 0).announce_mode(match setup % 3 {
        0 => AnnounceMode::OneTracker,
        1 => AnnounceMode::AllTiers,
        _ => AnnounceMode::AllTrackers,
    });
    let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
    let mut now = Instant::now();
    let tiers = [&["http://a/", "udp://a:1", "http://b/"][..], &["udp://c:1", "no url"][..]];
    let mut schedule = Schedule::new(config, tiers, now);
    let mut open = Vec::new();
    let mut knows: HashMap<TrackerId, bool> = HashMap::new();
    for pair in input.chunks_exact(2) {
        let (operation, argument) = (pair[0], pair[1]);
        match operation % 11 {
            0 | 1 => {
                while let Some(announce) = schedule.poll_announce(now) {
                    open.push(announce);
                    schedule.check_invariants();
                }
                let wake_up = schedule.poll_timeout();
                assert!(wake_up.is_none_or(|at| at > now), "a driver would never sleep");
            }
            2 => now += Duration::from_secs(u64::from(argument) * 30),
            3 | 4 if !open.is_empty() => {
                let announce = open.swap_remove(usize::from(argument) % open.len());
                let mut response = AnnounceResponse::default();
                response.interval = Some(Duration::from_secs(u64::from(argument) * 60));
                response.min_interval = response.interval.filter(|_| argument % 2 == 0);
                let effect = schedule.handle_outcome(now, announce.id, Ok(&response));
                if effect != OutcomeEffect::Stale {
                    let knows_us = knows.entry(announce.id.tracker()).or_default();
                    match announce.event {
                        AnnounceEvent::Started => *knows_us = true,
                        AnnounceEvent::Stopped => assert!(std::mem::take(knows_us)),
                        _ => assert!(*knows_us, "{:?} to a stranger", announce.event),
                    }
                }
            }
            5 if !open.is_empty() => {
                let announce = open.swap_remove(usize::from(argument) % open.len());
                let retry_in = match argument % 3 {
                    0 => None,
                    1 => Some(RetryIn::Never),
                    _ => Some(RetryIn::After(Duration::from_secs(600))),
                };
                let failure = Failure::Refused(Refusal { reason: "no".into(), retry_in });
                schedule.handle_outcome(now, announce.id, Err(&failure));
            }
            6 => schedule.set_complete(now),
            7 => schedule.request_more_peers(now),
            8 if argument % 2 == 0 => schedule.stop(now),
            8 => schedule.start(now),
            9 if argument % 2 == 0 => schedule.reannounce(now),
            10 => {
                let hosts = "abcdefgh".chars().zip(0..).filter(|(_, bit)| argument >> bit & 1 == 1);
                let list = hosts.map(|(host, _)| [format!("http://{host}/")]);
                schedule.set_trackers(now, list);
                schedule.scrape(now);
                while let Some(scrape) = schedule.poll_scrape(now) {
                    let failure = Failure::Failed("down".into());
                    schedule.handle_scrape(now, scrape.id, &hashes, Err(&failure));
                }
            }
            _ => schedule.set_partial_seed(argument % 2 == 0),
        }
        schedule.check_invariants();
        let _ = (schedule.poll_timeout(), schedule.trackers().count());
    }
    schedule.stop(now);
    let _ = schedule.poll_announce(now + Duration::from_secs(5));
    assert!(schedule.is_stopped());
}
