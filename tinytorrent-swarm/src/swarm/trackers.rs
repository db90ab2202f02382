//! Trackers: when to announce what, and what comes of it.

use std::net::SocketAddr;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tinytorrent_tracker::{AnnounceRequest, AnnounceResponse, Schedule, ScheduleConfig};

use super::Swarm;
use crate::announce::{AnnounceOutcome, AnnounceTask};
use crate::config::Config;
use crate::contract::{Action, Event, PeerSource};

/// The announce schedule, once it is known whether anything is missing.
#[derive(Debug)]
pub(super) struct Trackers {
    tiers: Vec<Vec<String>>,
    seed: u64,
    /// The same for the whole run, so that trackers know us on another address (BEP 7).
    key: u32,
    /// `None` until the content is known: the first announce says what is left. A magnet link
    /// cannot wait for that, as it needs peers to know.
    schedule: Option<Schedule>,
}

impl Trackers {
    pub(super) fn new(now: Instant, config: &Config) -> Self {
        let mut chance = StdRng::seed_from_u64(config.seed ^ 0x7472_6163_6b65_7273);
        let mut trackers = Self {
            tiers: config.trackers.clone(),
            seed: chance.random(),
            key: chance.random(),
            schedule: None,
        };
        if config.needs_metadata {
            trackers.begin(now, false, false);
        }
        trackers
    }

    /// Starts to announce, unless that was done.
    pub(super) fn begin(&mut self, now: Instant, is_complete: bool, is_private: bool) {
        if self.schedule.is_none() {
            let mut config = ScheduleConfig::new(self.seed);
            config.complete(is_complete).private(is_private);
            self.schedule = Some(Schedule::new(config, &self.tiers, now));
        }
    }

    /// Adds trackers, each tier after those that are there.
    pub(super) fn add(&mut self, now: Instant, tiers: Vec<Vec<String>>) {
        let first = self.tiers.len();
        if let Some(schedule) = &mut self.schedule {
            for (at, tier) in tiers.iter().enumerate() {
                for url in tier.iter().filter_map(|url| url.parse().ok()) {
                    schedule.add_tracker(now, (first + at) as u32, url);
                }
            }
        }
        self.tiers.extend(tiers);
    }

    /// Every wanted piece is here; `is_full` if every piece is.
    pub(super) fn set_complete(&mut self, now: Instant, is_full: bool) {
        if let Some(schedule) = &mut self.schedule {
            // A partial seed has not completed the torrent (BEP 21).
            if is_full { schedule.set_complete(now) } else { schedule.set_partial_seed(true) }
        }
    }

    /// Nobody is left to download from.
    pub(super) fn request_more_peers(&mut self, now: Instant) {
        if let Some(schedule) = &mut self.schedule {
            schedule.request_more_peers(now);
        }
    }

    pub(super) fn stop(&mut self, now: Instant) {
        if let Some(schedule) = &mut self.schedule {
            schedule.stop(now);
        }
    }

    pub(super) fn restart(&mut self, now: Instant) {
        if let Some(schedule) = &mut self.schedule {
            schedule.start(now);
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.schedule.as_ref().is_none_or(Schedule::is_stopped)
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.schedule.as_ref().and_then(Schedule::poll_timeout)
    }
}

impl Swarm {
    /// Adds trackers while the torrent runs, each tier after those that are there.
    pub fn add_trackers(&mut self, now: Instant, tiers: Vec<Vec<String>>) {
        self.advance(now);
        self.trackers.add(now, tiers);
        self.poll_trackers();
    }

    /// Asks the trackers for peers as soon as they allow.
    pub fn reannounce(&mut self, now: Instant) {
        self.advance(now);
        if let Some(schedule) = &mut self.trackers.schedule {
            schedule.reannounce(now);
        }
        self.poll_trackers();
    }

    pub(super) fn poll_trackers(&mut self) {
        let Some(schedule) = &mut self.trackers.schedule else { return };
        let left = self.picker.as_ref().map(|p| p.geometry().total_payload() - p.have_bytes());
        while let Some(announce) = schedule.poll_announce(self.now) {
            let config = &self.config;
            let mut request = AnnounceRequest::new(
                config.info_hashes.to_wire(),
                config.peer_id,
                config.listen_port.unwrap_or(0),
                self.trackers.key,
            );
            request.uploaded = self.up.total();
            request.downloaded = self.down.total();
            request.left = left;
            announce.apply_to(&mut request);
            let task = AnnounceTask { id: announce.id, url: announce.url, request };
            self.actions.push_back(Action::Announce(task));
        }
    }

    pub(super) fn on_announced(&mut self, outcome: AnnounceOutcome) {
        let AnnounceOutcome { id, result } = outcome;
        let Some(schedule) = &mut self.trackers.schedule else { return };
        let url = schedule.tracker(id.tracker()).map_or_else(String::new, |t| t.url.to_string());
        schedule.handle_outcome(self.now, id, result.as_ref());
        match result {
            Ok(response) => self.on_answer(url, &response),
            Err(failure) => {
                let reason = failure.to_string();
                self.events.push_back(Event::TrackerFailed { url, reason });
            }
        }
        self.poll_trackers();
    }

    fn on_answer(&mut self, url: String, response: &AnnounceResponse) {
        if let (Some(ip), Some(port)) = (response.external_ip, self.config.listen_port) {
            self.book.add_own(SocketAddr::new(ip, port));
        }
        let others = response.peers.iter().filter(|peer| peer.id != Some(self.config.peer_id));
        let addresses: Vec<_> = others.map(|peer| peer.address).collect();
        self.events.push_back(Event::TrackerAnswered { url, peers: addresses.len() });
        if self.is_running {
            self.on_peers_found(PeerSource::Tracker, &addresses);
        }
    }
}
