//! The composer: hands each input to the part whose concern it is, and acts on what comes back.

mod commands;
mod connections;
mod messages;

use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tinytorrent_types::Bitfield;
use tinytorrent_wire::session::{Session, Verdict};
use tinytorrent_wire::{Feature, Handshake, PieceHeader, Reserved};

use crate::PeerKey;
use crate::config::{Config, MAX_QUEUED_REQUESTS};
use crate::contract::{Action, BlockVerdict, Content, Event, Input, LeaveReason, Stats};
use crate::download::Download;
use crate::extensions::Extensions;
use crate::hash_fetch::HashFetch;
use crate::metadata::MetadataFetch;
use crate::outbox::Outbox;
use crate::peers::Peers;
use crate::piece::{BlockDigest, Picker};
use crate::roster::Roster;
use crate::stage::{Loaded, Stage};
use crate::trackers::{Progress, Trackers};
use crate::upload::Upload;
use crate::{allowed_fast, exchange, extensions, hashes};

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
///   [`stop`](Self::stop), [`set_urgent`](Self::set_urgent),
///   [`set_download_limit`](Self::set_download_limit) …
/// - outputs: [`poll_action`](Self::poll_action), [`poll_event`](Self::poll_event),
///   [`poll_timeout`](Self::poll_timeout)
#[derive(Debug)]
pub struct Swarm {
    config: Config,
    /// The latest instant that was given. It never goes back.
    now: Instant,
    run: Run,
    stage: Stage,
    /// Pieces that were made urgent before the content was known.
    urgent: Vec<u32>,
    peers: Peers,
    roster: Roster,
    download: Download,
    upload: Upload,
    trackers: Trackers,
    extensions: Extensions,
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
    pub fn new(now: Instant, config: Config) -> Self {
        let chance = StdRng::seed_from_u64(config.seed ^ 0x7377_6172_6d21);
        Self {
            now,
            run: Run::Running,
            stage: if config.needs_metadata {
                Stage::Metadata(Box::new(MetadataFetch::new(config.max_metadata)))
            } else {
                Stage::Checking
            },
            urgent: Vec::new(),
            peers: Peers::new(),
            roster: Roster::new(&config),
            download: Download::new(&config),
            upload: Upload::new(now, &config, chance),
            trackers: Trackers::new(now, &config),
            extensions: Extensions::new(&config),
            out: Outbox::default(),
            config,
        }
    }

