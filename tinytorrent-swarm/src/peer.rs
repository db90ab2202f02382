//! One peer: what is known of it, and the state of the conversation with it.

mod contact;
mod credit;
mod depth;
mod exchange;
mod pace;
mod pipeline;
mod portions;
mod serving;
mod slot;
mod timing;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_types::{BlockInfo, PeerId};
use tinytorrent_wire::extension::TheirExtensions;
use tinytorrent_wire::session::{Pieces, Session, Side};
use tinytorrent_wire::{Feature, PieceHeader, Request};

pub(crate) use contact::Contact;
pub(crate) use credit::Credit;
pub(crate) use depth::Depth;
pub(crate) use exchange::Exchange;
pub(crate) use pace::Pace;
pub(crate) use pipeline::{Pipeline, SNUB};
pub(crate) use portions::Rations;
pub(crate) use serving::Serving;
pub(crate) use slot::{MAX_IDLE, Slot};
pub(crate) use timing::{MAX_SILENCE, Timing};

use crate::PeerKey;
use crate::roster::TwinProof;
use crate::tracker_exchange::TrackerTalk;

/// A connection whose handshakes are through.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) key: PeerKey,
    pub(crate) contact: Contact,
    pub(crate) id: PeerId,
    /// When the handshakes were through.
    pub(crate) joined: Instant,
    /// The rulebook and the store of the conversation: choking, interest, pieces, requests.
    pub(crate) session: Session,
    pub(crate) extensions: TheirExtensions,
    pub(crate) claims: Claims,
    /// Our requests to the peer.
    pub(crate) pipeline: Pipeline,
    /// Its requests to us.
    pub(crate) serving: Serving,
    /// Addresses of other peers told to each other, if both ends speak of them (BEP 11).
    pub(crate) exchange: Option<Exchange>,
    pub(crate) tracker_talk: TrackerTalk,
    pub(crate) timing: Timing,
    /// The proof that another connection is to the same peer.
    pub(crate) twin: TwinProof,
    /// Metadata and hashes that it had of us.
    pub(crate) rations: Rations,
}

/// What a peer says of itself in extended handshakes (BEP 10).
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// Its name and version, safe to print and short.
    pub(crate) client: Option<String>,
    /// It downloads nothing (BEP 21).
    pub(crate) is_upload_only: bool,
}

impl Peer {
    pub(crate) fn new(
        now: Instant,
        key: PeerKey,
        contact: Contact,
        id: PeerId,
        session: Session,
    ) -> Self {
        Self {
            key,
            contact,
            id,
            joined: now,
            session,
            extensions: TheirExtensions::default(),
            claims: Claims::default(),
            pipeline: Pipeline::new(now),
            serving: Serving::default(),
            exchange: None,
            tracker_talk: TrackerTalk::default(),
            timing: Timing::new(now),
            twin: TwinProof::default(),
            rations: Rations::new(now),
        }
    }

    /// Returns true if the peer has this id and is at the host of this address. The id alone is a
    /// claim that anybody can make.
    pub(crate) fn is(&self, id: PeerId, address: SocketAddr) -> bool {
        let host = |address: SocketAddr| address.ip().to_canonical();
        self.id == id && host(self.contact.address) == host(address)
    }

    /// The last time that payload moved, in either direction.
    pub(crate) fn used_at(&self) -> Option<Instant> {
        self.pipeline.gave_at().max(self.serving.sent_at())
    }

    /// Returns true if both ends speak the fast extension.
    pub(crate) fn is_fast(&self) -> bool {
        self.session.features().contains(Feature::Fast)
    }

    /// Returns true if both ends speak the extension protocol.
    pub(crate) fn is_extended(&self) -> bool {
        self.session.features().contains(Feature::Extended)
    }

    /// The pieces that the peer has, once the geometry is known.
    pub(crate) fn pieces(&self) -> Option<&Pieces> {
        self.session.pieces(Side::Peer)
    }

    /// Returns true if the peer has every piece, or said so before the geometry was known.
    pub(crate) fn is_seed(&self) -> bool {
        self.pieces().map_or_else(|| self.session.has_stated_all(Side::Peer), Pieces::is_full)
    }

