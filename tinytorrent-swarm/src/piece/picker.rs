mod search;

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tinytorrent_types::{Bitfield, BlockInfo, Geometry, PieceIndex};

use super::download::{Download, Received, Sender, is_on_grid};
use super::rarity::Rarity;
use super::{Blame, Pieces, Search};
use crate::PeerKey;

/// Decides which block to ask a peer for next, and remembers who was asked for what.
///
/// A piece is in one of five places, and only its place decides what happens to it:
///
/// ```text
///  unwanted     startable ──▶ download ──▶ verifying ──▶ have
///                   ▲            │  ▲          │
///                   └─untouched──┘  └──failed──┘
/// ```
#[derive(Debug)]
pub(crate) struct Picker {
    pub(super) geometry: Geometry,
    have: Bitfield,
    wanted: Bitfield,
    pub(super) rarity: Rarity,
    pub(super) downloads: BTreeMap<PieceIndex, Download>,
    /// The downloads with a free block.
    open: BTreeSet<PieceIndex>,
    verifying: BTreeMap<PieceIndex, Vec<Sender>>,
    have_bytes: u64,
    wanted_missing: u32,
    wanted_left: u64,
    sequential: bool,
    /// Wanted pieces that come before all others, in this order, none of them verified.
    pub(super) urgent: Vec<PieceIndex>,
    chance: StdRng,
}

/// The peer that is to be asked, as the picker sees it.
#[derive(Debug)]
pub(crate) struct PickerPeer<'a> {
    pub(crate) key: PeerKey,
    pub(crate) pieces: &'a Pieces,
    pub(crate) search: &'a mut Search,
    /// Quick enough to fetch a piece alone in little time.
    pub(crate) is_quick: bool,
    /// The only pieces it may be asked for, while it chokes us (BEP 6).
    pub(crate) only: Option<&'a [PieceIndex]>,
}

/// The use of a block that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Wanted. If another was asked for it too, that one can save itself the trouble.
    Accepted { other: Option<PeerKey>, is_last: bool },
    /// Not needed any more, or never was.
    Unwanted,
}

