mod gaps;
mod search;
mod wanted;

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use tinytorrent_types::{Bitfield, BlockInfo, Geometry, PieceIndex};

use super::download::{Download, Received, Sender, is_on_grid};
use super::downloads::Downloads;
use super::rarity::{Priorities, Rarity};
use super::{Blame, Pieces, Search, Urgent};
use crate::PeerKey;
use crate::planted::{Bug, is_planted};

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
    pub(super) downloads: Downloads,
    have_bytes: u64,
    wanted_missing: u32,
    wanted_left: u64,
    sequential: bool,
    /// Wanted pieces that come before all others, in this order. None of them is verified.
    pub(super) urgent: Vec<Urgent>,
    /// The end of the gap that a web seed fills from its beginning.
    gap_end: Option<PieceIndex>,
    /// Counts how often something was given back that can be asked for again.
    given_back: u64,
    chance: Xoshiro256PlusPlus,
}

/// The peer that is to be asked, as the picker sees it.
#[derive(Debug)]
pub(crate) struct PickerPeer<'a> {
    pub(crate) key: PeerKey,
    pub(crate) pieces: &'a Pieces,
    pub(crate) search: &'a mut Search,
    pub(crate) now: Instant,
    /// The time that a block takes which is asked for now.
    pub(crate) eta: Duration,
    /// Quick enough to fetch a piece alone in little time.
    pub(crate) is_quick: bool,
    /// It gets pieces of its own, as long as there are such ones.
    pub(crate) is_on_parole: bool,
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
        let mut startable = Bitfield::new(geometry.piece_count());
        let (mut have_bytes, mut wanted_left) = (0, 0);
        // The one walk over all pieces; from here on each figure is kept up to date.
        for piece in geometry.pieces() {
            let length = u64::from(geometry.payload_length(piece));
            if have.contains(piece) {
                have_bytes += length;
            } else if wanted.contains(piece) {
                wanted_left += length;
                startable.insert(piece);
            }
        }
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self {
            have_bytes,
            wanted_missing: startable.count(),
            wanted_left,
            rarity: Rarity::new(&geometry, startable, &mut chance),
            downloads: Downloads::new(geometry.piece_count()),
            urgent: Vec::new(),
            gap_end: None,
            given_back: 0,
            chance,
            geometry,
            have,
            wanted,
            sequential,
        }
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

    /// The number of peers that have each piece.
    pub(crate) fn availability(&self) -> Vec<u32> {
        self.geometry.pieces().map(|piece| self.peers_with(piece)).collect()
    }

    /// The number of peers that have this piece.
    pub(crate) fn peers_with(&self, piece: PieceIndex) -> u32 {
        u32::try_from(self.rarity.availability(piece)).unwrap_or_default()
    }

    /// Fetches the pieces in order from now on, or the rarest first.
    pub(crate) fn set_sequential(&mut self, sequential: bool) {
        self.sequential = sequential;
    }

    /// Fetches pieces by these priorities from now on. In order, they have no effect.
    pub(crate) fn set_priorities(&mut self, priorities: Option<Box<Priorities>>) {
        let count = self.geometry.piece_count();
        let fitting = priorities.filter(|priorities| priorities.fit(count));
        self.rarity.set_priorities(fitting, &mut self.chance);
    }

    /// Counts the pieces of a peer, none of which is counted.
    pub(crate) fn add_peer(&mut self, pieces: &Pieces, search: &mut Search) {
        search.restart(self.rarity.add_peer(pieces, &mut self.chance));
    }

    /// Discounts the pieces of a peer.
    pub(crate) fn remove_peer(&mut self, pieces: &Pieces, search: &Search) {
        self.rarity.remove_peer(pieces, search.count, &mut self.chance);
    }

    /// A peer announced a piece that it did not have before.
    pub(crate) fn peer_gained(&mut self, piece: PieceIndex, search: &mut Search) {
        self.rarity.add_have(piece, &mut self.chance);
        self.rarity.gain(&mut search.floor, piece, self.order());
    }

    /// A peer gave up a piece that it had (BEP 54).
    pub(crate) fn peer_lost(&mut self, piece: PieceIndex) {
        self.rarity.remove_have(piece, &mut self.chance);
    }

    /// Some block is on the disk already, from an earlier run.
    pub(crate) fn recover(&mut self, block: BlockInfo) {
        let piece = block.piece();
        // A record is a file, which anybody may have written.
        if !is_on_grid(block, &self.geometry) {
            return;
        }
        if self.rarity.contains(piece) {
            self.start(piece, None);
        }
        if let Some(download) = self.downloads.get_mut(piece) {
            let of_peer = is_planted(Bug::BlamesForRecord).then(|| PeerKey::from_bits(0));
            download.receive(of_peer, block);
            self.settle(piece);
        }
    }

    /// Pieces of which every block was recovered, to be verified at once.
    pub(crate) fn recovered_pieces(&mut self) -> Vec<PieceIndex> {
        // A walk over all pieces, once, at the start.
        let is_complete =
            |&piece: &PieceIndex| self.downloads.get(piece).is_some_and(Download::is_complete);
        let complete: Vec<_> = self.geometry.pieces().filter(is_complete).collect();
        complete.iter().for_each(|&piece| self.downloads.begin_verifying(piece));
        complete
    }

    /// The next block to ask this peer for; it counts as asked from now on.
    pub(crate) fn pick(&mut self, mut peer: PickerPeer<'_>, blame: &Blame) -> Option<BlockInfo> {
        let piece = self.choose(&mut peer, blame);
        if let Some(piece) = piece {
            // Going on in the same piece completes it sooner, and seeds read it in one run.
            peer.search.current = Some(piece);
            let download = self.downloads.get_mut(piece)?;
            let block = download.request_free(peer.key, &self.geometry);
            self.settle(piece);
            return block;
        }
        None
    }

    /// Asks another peer, who has the piece, for this block instead. Returns false if nobody is awaited.
    pub(crate) fn reassign(&mut self, block: BlockInfo, to: PeerKey) -> bool {
        self.downloads.reassign(block, to)
    }

    /// Returns true if a piece is to come from one peer.
    pub(crate) fn is_proof(&self, piece: PieceIndex) -> bool {
        self.downloads.get(piece).is_some_and(|download| download.single_source)
    }

    /// Returns true if this peer is the one that was asked for the block.
    pub(crate) fn is_requested(&self, peer: PeerKey, block: BlockInfo) -> bool {
        let download = self.downloads.get(block.piece());
        download.is_some_and(|download| download.is_requested(peer, block))
    }

    /// A verified piece cannot be read any more. It is not wanted again. Returns false if it was not
    /// verified.
    pub(crate) fn lose(&mut self, piece: PieceIndex) -> bool {
        let was_there = self.have.remove(piece);
        if was_there {
            // Wanted, it would be fetched again and written where the user took it away.
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
            && self.downloads.is_open_for(current, peer.key)
            && peer.may_have(current)
            && !self.is_withheld(current, peer)
        {
            return Some(current);
        }
        if peer.is_on_parole
            && let Some(piece) = self.own_piece(peer)
        {
            return Some(piece);
        }
        // What was begun is completed first: only whole pieces can be traded (S-22).
        let found = self.left_over(peer, blame).or_else(|| self.start_piece(peer));
        found.or_else(|| self.shared_piece(peer)).inspect(|&piece| {
            self.downloads.offer_lead(piece, peer.key);
        })
    }

    /// A piece that the peer leads, or a new one that is to come from it alone.
    fn own_piece(&mut self, peer: &mut PickerPeer<'_>) -> Option<PieceIndex> {
        let led = self.downloads.led_by(peer.key).filter(|&piece| peer.may_have(piece)).min();
        if led.is_some() {
            return led;
        }
        let piece = self.start_piece(peer)?;
        if let Some(download) = self.downloads.get_mut(piece) {
            download.single_source = true;
        }
        Some(piece)
    }

    /// The first piece of which others have left something for this peer: what it leads itself, what
    /// nobody leads, and for a slow peer also what others lead.
    fn left_over(&self, peer: &PickerPeer<'_>, blame: &Blame) -> Option<PieceIndex> {
        let fits = |download: &&Download| {
            peer.may_have(download.piece())
                && self.is_for(download, peer.key, blame)
                && !self.is_withheld(download.piece(), peer)
        };
        // A slow peer alone would hold up a piece for minutes, so it helps with those of others.
        if !peer.is_quick {
            return self.downloads.open().find(fits).map(Download::piece);
        }
        let led = self.downloads.led_by(peer.key).filter(|&piece| peer.may_have(piece)).min();
        let leaderless = self.downloads.leaderless().find(fits).map(Download::piece);
        led.into_iter().chain(leaderless).min()
    }

    /// Returns true if this peer may have a share in a piece: one that has to come from one peer has its lead, or
    /// waits for one that is not suspected.
    pub(super) fn is_for(&self, download: &Download, peer: PeerKey, blame: &Blame) -> bool {
        !download.single_source
            || self
                .downloads
                .lead(download)
                .map_or_else(|| !blame.is_suspect(download.piece(), peer), |lead| lead == peer)
    }

    /// Nothing else is left: the first piece with a free block, whoever leads it.
    fn shared_piece(&self, peer: &PickerPeer<'_>) -> Option<PieceIndex> {
        let fits = |download: &&Download| {
            peer.may_have(download.piece())
                && (!download.single_source || self.downloads.lead(download).is_none())
                && !self.is_withheld(download.piece(), peer)
        };
        self.downloads.open().find(fits).map(Download::piece)
    }

    /// The peer will not send this block after all.
    pub(crate) fn release(&mut self, peer: PeerKey, block: BlockInfo) {
        self.given_back += 1;
        if is_planted(Bug::KeepsReleased) {
            return;
        }
        if let Some(download) = self.downloads.get_mut(block.piece()) {
            download.release(peer, block);
            self.settle(block.piece());
        }
    }

    /// Others may take over what this peer started: it left, or it stalls.
    pub(crate) fn drop_lead(&mut self, peer: PeerKey) {
        self.given_back += 1;
        self.downloads.drop_lead(peer);
    }

    /// A block arrived whole.
    pub(crate) fn receive(&mut self, peer: PeerKey, block: BlockInfo) -> Arrival {
        let piece = block.piece();
        if self.rarity.contains(piece) {
            self.start(piece, None); // late: its request was taken back, and the piece let go
        }
        let Some(download) = self.downloads.get_mut(piece) else { return Arrival::Unwanted };
        let Some(Received { other }) = download.receive(Some(peer), block) else {
            return Arrival::Unwanted;
        };
        let is_last = download.is_complete();
        if is_last {
            self.downloads.begin_verifying(piece);
        } else {
            self.settle(piece);
        }
        Arrival::Accepted { other, is_last }
    }

    /// The piece is right and on the disk. If that is news, gives who sent all of it, if one peer did.
    pub(crate) fn verified(&mut self, piece: PieceIndex) -> Option<Sender> {
        // A driver may speak of a piece twice, or of one that failed meanwhile.
        let sender = self.downloads.sole_sender(piece)?;
        self.downloads.remove(piece);
        if !self.have.insert(piece) {
            return None;
        }
        let length = u64::from(self.geometry.payload_length(piece));
        self.have_bytes += length;
        if self.wanted.contains(piece) {
            self.wanted_missing -= 1;
            self.wanted_left -= length;
            // The list is bounded, and each piece is verified once.
            self.urgent.retain(|urgent| urgent.piece != piece);
        }
        Some(sender)
    }

    /// The blocks of the piece could not be stored, and none of them is under way: they are fetched anew.
    pub(crate) fn unstored(&mut self, piece: PieceIndex) {
        if is_planted(Bug::ForgetsUnstored) || !self.downloads.lose_blocks(piece, &self.geometry) {
            return;
        }
        self.given_back += 1;
        if self.wanted.contains(piece) {
            self.settle(piece);
        } else {
            self.downloads.remove(piece);
        }
    }

    /// The piece is wrong. Gives who sent its blocks, if it was awaited.
    pub(crate) fn failed(&mut self, piece: PieceIndex) -> Option<Vec<Sender>> {
        if is_planted(Bug::KeepsFailed) {
            return None;
        }
        let senders = self.downloads.fail(piece, &self.geometry)?;
        self.given_back += 1;
        if !self.wanted.contains(piece) {
            self.downloads.remove(piece); // the user has taken it out while its verdict was awaited
        }
        Some(senders)
    }

    pub(super) fn start(&mut self, piece: PieceIndex, lead: Option<PeerKey>) {
        self.rarity.remove(piece);
        self.downloads.start(piece, &self.geometry);
        if let Some(lead) = lead {
            self.downloads.set_lead(piece, lead);
        }
    }

    /// Puts a download where its state says it belongs.
    fn settle(&mut self, piece: PieceIndex) {
        let Some(download) = self.downloads.get(piece) else { return };
        // Given up whole, it may be started by anybody; one that needs a proof stays as it is.
        if download.is_untouched() && !download.single_source {
            self.downloads.remove(piece);
            if self.wanted.contains(piece) {
                self.rarity.insert(piece, &mut self.chance);
            }
        } else {
            self.downloads.update(piece);
        }
    }

    pub(crate) fn check_invariants(&self) {
        self.rarity.check_invariants();
        let (mut missing, mut left) = (0, 0);
        for piece in self.geometry.pieces() {
            let places = u32::from(self.have.contains(piece))
                + u32::from(self.rarity.contains(piece))
                + u32::from(self.downloads.get(piece).is_some())
                + u32::from(self.downloads.is_verifying(piece));
            assert!(places <= 1, "piece {piece} is in {places} places");
            assert!(places == 1 || !self.wanted.contains(piece), "piece {piece} is lost");
            assert!(self.wanted.contains(piece) || !self.rarity.contains(piece));
            let is_parked = self.downloads.get(piece).map(Download::is_parked);
            assert_ne!(is_parked, Some(self.wanted.contains(piece)), "piece {piece}");
            if self.wants(piece) {
                missing += 1;
                left += u64::from(self.geometry.payload_length(piece));
            }
        }
        assert_eq!((missing, left), (self.wanted_missing, self.wanted_left));
        assert!(self.urgent.iter().all(|urgent| self.wants(urgent.piece)));
        self.downloads.check_invariants();
    }
}

impl PickerPeer<'_> {
    pub(super) fn may_have(&self, piece: PieceIndex) -> bool {
        self.pieces.contains(piece) && self.only.is_none_or(|only| only.contains(&piece))
    }
}
