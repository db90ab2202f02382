use tinytorrent_types::{BlockInfo, Geometry, PieceIndex};

use super::download::{Download, Lead, Listing, Sender};
use crate::PeerKey;

/// The pieces under way: being fetched, or waiting for their verdict.
///
/// The memory of a piece that is done serves the next one. Those with a free block are listed besides,
/// by who may take it, so that nobody searches among what all the others fetch.
#[derive(Debug)]
pub(crate) struct Downloads {
    /// The place of each piece in `downloads`, or `NONE`.
    places: Vec<u32>,
    downloads: Vec<Download>,
    /// Places in `downloads` that are not in use.
    vacant: Vec<u32>,
    /// Pieces with a free block, ascending.
    open: Vec<PieceIndex>,
    /// Those of them that no peer leads, ascending.
    leaderless: Vec<PieceIndex>,
    /// The lead of peers, by the slot of their key.
    leaders: Vec<Leader>,
}

/// The pieces that one peer leads.
#[derive(Debug, Default)]
struct Leader {
    /// Counts how often the peer has lost all that it led. What it led before, it leads no more.
    term: u32,
    /// Those with a free block.
    open: Vec<PieceIndex>,
}

const NONE: u32 = u32::MAX;

impl Downloads {
    pub(crate) fn new(piece_count: u32) -> Self {
        Self {
            places: vec![NONE; piece_count as usize],
            downloads: Vec::new(),
            vacant: Vec::new(),
            open: Vec::new(),
            leaderless: Vec::new(),
            leaders: Vec::new(),
        }
    }

    /// A piece that is being fetched.
    pub(crate) fn get(&self, piece: PieceIndex) -> Option<&Download> {
        self.find(piece).filter(|download| !download.is_verifying)
    }

    /// The same, to be changed; [`update`](Self::update) is to follow.
    pub(crate) fn get_mut(&mut self, piece: PieceIndex) -> Option<&mut Download> {
        self.find_mut(piece).filter(|download| !download.is_verifying)
    }

    /// Returns true if the piece waits for its verdict.
    pub(crate) fn is_verifying(&self, piece: PieceIndex) -> bool {
        self.find(piece).is_some_and(|download| download.is_verifying)
    }

    /// Of a piece that waits for its verdict: the peer that sent all of it, if one did.
    pub(crate) fn sole_sender(&self, piece: PieceIndex) -> Option<Sender> {
        self.find(piece).filter(|download| download.is_verifying).map(Download::sole_sender)
    }

    /// Takes in a piece of which every block is free.
    pub(crate) fn start(&mut self, piece: PieceIndex, geometry: &Geometry) {
        debug_assert!(self.find(piece).is_none());
        // Pieces come and go by the thousand: their lists of blocks are used again.
        let place = match self.vacant.pop() {
            Some(place) => {
                self.downloads[place as usize].reset(piece, geometry);
                place
            }
            None => {
                self.downloads.push(Download::new(piece, geometry));
                self.downloads.len() as u32 - 1
            }
        };
        self.places[piece.as_usize()] = place;
        self.update(piece);
    }

    /// Takes out a piece, fetched or given up.
    pub(crate) fn remove(&mut self, piece: PieceIndex) {
        // Off its list first: the place may be another piece's in a moment.
        let listing = self.find_mut(piece).map(|download| std::mem::take(&mut download.listing));
        if let Some(listing) = listing {
            self.remove_from(listing, piece);
            let place = std::mem::replace(&mut self.places[piece.as_usize()], NONE);
            self.vacant.push(place);
        }
    }

    /// Every block of the piece is here.
    pub(crate) fn begin_verifying(&mut self, piece: PieceIndex) {
        if let Some(download) = self.get_mut(piece) {
            download.is_verifying = true;
            self.update(piece);
        }
    }

    /// Asks for nothing more of a piece that is being fetched, or goes on with it.
    pub(crate) fn park(&mut self, piece: PieceIndex, is_parked: bool) {
        if let Some(download) = self.get_mut(piece) {
            download.is_parked = is_parked;
            self.update(piece);
        }
    }

    /// The piece is wrong: it is fetched again, from one peer. Gives who sent its blocks, if it was
    /// awaited.
    pub(crate) fn fail(&mut self, piece: PieceIndex, geometry: &Geometry) -> Option<Vec<Sender>> {
        let download = self.find_mut(piece).filter(|download| download.is_verifying)?;
        // Before the memory begins anew.
        let senders = download.senders();
        download.reset(piece, geometry);
        // From several peers again, the next failure would prove as little as this one.
        download.single_source = true;
        self.update(piece);
        Some(senders)
    }

    /// Begins a piece anew, whose blocks are lost. Returns `false` if it is not being fetched.
    pub(crate) fn lose_blocks(&mut self, piece: PieceIndex, geometry: &Geometry) -> bool {
        let Some(download) = self.find_mut(piece) else { return false };
        let single_source = download.single_source;
        download.reset(piece, geometry);
        download.single_source = single_source;
        self.update(piece);
        true
    }

