//! Disks: slow ones, and those that fail.

use std::io;
use std::time::{Duration, Instant};

use tinytorrent_swarm::{BlockDigest, DiskError, Input};
use tinytorrent_types::{BlockInfo, PieceIndex};

use super::happening::Happening;
use super::{Node, World};
use crate::Quality;

/// The time after which a user tries again.
const TRIES_AGAIN: Duration = Duration::from_secs(1);

/// The disk of a node.
#[derive(Debug, Clone)]
pub struct Disk {
    /// The time to write a block.
    pub write: Duration,
    /// The time to hash a piece.
    pub hash: Duration,
    /// It does one thing at a time.
    pub is_serial: bool,
    /// It does nothing before this.
    stalled_until: Option<Instant>,
    /// Its answer to whatever is written or read.
    failure: Option<io::ErrorKind>,
    /// The instant at which it has done all that it was told.
    free: Option<Instant>,
    /// The number of times that it began to fail: what was under way then comes to nothing.
    failures: u32,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            write: Duration::from_millis(1),
            hash: Duration::from_millis(2),
            is_serial: false,
            stalled_until: None,
            failure: None,
            free: None,
            failures: 0,
        }
    }
}

impl Disk {
    /// The instant at which something is done that takes so long.
    fn done(&mut self, now: Instant, cost: Duration) -> Instant {
        let begun = self.stalled_until.map_or(now, |until| until.max(now));
        let begun = self.free.filter(|_| self.is_serial).map_or(begun, |free| free.max(begun));
        self.free = Some(begun + cost);
        begun + cost
    }

    /// Returns true if nothing can be read from it.
    pub(super) fn is_unreadable(&self) -> bool {
        // A full disk can be read.
        self.failure.is_some_and(|kind| kind != io::ErrorKind::StorageFull)
    }
}

impl World {
    /// Has the disk of a node do nothing for a while.
    pub fn stall_disk(&mut self, node: Node, time: Duration) {
        self.nodes[node].disk.stalled_until = Some(self.now + time);
    }

    /// Has the disk of a node answer with this failure until it is mended. One that is full can be read.
    pub fn fail_disk(&mut self, node: Node, failure: io::ErrorKind) {
        let disk = &mut self.nodes[node].disk;
        (disk.failure, disk.failures) = (Some(failure), disk.failures + 1);
    }

    /// Mends the disk of a node. Its user has to resume the torrent.
    pub fn mend_disk(&mut self, node: Node) {
        self.nodes[node].disk.failure = None;
    }

    /// Returns true if the disk of a node fails.
    pub fn is_disk_failing(&self, node: Node) -> bool {
        self.nodes[node].disk.failure.is_some()
    }

    pub(super) fn write_later(&mut self, node: Node, block: BlockInfo) {
        let disk = &mut self.nodes[node].disk;
        let (at, failures) = (disk.done(self.now, disk.write), disk.failures);
        self.at(at, node, Happening::Written { block, failures });
    }

    pub(super) fn hash_later(&mut self, node: Node, piece: PieceIndex, digests: bool) {
        let disk = &mut self.nodes[node].disk;
        let (at, failures) = (disk.done(self.now, disk.hash), disk.failures);
        self.at(at, node, Happening::Verdict { piece, digests, failures });
    }

    /// A block was to be written.
    pub(super) fn written(&mut self, node: Node, block: BlockInfo, failures: u32) {
        let Some(kind) = self.failure_of(node, failures) else {
            return self.input(node, Input::BlocksWritten { bytes: block.length().into() });
        };
        self.lose_piece(node, block.piece(), kind);
        self.input(node, Input::BlocksWritten { bytes: block.length().into() });
    }

    /// The failure of the disk, for something that was begun after so many of them.
    fn failure_of(&self, node: Node, failures: u32) -> Option<io::ErrorKind> {
        let disk = &self.nodes[node].disk;
        let is_lost = disk.failures != failures;
        disk.failure.or(is_lost.then_some(io::ErrorKind::Other))
    }

    /// The blocks of a piece cannot be stored. What was there of it is gone.
    fn lose_piece(&mut self, node: Node, piece: PieceIndex, kind: io::ErrorKind) {
        let simulated = &mut self.nodes[node];
        let before = simulated.received.len();
        simulated.received.retain(|block, _| block.piece() != piece);
        // It was told with the first of its blocks.
        if simulated.received.len() < before {
            let error = DiskError { kind, message: format!("cannot store piece {piece:?}") };
            self.input(node, Input::DiskFailed { piece: Some(piece), error });
            if self.nodes[node].disk.failure.is_none() {
                // The user, who has mended it, sees that and tries again.
                self.later(TRIES_AGAIN, node, Happening::Resumes);
            }
        }
    }

    /// A piece was to be hashed.
    pub(super) fn verdict(&mut self, node: Node, piece: PieceIndex, digests: bool, failures: u32) {
        if let Some(kind) = self.failure_of(node, failures) {
            return self.lose_piece(node, piece, kind);
        }
        let simulated = &mut self.nodes[node];
        let geometry = simulated.geometry.clone();
        let quality = |block| simulated.received.get(&block).copied();
        // Some were lost meanwhile, which was told.
        let Some(qualities) = geometry.blocks(piece).map(quality).collect::<Option<Vec<_>>>()
        else {
            return;
        };
        let is_right = qualities.iter().all(|quality| *quality == Quality::Right);
        let all: Vec<BlockDigest> = qualities.iter().map(digest).collect();
        let input = if is_right {
            Input::PieceVerified { piece, digests: if digests { all } else { Vec::new() } }
        } else {
            for block in geometry.blocks(piece) {
                // A failed piece is requested again, perhaps from others.
                simulated.received.remove(&block);
            }
            Input::PieceFailed { piece, digests: all }
        };
        self.input(node, input);
    }
}

fn digest(quality: &Quality) -> BlockDigest {
    match quality {
        Quality::Right => BlockDigest::from_bytes([0; 20]),
        Quality::Wrong(by) => BlockDigest::from_bytes([*by; 20]),
    }
}
