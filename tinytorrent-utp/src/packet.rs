//! Packets of uTP as values: read from datagrams, and written to them.
//!
//! ```
//! use tinytorrent_utp::packet::{Kind, Packet};
//! let mut datagram = [0; 20];
//! datagram[0] = 0x41;
//! let packet = Packet::decode(&datagram)?;
//! assert_eq!((packet.header.kind, packet.payload.len()), (Kind::Syn, 0));
//! # Ok::<(), tinytorrent_utp::packet::PacketError>(())
//! ```

use crate::SeqNr;

/// Bytes of a header without extensions.
pub const HEADER: usize = 20;

/// Most bytes of a selective acknowledgement that is written: 256 packets. Others drop longer ones.
pub const MAX_SELECTIVE_ACK: usize = 32;

/// The number of the one extension that is known.
const SELECTIVE_ACK: u8 = 1;

/// Types of packets (BEP 29, "type").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of the stream.
    Data,
    /// The end of the stream.
    Fin,
    /// An acknowledgement alone. It takes no number (P-04).
    State,
    /// The end of a connection that the sender does not know.
    Reset,
    /// The first packet of a connection.
    Syn,
}

/// The fixed part of a packet (BEP 29, "header format").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type.
    pub kind: Kind,
    /// The id under which the receiver knows the connection.
    pub connection: u16,
    /// The clock of the sender in microseconds.
    pub timestamp: u32,
    /// The way to the sender took so many microseconds by both clocks, as of its last packet; 0 if none has come.
    pub delay: u32,
    /// Bytes for which the sender has room.
    pub window: u32,
    /// The number of this packet, or the next one if it takes none.
    pub seq: SeqNr,
    /// The last number up to which everything has come.
    pub ack: SeqNr,
}

/// A packet: header, extensions and payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed part.
    pub header: Header,
    /// Packets beyond a gap that have come.
    pub selective_ack: Option<SelectiveAck<'a>>,
    /// Bytes of the stream.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The packet of a datagram. Extensions that are unknown are skipped (P-13).
    ///
    /// # Errors
    /// If the header is no header of version 1, or an extension is longer than the datagram.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let Some((fixed, mut rest)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(PacketError::Short);
        };
        // P-01
        if fixed[0] & 0x0f != 1 {
            return Err(PacketError::Version);
        }
        let kind = match fixed[0] >> 4 {
            0 => Kind::Data,
            1 => Kind::Fin,
            2 => Kind::State,
            3 => Kind::Reset,
            4 => Kind::Syn,
            _ => return Err(PacketError::Kind),
        };
        let short = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let long = |at: usize| u32::from(short(at)) << 16 | u32::from(short(at + 2));
        let mut selective_ack = None;
        let mut extension = fixed[1];
        while extension != 0 {
            let [next, length, behind @ ..] = rest else { return Err(PacketError::Extension) };
            // P-40: nothing behind the datagram is read, whatever an extension says of its length.
            let Some((body, behind)) = behind.split_at_checked(usize::from(*length)) else {
                return Err(PacketError::Extension);
            };
            if extension == SELECTIVE_ACK && selective_ack.is_none() {
                selective_ack = Some(SelectiveAck(body));
            }
            (extension, rest) = (*next, behind);
        }
        let header = Header {
            kind,
            connection: short(2),
            timestamp: long(4),
            delay: long(8),
            window: long(12),
            seq: SeqNr::new(short(16)),
            ack: SeqNr::new(short(18)),
        };
        Ok(Self { header, selective_ack, payload: rest })
    }

    /// Bytes of the datagram that [`encode`](Self::encode) writes.
    pub fn length(&self) -> usize {
        HEADER + self.selective_ack.map_or(0, |ack| 2 + ack.0.len()) + self.payload.len()
    }

    /// Writes the packet to the start of `buffer`, and returns its length.
    ///
    /// # Panics
    /// If `buffer` is shorter than [`length`](Self::length), or the selective acknowledgement longer than 255 bytes.
    pub fn encode(&self, buffer: &mut [u8]) -> usize {
        let payload_at = self.length() - self.payload.len();
        self.header.encode(self.selective_ack.is_some(), buffer);
        if let Some(SelectiveAck(bits)) = self.selective_ack {
            buffer[HEADER] = 0;
            buffer[HEADER + 1] = u8::try_from(bits.len()).expect("it is at most 255 bytes long");
            buffer[HEADER + 2..payload_at].copy_from_slice(bits);
        }
        buffer[payload_at..self.length()].copy_from_slice(self.payload);
        self.length()
    }
}

impl Header {
    /// Writes the header; what follows is written by the caller.
    pub(crate) fn encode(&self, has_selective_ack: bool, buffer: &mut [u8]) {
        let kind = match self.kind {
            Kind::Data => 0,
            Kind::Fin => 1,
            Kind::State => 2,
            Kind::Reset => 3,
            Kind::Syn => 4,
        };
        buffer[0] = kind << 4 | 1;
        buffer[1] = if has_selective_ack { SELECTIVE_ACK } else { 0 };
        buffer[2..4].copy_from_slice(&self.connection.to_be_bytes());
        buffer[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        buffer[8..12].copy_from_slice(&self.delay.to_be_bytes());
        buffer[12..16].copy_from_slice(&self.window.to_be_bytes());
        buffer[16..18].copy_from_slice(&self.seq.get().to_be_bytes());
        buffer[18..HEADER].copy_from_slice(&self.ack.get().to_be_bytes());
    }
}

/// Packets that have come beyond a gap, a bit each; the first is two behind the acknowledged number (P-06).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectiveAck<'a>(&'a [u8]);

impl<'a> SelectiveAck<'a> {
    /// A mask as it stands in a packet. Lengths that are no multiple of 4 are tolerated.
    pub const fn new(bits: &'a [u8]) -> Self {
        Self(bits)
    }

