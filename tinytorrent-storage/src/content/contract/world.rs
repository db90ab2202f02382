//! What the laws are checked on: a place, its data, and a torrent of it on a disk.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use bytes::Bytes;
use tinytorrent_hash::sha1;
use tinytorrent_types::Bitfield;

use super::Place;
use crate::{
    Completion, Disk, DiskOptions, PieceHashes, PieceVerifyOptions, Recovered, Storage,
    StorageError, TorrentDisk, TorrentDiskOptions,
};

/// A place, and the data that the torrent wants there.
pub(super) struct World {
    pub(super) place: Place,
    pub(super) data: Vec<u8>,
}

impl World {
    pub(super) fn hashes(&self) -> PieceHashes {
        PieceHashes::from_v1(self.data.chunks(PIECE as usize).map(sha1))
    }
}

/// A torrent on a disk.
pub(super) struct Run {
    pub(super) disk: Disk,
    pub(super) torrent: TorrentDisk,
    completions: mpsc::Receiver<Completion>,
}

impl Run {
    pub(super) fn new(world: &World, storage: Storage, recovered: Recovered) -> Self {
        let disk = Disk::new(&DiskOptions::default()).expect("threads");
        let (sender, completions) = mpsc::channel();
        let storage = Arc::new(storage);
        let options = TorrentDiskOptions::default();
        let torrent = disk.add(storage, world.hashes(), recovered, &options, move |done| {
            // The receiver is dropped before the last blocks are written.
            let _ = sender.send(done);
        });
        Self { disk, torrent, completions }
    }

    /// Stores all pieces that are missing, and asks for their verification.
    pub(super) fn store(&self, data: &[u8]) {
        let geometry = self.torrent.storage().geometry();
        for piece in geometry.pieces() {
            for block in geometry.blocks(piece) {
                let begin = geometry.block_offset(block) as usize;
                let bytes = data[begin..][..block.length() as usize].to_vec();
                // One that is there already is refused.
                let _ = self.torrent.store(block, Bytes::from(bytes));
            }
            self.torrent.verify(piece, PieceVerifyOptions::default());
        }
    }

    /// The pieces that turn out right of the next so many that are verified.
    pub(super) fn verified(&self, count: u32) -> Bitfield {
        let geometry = self.torrent.storage().geometry();
        let mut verified = Bitfield::new(geometry.piece_count());
        for _ in 0..count {
            let done = self.next(|done| {
                matches!(done, Completion::PieceVerified { .. } | Completion::PieceFailed { .. })
            });
            if let Some(Completion::PieceVerified { piece, .. }) = done {
                verified.insert(piece);
            }
        }
        verified
    }

    /// The next such completion; `None` if none comes in a minute.
    pub(super) fn next(&self, is_wanted: impl Fn(&Completion) -> bool) -> Option<Completion> {
        loop {
            let done = self.completions.recv_timeout(Duration::from_secs(60)).ok()?;
            assert!(!matches!(done, Completion::PieceUnstored { .. }), "{done:?}");
            if is_wanted(&done) {
                return Some(done);
            }
        }
    }
}

pub(super) fn write(storage: &Storage, offset: u64, slices: &[&[u8]]) {
    storage.write(offset, slices).expect("a write");
}

pub(super) fn read(
    storage: &Storage,
    offset: usize,
    length: usize,
) -> Result<Vec<u8>, StorageError> {
    let mut data = vec![0; length];
    storage.read(offset as u64, &mut data).map(|()| data)
}

/// Bytes of a piece: two blocks, and more than some files have.
pub(super) const PIECE: u32 = 32_768;
pub(super) const BLOCK: usize = 16_384;
