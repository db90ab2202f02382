//! The way of the content: from connections to the disk, and back.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tinytorrent_storage::{
    Completion, Counters, Disk, Fault, PieceHashes, Recovered, Storage, StorageError, TorrentDisk,
    TorrentOptions, VerifyOptions,
};
use tinytorrent_swarm::{BlockVerdict, DiskError, Input, PeerKey, Stats};
use tinytorrent_types::{BlockInfo, PieceIndex};
use tokio::sync::mpsc;

use super::Driver;

/// A torrent's side of the disk, and what is under way there.
pub(super) struct DataPlane {
    disk: TorrentDisk,
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
        Self { disk, keeps_record, before }
    }

    pub(super) fn storage(&self) -> &Arc<Storage> {
        self.disk.storage()
    }

    /// Bytes under way to the disk that keep it busy.
    pub(super) fn unstored_limit(&self) -> u64 {
        self.disk.unstored_limit()
    }
}

impl Driver {
    /// Gives a block that was received to the disk, if the engine wants it.
    pub(super) fn store(&mut self, verdict: BlockVerdict, data: Bytes) {
        let Some(plane) = &self.data else { return };
        let stored = match verdict {
            BlockVerdict::Store(block) => plane.disk.store(block, data),
            BlockVerdict::StoreLast { block, digests } => {
                let stored = plane.disk.store(block, data);
                self.verify(block.piece(), digests);
                stored
            }
            BlockVerdict::Discard => return,
        };
        if let Err(error) = stored {
            tracing::error!(?verdict, %error, "the disk does not take a block that the engine does");
        }
    }

    pub(super) fn verify(&self, piece: PieceIndex, digests: bool) {
        let options =
            if digests { VerifyOptions::with_digests() } else { VerifyOptions::default() };
        if let Some(plane) = &self.data {
            plane.disk.verify(piece, options);
        }
    }

    /// Sends a block to a peer, or begins to read it.
    pub(super) fn serve(&mut self, peer: PeerKey, block: BlockInfo) {
        let Some(plane) = &self.data else { return };
        match plane.disk.read_cached(block) {
            Some(data) => self.peers.send_block(peer, block, data),
            None => plane.disk.read(block, peer.to_bits()),
        }
    }

    /// Forgets what was to be read for a peer that is gone.
    pub(super) fn cancel_reads(&self, peer: PeerKey) {
        if let Some(plane) = &self.data {
            plane.disk.cancel_reads(|_, tag| tag == peer.to_bits());
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
                Input::DiskFailed { error: disk_error(&error) }
            }
            Completion::BlocksWritten { bytes } => Input::BlocksWritten { bytes },
            Completion::BlockRead { tag, block, data } => {
                return self.peers.send_block(PeerKey::from_bits(tag), block, data);
            }
            Completion::BlockUnread { tag, block, error } => {
                tracing::warn!(%block, %error, "cannot serve a block");
                let peer = PeerKey::from_bits(tag);
                self.swarm.handle_input(now, Input::BlockServed { peer, block, sent: false });
                Input::PieceLost { piece: block.piece() }
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
}

fn disk_error(error: &StorageError) -> DiskError {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let kind = source.map_or(io::ErrorKind::Other, io::Error::kind);
    DiskError { kind, message: error.to_string() }
}
