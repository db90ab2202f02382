//! The composer: hands each input to the part whose concern it is, and acts on what comes back.

mod content;
mod fetching;
mod introducing;
mod leaving;
mod parts;
mod picking;
mod reading;
mod route;
mod super_seeding;
mod views;
mod wishes;

use std::net::SocketAddr;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use tinytorrent_types::Bitfield;
use tinytorrent_wire::metadata::Demand as MetadataDemand;
use tinytorrent_wire::{Handshake, Message, PieceHeader};

use self::picking::Picking;
use crate::config::SwarmConfig;
use crate::contract::{Action, BlockVerdict, Event, Input, LeaveReason, Stats};
use crate::download::Download;
use crate::extensions::Extensions;
use crate::greeting::Greeting;
use crate::look_ups::LookUps;
use crate::metadata::MetadataFetch;
use crate::outbox::Outbox;
use crate::peers::Peers;
use crate::piece::Picker;
use crate::planted::{Bug, is_planted};
use crate::punching::Punching;
use crate::reading::Readings;
use crate::roster::{Admission, Need, Roster};
use crate::stage::Stage;
use crate::super_seed::SuperSeed;
use crate::tracker_exchange::TrackerExchange;
use crate::trackers::{Progress, Trackers};
use crate::upload::Upload;
use crate::web_seeds::WebSeeds;
use crate::{PeerKey, hashes};

/// One torrent's engine: what happened goes in, what to do comes out.
///
/// It decides everything and does nothing: no socket, no file, no clock, no randomness of its own.
/// One task owns it and drives it. **The rule: after every call that takes `now`, drain
/// [`poll_action`](Self::poll_action) and [`poll_event`](Self::poll_event) until they are empty,
/// then sleep until [`poll_timeout`](Self::poll_timeout) or the next input.**
///
/// - getters: [`stats`](Self::stats), [`have`](Self::have), [`handshake`](Self::handshake),
///   [`is_finished`](Self::is_finished), [`is_stopped`](Self::is_stopped)
/// - inputs: [`handle_input`](Self::handle_input), [`handle_block`](Self::handle_block),
///   [`handle_timeout`](Self::handle_timeout)
/// - commands: [`accept`](Self::accept), [`pause`](Self::pause), [`resume`](Self::resume),
///   [`stop`](Self::stop), [`leave_one`](Self::leave_one), [`add_reader`](Self::add_reader),
///   [`set_download_limit`](Self::set_download_limit) …
/// - outputs: [`poll_action`](Self::poll_action), [`poll_event`](Self::poll_event),
///   [`poll_timeout`](Self::poll_timeout)
#[derive(Debug)]
pub struct Swarm {
    /// The latest instant that was given. It never goes back.
    now: Instant,
    run: Run,
    stage: Stage,
    picking: Picking,
    /// `None` as long as nobody has read.
    readings: Option<Box<Readings>>,
    greeting: Greeting,
    peers: Peers,
    roster: Roster,
    download: Download,
    upload: Upload,
    /// `None` unless the user wants it, and after its end.
    super_seed: Option<Box<SuperSeed>>,
    trackers: Trackers,
    /// `None` without the DHT, and in a private torrent.
    look_ups: Option<Box<LookUps>>,
    extensions: Extensions,
    /// `None` until there was an introduction, and in a private torrent.
    punching: Option<Box<Punching>>,
    /// `None` unless the user wants it, and in a private torrent.
    tracker_exchange: Option<Box<TrackerExchange>>,
    /// `None` until there is one.
    web_seeds: Option<Box<WebSeeds>>,
    out: Outbox,
}

/// The will of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Running,
    /// Until it is resumed.
    Paused,
    /// For good.
    Ended,
}

