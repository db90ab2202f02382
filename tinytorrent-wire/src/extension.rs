//! The extension protocol (BEP 10) and its extensions.
//!
//! Each side numbers the extensions that it wants to *receive*. Messages are therefore sent under the
//! number of the other side and received under ours. [`OurExtensionId`] and [`TheirExtensionId`] are
//! different types, so that the two cannot be mixed up.
//!
//! ```
//! use tinytorrent_wire::extension::{
//!     ExtendedHandshake, Extension, ExtensionMessage, OurExtensions, TheirExtensions,
//! };
//!
//! // 1. Announce what we want to receive.
//! let ours = OurExtensions::new([Extension::Metadata, Extension::PeerExchange]);
//! let mut handshake = ExtendedHandshake::new(&ours);
//! handshake.listen_port = Some(6881);
//! let to_send = handshake.to_message();
//!
//! // 2. Remember what the peer wants to receive. A later handshake may change it.
//! let mut theirs = TheirExtensions::default();
//! # let received = &to_send;
//! if let ExtensionMessage::Handshake(handshake) = ours.read(received)? {
//!     theirs.update(&handshake);
//! }
//!
//! // 3. Send under the number of the peer.
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
mod tex;

pub use handshake::ExtendedHandshake;
pub use holepunch::{Holepunch, HolepunchFailure};
pub use metadata::MetadataMessage;
pub use pex::{PexFlags, PexMessage, PexPeer};
pub use tex::TexMessage;

/// An extension, known by the name it has in the `m` dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Extension {
    /// `ut_metadata`: the info dictionary from peers (BEP 9).
    Metadata,
    /// `ut_pex`: addresses of other peers (BEP 11).
    PeerExchange,
    /// `lt_tex`: trackers that others have learned of (BEP 28).
    TrackerExchange,
    /// `ut_holepunch`: introductions between peers that cannot be reached (BEP 55).
    Holepunch,
    /// `lt_donthave`: a piece is no longer there (BEP 54).
    DontHave,
    /// `upload_only`: the sender downloads nothing; the message form of BEP 21's key.
    UploadOnly,
    /// An extension that this crate does not parse, by its name.
    Other(&'static str),
}

impl Extension {
    /// The name in the `m` dictionary.
    pub const fn name(self) -> &'static str {
        match self {
            Extension::Metadata => "ut_metadata",
            Extension::PeerExchange => "ut_pex",
            Extension::TrackerExchange => "lt_tex",
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

/// A number that *we* announced, for messages that we receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OurExtensionId(NonZeroU8);

/// A number that the *peer* announced, for messages that we send.
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

/// The extensions that we want to receive, numbered from 1 in the given order. The numbers stay the same
/// for a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OurExtensions {
    extensions: Vec<Extension>,
}

impl OurExtensions {
    /// Numbers the extensions. A duplicate counts once, and those beyond 255 are left out.
    pub fn new(extensions: impl IntoIterator<Item = Extension>) -> Self {
        let mut ours = Self::default();
        for extension in extensions {
            if ours.id(extension).is_none() && ours.extensions.len() < usize::from(u8::MAX) {
                ours.extensions.push(extension);
            }
        }
        // Kept for as long as its torrent.
        ours.extensions.shrink_to_fit();
        ours
    }

    /// Every extension with its number, in order.
    pub fn iter(&self) -> impl Iterator<Item = (OurExtensionId, Extension)> + '_ {
        let numbers = (1..=u8::MAX).filter_map(NonZeroU8::new).map(OurExtensionId);
        numbers.zip(self.extensions.iter().copied())
    }

    /// The number under which we receive the extension.
    pub fn id(&self, extension: Extension) -> Option<OurExtensionId> {
        // By name, as an `Other` may have the name of a variant.
        self.iter().find(|(_, ours)| ours.name() == extension.name()).map(|(id, _)| id)
    }

    /// The extension that a number in a received message stands for.
    pub fn extension(&self, id: OurExtensionId) -> Option<Extension> {
        // Numbers begin at 1.
        self.extensions.get(usize::from(id.get()) - 1).copied()
    }

    /// Parses a received message.
    ///
    /// # Errors
    /// The payload does not fit the extension.
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
            Some(Extension::TrackerExchange) => {
                ExtensionMessage::TrackerExchange(TexMessage::parse(payload)?)
            }
            Some(Extension::Holepunch) => ExtensionMessage::Holepunch(Holepunch::parse(payload)?),
            Some(Extension::DontHave) => ExtensionMessage::DontHave(dont_have(payload)?),
            Some(Extension::UploadOnly) => ExtensionMessage::UploadOnly(upload_only(payload)?),
            Some(other) => ExtensionMessage::Other(other, payload.clone()),
        })
    }
}

