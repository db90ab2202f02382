//! Super seeding (BEP 16): a first seed that sends little more than one copy.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tinytorrent_types::{BlockInfo, Geometry, PieceIndex};
use tinytorrent_wire::Message;
use tinytorrent_wire::session::Side;

use crate::PeerKey;
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::peers::Peers;
use crate::piece::Picker;
use crate::planted::{Bug, is_planted};

/// The pieces that each peer is told of while we super seed: one that nobody has, and the next one once
/// another peer shows that it has that.
///
/// ```text
///            told of a piece ──▶ has it ──▶ another has it ─┐
///                   ▲                │                      │
///                   │                ▼ nobody for a while   │
///                   │            on its own: up to 8 pieces │
///                   └───────────────────────────────────────┘
/// ```
///
/// A peer that passes nothing on, or that nobody takes anything from, so gets the content all the same. One
/// that is told of a piece and does not fetch it leaves it to others. Once somebody else has everything,
/// all peers are told of all pieces, by and by.
#[derive(Debug)]
pub(crate) struct SuperSeed {
    peers: BTreeMap<PeerKey, Told>,
    /// The one peer that was told of a piece, until it has it and others show it too.
    holders: BTreeMap<PieceIndex, PeerKey>,
    /// The next piece that nobody was told of.
    fresh: Fresh,
    /// Pieces that somebody was told of, and left without.
    left: VecDeque<PieceIndex>,
    /// The beginning of the next sample.
    sample: u32,
    /// The next look at those that wait.
    next: Option<Instant>,
    is_over: bool,
}

/// Pieces in their order from a random one on, each once.
#[derive(Debug)]
struct Fresh {
    first: u32,
    taken: u32,
}

/// One peer.
#[derive(Debug)]
struct Told {
    /// Pieces that it was told of and does not have yet, and the bytes of each that it was sent.
    open: Vec<(PieceIndex, u32)>,
    /// The piece that it has to show to another one.
    proof: Option<PieceIndex>,
    /// Number of pieces that it was told of and has.
    fetched: usize,
    /// The last time at which it got on.
    since: Instant,
    /// Bytes that it had been sent then.
    sent: u64,
    /// Time without progress after which it is on its own.
    patience: Duration,
    is_on_its_own: bool,
    /// After the end: the next piece to tell it of.
    rest: u32,
}

/// Time between two looks at those that wait.
const LOOK: Duration = Duration::from_secs(1);

/// Time in which a peer passes a piece on that others want: a few rounds of choking at its end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Each time that nobody takes anything from a peer it waits half as long, but not less.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// Pieces that a peer on its own is told of before it has them, so that it need not wait for a round trip.
const WINDOW: usize = 8;

/// Pieces that are looked at for each peer in a look: neither the number of all pieces nor that of peers must
/// make it dear.
const SAMPLE: u32 = 128;

/// Pieces that are looked at for those that all who had them took away.
const LOST_SAMPLE: u32 = 512;

/// Pieces that wait for a peer, so that no others have to be found.
const FEW_LEFT: usize = 64;

/// Pieces that a peer is told of at each look after the end.
const PORTION: usize = 24;

/// Pieces to remember that were left: those of a crowd of hosts that come and go. Others are found by samples.
const MAX_LEFT: usize = 4_096;

