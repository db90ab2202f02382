//! One connection: a socket, its buffers, and nothing that decides.

pub(crate) mod buffers;
pub(crate) mod channel;
pub(crate) mod failure;
pub(crate) mod handshake;
mod incoming;
mod notice;
mod outgoing;
mod reader;
mod writer;

use std::sync::Arc;

use buffers::ReceiveBuffer;
use channel::Channel;
pub(crate) use incoming::Incoming;
pub(crate) use notice::{Notice, NoticeSender};
pub(crate) use outgoing::{Link, Outgoing};
use tinytorrent_swarm::PeerKey;
use tokio::sync::mpsc;

/// Carries messages both ways until one side ends it.
///
/// It ends when the owner lets go of the connection's [`Link`] and what it sent has been written,
/// when the socket fails, or when the other side closes.
pub(crate) async fn run(
    peer: PeerKey,
    channel: Channel,
    received: ReceiveBuffer,
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
    pending: Arc<outgoing::Pending>,
    owner: NoticeSender,
) {
    let Channel { mut stream, receive, send } = channel;
    let (read, write) = stream.split();
    let error = tokio::select! {
        error = reader::run(peer, read, receive, received, &owner) => error,
        ended = writer::run(peer, write, send, outgoing, &pending, &owner) => match ended {
            Ok(()) => return,
            Err(error) => error.into(),
        },
    };
    // The owner may be gone; then nobody wants to know.
    let _ = owner.send(Notice::Closed { peer, error }).await;
}