    /// The peer that leads a piece, if one does.
    pub(crate) fn lead(&self, download: &Download) -> Option<PeerKey> {
        let Lead { peer, term } = download.lead?;
        let leader = self.leaders.get(peer.slot())?;
        // A peer that stalled or left has a new term, and nothing else had to be walked for that.
        (leader.term == term).then_some(peer)
    }

    /// Makes a peer the lead of a piece, in the place of another.
    pub(crate) fn set_lead(&mut self, piece: PieceIndex, peer: PeerKey) {
        // The table of leads is by slot, and web seeds have none.
        if peer.web_seed().is_some() {
            return;
        }
        if self.leaders.len() <= peer.slot() {
            self.leaders.resize_with(peer.slot() + 1, Leader::default);
        }
        let term = self.leaders[peer.slot()].term;
        if let Some(download) = self.get_mut(piece) {
            download.lead = Some(Lead { peer, term });
            self.update(piece);
        }
    }

    /// Makes a peer the lead of a piece that has none.
    pub(crate) fn offer_lead(&mut self, piece: PieceIndex, peer: PeerKey) {
        if self.get(piece).is_some_and(|download| self.lead(download).is_none()) {
            self.set_lead(piece, peer);
        }
    }

    /// Another peer is asked for a block instead of the one that was. Returns false if nobody is awaited.
    pub(crate) fn reassign(&mut self, block: BlockInfo, to: PeerKey) -> bool {
        let Some(download) = self.get_mut(block.piece()) else { return false };
        let is_reassigned = download.reassign(block, to);
        if is_reassigned && download.single_source {
            // What is left has to come from the other now: a peer that does not send it proves nothing.
            self.set_lead(block.piece(), to);
        }
        is_reassigned
    }

    /// Nothing is led by this peer any more.
    pub(crate) fn drop_lead(&mut self, peer: PeerKey) {
        let Some(leader) = self.leaders.get_mut(peer.slot()) else { return };
        // What it leads without a free block is on no list, and is found out when one comes back.
        leader.term = leader.term.wrapping_add(1);
        // Taken out, as each update moves a piece to another list; put back for its memory.
        let mut open = std::mem::take(&mut leader.open);
        open.iter().for_each(|&piece| self.update(piece));
        open.clear();
        self.leaders[peer.slot()].open = open;
    }

    /// Returns true if a piece that this peer leads has a free block.
    pub(crate) fn is_open_for(&self, piece: PieceIndex, peer: PeerKey) -> bool {
        self.find(piece).is_some_and(|download| download.listing == Listing::Led(peer))
    }

    /// The pieces with a free block, ascending.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Download> {
        self.open.iter().filter_map(|&piece| self.find(piece))
    }

    /// Those of them that no peer leads, ascending.
    pub(crate) fn leaderless(&self) -> impl Iterator<Item = &Download> {
        self.leaderless.iter().filter_map(|&piece| self.find(piece))
    }

    /// Those of them that this peer leads, in any order.
    pub(crate) fn led_by(&self, peer: PeerKey) -> impl Iterator<Item = PieceIndex> {
        let leader = self.leaders.get(peer.slot());
        leader.into_iter().flat_map(|leader| leader.open.iter().copied())
    }

    /// Lists a piece where its state says it belongs.
    pub(crate) fn update(&mut self, piece: PieceIndex) {
        let Some(download) = self.find(piece) else { return };
        let listing = if download.is_open() {
            self.lead(download).map_or(Listing::Leaderless, Listing::Led)
        } else {
            Listing::Closed
        };
        // Mostly a block changes nothing about the list, and then nothing is searched.
        if listing == download.listing {
            return;
        }
        let before =
            self.find_mut(piece).map(|found| std::mem::replace(&mut found.listing, listing));
        self.remove_from(before.unwrap_or_default(), piece);
        self.add_to(listing, piece);
    }

    fn add_to(&mut self, listing: Listing, piece: PieceIndex) {
        match listing {
            Listing::Closed => return,
            Listing::Leaderless => insert_sorted(&mut self.leaderless, piece),
            Listing::Led(peer) => self.leaders[peer.slot()].open.push(piece),
        }
        insert_sorted(&mut self.open, piece);
    }

    fn remove_from(&mut self, listing: Listing, piece: PieceIndex) {
        match listing {
            Listing::Closed => return,
            Listing::Leaderless => remove_sorted(&mut self.leaderless, piece),
            Listing::Led(peer) => self.leaders[peer.slot()].open.retain(|&led| led != piece),
        }
        remove_sorted(&mut self.open, piece);
    }

    fn find(&self, piece: PieceIndex) -> Option<&Download> {
        self.downloads.get(self.places[piece.as_usize()] as usize)
    }

    fn find_mut(&mut self, piece: PieceIndex) -> Option<&mut Download> {
        self.downloads.get_mut(self.places[piece.as_usize()] as usize)
    }

    pub(crate) fn check_invariants(&self) {
        let places = self.places.iter().filter(|&&place| place != NONE);
        let downloads: Vec<_> = places.map(|&place| &self.downloads[place as usize]).collect();
        assert_eq!(downloads.len() + self.vacant.len(), self.downloads.len());
        for download in &downloads {
            download.check_invariants();
            let is_open = download.is_open();
            assert_eq!(self.open.binary_search(&download.piece()).is_ok(), is_open);
            let lead = self.lead(download);
            let is_leaderless = is_open && lead.is_none();
            assert_eq!(self.leaderless.binary_search(&download.piece()).is_ok(), is_leaderless);
            if let Some(lead) = lead.filter(|_| is_open) {
                assert!(self.is_open_for(download.piece(), lead));
                assert!(self.led_by(lead).any(|piece| piece == download.piece()));
            }
        }
        let led: usize = self.leaders.iter().map(|leader| leader.open.len()).sum();
        assert_eq!(self.open.len(), self.leaderless.len() + led);
        assert!(self.open.len() <= downloads.len());
    }
}