impl Swarm {
    /// A swarm that knows nobody yet. Tell it [`Input::ContentReady`] and [`Input::PeersFound`].
    pub fn new(now: Instant, config: SwarmConfig) -> Self {
        let trackers = Trackers::new(now, &config);
        let chance = Xoshiro256PlusPlus::seed_from_u64(config.seed ^ 0x7377_6172_6d21);
        Self {
            now,
            run: Run::Running,
            stage: if config.needs_metadata {
                Stage::Metadata(Box::new(MetadataFetch::new(&config)))
            } else {
                Stage::Checking { is_again: false }
            },
            picking: Picking::new(&config),
            readings: None,
            greeting: Greeting::new(&config),
            peers: Peers::new(),
            roster: Roster::new(now, &config),
            download: Download::new(&config),
            upload: Upload::new(now, &config, chance),
            super_seed: config.super_seeding.then(|| Box::new(SuperSeed::new(config.seed))),
            tracker_exchange: TrackerExchange::new(&config, &trackers),
            trackers,
            look_ups: config.dht.then(|| Box::new(LookUps::new(now, &config))),
            extensions: Extensions::new(&config),
            punching: None,
            web_seeds: None,
            out: Outbox::default(),
        }
    }

    /// Our handshake. Of a hybrid torrent it names the v1 info-hash.
    pub fn handshake(&self) -> Handshake {
        self.greeting.handshake()
    }

    /// The verified pieces; `None` until the content is known.
    pub fn have(&self) -> Option<&Bitfield> {
        self.stage.have()
    }

    /// Returns true if every wanted piece is verified.
    pub fn is_finished(&self) -> bool {
        self.stage.is_finished()
    }

    /// Returns true if it was paused, or stopped, and not resumed.
    pub fn is_paused(&self) -> bool {
        self.run != Run::Running
    }

    /// Returns true if there may be peers.
    fn is_open(&self) -> bool {
        self.run == Run::Running && !self.stage.is_closed()
    }

    /// After [`stop`](Self::stop): returns true if the trackers have been told, or have had their chance.
    pub fn is_stopped(&self) -> bool {
        self.is_paused() && self.trackers.is_stopped()
    }

    /// Figures of the moment.
    pub fn stats(&mut self, now: Instant) -> Stats {
        let is_paused = self.is_paused();
        let picker = self.stage.picker();
        let total = picker.map_or(0, |picker| picker.geometry().total_payload());
        let have_bytes = picker.map_or(0, Picker::have_bytes);
        Stats {
            downloaded: self.download.total(),
            uploaded: self.upload.total(),
            wasted: self.download.wasted(),
            // What came before a pause fades away over some seconds, and nothing comes any more.
            download_rate: if is_paused { 0 } else { self.download.bytes_per_second(now) },
            upload_rate: if is_paused { 0 } else { self.upload.bytes_per_second(now) },
            peers: self.peers.iter().count() as u32,
            seeds: self.peers.iter().filter(|peer| peer.is_seed()).count() as u32,
            known_peers: self.roster.known() as u32,
            hash_failures: self.download.hash_failures(),
            have_bytes,
            left: total - have_bytes,
            wanted_left: picker.map_or(0, Picker::wanted_left),
        }
    }