    /// Returns true if we choke the peer.
    pub(crate) fn is_choked(&self) -> bool {
        self.session.is_choking(Side::Us)
    }

    /// Returns true if the peer is interested in pieces of ours.
    pub(crate) fn is_interested(&self) -> bool {
        self.session.is_interested(Side::Peer)
    }

    /// Returns true if the peer chokes us.
    pub(crate) fn chokes_us(&self) -> bool {
        self.session.is_choking(Side::Peer)
    }

    /// Returns true if we told the peer that we are interested.
    pub(crate) fn interests_us(&self) -> bool {
        self.session.is_interested(Side::Us)
    }

    /// The block that a message names, if there is such a block.
    pub(crate) fn block_of(&self, header: PieceHeader) -> Option<BlockInfo> {
        self.session.geometry()?.block(header.index, header.begin, header.length)
    }

    /// Requests in flight, oldest first.
    pub(crate) fn requested(&self) -> impl DoubleEndedIterator<Item = BlockInfo> + '_ {
        self.session.open_requests().filter_map(|request| self.block_of(request.into()))
    }

    /// Number of requests in flight.
    pub(crate) fn requested_count(&self) -> usize {
        self.session.open_request_count()
    }

    /// Number of requests without an answer: those in flight, and with the fast extension also those that were
    /// cancelled (BEP 6).
    fn unanswered_count(&self) -> usize {
        self.session.our_requests().count()
    }

    /// Returns true if the peer owes us blocks and has sent none for this time.
    pub(crate) fn is_silent_for(&self, now: Instant, time: Duration) -> bool {
        self.requested_count() > 0 && now >= self.pipeline.last_progress + time
    }

    /// Returns true if the peer has long read nothing of the blocks that it asked for.
    pub(crate) fn is_stuck(&self, now: Instant) -> bool {
        let is_served = !self.session.begun_answers().is_empty();
        is_served && self.serving.is_unread_for(now, serving::MAX_UNREAD)
    }

    /// Returns true if the peer has a slot of ours and makes no use of it: nothing of what it asked for
    /// is left, or it reads nothing of that.
    pub(crate) fn wastes_slot(&self, now: Instant) -> bool {
        let slot = &self.serving.slot;
        if !slot.is_held() {
            return false;
        }
        // What it asked for is on its way: whether it uses the slot shows by its reading.
        if self.session.begun_answers().is_empty() {
            self.session.next_request().is_none() && slot.is_idle(now)
        } else {
            self.serving.is_unread_for(now, pipeline::SNUB)
        }
    }

    /// The order in which peers are asked for blocks that several could give: those that have failed
    /// come last, before them those that were asked and have not given anything yet, and then those that
    /// may have sent wrong blocks.
    pub(crate) fn standing(&self) -> (bool, bool, bool) {
        // It may be one that takes requests and gives nothing.
        let is_untried = self.pipeline.pace.total() == 0 && self.requested_count() > 0;
        (self.pipeline.credit.is_failing(), is_untried, self.pipeline.is_on_parole)
    }

    /// Number of requests to have in flight. While somebody reads the content there are few, as what is
    /// needed next waits behind them.
    pub(crate) fn window(&mut self, now: Instant, max_requests: usize, is_read: bool) -> usize {
        // What fills the peer's queue counts, and what it was told to forget may still be in it.
        let in_flight = self.requested_count();
        // What the peer has yet to answer fills its queue, cancelled requests included.
        let most = (in_flight + self.session.request_room()).min(max_requests);
        if !is_read {
            return self.pipeline.window(now).min(most);
        }
        // What was cancelled may be sent all the same, before what is requested from now on. After a jump of a
        // reader that is all that was in flight, and an answer to it is not waited for.
        let withdrawn = self.unanswered_count() - in_flight;
        let depth = self.pipeline.depth.requests(now);
        let depth = depth.saturating_sub(withdrawn).max(depth.div_ceil(2));
        self.pipeline.window(now).min(most).min(depth)
    }

    /// Notes that a block is about to be requested.
    pub(crate) fn note_request(&mut self, now: Instant, block: BlockInfo) {
        let in_flight = self.session.open_request_count();
        self.pipeline.note_request(now, in_flight);
        self.pipeline.depth.note_request(now, block, in_flight);
    }

    /// Time that the requests in flight will take, as far as the past tells.
    pub(crate) fn drain_time(&mut self, now: Instant) -> Duration {
        self.pipeline.drain_time(now, self.session.open_request_count())
    }

    /// Time that one more request would take, behind those in flight.
    pub(crate) fn time_for_one_more(&self) -> Duration {
        self.pipeline.pace.time_at_best(self.session.open_request_count() + 1)
    }

    /// The same, for something that is needed soon: neither a peer that has given nothing yet counts as
    /// quick, nor one that has stopped to give.
    pub(crate) fn time_for_urgent(&self, now: Instant) -> Duration {
        if self.pipeline.pace.total() == 0 {
            return UNTRIED;
        }
        let silence = now.saturating_duration_since(self.pipeline.last_progress);
        let silence = if self.requested_count() > 0 { silence } else { Duration::ZERO };
        self.pipeline.pace.time_at_best(self.unanswered_count() + 1).max(silence)
    }

    /// Returns true if the peer may be asked for blocks, and is not known to leave requests unanswered.
    pub(crate) fn is_reliable(&self) -> bool {
        !self.chokes_us() && !self.pipeline.is_snubbing() && !self.pipeline.credit.is_failing()
    }

    /// The next instant at which something is due with this peer if nothing else happens.
    pub(crate) fn deadline(&self) -> Instant {
        let snub = (self.requested_count() > 0).then(|| self.pipeline.snub_at());
        let exchange = self.exchange.as_ref().map(|exchange| exchange.next);
        let rest = self.pipeline.credit.rests_until();
        let due = [snub, exchange, rest, self.timing.choose_at];
        let base = self.timing.deadline();
        due.into_iter().flatten().fold(base, Instant::min)
    }
}

