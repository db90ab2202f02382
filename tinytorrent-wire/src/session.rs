//! The rules of a conversation between two peers, applied to each message.

use tinytorrent_types::Geometry;

use crate::extension::ExtendedHandshake;
use crate::{Feature, Message, PieceHeader, Request, Reserved};

mod announced;
mod config;
mod greeting;
mod half;
mod judge;
mod pieces;
mod requests;
mod rule;
mod verdict;

use announced::Removed;
pub use config::SessionConfig;
pub use greeting::{GreetingError, check_greeting};
use half::Half;
pub use pieces::Pieces;
use requests::State;
pub use rule::{Rule, Violation};
pub use verdict::{Ignored, Refusal, Side, Verdict};

/// The state of a conversation after its handshakes, and the judge of its messages: choking, interest,
/// pieces, and requests without an answer.
///
/// Both directions go through it: [`handle_received`](Self::handle_received) for messages of the peer,
/// [`handle_sent`](Self::handle_sent) for ours. Both are judged by the same rules. A client acts on the
/// verdicts, a test tool reports violations, and a proxy may do either. The session knows no time:
/// keep-alives and timeouts are the caller's.
///
/// ```
/// use tinytorrent_types::Geometry;
/// use tinytorrent_wire::session::{SessionConfig, Refusal, Session, Verdict};
/// use tinytorrent_wire::{Feature, Message, Request, Reserved};
///
/// let ours = Reserved::from([Feature::Extended, Feature::Fast]);
/// let theirs = ours; // as their handshake said
/// let mut session = Session::new(ours, theirs, SessionConfig::lenient());
/// session.learn_geometry(Geometry::new(100_000, 32_768)?)?;
///
/// // 1. Each message that we send is passed in.
/// session.handle_sent(&Message::HaveAll)?;
///
/// // 2. Each received message is judged before it has an effect.
/// session.handle_received(&Message::HaveNone)?;
/// let request = Request { index: 0, begin: 0, length: 16_384 };
/// let verdict = session.handle_received(&Message::Request(request))?;
/// assert_eq!(verdict, Verdict::Refuse(Refusal::Choked));
///
/// // 3. A refused request still needs an answer.
/// session.handle_sent(&Message::Reject(request))?;
/// assert_eq!(session.peer_requests().count(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Session {
    features: Reserved,
    config: SessionConfig,
    geometry: Option<Geometry>,
    ours: Half,
    theirs: Half,
    /// Length of the peer's request queue, `reqq`.
    peer_request_queue: usize,
}

impl Session {
    /// A conversation after handshakes with these bits. The features that both have set are agreed upon.
    pub fn new(ours: Reserved, theirs: Reserved, config: SessionConfig) -> Self {
        Self {
            features: ours.intersection(theirs),
            config,
            geometry: None,
            ours: Half::default(),
            theirs: Half::default(),
            peer_request_queue: DEFAULT_REQUEST_QUEUE,
        }
    }

    /// Features that both sides have.
    pub fn features(&self) -> Reserved {
        self.features
    }

    /// Takes in the geometry, once the metadata is known, and checks the earlier statements about pieces.
    ///
    /// # Errors
    /// A bitfield has another length, or a `have` names a piece that does not exist. Spare bits pass when
    /// lenient.
    pub fn learn_geometry(&mut self, geometry: Geometry) -> Result<(), Violation> {
        let geometry = self.geometry.insert(geometry);
        for (from, half) in [(Side::Us, &mut self.ours), (Side::Peer, &mut self.theirs)] {
            if let Err((message, rule)) = half.announced.learn(geometry)
                && (self.config.is_strict || rule.is_always_fatal())
            {
                return Err(Violation { from, message, rule });
            }
        }
        Ok(())
    }

    /// Number of further requests for hashes that we may send before one is answered.
    pub fn hash_request_room(&self) -> usize {
        half::MAX_HASH_REQUESTS.saturating_sub(self.ours.hash_requests.len())
    }