/// The extensions that the peer wants to receive, with its numbers, which count for this connection only.
///
/// At most 64 names of at most 32 bytes are kept, which is 4 KiB; the rest are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TheirExtensions {
    ids: Vec<(Box<[u8]>, NonZeroU8)>,
}

impl TheirExtensions {
    /// Takes in a handshake: `m` adds names, and the number 0 removes one (BEP 10).
    pub fn update(&mut self, handshake: &ExtendedHandshake) {
        for (name, id) in &handshake.extensions {
            let known = self.ids.iter().position(|(known, _)| **known == **name);
            match (known, NonZeroU8::new(*id)) {
                // BEP 10: a handshake may come again, and its numbers replace those before.
                (Some(at), Some(id)) => self.ids[at].1 = id,
                (Some(at), None) => {
                    self.ids.swap_remove(at);
                }
                // A peer could otherwise fill the memory with names.
                (None, Some(id)) if name.len() <= MAX_NAME_LENGTH && self.ids.len() < MAX_NAMES => {
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

    /// Names and numbers of all extensions that the peer wants to receive, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], TheirExtensionId)> {
        self.ids.iter().map(|(name, id)| (&**name, TheirExtensionId(*id)))
    }
}

/// A received message of the extension protocol, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtensionMessage {
    /// Id 0: the extended handshake, which may come more than once.
    Handshake(Box<ExtendedHandshake>),
    /// `ut_metadata` (BEP 9).
    Metadata(MetadataMessage),
    /// `ut_pex` (BEP 11).
    PeerExchange(PexMessage),
    /// `lt_tex` (BEP 28).
    TrackerExchange(TexMessage),
    /// `ut_holepunch` (BEP 55).
    Holepunch(Holepunch),
    /// `lt_donthave`: the peer no longer has the piece with this index (BEP 54).
    DontHave(u32),
    /// `upload_only`: true if the peer downloads nothing (BEP 21).
    UploadOnly(bool),
    /// An extension of ours that this crate does not parse.
    Other(Extension, Bytes),
    /// A number that we did not announce. Ignore the message.
    NotOurs {
        /// The number.
        id: u8,
    },
}

impl ExtensionMessage {
    /// A request for a block of the metadata (BEP 9).
    pub fn request_metadata(to: TheirExtensionId, block: u32) -> Extended {
        MetadataMessage::Request { block }.to_message(to)
    }

    /// The statement that we no longer have a piece (BEP 54).
    pub fn dont_have(to: TheirExtensionId, index: u32) -> Extended {
        to.message(Bytes::copy_from_slice(&index.to_be_bytes()))
    }

    /// The statement that we download nothing, or that we do (BEP 21).
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

/// The failure to parse the payload of an extension message. The fault is the peer's, and rarely a reason
/// to close the connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// The bencode is invalid or has another form; the source has the place.
    #[error("unreadable {message}")]
    Bencode {
        /// Name of the extension, or `extended handshake`.
        message: &'static str,
        /// The fault and its place.
        source: tinytorrent_bencode::Error,
    },
    /// The payload ends too early.
    #[error("{extension} message ends after {found} bytes")]
    Truncated {
        /// Name of the extension.
        extension: &'static str,
        /// Bytes of the payload.
        found: usize,
    },
    /// The payload is over the limit.
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

/// Parses a `lt_donthave` (BEP 54): the index. Bytes after it are ignored.
fn dont_have(payload: &[u8]) -> Result<u32, ExtensionError> {
    let index = payload.first_chunk::<4>().ok_or(truncated(Extension::DontHave, payload))?;
    Ok(u32::from_be_bytes(*index))
}

/// Parses an `upload_only`: one byte, as libtorrent sends it, or four, as µTorrent does.
fn upload_only(payload: &[u8]) -> Result<bool, ExtensionError> {
    if payload.is_empty() {
        return Err(truncated(Extension::UploadOnly, payload));
    }
    Ok(payload.iter().any(|&byte| byte != 0))
}

fn truncated(extension: Extension, payload: &[u8]) -> ExtensionError {
    ExtensionError::Truncated { extension: extension.name(), found: payload.len() }
}

/// Names to keep of one peer: five times as many as any client is known to announce.
const MAX_NAMES: usize = 64;

/// Length of a name to keep. The longest in use, `ut_holepunch` and its like, have 12 bytes.
const MAX_NAME_LENGTH: usize = 32;
