//! Blocks for peers: which of them are read from the disk, and when.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use tinytorrent_swarm::PeerKey;
use tinytorrent_types::{BlockInfo, Geometry, PieceIndex};

use crate::connection::Hold;
use crate::memory::{Charge, Holder, Memory, Share};

/// Bytes that the disk reads at once for a block, of which the block is then a slice: a run, which
/// begins at a multiple of this in its piece.
const RUN: u32 = 256 << 10;

/// The blocks that peers are to be sent. A block is read only if the memory has room for it until the
/// peer has read it; the others wait here, where each costs a few bytes.
///
/// ```text
///   push ──▶ waiting ──next──▶ being read ──finish──▶ sent with its `Hold`
///                │                 │
///                └───── remove ────┴──▶ gone
/// ```
///
/// A block is a slice of a run, and keeps all of it in memory. The run is charged once, for all blocks
/// of a peer in it. If the memory has no room for a run, the block is charged alone, and
/// [`finish`](Self::finish) copies it.
#[derive(Debug)]
pub(super) struct Serving {
    send: Share,
    /// The holder of the runs of which single blocks are being read.
    reads: Holder,
    peers: BTreeMap<PeerKey, Queue>,
    /// Peers with waiting blocks, in the order of their turns.
    line: VecDeque<PeerKey>,
}

/// The blocks of one peer.
#[derive(Debug)]
struct Queue {
    waiting: VecDeque<BlockInfo>,
    /// Blocks being read, in order, in which the disk completes them.
    reading: VecDeque<(BlockInfo, Room)>,
    /// The holder of the blocks that are read or wait to be sent.
    charged: Holder,
    /// The run of the last block, and its charge as long as a block holds it.
    last_run: Option<(Run, Weak<Charge>)>,
}

type Run = (PieceIndex, u32);

/// The memory for one block.
#[derive(Debug)]
enum Room {
    /// Charged for the run, so that a slice of it may be kept.
    Run(Arc<Charge>),
    /// Charged for the block alone, and for the run only as long as the disk reads.
    Block { block: Charge, _run: Charge },
}

impl Serving {
    pub(super) fn new(memory: &Memory) -> Self {
        Self {
            send: memory.send.clone(),
            reads: memory.read.holder(),
            peers: BTreeMap::new(),
            line: VecDeque::new(),
        }
    }

    /// Adds a block for a peer.
    pub(super) fn push(&mut self, peer: PeerKey, block: BlockInfo) {
        let queue = self.peers.entry(peer).or_insert_with(|| Queue::new(self.send.holder()));
        if queue.waiting.is_empty() {
            self.line.push_back(peer);
        }
        queue.waiting.push_back(block);
    }

    /// Returns the next block to be read. `None` if none waits, or if there is no memory for those that
    /// do.
    pub(super) fn next(&mut self, geometry: &Geometry) -> Option<(PeerKey, BlockInfo)> {
        for _ in 0..self.line.len() {
            let peer = self.line.pop_front()?;
            let Some(queue) = self.peers.get_mut(&peer) else { continue };
            let Some(&block) = queue.waiting.front() else { continue };
            let room = queue.room_for(block, geometry, &self.reads);
            if room.is_some() {
                queue.waiting.pop_front();
            }
            if !queue.waiting.is_empty() {
                // One block a turn only if memory is short: neighbours are best read together.
                let is_run = matches!(room, Some(Room::Run(_)));
                if is_run { self.line.push_front(peer) } else { self.line.push_back(peer) }
            }
            if let Some(room) = room {
                queue.reading.push_back((block, room));
                return Some((peer, block));
            }
        }
        None
    }

    /// Takes in a block that was read. Returns its bytes and their charge; `None` if the peer is gone.
    pub(super) fn finish(
        &mut self,
        peer: PeerKey,
        block: BlockInfo,
        data: Bytes,
    ) -> Option<(Bytes, Hold)> {
        Some(match self.end(peer, block)? {
            Room::Run(charge) => (data, Hold::Part(charge)),
            Room::Block { block, .. } => (Bytes::copy_from_slice(&data), Hold::Own(block)),
        })
    }

    /// Takes back a block that could not be read.
    pub(super) fn give_up(&mut self, peer: PeerKey, block: BlockInfo) {
        self.end(peer, block);
    }

    /// Removes the blocks of a peer that is gone.
    pub(super) fn remove(&mut self, peer: PeerKey) {
        if self.peers.remove(&peer).is_some() {
            self.line.retain(|&waiting| waiting != peer);
        }
    }

    /// Returns `true` if blocks wait for memory.
    pub(super) fn is_waiting(&self) -> bool {
        !self.line.is_empty()
    }

    fn end(&mut self, peer: PeerKey, block: BlockInfo) -> Option<Room> {
        let queue = self.peers.get_mut(&peer)?;
        // The first one, as the disk completes the reads of a peer in order.
        let at = queue.reading.iter().position(|(reading, _)| *reading == block)?;
        queue.reading.remove(at).map(|(_, room)| room)
    }
}

impl Queue {
    fn new(charged: Holder) -> Self {
        let (waiting, reading) = (VecDeque::new(), VecDeque::new());
        Self { waiting, reading, charged, last_run: None }
    }

