//! The composer: routes what happens to the part whose concern it is.

mod commands;
mod connections;
mod download;
pub(crate) mod exchange;
mod extensions;
mod hashes;
mod messages;
mod steal;
mod trackers;
mod twins;
mod upload;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tinytorrent_types::{AddressFilter, AddressVotes, Bitfield, PeerId};
use tinytorrent_wire::extension::OurExtensions;
use tinytorrent_wire::metadata::{Complete, MetadataAssembly};
use tinytorrent_wire::{Feature, Handshake, Message, PieceHeader, Reserved};

use crate::PeerKey;
use crate::config::Config;
use crate::contract::{Action, BlockVerdict, Event, Input, LeaveReason, Stats};
use crate::hash_fetch::HashFetch;
use crate::key::Slab;
use crate::limiter::Limiter;
use crate::peer::Peer;
use crate::peer_book::PeerBook;
use crate::piece::{Blame, Picker};
use crate::rate::RateMeter;
use crate::timers::Timers;

/// What the engine speaks. libtorrent closes the connection when the v2 bit comes with a torrent
/// that has no v2 info-hash.
const RESERVED: Reserved = Reserved::empty().with(Feature::Extended).with(Feature::Fast);

/// One torrent's engine: what happened goes in, what to do comes out.
///
/// It decides everything and does nothing: no socket, no file, no clock, no chance of its own.
/// One task owns it and drives it. **The rule: after every call that takes `now`, drain
/// [`poll_action`](Self::poll_action) and [`poll_event`](Self::poll_event) until they are empty,
/// then sleep until [`poll_timeout`](Self::poll_timeout) or the next input.**
///
/// - getters: [`stats`](Self::stats), [`have`](Self::have), [`handshake`](Self::handshake),
///   [`is_finished`](Self::is_finished), [`is_stopped`](Self::is_stopped)
/// - inputs: [`handle_input`](Self::handle_input), [`handle_block`](Self::handle_block),
///   [`handle_timeout`](Self::handle_timeout)
/// - commands: [`accept`](Self::accept), [`pause`](Self::pause), [`resume`](Self::resume),
///   [`stop`](Self::stop), [`set_urgent`](Self::set_urgent),
///   [`set_download_limit`](Self::set_download_limit) …
/// - outputs: [`poll_action`](Self::poll_action), [`poll_event`](Self::poll_event),
///   [`poll_timeout`](Self::poll_timeout)
#[derive(Debug)]
pub struct Swarm {
    config: Config,
    /// The latest instant that was given. It never goes back.
    now: Instant,
    stage: Stage,
    /// `Some` once the content is known.
    picker: Option<Picker>,
    /// What was made urgent before.
    urgent: Vec<u32>,
    /// The info dictionary, to be served to others.
    info: Bytes,
    is_private: bool,
    is_running: bool,
    /// It does not run again.
    is_ended: bool,
    blame: Blame,
    peers: Slab<Peer>,
    live: usize,
    book: PeerBook,
    /// Peers that left lately, so that what they sent can still be held against them.
    departed: VecDeque<(PeerKey, SocketAddr, Option<PeerId>)>,
    /// What peers say our address is.
    own_address: AddressVotes,
    trackers: trackers::Trackers,
    our_extensions: OurExtensions,
    timers: Timers,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
    /// Peers that could be asked for more.
    hungry: Vec<PeerKey>,
    /// Some peer with room found nothing to be asked for.
    is_idle: bool,
    /// In the end game: when to look whether somebody became slow.
    steal_at: Option<Instant>,
    /// Bytes of blocks accepted that the disk has not taken on.
    unstored: u64,
    choke: upload::Choke,
    download_limit: Limiter,
    upload_limit: Limiter,
    /// Who had the last of what the download limit let through.
    fed_last: Option<PeerKey>,
    /// Those who wait for the upload limit, each once.
    upload_line: VecDeque<PeerKey>,
    down: RateMeter,
    up: RateMeter,
    wasted: u64,
    hash_failures: u32,
    chance: StdRng,
}

/// How far the torrent is.
#[derive(Debug)]
enum Stage {
    /// The info dictionary is being fetched (BEP 9).
    Metadata { assembly: Box<MetadataAssembly<PeerKey>>, checking: Option<Complete<PeerKey>> },
    /// The piece layers of a v2 torrent are being fetched (BEP 52).
    Hashes(Box<HashFetch>),
    /// Somebody outside looks at what is on the disk.
    Waiting,
    /// The content is known: `picker` is there.
    Running,
    /// As `Running`, and every wanted piece is verified.
    Finished,
}