/// They are few: no more than there are peers, but for what was begun in an earlier run.
fn insert_sorted(pieces: &mut Vec<PieceIndex>, piece: PieceIndex) {
    if let Err(at) = pieces.binary_search(&piece) {
        pieces.insert(at, piece);
    }
}

fn remove_sorted(pieces: &mut Vec<PieceIndex>, piece: PieceIndex) {
    if let Ok(at) = pieces.binary_search(&piece) {
        pieces.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn downloads() -> (Geometry, Downloads) {
        let geometry = Geometry::new(12 << 14, 3 << 14).unwrap();
        let downloads = Downloads::new(geometry.piece_count());
        (geometry, downloads)
    }

    #[test]
    fn the_memory_of_a_piece_serves_the_next() {
        let (geometry, mut downloads) = downloads();
        for piece in geometry.pieces() {
            downloads.start(piece, &geometry);
            downloads.begin_verifying(piece);
            assert!(downloads.get(piece).is_none() && downloads.is_verifying(piece));
            downloads.check_invariants();
            downloads.remove(piece);
            downloads.check_invariants();
        }
        assert_eq!(downloads.downloads.len(), 1);
    }

    #[test]
    fn a_lead_that_was_dropped_stays_so_when_blocks_come_back() {
        let (geometry, mut downloads) = downloads();
        let (piece, peer) = (geometry.piece(1).unwrap(), PeerKey::new(3, 0));
        downloads.start(piece, &geometry);
        downloads.set_lead(piece, peer);
        let download = downloads.get_mut(piece).unwrap();
        let blocks = [(); 3].map(|()| download.request_free(peer, &geometry).unwrap());
        downloads.update(piece);
        assert!(!downloads.is_open_for(piece, peer));
        downloads.drop_lead(peer);
        downloads.get_mut(piece).unwrap().release(peer, blocks[0]);
        downloads.update(piece);
        downloads.check_invariants();
        assert_eq!(downloads.leaderless().map(Download::piece).collect::<Vec<_>>(), [piece]);
        assert!(!downloads.is_open_for(piece, peer));
        downloads.offer_lead(piece, peer);
        downloads.offer_lead(piece, PeerKey::new(4, 0));
        downloads.check_invariants();
        assert!(downloads.is_open_for(piece, peer), "it may lead again");
    }

    #[test]
    fn a_proof_passes_to_the_peer_that_takes_over() {
        let (geometry, mut downloads) = downloads();
        let (first, second) = (PeerKey::new(1, 0), PeerKey::new(2, 0));
        let piece = geometry.piece(0).unwrap();
        downloads.start(piece, &geometry);
        downloads.set_lead(piece, first);
        let download = downloads.get_mut(piece).unwrap();
        download.single_source = true;
        let block = download.request_free(first, &geometry).unwrap();
        assert!(downloads.reassign(block, second));
        assert!(downloads.is_open_for(piece, second) && !downloads.is_open_for(piece, first));
        let download = downloads.get_mut(piece).unwrap();
        assert!(download.single_source, "what is left comes from one peer all the same");
        download.receive(Some(second), block);
        assert!(!downloads.reassign(block, first), "it is not awaited any more");
        downloads.check_invariants();
    }

    #[test]
    fn a_piece_that_failed_is_open_to_all_and_from_one() {
        let (geometry, mut downloads) = downloads();
        let (piece, peer) = (geometry.piece(1).unwrap(), PeerKey::new(3, 0));
        downloads.start(piece, &geometry);
        downloads.set_lead(piece, peer);
        for block in geometry.blocks(piece) {
            downloads.get_mut(piece).unwrap().receive(Some(peer), block);
        }
        assert_eq!(downloads.fail(piece, &geometry), None, "nobody waits for a verdict");
        downloads.begin_verifying(piece);
        assert_eq!(downloads.fail(piece, &geometry), Some(vec![Some(peer); 3]));
        downloads.check_invariants();
        let again = downloads.get(piece).unwrap();
        assert!(again.is_untouched() && again.single_source && downloads.lead(again).is_none());
    }
}
