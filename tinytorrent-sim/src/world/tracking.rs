//! Trackers that keep a list of those who announce themselves.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_swarm::{AnnounceOutcome, AnnounceTask, Failure, Input};
use tinytorrent_tracker::server::{ServerConfig, Swarms};
use tinytorrent_tracker::{AnnounceResponse, Peer, Refusal};

use super::happening::Happening;
use super::{Node, World};

/// A tracker.
#[derive(Debug)]
pub struct Tracker {
    swarms: Swarms,
    interval: Duration,
    /// Its behaviour at the moment.
    pub state: TrackerState,
}

/// The behaviour of a tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackerState {
    /// It answers at once.
    Up,
    /// It answers after this time.
    Slow(Duration),
    /// It does not answer.
    Gone,
    /// It refuses everybody.
    Refuses,
    /// It tells of others than those who announce themselves.
    Lies(Vec<SocketAddr>),
}

/// The time after which an announce without an answer is given up.
const PATIENCE: Duration = Duration::from_secs(15);

impl Tracker {
    /// A tracker that knows nobody and asks everybody to come again after this time.
    pub fn new(seed: u64, interval: Duration, now: Instant) -> Self {
        let mut config = ServerConfig::default();
        config.interval(interval).min_interval(interval.min(Duration::from_secs(60)));
        Self { swarms: Swarms::new(config, seed, now), interval, state: TrackerState::Up }
    }
}

impl World {
    /// Adds a tracker at this URL.
    pub fn add_tracker(&mut self, url: impl Into<String>, tracker: Tracker) {
        self.trackers.insert(url.into(), tracker);
    }

    /// Sends an announce on its way.
    pub(super) fn announce_later(&mut self, node: Node, task: AnnounceTask) {
        let state = self.trackers.get(&task.url.to_string()).map(|tracker| &tracker.state);
        let time = match state {
            Some(TrackerState::Gone) => PATIENCE,
            Some(TrackerState::Slow(time)) => self.latency + *time,
            _ => self.latency,
        };
        let time = if self.is_cut_off(node) { PATIENCE } else { time };
        self.later(time, node, Happening::Tracker(task));
    }

    /// A tracker answers, or its time is over.
    pub(super) fn announced(&mut self, node: Node, task: &AnnounceTask) {
        let (now, is_cut_off) = (self.now, self.is_cut_off(node));
        let simulated = &self.nodes[node];
        let result = match self.trackers.get_mut(&task.url.to_string()) {
            Some(_) if is_cut_off => Err(no_answer()),
            Some(tracker) => match &tracker.state {
                TrackerState::Gone => Err(no_answer()),
                TrackerState::Refuses => Err(Refusal::new("not here").into()),
                TrackerState::Lies(addresses) => {
                    let mut response = AnnounceResponse::default();
                    response.peers = addresses.iter().map(peer).collect();
                    response.interval = Some(tracker.interval);
                    Ok(response)
                }
                TrackerState::Up | TrackerState::Slow(_) => {
                    let from = simulated.address.ip();
                    tracker.swarms.announce(now, from, &task.request, false).map_err(Failure::from)
                }
            },
            None => {
                Ok(simulated.trackers.get(&task.url.to_string()).cloned().unwrap_or_else(|| {
                    let mut response = AnnounceResponse::default();
                    response.peers = simulated.tracker_peers.iter().map(peer).collect();
                    response.reached_at = self.tracker;
                    // The interval of most deployed trackers.
                    response.interval = Some(Duration::from_secs(1_800));
                    response
                }))
            }
        };
        let result = result.map(|mut response| {
            response.reached_at = response.reached_at.or(self.tracker);
            response
        });
        self.input(node, Input::Announced(AnnounceOutcome { id: task.id, result }));
    }
}

fn peer(address: &SocketAddr) -> Peer {
    Peer { address: *address, id: None }
}

fn no_answer() -> Failure {
    Failure::Failed("no answer in time".into())
}