    /// Takes in something that happened.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.advance(now);
        match input {
            Input::PeersFound { source, addresses } => self.on_peers_found(source, &addresses),
            Input::ConnectFailed { peer, error } => {
                self.forget(peer, LeaveReason::ConnectFailed(error));
            }
            Input::HandshakeCompleted { peer, transport, handshake } => {
                self.on_handshake(peer, transport, handshake);
            }
            Input::MessageReceived { peer, message } => self.on_message(peer, message),
            Input::ConnectionClosed { peer, error } => {
                self.forget(peer, LeaveReason::Closed(error));
            }
            Input::BlockServed { peer, block, sent } => {
                if sent {
                    // Counted though the peer may have left meanwhile.
                    self.upload.count(self.now, block);
                }
                if let Some(peer) = self.peers.get_mut(peer) {
                    self.upload.on_block_served(self.now, peer, &mut self.out, block, sent);
                }
                if sent {
                    self.super_seed_sent(peer, block);
                }
            }
            Input::BlocksWritten { bytes } => self.download.on_written(bytes),
            Input::PieceVerified { piece, digests } => self.on_piece_verified(piece, &digests),
            Input::PieceFailed { piece, digests } => self.on_piece_failed(piece, &digests),
            Input::DiskFailed { piece, error } => {
                self.out.tell(Event::Paused { error });
                self.pause(now);
                // No peer is there any more that was asked for them.
                if let (Some(piece), Some(picker)) = (piece, self.stage.picker_mut()) {
                    picker.unstored(piece);
                }
            }
            Input::PieceLost { piece } => self.on_piece_lost(piece),
            Input::MetadataRefused => self.on_metadata_refused(),
            Input::HashesNeeded(requests) => {
                if self.stage.picker().is_none() {
                    self.stage = Stage::hashes(requests);
                    self.fetch();
                }
            }
            Input::HashesChecked { peer, request, is_right } => {
                if let Stage::Hashes(fetch) = &mut self.stage {
                    fetch.handle_checked(peer, &request, is_right);
                    if !is_right {
                        // A part is proven by itself: nobody else can be at fault.
                        self.ban(peer, None);
                    }
                    self.fetch();
                }
            }
            Input::HashesRead { peer, request, hashes } => {
                if let Some(peer) = self.peers.get_mut(peer) {
                    hashes::on_read(self.now, peer, &mut self.out, request, hashes);
                }
            }
            Input::ContentReady(content) => self.on_content_ready(content),
            Input::FetchEnded { fetch, outcome } => self.on_fetch_ended(fetch, outcome),
            Input::WebSeedLacks { seed, pieces } => self.on_web_seed_lacks(seed, pieces),
            Input::Announced(outcome) => self.on_announced(outcome),
            Input::Scraped(outcome) => {
                let told = self.trackers.on_scraped(self.now, self.greeting.hashes(), outcome);
                self.out.tell_if(told);
            }
        }
    }

    /// Takes in the header of a `piece` message; the bytes stay with the caller, who acts on the
    /// verdict at once.
    ///
    /// The hot path: the time does not grow with the number of peers or pieces (`benches/swarm`), and
    /// nothing is allocated in the steady state (`tests/allocations.rs`).
    pub fn handle_block(
        &mut self,
        now: Instant,
        peer: PeerKey,
        header: PieceHeader,
    ) -> BlockVerdict {
        self.advance(now);
        let verdict = self.on_block(peer, header);
        if is_planted(Bug::TellsEarly) && matches!(verdict, BlockVerdict::StoreLast { .. }) {
            for peer in self.peers.iter() {
                let message = Message::Have(header.index);
                self.out.act(Action::Send { peer: peer.key, message });
            }
        }
        verdict
    }

    /// Time has passed. Calls that come too early change nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        // A reminder may set another one, but never one that is due already.
        while let Some((at, peer)) = self.out.timers.pop_due(now) {
            self.on_reminder(at, peer);
        }
        let is_seeding = self.stage.is_finished();
        self.upload.handle_timeout(now, &mut self.peers, &mut self.out, is_seeding);
        self.download.handle_timeout(now);
        if let Some(seeds) = &mut self.web_seeds {
            seeds.handle_timeout(now);
        }
        self.look_at_super_seed();
        self.fetch();
        self.announce();
        self.look_up();
        self.dial();
    }

    /// The instant at which to call [`handle_timeout`](Self::handle_timeout), if nothing happens before.
    ///
    /// May change after any call that takes `now`, and after [`poll_action`](Self::poll_action).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let is_open = self.is_open();
        let need = self.need().filter(|_| is_open);
        let hungry = (need == Some(Need::Gifts)).then(|| self.roster.hungry_at(self.now)).flatten();
        let due = [
            hungry,
            self.out.timers.next(),
            self.upload.poll_timeout(),
            self.super_seed.as_ref().and_then(|seed| seed.poll_timeout()),
            self.download.poll_timeout(),
            self.web_seeds.as_ref().filter(|_| is_open).and_then(|seeds| seeds.poll_timeout()),
            self.stage.poll_timeout(self.now),
            self.trackers.poll_timeout(),
            self.look_ups.as_ref().filter(|_| is_open).and_then(|look_ups| look_ups.poll_timeout()),
            is_open.then(|| self.roster.ready_at(&self.peers, need)).flatten(),
        ];
        due.into_iter().flatten().min()
    }

    /// The next thing to do. Drain it after every input.
    pub fn poll_action(&mut self) -> Option<Action> {
        // Once for all inputs of a turn: many blocks of one read are answered by one look at each peer.
        if self.out.has_no_action() {
            self.refill();
        }
        let action = self.out.poll_action();
        if action.is_none() && self.peers.len() == 0 && self.web_seeds.is_none() {
            self.out.rest();
        }
        action
    }

    /// The next thing to know. Drain it after every input.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.poll_event()
    }

    /// Takes in a connection from outside that named this torrent. `None`: refuse it, without an answer.
    ///
    /// With a key, answer with [`handshake`](Self::handshake), naming the hash that the peer named, and
    /// tell [`Input::HandshakeCompleted`](crate::Input::HandshakeCompleted) or
    /// [`Input::ConnectFailed`](crate::Input::ConnectFailed).
    pub fn accept(&mut self, now: Instant, address: SocketAddr) -> Option<PeerKey> {
        self.advance(now);
        if !self.is_open() {
            return None;
        }
        let (need, is_loaded) = (self.need(), self.stage.picker().is_some());
        match self.roster.admit(self.now, &self.peers, address, need, is_loaded) {
            Admission::Free => {}
            // The newcomer has the place, before an address that waits for one.
            Admission::InPlaceOf(yielding) => self.part(yielding, LeaveReason::Crowded),
            Admission::Refused | Admission::Greedy => return None,
        }
        Some(self.roster.accept(self.now, &mut self.peers, &mut self.out, address))
    }

    /// Leaves the connection of least use, as the program needs what it holds: a file descriptor, for instance.
    /// Returns false if there is none. Its place is taken by another in time, so that the caller has to see
    /// to it that there are fewer.
    pub fn leave_one(&mut self, now: Instant) -> bool {
        self.advance(now);
        let least = self.roster.least_useful(&self.peers);
        least.inspect(|&least| self.part(least, LeaveReason::Crowded)).is_some()
    }

    /// The metadata is known, and says that the torrent is private (BEP 27). To be told before
    /// [`Input::HashesNeeded`] and [`Input::ContentReady`]: whoever came by other peers or the link is left,
    /// and nobody is told of the others.
    pub fn set_private(&mut self, now: Instant) {
        self.advance(now);
        self.become_private();
    }

    /// The memory that the metadata has a use for while it is being fetched; `None` before and after.
    pub fn metadata_demand(&self) -> Option<MetadataDemand> {
        match &self.stage {
            Stage::Metadata(fetch) => Some(fetch.demand()),
            Stage::Hashes(_) | Stage::Checking { .. } | Stage::Loaded(_) => None,
        }
    }

    /// The use that peers can be of now; `None` if nothing they do or fail to do says anything.
    fn need(&self) -> Option<Need> {
        match &self.stage {
            // Nobody gives what is not asked for.
            Stage::Metadata(fetch) => (!fetch.is_held_back()).then_some(Need::Gifts),
            Stage::Hashes(_) => Some(Need::Gifts),
            Stage::Checking { .. } => None,
            Stage::Loaded(_) if self.stage.is_finished() => Some(Need::Nothing),
            Stage::Loaded(_) => (!self.download.is_held_back()).then_some(Need::Gifts),
        }
    }

    /// Bytes as trackers are told of them.
    fn progress(&self) -> Progress {
        let left = |picker: &Picker| picker.geometry().total_payload() - picker.have_bytes();
        Progress {
            uploaded: self.upload.total(),
            downloaded: self.download.total(),
            left: self.stage.picker().map(left),
        }
    }

    /// Panics if the parts contradict each other. For tests, fuzzers and simulations.
    pub fn check_invariants(&self) {
        self.peers.check_invariants();
        self.roster.check_invariants(&self.peers);
        self.upload.check_invariants(&self.peers);
        if let Some(exchange) = &self.tracker_exchange {
            exchange.check_invariants();
        }
        if let Some(seed) = &self.super_seed {
            seed.check_invariants(&self.peers);
        }
        if let Some(seeds) = &self.web_seeds {
            seeds.check_invariants(self.stage.picker().is_some());
        }
        if let Some(picker) = self.stage.picker() {
            self.download.check_invariants(&self.peers, picker);
        }
    }
}
