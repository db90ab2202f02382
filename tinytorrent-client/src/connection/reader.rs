use tinytorrent_swarm::{ConnectionError, PeerKey};
use tinytorrent_wire::Decoder;
use tinytorrent_wire::mse::Cipher;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::ReadHalf;

use super::buffers::ReceiveBuffer;
use super::channel::decrypt;
use super::notice::{Notice, NoticeSender};

/// Reads as much as there is, and hands on all whole messages at once. Returns why it ended.
pub(super) async fn run(
    peer: PeerKey,
    mut socket: ReadHalf<'_>,
    mut cipher: Option<Cipher>,
    mut received: ReceiveBuffer,
    owner: &NoticeSender,
) -> ConnectionError {
    let mut decoder = Decoder::new();
    loop {
        // Messages may have come right behind the handshake, so decoding comes first.
        let frames = decoder.split_frames(&mut received.bytes);
        let is_broken = frames.ends_in_error();
        if !frames.is_empty() && owner.send(Notice::Frames { peer, frames }).await.is_err() {
            return ConnectionError::Abandoned;
        }
        if is_broken {
            // The owner meets the error after the messages before it, and hangs up.
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
