//! The laws of one conversation, as it is at the end of one peer.
//!
//! They are written anew, and not taken from the rulebook that the engine itself asks: what that misses shows here.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tinytorrent_types::BlockInfo;
use tinytorrent_wire::extension::ExtendedHandshake;
use tinytorrent_wire::{HashRequest, Message, PieceHeader, Request};

use super::Law;
use super::engine::{Verdict, demand};

/// Requests under way to a peer that says nothing of its queue (BEP 10; libtorrent's default).
const REQUEST_QUEUE: usize = 250;

/// A request is answered within this time, however long the line for the uplink is.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Conversation {
    /// The peer keeps to the rules, so that all it says can be held against us.
    is_peer_honest: bool,
    ours: Half,
    theirs: Half,
    /// The length of the peer's request queue.
    queue: usize,
    /// Our requests without an answer: how often each was made, and whether it is open, or all are cancelled.
    asked: HashMap<Asked, (u32, bool)>,
    /// Those of the peer that have no answer.
    owed: HashMap<Asked, Owed>,
    /// Its requests for hashes without an answer (BEP 52).
    hashes: Vec<(HashRequest, Instant)>,
    /// Those that have to be answered before the turn of the engine ends, but for so many.
    due: Vec<(Asked, u32)>,
}

/// The things that one side has said.
#[derive(Debug)]
struct Half {
    is_choking: bool,
    is_interested: bool,
    /// It has told its pieces, as the first thing (BEP 6).
    has_stated: bool,
    has_all: bool,
    pieces: HashSet<u32>,
    allowed: HashSet<u32>,
}

/// A request of the peer.
#[derive(Debug)]
struct Owed {
    /// The times that it was made and is not answered.
    count: u32,
    /// Those of them that the driver has been told to serve.
    begun: u32,
    since: Instant,
}

impl Owed {
    /// The times that it can be rejected.
    fn waiting(&self) -> u32 {
        self.count.saturating_sub(self.begun)
    }
}

/// A block by piece, offset and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Asked(u32, u32, u32);

impl From<Request> for Asked {
    fn from(request: Request) -> Self {
        Self(request.index, request.begin, request.length)
    }
}

impl From<BlockInfo> for Asked {
    fn from(block: BlockInfo) -> Self {
        Self(block.piece().get(), block.begin(), block.length())
    }
}

impl From<PieceHeader> for Asked {
    fn from(header: PieceHeader) -> Self {
        Self(header.index, header.begin, header.length)
    }
}

impl Half {
    fn new() -> Self {
        Self {
            is_choking: true,
            is_interested: false,
            has_stated: false,
            has_all: false,
            pieces: HashSet::new(),
            allowed: HashSet::new(),
        }
    }

    fn has(&self, piece: u32) -> bool {
        self.has_all || self.pieces.contains(&piece)
    }

    /// Takes in a statement.
    fn note(&mut self, message: &Message) {
        match message {
            Message::Choke => self.is_choking = true,
            Message::Unchoke => self.is_choking = false,
            Message::Interested => self.is_interested = true,
            Message::NotInterested => self.is_interested = false,
            Message::Have(index) => _ = self.pieces.insert(*index),
            Message::HaveAll => (self.has_all, self.has_stated) = (true, true),
            Message::HaveNone => self.has_stated = true,
            Message::Bitfield(bits) => {
                let bit = |n: &usize| bits[n / 8] & (0x80 >> (n % 8)) != 0;
                self.pieces.extend((0..8 * bits.len()).filter(bit).map(|n| n as u32));
                self.has_stated = true;
            }
            Message::AllowedFast(index) => _ = self.allowed.insert(*index),
            _ => {}
        }
    }
}

impl Conversation {
    pub(super) fn new(is_peer_honest: bool) -> Self {
        Self {
            is_peer_honest,
            ours: Half::new(),
            theirs: Half::new(),
            queue: REQUEST_QUEUE,
            asked: HashMap::new(),
            owed: HashMap::new(),
            hashes: Vec::new(),
            due: Vec::new(),
        }
    }

    /// The turn of the engine has ended.
    pub(super) fn end_turn(&mut self) -> Verdict {
        let due = std::mem::take(&mut self.due);
        let waiting = |asked: &Asked| self.owed.get(asked).map_or(0, Owed::waiting);
        let late = due.into_iter().find(|(asked, most)| waiting(asked) > *most);
        match late.filter(|_| self.is_peer_honest) {
            Some((late, _)) => Err((Law::Answers, format!("neither serves nor rejects {late:?}"))),
            None => Ok(()),
        }
    }

    /// The driver is told to serve a block.
    pub(super) fn on_serve(&mut self, block: Asked) -> Verdict {
        let owed = self.owed.get_mut(&block).filter(|owed| owed.waiting() > 0);
        let is_owed = owed.map(|owed| owed.begun += 1).is_some();
        demand(is_owed || !self.is_peer_honest, Law::Answers, || {
            format!("serves {block:?}, which nobody waits for")
        })
    }

    /// A block could not be read.
    pub(super) fn on_unread(&mut self, block: Asked) {
        if let Some(owed) = self.owed.get_mut(&block) {
            let waiting = owed.waiting();
            owed.begun = owed.begun.saturating_sub(1);
            self.due.push((block, waiting));
        }
    }

