use bytes::{Buf, BufMut, BytesMut};
use thiserror::Error;
use tinytorrent_types::{PeerId, WireInfoHash};

use crate::Reserved;

/// The first 68 bytes of each direction of a connection (BEP 3, "peer protocol").
///
/// The two halves can be read apart: [`HandshakeOpening`] has the hash before the id is there.
///
/// ```
/// use tinytorrent_types::{PeerId, WireInfoHash};
/// use tinytorrent_wire::{Feature, Handshake, HandshakeOpening, Reserved};
///
/// let ours = Handshake {
///     reserved: Reserved::from([Feature::Extended, Feature::Fast]),
///     info_hash: WireInfoHash::from_bytes([7; 20]),
///     peer_id: PeerId::generate(*b"abcdefghijkl"),
/// };
/// let bytes = ours.to_bytes();
/// assert_eq!(Handshake::parse(&bytes[..60])?, None);
/// let opening = HandshakeOpening::parse(&bytes[..60])?.unwrap();
/// assert_eq!(opening.info_hash, ours.info_hash);
/// assert_eq!(Handshake::parse(&bytes)?, Some(ours));
/// # Ok::<(), tinytorrent_wire::HandshakeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handshake {
    /// Features of the sender beyond BEP 3.
    pub reserved: Reserved,
    /// The torrent.
    pub info_hash: WireInfoHash,
    /// The id of the sender.
    pub peer_id: PeerId,
}

impl Handshake {
    /// Length in bytes.
    pub const LENGTH: usize = 68;

    /// The bytes to send.
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..20].copy_from_slice(PROTOCOL);
        bytes[20..28].copy_from_slice(&self.reserved.to_bytes());
        bytes[28..48].copy_from_slice(self.info_hash.as_bytes());
        bytes[48..].copy_from_slice(self.peer_id.as_bytes());
        bytes
    }

    /// Appends the bytes to send.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(&self.to_bytes());
    }

    /// Reads the handshake at the front of the received bytes. `None` while it is incomplete.
    ///
    /// # Errors
    /// A byte that is not of this protocol, as soon as it is there.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, HandshakeError> {
        let Some(opening) = HandshakeOpening::parse(bytes)? else { return Ok(None) };
        let Some(peer_id) = array_at::<20>(bytes, HandshakeOpening::LENGTH) else {
            return Ok(None);
        };
        Ok(Some(opening.with_peer_id(PeerId::from_bytes(peer_id))))
    }

    /// Takes the handshake out of the buffer, once it is complete.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Self>, HandshakeError> {
        let parsed = Self::parse(buffer)?;
        if parsed.is_some() {
            buffer.advance(Self::LENGTH);
        }
        Ok(parsed)
    }
}

/// The handshake up to the info-hash, which is enough to find the torrent and to answer.
///
/// A peer may send its id only after the answer. The NAT checks of some trackers send none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HandshakeOpening {
    /// Features of the sender beyond BEP 3.
    pub reserved: Reserved,
    /// The torrent.
    pub info_hash: WireInfoHash,
}

impl HandshakeOpening {
    /// Length in bytes, up to the peer id.
    pub const LENGTH: usize = 48;

    /// Reads the opening at the front of the received bytes. `None` while it is incomplete. The bytes stay,
    /// since the id that follows completes the handshake.
    ///
    /// # Errors
    /// A byte that is not of this protocol, as soon as it is there. It may begin an encrypted
    /// connection.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, HandshakeError> {
        // `zip` ends with the shorter one, so that a wrong byte is found in the first bytes already.
        if let Some(offset) = bytes.iter().zip(PROTOCOL).position(|(found, due)| found != due) {
            return Err(HandshakeError::Protocol { offset, found: bytes[offset] });
        }
        let (Some(reserved), Some(info_hash)) = (array_at(bytes, 20), array_at(bytes, 28)) else {
            return Ok(None);
        };
        Ok(Some(Self {
            reserved: Reserved::from_bytes(reserved),
            info_hash: WireInfoHash::from_bytes(info_hash),
        }))
    }

    /// The complete handshake.
    pub const fn with_peer_id(self, peer_id: PeerId) -> Handshake {
        Handshake { reserved: self.reserved, info_hash: self.info_hash, peer_id }
    }
}

/// The failure to read a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer speaks another protocol, or an encrypted one.
    #[error("byte {offset} of the handshake is 0x{found:02x}, which is not BitTorrent")]
    Protocol {
        /// Offset from the start of the connection, in bytes.
        offset: usize,
        /// The byte there.
        found: u8,
    },
}

/// The length of the name, then the name.
const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}