    fn room_for(&mut self, block: BlockInfo, geometry: &Geometry, reads: &Holder) -> Option<Room> {
        let run = (block.piece(), block.begin() / RUN);
        if let Some((last, charge)) = &self.last_run
            && *last == run
            && let Some(charge) = charge.upgrade()
        {
            return Some(Room::Run(charge));
        }
        let length = run_length(block, geometry);
        if let Some(charge) = self.charged.try_charge(length) {
            let charge = Arc::new(charge);
            self.last_run = Some((run, Arc::downgrade(&charge)));
            return Some(Room::Run(charge));
        }
        // The disk is never without a read: each ends whatever the peers do.
        let is_idle = reads.held() == 0;
        let read =
            reads.try_charge_any(length).or_else(|| is_idle.then(|| reads.charge(length)))?;
        // A peer always gets one block at a time, or many that do not read could starve it.
        let bytes = block.length() as usize;
        let is_first = self.charged.held() == 0;
        let own = self.charged.try_charge(bytes);
        let own = own.or_else(|| is_first.then(|| self.charged.charge(bytes)))?;
        Some(Room::Block { block: own, _run: read })
    }
}

/// Bytes of the run that the disk reads for a block.
fn run_length(block: BlockInfo, geometry: &Geometry) -> usize {
    let start = block.begin() / RUN * RUN;
    let end = geometry.padded_length(block.piece()).min(start.saturating_add(RUN));
    // A block that crosses into the next run is read alone.
    end.saturating_sub(start).max(block.length()) as usize
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tinytorrent_swarm::{Swarm, SwarmConfig};
    use tinytorrent_types::{BLOCK_LENGTH, InfoHashV1, InfoHashes, PeerId};

    use super::*;

    const BLOCK: usize = BLOCK_LENGTH as usize;

    /// Peers of one engine, which alone makes keys.
    fn peers(count: u8) -> Vec<PeerKey> {
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let mut swarm =
            Swarm::new(Instant::now(), SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 7));
        let accept = |n| swarm.accept(Instant::now(), ([10, 0, 0, n], 1).into());
        (1..=count).map(accept).map(|peer| peer.expect("a place")).collect()
    }

    /// Pieces of 1 MiB.
    fn geometry() -> Geometry {
        Geometry::new(64 << 20, 1 << 20).unwrap()
    }

    fn block(number: u32) -> BlockInfo {
        let geometry = geometry();
        let number = number * BLOCK_LENGTH;
        geometry.block(number >> 20, number & ((1 << 20) - 1), BLOCK_LENGTH).unwrap()
    }

    fn data() -> Bytes {
        Bytes::from(vec![7; BLOCK])
    }

    fn drain(serving: &mut Serving) -> Vec<(PeerKey, BlockInfo)> {
        std::iter::from_fn(|| serving.next(&geometry())).collect()
    }

    #[test]
    fn a_run_is_charged_once_for_the_blocks_in_it_until_the_last_is_sent() {
        let memory = Memory::new(48 << 20);
        let mut serving = Serving::new(&memory);
        let peer = peers(1)[0];
        (0..20).for_each(|number| serving.push(peer, block(number)));
        assert_eq!(drain(&mut serving).len(), 20);
        assert_eq!((memory.send.held(), serving.is_waiting()), (2 * RUN as usize, false));
        let held: Vec<_> =
            (0..20).map(|number| serving.finish(peer, block(number), data()).unwrap()).collect();
        let slice = &held[3].0;
        assert!(!slice.is_empty() && matches!(held[3].1, Hold::Part(_)));
        assert_eq!(memory.send.held(), 2 * RUN as usize);
        drop(held);
        assert_eq!(memory.send.held(), 0);
    }

    #[test]
    fn peers_that_do_not_read_hold_no_more_than_the_share_and_starve_nobody() {
        let memory = Memory::new(8 << 20);
        let mut serving = Serving::new(&memory);
        let peers = peers(30);
        let mut sent = Vec::new();
        for &peer in &peers[..29] {
            // One block of each run, which is the most memory for the fewest bytes.
            (0..64).for_each(|number| serving.push(peer, block(number * 16)));
        }
        loop {
            let begun = drain(&mut serving);
            if begun.is_empty() {
                break;
            }
            assert!(memory.read.held() <= 512 << 10);
            for (peer, block) in begun {
                sent.push(serving.finish(peer, block, data()).unwrap());
            }
            assert!(memory.send.held() <= (3 << 20) / 2 + 29 * BLOCK);
        }
        assert!(sent.len() >= 29 && serving.is_waiting());
        // One that reads is served, block by block at least.
        let honest = peers[29];
        (0..10).for_each(|number| serving.push(honest, block(number)));
        for _ in 0..10 {
            let begun = drain(&mut serving);
            assert!(begun.iter().any(|&(peer, _)| peer == honest));
            for (peer, block) in begun {
                let read = serving.finish(peer, block, data());
                assert!(read.is_some() && peer == honest);
            }
        }
        serving.remove(peers[0]);
        sent.clear();
        assert!(drain(&mut serving).iter().all(|&(peer, _)| peer != peers[0]));
    }

    #[test]
    fn a_block_that_is_charged_alone_is_copied_out_of_its_run() {
        let memory = Memory::new(1 << 20);
        let mut serving = Serving::new(&memory);
        let peer = peers(1)[0];
        serving.push(peer, block(0));
        assert_eq!(drain(&mut serving).len(), 1);
        let run = Bytes::from(vec![7; RUN as usize]);
        let (data, hold) = serving.finish(peer, block(0), run.slice(..BLOCK)).unwrap();
        assert!(matches!(hold, Hold::Own(_)) && run.is_unique());
        assert_eq!((data.len(), memory.send.held(), memory.read.held()), (BLOCK, BLOCK, 0));
    }

    #[test]
    fn a_block_that_was_not_read_holds_nothing() {
        let memory = Memory::new(48 << 20);
        let mut serving = Serving::new(&memory);
        let peer = peers(1)[0];
        serving.push(peer, block(0));
        assert_eq!(drain(&mut serving).len(), 1);
        serving.give_up(peer, block(0));
        assert_eq!(memory.send.held(), 0);
        assert!(serving.finish(peer, block(0), data()).is_none());
    }
}
