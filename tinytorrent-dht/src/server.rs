use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tinytorrent_types::WireInfoHash;
use tinytorrent_types::compact::Family;

use crate::budget::Budget;
use crate::flood::FloodGuard;
use crate::item_store::ItemStore;
use crate::message::{
    Body, ErrorCode, ErrorMessage, MAX_WRITTEN, Message, Method, PutMutable, Query, Response,
    Sample,
};
use crate::peer_store::{PeerLimits, PeerStore};
use crate::side::Sides;
use crate::tokens::{TOKEN_LENGTH, Tokens};
use crate::{Item, NodeConfig, NodeId};

/// The part of a node that answers queries.
///
/// What it gives is bounded by the limits of its stores, and by a budget of bytes a second. No answer is larger
/// than [`MAX_WRITTEN`].
#[derive(Debug)]
pub(crate) struct Server {
    version: Option<[u8; 4]>,
    tokens: Tokens,
    pub(crate) peers: PeerStore,
    pub(crate) items: ItemStore,
    pub(crate) floods: FloodGuard,
    budget: Budget,
    sample: SampleCache,
    rng: StdRng,
}

/// What became of a query.
#[derive(Debug)]
pub(crate) enum Served {
    /// The bytes of the answer.
    Answer(Vec<u8>),
    /// The host sends too many queries.
    Flood,
    /// The budget does not allow the answer.
    OverBudget,
}

/// The sample of our torrents, which stays the same for some time (BEP 51).
#[derive(Debug)]
struct SampleCache {
    interval: Duration,
    made_at: Option<Instant>,
    bytes: Vec<u8>,
}

/// The torrents of a sample: 400 bytes, which leaves room for nodes of both families.
const MOST_SAMPLES: usize = 20;

/// The peers of an answer; a look-up asks several nodes.
const MOST_VALUES: usize = 50;

/// The bytes of an answer beside lists of nodes and peers and filters: keys, ids, token, address.
const FRAME: usize = 230;

impl Server {
    pub(crate) fn new(now: Instant, config: &NodeConfig, own: NodeId, mut rng: StdRng) -> Self {
        let limits = PeerLimits {
            torrents: config.max_torrents,
            peers_each: config.max_peers_each,
            lifetime: config.peer_lifetime,
        };
        let bytes = u64::from(config.answer_bytes_per_second);
        let secret: [u8; 32] = rng.random();
        Self {
            version: config.version,
            tokens: Tokens::new(now, StdRng::from_seed(secret)),
            peers: PeerStore::new(own, limits),
            items: ItemStore::new(own, config.max_items, config.item_lifetime),
            floods: FloodGuard::new(now, config.queries_per_host),
            budget: Budget::new(now, bytes, bytes),
            sample: SampleCache {
                interval: config.sample_interval,
                made_at: None,
                bytes: Vec::new(),
            },
            rng,
        }
    }

    pub(crate) fn set_own(&mut self, own: NodeId) {
        self.peers.set_own(own);
        self.items.set_own(own);
    }

