use tinytorrent_swarm::{ConnectionError, PeerKey};
use tinytorrent_wire::Decoder;
use tinytorrent_wire::mse::Cipher;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::ReadHalf;

use super::buffers::ReceiveBuffer;
use super::channel::decrypt;
use super::notice::{Notice, NoticeSender};

/// Reads as many bytes as there are, and reports all complete messages in them together, until the
/// connection ends.
pub(super) async fn run(
    peer: PeerKey,
    mut socket: ReadHalf<'_>,
    mut cipher: Option<Cipher>,
    mut received: ReceiveBuffer,
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
        received.make_room().await;
        let before = received.bytes.len();
        match socket.read_buf(&mut received.bytes).await {
            Ok(0) => return ConnectionError::Closed,
            Ok(_) => {
                decrypt(&mut cipher, &mut received.bytes, before);
                received.note_read();
            }
            Err(error) => return error.into(),
        }
    }
}