    /// Returns true if the two sides may speak of hashes (BEP 52).
    pub fn speaks_v2(&self) -> bool {
        self.config.is_by_v2_hash || self.features.contains(Feature::V2)
    }

    /// The geometry, once the metadata is known.
    pub fn geometry(&self) -> Option<&Geometry> {
        self.geometry.as_ref()
    }

    /// Takes over the length of the peer's request queue from its extended handshake.
    pub fn handle_extended_handshake(&mut self, handshake: &ExtendedHandshake) {
        if let Some(count) = handshake.request_queue {
            // A queue of length 0 would make the peer useless, and is a mistake of its client.
            self.peer_request_queue = (count as usize).max(1);
        }
    }

    /// Judges a received message and takes it in.
    ///
    /// # Errors
    /// The message breaks a rule: close the connection.
    pub fn handle_received(&mut self, message: &Message) -> Result<Verdict, Violation> {
        self.judge(Side::Peer, message)
    }

    /// Judges a message of ours and takes it in.
    ///
    /// # Errors
    /// The message breaks a rule: do not send it. It has no effect on the session, except that a request
    /// may stay without an answer.
    pub fn handle_sent(&mut self, message: &Message) -> Result<Verdict, Violation> {
        self.judge(Side::Us, message)
    }

    /// Judges the header of a received block, whose data stays with the caller.
    ///
    /// # Errors
    /// As [`handle_received`](Self::handle_received).
    pub fn handle_received_block(&mut self, block: PieceHeader) -> Result<Verdict, Violation> {
        self.judge_block(Side::Peer, block)
    }

    /// Judges the header of a block of ours and takes it in.
    ///
    /// # Errors
    /// As [`handle_sent`](Self::handle_sent).
    pub fn handle_sent_block(&mut self, block: PieceHeader) -> Result<Verdict, Violation> {
        self.judge_block(Side::Us, block)
    }

    /// Takes in a `lt_donthave` of this side (BEP 54). Without the fast extension, requests for the piece are
    /// void. With it, each is to be rejected.
    pub fn handle_dont_have(&mut self, from: Side, index: u32) -> Verdict {
        let is_fast = self.features.contains(Feature::Fast);
        let (own, other, geometry) = self.parts(from);
        match own.announced.dont_have(index, geometry) {
            Removed::NoSuchPiece => Verdict::Ignore(Ignored::NoSuchPiece),
            Removed::Missing => Verdict::Ignore(Ignored::Known),
            Removed::Gone if is_fast => Verdict::Legal,
            Removed::Gone => judge::void(other.requests.void(Some(index))),
        }
    }

    /// Begins to answer the oldest open request of the peer. From now on neither a choke nor a cancel
    /// withdraws it, and it stays until its block or its reject is sent.
    pub fn begin_answer(&mut self) -> Option<Request> {
        self.theirs.requests.begin()
    }

    /// Gives up an answer that has begun. With the fast extension a reject is due now; without it there is
    /// no word for that, and the request is forgotten.
    pub fn drop_answer(&mut self, request: Request) {
        self.theirs.requests.give_up(request, self.features.contains(Feature::Fast));
    }

    /// Requests of the peer whose answer has begun.
    pub fn begun_answers(&self) -> &[Request] {
        self.theirs.requests.begun()
    }

    /// The oldest open request of the peer whose answer has not begun.
    pub fn next_request(&self) -> Option<Request> {
        self.theirs.requests.open().next()
    }

    /// Returns true if this side chokes the other.
    pub fn is_choking(&self, side: Side) -> bool {
        self.half(side).is_choking
    }

    /// Returns true if this side is interested in pieces of the other.
    pub fn is_interested(&self, side: Side) -> bool {
        self.half(side).is_interested
    }

    /// The pieces that this side announced; `None` until the metadata is known.
    pub fn pieces(&self, side: Side) -> Option<&Pieces> {
        self.half(side).announced.pieces()
    }