    /// Answers a query.
    pub(crate) fn answer(
        &mut self,
        now: Instant,
        from: SocketAddr,
        transaction: &[u8],
        query: &Query<'_>,
        sides: &Sides,
    ) -> Served {
        if !self.floods.admits(now, from) {
            return Served::Flood;
        }
        self.peers.expire(now);
        self.items.expire(now);
        let family = Family::of(from.ip());
        let Some(side) = sides.get(family) else { return Served::OverBudget };
        let mut response = Response::new(side.table.own());
        let token;
        let outcome = match &query.method {
            Method::Ping => Ok(()),
            Method::FindNode { target } | Method::Unknown { target: Some(target), .. } => {
                add_nodes(&mut response, family, query, sides, *target);
                Ok(())
            }
            Method::Unknown { target: None, .. } => Err(ErrorCode::MethodUnknown),
            Method::GetPeers { info_hash, no_seeds, scrape } => {
                add_nodes(&mut response, family, query, sides, (*info_hash).into());
                if *scrape && let Some((seeds, peers)) = self.peers.blooms(*info_hash) {
                    response.seeds = Some(Box::new(seeds));
                    response.peers = Some(Box::new(peers));
                }
                let room = room_for_values(&response, family);
                response.values =
                    self.peers.peers(*info_hash, family, *no_seeds, room, &mut self.rng);
                // D-58
                if self.peers.would_accept(*info_hash, from.ip()) {
                    token = self.tokens.issue(now, from.ip(), (*info_hash).into());
                    response.token = Some(&token);
                }
                Ok(())
            }
            Method::AnnouncePeer { info_hash, port, implied_port, is_seed, token } => {
                let port = if *implied_port { from.port() } else { *port };
                let peer = SocketAddr::new(from.ip(), port);
                self.announce(now, *info_hash, peer, *is_seed, token)
            }
            Method::Get { target, seq } => {
                add_nodes(&mut response, family, query, sides, *target);
                if self.items.would_accept(*target) {
                    token = self.tokens.issue(now, from.ip(), *target);
                    response.token = Some(&token);
                }
                if let Some(item) = self.items.get(*target) {
                    add_item(&mut response, item, *seq);
                }
                Ok(())
            }
            Method::Put { token, value, mutable } => {
                self.put(now, from, token, value.as_bytes(), mutable.as_ref())
            }
            Method::SampleInfohashes { target } => {
                add_nodes(&mut response, family, query, sides, *target);
                self.sample.refresh(now, &self.peers, &mut self.rng);
                let interval = self.sample.interval.as_secs() as u32;
                let total = self.peers.torrents() as u64;
                response.sample = Some(Sample::new(interval, total, &self.sample.bytes));
                Ok(())
            }
        };
        let body = match outcome {
            Ok(()) => Body::Response(Box::new(response)),
            Err(code) => Body::Error(refusal(code)),
        };
        let bytes = encode(self.version.as_ref(), from, transaction, body);
        self.spend(now, bytes)
    }

    /// Answers a query that lacks an argument (D-36).
    pub(crate) fn refuse(&mut self, now: Instant, from: SocketAddr, transaction: &[u8]) -> Served {
        if !self.floods.admits(now, from) {
            return Served::Flood;
        }
        let body = Body::Error(refusal(ErrorCode::Protocol));
        let bytes = encode(self.version.as_ref(), from, transaction, body);
        self.spend(now, bytes)
    }

    fn spend(&mut self, now: Instant, bytes: Vec<u8>) -> Served {
        if self.budget.take(now, bytes.len() as u64) {
            Served::Answer(bytes)
        } else {
            Served::OverBudget
        }
    }

    fn announce(
        &mut self,
        now: Instant,
        hash: WireInfoHash,
        peer: SocketAddr,
        is_seed: bool,
        token: &[u8],
    ) -> Result<(), ErrorCode> {
        // D-37
        if peer.port() == 0 || !self.tokens.is_valid(now, peer.ip(), hash.into(), token) {
            return Err(ErrorCode::Protocol);
        }
        if !self.peers.announce(now, hash, peer, is_seed) {
            return Err(ErrorCode::Server);
        }
        Ok(())
    }

    fn put(
        &mut self,
        now: Instant,
        from: SocketAddr,
        token: &[u8],
        value: &[u8],
        mutable: Option<&PutMutable<'_>>,
    ) -> Result<(), ErrorCode> {
        if token.len() != TOKEN_LENGTH {
            return Err(ErrorCode::Protocol);
        }
        // A signature costs more than anything else here, so that the token is checked before it.
        let target = match mutable {
            Some(part) => Item::target_of(part.key, part.salt),
            None => NodeId::from_bytes(tinytorrent_hash::sha1(value)),
        };
        if !self.tokens.is_valid(now, from.ip(), target, token) {
            return Err(ErrorCode::Protocol);
        }
        let item = Item::from_put(value, mutable).map_err(|error| error.code())?;
        self.items.put(now, item, mutable.and_then(|part| part.cas))
    }

    pub(crate) fn check_invariants(&self) {
        self.peers.check_invariants();
        self.items.check_invariants();
        self.floods.check_invariants();
    }
}

