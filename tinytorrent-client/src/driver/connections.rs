use std::net::SocketAddr;

use bytes::Bytes;
use tinytorrent_swarm::{PeerKey, Route};
use tinytorrent_types::BlockInfo;
use tinytorrent_wire::{Handshake, Message};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{Instrument, Span};

use super::links::Links;
use super::notices::Notices;
use crate::Encryption;
use crate::connection::buffers::{BufferPool, ReceiveBuffer};
use crate::connection::channel::Channel;
use crate::connection::failure::ConnectFailure;
use crate::connection::handshake::Dial;
use crate::connection::{self, Hold, Incoming, Link, Notice, NoticeSender, handshake};
use crate::dialer::Dialer;
use crate::memory::Share;
use crate::places::Places;
use crate::spans;

/// The connections of one torrent: a task for each, and a link to send through.
pub(super) struct Connections {
    links: Links,
    tasks: JoinSet<()>,
    notices: Notices,
    encryption: Encryption,
    dialer: Dialer,
    buffers: BufferPool,
    places: Places,
    /// The share that messages and blocks charge until they are sent.
    send: Share,
}

impl Connections {
    pub(super) fn new(
        encryption: Encryption,
        dialer: Dialer,
        buffers: BufferPool,
        places: Places,
        send: Share,
    ) -> Self {
        let (links, tasks, notices) = (Links::default(), JoinSet::new(), Notices::default());
        Self { links, tasks, notices, encryption, dialer, buffers, places, send }
    }

    /// Connects to a peer and shakes hands.
    pub(super) fn connect(
        &mut self,
        peer: PeerKey,
        address: SocketAddr,
        route: Route,
        ours: Handshake,
    ) {
        let (encryption, dialer, places) =
            (self.encryption, self.dialer.clone(), self.places.clone());
        let dial = Dial { address, route, dialer, places };
        let mut received = ReceiveBuffer::new(self.buffers.clone());
        self.spawn(peer, address, async move {
            let bytes = &mut received.bytes;
            let made = handshake::connect(dial, ours, encryption, bytes).await;
            made.map(|(channel, theirs)| (channel, theirs, received))
        });
    }

    /// Answers the handshake of an incoming connection.
    pub(super) fn accept(&mut self, peer: PeerKey, incoming: Incoming, ours: Handshake) {
        let Incoming { mut channel, received, info_hash, address } = incoming;
        // A hybrid torrent has two info-hashes, and the peer may know only the one it has sent.
        let ours = Handshake { info_hash, ..ours };
        let mut received = ReceiveBuffer::with(received, self.buffers.clone());
        self.spawn(peer, address, async move {
            let theirs = handshake::answer(&mut channel, ours, &mut received.bytes).await?;
            Ok((channel, theirs, received))
        });
    }

    /// Adds a message to those of this turn. Connections that are closed ignore it.
    pub(super) fn send(&mut self, peer: PeerKey, message: &Message) {
        self.links.send(peer, message);
    }

    /// Sends a block behind the messages of this turn.
    pub(super) fn send_block(&mut self, peer: PeerKey, block: BlockInfo, data: Bytes, hold: Hold) {
        self.links.send_block(peer, block, data, hold);
    }

    /// Returns `true` if the connection is not closed.
    pub(super) fn has(&mut self, peer: PeerKey) -> bool {
        self.links.get(peer).is_some()
    }

    /// The span of what is logged about a peer, as long as its connection is not closed.
    pub(super) fn span(&mut self, peer: PeerKey) -> Span {
        self.links.get(peer).map_or(Span::none(), |link| link.span().clone())
    }

    /// Returns `true` if the payload of the connection is encrypted.
    pub(super) fn is_encrypted(&mut self, peer: PeerKey) -> bool {
        self.links.get(peer).is_some_and(|link| link.is_encrypted)
    }

    /// Notes that the payload of a connection is encrypted.
    pub(super) fn note_encrypted(&mut self, peer: PeerKey) {
        if let Some(link) = self.links.get(peer) {
            link.is_encrypted = true;
        }
    }

    /// Returns `true` if the peer has to read earlier answers before it gets more.
    pub(super) fn is_congested(&mut self, peer: PeerKey) -> bool {
        self.links.get(peer).is_some_and(|link| link.is_congested())
    }

    /// Sends the messages of this turn. Returns the peers that do not read what they are sent.
    pub(super) fn flush(&mut self) -> Vec<PeerKey> {
        self.links.flush()
    }

    /// Closes a connection. Its messages of this turn are still written.
    pub(super) fn close(&mut self, peer: PeerKey) {
        self.links.remove(peer);
    }

    /// A sender for reports of something else than a connection. While it is in use, nothing may [`rest`](Self::rest).
    pub(super) fn notices(&mut self) -> NoticeSender {
        self.notices.sender()
    }

    /// Returns the receiver of what connections report, if there is a new one.
    pub(super) fn take_receiver(&mut self) -> Option<mpsc::Receiver<Notice>> {
        self.notices.fresh.take()
    }

    /// Lets go what connections need, if there is none.
    pub(super) fn rest(&mut self) {
        self.forget_ended();
        if self.tasks.is_empty() {
            self.notices.rest();
        }
    }