impl Swarm {
    /// A swarm that knows nobody yet. Tell it [`Input::ContentReady`] and [`Input::PeersFound`].
    pub fn new(now: Instant, config: Config) -> Self {
        let mut filter = AddressFilter::new();
        for own in &config.own_addresses {
            filter.add_own(*own);
        }
        let stage = if config.needs_metadata {
            let mut limits = tinytorrent_wire::metadata::Config::default();
            limits.max_size(config.max_metadata);
            Stage::Metadata { assembly: Box::new(MetadataAssembly::new(limits)), checking: None }
        } else {
            Stage::Waiting
        };
        Self {
            now,
            stage,
            picker: None,
            urgent: Vec::new(),
            info: Bytes::new(),
            is_private: false,
            is_running: true,
            is_ended: false,
            blame: Blame::default(),
            peers: Slab::new(),
            live: 0,
            book: PeerBook::new(filter),
            departed: VecDeque::new(),
            own_address: AddressVotes::new(),
            trackers: trackers::Trackers::new(now, &config),
            our_extensions: extensions::ours(&config),
            timers: Timers::default(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
            hungry: Vec::new(),
            is_idle: false,
            steal_at: None,
            unstored: 0,
            choke: upload::Choke::new(now),
            download_limit: Limiter::new(config.download_limit),
            upload_limit: Limiter::new(config.upload_limit),
            fed_last: None,
            upload_line: VecDeque::new(),
            down: RateMeter::new(),
            up: RateMeter::new(),
            wasted: 0,
            hash_failures: 0,
            chance: StdRng::seed_from_u64(config.seed ^ 0x7377_6172_6d21),
            config,
        }
    }

    /// What we say in a handshake.
    pub fn handshake(&self) -> Handshake {
        Handshake {
            reserved: RESERVED,
            info_hash: self.config.info_hashes.to_wire(),
            peer_id: self.config.peer_id,
        }
    }

    /// The verified pieces; `None` until the content is known.
    pub fn have(&self) -> Option<&Bitfield> {
        self.picker.as_ref().map(Picker::have)
    }

    /// Whether every wanted piece is verified.
    pub fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Finished)
    }

    /// Whether it was paused, or stopped, and not resumed.
    pub fn is_paused(&self) -> bool {
        !self.is_running
    }

    /// After [`stop`](Self::stop): whether the trackers have been told, or have had their chance.
    pub fn is_stopped(&self) -> bool {
        !self.is_running && self.trackers.is_stopped()
    }

    /// Figures of the moment.
    pub fn stats(&mut self, now: Instant) -> Stats {
        let live = || self.peers.iter().filter(|(_, peer)| peer.is_live());
        let (peers, seeds) = (live().count(), live().filter(|(_, peer)| peer.is_seed()).count());
        let total = self.picker.as_ref().map_or(0, |picker| picker.geometry().total_payload());
        let have_bytes = self.picker.as_ref().map_or(0, Picker::have_bytes);
        Stats {
            downloaded: self.down.total(),
            uploaded: self.up.total(),
            wasted: self.wasted,
            download_rate: self.down.bytes_per_second(now),
            upload_rate: self.up.bytes_per_second(now),
            peers: peers as u32,
            seeds: seeds as u32,
            known_peers: self.book.len() as u32,
            hash_failures: self.hash_failures,
            have_bytes,
            left: total - have_bytes,
            wanted_left: self.picker.as_ref().map_or(0, Picker::wanted_left),
        }
    }

    /// Takes in something that happened.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.advance(now);
        match input {
            Input::PeersFound { source, addresses } => self.on_peers_found(source, &addresses),
            Input::ConnectFailed { peer, reason } => {
                self.forget_peer(peer, LeaveReason::ConnectFailed(reason));
            }
            Input::HandshakeCompleted { peer, handshake } => self.on_handshake(peer, handshake),
            Input::MessageReceived { peer, message } => self.on_message(peer, message),
            Input::ConnectionClosed { peer, reason } => {
                self.forget_peer(peer, LeaveReason::Closed(reason));
            }
            Input::BlockServed { peer, block, sent } => self.on_block_served(peer, block, sent),
            Input::BlocksStored { bytes } => self.on_blocks_stored(bytes),
            Input::PieceVerified { piece, digests } => self.on_piece_verified(piece, &digests),
            Input::PieceFailed { piece, digests } => self.on_piece_failed(piece, digests),
            Input::DiskFailed { reason } => {
                self.events.push_back(Event::Paused { reason });
                self.pause(now);
            }
            Input::MetadataRefused => self.on_metadata_refused(),
            Input::HashesNeeded(requests) => self.on_hashes_needed(requests),
            Input::HashesChecked { peer, request, is_right } => {
                self.on_hashes_checked(peer, &request, is_right);
            }
            Input::HashesRead { peer, request, hashes } => {
                self.on_hashes_read(peer, request, hashes);
            }
            Input::ContentReady(content) => self.on_content_ready(content),
            Input::Announced(outcome) => self.on_announced(outcome),
        }
    }

    /// Takes in the header of a `piece` message; the bytes stay with the caller, who acts on the
    /// verdict at once. The hot path: constant time, no allocation.
    pub fn handle_block(
        &mut self,
        now: Instant,
        peer: PeerKey,
        header: PieceHeader,
    ) -> BlockVerdict {
        self.advance(now);
        self.on_block(peer, header)
    }

    /// Time has passed. Calls that come too early change nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        while let Some((at, peer)) = self.timers.pop_due(now) {
            self.on_reminder(at, peer);
        }
        self.choke_in_time();
        if self.download_limit.is_ready(now) {
            self.feed_waiting();
        }
        if self.upload_limit.is_ready(now) {
            self.serve_waiting();
        }
        self.steal_again();
        self.request_metadata();
        self.request_hashes();
        self.poll_trackers();
        self.connect_more();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing happens before.
    ///
    /// May change after any call that takes `now`, and after [`poll_action`](Self::poll_action).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let fetch = match &self.stage {
            Stage::Metadata { assembly, .. } => assembly.poll_timeout(),
            Stage::Hashes(fetch) => fetch.poll_timeout(self.now),
            Stage::Waiting | Stage::Running | Stage::Finished => None,
        };
        let limits = [&self.download_limit, &self.upload_limit].map(Limiter::wake_at);
        let connect = self.wants_connections().then(|| self.book.ready_at()).flatten();
        let steal = self.steal_at;
        [self.timers.next(), self.choke.due(), fetch, connect, self.trackers.due(), steal]
            .into_iter()
            .chain(limits)
            .flatten()
            .min()
    }

    /// The next thing to do. Drain it after every input.
    pub fn poll_action(&mut self) -> Option<Action> {
        if self.actions.is_empty() {
            self.feed_hungry();
        }
        self.actions.pop_front()
    }

    /// The next thing to know. Drain it after every input.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// One instant for a batch, and never an earlier one than before.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn send(&mut self, peer: PeerKey, message: Message) {
        if let Some(state) = self.peers.get_mut(peer) {
            state.last_sent = self.now;
            self.actions.push_back(Action::Send { peer, message });
        }
    }

    fn live_peers(&self) -> Vec<PeerKey> {
        self.peers.iter().filter(|(_, peer)| peer.is_live()).map(|(key, _)| key).collect()
    }

    /// Panics if the parts contradict each other. For tests, fuzzers and simulations.
    pub fn check_invariants(&self) {
        self.book.check_invariants();
        if let Some(picker) = &self.picker {
            picker.check_invariants();
            for (_, peer) in self.peers.iter() {
                let Some(pieces) = peer.pieces() else { continue };
                let wanted = picker.geometry().pieces();
                let count = wanted.filter(|&p| picker.wants(p) && pieces.contains(p)).count();
                assert_eq!(count as u32, peer.interesting, "interest is counted");
                picker.check_search(pieces, peer.requests.searched);
            }
        }
        assert_eq!(self.live, self.peers.iter().filter(|(_, peer)| peer.is_live()).count());
        assert!(self.peers.len() <= self.config.max_peers.max(1) + 1);
        let waiting = self.peers.iter().filter(|(_, peer)| peer.uploads.is_waiting);
        let mut waiting: Vec<_> = waiting.map(|(key, _)| key).collect();
        let mut line: Vec<_> = self.upload_line.iter().copied().collect();
        waiting.sort();
        line.sort();
        assert_eq!(waiting, line, "who waits for the upload limit stands in line once");
    }
}
