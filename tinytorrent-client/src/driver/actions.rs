//! What the engine wants done.

use std::net::SocketAddr;
use std::time::Instant;

use tinytorrent_swarm::{Action, ConnectionError, Event as SwarmEvent, PeerKey};
use tinytorrent_types::WireInfoHash;
use tinytorrent_wire::Handshake;

use super::Driver;
use crate::Event;
use crate::connection::buffers::ReceiveBuffer;
use crate::connection::channel::Channel;
use crate::connection::failure::ConnectFailure;
use crate::connection::handshake;
use crate::connection::{self, Incoming, Link, Notice, NoticeSender};

impl Driver {
    /// Does everything that the engine wants done, and passes on what it tells.
    pub(super) fn act(&mut self) {
        loop {
            self.perform_all();
            let clogged = self.peers.flush();
            if clogged.is_empty() {
                break;
            }
            for peer in clogged {
                self.hang_up(Instant::now(), peer, ConnectionError::Unread);
            }
        }
        while let Some(event) = self.swarm.poll_event() {
            self.on_event(event);
        }
    }

    /// Does what the engine wants done; messages wait for the end of the turn.
    pub(super) fn perform_all(&mut self) {
        while let Some(action) = self.swarm.poll_action() {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Send { peer, message } => self.peers.send(peer, &message),
            Action::Connect { peer, address, info_hash } => self.connect(peer, address, info_hash),
            Action::Disconnect { peer, reason } => {
                tracing::debug!(%peer, %reason, "disconnecting");
                self.let_go(peer);
            }
            Action::ServeBlock { peer, block } => self.serve(peer, block),
            Action::VerifyPiece { piece, digests } => self.verify(piece, digests),
            Action::CheckMetadata { info } => self.check_metadata(info),
            Action::CheckHashes { peer, hashes } => self.check_hashes(peer, &hashes),
            Action::ReadHashes { peer, request } => self.read_hashes(peer, request),
            Action::Announce(task) => self.lookups.announce(&self.client, self.hashes, task),
        }
    }

    fn on_event(&mut self, event: SwarmEvent) {
        tracing::debug!(?event);
        match &event {
            // It is told once what is too long has been cut.
            SwarmEvent::Finished if self.begin_to_cut() => return,
            SwarmEvent::Finished | SwarmEvent::Paused { .. } => self.update_state(),
            _ => {}
        }
        self.tell(Event::Swarm(event));
    }

    /// Connects and shakes hands, in a task of its own.
    fn connect(&mut self, peer: PeerKey, address: SocketAddr, info_hash: WireInfoHash) {
        let ours = Handshake { info_hash, ..self.swarm.handshake() };
        let (link, outgoing, pending) = Link::new();
        self.peers.insert(peer, link);
        let owner = self.owner.clone();
        let encryption = self.client.options.encryption;
        let mut received = ReceiveBuffer::new(self.client.buffers.clone());
        self.spawn(async move {
            let made = handshake::meet(address, ours, encryption, &mut received.bytes).await;
            if let Some(channel) = report(peer, made, &owner).await {
                connection::run(peer, channel, received, outgoing, pending, owner).await;
            }
        });
    }

    /// Lets a stranger in, if the engine has room for it.
    pub(super) fn admit(&mut self, incoming: Incoming) {
        let Incoming { mut channel, address, received, info_hash } = incoming;
        let Some(peer) = self.swarm.accept(Instant::now(), address) else { return };
        // A hybrid answers by the name it was called.
        let ours = Handshake { info_hash, ..self.swarm.handshake() };
        let (link, outgoing, pending) = Link::new();
        self.peers.insert(peer, link);
        let owner = self.owner.clone();
        let mut received = ReceiveBuffer::with(received, self.client.buffers.clone());
        self.spawn(async move {
            let answered = handshake::answer(&mut channel, ours, &mut received.bytes).await;
            let made = answered.map(|theirs| (channel, theirs));
            if let Some(channel) = report(peer, made, &owner).await {
                connection::run(peer, channel, received, outgoing, pending, owner).await;
            }
        });
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        // Those that have ended are forgotten as new ones come.
        while self.connections.try_join_next().is_some() {}
        self.connections.spawn(task);
    }
}

/// Tells the owner how the handshakes went.
async fn report(
    peer: PeerKey,
    made: Result<(Channel, Handshake), ConnectFailure>,
    owner: &NoticeSender,
) -> Option<Channel> {
    let (channel, notice) = match made {
        Ok((channel, handshake)) => (Some(channel), Notice::Greeted { peer, handshake }),
        Err(error) => (None, Notice::Failed { peer, error: error.into() }),
    };
    owner.send(notice).await.ok().and(channel)
}