    fn forget_ended(&mut self) {
        // A set keeps tasks that have ended, so that it would grow without this.
        while self.tasks.try_join_next().is_some() {}
    }

    fn spawn(
        &mut self,
        peer: PeerKey,
        address: SocketAddr,
        greeted: impl Future<Output = Result<Greeted, ConnectFailure>> + Send + 'static,
    ) {
        let messages = self.send.holder();
        let span = spans::peer(address);
        let (link, mut outgoing) = Link::new(messages.clone(), span.clone());
        // Before the handshakes, so that the engine can close the connection meanwhile. With its
        // link gone, it ends as soon as it runs.
        self.links.insert(peer, link);
        self.forget_ended();
        let notices = self.notices.sender();
        // The handshakes need twice as much as the connection that follows them. In the task, that room would be kept
        // until the end.
        let greeted = Box::pin(greeted);
        let task = async move {
            let greeted = tokio::select! {
                // The end comes first: a dial that waits must not connect for a link that is gone.
                biased;
                // Nothing is sent before the handshakes are complete, so that this is the end of the link.
                _ = outgoing.recv() => return,
                greeted = greeted => greeted,
            };
            let (notice, greeted) = match greeted {
                Ok((channel, handshake, received)) => {
                    let (transport, is_encrypted) = (channel.transport(), channel.is_encrypted());
                    let greeted = Notice::Greeted { peer, transport, handshake, is_encrypted };
                    (greeted, Some((channel, received)))
                }
                Err(failure) => (Notice::Failed { peer, error: failure.into() }, None),
            };
            // Fails if the torrent has ended.
            if notices.send(notice).await.is_ok()
                && let Some((channel, received)) = greeted
            {
                connection::run(peer, channel, received, outgoing, messages, notices).await;
            }
        };
        self.tasks.spawn(task.instrument(span));
    }
}

/// A connection after both handshakes, the peer's handshake, and the bytes received behind it.
type Greeted = (Channel, Handshake, ReceiveBuffer);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::timeout;

    use super::super::testing::engine;
    use tinytorrent_net::Network;

    use super::*;
    use crate::connection::Stream;
    use crate::connection::handshake::Dialed;
    use crate::memory::Memory;

    fn connections() -> (Connections, mpsc::Receiver<Notice>) {
        let memory = Memory::new(8 << 20);
        let pool = BufferPool::new(memory.clone());
        let places = Places::new(100, Arc::default());
        let dialer = Dialer::new(Network::default(), (true, false), Arc::new([]));
        let mut connections = Connections::new(Encryption::Off, dialer, pool, places, memory.send);
        connections.notices.sender();
        let notices = connections.take_receiver().expect("the first one");
        (connections, notices)
    }

    async fn next(notices: &mut mpsc::Receiver<Notice>) -> Notice {
        timeout(Duration::from_secs(60), notices.recv()).await.expect("in time").unwrap()
    }

    #[tokio::test]
    async fn two_ends_greet_each_other_and_exchange_messages() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (peer, ours) = engine();
        let (mut here, mut notices) = connections();
        here.connect(peer, address, Route::Either, ours);

        let (stream, address) = listener.accept().await.unwrap();
        let mut channel =
            Channel::plain(Stream::Tcp(stream), Places::new(9, Arc::default()).take().unwrap());
        let mut received = bytes::BytesMut::new();
        let accepted =
            handshake::accept(&mut channel, Encryption::Off, &Dialed, |_| None, &mut received);
        accepted.await.unwrap();
        let (mut there, mut their_notices) = connections();
        let info_hash = ours.info_hash;
        there.accept(peer, Incoming { channel, address, received, info_hash }, ours);
        assert!(matches!(next(&mut notices).await, Notice::Greeted { .. }));
        assert!(matches!(next(&mut their_notices).await, Notice::Greeted { .. }));

        here.send(peer, &Message::Unchoke);
        assert!(here.flush().is_empty());
        let Notice::Frames { frames, .. } = next(&mut their_notices).await else { panic!() };
        assert_eq!(frames.map(Result::unwrap).collect::<Vec<_>>(), [Message::Unchoke]);
        here.close(peer);
        assert!(matches!(next(&mut their_notices).await, Notice::Closed { .. }));
    }

    #[tokio::test]
    async fn a_refused_connection_is_reported() {
        // It does not listen, and nobody else gets its port.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let (peer, ours) = engine();
        let (mut connections, mut notices) = connections();
        connections.connect(peer, address, Route::Either, ours);
        assert!(matches!(next(&mut notices).await, Notice::Failed { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dial_waits_for_a_place_and_ends_with_its_link() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (peer, ours) = engine();
        let (mut connections, _notices) = connections();
        let taken: Vec<_> = std::iter::from_fn(|| connections.places.take()).collect();
        connections.connect(peer, address, Route::Either, ours);
        let accepted = timeout(Duration::from_secs(600), listener.accept()).await;
        assert!(accepted.is_err(), "no place is free");
        connections.close(peer);
        drop(taken);
        assert!(timeout(Duration::from_secs(600), listener.accept()).await.is_err());
        connections.connect(peer, address, Route::Either, ours);
        assert!(listener.accept().await.is_ok());
    }
}