impl Picker {
    pub(crate) fn new(
        geometry: Geometry,
        have: Bitfield,
        wanted: Bitfield,
        sequential: bool,
        seed: u64,
    ) -> Self {
        let mut picker = Self {
            rarity: Rarity::new(&geometry),
            have_bytes: 0,
            wanted_missing: 0,
            wanted_left: 0,
            urgent: Vec::new(),
            downloads: BTreeMap::new(),
            open: BTreeSet::new(),
            verifying: BTreeMap::new(),
            chance: StdRng::seed_from_u64(seed),
            geometry,
            have,
            wanted,
            sequential,
        };
        for piece in picker.geometry.pieces() {
            let length = u64::from(picker.geometry.payload_length(piece));
            if picker.have.contains(piece) {
                picker.have_bytes += length;
            } else if picker.wanted.contains(piece) {
                picker.wanted_missing += 1;
                picker.wanted_left += length;
                picker.rarity.insert(piece, &mut picker.chance);
            }
        }
        picker
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The verified pieces.
    pub(crate) fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Bytes of the verified pieces.
    pub(crate) fn have_bytes(&self) -> u64 {
        self.have_bytes
    }

    /// Bytes of wanted pieces that are not verified.
    pub(crate) fn wanted_left(&self) -> u64 {
        self.wanted_left
    }

    /// Whether every wanted piece is verified.
    pub(crate) fn is_finished(&self) -> bool {
        self.wanted_missing == 0
    }

    /// Whether this piece is wanted and not verified yet.
    pub(crate) fn wants(&self, piece: PieceIndex) -> bool {
        self.wanted.contains(piece) && !self.have.contains(piece)
    }

    /// Number of these pieces that are wanted and not verified yet.
    pub(crate) fn count_wanted(&self, pieces: &Pieces) -> u32 {
        match pieces {
            Pieces::All { .. } => self.wanted_missing,
            Pieces::Some(some) => {
                let pieces = some.iter().filter_map(|index| self.geometry.piece(index));
                pieces.filter(|&piece| self.wants(piece)).count() as u32
            }
        }
    }

    pub(crate) fn add_peer(&mut self, pieces: &Pieces) {
        self.rarity.add_peer(pieces, &self.geometry, &mut self.chance);
    }

    pub(crate) fn remove_peer(&mut self, pieces: &Pieces) {
        self.rarity.remove_peer(pieces, &self.geometry, &mut self.chance);
    }

    /// A peer announced a piece that it did not have before.
    pub(crate) fn peer_gained(&mut self, piece: PieceIndex) {
        self.rarity.add_have(piece, &mut self.chance);
    }

    /// A peer gave up a piece (BEP 54), and has these left. `was_seed`: it counted as one that has all.
    pub(crate) fn peer_lost(&mut self, left: &Pieces, piece: PieceIndex, was_seed: bool) {
        if was_seed {
            // Counted once until now, and piece by piece from now on: this walk is the only one.
            self.remove_peer(&Pieces::all(self.geometry.piece_count()));
            self.add_peer(left);
        } else {
            self.rarity.remove_have(piece, &mut self.chance);
        }
    }

    /// Whether the piece may be started.
    pub(crate) fn is_startable(&self, piece: PieceIndex) -> bool {
        self.rarity.contains(piece)
    }

    /// Some block is on the disk already, from an earlier run.
    pub(crate) fn recover(&mut self, block: BlockInfo) {
        let piece = block.piece();
        if !is_on_grid(block, &self.geometry) {
            return;
        }
        if self.rarity.contains(piece) {
            self.start(piece, None);
        }
        if let Some(download) = self.downloads.get_mut(&piece) {
            download.receive(None, block);
            self.settle(piece);
        }
    }

    /// Pieces of which every block was recovered, to be verified at once.
    pub(crate) fn recovered_pieces(&mut self) -> Vec<PieceIndex> {
        let complete: Vec<_> =
            self.downloads.values().filter(|d| d.is_complete()).map(Download::piece).collect();
        complete.iter().for_each(|&piece| self.begin_verifying(piece));
        complete
    }

    /// The next block to ask this peer for; it counts as asked from now on.
    pub(crate) fn pick(&mut self, mut peer: PickerPeer<'_>, blame: &Blame) -> Option<BlockInfo> {
        let piece = self.choose(&mut peer, blame);
        if let Some(piece) = piece {
            peer.search.current = Some(piece);
            let download = self.downloads.get_mut(&piece)?;
            let block = download.request_free(peer.key, &self.geometry);
            self.settle(piece);
            return block;
        }
        None
    }

    /// Whether this block may be asked of another peer, who has its piece, instead.
    pub(crate) fn reassign(&mut self, block: BlockInfo, to: PeerKey) -> bool {
        self.downloads.get_mut(&block.piece()).is_some_and(|download| download.reassign(block, to))
    }

    /// Returns true if this peer is the one that was asked for the block.
    pub(crate) fn is_requested(&self, peer: PeerKey, block: BlockInfo) -> bool {
        let download = self.downloads.get(&block.piece());
        download.is_some_and(|download| download.is_requested(peer, block))
    }

    /// A verified piece cannot be read any more. It is not wanted again. Returns false if it was not
    /// verified.
    pub(crate) fn lose(&mut self, piece: PieceIndex) -> bool {
        let was_there = self.have.remove(piece);
        if was_there {
            self.wanted.remove(piece);
            self.have_bytes -= u64::from(self.geometry.payload_length(piece));
        }
        was_there
    }

    fn choose(&mut self, peer: &mut PickerPeer<'_>, blame: &Blame) -> Option<PieceIndex> {
        if !self.urgent.is_empty()
            && let Some(piece) = self.urgent_piece(peer, blame)
        {
            return Some(piece);
        }
        if let Some(current) = peer.search.current
            && self.open.contains(&current)
            && peer.may_have(current)
            && self.downloads.get(&current).is_some_and(|d| d.lead == Some(peer.key))
        {
            return Some(current);
        }
        let left_over = |download: &Download| match download.lead {
            Some(lead) => lead == peer.key || (!peer.is_quick && !download.single_source),
            None => !(download.single_source && blame.is_suspect(download.piece(), peer.key)),
        };
        let found = self.open_piece(peer, left_over).or_else(|| self.start_piece(peer));
        found.or_else(|| self.open_piece(peer, |d| !d.single_source || d.lead.is_none())).inspect(
            |piece| {
                if let Some(download) = self.downloads.get_mut(piece) {
                    download.lead.get_or_insert(peer.key);
                }
            },
        )
    }

    fn open_piece(
        &self,
        peer: &PickerPeer<'_>,
        fits: impl Fn(&Download) -> bool,
    ) -> Option<PieceIndex> {
        let mut open = self.open.iter().copied();
        open.find(|piece| peer.may_have(*piece) && self.downloads.get(piece).is_some_and(&fits))
    }

    /// The peer will not send this block after all.
    pub(crate) fn release(&mut self, peer: PeerKey, block: BlockInfo) {
        if let Some(download) = self.downloads.get_mut(&block.piece()) {
            download.release(peer, block);
            self.settle(block.piece());
        }
    }

    /// Others may take over what this peer started: it left, or it stalls.
    pub(crate) fn drop_lead(&mut self, peer: PeerKey) {
        for download in self.downloads.values_mut() {
            if download.lead == Some(peer) {
                download.lead = None;
            }
        }
    }

    /// A block arrived whole.
    pub(crate) fn receive(&mut self, peer: PeerKey, block: BlockInfo) -> Arrival {
        let piece = block.piece();
        if self.rarity.contains(piece) {
            self.start(piece, None); // late: its request was taken back, and the piece let go
        }
        let Some(download) = self.downloads.get_mut(&piece) else { return Arrival::Unwanted };
        let Some(Received { other }) = download.receive(Some(peer), block) else {
            return Arrival::Unwanted;
        };
        let is_last = download.is_complete();
        self.settle(piece);
        if is_last {
            self.begin_verifying(piece);
        }
        Arrival::Accepted { other, is_last }
    }

    /// The piece is right and on the disk. Gives whether that is news.
    pub(crate) fn verified(&mut self, piece: PieceIndex) -> bool {
        if self.verifying.remove(&piece).is_none() || !self.have.insert(piece) {
            return false;
        }
        let length = u64::from(self.geometry.payload_length(piece));
        self.have_bytes += length;
        if self.wanted.contains(piece) {
            self.wanted_missing -= 1;
            self.wanted_left -= length;
            self.urgent.retain(|urgent| *urgent != piece);
        }
        true
    }

    /// The piece is wrong, or could not be stored. Gives who sent its blocks, if it was awaited.
    pub(crate) fn failed(&mut self, piece: PieceIndex) -> Option<Vec<Sender>> {
        let senders = self.verifying.remove(&piece)?;
        let mut download = Download::new(piece, &self.geometry);
        download.single_source = true;
        self.downloads.insert(piece, download);
        self.open.insert(piece);
        Some(senders)
    }

    pub(super) fn start(&mut self, piece: PieceIndex, lead: Option<PeerKey>) {
        self.rarity.remove(piece);
        let mut download = Download::new(piece, &self.geometry);
        download.lead = lead;
        self.downloads.insert(piece, download);
        self.open.insert(piece);
    }

    fn begin_verifying(&mut self, piece: PieceIndex) {
        if let Some(download) = self.downloads.remove(&piece) {
            self.open.remove(&piece);
            self.verifying.insert(piece, download.senders());
        }
    }

    /// Puts a download where its state says it belongs.
    fn settle(&mut self, piece: PieceIndex) {
        let Some(download) = self.downloads.get(&piece) else { return };
        if download.is_untouched() && !download.single_source {
            self.downloads.remove(&piece);
            self.open.remove(&piece);
            self.rarity.insert(piece, &mut self.chance);
        } else if download.has_free() {
            self.open.insert(piece);
        } else {
            self.open.remove(&piece);
        }
    }

    pub(crate) fn check_invariants(&self) {
        self.rarity.check_invariants();
        let (mut missing, mut left) = (0, 0);
        for piece in self.geometry.pieces() {
            let places = u32::from(self.have.contains(piece))
                + u32::from(self.rarity.contains(piece))
                + u32::from(self.downloads.contains_key(&piece))
                + u32::from(self.verifying.contains_key(&piece));
            assert!(places <= 1, "piece {piece} is in {places} places");
            assert!(places == 1 || !self.wanted.contains(piece), "piece {piece} is lost");
            if self.wants(piece) {
                missing += 1;
                left += u64::from(self.geometry.payload_length(piece));
            }
        }
        assert_eq!((missing, left), (self.wanted_missing, self.wanted_left));
        assert!(self.urgent.iter().all(|&piece| self.wants(piece)));
        for (piece, download) in &self.downloads {
            download.check_invariants();
            assert_eq!(self.open.contains(piece), download.has_free());
        }
    }
}

impl PickerPeer<'_> {
    pub(super) fn may_have(&self, piece: PieceIndex) -> bool {
        self.pieces.contains(piece) && self.only.is_none_or(|only| only.contains(&piece))
    }
}
