use std::net::SocketAddr;

use bytes::BytesMut;
use tinytorrent_storage::is_out_of_descriptors;
use tinytorrent_swarm::Route;
use tinytorrent_types::WireInfoHash;
use tinytorrent_wire::mse::ObfuscatedHash;
use tinytorrent_wire::{Handshake, HandshakeOpening};
use tokio::time::timeout;

use super::channel::Channel;
use super::failure::{CONNECT_TIMEOUT, ConnectFailure, HANDSHAKE_TIMEOUT};
use super::stream::Stream;
use crate::Encryption;
use crate::dialer::Dialer;
use crate::places::{Place, Places};

/// The peer of an incoming connection, while it is not known which torrent it means.
pub(crate) trait Stranger {
    /// Notes that it has sent something.
    fn note_progress(&self);

    /// Waits until the processor has time for a key exchange with it.
    fn wait_for_key_exchange(&self) -> impl Future<Output = ()> + Send;
}

/// The peer to connect to, and the means.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) address: SocketAddr,
    pub(crate) route: Route,
    pub(crate) dialer: Dialer,
    pub(crate) places: Places,
}

/// Connects, once there is a place and a descriptor for it. The lack of them says nothing about the peer,
/// so that it is waited for.
async fn open_channel(dial: &Dial) -> Result<Channel, ConnectFailure> {
    let places = &dial.places;
    loop {
        if let Some(place) = places.take() {
            let connecting = dial.dialer.connect(dial.address, dial.route);
            let connected = timeout(CONNECT_TIMEOUT, connecting).await;
            match connected.map_err(|_| ConnectFailure::ConnectTimeout)? {
                Ok(stream) => return prepare(stream, place),
                Err(error) if is_out_of_descriptors(&error) => {
                    places.make_room_for_connection();
                }
                Err(error) => return Err(error.into()),
            }
        }
        places.pause().await;
    }
}

fn prepare(stream: Stream, place: Place) -> Result<Channel, ConnectFailure> {
    stream.configure()?;
    Ok(Channel::plain(stream, place))
}

/// Connects and shakes hands. The bytes behind the peer's handshake stay in `received`.
///
/// With [`Encryption::Prefer`] the first try is plain, as most peers accept that and it costs
/// nothing. A peer that closes the connection during the handshake is tried again, encrypted.
pub(crate) async fn connect(
    dial: Dial,
    ours: Handshake,
    encryption: Encryption,
    received: &mut BytesMut,
) -> Result<(Channel, Handshake), ConnectFailure> {
    let mut channel = open_channel(&dial).await?;
    if channel.stream.is_answering() {
        let theirs = answer_dial(&mut channel, ours, encryption, received).await?;
        return Ok((channel, theirs));
    }
    if encryption == Encryption::Require {
        let theirs = greet_encrypted(&mut channel, ours, encryption, received).await?;
        return Ok((channel, theirs));
    }
    match greet(&mut channel, ours, received).await {
        Ok(theirs) => Ok((channel, theirs)),
        Err(error) if encryption == Encryption::Prefer && error.may_want_encryption() => {
            // Bytes of the first connection are no part of the second one.
            received.clear();
            // It has got through by this transport. The other one has its turn at the next dial.
            let route = Route::Only(channel.stream.transport());
            // First, as its place may be the only one.
            drop(channel);
            channel = open_channel(&Dial { route, ..dial }).await?;
            let theirs = greet_encrypted(&mut channel, ours, encryption, received).await?;
            Ok((channel, theirs))
        }
        Err(error) => Err(error),
    }
}

async fn greet(
    channel: &mut Channel,
    ours: Handshake,
    received: &mut BytesMut,
) -> Result<Handshake, ConnectFailure> {
    in_time(async {
        channel.write(&ours.to_bytes()).await?;
        read_rest(channel, received).await
    })
    .await
}

async fn greet_encrypted(
    channel: &mut Channel,
    ours: Handshake,
    encryption: Encryption,
    received: &mut BytesMut,
) -> Result<Handshake, ConnectFailure> {
    in_time(async {
        channel.initiate(ours.info_hash, encryption, &ours.to_bytes(), received).await?;
        read_rest(channel, received).await
    })
    .await
}

/// Shakes hands as the end that accepts, with a peer that was dialed and has begun the connection.
async fn answer_dial(
    channel: &mut Channel,
    ours: Handshake,
    encryption: Encryption,
    received: &mut BytesMut,
) -> Result<Handshake, ConnectFailure> {
    let wanted = ObfuscatedHash::from(ours.info_hash);
    let find = |hash: &ObfuscatedHash| (*hash == wanted).then_some(ours.info_hash);
    accept(channel, encryption, &Dialed, find, received).await?;
    answer(channel, ours, received).await
}

/// A peer that was dialed: it does not count as a stranger.
pub(crate) struct Dialed;

impl Stranger for Dialed {
    fn note_progress(&self) {}

    async fn wait_for_key_exchange(&self) {}
}

/// Reads the handshake of an incoming connection, plain or encrypted, as far as the info-hash.
pub(crate) async fn accept(
    channel: &mut Channel,
    encryption: Encryption,
    stranger: &impl Stranger,
    find: impl Fn(&ObfuscatedHash) -> Option<WireInfoHash>,
    received: &mut BytesMut,
) -> Result<HandshakeOpening, ConnectFailure> {
    in_time(async {
        channel.respond(encryption, stranger, find, received).await?;
        read_opening(channel, stranger, received).await
    })
    .await
}

/// Sends our handshake on an incoming connection, and reads the rest of the peer's.
pub(crate) async fn answer(
    channel: &mut Channel,
    ours: Handshake,
    received: &mut BytesMut,
) -> Result<Handshake, ConnectFailure> {
    in_time(async {
        channel.write(&ours.to_bytes()).await?;
        read_rest(channel, received).await
    })
    .await
}

async fn in_time<T>(
    steps: impl Future<Output = Result<T, ConnectFailure>>,
) -> Result<T, ConnectFailure> {
    timeout(HANDSHAKE_TIMEOUT, steps).await.map_err(|_| ConnectFailure::HandshakeTimeout)?
}

async fn read_opening(
    channel: &mut Channel,
    stranger: &impl Stranger,
    received: &mut BytesMut,
) -> Result<HandshakeOpening, ConnectFailure> {
    loop {
        // The buffer stays small, as a wrong byte is an error as soon as it is there.
        if let Some(opening) = HandshakeOpening::parse(received)? {
            return Ok(opening);
        }
        channel.read_more(received).await?;
        stranger.note_progress();
    }
}

/// Reads a whole handshake. The engine checks that it is for the right torrent.
async fn read_rest(
    channel: &mut Channel,
    received: &mut BytesMut,
) -> Result<Handshake, ConnectFailure> {
    loop {
        if let Some(handshake) = Handshake::decode(received)? {
            return Ok(handshake);
        }
        channel.read_more(received).await?;
    }
}
