use std::time::Duration;

use tinytorrent_swarm::{ConnectionError, PeerKey};
use tinytorrent_wire::Decoder;
use tinytorrent_wire::mse::Cipher;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout_at;

use super::buffers::ReceiveBuffer;
use super::channel::decrypt;
use super::notice::{Notice, NoticeSender};
use super::outgoing::is_congested;
use crate::memory::Holder;

/// Interval at which the queue of a peer that does not read is looked at.
const CONGESTION_PAUSE: Duration = Duration::from_millis(50);

/// Reads as many bytes as there are, and reports all complete messages in them together, until the
/// connection ends. `messages` is the holder of the messages that wait for the peer: while it does not
/// read them, it is not read either.
pub(super) async fn run(
    peer: PeerKey,
    mut socket: impl AsyncRead + Unpin,
    mut cipher: Option<Cipher>,
    mut received: ReceiveBuffer,
    messages: &Holder,
    notices: &NoticeSender,
) -> ConnectionError {
    let mut decoder = Decoder::new();
    loop {
        // Messages may have arrived with the handshake, so they are decoded before the first read.
        let frames = decoder.split_frames(&mut received.bytes);
        let is_broken = frames.ends_in_error();
        if !frames.is_empty() && notices.send(Notice::Frames { peer, frames }).await.is_err() {
            return ConnectionError::Abandoned;
        }
        if is_broken {
            // The driver finds the error behind the messages before it, and closes the connection.
            std::future::pending::<()>().await;
        }
        while is_congested(messages) {
            // Polled, as the limit depends on all connections.
            tokio::time::sleep(CONGESTION_PAUSE).await;
        }
        if let Err(error) = received.make_room().await {
            return error;
        }
        let before = received.bytes.len();
        let read = loop {
            // The buffer and the deadline change together, so that both are asked anew.
            let Some(deadline) = received.deadline() else {
                break socket.read_buf(&mut received.bytes).await;
            };
            match timeout_at(deadline, socket.read_buf(&mut received.bytes)).await {
                Ok(read) => break read,
                Err(_) => {
                    if let Err(error) = received.handle_timeout() {
                        return error;
                    }
                }
            }
        };
        match read {
            Ok(0) => return ConnectionError::Closed,
            Ok(_) => {
                decrypt(&mut cipher, &mut received.bytes, before);
                received.note_read();
            }
            Err(error) => return error.into(),
        }
    }
}
