//! The torrent as handles show it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use tinytorrent_metainfo::{File, Layout, Metainfo};
use tinytorrent_swarm::Stats;
use tinytorrent_types::Bitfield;

use super::Driver;
use crate::event::{Queue, Snapshot, TorrentEvent};
use crate::figures::{FigureDetail, TorrentFigures};
use crate::view::{FileInfo, History, Limits, PeerInfo, PieceInfo, TrackerInfo};
use crate::{Event, PauseReason, State};

impl Driver {
    pub(crate) fn metainfo(&self) -> Option<Arc<Metainfo>> {
        self.outbox.metainfo.clone()
    }

    pub(crate) fn content_path(&self) -> Option<PathBuf> {
        self.outbox.content_path.clone()
    }

    pub(crate) fn stats(&mut self, now: Instant) -> Stats {
        self.swarm.stats(now)
    }

    /// Adds a subscriber to the events, with the present state as its first event.
    pub(crate) fn subscribe(&mut self, now: Instant, queue: &Arc<Queue<TorrentEvent>>) {
        let first = self.snapshot(now);
        self.outbox.subscribe(queue, first);
    }

    /// The event that a new subscriber begins with.
    pub(crate) fn snapshot(&mut self, now: Instant) -> Event {
        Event::Now(Arc::new(Snapshot {
            state: self.state(),
            stats: self.swarm.stats(now),
            metainfo: self.metainfo(),
            content_path: self.content_path(),
            pieces: self.swarm.have().cloned(),
        }))
    }

    pub(crate) fn peers(&mut self, now: Instant) -> Vec<PeerInfo> {
        let peers = self.swarm.peers(now).into_iter();
        let with_connection = peers
            .map(|peer| PeerInfo { is_encrypted: self.connections.is_encrypted(peer.key), peer });
        with_connection.collect()
    }

    pub(crate) fn trackers(&self, now: Instant) -> Vec<TrackerInfo> {
        self.swarm.trackers().map(|status| TrackerInfo::new(now, status)).collect()
    }

    pub(crate) fn files(&mut self) -> Option<Vec<FileInfo>> {
        let layout = self.outbox.metainfo.as_ref()?.info().layout();
        let storage = self.lifecycle.running().map(|running| Arc::clone(running.plane.storage()));
        let (have, choice) = (self.swarm.have(), self.lifecycle.choice());
        let files = layout.files().filter(|file| !file.is_pad()).map(|file| FileInfo {
            index: file.index,
            path: storage.as_ref().and_then(|storage| storage.file_path(file.index)),
            length: file.length,
            have: have.map_or(0, |have| have_of(layout, &file, have)),
            priority: choice.priority(file.index),
        });
        Some(files.collect())
    }

    pub(crate) fn pieces(&self) -> Option<PieceInfo> {
        Some(PieceInfo {
            have: self.swarm.have()?.clone(),
            wanted: self.swarm.wanted()?.clone(),
            availability: self.swarm.availability()?,
        })
    }

    pub(crate) fn limits(&self) -> Limits {
        self.lifecycle.options().limits()
    }

    /// The name in the metadata, or that of the link until it is known.
    pub(crate) fn name(&self) -> Option<String> {
        let of_link =
            || self.link.as_ref().and_then(|link| link.name.as_deref()).map(str::to_owned);
        let metainfo = self.outbox.metainfo.as_ref();
        metainfo.map(|metainfo| metainfo.info().name().to_string()).or_else(of_link)
    }

    pub(crate) fn paused_by(&self) -> Option<PauseReason> {
        let by_wish = self.lifecycle.options().paused;
        (self.state() == State::Paused).then(|| by_wish.unwrap_or(PauseReason::Disk))
    }

    pub(crate) fn is_super_seeding(&self) -> bool {
        self.swarm.is_super_seeding()
    }

    pub(crate) fn history(&self, now: Instant) -> History {
        let added = UNIX_EPOCH + Duration::from_secs(self.keeping.origin().added);
        History::new(added, self.totals(now))
    }

    /// The figures for exporters, peers only if they are wanted.
    pub(crate) fn figures(&mut self, now: Instant, detail: FigureDetail) -> TorrentFigures {
        let name = self.name();
        let has_trackers = detail >= FigureDetail::Torrents;
        let trackers = self.swarm.trackers().filter(|_| has_trackers).map(|status| {
            let host = format!("{}:{}", status.url.host(), status.url.port());
            (host, TrackerInfo::new(now, status))
        });
        let trackers = trackers.collect();
        TorrentFigures {
            hashes: self.outbox.hashes,
            name: name.unwrap_or_default(),
            state: self.state(),
            stats: self.swarm.stats(now),
            history: self.history(now),
            counts: self.counts(),
            trackers,
            peers: if detail >= FigureDetail::Peers { self.peers(now) } else { Vec::new() },
        }
    }

    pub(crate) fn external_addresses(&self) -> Vec<IpAddr> {
        self.swarm.external_addresses().collect()
    }
}

/// Bytes of a file that are in verified pieces.
fn have_of(layout: &Layout, file: &File<'_>, have: &Bitfield) -> u64 {
    if have.is_full() {
        return file.length;
    }
    let geometry = layout.geometry();
    let end = file.offset + file.length;
    let pieces = layout.file_pieces(file.index).filter(|piece| have.contains(*piece));
    let within = pieces.map(|piece| {
        let begin = geometry.piece_offset(piece);
        let until = begin + u64::from(geometry.piece_length(piece));
        until.min(end).saturating_sub(begin.max(file.offset))
    });
    within.sum()
}
