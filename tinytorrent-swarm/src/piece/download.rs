use tinytorrent_types::{BLOCK_LENGTH, BlockInfo, Geometry, PieceIndex};

use crate::PeerKey;

/// The sender of a block. `None`: it was on the disk when we started, and blames nobody.
pub(crate) type Sender = Option<PeerKey>;

/// A piece under way: the state of each of its blocks.
///
/// ```text
///   Free ──request──▶ Requested ──arrives──▶ Received
///     ▲                  │  ▲
///     └─────release──────┘  └─reassign      (release: choked, rejected, timed out, gone)
/// ```
#[derive(Debug, Clone)]
pub(crate) struct Download {
    piece: PieceIndex,
    blocks: Vec<Block>,
    free: u32,
    received: u32,
    /// No block before this one is free.
    cursor: u32,
    /// The peer that started it, unless it has lost its lead. While that peer is quick, the others leave
    /// it alone.
    pub(super) lead: Option<Lead>,
    /// After a failure one peer gets the whole piece, so that the next failure names it.
    pub(crate) single_source: bool,
    /// Every block is here, and the verdict is awaited.
    pub(super) is_verifying: bool,
    /// The user does not want it any more: nothing more of it is asked for.
    pub(super) is_parked: bool,
    /// The list that it is on.
    pub(super) listing: Listing,
}

/// A peer that leads a piece, for as long as its term lasts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lead {
    pub(super) peer: PeerKey,
    pub(super) term: u32,
}

/// The list of pieces with a free block that a download is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Listing {
    /// None: no block is free.
    #[default]
    Closed,
    /// Pieces that no peer leads.
    Leaderless,
    /// Pieces that this peer leads.
    Led(PeerKey),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Free,
    Requested(PeerKey),
    Received(Sender),
}

impl Download {
    pub(crate) fn new(piece: PieceIndex, geometry: &Geometry) -> Self {
        let mut download = Self {
            piece,
            blocks: Vec::new(),
            free: 0,
            received: 0,
            cursor: 0,
            lead: None,
            single_source: false,
            is_verifying: false,
            is_parked: false,
            listing: Listing::Closed,
        };
        download.reset(piece, geometry);
        download
    }

    /// Begins anew, with this piece: every block is free. The memory stays.
    pub(crate) fn reset(&mut self, piece: PieceIndex, geometry: &Geometry) {
        let count = geometry.block_count(piece);
        self.piece = piece;
        self.blocks.clear();
        self.blocks.resize(count as usize, Block::Free);
        (self.free, self.received, self.cursor) = (count, 0, 0);
        self.lead = None;
        self.single_source = false;
        self.is_verifying = false;
        self.is_parked = false;
    }

    pub(crate) fn piece(&self) -> PieceIndex {
        self.piece
    }

    pub(crate) fn has_free(&self) -> bool {
        self.free > 0
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.is_parked
    }

    /// A block is free, and may be asked for.
    pub(super) fn is_open(&self) -> bool {
        self.has_free() && !self.is_parked && !self.is_verifying
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.received as usize == self.blocks.len()
    }

    /// No block is requested or received.
    pub(crate) fn is_untouched(&self) -> bool {
        self.free as usize == self.blocks.len()
    }

    /// Marks the first free block as asked of this peer.
    pub(crate) fn request_free(&mut self, peer: PeerKey, geometry: &Geometry) -> Option<BlockInfo> {
        if self.free == 0 {
            return None;
        }
        while *self.blocks.get(self.cursor as usize)? != Block::Free {
            self.cursor += 1;
        }
        self.blocks[self.cursor as usize] = Block::Requested(peer);
        self.free -= 1;
        geometry.nth_block(self.piece, self.cursor)
    }

    /// Returns true if this peer is the one that was asked for the block.
    pub(crate) fn is_requested(&self, peer: PeerKey, block: BlockInfo) -> bool {
        self.blocks.get(block.number() as usize) == Some(&Block::Requested(peer))
    }

    /// The blocks that were asked for and have not come, and of whom.
    pub(crate) fn requests(
        &self,
        geometry: &Geometry,
    ) -> impl Iterator<Item = (PeerKey, BlockInfo)> {
        self.blocks.iter().zip(0..).filter_map(|(block, number)| match block {
            Block::Requested(peer) => Some((*peer, geometry.nth_block(self.piece, number)?)),
            Block::Free | Block::Received(_) => None,
        })
    }

    /// Another peer is asked instead of the one that was. `false` if nobody is awaited.
    pub(crate) fn reassign(&mut self, block: BlockInfo, to: PeerKey) -> bool {
        match self.blocks.get_mut(block.number() as usize) {
            Some(Block::Requested(asked)) => {
                *asked = to;
                true
            }
            _ => false,
        }
    }

    /// The peer will not send this block. It is free again unless another was asked since.
    pub(crate) fn release(&mut self, peer: PeerKey, block: BlockInfo) {
        let number = block.number();
        if let Some(state) = self.blocks.get_mut(number as usize)
            && *state == Block::Requested(peer)
        {
            *state = Block::Free;
            self.free += 1;
            self.cursor = self.cursor.min(number);
        }
    }

    /// A block came. `None` if it is here already.
    pub(crate) fn receive(&mut self, sender: Sender, block: BlockInfo) -> Option<Received> {
        let state = self.blocks.get_mut(block.number() as usize)?;
        let before = *state;
        if let Block::Received(_) = before {
            return None;
        }
        *state = Block::Received(sender);
        self.free -= u32::from(before == Block::Free);
        self.received += 1;
        let other = match before {
            Block::Requested(asked) if Some(asked) != sender => Some(asked),
            _ => None,
        };
        Some(Received { other })
    }

    /// The sender of each block, in order, once the piece is complete.
    pub(crate) fn senders(&self) -> Vec<Sender> {
        self.blocks
            .iter()
            .map(|block| match block {
                Block::Received(sender) => *sender,
                Block::Free | Block::Requested(_) => None,
            })
            .collect()
    }

    /// The peer that sent every block, if one did.
    pub(crate) fn sole_sender(&self) -> Sender {
        let Some(Block::Received(first)) = self.blocks.first() else { return None };
        let is_first = |block: &Block| *block == Block::Received(*first);
        self.blocks.iter().all(is_first).then_some(*first)?
    }

    pub(crate) fn check_invariants(&self) {
        let count = |wanted: fn(&Block) -> bool| self.blocks.iter().filter(|b| wanted(b)).count();
        assert_eq!(count(|block| *block == Block::Free), self.free as usize);
        assert_eq!(count(|block| matches!(block, Block::Received(_))), self.received as usize);
        assert!(self.blocks[..self.cursor as usize].iter().all(|block| *block != Block::Free));
    }
}

/// A block that was awaited, or at least missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    /// Another peer that was asked for it, and need not send it any more.
    pub(crate) other: Option<PeerKey>,
}

/// Returns true if we ask for such a range: on the grid of 16 KiB, whole.
pub(crate) fn is_on_grid(block: BlockInfo, geometry: &Geometry) -> bool {
    block.begin().is_multiple_of(BLOCK_LENGTH)
        && geometry.nth_block(block.piece(), block.number()) == Some(block)
}
