//! The encoding of what peers say, and of what they do wrong.

use bytes::{Bytes, BytesMut};
use tinytorrent_wire::session::{Rule, Side, Violation};
use tinytorrent_wire::{
    DecodeError, DecodeErrorKind, Decoder, Handshake, HandshakeError, HashRequest, Hashes, Message,
    Piece, PieceHeader,
};

use super::code::{Code, Malformed, Reader, Writer, code};

code! {
    struct PieceHeader { index, begin, length }
    struct HashRequest { pieces_root, base_layer, index, length, proof_layers }
    struct Hashes { request, hashes }
    struct DecodeError { offset, kind }
    struct Violation { from, message, rule }
}

code! {
    enum Side { 0 Us, 1 Peer }
}

impl Code for Handshake {
    fn encode(&self, out: &mut Writer) {
        self.to_bytes().encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("a handshake");
        let bytes = <[u8; Handshake::LENGTH]>::decode(input)?;
        Self::parse(&bytes).ok().flatten().ok_or(error)
    }
}

/// Bytes of content in a block that is read from a recording at most, as no peer sends more.
const MAX_BLOCK: u32 = 1 << 20;

/// As on the wire, but for a block, whose content is not there: it is read as zeros.
impl Code for Message {
    fn encode(&self, out: &mut Writer) {
        if let Message::Piece(piece) = self {
            out.bytes.push(1);
            return piece.header().encode(out);
        }
        out.bytes.push(0);
        let mut frame = BytesMut::with_capacity(self.encoded_length());
        self.encode(&mut frame);
        out.bytes.extend_from_slice(&frame);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("a message");
        match input.byte()? {
            0 => {
                let length = input.rest().first_chunk().ok_or(error)?;
                let length = u32::from_be_bytes(*length) as usize;
                let frame = input.take(length.checked_add(4).ok_or(error)?)?;
                let mut frame = BytesMut::from(frame);
                let decoded = Decoder::new().max_frame_length(u32::MAX).decode(&mut frame);
                decoded.ok().flatten().ok_or(error)
            }
            1 => {
                let PieceHeader { index, begin, length } = Code::decode(input)?;
                if length > MAX_BLOCK {
                    return Err(error);
                }
                let data = Bytes::from(vec![0; length as usize]);
                Ok(Message::Piece(Piece { index, begin, data }))
            }
            _ => Err(error),
        }
    }
}

/// Encodes texts of the program, of which there are few.
macro_rules! texts {
    ($name:ident: $($text:literal)*) => {
        const $name: &[&str] = &[$($text),*];
    };
}

// As `Message::name` has them. The first one stands for others.
texts! {
    NAMES: "message" "keep-alive" "choke" "unchoke" "interested" "not interested" "have" "bitfield"
    "request" "piece" "cancel" "port" "suggest piece" "have all" "have none" "reject request"
    "allowed fast" "extended" "hash request" "hashes" "hash reject" "unknown message"
}

impl Code for &'static str {
    fn encode(&self, out: &mut Writer) {
        let at = NAMES.iter().position(|name| name == self).unwrap_or(0);
        out.bytes.push(at as u8);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("the name of a message");
        NAMES.get(usize::from(input.byte()?)).copied().ok_or(error)
    }
}

/// Whatever comes is another protocol.
impl Code for HandshakeError {
    fn encode(&self, out: &mut Writer) {
        match *self {
            HandshakeError::Protocol { offset, found } => (offset, found).encode(out),
            _ => (0_usize, 0_u8).encode(out),
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (offset, found) = Code::decode(input)?;
        Ok(HandshakeError::Protocol { offset, found })
    }
}

impl Code for DecodeErrorKind {
    fn encode(&self, out: &mut Writer) {
        match *self {
            DecodeErrorKind::FrameTooLong { length, limit } => {
                out.bytes.push(0);
                (length, limit).encode(out);
            }
            DecodeErrorKind::WrongLength { message, expected, found } => {
                out.bytes.push(1);
                (message, (expected, found)).encode(out);
            }
            DecodeErrorKind::TooShort { message, least, found } => {
                out.bytes.push(2);
                (message, (least, found)).encode(out);
            }
            DecodeErrorKind::RaggedHashes { found } => {
                out.bytes.push(3);
                found.encode(out);
            }
            // The crate may get others, which break the framing as well.
            _ => {
                out.bytes.push(3);
                0_usize.encode(out);
            }
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("a breach of the framing");
        Ok(match input.byte()? {
            0 => {
                let (length, limit) = Code::decode(input)?;
                DecodeErrorKind::FrameTooLong { length, limit }
            }
            1 => {
                let (message, (expected, found)) = Code::decode(input)?;
                DecodeErrorKind::WrongLength { message, expected, found }
            }
            2 => {
                let (message, (least, found)) = Code::decode(input)?;
                DecodeErrorKind::TooShort { message, least, found }
            }
            3 => DecodeErrorKind::RaggedHashes { found: Code::decode(input)? },
            _ => return Err(error),
        })
    }
}

/// The rules by their numbers here. One that is not in the list is written as the first one.
const RULES: [Rule; 25] = [
    Rule::FastAgreed,
    Rule::ExtendedAgreed,
    Rule::DhtAgreed,
    Rule::V2Agreed,
    Rule::AvailabilityFirst,
    Rule::AvailabilityNotLate,
    Rule::AvailabilityOnce,
    Rule::BitfieldLength,
    Rule::SpareBitsZero,
    Rule::HaveInRange,
    Rule::RequestNotEmpty,
    Rule::RequestNotTooLong,
    Rule::RequestInRange,
    Rule::NoRequestFlood,
    Rule::PieceRequested,
    Rule::NoBlockFlood,
    Rule::PieceLength,
    Rule::PieceNotEmpty,
    Rule::RejectRequested,
    Rule::NoRejectFlood,
    Rule::NoExchangeFlood,
    Rule::NoHolepunchFlood,
    Rule::HashRequestShape,
    Rule::HashesRequested,
    Rule::HashesLength,
];

impl Code for Rule {
    fn encode(&self, out: &mut Writer) {
        let at = RULES.iter().position(|rule| rule == self).unwrap_or(0);
        out.bytes.push(at as u8);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("a rule");
        RULES.get(usize::from(input.byte()?)).copied().ok_or(error)
    }
}