    /// Our handshake. Of a hybrid torrent it names the v1 info-hash.
    pub fn handshake(&self) -> Handshake {
        let mut reserved = Reserved::from([Feature::Extended, Feature::Fast]);
        // libtorrent closes the connection when the v2 bit comes with a torrent that has no v2
        // info-hash.
        if self.config.info_hashes.v2().is_some() {
            reserved = reserved.with(Feature::V2);
        }
        if self.config.dht_port.is_some() {
            reserved = reserved.with(Feature::Dht);
        }
        Handshake {
            reserved,
            info_hash: self.config.info_hashes.to_wire(),
            peer_id: self.config.peer_id,
        }
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

    /// After [`stop`](Self::stop): returns true if the trackers have been told, or have had their chance.
    pub fn is_stopped(&self) -> bool {
        self.is_paused() && self.trackers.is_stopped()
    }

    /// Figures of the moment.
    pub fn stats(&mut self, now: Instant) -> Stats {
        let picker = self.stage.picker();
        let total = picker.map_or(0, |picker| picker.geometry().total_payload());
        let have_bytes = picker.map_or(0, Picker::have_bytes);
        Stats {
            downloaded: self.download.total(),
            uploaded: self.upload.total(),
            wasted: self.download.wasted(),
            download_rate: self.download.bytes_per_second(now),
            upload_rate: self.upload.bytes_per_second(now),
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
            Input::HandshakeCompleted { peer, handshake } => self.on_handshake(peer, handshake),
            Input::MessageReceived { peer, message } => self.on_message(peer, message),
            Input::ConnectionClosed { peer, error } => {
                self.forget(peer, LeaveReason::Closed(error));
            }
            Input::BlockServed { peer, block, sent } => {
                if let Some(peer) = self.peers.get_mut(peer) {
                    self.upload.on_block_served(self.now, peer, &mut self.out, block, sent);
                }
            }
            Input::BlocksWritten { bytes } => self.download.on_written(bytes),
            Input::PieceVerified { piece, digests } => self.on_piece_verified(piece, &digests),
            Input::PieceFailed { piece, digests } => self.on_piece_failed(piece, digests),
            Input::DiskFailed { error } => {
                self.out.tell(Event::Paused { error });
                self.pause(now);
            }
            Input::PieceLost { piece } => self.on_piece_lost(piece),
            Input::MetadataRefused => self.on_metadata_refused(),
            Input::HashesNeeded(requests) => {
                if self.stage.picker().is_none() {
                    self.stage = Stage::Hashes(Box::new(HashFetch::new(requests)));
                    self.fetch();
                }
            }
            Input::HashesChecked { peer, request, is_right } => {
                if let Stage::Hashes(fetch) = &mut self.stage {
                    fetch.handle_checked(peer, &request, is_right);
                    if !is_right {
                        // A part is proven by itself: nobody else can be at fault.
                        self.ban(peer);
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
            Input::Announced(outcome) => self.on_announced(outcome),
        }
    }

    /// Takes in the header of a `piece` message; the bytes stay with the caller, who acts on the
    /// verdict at once.
    ///
    /// The hot path: the time does not grow with the number of peers or pieces, and nothing is
    /// allocated but for a new piece now and then (`benches/swarm`).
    pub fn handle_block(
        &mut self,
        now: Instant,
        peer: PeerKey,
        header: PieceHeader,
    ) -> BlockVerdict {
        self.advance(now);
        self.on_block(peer, header)
    }

    fn on_block(&mut self, key: PeerKey, header: PieceHeader) -> BlockVerdict {
        let (now, length) = (self.now, u64::from(header.length));
        let Some(peer) = self.peers.get_mut(key) else { return BlockVerdict::Discard };
        peer.timing.last_received = now;
        let judged = peer.session.handle_received_block(header);
        if let (Ok(Verdict::Legal), Some(picker)) = (&judged, self.stage.picker_mut())
            && let Some(block) = peer.block_of(header)
        {
            let received = self.download.on_block(now, peer, picker, block);
            if let Some(other) = received.other.and_then(|other| self.peers.get_mut(other)) {
                self.download.take_back(now, other, &mut self.out, block);
            }
            return received.verdict;
        }
        self.download.on_waste(length);
        match judged {
            Err(violation) => self.leave(key, LeaveReason::Violation(violation)),
            // A block that is too short is as good as a reject.
            Ok(Verdict::Void(requests)) => {
                if let Some(picker) = self.stage.picker_mut() {
                    for request in requests {
                        self.download.on_reject(now, peer, picker, &mut self.out, request);
                    }
                }
            }
            Ok(Verdict::Legal | Verdict::Ignore(_) | Verdict::Refuse(_)) => {}
        }
        BlockVerdict::Discard
    }

    /// Time has passed. Calls that come too early change nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        while let Some((at, peer)) = self.out.timers.pop_due(now) {
            self.on_reminder(at, peer);
        }
        let is_seeding = self.stage.is_finished();
        self.upload.handle_timeout(now, &mut self.peers, &mut self.out, is_seeding);
        self.download.handle_timeout(now);
        self.fetch();
        self.announce();
        self.dial();
    }

    /// The instant at which to call [`handle_timeout`](Self::handle_timeout), if nothing happens before.
    ///
    /// May change after any call that takes `now`, and after [`poll_action`](Self::poll_action).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let is_running = self.run == Run::Running;
        let due = [
            self.out.timers.next(),
            self.upload.poll_timeout(),
            self.download.poll_timeout(),
            self.stage.poll_timeout(self.now),
            self.trackers.poll_timeout(),
            is_running.then(|| self.roster.ready_at(&self.peers)).flatten(),
        ];
        due.into_iter().flatten().min()
    }

    /// The next thing to do. Drain it after every input.
    pub fn poll_action(&mut self) -> Option<Action> {
        if self.out.has_no_action()
            && let Some(picker) = self.stage.picker_mut()
        {
            self.download.refill(self.now, &mut self.peers, picker, &mut self.out);
        }
        self.out.poll_action()
    }

    /// The next thing to know. Drain it after every input.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.poll_event()
    }

    /// One instant for a batch, and never an earlier one than before.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Asks peers for metadata or hashes that are due.
    fn fetch(&mut self) {
        self.stage.fetch(self.now, &mut self.peers, &mut self.out);
    }

