mod requests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tinytorrent_types::{BLOCK_LENGTH, Bitfield, BlockInfo, PeerId};
use tinytorrent_wire::extension::TheirExtensions;

use self::requests::Requests;
use crate::config::{self, LEAST_WINDOW, PIPELINE_SECONDS, QUICK_PIECE};
use crate::piece::PeerPieces;
use crate::rate::RateMeter;
use crate::slot::Slot;
use crate::swarm::exchange::Exchange;

/// One connection, from the decision to make it until its end.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) is_incoming: bool,
    /// `None` until the handshakes are through.
    pub(crate) id: Option<PeerId>,
    pub(crate) joined: Instant,
    pub(crate) fast: bool,
    pub(crate) extended: bool,
    pub(crate) extensions: TheirExtensions,
    /// Where it listens, as far as we know: where a connection to it could be made.
    pub(crate) listens_at: Option<SocketAddr>,
    /// When to leave one of two connections to it, if the other end has not by then.
    pub(crate) choose_at: Option<Instant>,

    pub(crate) pieces: Pieces,
    /// Pieces that it has and we want.
    pub(crate) interesting: u32,
    pub(crate) am_interested: bool,
    pub(crate) am_choked: bool,
    pub(crate) is_interested: bool,
    pub(crate) is_upload_only: bool,
    pub(crate) has_spoken: bool,

    pub(crate) requests: Requests,
    pub(crate) uploads: Uploads,
    pub(crate) download: RateMeter,
    pub(crate) upload: RateMeter,
    pub(crate) slot: Slot,

    pub(crate) last_received: Instant,
    pub(crate) last_sent: Instant,
    /// The earliest entry of this peer in the timers.
    pub(crate) armed: Option<Instant>,
    pub(crate) is_hungry: bool,
    pub(crate) bad_requests: u32,
    /// What is exchanged with it of other peers.
    pub(crate) exchange: Option<Exchange>,
    /// Blocks that it sent unasked.
    pub(crate) unasked: u32,
    /// Hashes that it asked for.
    pub(crate) hashes: Portions,
    /// Blocks of metadata that it was sent.
    pub(crate) metadata: Portions,
}

/// What a peer had of something that it may not have for ever, nor all at once.
#[derive(Debug)]
pub(crate) struct Portions {
    all: u64,
    /// The last time, and how much at that instant.
    last: Instant,
    at_once: u64,
}

impl Portions {
    fn new(now: Instant) -> Self {
        Self { all: 0, last: now, at_once: 0 }
    }

    /// Whether it may have more, if it may have so much in all and at one instant.
    pub(crate) fn has_room(&self, now: Instant, all: u64, at_once: u64) -> bool {
        self.all < all && (self.last != now || self.at_once < at_once)
    }

    pub(crate) fn add(&mut self, now: Instant, count: u64) {
        if self.last != now {
            (self.last, self.at_once) = (now, 0);
        }
        self.all += count;
        self.at_once += count;
    }
}

/// What we know of a peer's pieces.
#[derive(Debug)]
pub(crate) enum Pieces {
    /// Nobody knows yet how many there are: what it said, to be read later.
    Early { field: Option<EarlyField>, haves: Vec<u32> },
    /// Proven against the geometry.
    Known(PeerPieces),
}

/// What a peer said it has, before the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EarlyField {
    Bitfield(Bytes),
    All,
    None,
}

/// Haves to remember of one peer before the metadata is known.
const MAX_EARLY_HAVES: usize = 1 << 14;

/// What a peer asked of us.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    pub(crate) queue: VecDeque<BlockInfo>,
    /// With the driver.
    pub(crate) serving: Vec<BlockInfo>,
    pub(crate) serving_bytes: u64,
    /// When one of them was written, or the first of a row handed over.
    pub(crate) last_progress: Option<Instant>,
    /// It stands in line for the upload limit.
    pub(crate) is_waiting: bool,
}

