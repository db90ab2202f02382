//! The laws of memory and of proportion, in figures.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use tinytorrent_sim::{Cause, Watch};
use tinytorrent_types::Geometry;

use crate::account;
use crate::attack::LARGEST_METADATA;
use crate::crowd::Crowd;

/// The choices of the user that bound an engine.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) geometry: Geometry,
    /// Connections at most.
    pub(crate) places: u64,
    /// The largest metadata to accept, if it is to be fetched.
    pub(crate) metadata: Option<u64>,
}

// --- memory ------------------------------------------------------------------------------------

/// Bytes of an engine to which nothing has been said.
const FIXED: u64 = 64 << 10;

/// Bytes of each piece: its place in the order of rarity, the availability and the piece at that place (12),
/// the number of its download (4), three bits, and the order once more while that of many changes (4).
const PIECE: u64 = 21;

/// Bytes of a piece under way, and of each of its blocks.
const UNDER_WAY: u64 = 192;
const BLOCK: u64 = 16;

/// Pieces under way at most, as far as a crowd comes.
const MOST_UNDER_WAY: u64 = 4_096;

/// Bytes of an address that may be a peer: an entry of the book, one of its queue and one of the count by
/// network, in trees that are half full at worst.
const ADDRESS: u64 = 512;

/// Addresses at most.
const ADDRESSES: u64 = 4_000;

/// Bytes that are kept of those who came and went, whatever their number: the last 1,000 that left (64 KiB),
/// 2,048 reminders (48 KiB), 4,096 pieces that were given back (16 KiB), and as many turns, bans and blocks of
/// wrong pieces as a crowd comes to (192 KiB of 360 KiB, 1 MiB and 3 MiB).
const PAST: u64 = 320 << 10;

/// Bytes of a connection, beside its bitfields: 4,000 requests of the peer and 1,000 of ours with room to
/// grow (64 KiB, 16 KiB), 64 names of extensions (6 KiB), allowed-fast pieces and requests for hashes (14 KiB).
const CONNECTION: u64 = 100 << 10;

/// The same as long as the metadata is not known: 16,384 announcements of single pieces with room to grow
/// (256 KiB), and a bitfield of which nobody can say whether its length is right (256 KiB here; the client counts
/// it in its budget).
const CONNECTION_OF_LINK: u64 = CONNECTION + (512 << 10);

impl Terms {
    pub(crate) fn of(crowd: &Crowd) -> Self {
        Self {
            geometry: crowd.geometry.clone(),
            places: crowd.places as u64,
            metadata: crowd.is_link.then_some(LARGEST_METADATA.into()),
        }
    }

    /// Most bytes that an engine may hold at any instant, of which so many peers have shaken hands.
    ///
    /// There is a term for each thing that the user chose: the torrent, the number of connections, the size
    /// of metadata. Nothing that others say, and no number of times that they say it, makes it more. A
    /// connection has two bitfields, and a third while one is read. Metadata has a budget of twice
    /// its largest size, and what is complete is put together beside that.
    pub(crate) fn most_held(&self, peers: u64) -> u64 {
        let connection = self.metadata.map_or(CONNECTION, |_| CONNECTION_OF_LINK);
        let bitfields = 3 * self.pieces() / 8;
        self.most_left(ADDRESSES)
            + (connection + bitfields) * self.places.min(peers)
            + 3 * self.metadata.unwrap_or_default()
    }

    /// Most bytes that an engine may hold once all connections are gone, while it knows so many addresses.
    pub(crate) fn most_left(&self, known: u64) -> u64 {
        let blocks = u64::from(self.geometry.nominal_piece_length()).div_ceil(1 << 14);
        let under_way = self.pieces().min(MOST_UNDER_WAY) * (UNDER_WAY + BLOCK * blocks);
        FIXED + PIECE * self.pieces() + under_way + ADDRESS * known + PAST
    }

    fn pieces(&self) -> u64 {
        self.geometry.piece_count().into()
    }
}

// --- proportion --------------------------------------------------------------------------------

/// Steps for anything that comes.
const EACH: u64 = 2_000;

/// Steps for each byte of a message.
const BYTE: u64 = 20;

