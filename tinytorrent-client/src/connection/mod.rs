//! One connection to a peer: a socket, its buffers and its ciphers. It decides nothing.

pub(crate) mod buffers;
pub(crate) mod channel;
pub(crate) mod failure;
pub(crate) mod handshake;
mod incoming;
mod notice;
mod outgoing;
mod reader;
mod stream;
mod writer;

use buffers::ReceiveBuffer;
use channel::Channel;
pub(crate) use incoming::Incoming;
pub(crate) use notice::{Notice, NoticeSender};
pub(crate) use outgoing::{Hold, Link, Outgoing};
pub(crate) use stream::Stream;
use tinytorrent_swarm::PeerKey;
use tinytorrent_wire::mse::Cipher;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::memory::Holder;

/// Reads and writes messages until the connection ends.
///
/// It ends when its [`Link`] was dropped and everything that was sent through it is written, when the
/// socket fails, or when the peer closes it.
pub(crate) fn run(
    peer: PeerKey,
    channel: Channel,
    received: ReceiveBuffer,
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
    messages: Holder,
    notices: NoticeSender,
) -> impl Future<Output = ()> {
    let Channel { mut stream, receive, send, place } = channel;
    // Not an `async fn`, which would keep its arguments twice, in each connection.
    async move {
        let _place = &place;
        let exchange = Exchange { peer, receive, send, received, outgoing, messages, notices };
        match &mut stream {
            Stream::Tcp(stream) => exchange.run(stream.split()).await,
            Stream::Utp(stream) => exchange.run(stream.split()).await,
        }
    }
}

/// The buffers and ciphers of a connection, and its ways to the driver.
struct Exchange {
    peer: PeerKey,
    receive: Option<Cipher>,
    send: Option<Cipher>,
    received: ReceiveBuffer,
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
    messages: Holder,
    notices: NoticeSender,
}

impl Exchange {
    fn run(
        self,
        (read, write): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    ) -> impl Future<Output = ()> {
        let Self { peer, receive, send, received, outgoing, messages, notices } = self;
        async move {
            // Neither half has to be safe to cancel, as the connection ends with the first of them.
            let error = tokio::select! {
                error = reader::run(peer, read, receive, received, &messages, &notices) => error,
                ended = writer::run(peer, write, send, outgoing, &notices) => match ended {
                    // The driver has dropped the link by itself, and needs no notice.
                    Ok(()) => return,
                    Err(error) => error.into(),
                },
            };
            // Fails if the torrent has ended.
            let _ = notices.send(Notice::Closed { peer, error }).await;
        }
    }
}