impl SampleCache {
    fn refresh(&mut self, now: Instant, peers: &PeerStore, rng: &mut StdRng) {
        let is_fresh = |at| now.saturating_duration_since(at) < self.interval;
        if !self.made_at.is_some_and(is_fresh) {
            self.made_at = Some(now);
            self.bytes = peers.sample(MOST_SAMPLES, rng);
        }
    }
}

fn add_nodes(
    response: &mut Response<'_>,
    family: Family,
    query: &Query<'_>,
    sides: &Sides,
    target: NodeId,
) {
    let nodes_of = |wanted: Family| {
        let is_wanted = query.want.wants(wanted, family);
        is_wanted.then(|| sides.closest(wanted, target)).flatten()
    };
    response.nodes = nodes_of(Family::V4);
    response.nodes6 = nodes_of(Family::V6);
}

/// D-68: what the sender has already is left out.
fn add_item<'a>(response: &mut Response<'a>, item: &'a Item, seq: Option<i64>) {
    response.item.seq = item.seq();
    if item.seq().zip(seq).is_some_and(|(stored, known)| stored <= known) {
        return;
    }
    response.item.value = Some(item.raw());
    if let Some(part) = item.mutable_part() {
        response.item.key = Some(&part.key);
        response.item.signature = Some(&part.signature);
    }
    // The longest value leaves no room for nodes of both families.
    if item.value().len() > MAX_WRITTEN / 3 {
        response.nodes6 = response.nodes6.take().filter(|_| response.nodes.is_none());
    }
}

/// The peers that an answer has room for.
fn room_for_values(response: &Response<'_>, family: Family) -> usize {
    let nodes = |nodes: &Option<Vec<crate::NodeInfo>>, family| {
        nodes.as_ref().map_or(0, |nodes| nodes.len() * crate::NodeInfo::length(family))
    };
    let nodes = nodes(&response.nodes, Family::V4) + nodes(&response.nodes6, Family::V6);
    let filters = if response.seeds.is_some() { 2 * 270 } else { 0 };
    let left = MAX_WRITTEN.saturating_sub(FRAME + nodes + filters);
    // A string with its length, of one or two digits.
    let each = match family {
        Family::V4 => 6 + 2,
        Family::V6 => 18 + 3,
    };
    (left / each).min(MOST_VALUES)
}

/// The bytes of an answer, from which nodes are left out until it is short enough (D-35).
fn encode(
    version: Option<&[u8; 4]>,
    from: SocketAddr,
    transaction: &[u8],
    body: Body<'_>,
) -> Vec<u8> {
    let mut message = Message::new(transaction, body);
    message.version = version.map(|version| &version[..]);
    message.ip = Some(from);
    let mut bytes = Vec::with_capacity(MAX_WRITTEN);
    loop {
        bytes.clear();
        message.encode(&mut bytes);
        let Body::Response(response) = &mut message.body else { return bytes };
        if bytes.len() <= MAX_WRITTEN || !shorten(response) {
            return bytes;
        }
    }
}

/// Leaves something out of an answer, and returns false if nothing is left to leave out.
fn shorten(response: &mut Response<'_>) -> bool {
    for nodes in [&mut response.nodes6, &mut response.nodes] {
        if let Some(nodes) = nodes
            && !nodes.is_empty()
        {
            // The closest ones are the first.
            nodes.truncate(nodes.len() / 2);
            return true;
        }
    }
    response.values.pop().is_some()
}

fn refusal(code: ErrorCode) -> ErrorMessage<'static> {
    let text: &[u8] = match code {
        ErrorCode::Generic => b"Generic Error",
        ErrorCode::Server => b"Server Error",
        ErrorCode::Protocol => b"Protocol Error",
        ErrorCode::MethodUnknown => b"Method Unknown",
        ErrorCode::ValueTooLong => b"message (v field) too big.",
        ErrorCode::InvalidSignature => b"invalid signature",
        ErrorCode::SaltTooLong => b"salt (salt field) too big.",
        ErrorCode::CasMismatch => b"the CAS hash mismatched, re-read value and try again.",
        ErrorCode::SeqTooLow => b"sequence number less than current.",
    };
    ErrorMessage { code: code.number(), text }
}