    /// Sends the announces that are due.
    fn announce(&mut self) {
        let left = |picker: &Picker| picker.geometry().total_payload() - picker.have_bytes();
        let progress = Progress {
            uploaded: self.upload.total(),
            downloaded: self.download.total(),
            left: self.stage.picker().map(left),
        };
        self.trackers.announce(self.now, progress, &mut self.out);
    }

    /// A session by the rules that we keep.
    fn session(&self, ours: Reserved, theirs: &Handshake) -> Session {
        let is_v2 = |v2: tinytorrent_types::InfoHashV2| v2.to_wire() == theirs.info_hash;
        let mut rules = tinytorrent_wire::session::Config::lenient();
        rules
            .max_outstanding(MAX_QUEUED_REQUESTS)
            .by_v2_hash(self.config.info_hashes.v2().is_some_and(is_v2));
        Session::new(ours, theirs.reserved, rules)
    }

    /// The content is known: what the peers said before can be read, and nobody is dropped.
    fn on_content_ready(&mut self, content: Content) {
        if self.stage.picker().is_some() {
            return;
        }
        let Content { geometry, have, wanted, partial, info, is_private } = content;
        let Config { sequential, seed, .. } = self.config;
        let mut picker = Picker::new(geometry, have, wanted, sequential, seed);
        partial.into_iter().for_each(|block| picker.recover(block));
        self.download.verify(picker.recovered_pieces(), &mut self.out);
        picker.set_urgent(std::mem::take(&mut self.urgent));
        self.trackers.begin(self.now, picker.have().is_full(), is_private);
        if picker.is_finished() {
            self.out.tell(Event::Finished);
        }
        self.stage = Stage::Loaded(Box::new(Loaded { picker, info, is_private }));
        for key in self.peers.iter().map(|peer| peer.key).collect::<Vec<_>>() {
            self.on_content_for(key);
        }
        self.announce();
        self.dial();
    }

    fn on_piece_verified(&mut self, piece: tinytorrent_types::PieceIndex, digests: &[BlockDigest]) {
        let Some(picker) = self.stage.picker_mut() else { return };
        let was_finished = picker.is_finished();
        let (now, peers, out) = (self.now, &mut self.peers, &mut self.out);
        let verified = self.download.on_verified(now, peers, picker, out, piece, digests);
        let Some(guilty) = verified else { return };
        guilty.into_iter().for_each(|guilty| self.ban_for(guilty, piece));
        if self.stage.is_finished() && !was_finished {
            self.on_finished();
        }
    }

    fn on_finished(&mut self) {
        let now = self.now;
        self.out.tell(Event::Finished);
        self.trackers.set_complete(now, self.stage.is_full());
        self.announce();
        for peer in self.peers.iter_mut() {
            extensions::send_upload_only(now, peer, &mut self.out);
        }
        self.leave_seeds();
    }

    fn on_piece_failed(&mut self, piece: tinytorrent_types::PieceIndex, digests: Vec<BlockDigest>) {
        let Some(picker) = self.stage.picker_mut() else { return };
        let guilty = self.download.on_failed(picker, &mut self.out, piece, digests);
        guilty.into_iter().for_each(|guilty| self.ban_for(guilty, piece));
    }

    fn on_piece_lost(&mut self, piece: tinytorrent_types::PieceIndex) {
        let Some(picker) = self.stage.picker_mut() else { return };
        if picker.lose(piece) {
            self.out.tell(Event::PieceLost { piece });
            for peer in self.peers.iter_mut() {
                extensions::send_dont_have(self.now, peer, &mut self.out, piece);
            }
        }
    }

    fn on_metadata_refused(&mut self) {
        let Stage::Metadata(fetch) = &mut self.stage else { return };
        for liar in fetch.on_refused(self.now, &mut self.out) {
            self.ban(liar);
        }
        self.fetch();
    }

    /// Panics if the parts contradict each other. For tests, fuzzers and simulations.
    pub fn check_invariants(&self) {
        self.peers.check_invariants();
        self.roster.check_invariants(&self.peers);
        self.upload.check_invariants(&self.peers);
        if let Some(picker) = self.stage.picker() {
            self.download.check_invariants(&self.peers, picker);
        }
    }
}
