//! Shakes hands with a peer and prints its handshakes.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use clap::Parser;
use serde_json::{Value, json};
use tinytorrent_examples::{
    Common, Failure, Identity, Outcome, Output, Source, WayOptions, block_on_interruptible, run,
    start,
};
use tinytorrent_metainfo::HostPort;
use tinytorrent_net::Target;
use tinytorrent_types::{InfoHashes, PeerId, hex};
use tinytorrent_wire::extension::{ExtendedHandshake, Extension, ExtensionMessage, OurExtensions};
use tinytorrent_wire::session::check_greeting;
use tinytorrent_wire::{Decoder, Feature, Handshake, HandshakeOpening, Message, Reserved};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Connects to a peer, shakes hands, and prints its peer id, the client's name, each reserved bit
/// by name and the extended handshake.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The peer
    #[arg(value_name = "HOST:PORT")]
    peer: String,

    /// The torrent to ask for: an info-hash, a magnet link or a .torrent
    #[arg(value_name = "INFO_HASH|TORRENT")]
    source: Source,

    /// Give up after so long
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,

    #[command(flatten)]
    ways: WayOptions,

    #[command(flatten)]
    common: Common,
}

fn main() -> Outcome {
    let options: Options = start();
    let out = options.common.output();
    let limit = Duration::from_secs(options.timeout.max(1));
    run(&options.common, || block_on_interruptible(shake_hands(&options, limit, out)))
}

/// One time limit for all: the name, the connection, the handshake.
async fn shake_hands(options: &Options, limit: Duration, out: Output) -> Result<(), Failure> {
    let torrent = Identity::read(&options.source)?.hashes;
    let deadline = Instant::now() + limit;
    let timed_out = |what: &str| {
        Failure::CouldNot(format!("{}: {what} within {} s", options.peer, limit.as_secs()))
    };
    let connecting = tokio::time::timeout_at(deadline, connect(options, deadline));
    let mut peer = connecting.await.map_err(|_| timed_out("no connection"))??;
    let greeting = tokio::time::timeout_at(deadline, peer.greet(&torrent));
    let theirs = greeting.await.map_err(|_| timed_out("no handshake"))??;
    tell(out, &peer, &theirs);

    if !theirs.reserved.contains(Feature::Extended) {
        out.say("extended handshake: not spoken");
        return Ok(());
    }
    let extended = tokio::time::timeout_at(deadline, peer.extended_handshake());
    match extended.await {
        Ok(Ok(extended)) => tell_extended(out, &extended),
        Ok(Err(failure)) => return Err(failure),
        Err(_) => out.say("extended handshake: none came"),
    }
    Ok(())
}

/// Extensions to announce: those that show the most of a peer.
fn reserved(torrent: &InfoHashes) -> Reserved {
    let ours = Reserved::from([Feature::Extended, Feature::Fast]);
    if torrent.v2().is_some() { ours.with(Feature::V2) } else { ours }
}

struct Peer {
    address: SocketAddr,
    stream: TcpStream,
    received: BytesMut,
}

async fn connect(options: &Options, deadline: Instant) -> Result<Peer, Failure> {
    let peer = &options.peer;
    let Ok(host) = peer.parse::<HostPort>() else {
        return Err(Failure::InvalidInput(format!("{peer} is not HOST:PORT")));
    };
    let could_not = |error| Failure::could_not(format!("cannot connect to {peer}"), &error);
    let target = Target::new(host.host(), host.port()).map_err(|error| could_not(error.into()))?;
    let network = options.ways.network();
    let stream = network.connect(&target, deadline).await.map_err(could_not)?;
    let address = stream.peer_addr().map_err(could_not)?;
    Ok(Peer { address, stream, received: BytesMut::new() })
}

impl Peer {
    /// Sends our handshake and waits for the peer's.
    async fn greet(&mut self, torrent: &InfoHashes) -> Result<Handshake, Failure> {
        let ours = Handshake {
            reserved: reserved(torrent),
            info_hash: torrent.to_wire(),
            peer_id: PeerId::generate(rand::random()),
        };
        self.stream.write_all(&ours.to_bytes()).await.map_err(|error| self.lost(&error))?;
        loop {
            let refused = |error: &dyn std::error::Error| {
                Failure::could_not(format!("{}: no handshake", self.address), error)
            };
            let parsed = Handshake::decode(&mut self.received).map_err(|error| refused(&error))?;
            if let Some(theirs) = parsed {
                check_greeting(torrent, &ours, &theirs).map_err(|error| refused(&error))?;
                return Ok(theirs);
            }
            if let Err(failure) = self.read().await {
                // The hash may have come without the id: worth telling.
                return Err(match HandshakeOpening::parse(&self.received) {
                    Ok(Some(_)) => Failure::CouldNot(format!(
                        "{} closed the connection before its peer id",
                        self.address
                    )),
                    _ => failure,
                });
            }
        }
    }

