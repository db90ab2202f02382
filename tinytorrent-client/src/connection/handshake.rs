use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use thiserror::Error;
use tinytorrent_swarm::ConnectionError;
use tinytorrent_types::WireInfoHash;
use tinytorrent_wire::mse::{MseError, ObfuscatedHash};
use tinytorrent_wire::{Handshake, HandshakeError, HandshakeOpening};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::channel::Channel;
use crate::Encryption;

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
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("not encrypted, where encryption is required")]
    Plain,
    #[error("its encryption failed: {0}")]
    Encryption(MseError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

async fn connect(address: SocketAddr) -> Result<TcpStream, GreetError> {
    let connected = timeout(CONNECT, TcpStream::connect(address));
    let stream = connected.await.map_err(|_| GreetError::ConnectTimeout)??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Connects and shakes hands. What came after the handshake stays in `received`.
///
/// With [`Encryption::Prefer`] a peer that hangs up on a plain handshake is asked once more,
/// hidden: plain costs nothing, and those who refuse it say so at once.
pub(crate) async fn meet(
    address: SocketAddr,
    ours: Handshake,
    encryption: Encryption,
    received: &mut BytesMut,
) -> Result<(Channel, Handshake), GreetError> {
    let mut channel = Channel::plain(connect(address).await?);
    if encryption == Encryption::Require {
        let theirs = greet_hidden(&mut channel, ours, encryption, received).await?;
        return Ok((channel, theirs));
    }
    match greet(&mut channel, ours, received).await {
        Ok(theirs) => Ok((channel, theirs)),
        Err(error) if encryption == Encryption::Prefer && error.may_want_encryption() => {
            received.clear();
            channel = Channel::plain(connect(address).await?);
            let theirs = greet_hidden(&mut channel, ours, encryption, received).await?;
            Ok((channel, theirs))
        }
        Err(error) => Err(error),
    }
}

async fn greet(
    channel: &mut Channel,
    ours: Handshake,
    received: &mut BytesMut,
) -> Result<Handshake, GreetError> {
    in_time(async {
        channel.write(&ours.to_bytes()).await?;
        read_rest(channel, received).await
    })
    .await
}

async fn greet_hidden(
    channel: &mut Channel,
    ours: Handshake,
    encryption: Encryption,
    received: &mut BytesMut,
) -> Result<Handshake, GreetError> {
    in_time(async {
        channel.initiate(ours.info_hash, encryption, &ours.to_bytes(), received).await?;
        read_rest(channel, received).await
    })
    .await
}

/// Reads a stranger's handshake as far as the info-hash, whether it is hidden or not.
pub(crate) async fn opening(
    channel: &mut Channel,
    encryption: Encryption,
    find: impl Fn(&ObfuscatedHash) -> Option<WireInfoHash>,
    received: &mut BytesMut,
) -> Result<HandshakeOpening, GreetError> {
    in_time(async {
        channel.respond(encryption, find, received).await?;
        read_opening(channel, received).await
    })
    .await
}

/// Answers a stranger, and reads the rest of its handshake.
pub(crate) async fn answer(
    channel: &mut Channel,
    ours: Handshake,
    received: &mut BytesMut,
) -> Result<Handshake, GreetError> {
    in_time(async {
        channel.write(&ours.to_bytes()).await?;
        read_rest(channel, received).await
    })
    .await
}

async fn in_time<T>(steps: impl Future<Output = Result<T, GreetError>>) -> Result<T, GreetError> {
    timeout(SHAKE, steps).await.map_err(|_| GreetError::ShakeTimeout)?
}

async fn read_opening(
    channel: &mut Channel,
    received: &mut BytesMut,
) -> Result<HandshakeOpening, GreetError> {
    loop {
        if let Some(opening) = HandshakeOpening::parse(received)? {
            return Ok(opening);
        }
        channel.read_more(received).await?;
    }
}

/// Reads a whole handshake. Whether it is for the right torrent is for the engine to judge.
async fn read_rest(
    channel: &mut Channel,
    received: &mut BytesMut,
) -> Result<Handshake, GreetError> {
    loop {
        if let Some(handshake) = Handshake::decode(received)? {
            return Ok(handshake);
        }
        channel.read_more(received).await?;
    }
}

impl GreetError {
    /// Whether a peer that wants encryption would end like this.
    fn may_want_encryption(&self) -> bool {
        match self {
            GreetError::Closed => true,
            GreetError::Io(error) => error.kind() == io::ErrorKind::ConnectionReset,
            _ => false,
        }
    }
}

impl From<GreetError> for ConnectionError {
    fn from(error: GreetError) -> Self {
        match error {
            GreetError::ConnectTimeout | GreetError::ShakeTimeout => ConnectionError::TimedOut,
            GreetError::Closed => ConnectionError::Closed,
            GreetError::Handshake(error) => ConnectionError::Handshake(error),
            GreetError::Plain | GreetError::Encryption(_) => ConnectionError::Encryption,
            GreetError::Io(error) => error.into(),
        }
    }
}
