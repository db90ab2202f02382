//! The happenings of a torrent, in numbers.

use tinytorrent_swarm::{Event as SwarmEvent, LeaveReason};

use super::Driver;
use crate::Counts;

/// The counts of a torrent. Most torrents of a large client have none to keep.
#[derive(Debug, Default)]
pub(super) struct Tally(Option<Box<Counts>>);

impl Tally {
    fn get(&self) -> Counts {
        self.0.as_deref().copied().unwrap_or_default()
    }
}

impl Driver {
    pub(crate) fn counts(&mut self) -> Counts {
        self.count_traffic();
        self.tally.get()
    }

    /// Counts something, for the torrent and for its client.
    pub(super) fn count(&mut self, change: impl Fn(&mut Counts)) {
        change(self.tally.0.get_or_insert_default());
        self.resources.registry.counts.note(change);
    }

    /// Counts what the engine counts by itself, since the last time: bytes, and peers that were introduced.
    pub(super) fn count_traffic(&mut self) {
        let before = self.tally.get();
        let downloaded = self.swarm.downloaded().saturating_sub(before.downloaded);
        let fetched = self.swarm.downloaded_from_web_seeds();
        let fetched = fetched.saturating_sub(before.downloaded_from_web_seeds);
        let uploaded = self.swarm.uploaded().saturating_sub(before.uploaded);
        let wasted = self.swarm.wasted().saturating_sub(before.wasted);
        let introduced = u64::from(self.swarm.introductions().connected);
        let introduced = introduced.saturating_sub(before.introduced);
        if downloaded + uploaded + wasted + introduced > 0 {
            self.count(|counts| {
                counts.downloaded += downloaded;
                counts.downloaded_from_web_seeds += fetched;
                counts.uploaded += uploaded;
                counts.wasted += wasted;
                counts.introduced += introduced;
            });
        }
    }

    pub(super) fn count_event(&mut self, event: &SwarmEvent) {
        match event {
            SwarmEvent::PeerJoined { .. } => self.count(|counts| counts.joined += 1),
            SwarmEvent::PeerLeft { reason: LeaveReason::ConnectFailed(_), .. } => {
                self.count(|counts| counts.failed_connections += 1);
            }
            SwarmEvent::PeerBanned { .. } => self.count(|counts| counts.banned += 1),
            SwarmEvent::PieceCompleted { .. } => self.count(|counts| counts.pieces += 1),
            SwarmEvent::PieceFailed { .. } => self.count(|counts| counts.hash_failures += 1),
            SwarmEvent::TrackerAnswered { peers, .. } => {
                self.count(|counts| counts.announced_peers += *peers as u64);
            }
            SwarmEvent::TrackerFailed { .. } => self.count(|counts| counts.failed_announces += 1),
            _ => {}
        }
    }
}