    /// Sends ours and waits for the peer's, over whatever else it says first.
    async fn extended_handshake(&mut self) -> Result<ExtendedHandshake, Failure> {
        let ours = OurExtensions::new([Extension::Metadata, Extension::PeerExchange]);
        let mut handshake = ExtendedHandshake::new(&ours);
        handshake.client = Some(concat!("tinytorrent ", env!("CARGO_PKG_VERSION")).into());
        let mut out = BytesMut::new();
        Message::from(handshake.to_message()).encode(&mut out);
        self.stream.write_all(&out).await.map_err(|error| self.lost(&error))?;
        let mut decoder = Decoder::new();
        loop {
            for message in decoder.split_frames(&mut self.received) {
                let message = message.map_err(|error| {
                    Failure::could_not(format!("{} broke the protocol", self.address), &error)
                })?;
                let Message::Extended(extended) = message else { continue };
                match ours.read(&extended) {
                    Ok(ExtensionMessage::Handshake(handshake)) => return Ok(*handshake),
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "unreadable extension message"),
                }
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let count = self.stream.read_buf(&mut self.received).await;
        match count.map_err(|error| self.lost(&error))? {
            0 => Err(Failure::CouldNot(format!(
                "{} closed the connection; it may not have the torrent, or want encryption",
                self.address
            ))),
            _ => Ok(()),
        }
    }

    fn lost(&self, error: &std::io::Error) -> Failure {
        Failure::could_not(format!("{}: the connection was lost", self.address), error)
    }
}

fn tell(out: Output, peer: &Peer, theirs: &Handshake) {
    let client = theirs.peer_id.client().map(|client| client.to_string());
    let features: Vec<_> = theirs.reserved.features().map(Feature::name).collect();
    let unknown = theirs.reserved.unknown();
    out.say(format!("address:   {}", peer.address));
    out.say(format!("peer id:   {}", theirs.peer_id));
    out.say(format!("client:    {}", client.as_deref().unwrap_or("not known")));
    out.say(format!("info-hash: {}", theirs.info_hash));
    out.say(format!(
        "reserved:  {} ({})",
        hex::encode(theirs.reserved.to_bytes()),
        theirs.reserved
    ));
    out.event(&json!({
        "event": "handshake",
        "address": peer.address.to_string(),
        "peer_id": theirs.peer_id.to_string(),
        "peer_id_hex": hex::encode(theirs.peer_id.as_bytes()),
        "client": client,
        "info_hash": theirs.info_hash.to_string(),
        "reserved": hex::encode(theirs.reserved.to_bytes()),
        "features": features,
        "unknown_bits": bits(unknown),
    }));
}

fn tell_extended(out: Output, extended: &ExtendedHandshake) {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut extensions: Vec<_> =
        extended.extensions.iter().map(|(name, id)| (lossy(name), *id)).collect();
    extensions.sort();
    let unknown: Vec<_> = extended.unknown.iter().map(|(key, _)| lossy(key)).collect();
    let known: [(&str, Value); 11] = [
        ("client", json!(extended.client.as_deref().map(lossy))),
        ("listen_port", json!(extended.listen_port)),
        ("your_ip", json!(extended.your_ip)),
        ("ipv4", json!(extended.ipv4)),
        ("ipv6", json!(extended.ipv6)),
        ("request_queue", json!(extended.request_queue)),
        ("metadata_size", json!(extended.metadata_size)),
        ("upload_only", json!(extended.upload_only)),
        ("prefers_encryption", json!(extended.prefers_encryption)),
        ("complete_ago", json!(extended.complete_ago)),
        ("other_keys", json!(unknown)),
    ];
    out.say("extended handshake:");
    for (name, id) in &extensions {
        out.say(format!("  {name} = {id}"));
    }
    let said = known.iter().filter(|(_, value)| !value.is_null() && *value != json!([]));
    for (key, value) in said {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        out.say(format!("  {}: {value}", key.replace('_', " ")));
    }
    let mut event: serde_json::Map<_, _> =
        known.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    event.insert("event".into(), json!("extended_handshake"));
    let numbers = extensions.into_iter().map(|(name, id)| (name, json!(id))).collect();
    event.insert("extensions".into(), Value::Object(numbers));
    out.event(&Value::Object(event));
}

/// Bits without a name, as `[byte]&0xmask`.
fn bits(reserved: Reserved) -> Vec<String> {
    let bytes = reserved.to_bytes();
    let set = (0..64).filter(|bit| bytes[bit / 8] & (0x80 >> (bit % 8)) != 0);
    set.map(|bit| format!("[{}]&0x{:02x}", bit / 8, 0x80 >> (bit % 8))).collect()
}
