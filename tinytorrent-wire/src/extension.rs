//! The extension protocol (BEP 10) and the extensions that travel by it.
//!
//! Each side numbers the extensions that it wants to *receive*. Messages therefore go out under
//! the other side's number and come in under ours; [`OurExtensionId`] and [`TheirExtensionId`]
//! are different types so that the two cannot be mixed up.
//!
//! ```
//! use tinytorrent_wire::extension::{
//!     ExtendedHandshake, Extension, ExtensionMessage, OurExtensions, TheirExtensions,
//! };
//!
//! // 1. Say what we want to receive.
//! let ours = OurExtensions::new([Extension::Metadata, Extension::PeerExchange]);
//! let mut handshake = ExtendedHandshake::new(&ours);
//! handshake.listen_port = Some(6881);
//! let to_send = handshake.to_message();
//!
//! // 2. Remember what they want to receive; a later handshake changes it.
//! let mut theirs = TheirExtensions::default();
//! # let received = &to_send;
//! if let ExtensionMessage::Handshake(handshake) = ours.read(received)? {
//!     theirs.update(&handshake);
//! }
//!
//! // 3. Send under their number.
//! if let Some(id) = theirs.id(Extension::Metadata) {
//!     let request = ExtensionMessage::request_metadata(id, 0);
//!     assert_eq!(&request.payload[..], b"d8:msg_typei0e5:piecei0ee");
//! }
//! # assert!(theirs.id(Extension::Metadata).is_some());
//! # Ok::<(), tinytorrent_wire::extension::ExtensionError>(())
//! ```

use std::fmt;
use std::num::NonZeroU8;

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::{Extended, Message};

mod handshake;
mod holepunch;
mod metadata;
mod pex;

pub use handshake::ExtendedHandshake;
pub use holepunch::{Holepunch, HolepunchFailure};
pub use metadata::MetadataMessage;
pub use pex::{PexFlags, PexMessage, PexPeer};

/// An extension, known by the name it has in the `m` dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Extension {
    /// `ut_metadata`: the info dictionary from peers (BEP 9).
    Metadata,
    /// `ut_pex`: addresses of other peers (BEP 11).
    PeerExchange,
    /// `ut_holepunch`: introductions between peers that cannot be reached (BEP 55).
    Holepunch,
    /// `lt_donthave`: a piece is no longer there (BEP 54).
    DontHave,
    /// `upload_only`: the sender wants nothing more; the message form of BEP 21's key.
    UploadOnly,
    /// One that this crate does not read, by its name.
    Other(&'static str),
}

impl Extension {
    /// The name in the `m` dictionary.
    pub const fn name(self) -> &'static str {
        match self {
            Extension::Metadata => "ut_metadata",
            Extension::PeerExchange => "ut_pex",
            Extension::Holepunch => "ut_holepunch",
            Extension::DontHave => "lt_donthave",
            Extension::UploadOnly => "upload_only",
            Extension::Other(name) => name,
        }
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A number that *we* announced: messages that come in bear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OurExtensionId(NonZeroU8);

/// A number that the *peer* announced: messages that go out to it bear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TheirExtensionId(NonZeroU8);

impl OurExtensionId {
    /// The number on the wire.
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl TheirExtensionId {
    /// The number on the wire.
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    /// A message of this extension to the peer.
    pub const fn message(self, payload: Bytes) -> Extended {
        Extended { id: self.get(), payload }
    }
}

/// What we want to receive, numbered from 1 in the order given. It does not change during a
/// connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OurExtensions {
    extensions: Vec<Extension>,
}

impl OurExtensions {
    /// Numbers the extensions. One that is given twice counts once; there is room for 255.
    pub fn new(extensions: impl IntoIterator<Item = Extension>) -> Self {
        let mut ours = Self::default();
        for extension in extensions {
            if ours.id(extension).is_none() && ours.extensions.len() < usize::from(u8::MAX) {
                ours.extensions.push(extension);
            }
        }
        ours
    }

    /// Every extension with its number, in order.
    pub fn iter(&self) -> impl Iterator<Item = (OurExtensionId, Extension)> + '_ {
        let numbers = (1..=u8::MAX).filter_map(NonZeroU8::new).map(OurExtensionId);
        numbers.zip(self.extensions.iter().copied())
    }

    /// The number under which we receive the extension.
    pub fn id(&self, extension: Extension) -> Option<OurExtensionId> {
        self.iter().find(|(_, ours)| ours.name() == extension.name()).map(|(id, _)| id)
    }

    /// The extension that a number in a received message stands for.
    pub fn extension(&self, id: OurExtensionId) -> Option<Extension> {
        self.extensions.get(usize::from(id.get()) - 1).copied()
    }

    /// Reads a message that came in.
    ///
    /// # Errors
    /// The payload is not what the extension says it is.
    pub fn read(&self, received: &Extended) -> Result<ExtensionMessage, ExtensionError> {
        let Some(id) = NonZeroU8::new(received.id) else {
            let handshake = ExtendedHandshake::parse(&received.payload)?;
            return Ok(ExtensionMessage::Handshake(Box::new(handshake)));
        };
        let payload = &received.payload;
        Ok(match self.extension(OurExtensionId(id)) {
            None => ExtensionMessage::NotOurs { id: id.get() },
            Some(Extension::Metadata) => {
                ExtensionMessage::Metadata(MetadataMessage::parse(payload)?)
            }
            Some(Extension::PeerExchange) => {
                ExtensionMessage::PeerExchange(PexMessage::parse(payload)?)
            }
            Some(Extension::Holepunch) => ExtensionMessage::Holepunch(Holepunch::parse(payload)?),
            Some(Extension::DontHave) => ExtensionMessage::DontHave(dont_have(payload)?),
            Some(Extension::UploadOnly) => ExtensionMessage::UploadOnly(upload_only(payload)?),
            Some(other) => ExtensionMessage::Other(other, payload.clone()),
        })
    }
}

