use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tinytorrent_tracker::{
    AnnounceId, AnnounceRequest, AnnounceResponse, Failure, OutcomeEffect, Schedule,
    ScheduleConfig, ScheduledScrape, TrackerId, TrackerStatus, TrackerUrl,
};
use tinytorrent_types::InfoHashes;
use tinytorrent_wire::Handshake;

use crate::announce::{AnnounceTask, ScrapeOutcome, ScrapeTask};
use crate::config::SwarmConfig;
use crate::contract::{Action, Event};
use crate::outbox::Outbox;
use crate::planted::{Bug, is_planted};

/// The announces to trackers: the schedule, and what is said in each.
#[derive(Debug)]
pub(crate) struct Trackers {
    listen_port: Option<u16>,
    tiers: u32,
    /// The same for the whole run, so that trackers know us on another address (BEP 7).
    key: u32,
    schedule: Schedule,
    /// Nothing is announced until the content is known: the first announce says what is left. A magnet
    /// link cannot wait for that, as it needs peers to know.
    has_begun: bool,
    /// Bytes uploaded and downloaded at the last start: figures begin anew with each `started` (S-27).
    before: (u64, u64),
}

/// The part of the content that is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// Something that is wanted is missing.
    None,
    /// All that is wanted is here, and not all there is (BEP 21, "partial seed").
    Part,
    /// Everything is here.
    Full,
}

impl Completeness {
    pub(crate) fn of(is_full: bool, is_finished: bool) -> Self {
        match (is_full, is_finished) {
            (true, _) => Completeness::Full,
            (false, true) => Completeness::Part,
            (false, false) => Completeness::None,
        }
    }
}

/// Bytes as trackers are told of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) uploaded: u64,
    pub(crate) downloaded: u64,
    /// `None` as long as the content is not known.
    pub(crate) left: Option<u64>,
}

/// The port that trackers are told of if we accept nobody. BEP 3 wants one, and many trackers refuse 0. libtorrent
/// tells this one as well.
const NO_PORT: u16 = 1;

impl Trackers {
    pub(crate) fn new(now: Instant, config: &SwarmConfig) -> Self {
        // A stream of its own: an announce more does not change which piece is picked.
        let mut chance = StdRng::seed_from_u64(config.seed ^ 0x7472_6163_6b65_7273);
        Self {
            listen_port: config.listen_port,
            tiers: config.trackers.len() as u32,
            schedule: Schedule::new(ScheduleConfig::new(chance.random()), &config.trackers, now),
            has_begun: config.needs_metadata,
            key: chance.random(),
            before: (0, 0),
        }
    }

    /// The number that stays the same for the whole run.
    pub(crate) fn key(&self) -> u32 {
        self.key
    }

