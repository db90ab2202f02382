use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use thiserror::Error;
use tinytorrent_wire::{Handshake, HandshakeError, HandshakeOpening};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection may take to come about. Three SYNs' time, and what libtorrent waits.
const CONNECT: Duration = Duration::from_secs(10);

/// How long the other side may take to shake hands: what libtorrent waits.
const SHAKE: Duration = Duration::from_secs(10);

/// Why two ends did not come together.
#[derive(Debug, Error)]
pub(crate) enum GreetError {
    #[error("no connection within {} s", CONNECT.as_secs())]
    ConnectTimeout,
    #[error("no handshake within {} s", SHAKE.as_secs())]
    ShakeTimeout,
    #[error("closed before its handshake was through")]
    Closed,
    #[error("its handshake is for another torrent")]
    WrongInfoHash,
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Connects.
pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream, GreetError> {
    let connected = timeout(CONNECT, TcpStream::connect(address));
    let stream = connected.await.map_err(|_| GreetError::ConnectTimeout)??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Shakes hands on a connection that we made. What came after the handshake stays in `received`.
pub(crate) async fn greet(
    stream: &mut TcpStream,
    ours: Handshake,
    received: &mut BytesMut,
) -> Result<Handshake, GreetError> {
    in_time(async {
        stream.write_all(&ours.to_bytes()).await?;
        let opening = read_opening(stream, received).await?;
        if opening.info_hash != ours.info_hash {
            return Err(GreetError::WrongInfoHash);
        }
        read_rest(stream, received).await
    })
    .await
}

/// Reads a stranger's handshake as far as the info-hash.
pub(crate) async fn opening(
    stream: &mut TcpStream,
    received: &mut BytesMut,
) -> Result<HandshakeOpening, GreetError> {
    in_time(read_opening(stream, received)).await
}

/// Answers a stranger, and reads the rest of its handshake.
pub(crate) async fn answer(
    stream: &mut TcpStream,
    ours: Handshake,
    received: &mut BytesMut,
) -> Result<Handshake, GreetError> {
    in_time(async {
        stream.write_all(&ours.to_bytes()).await?;
        read_rest(stream, received).await
    })
    .await
}

async fn in_time<T>(steps: impl Future<Output = Result<T, GreetError>>) -> Result<T, GreetError> {
    timeout(SHAKE, steps).await.map_err(|_| GreetError::ShakeTimeout)?
}

async fn read_opening(
    stream: &mut TcpStream,
    received: &mut BytesMut,
) -> Result<HandshakeOpening, GreetError> {
    loop {
        if let Some(opening) = HandshakeOpening::parse(received)? {
            return Ok(opening);
        }
        read_more(stream, received).await?;
    }
}

async fn read_rest(
    stream: &mut TcpStream,
    received: &mut BytesMut,
) -> Result<Handshake, GreetError> {
    loop {
        if let Some(handshake) = Handshake::decode(received)? {
            return Ok(handshake);
        }
        read_more(stream, received).await?;
    }
}

async fn read_more(stream: &mut TcpStream, received: &mut BytesMut) -> Result<(), GreetError> {
    if stream.read_buf(received).await? == 0 { Err(GreetError::Closed) } else { Ok(()) }
}