/// Time that a block is taken to need from a peer that has given nothing yet. A guess.
const UNTRIED: Duration = Duration::from_secs(1);

/// The range of a block, as messages name it.
pub(crate) fn request_of(block: BlockInfo) -> Request {
    Request { index: block.piece().get(), begin: block.begin(), length: block.length() }
}

#[cfg(test)]
pub(crate) mod testing {
    use tinytorrent_types::{Geometry, WireInfoHash};
    use tinytorrent_wire::session::SessionConfig;
    use tinytorrent_wire::{Message, Reserved};

    use super::*;
    use crate::PeerSource;

    /// A peer with the fast extension that was dialed, for the tests of parts.
    pub(crate) fn peer(now: Instant, slot: u32) -> Peer {
        peer_with(now, slot, Reserved::from([Feature::Fast, Feature::Extended]))
    }

    /// The same, with other features.
    pub(crate) fn peer_with(now: Instant, slot: u32, features: Reserved) -> Peer {
        let [.., high, low] = slot.to_be_bytes();
        let address = SocketAddr::from(([10, 0, high, low], 6881));
        let contact =
            Contact::outgoing(address, PeerSource::Tracker, WireInfoHash::from_bytes([7; 20]));
        let session = Session::new(features, features, SessionConfig::lenient());
        let id = PeerId::from_bytes([low; 20]);
        Peer::new(now, PeerKey::new(slot, 0), contact, id, session)
    }

    /// A peer that has everything, and lets us ask for it.
    pub(crate) fn seed(now: Instant, slot: u32, geometry: &Geometry) -> Peer {
        let mut peer = peer(now, slot);
        peer.session.learn_geometry(geometry.clone()).unwrap();
        peer.session.handle_received(&Message::HaveAll).unwrap();
        peer.session.handle_received(&Message::Unchoke).unwrap();
        peer.session.handle_sent(&Message::HaveNone).unwrap();
        peer.session.handle_sent(&Message::Interested).unwrap();
        peer
    }

    /// A peer that lacks everything of which we have all, and wants it.
    pub(crate) fn leech(now: Instant, slot: u32, geometry: &Geometry) -> Peer {
        let mut peer = peer(now, slot);
        peer.session.learn_geometry(geometry.clone()).unwrap();
        peer.session.handle_sent(&Message::HaveAll).unwrap();
        peer.session.handle_received(&Message::HaveNone).unwrap();
        peer.session.handle_received(&Message::Interested).unwrap();
        peer
    }
}
