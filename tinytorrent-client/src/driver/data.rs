//! The data plane: blocks to and from the disk.

use std::error::Error;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tinytorrent_storage::{
    Completion, Counters, Disk, Fault, PieceHashes, PieceVerifyOptions, Recovered, Storage,
    StorageError, TorrentDisk, TorrentDiskOptions, TorrentFiles,
};
use tinytorrent_swarm::{BlockVerdict, DiskError, Input, PeerKey};
use tinytorrent_types::{BlockInfo, PieceIndex};

use super::inbox::Inbox;
use crate::TorrentError;

/// A torrent's handle of the disk.
pub(super) struct DataPlane {
    disk: TorrentDisk,
    keeps_record: bool,
    /// Counters of the earlier runs.
    before: Counters,
}

/// A report of the disk, in terms of the engine and its peers.
#[derive(Debug)]
pub(super) enum DiskReport {
    /// An input for the engine.
    Input(Input),
    /// A block to be sent to a peer.
    Read { peer: PeerKey, block: BlockInfo, data: Bytes },
    /// A block for a peer that could not be read.
    NotRead {
        peer: PeerKey,
        block: BlockInfo,
        /// Its data is gone, so that trying again is of no use.
        is_lost: bool,
    },
    /// The resume data is written.
    Saved,
    /// The resume data could not be written.
    NotSaved(StorageError),
    /// The torrent cannot go on.
    Failed(TorrentError),
}

impl DataPlane {
    pub(super) fn new(
        disk: &Disk,
        storage: Storage,
        hashes: PieceHashes,
        recovered: Recovered,
        keeps_record: bool,
        completed: Inbox<Completion>,
    ) -> Self {
        let before = recovered.counters;
        let mut options = TorrentDiskOptions::default();
        options.keep_record(keeps_record);
        // The inbox is unbounded, as a thread of the disk must not wait for a driver. The budgets
        // of blocks and of requests limit the reports in it.
        let disk = disk.add(Arc::new(storage), hashes, recovered, &options, move |completion| {
            completed.push(completion);
        });
        Self { disk, keeps_record, before }
    }

    pub(super) fn storage(&self) -> &Arc<Storage> {
        self.disk.storage()
    }

    /// The files, to be changed on another thread.
    pub(super) fn files(&self) -> TorrentFiles {
        self.disk.files()
    }

    /// The number of unwritten bytes that keeps the disk busy.
    pub(super) fn unstored_limit(&self) -> u64 {
        self.disk.unstored_limit()
    }

    /// Stores a block, if the engine wants it.
    pub(super) fn store(&self, verdict: BlockVerdict, data: Bytes) {
        let stored = match verdict {
            BlockVerdict::Store(block) => self.disk.store(block, data),
            BlockVerdict::StoreLast { block, digests } => {
                self.disk.store_last(block, data, verify_options(digests))
            }
            BlockVerdict::Discard => return,
        };
        if let Err(error) = stored {
            tracing::error!(?verdict, %error, "the disk does not take a block that the engine does");
        }
    }

    pub(super) fn verify(&self, piece: PieceIndex, digests: bool) {
        self.disk.verify(piece, verify_options(digests));
    }

    /// Begins to read a block for a peer.
    pub(super) fn read(&self, peer: PeerKey, block: BlockInfo) {
        // The tag names the peer, whose reads are cancelled together.
        self.disk.read(block, peer.to_bits());
    }

    /// Cancels the reads for a peer that is gone.
    pub(super) fn cancel_reads(&self, peer: PeerKey) {
        self.disk.cancel_reads(|_, tag| tag == peer.to_bits());
    }

    /// Counters of the earlier runs.
    pub(super) fn before(&self) -> Counters {
        self.before
    }

    /// Begins to write a resume record with these counters; `false` if none is kept.
    pub(super) fn save(&self, totals: Counters) -> bool {
        if self.keeps_record {
            self.disk.checkpoint(totals);
        }
        self.keeps_record
    }