    /// Steps from the acknowledged number to the first packet of which the mask says nothing.
    pub(crate) fn reach(self) -> u16 {
        u16::try_from(self.0.len() * 8).unwrap_or(u16::MAX).saturating_add(2)
    }

    /// Steps from the acknowledged number to each packet that has come, in order. The lowest bit of a byte comes
    /// first (P-25).
    pub fn steps(self) -> impl Iterator<Item = u16> + 'a {
        let bits = self.0.iter().zip((2_u16..).step_by(8));
        bits.flat_map(|(byte, first)| {
            (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| first + bit)
        })
    }
}

/// Faults of a datagram that is no packet of uTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// It has fewer bytes than a header.
    #[error("the datagram is shorter than a header of uTP")]
    Short,
    /// The version is not 1.
    #[error("the version of uTP is not 1")]
    Version,
    /// The type is none of the five.
    #[error("the type of the packet is unknown")]
    Kind,
    /// An extension goes beyond the end of the datagram.
    #[error("an extension goes beyond the end of the datagram")]
    Extension,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(kind: Kind) -> Header {
        Header {
            kind,
            connection: 0x0102,
            timestamp: 0x0304_0506,
            delay: 0x0708_090a,
            window: 0x0b0c_0d0e,
            seq: SeqNr::new(0x0f10),
            ack: SeqNr::new(0x1112),
        }
    }

    /// P-01
    #[test]
    fn type_and_version_share_the_first_byte() {
        let kinds = [Kind::Data, Kind::Fin, Kind::State, Kind::Reset, Kind::Syn];
        for (kind, first) in kinds.into_iter().zip([0x01, 0x11, 0x21, 0x31, 0x41]) {
            let packet = Packet { header: header(kind), selective_ack: None, payload: b"xy" };
            let mut bytes = [0; 22];
            assert_eq!(packet.encode(&mut bytes), 22);
            let expected: Vec<u8> = [first, 0].into_iter().chain(1..=0x12).chain(*b"xy").collect();
            assert_eq!(bytes[..], expected);
            assert_eq!(Packet::decode(&bytes), Ok(packet));
        }
        for (first, error) in [(0x02, PacketError::Version), (0x51, PacketError::Kind)] {
            let mut bytes = [0; HEADER];
            bytes[0] = first;
            assert_eq!(Packet::decode(&bytes), Err(error));
        }
        assert_eq!(Packet::decode(&[1; HEADER - 1]), Err(PacketError::Short));
    }

    /// P-06, P-25
    #[test]
    fn a_selective_ack_begins_two_behind_and_with_the_lowest_bit() {
        let ack = SelectiveAck::new(&[0b1000_0001, 0, 0b10, 0]);
        assert_eq!(ack.steps().collect::<Vec<_>>(), [2, 9, 19]);
        let packet = Packet { header: header(Kind::State), selective_ack: Some(ack), payload: &[] };
        let mut bytes = [0; 26];
        assert_eq!(packet.encode(&mut bytes), 26);
        assert_eq!((bytes[1], &bytes[20..]), (1, &[0, 4, 0b1000_0001, 0, 0b10, 0][..]));
        assert_eq!(Packet::decode(&bytes), Ok(packet));
    }

    /// P-13
    #[test]
    fn unknown_extensions_are_skipped_by_their_length() {
        let mut bytes = [0; HEADER].to_vec();
        (bytes[0], bytes[1]) = (0x01, 77);
        bytes.extend([1, 3, 9, 9, 9]);
        bytes.extend([2, 4, 1, 0, 0, 0]);
        bytes.extend([0, 0]);
        bytes.extend(b"payload");
        let packet = Packet::decode(&bytes).unwrap();
        assert_eq!(packet.payload, b"payload");
        assert_eq!(packet.selective_ack, Some(SelectiveAck::new(&[1, 0, 0, 0])));
    }

    /// P-40
    #[test]
    fn extensions_end_with_the_datagram() {
        for behind in [&[][..], &[0], &[0, 1], &[1, 0], &[0, 255, 1, 2, 3]] {
            let mut bytes = [0; HEADER].to_vec();
            (bytes[0], bytes[1]) = (0x21, 1);
            bytes.extend(behind);
            assert_eq!(Packet::decode(&bytes), Err(PacketError::Extension), "{behind:?}");
        }
        // Lengths that are odd or above 32 bytes are tolerated.
        for length in [0, 3, 36, 255] {
            let mut bytes = [0; HEADER].to_vec();
            (bytes[0], bytes[1]) = (0x21, 1);
            bytes.extend([0, length]);
            bytes.extend(vec![0xff; usize::from(length)]);
            let steps = Packet::decode(&bytes).unwrap().selective_ack.unwrap().steps();
            assert!(steps.eq(2..2 + 8 * u16::from(length)));
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_the_same(bytes: Vec<u8>) {
            if let Ok(packet) = Packet::decode(&bytes) {
                let mut buffer = vec![0; packet.length()];
                packet.encode(&mut buffer);
                prop_assert_eq!(Packet::decode(&buffer), Ok(packet));
            }
        }
    }
}