/// What the peer wants to receive: its numbers, kept for this connection only.
///
/// At most 128 names are kept; a peer that announces more is not served with the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TheirExtensions {
    ids: Vec<(Box<[u8]>, NonZeroU8)>,
}

impl TheirExtensions {
    /// Takes over a handshake: `m` adds to what is known, 0 takes away (BEP 10).
    pub fn update(&mut self, handshake: &ExtendedHandshake) {
        for (name, id) in &handshake.extensions {
            let known = self.ids.iter().position(|(known, _)| **known == **name);
            match (known, NonZeroU8::new(*id)) {
                (Some(at), Some(id)) => self.ids[at].1 = id,
                (Some(at), None) => {
                    self.ids.swap_remove(at);
                }
                (None, Some(id)) if self.ids.len() < MAX_NAMES => {
                    self.ids.push((name.as_slice().into(), id));
                }
                (None, _) => {}
            }
        }
    }

    /// The number under which the peer receives the extension, if it wants to.
    pub fn id(&self, extension: Extension) -> Option<TheirExtensionId> {
        let name = extension.name().as_bytes();
        self.ids.iter().find(|(known, _)| **known == *name).map(|&(_, id)| TheirExtensionId(id))
    }

    /// The name and number of all that the peer wants to receive, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], TheirExtensionId)> {
        self.ids.iter().map(|(name, id)| (&**name, TheirExtensionId(*id)))
    }
}

/// A message of the extension protocol that came in, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtensionMessage {
    /// Id 0: what the peer can do and wants to receive. It may come more than once.
    Handshake(Box<ExtendedHandshake>),
    /// `ut_metadata` (BEP 9).
    Metadata(MetadataMessage),
    /// `ut_pex` (BEP 11).
    PeerExchange(PexMessage),
    /// `ut_holepunch` (BEP 55).
    Holepunch(Holepunch),
    /// `lt_donthave`: the peer no longer has the piece with this index (BEP 54).
    DontHave(u32),
    /// `upload_only`: whether the peer wants nothing more (BEP 21).
    UploadOnly(bool),
    /// One of ours that this crate does not read.
    Other(Extension, Bytes),
    /// A number that we did not announce. To be ignored.
    NotOurs {
        /// The number.
        id: u8,
    },
}

impl ExtensionMessage {
    /// Asks for a block of the metadata (BEP 9).
    pub fn request_metadata(to: TheirExtensionId, block: u32) -> Extended {
        MetadataMessage::Request { block }.to_message(to)
    }

    /// Says that we no longer have a piece (BEP 54).
    pub fn dont_have(to: TheirExtensionId, index: u32) -> Extended {
        to.message(Bytes::copy_from_slice(&index.to_be_bytes()))
    }

    /// Says whether we want nothing more (BEP 21).
    pub fn upload_only(to: TheirExtensionId, is_upload_only: bool) -> Extended {
        to.message(Bytes::from_static(if is_upload_only { &[1] } else { &[0] }))
    }

    /// A message of `ut_holepunch` (BEP 55).
    pub fn holepunch(to: TheirExtensionId, message: Holepunch) -> Extended {
        let mut payload = BytesMut::with_capacity(28);
        message.encode(&mut payload);
        to.message(payload.freeze())
    }
}

impl From<Extended> for Message {
    fn from(extended: Extended) -> Self {
        Message::Extended(extended)
    }
}

/// Why the payload of an extension message cannot be read. The peer's fault, and rarely worth
/// hanging up for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// It is not the bencode that is due; the source says where.
    #[error("unreadable {message}")]
    Bencode {
        /// Name of the extension, or `extended handshake`.
        message: &'static str,
        /// What is wrong with it, and where.
        source: tinytorrent_bencode::Error,
    },
    /// It ends too early.
    #[error("{extension} message ends after {found} bytes")]
    Truncated {
        /// Name of the extension.
        extension: &'static str,
        /// Bytes of the payload.
        found: usize,
    },
    /// It is larger than any honest one.
    #[error("{extension} message of {found} bytes is over the limit of {limit}")]
    TooLong {
        /// Name of the extension.
        extension: &'static str,
        /// Bytes of the payload.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// `addr_type` of a holepunch message is neither 0 nor 1.
    #[error("ut_holepunch message with an address of unknown kind {found}")]
    AddressKind {
        /// The kind.
        found: u8,
    },
    /// A number is missing, negative or too large.
    #[error("{extension} message without a usable `{key}`")]
    Number {
        /// Name of the extension.
        extension: &'static str,
        /// The key.
        key: &'static str,
    },
}

/// BEP 54: the index, and nothing else; what follows it is ignored.
fn dont_have(payload: &[u8]) -> Result<u32, ExtensionError> {
    let index = payload.first_chunk::<4>().ok_or(truncated(Extension::DontHave, payload))?;
    Ok(u32::from_be_bytes(*index))
}

/// One byte, as libtorrent has it; µTorrent is known to send four.
fn upload_only(payload: &[u8]) -> Result<bool, ExtensionError> {
    if payload.is_empty() {
        return Err(truncated(Extension::UploadOnly, payload));
    }
    Ok(payload.iter().any(|&byte| byte != 0))
}

fn truncated(extension: Extension, payload: &[u8]) -> ExtensionError {
    ExtensionError::Truncated { extension: extension.name(), found: payload.len() }
}

/// More names than any client is known to announce, by ten times.
const MAX_NAMES: usize = 128;