    /// An answer that is due for too long.
    pub(super) fn debt(&self, now: Instant) -> Option<String> {
        let is_late = |since: Instant| now.saturating_duration_since(since) > PATIENCE;
        let block = self.owed.iter().find(|(_, owed)| is_late(owed.since));
        let hashes = self.hashes.iter().find(|(_, since)| is_late(*since));
        let late = block.map(|(asked, _)| format!("{asked:?}"));
        let late = late.or(hashes.map(|(request, _)| format!("{request:?}")));
        late.filter(|_| self.is_peer_honest).map(|late| format!("never answers {late}"))
    }

    pub(super) fn on_received(&mut self, now: Instant, message: &Message) {
        self.theirs.note(message);
        match message {
            Message::Request(request) => {
                let owed = Owed { count: 0, begun: 0, since: now };
                self.owed.entry((*request).into()).or_insert(owed).count += 1;
            }
            Message::Cancel(request) => {
                let asked = (*request).into();
                let waiting = self.owed.get(&asked).map_or(0, Owed::waiting);
                if waiting > 0 {
                    self.due.push((asked, waiting - 1));
                }
            }
            Message::Reject(request) => self.on_answer((*request).into(), false),
            Message::HashRequest(request) => self.hashes.push((*request, now)),
            Message::Extended(extended) if extended.id == 0 => {
                let handshake = ExtendedHandshake::parse(&extended.payload).ok();
                if let Some(queue) = handshake.and_then(|handshake| handshake.request_queue) {
                    self.queue = queue as usize;
                }
            }
            _ => {}
        }
    }

    pub(super) fn on_block(&mut self, block: Asked) {
        self.on_answer(block, true);
    }

    fn on_answer(&mut self, block: Asked, is_block: bool) {
        if let Some((count, is_open)) = self.asked.get_mut(&block) {
            *count -= 1;
            // A reject is for one that was cancelled, if there is any.
            *is_open &= !is_block && *count > 0;
            if *count == 0 {
                self.asked.remove(&block);
            }
        }
    }

    pub(super) fn on_sent_block(&mut self, block: Asked) -> Verdict {
        if let Some(owed) = self.owed.get_mut(&block) {
            owed.begun = owed.begun.saturating_sub(1);
        }
        self.answer(block, "sends")
    }

    fn answer(&mut self, block: Asked, does: &str) -> Verdict {
        let is_owed = match self.owed.get_mut(&block) {
            Some(owed) => {
                owed.count -= 1;
                if owed.count == 0 {
                    self.owed.remove(&block);
                }
                true
            }
            None => !self.is_peer_honest,
        };
        demand(is_owed, Law::Answers, || format!("{does} {block:?}, which nobody waits for"))
    }

    pub(super) fn on_send(&mut self, message: &Message) -> Verdict {
        let words = |holds, what: &str| demand(holds, Law::Words, || what.into());
        let ours = &self.ours;
        match message {
            Message::Choke => {
                words(!ours.is_choking, "chokes twice")?;
                let is_due = |(asked, owed): &(&Asked, &Owed)| {
                    owed.waiting() > 0 && !ours.allowed.contains(&asked.0)
                };
                self.due.extend(self.owed.iter().filter(is_due).map(|(asked, _)| (*asked, 0)));
            }
            Message::Unchoke => words(ours.is_choking, "unchokes twice")?,
            Message::Interested => words(!ours.is_interested, "is interested twice")?,
            Message::NotInterested => words(ours.is_interested, "loses no interest twice")?,
            Message::Bitfield(_) | Message::HaveAll | Message::HaveNone => {
                words(!ours.has_stated, "states its pieces twice")?;
            }
            Message::Have(index) => {
                words(ours.has_stated, "tells of a piece before it states all")?;
                words(!ours.has(*index), "tells of a piece twice")
                    .map_err(|(law, what)| (law, format!("{what}: {index}")))?;
            }
            Message::Request(request) => self.on_request(*request)?,
            Message::Cancel(request) => {
                let asked = self.asked.get_mut(&(*request).into());
                let is_open = asked.is_some_and(|(_, is_open)| std::mem::take(is_open));
                words(is_open, "cancels what it has not asked for")?;
            }
            Message::Reject(request) => self.answer((*request).into(), "rejects")?,
            Message::HashReject(request) => self.answer_hashes(request)?,
            Message::Hashes(hashes) => self.answer_hashes(&hashes.request)?,
            _ => {}
        }
        self.ours.note(message);
        Ok(())
    }

    fn answer_hashes(&mut self, request: &HashRequest) -> Verdict {
        let at = self.hashes.iter().position(|(asked, _)| asked == request);
        at.map(|at| self.hashes.swap_remove(at));
        demand(at.is_some(), Law::Answers, || format!("answers {request:?}, which nobody asked"))
    }

    fn on_request(&mut self, request: Request) -> Verdict {
        let Request { index, begin, .. } = request;
        let words = |holds, why: &str| {
            demand(holds, Law::Words, || format!("asks for {begin} of piece {index}: {why}"))
        };
        let theirs = &self.theirs;
        words(theirs.has(index), "the peer does not have it")?;
        words(self.ours.is_interested, "it has not said to be interested")?;
        let is_served = !theirs.is_choking || theirs.allowed.contains(&index);
        words(is_served, "the peer chokes")?;
        let (count, is_open) = self.asked.entry(request.into()).or_default();
        *count += 1;
        let was_open = std::mem::replace(is_open, true);
        words(!was_open, "it was asked for and is not answered")?;
        let count = self.asked.len();
        demand(count <= self.queue, Law::Budgets, || {
            format!("{count} requests under way to a peer")
        })
    }
}