impl Peer {
    pub(crate) fn new(now: Instant, address: SocketAddr, is_incoming: bool) -> Self {
        Self {
            address,
            is_incoming,
            id: None,
            joined: now,
            fast: false,
            extended: false,
            extensions: TheirExtensions::default(),
            listens_at: (!is_incoming).then_some(address),
            choose_at: None,
            pieces: Pieces::Early { field: None, haves: Vec::new() },
            interesting: 0,
            am_interested: false,
            am_choked: true,
            is_interested: false,
            is_upload_only: false,
            has_spoken: false,
            requests: Requests::new(now),
            uploads: Uploads::default(),
            download: RateMeter::new(),
            upload: RateMeter::new(),
            slot: Slot::default(),
            last_received: now,
            last_sent: now,
            armed: None,
            is_hungry: false,
            bad_requests: 0,
            exchange: None,
            unasked: 0,
            hashes: Portions::new(now),
            metadata: Portions::new(now),
        }
    }

    /// Whether both handshakes are through.
    pub(crate) fn is_live(&self) -> bool {
        self.id.is_some()
    }

    /// `true` if it has this id, and is at the host of this address. The id alone is a claim that
    /// anybody can make.
    pub(crate) fn is(&self, id: PeerId, address: SocketAddr) -> bool {
        let host = |address: SocketAddr| address.ip().to_canonical();
        self.id == Some(id) && host(self.address) == host(address)
    }