    /// The trackers and their status, for display.
    pub(crate) fn status(&self) -> impl Iterator<Item = TrackerStatus<'_>> {
        self.schedule.trackers()
    }

    /// Starts to announce, unless that was done.
    pub(crate) fn begin(&mut self, now: Instant, completeness: Completeness, is_private: bool) {
        if !std::mem::replace(&mut self.has_begun, true) {
            if is_private {
                self.schedule.set_private();
            }
            if completeness == Completeness::Full {
                // Nothing was announced, so that this is no completed download.
                self.schedule.set_complete(now);
            }
        }
        // Also for a link, whose schedule began before anything was known of the content.
        self.schedule.set_partial_seed(completeness == Completeness::Part);
    }

    /// The torrent is private: one tracker at a time is in use (BEP 27).
    pub(crate) fn become_private(&mut self) {
        self.schedule.set_private();
    }

    /// Adds trackers, each tier after those that are there.
    pub(crate) fn add(&mut self, now: Instant, tiers: Vec<Vec<String>>) {
        for tier in tiers {
            for url in tier.iter().filter_map(|url| url.parse().ok()) {
                self.schedule.add_tracker(now, self.tiers, url);
            }
            self.tiers = self.tiers.saturating_add(1);
        }
    }

    /// Adds a tracker that a peer has told of, behind all that are there. `None` if it is known, or if there are too many.
    pub(crate) fn learn(&mut self, now: Instant, url: TrackerUrl) -> Option<TrackerId> {
        let id = self.schedule.add_tracker(now, self.tiers, url)?;
        self.tiers = self.tiers.saturating_add(1);
        Some(id)
    }

    /// Removes a tracker that was learned.
    pub(crate) fn forget(&mut self, now: Instant, id: TrackerId) {
        self.schedule.remove_tracker(now, id);
    }

    /// The tracker with this URL.
    pub(crate) fn find(&self, url: &TrackerUrl) -> Option<TrackerId> {
        self.schedule.trackers().find(|tracker| tracker.url == url).map(|tracker| tracker.id)
    }

    /// The URL of a tracker, if it is there.
    pub(crate) fn url(&self, id: TrackerId) -> Option<&TrackerUrl> {
        self.schedule.tracker(id).map(|tracker| tracker.url)
    }

    /// Replaces the trackers. Returns true if one that was in use is not there any more.
    pub(crate) fn set(&mut self, now: Instant, tiers: &[Vec<String>]) -> bool {
        self.tiers = tiers.len() as u32;
        self.schedule.set_trackers(now, tiers)
    }

    /// Scrapes the trackers.
    pub(crate) fn scrape(&mut self, now: Instant, out: &mut Outbox) {
        self.schedule.scrape(now);
        while let Some(ScheduledScrape { id, url }) = self.schedule.poll_scrape(now) {
            out.act(Action::Scrape(ScrapeTask { id, url }));
        }
    }

    /// Takes in the outcome of a scrape of this torrent. Returns what there is to tell.
    pub(crate) fn on_scraped(
        &mut self,
        now: Instant,
        hashes: &InfoHashes,
        outcome: ScrapeOutcome,
    ) -> Option<Event> {
        let ScrapeOutcome { id, result } = outcome;
        let url = self.schedule.handle_scrape(now, id, hashes, result.as_ref())?.clone();
        Some(match result {
            Ok(_) => Event::TrackerScraped { url },
            Err(failure) => Event::ScrapeFailed { url, failure },
        })
    }

    /// Every wanted piece is here; `is_full` if every piece is.
    pub(crate) fn set_complete(&mut self, now: Instant, is_full: bool) {
        // A partial seed has not completed the torrent (BEP 21).
        if is_full { self.schedule.set_complete(now) } else { self.schedule.set_partial_seed(true) }
    }

    /// Something that is wanted is missing again: peers are asked for.
    pub(crate) fn set_incomplete(&mut self, now: Instant) {
        self.schedule.set_partial_seed(false);
        self.request_more_peers(now);
    }

    /// Nobody is left to download from.
    pub(crate) fn request_more_peers(&mut self, now: Instant) {
        if self.has_begun {
            self.schedule.request_more_peers(now);
        }
    }

    /// Asks the trackers for peers as soon as they allow.
    pub(crate) fn reannounce(&mut self, now: Instant) {
        if self.has_begun {
            self.schedule.reannounce(now);
        }
    }

    /// Changes the port that trackers are told of. Returns true if it is another one.
    pub(crate) fn set_listen_port(&mut self, port: Option<u16>) -> bool {
        std::mem::replace(&mut self.listen_port, port) != port
    }

    /// Announces that we stop.
    pub(crate) fn stop(&mut self, now: Instant) {
        self.schedule.stop(now);
    }

    /// Announces that we start again, with this progress.
    pub(crate) fn restart(&mut self, now: Instant, progress: Progress) {
        self.before = (progress.uploaded, progress.downloaded);
        self.schedule.start(now);
    }

    /// Returns true if all trackers have been told that we stop, or have had their chance.
    pub(crate) fn is_stopped(&self) -> bool {
        !self.has_begun || self.schedule.is_stopped()
    }

    /// The instant at which the next announce is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.schedule.poll_timeout().filter(|_| self.has_begun)
    }

    /// Sends the announces that are due. `us` names the torrent and us.
    pub(crate) fn announce(
        &mut self,
        now: Instant,
        us: Handshake,
        progress: Progress,
        out: &mut Outbox,
    ) {
        if !self.has_begun {
            return;
        }
        while let Some(announce) = self.schedule.poll_announce(now) {
            let mut request = AnnounceRequest::new(
                us.info_hash,
                us.peer_id,
                self.listen_port.unwrap_or(NO_PORT),
                self.key,
            );
            request.uploaded = progress.uploaded - self.before.0;
            request.downloaded = progress.downloaded - self.before.1;
            request.left = progress.left;
            announce.apply_to(&mut request);
            if is_planted(Bug::StartsSilently) {
                request.event = tinytorrent_tracker::AnnounceEvent::None;
            } else if is_planted(Bug::CompletesAgain) && request.left == Some(0) {
                request.event = tinytorrent_tracker::AnnounceEvent::Completed;
            }
            let task = AnnounceTask { id: announce.id, url: announce.url, request };
            out.act(Action::Announce(task));
        }
    }

    /// Takes in the outcome of an announce. Returns the tracker that it was for, and true if that is
    /// used in place of another one from now on. `None` if the tracker was removed.
    pub(crate) fn on_announced(
        &mut self,
        now: Instant,
        id: AnnounceId,
        result: Result<&AnnounceResponse, &Failure>,
    ) -> Option<(TrackerUrl, bool)> {
        let url = self.url(id.tracker()).cloned();
        let effect = self.schedule.handle_outcome(now, id, result);
        Some((url?, matches!(effect, OutcomeEffect::Switched { .. })))
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::{InfoHashV1, PeerId};
    use tinytorrent_wire::Reserved;

    use super::*;

    fn us() -> Handshake {
        let info_hash = InfoHashV1::from_bytes([7; 20]).to_wire();
        Handshake { reserved: Reserved::empty(), info_hash, peer_id: PeerId::from_bytes([1; 20]) }
    }

    const PROGRESS: Progress = Progress { uploaded: 3, downloaded: 2, left: Some(1) };

    fn trackers(needs_metadata: bool) -> (Instant, Trackers) {
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let mut config = SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 42);
        config
            .trackers(vec![vec!["http://one.example/announce".into()]])
            .needs_metadata(needs_metadata)
            .listen_port(6881);
        let now = Instant::now();
        (now, Trackers::new(now, &config))
    }

    fn announced(out: &mut Outbox) -> Vec<AnnounceTask> {
        let tasks = out.take_actions().into_iter().filter_map(|action| match action {
            Action::Announce(task) => Some(task),
            _ => None,
        });
        tasks.collect()
    }

    #[test]
    fn a_torrent_file_is_announced_once_it_is_known_what_is_left() {
        let ((now, mut trackers), mut out) = (trackers(false), Outbox::default());
        trackers.announce(now, us(), PROGRESS, &mut out);
        assert!(announced(&mut out).is_empty() && trackers.is_stopped());
        trackers.begin(now, Completeness::None, false);
        trackers.announce(now, us(), PROGRESS, &mut out);
        let tasks = announced(&mut out);
        let request = &tasks[0].request;
        assert_eq!((request.uploaded, request.downloaded, request.left), (3, 2, Some(1)));
        assert_eq!((tasks.len(), request.port), (1, 6881));
    }

    #[test]
    fn a_link_is_announced_at_once() {
        let ((now, mut trackers), mut out) = (trackers(true), Outbox::default());
        trackers.announce(now, us(), Progress { left: None, ..PROGRESS }, &mut out);
        assert_eq!(announced(&mut out).len(), 1);
        assert!(!trackers.is_stopped());
    }

    #[test]
    fn an_outcome_names_its_tracker() {
        let ((now, mut trackers), mut out) = (trackers(true), Outbox::default());
        trackers.announce(now, us(), PROGRESS, &mut out);
        let task = announced(&mut out).remove(0);
        let failure = Failure::Failed("no answer".into());
        let outcome = trackers.on_announced(now, task.id, Err(&failure));
        assert_eq!(outcome, Some((task.url, false)));
        assert!(trackers.poll_timeout() > Some(now), "it is tried again");
    }
}