    /// Returns true if this side announced any piece, even before the metadata is known.
    pub fn has_any(&self, side: Side) -> bool {
        self.half(side).announced.has_any()
    }

    /// Returns true if this side sent `have all` before the metadata was known.
    pub fn has_stated_all(&self, side: Side) -> bool {
        self.half(side).announced.has_stated_all()
    }

    /// Returns true once this side has sent `bitfield`, `have all` or `have none`.
    pub fn has_stated_pieces(&self, side: Side) -> bool {
        self.half(side).announced.is_stated
    }

    /// Pieces that this side serves while it chokes the other (BEP 6).
    pub fn allowed_fast(&self, side: Side) -> impl Iterator<Item = u32> + '_ {
        self.half(side).allowed_fast.iter().map(|&(index, _)| index)
    }

    /// Requests of the peer that we have yet to answer.
    pub fn peer_requests(&self) -> impl Iterator<Item = Request> + '_ {
        self.theirs.requests.iter()
    }

    /// Requests of the peer whose answer has not begun, oldest first.
    pub fn waiting_requests(&self) -> impl Iterator<Item = Request> + '_ {
        self.theirs.requests.waiting().map(|(request, _)| request)
    }

    /// Requests of ours that the peer has yet to answer, cancelled ones included; oldest first.
    pub fn our_requests(&self) -> impl Iterator<Item = Request> + '_ {
        self.ours.requests.iter()
    }

    /// Requests of ours that were not cancelled, oldest first.
    pub fn open_requests(&self) -> impl DoubleEndedIterator<Item = Request> + '_ {
        self.ours.requests.open()
    }

    /// Number of [`open_requests`](Self::open_requests).
    pub fn open_request_count(&self) -> usize {
        self.ours.requests.open_count()
    }

    /// Number of further requests that the peer takes: its `reqq`, 250 by default (BEP 10), less those
    /// without an answer.
    pub fn request_room(&self) -> usize {
        // A later handshake may have lowered `reqq` below the number in flight.
        self.peer_request_queue.saturating_sub(self.ours.requests.len())
    }

    /// Requests of the peer to answer with a reject after our choke (BEP 6): those that were refused or
    /// cancelled, and all others whose answer has not begun, except for allowed-fast pieces.
    pub fn requests_to_reject(&self) -> impl Iterator<Item = Request> + '_ {
        let is_fast = self.features.contains(Feature::Fast);
        // Pieces that are allowed fast are served in spite of the choke (BEP 6, W-34).
        let is_lost = move |&(request, state): &(Request, State)| {
            is_fast
                && (state != State::Open
                    || self.ours.is_choking && !self.ours.allows_fast(request.index))
        };
        self.theirs.requests.waiting().filter(is_lost).map(|(request, _)| request)
    }

    /// Returns true if we may request blocks of this piece now.
    pub fn may_request(&self, index: u32) -> bool {
        let is_fast = self.theirs.allows_fast(index);
        let is_there = self.pieces(Side::Peer).is_some_and(|pieces| pieces.get(index));
        is_there && self.request_room() > 0 && (!self.theirs.is_choking || is_fast)
    }

    fn half(&self, side: Side) -> &Half {
        match side {
            Side::Us => &self.ours,
            Side::Peer => &self.theirs,
        }
    }

    /// The half of the sender, and that of the receiver.
    fn halves(&mut self, from: Side) -> (&mut Half, &mut Half) {
        let (own, other, _) = self.parts(from);
        (own, other)
    }

    /// The same, and the geometry if it is known.
    fn parts(&mut self, from: Side) -> (&mut Half, &mut Half, Option<&Geometry>) {
        let geometry = self.geometry.as_ref();
        match from {
            Side::Us => (&mut self.ours, &mut self.theirs, geometry),
            Side::Peer => (&mut self.theirs, &mut self.ours, geometry),
        }
    }
}

/// BEP 10, `reqq`: "The default in in libtorrent is 250."
const DEFAULT_REQUEST_QUEUE: usize = 250;