    /// Translates a report of the disk; `None` for a report that a later version of the storage may
    /// make.
    pub(super) fn on_completion(&self, completion: Completion) -> Option<DiskReport> {
        Some(match completion {
            Completion::BlocksWritten { bytes } => {
                DiskReport::Input(Input::BlocksWritten { bytes })
            }
            Completion::PieceVerified { piece, digests } => {
                DiskReport::Input(Input::PieceVerified { piece, digests })
            }
            Completion::PieceFailed { piece, digests, is_recovered: _ } => {
                DiskReport::Input(Input::PieceFailed { piece, digests })
            }
            Completion::PieceInconsistent { piece } => {
                DiskReport::Failed(TorrentError::Inconsistent { piece: piece.get() })
            }
            // S-13: the torrent is paused, whichever piece it was.
            Completion::PieceUnstored { piece, error } => {
                // It keeps its blocks where only some were missing.
                let is_lost = !matches!(error, StorageError::IncompletePiece { .. });
                let (piece, error) = (is_lost.then_some(piece), disk_error(&error));
                DiskReport::Input(Input::DiskFailed { piece, error })
            }
            Completion::BlockRead { tag, block, data } => {
                DiskReport::Read { peer: PeerKey::from_bits(tag), block, data }
            }
            Completion::BlockUnread { tag, block, error } => {
                tracing::warn!(%block, %error, "cannot serve a block");
                // A device may recover.
                let is_lost = matches!(error.fault(), Fault::Missing | Fault::Obstructed);
                DiskReport::NotRead { peer: PeerKey::from_bits(tag), block, is_lost }
            }
            Completion::Checkpointed => DiskReport::Saved,
            Completion::NotCheckpointed { error } => DiskReport::NotSaved(error),
            // The enum is non-exhaustive, so that the compiler wants this arm.
            unknown => {
                tracing::warn!(?unknown, "a report of the disk is not understood");
                return None;
            }
        })
    }
}

fn verify_options(digests: bool) -> PieceVerifyOptions {
    if digests { PieceVerifyOptions::with_digests() } else { PieceVerifyOptions::default() }
}

pub(super) fn disk_error(error: &StorageError) -> DiskError {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let kind = source.map_or_else(|| kind_of(error.fault()), io::Error::kind);
    DiskError { kind, message: error.to_string() }
}

/// The kind of an error that is not of the operating system.
fn kind_of(fault: Fault) -> io::ErrorKind {
    match fault {
        Fault::DiskFull => io::ErrorKind::StorageFull,
        Fault::Denied => io::ErrorKind::PermissionDenied,
        Fault::Missing => io::ErrorKind::NotFound,
        Fault::Unsupported => io::ErrorKind::Unsupported,
        _ => io::ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::time::Duration;

    use tempfile::TempDir;
    use tinytorrent_metainfo::{CreateOptions, Metainfo};
    use tinytorrent_storage::{DiskOptions, StorageOptions};
    use tinytorrent_types::Bitfield;
    use tokio::sync::Notify;
    use tokio::time::timeout;

    use super::super::testing::engine;
    use super::*;

    /// A content of one piece that is complete on disk, and the completions of its disk.
    struct Scene {
        folder: TempDir,
        metainfo: Arc<Metainfo>,
        _disk: Disk,
        plane: DataPlane,
        completions: Inbox<Completion>,
        wake: Arc<Notify>,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x");
            std::fs::write(&path, [7; 1000]).unwrap();
            let metainfo = CreateOptions::new().create(&path, &|_| ControlFlow::Continue(()));
            let metainfo = Arc::new(metainfo.unwrap());
            let disk = Disk::new(&DiskOptions::default()).unwrap();
            let wake = Arc::new(Notify::new());
            let completions = Inbox::new(&wake);
            let info = Arc::clone(metainfo.info());
            let hashes = PieceHashes::from_metainfo(&metainfo).unwrap();
            let mut options = StorageOptions::default();
            options.read_only(true);
            let storage = Storage::for_info(info, folder.path(), &options).unwrap();
            storage.prepare().unwrap();
            let recovered = Recovered::with_pieces(Bitfield::full(1));
            let plane =
                DataPlane::new(&disk, storage, hashes, recovered, false, completions.clone());
            Self { folder, metainfo, _disk: disk, plane, completions, wake }
        }

        fn block(&self) -> BlockInfo {
            let geometry = self.metainfo.info().geometry();
            geometry.blocks(geometry.pieces().next().unwrap()).next().unwrap()
        }

        async fn next(&mut self) -> Option<DiskReport> {
            timeout(Duration::from_secs(60), self.wake.notified()).await.expect("in time");
            self.plane.on_completion(self.completions.take().remove(0))
        }
    }

    #[tokio::test]
    async fn a_block_is_read_for_its_peer() {
        let (mut scene, (reader, _)) = (Scene::new(), engine());
        scene.plane.read(reader, scene.block());
        let Some(DiskReport::Read { peer, data, .. }) = scene.next().await else { panic!() };
        assert!(peer == reader && data[..] == [7; 1000]);
    }

    #[tokio::test]
    async fn a_block_that_cannot_be_read_is_reported_as_not_sent() {
        let (mut scene, (reader, _)) = (Scene::new(), engine());
        std::fs::remove_file(scene.folder.path().join("x")).unwrap();
        scene.plane.read(reader, scene.block());
        let report = scene.next().await;
        let Some(DiskReport::NotRead { peer, block, is_lost: true }) = report else {
            panic!("{report:?}")
        };
        assert!(peer == reader && block == scene.block());
    }

    #[test]
    fn without_a_record_nothing_is_saved() {
        assert!(!Scene::new().plane.save(Counters::default()));
    }
}
