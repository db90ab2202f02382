//! The encoding of what peers say, and of what they do wrong.

use bytes::{Bytes, BytesMut};
use tinytorrent_wire::session::{Rule, Side, Violation};
use tinytorrent_wire::{
    DecodeError, DecodeErrorKind, Decoder, Handshake, HandshakeError, HashRequest, Hashes, Message,
    Piece, PieceHeader,
};

use super::code::{Code, Malformed, Reader, Writer, code};
use super::primitives::{decode_place, encode_place};

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
        encode_place(self, &RULES, out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        decode_place(&RULES, input, "a rule")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn again<T: Code>(value: &T) -> Result<T, Malformed> {
        let start = Instant::now();
        let mut out = Writer::new(start);
        Code::encode(value, &mut out);
        T::decode(&mut Reader::new(&out.bytes, start, None))
    }

    /// A message that gets another name would be read as another one.
    #[test]
    fn the_names_of_all_messages_are_known() {
        let (empty, index) = (Bytes::new(), 0);
        let request = tinytorrent_wire::Request { index, begin: 0, length: 1 };
        let hashes = HashRequest {
            pieces_root: [0; 32],
            base_layer: 0,
            index: 0,
            length: 0,
            proof_layers: 0,
        };
        let extended = tinytorrent_wire::Extended { id: 0, payload: empty.clone() };
        let messages = [
            Message::KeepAlive,
            Message::Choke,
            Message::Unchoke,
            Message::Interested,
            Message::NotInterested,
            Message::Have(index),
            Message::Bitfield(empty.clone()),
            Message::Request(request),
            Message::Piece(Piece { index, begin: 0, data: empty.clone() }),
            Message::Cancel(request),
            Message::Port(1),
            Message::Suggest(index),
            Message::HaveAll,
            Message::HaveNone,
            Message::Reject(request),
            Message::AllowedFast(index),
            Message::Extended(extended),
            Message::HashRequest(hashes),
            Message::Hashes(Box::new(Hashes { request: hashes, hashes: empty.clone() })),
            Message::HashReject(hashes),
            Message::Unknown { id: 99, payload: empty },
        ];
        assert_eq!(messages.len() + 1, NAMES.len());
        for message in messages {
            assert_eq!(again(&message.name()), Ok(message.name()));
            assert_eq!(again(&message), Ok(message));
        }
    }

    #[test]
    fn a_block_is_read_as_one_of_zeros_and_a_large_one_is_refused() {
        let block =
            |length| Message::Piece(Piece { index: 7, begin: 1, data: vec![9; length].into() });
        let Ok(Message::Piece(read)) = again(&block(100)) else { panic!("a block") };
        assert_eq!((read.index, read.begin, &read.data[..]), (7, 1, &[0; 100][..]));
        again(&block(MAX_BLOCK as usize + 1)).expect_err("no peer sends that");
    }

    #[test]
    fn breaches_of_rules_and_of_the_framing_are_read_as_they_were() {
        for rule in RULES {
            let violation = Violation { from: Side::Peer, message: "have", rule };
            assert_eq!(again(&violation), Ok(violation));
        }
        for bytes in [&[0, 0, 0, 2, 4, 0][..], &[0, 0, 0, 1, 6], &[0, 0, 0, 1, 7], &[0xff; 4]] {
            let error = Decoder::new().decode(&mut BytesMut::from(bytes)).expect_err("too short");
            assert_eq!(again(&error), Ok(error));
        }
    }
}
