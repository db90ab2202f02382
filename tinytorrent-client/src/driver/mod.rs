//! One task for each torrent: it owns the engine, tells it what happened and does what it says.

mod actions;
mod content;
mod data;
mod hashes;
mod kept;
mod longer;
mod lookups;
mod peers;
mod start;
mod stopping;

use std::sync::Arc;
use std::time::{Duration, Instant};

use data::DataPlane;
use longer::Longer;
use peers::Peers;
pub(crate) use start::start;
use stopping::Stopping;
use tinytorrent_metainfo::FileSelection;
use tinytorrent_storage::Completion;
use tinytorrent_swarm::{ConnectionError, Input, PeerKey, PeerSource, Swarm};
use tinytorrent_types::InfoHashes;
use tinytorrent_wire::{Frames, Message};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;

use crate::connection::{Incoming, Notice, NoticeSender};
use crate::resources::Resources;
use crate::torrent::{Command, State, Status};
use crate::{Event, PeerAddress, TorrentError, TorrentOptions};

/// Notices of one turn at most: enough to share the cost of a turn among many, few enough for
/// the disk and the requests to follow while a fast connection never runs dry.
const BATCH: usize = 32;

/// Notices that wait for the owner at most. Each may hold a receive buffer.
const WAITING_NOTICES: usize = 32;

/// What the driver of a torrent holds.
struct Driver {
    client: Arc<Resources>,
    options: TorrentOptions,
    hashes: InfoHashes,
    /// Files that the source names, for when the options name none.
    selection: FileSelection,
    /// Where the client sends strangers that ask for this torrent.
    door: mpsc::Sender<Incoming>,
    swarm: Swarm,
    layers: hashes::Layers,
    /// `None` if resume data is neither used nor kept.
    kept: Option<kept::Kept>,
    longer: Longer,
    /// `None` until the content is known and looked at.
    data: Option<DataPlane>,
    /// For the disk to report to.
    completed: mpsc::UnboundedSender<Completion>,
    peers: Peers,
    /// For connections to report to.
    owner: NoticeSender,
    connections: JoinSet<()>,
    lookups: lookups::Lookups,
    events: broadcast::Sender<Event>,
    status: watch::Sender<Status>,
    stopping: Option<Stopping>,
    /// When the resume data is written next, while the torrent runs.
    save_at: Instant,
    /// Bytes of verified pieces when it was written last.
    saved_bytes: u64,
    /// It is over, by this error.
    failure: Option<TorrentError>,
}

/// The ways that lead into a driver.
struct Inlets {
    notices: mpsc::Receiver<Notice>,
    strangers: mpsc::Receiver<Incoming>,
    commands: mpsc::UnboundedReceiver<Command>,
    completions: mpsc::UnboundedReceiver<Completion>,
    found: mpsc::UnboundedReceiver<lookups::Found>,
}