impl SuperSeed {
    /// `seed` chooses the first piece.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            peers: BTreeMap::new(),
            holders: BTreeMap::new(),
            fresh: Fresh { first: seed as u32, taken: 0 },
            left: VecDeque::new(),
            sample: 0,
            next: None,
            is_over: false,
        }
    }

    /// Returns true once nobody has to be told of anything any more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over && self.peers.is_empty()
    }

    /// Returns true if peers that come are told of nothing at first.
    pub(crate) fn is_active(&self) -> bool {
        !self.is_over
    }

    /// Tells all peers of all pieces, by and by.
    pub(crate) fn end(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.holders.clear();
            self.left.clear();
            self.peers.values_mut().for_each(|told| told.proof = None);
            self.wake(now);
        }
    }

    /// A peer has come that was told of no piece.
    pub(crate) fn join(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        picker: &Picker,
        out: &mut Outbox,
    ) {
        let told = Told {
            open: Vec::new(),
            proof: None,
            fetched: 0,
            since: now,
            sent: peer.serving.meter.total(),
            patience: PATIENCE,
            is_on_its_own: false,
            rest: 0,
        };
        self.peers.insert(peer.key, told);
        self.is_over |= is_planted(Bug::TellsAll);
        self.tell_more(now, peer, picker, out);
        self.wake(now);
    }

    /// A peer has gone; its pieces are not counted any more.
    pub(crate) fn leave(&mut self, peer: PeerKey) {
        if let Some(told) = self.peers.remove(&peer) {
            // It may have been the only one that had it.
            self.give_up(told.pieces().chain(told.proof).collect());
        }
        if self.peers.is_empty() {
            self.next = None;
        }
    }

    /// A peer has a piece.
    pub(crate) fn on_have(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        key: PeerKey,
        picker: &Picker,
        out: &mut Outbox,
        piece: PieceIndex,
    ) {
        let holder = self.holders.get(&piece).copied();
        let proven = holder.filter(|holder| *holder != key);
        if let (Some(told), Some(peer)) = (self.peers.get_mut(&key), peers.get(key)) {
            told.since = now;
            let open = told.open.len();
            told.open.retain(|(open, _)| *open != piece);
            told.fetched += open - told.open.len();
            // Others do give it something.
            let is_ours = peer.session.pieces(Side::Us).is_some_and(|told| told.contains(piece));
            told.is_on_its_own &= is_ours;
            if holder == Some(key) && told.proof != Some(piece) {
                self.holders.remove(&piece);
            }
        }
        if let Some(of) = proven {
            self.holders.remove(&piece);
            if let Some(told) = self.peers.get_mut(&of).filter(|told| told.proof == Some(piece)) {
                (told.proof, told.is_on_its_own, told.since) = (None, false, now);
            }
        }
        for key in proven.into_iter().chain([key]) {
            if let Some(peer) = peers.get_mut(key) {
                self.tell_more(now, peer, picker, out);
            }
        }
    }

    /// A block was sent to a peer. Returns true if the peer has its piece by that: many clients tell no
    /// peer of a piece that has it itself.
    pub(crate) fn on_served(
        &mut self,
        geometry: &Geometry,
        key: PeerKey,
        block: BlockInfo,
    ) -> bool {
        let told = self.peers.get_mut(&key);
        let open =
            told.and_then(|told| told.open.iter_mut().find(|(piece, _)| *piece == block.piece()));
        let Some((piece, sent)) = open else { return false };
        *sent = sent.saturating_add(block.length());
        *sent >= geometry.payload_length(*piece)
    }

    /// A peer has stated all of its pieces.
    pub(crate) fn on_pieces(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        key: PeerKey,
        picker: &Picker,
        out: &mut Outbox,
    ) {
        let of_others = self.holders.keys().copied();
        let own = self.peers.get(&key).into_iter().flat_map(Told::pieces);
        let has = |piece: &PieceIndex| {
            peers.get(key).and_then(Peer::pieces).is_some_and(|pieces| pieces.contains(*piece))
        };
        for piece in of_others.chain(own).filter(has).collect::<Vec<_>>() {
            self.on_have(now, peers, key, picker, out, piece);
        }
    }

    /// The next look at those that wait.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// Looks at those that wait, if it is time.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        picker: &Picker,
        out: &mut Outbox,
    ) {
        if self.next.is_none_or(|at| now < at) {
            return;
        }
        self.next = Some(now + LOOK);
        self.find_lost(picker);
        for key in self.peers.keys().copied().collect::<Vec<_>>() {
            let Some(peer) = peers.get_mut(key) else { continue };
            if self.is_over {
                self.tell_rest(now, peer, picker.geometry(), out);
            } else {
                self.judge(now, peer);
                self.tell_more(now, peer, picker, out);
                self.tell_rarest(now, peer, picker, out);
            }
        }
        self.sample = (self.sample + SAMPLE) % picker.geometry().piece_count();
        if self.peers.is_empty() {
            self.next = None;
        }
    }

    fn wake(&mut self, now: Instant) {
        if !self.peers.is_empty() {
            self.next.get_or_insert(now + LOOK);
        }
    }

    /// Notes if a peer does not get on.
    fn judge(&mut self, now: Instant, peer: &Peer) {
        let Some(told) = self.peers.get_mut(&peer.key) else { return };
        // Nobody gets on who waits for a slot of ours.
        let waits = peer.is_interested() && !peer.serving.slot.is_held();
        let sent = peer.serving.meter.total();
        if waits || sent > told.sent {
            (told.since, told.sent) = (now, sent);
        }
        if now < told.since + told.patience {
            return;
        }
        told.since = now;
        told.patience = (told.patience / 2).max(LEAST_PATIENCE);
        if told.open.is_empty() {
            told.is_on_its_own = true;
        } else if !peer.is_interested() {
            // It has them, in part from others, and tells nobody who has them, too; or it does not want them.
            let open = std::mem::take(&mut told.open);
            told.fetched += open.len();
            for (piece, _) in open.into_iter().filter(|(piece, _)| told.proof != Some(*piece)) {
                if self.holders.get(&piece) == Some(&peer.key) {
                    self.holders.remove(&piece);
                }
            }
        } else {
            // It is told of no more, and others get what it does not fetch.
            let open = told.pieces().collect();
            self.give_up(open);
        }
    }

    /// Nobody waits for these pieces any more.
    fn give_up(&mut self, pieces: Vec<PieceIndex>) {
        for piece in pieces {
            if let Some(of) = self.holders.remove(&piece)
                && let Some(told) = self.peers.get_mut(&of).filter(|told| told.proof == Some(piece))
            {
                told.proof = None;
            }
            if self.left.len() < MAX_LEFT {
                self.left.push_back(piece);
            }
        }
    }

    /// Finds some of the pieces that all peers who had them took away.
    fn find_lost(&mut self, picker: &Picker) {
        let room = FEW_LEFT.saturating_sub(self.left.len());
        if self.is_over || room == 0 || self.fresh.taken < picker.geometry().piece_count() {
            return;
        }
        let lost = self.sample(picker.geometry(), LOST_SAMPLE);
        let lost = lost.filter(|piece| is_free(*piece, picker, &self.holders));
        let lost: Vec<_> = lost.filter(|piece| !self.left.contains(piece)).take(room).collect();
        self.left.extend(lost);
    }

    fn sample<'a>(
        &self,
        geometry: &'a Geometry,
        size: u32,
    ) -> impl Iterator<Item = PieceIndex> + use<'a> {
        let (first, count) = (self.sample, geometry.piece_count());
        (0..size.min(count)).filter_map(move |at| geometry.piece((first + at) % count))
    }

    /// Tells a peer of pieces that nobody has, as many as it is to know.
    fn tell_more(&mut self, now: Instant, peer: &mut Peer, picker: &Picker, out: &mut Outbox) {
        let is_alone = self.peers.len() == 1;
        while !self.is_over && self.has_room(peer.key, is_alone) {
            let Some(piece) = self.next_fresh(picker) else { return };
            self.tell(now, peer, out, piece);
        }
    }

    /// Returns true if a peer may be told of one more piece.
    fn has_room(&self, peer: PeerKey, is_alone: bool) -> bool {
        self.peers.get(&peer).is_some_and(|told| {
            if is_alone || told.is_on_its_own {
                // One that fetches nothing takes nothing from others.
                told.open.len() < WINDOW.min(told.fetched + 1)
            } else {
                told.open.is_empty() && told.proof.is_none()
            }
        })
    }

    fn next_fresh(&mut self, picker: &Picker) -> Option<PieceIndex> {
        let holders = &self.holders;
        let is_free = |piece: &PieceIndex| is_free(*piece, picker, holders);
        while let Some(piece) = self.left.pop_front() {
            if is_free(&piece) {
                return Some(piece);
            }
        }
        std::iter::from_fn(|| self.fresh.next(picker.geometry())).find(is_free)
    }

    /// Tells a peer that is on its own of pieces that others have, the rarest of some.
    fn tell_rarest(&mut self, now: Instant, peer: &mut Peer, picker: &Picker, out: &mut Outbox) {
        let is_on_its_own = |told: &Told| told.is_on_its_own;
        let is_alone = self.peers.len() == 1;
        if !is_alone && !self.peers.get(&peer.key).is_some_and(is_on_its_own)
            || !self.has_room(peer.key, is_alone)
        {
            return;
        }
        let lacks = |piece: &PieceIndex| {
            let has = |side| peer.session.pieces(side).is_none_or(|has| has.contains(*piece));
            !has(Side::Peer) && !has(Side::Us)
        };
        let sample = self.sample(picker.geometry(), SAMPLE).filter(lacks);
        let mut pieces: Vec<_> = sample.take(4 * WINDOW).collect();
        pieces.sort_by_key(|piece| picker.peers_with(*piece));
        for piece in pieces {
            if !self.has_room(peer.key, is_alone) {
                return;
            }
            self.tell(now, peer, out, piece);
        }
    }

    fn tell(&mut self, now: Instant, peer: &mut Peer, out: &mut Outbox, piece: PieceIndex) {
        let Some(told) = self.peers.get_mut(&peer.key) else { return };
        // A peer on its own shows the last one.
        if let Some(before) = told.proof.take()
            && !told.pieces().any(|open| open == before)
        {
            self.holders.remove(&before);
        }
        self.holders.entry(piece).or_insert_with(|| {
            told.proof = Some(piece);
            peer.key
        });
        told.open.push((piece, 0));
        told.since = now;
        // One that was given up for it before knows of it.
        if !peer.session.pieces(Side::Us).is_some_and(|told| told.contains(piece)) {
            out.send(now, peer, Message::Have(piece.get()));
        }
    }

    /// After the end: tells a peer of some pieces that it lacks.
    fn tell_rest(&mut self, now: Instant, peer: &mut Peer, geometry: &Geometry, out: &mut Outbox) {
        let Some(told) = self.peers.get_mut(&peer.key) else { return };
        let lacks = |piece: &PieceIndex| {
            let has = |side| peer.session.pieces(side).is_some_and(|has| has.contains(*piece));
            !has(Side::Peer) && !has(Side::Us)
        };
        let end = (told.rest + SAMPLE).min(geometry.piece_count());
        let pieces: Vec<_> = (told.rest..end)
            .filter_map(|at| geometry.piece(at))
            .filter(lacks)
            .take(PORTION)
            .collect();
        // The sample is through, unless the portion ended before.
        told.rest = if pieces.len() < PORTION { end } else { pieces[PORTION - 1].get() + 1 };
        if told.rest == geometry.piece_count() {
            self.peers.remove(&peer.key);
        }
        for piece in pieces {
            out.send(now, peer, Message::Have(piece.get()));
        }
    }

    pub(crate) fn check_invariants(&self, peers: &Peers) {
        for (piece, of) in &self.holders {
            let told = self.peers.get(of).expect("who has left holds nothing");
            assert!(told.proof == Some(*piece) || told.pieces().any(|open| open == *piece));
        }
        for (key, told) in &self.peers {
            let peer = peers.get(*key).expect("who has left is told of nothing");
            let has = |piece: &PieceIndex| {
                peer.session.pieces(Side::Us).is_some_and(|pieces| pieces.contains(*piece))
            };
            assert!(told.pieces().all(|piece| has(&piece)), "it was told of what it is to fetch");
            assert!(told.open.len() <= WINDOW);
            assert!(told.proof.is_none_or(|piece| self.holders.get(&piece) == Some(key)));
        }
        assert!(self.left.len() <= MAX_LEFT);
        assert_eq!(self.next.is_some(), !self.peers.is_empty());
    }
}

/// Returns true if nobody has a piece or is about to fetch it.
fn is_free(piece: PieceIndex, picker: &Picker, holders: &BTreeMap<PieceIndex, PeerKey>) -> bool {
    picker.peers_with(piece) == 0 && !holders.contains_key(&piece)
}

impl Told {
    fn pieces(&self) -> impl Iterator<Item = PieceIndex> {
        self.open.iter().map(|(piece, _)| *piece)
    }
}

impl Fresh {
    fn next(&mut self, geometry: &Geometry) -> Option<PieceIndex> {
        let count = geometry.piece_count();
        if self.taken == count {
            return None;
        }
        let at = (self.first % count + self.taken) % count;
        self.taken += 1;
        geometry.piece(at)
    }
}