    /// `true` if it has the id and the host of another.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        other.id.is_some_and(|id| self.is(id, other.address))
    }

    /// Where we connected to, if it was we who did.
    pub(crate) fn dialed(&self) -> Option<SocketAddr> {
        (!self.is_incoming).then_some(self.address)
    }

    /// Its pieces, once the geometry is known.
    pub(crate) fn pieces(&self) -> Option<&PeerPieces> {
        match &self.pieces {
            Pieces::Known(pieces) => Some(pieces),
            Pieces::Early { .. } => None,
        }
    }

    /// Whether it says that it has something, before anybody knows what.
    pub(crate) fn has_any(&self) -> bool {
        match &self.pieces {
            Pieces::Known(_) => true,
            Pieces::Early { field: Some(EarlyField::All | EarlyField::Bitfield(_)), .. } => true,
            Pieces::Early { haves, .. } => !haves.is_empty(),
        }
    }

    pub(crate) fn is_seed(&self) -> bool {
        match &self.pieces {
            Pieces::Known(pieces) => pieces.is_seed(),
            Pieces::Early { field, .. } => *field == Some(EarlyField::All),
        }
    }

    /// Whether it has long read nothing of what it asked for.
    pub(crate) fn is_stuck(&self, now: Instant) -> bool {
        let since = self.uploads.last_progress.filter(|_| !self.uploads.serving.is_empty());
        since.is_some_and(|since| now >= since + config::MAX_UNREAD)
    }

    /// `true` if it has a slot of ours that it makes no use of: nothing of what it asked for is left, or
    /// it reads nothing of that.
    pub(crate) fn wastes_slot(&self, now: Instant) -> bool {
        let uploads = &self.uploads;
        let is_unread = !uploads.serving.is_empty()
            && uploads.last_progress.is_some_and(|at| now >= at + config::SNUB);
        let is_done = uploads.serving.is_empty() && uploads.queue.is_empty();
        self.slot.is_held() && (is_unread || (is_done && self.slot.is_idle(now)))
    }

    /// Whether it can give nothing more to us: it stopped answering what it was asked.
    pub(crate) fn is_snubbing(&self) -> bool {
        self.requests.snubs > 0
    }

    /// The order in which peers are asked for what several could give: those that have failed last,
    /// and before them those that were asked and have not given anything yet.
    pub(crate) fn standing(&self) -> (bool, bool) {
        let is_untried = self.download.total() == 0;
        (self.requests.credit.is_failing(), is_untried && !self.requests.outstanding.is_empty())
    }

    /// How many requests to have under way.
    pub(crate) fn window(&mut self, now: Instant, max_requests: u32) -> usize {
        if self.is_snubbing() || self.requests.credit.is_failing() {
            return 1;
        }
        let most = self.requests.reqq.min(max_requests).max(1);
        let rate = self.download.bytes_per_second(now);
        let requests = &mut self.requests;
        if rate > 0 {
            requests.has_rate = true;
            let wanted = rate * PIPELINE_SECONDS / u64::from(BLOCK_LENGTH);
            requests.window = u32::try_from(wanted).unwrap_or(u32::MAX).max(LEAST_WINDOW);
        }
        requests.window.min(most) as usize
    }

    /// How long it will take to send what it was asked for, as far as its past tells.
    pub(crate) fn drain_time(&mut self, now: Instant) -> Duration {
        if self.requests.outstanding.is_empty() {
            return Duration::ZERO;
        }
        let rate = self.download.bytes_per_second(now).max(1) as f64;
        let bytes = self.requests.outstanding.len() as f64 * f64::from(BLOCK_LENGTH);
        let silence = now.saturating_duration_since(self.requests.last_progress);
        let by_rate = if self.requests.has_rate { bytes / rate } else { 0.0 };
        Duration::from_secs_f64(by_rate.min(1e6)).max(silence)
    }

    /// `true` if it owes blocks and has sent none for at least so long.
    pub(crate) fn is_silent_for(&self, now: Instant, time: Duration) -> bool {
        !self.requests.outstanding.is_empty() && now >= self.requests.last_progress + time
    }

    /// How long it would take to send one block more than it was asked for.
    pub(crate) fn time_for_one_more(&mut self, now: Instant) -> Duration {
        if !self.requests.has_rate {
            return Duration::ZERO;
        }
        let rate = self.download.bytes_per_second(now).max(1) as f64;
        let bytes = (self.requests.outstanding.len() + 1) as f64 * f64::from(BLOCK_LENGTH);
        Duration::from_secs_f64((bytes / rate).min(1e6))
    }

    /// Whether it is worth a piece of its own.
    pub(crate) fn is_quick(&mut self, now: Instant, piece_length: u32) -> bool {
        self.download.bytes_per_second(now).saturating_mul(QUICK_PIECE) >= u64::from(piece_length)
    }

    /// When something is due with this peer if nothing else happens.
    pub(crate) fn deadline(&self) -> Instant {
        let silence = self.last_received + config::MAX_SILENCE;
        let keep_alive = self.last_sent + config::KEEP_ALIVE;
        let snub = (!self.requests.outstanding.is_empty())
            .then(|| self.requests.last_progress + config::SNUB);
        let exchange = self.exchange.as_ref().map(|exchange| exchange.next);
        let rest = self.requests.credit.rests_until();
        let due = [Some(silence), Some(keep_alive), snub, exchange, self.choose_at, rest];
        due.into_iter().flatten().min().unwrap_or(silence)
    }
}

impl Pieces {
    /// Remembers a `have` that cannot be read yet.
    pub(crate) fn remember_have(haves: &mut Vec<u32>, index: u32) {
        if haves.len() < MAX_EARLY_HAVES {
            haves.push(index);
        }
    }

    /// Reads what was remembered. `None` if it cannot be right.
    pub(crate) fn resolve(&self, geometry: &tinytorrent_types::Geometry) -> Option<PeerPieces> {
        let count = geometry.piece_count();
        let Pieces::Early { field, haves } = self else { return None };
        let mut pieces = match field {
            Some(EarlyField::All) => PeerPieces::from(Bitfield::full(count)),
            Some(EarlyField::Bitfield(bytes)) => {
                PeerPieces::from(Bitfield::from_bytes_lenient(bytes, count).ok()?)
            }
            Some(EarlyField::None) | None => PeerPieces::none(count),
        };
        for index in haves {
            pieces.insert(geometry.piece(*index)?);
        }
        Some(pieces)
    }
}