impl Driver {
    /// Waits for something, tells the engine, does what it says; until the end.
    async fn run(mut self, mut inlets: Inlets) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut completions = Vec::with_capacity(BATCH);
        let mut alarm = std::pin::pin!(tokio::time::sleep(Default::default()));
        self.act();
        while !self.is_over() {
            self.set_alarm(alarm.as_mut());
            tokio::select! {
                _ = inlets.notices.recv_many(&mut batch, BATCH) => {
                    let now = Instant::now();
                    for notice in batch.drain(..) {
                        self.on_notice(now, notice);
                        // A few bytes of a message may call for an answer of many: what one read
                        // calls for is done before the next is looked at.
                        self.perform_all();
                    }
                }
                _ = inlets.completions.recv_many(&mut completions, BATCH) => {
                    let now = Instant::now();
                    completions.drain(..).for_each(|done| self.on_completion(now, done));
                }
                Some(found) = inlets.found.recv() => self.on_found(found),
                Some(stranger) = inlets.strangers.recv() => self.admit(stranger),
                command = inlets.commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    // All handles are gone.
                    None => break,
                },
                () = &mut alarm => {}
            }
            let now = Instant::now();
            self.swarm.handle_timeout(now);
            self.save_in_time(now);
            self.act();
        }
        self.end();
    }

    fn set_alarm(&self, alarm: std::pin::Pin<&mut Sleep>) {
        let wake_ups = [self.swarm.poll_timeout(), self.deadline(), self.next_save()];
        // Without anything to wait for, an hour is as good as any.
        let wake_up = wake_ups.into_iter().flatten().min();
        let wake_up = wake_up.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        if alarm.deadline() != wake_up.into() {
            alarm.reset(wake_up.into());
        }
    }

    fn on_notice(&mut self, now: Instant, notice: Notice) {
        match notice {
            Notice::Frames { peer, frames } => self.on_frames(now, peer, frames),
            Notice::Served { peer, blocks } => {
                for block in blocks {
                    self.swarm.handle_input(now, Input::BlockServed { peer, block, sent: true });
                }
            }
            Notice::Greeted { peer, handshake } => {
                self.swarm.handle_input(now, Input::HandshakeCompleted { peer, handshake });
            }
            Notice::Failed { peer, error } => {
                self.let_go(peer);
                self.swarm.handle_input(now, Input::ConnectFailed { peer, error });
            }
            Notice::Closed { peer, error } => self.hang_up(now, peer, error),
        }
    }

    fn on_frames(&mut self, now: Instant, peer: PeerKey, frames: Frames) {
        for message in frames {
            match message {
                Ok(Message::Piece(piece)) => {
                    let verdict = self.swarm.handle_block(now, peer, piece.header());
                    self.store(verdict, piece.data);
                }
                Ok(message) => {
                    self.swarm.handle_input(now, Input::MessageReceived { peer, message });
                }
                Err(error) => self.hang_up(now, peer, ConnectionError::Framing(error)),
            }
        }
    }

    fn hang_up(&mut self, now: Instant, peer: PeerKey, error: ConnectionError) {
        self.let_go(peer);
        self.swarm.handle_input(now, Input::ConnectionClosed { peer, error });
    }

    fn let_go(&mut self, peer: PeerKey) {
        self.peers.remove(peer);
        self.cancel_reads(peer);
    }

    fn on_command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::AddPeers(peers) => self.add_peers(now, PeerSource::User, peers),
            Command::AddTrackers(tiers) => self.swarm.add_trackers(now, tiers),
            Command::Pause => {
                self.swarm.pause(now);
                self.update_state();
            }
            Command::Resume => {
                self.swarm.resume(now);
                self.update_state();
            }
            Command::SetUrgent(pieces) => self.swarm.set_urgent(now, pieces),
            Command::SetDownloadLimit(limit) => self.swarm.set_download_limit(now, limit),
            Command::SetUploadLimit(limit) => self.swarm.set_upload_limit(now, limit),
            Command::Stats(answer) => {
                // Who asked may have gone away.
                let _ = answer.send(self.swarm.stats(now));
            }
            Command::Stop => self.begin_to_stop(now),
        }
    }

    fn add_peers(&mut self, now: Instant, source: PeerSource, peers: Vec<PeerAddress>) {
        let mut addresses = Vec::new();
        for peer in peers {
            match peer {
                PeerAddress::Address(address) => addresses.push(address),
                PeerAddress::Name(name) => {
                    self.lookups.resolve(source, name.host().to_owned(), name.port());
                }
            }
        }
        self.swarm.handle_input(now, Input::PeersFound { source, addresses });
    }

    /// Shows the state that the torrent is in.
    fn update_state(&self) {
        let state = self.state();
        self.status.send_if_modified(|status| std::mem::replace(&mut status.state, state) != state);
    }

    /// The state of a torrent that is not over.
    fn state(&self) -> State {
        if self.swarm.is_paused() && self.stopping.is_none() {
            State::Paused
        } else if self.swarm.is_finished() && !self.longer.is_cutting() {
            State::Seeding
        } else if self.data.is_some() {
            State::Downloading
        } else if self.status.borrow().metainfo.is_some() && !self.is_fetching_layers() {
            State::Checking
        } else {
            State::FetchingMetadata
        }
    }

    fn tell(&self, event: Event) {
        // Without a listener, nobody needs to know.
        let _ = self.events.send(event);
    }

    fn fail(&mut self, error: impl Into<TorrentError>) {
        self.failure.get_or_insert(error.into());
    }
}