/// Steps for each byte of a bitfield: eight pieces, each of which changes its place in the order of rarity, and
/// changes it back when the peer leaves.
const BYTE_OF_BITFIELD: u64 = 400;

/// Steps for each place, where a choice is made among all connections.
const CROWD: u64 = 250;

/// Steps a second for each place: rounds, deadlines, and addresses that wait for a place.
const SECOND: u64 = 4_000;

/// Steps for what comes rarely: the end game looks at the requests to all peers for each that is idle.
const SPARE: u64 = 4_000_000;

/// Bytes to allocate that are as dear as a step.
const BYTES_A_STEP: u64 = 16;

impl Terms {
    /// Steps that an engine may take for something that has come: in proportion to it, and to the number
    /// of connections, but not to the torrent.
    pub(crate) fn credit(&self, cause: Cause) -> u64 {
        match cause {
            Cause::Connection => EACH + CROWD * self.places,
            // Both sides have a bitfield, of which ours is sent. The first search for something to request
            // may look at all words of that of the peer.
            Cause::Handshake => EACH + CROWD * self.places + self.pieces() / 2,
            Cause::Message(bytes) => EACH + BYTE * bytes as u64,
            Cause::Bitfield(bytes) => EACH + BYTE_OF_BITFIELD * bytes as u64,
            Cause::Addresses(count) => EACH + CROWD * count as u64,
            Cause::Told => EACH,
            // Time has a credit of its own, and what is handed out has a cause that came before. The
            // content is what the user chose, comes once, and is not counted.
            Cause::Time | Cause::Drained | Cause::Learned(_) => 0,
        }
    }
}

/// The account of the work of an engine, which is measured while others look at it.
#[derive(Debug, Clone)]
pub(crate) struct Ledger(Rc<RefCell<Work>>);

/// The work of an engine, in steps: edges of its control flow where they are counted, and what it allocates.
#[derive(Debug)]
struct Work {
    terms: Terms,
    now: Option<Instant>,
    cause: Cause,
    /// The count before the work that is under way.
    before: u64,
    /// The steps that all may have come to.
    credit: u64,
    spent: u64,
    percent: u64,
    breach: Option<String>,
    peers: u64,
}

impl Ledger {
    pub(crate) fn new(terms: Terms) -> Self {
        account::reset();
        let (now, cause, before) = (None, Cause::Told, 0);
        let (credit, spent, percent, breach, peers) = (SPARE, 0, 0, None, 0);
        let work = Work { terms, now, cause, before, credit, spent, percent, breach, peers };
        Self(Rc::new(RefCell::new(work)))
    }

    /// The largest part of the credit that was spent at any time, in percent.
    pub(crate) fn percent(&self) -> u64 {
        self.0.borrow().percent
    }

    /// Peers that have shaken hands.
    pub(crate) fn peers(&self) -> u64 {
        self.0.borrow().peers
    }

    /// The work for which there was no credit.
    pub(crate) fn breach(&self) -> Option<String> {
        self.0.borrow().breach.clone()
    }
}

impl Watch for Ledger {
    fn begin(&mut self, now: Instant, cause: Cause) {
        self.0.borrow_mut().begin(now, cause);
        account::set_at_work(true);
    }

    fn end(&mut self) {
        account::set_at_work(false);
        self.0.borrow_mut().end();
    }
}

impl Work {
    fn begin(&mut self, now: Instant, cause: Cause) {
        let time = now - self.now.replace(now).unwrap_or(now);
        let by_time = SECOND * self.terms.places * time.as_micros() as u64 / 1_000_000;
        self.credit += self.terms.credit(cause) + by_time;
        self.peers += u64::from(cause == Cause::Handshake);
        (self.cause, self.before) = (cause, count());
    }

    fn end(&mut self) {
        let steps = count() - self.before;
        if !matches!(self.cause, Cause::Learned(_)) {
            self.spent += steps;
        }
        self.percent = self.percent.max(100 * self.spent / self.credit);
        if self.spent > self.credit && self.breach.is_none() {
            let Self { cause, spent, credit, .. } = self;
            self.breach = Some(format!("{cause:?} took {steps} steps: {spent} of {credit}"));
        }
    }
}

fn count() -> u64 {
    account::steps() + account::allocated() / BYTES_A_STEP
}
