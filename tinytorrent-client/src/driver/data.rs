//! The way of the content: from connections to the disk, and back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tinytorrent_storage::{
    Completion, Counters, Disk, Fault, PieceHashes, Recovered, Storage, StorageError, TorrentDisk,
    TorrentOptions, VerifyOptions,
};
use tinytorrent_swarm::{Input, PeerKey, Stats};
use tinytorrent_types::{BlockInfo, PieceIndex};
use tokio::sync::mpsc;

use super::Driver;

/// A torrent's side of the disk, and what is under way there.
pub(super) struct DataPlane {
    disk: TorrentDisk,
    /// Bytes handed to the disk of which the engine does not know yet that they are stored.
    untold: u64,
    /// For whom blocks are being read, by the tag of the request.
    reads: HashMap<u64, PeerKey>,
    next_tag: u64,
    keeps_record: bool,
    /// Counters of the runs before this one.
    before: Counters,
}

impl DataPlane {
    pub(super) fn new(
        disk: &Disk,
        storage: Storage,
        hashes: PieceHashes,
        recovered: Recovered,
        keeps_record: bool,
        completed: mpsc::UnboundedSender<Completion>,
    ) -> Self {
        let before = recovered.counters;
        let mut options = TorrentOptions::default();
        options.keep_record(keeps_record);
        let disk = disk.add(Arc::new(storage), hashes, recovered, &options, move |completion| {
            // Without a driver there is nobody to tell.
            let _ = completed.send(completion);
        });
        Self { disk, untold: 0, reads: HashMap::new(), next_tag: 0, keeps_record, before }
    }

    pub(super) fn storage(&self) -> &Arc<Storage> {
        self.disk.storage()
    }

    /// Bytes under way to the disk that keep it busy.
    pub(super) fn unstored_limit(&self) -> u64 {
        self.disk.unstored_limit()
    }

    /// Bytes that have been written since this was asked last.
    fn stored(&mut self) -> u64 {
        let unstored = self.disk.unstored_bytes().min(self.untold);
        let stored = self.untold - unstored;
        self.untold = unstored;
        stored
    }

    /// Whether the disk has bytes of which the engine waits to hear, and which come without a
    /// word when they are written.
    pub(super) fn is_behind(&self) -> bool {
        self.untold > 0
    }
}

impl Driver {
    /// Gives a block that was received to the disk.
    pub(super) fn store(&mut self, block: BlockInfo, data: Bytes) {
        let Some(plane) = &mut self.data else { return };
        plane.untold += u64::from(block.length());
        if let Err(error) = plane.disk.store(block, data) {
            tracing::error!(%block, %error, "the disk does not take a block that the engine does");
        }
    }

    /// Tells the engine what has been written meanwhile.
    pub(super) fn tell_stored(&mut self, now: Instant) {
        let bytes = self.data.as_mut().map_or(0, DataPlane::stored);
        if bytes > 0 {
            self.swarm.handle_input(now, Input::BlocksStored { bytes });
        }
    }

    pub(super) fn verify(&mut self, piece: PieceIndex, digests: bool) {
        let options =
            if digests { VerifyOptions::with_digests() } else { VerifyOptions::default() };
        if let Some(plane) = &self.data {
            plane.disk.verify(piece, options);
        }
    }

    /// Begins to read a block for a peer.
    pub(super) fn serve(&mut self, peer: PeerKey, block: BlockInfo) {
        let Some(plane) = &mut self.data else { return };
        let tag = plane.next_tag;
        plane.next_tag += 1;
        plane.reads.insert(tag, peer);
        plane.disk.read(block, tag);
    }

    /// Forgets what was to be read for a peer that is gone.
    pub(super) fn cancel_reads(&mut self, peer: PeerKey) {
        let Some(plane) = &mut self.data else { return };
        if plane.reads.values().any(|&reader| reader == peer) {
            plane.reads.retain(|_, &mut reader| reader != peer);
            plane.disk.cancel_reads(|_, tag| !plane.reads.contains_key(&tag));
        }
    }

    /// Asks for a resume record; `false` if none is kept.
    pub(super) fn save(&mut self, stats: &Stats) -> bool {
        let Some(plane) = &self.data else { return false };
        if plane.keeps_record {
            plane.disk.checkpoint(Counters {
                downloaded: plane.before.downloaded + stats.downloaded,
                uploaded: plane.before.uploaded + stats.uploaded,
                wasted: plane.before.wasted + stats.wasted,
                ..plane.before
            });
        }
        plane.keeps_record
    }

    pub(super) fn on_completion(&mut self, now: Instant, completion: Completion) {
        let input = match completion {
            Completion::PieceVerified { piece, digests } => {
                let digests = digests.iter().map(|digest| *digest.as_bytes()).collect();
                Input::PieceVerified { piece, digests }
            }
            Completion::PieceFailed { piece, digests, .. } => {
                let digests = digests.iter().map(|digest| *digest.as_bytes()).collect();
                Input::PieceFailed { piece, digests }
            }
            Completion::PieceUnstored { error, .. } => {
                Input::DiskFailed { reason: error.to_string() }
            }
            Completion::BlockRead { tag, block, data } => return self.on_read(tag, block, data),
            Completion::BlockUnread { tag, block, error } => {
                tracing::warn!(%block, %error, "cannot serve a block");
                let peer = self.data.as_mut().and_then(|plane| plane.reads.remove(&tag));
                let Some(peer) = peer else { return };
                Input::BlockServed { peer, block, sent: false }
            }
            Completion::Checkpointed => return self.on_saved(),
            Completion::NotCheckpointed { error } => {
                self.tell_unsaved(&error);
                return self.on_saved();
            }
            // Nothing else that the disk may tell one day concerns the engine.
            _ => return,
        };
        self.swarm.handle_input(now, input);
    }

    fn tell_unsaved(&self, error: &StorageError) {
        // Content that is complete lies on media that nobody can write to, and stays right.
        if error.fault() == Fault::Denied && self.swarm.is_finished() {
            tracing::info!(%error, "the resume data was not saved");
        } else {
            tracing::warn!(%error, "the resume data was not saved");
        }
    }

    fn on_read(&mut self, tag: u64, block: BlockInfo, data: Bytes) {
        let peer = self.data.as_mut().and_then(|plane| plane.reads.remove(&tag));
        if let Some(peer) = peer {
            self.peers.send_block(peer, block, data);
        }
    }
}
