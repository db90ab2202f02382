#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

use std::collections::HashMap;
use std::time::Duration;

use super::*;
use crate::{AnnounceResponse, Failure, Refusal, RetryIn, TrackerUrl};

mod events;
mod list;
mod numbers;
mod scrapes;
mod shortage;
mod steps;
mod tiers;
mod waits;

/// A schedule, a clock we own, and trackers by the first letter of their host.
struct World {
    schedule: Schedule,
    begun: Instant,
    now: Instant,
}

/// Announces so far: second, tracker, event.
type Told = (u64, char, AnnounceEvent);

use AnnounceEvent::{Completed, None as Regular, Paused, Started, Stopped};

impl World {
    fn new(tiers: &[&str], configure: impl FnOnce(&mut ScheduleConfig)) -> Self {
        let begun = Instant::now();
        let mut config = ScheduleConfig::new(42);
        configure(&mut config);
        Self { schedule: Schedule::new(config, urls(tiers), begun), begun, now: begun }
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

/// A tracker for each letter, in tiers.
fn urls(tiers: &[&str]) -> Vec<Vec<String>> {
    let urls = |tier: &&str| tier.chars().map(|host| format!("http://{host}/announce")).collect();
    tiers.iter().map(urls).collect()
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
