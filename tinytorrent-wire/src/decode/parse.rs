//! Parsing of one whole frame.

use bytes::{Buf, Bytes};

use super::DecodeErrorKind;
use crate::message::id;
use crate::{Extended, HashRequest, Hashes, Message, Piece, Request};

/// The longest of the frames that [`parse_frequent`] reads, without its prefix.
pub(super) const LONGEST_FREQUENT: u32 = 13;

/// Parses a whole `request` or `have`, the two most frequent messages. Returns the message and the
/// length of the frame.
///
/// Their fast path has no `Result`: building one costs more than the parsing.
#[inline(always)]
pub(super) fn parse_frequent(bytes: &[u8]) -> Option<(Message, usize)> {
    let head = bytes.first_chunk::<5>()?;
    match (number(head, 0), head[4]) {
        (13, id::REQUEST) => {
            let frame = bytes.first_chunk::<17>()?;
            Some((Message::Request(request(&frame[5..])), 17))
        }
        (5, id::HAVE) => {
            let frame = bytes.first_chunk::<9>()?;
            Some((Message::Have(number(frame, 5)), 9))
        }
        _ => None,
    }
}

/// Parses a frame of a fixed length. `None` for a message with a payload of any length.
#[inline]
pub(super) fn parse_fixed(body: &[u8]) -> Option<Result<Message, DecodeErrorKind>> {
    let Some((&id, rest)) = body.split_first() else { return Some(Ok(Message::KeepAlive)) };
    let (message, expected) = match (id, rest.len()) {
        (id::REQUEST, 12) => (Message::Request(request(rest)), 13),
        (id::HAVE, 4) => (Message::Have(number(rest, 0)), 5),
        // Lengths of messages without fields are compared below.
        (id::CHOKE, _) => (Message::Choke, 1),
        (id::UNCHOKE, _) => (Message::Unchoke, 1),
        (id::INTERESTED, _) => (Message::Interested, 1),
        (id::NOT_INTERESTED, _) => (Message::NotInterested, 1),
        (id::CANCEL, 12) => (Message::Cancel(request(rest)), 13),
        (id::REJECT, 12) => (Message::Reject(request(rest)), 13),
        (id::PORT, 2) => (Message::Port(u16::from_be_bytes([rest[0], rest[1]])), 3),
        (id::SUGGEST, 4) => (Message::Suggest(number(rest, 0)), 5),
        (id::HAVE_ALL, _) => (Message::HaveAll, 1),
        (id::HAVE_NONE, _) => (Message::HaveNone, 1),
        (id::ALLOWED_FAST, 4) => (Message::AllowedFast(number(rest, 0)), 5),
        (id::HASH_REQUEST, 48) => (Message::HashRequest(hash_request(rest)), 49),
        (id::HASH_REJECT, 48) => (Message::HashReject(hash_request(rest)), 49),
        _ => return wrong_length(id, body.len()).map(Err),
    };
    if body.len() != expected {
        return wrong_length(id, body.len()).map(Err);
    }
    Some(Ok(message))
}

/// The error for a message of fixed length that has another one. `None` if any length is legal.
#[cold]
fn wrong_length(id: u8, found: usize) -> Option<DecodeErrorKind> {
    let (message, expected) = match id {
        id::CHOKE => ("choke", 1),
        id::UNCHOKE => ("unchoke", 1),
        id::INTERESTED => ("interested", 1),
        id::NOT_INTERESTED => ("not interested", 1),
        id::HAVE => ("have", 5),
        id::REQUEST => ("request", 13),
        id::CANCEL => ("cancel", 13),
        id::PORT => ("port", 3),
        id::SUGGEST => ("suggest piece", 5),
        id::HAVE_ALL => ("have all", 1),
        id::HAVE_NONE => ("have none", 1),
        id::REJECT => ("reject request", 13),
        id::ALLOWED_FAST => ("allowed fast", 5),
        id::HASH_REQUEST => ("hash request", 49),
        id::HASH_REJECT => ("hash reject", 49),
        _ => return None,
    };
    Some(DecodeErrorKind::WrongLength { message, expected, found })
}

/// Checks that a frame with a payload is long enough for its fixed part.
#[inline]
pub(super) fn check_payload(body: &[u8]) -> Result<(), DecodeErrorKind> {
    let found = body.len();
    // Not empty: `parse_fixed` has taken the keep-alives.
    let (message, least) = match body[0] {
        id::PIECE => ("piece", 9),
        id::EXTENDED => ("extended", 2),
        id::HASHES => ("hashes", 1 + HashRequest::LENGTH),
        _ => return Ok(()),
    };
    if found < least {
        return Err(DecodeErrorKind::TooShort { message, least, found });
    }
    if body[0] == id::HASHES && !(found - least).is_multiple_of(32) {
        return Err(DecodeErrorKind::RaggedHashes { found: found - least });
    }
    Ok(())
}

/// Parses a frame with a payload, after [`check_payload`]. `frame` begins at the id.
#[inline]
pub(super) fn with_payload(mut frame: Bytes) -> Message {
    let id = frame[0];
    match id {
        id::PIECE => {
            let (index, begin) = (number(&frame, 1), number(&frame, 5));
            frame.advance(9);
            Message::Piece(Piece { index, begin, data: frame })
        }
        id::BITFIELD => {
            frame.advance(1);
            Message::Bitfield(frame)
        }
        id::EXTENDED => {
            let id = frame[1];
            frame.advance(2);
            Message::Extended(Extended { id, payload: frame })
        }
        id::HASHES => {
            let request = hash_request(&frame[1..]);
            frame.advance(1 + HashRequest::LENGTH);
            Message::Hashes(Box::new(Hashes { request, hashes: frame }))
        }
        _ => {
            frame.advance(1);
            Message::Unknown { id, payload: frame }
        }
    }
}

/// The integer at this offset. The caller has checked that four bytes are there.
#[inline]
pub(super) fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[inline]
fn request(bytes: &[u8]) -> Request {
    Request { index: number(bytes, 0), begin: number(bytes, 4), length: number(bytes, 8) }
}

fn hash_request(bytes: &[u8]) -> HashRequest {
    let mut pieces_root = [0; 32];
    pieces_root.copy_from_slice(&bytes[..32]);
    HashRequest {
        pieces_root,
        base_layer: number(bytes, 32),
        index: number(bytes, 36),
        length: number(bytes, 40),
        proof_layers: number(bytes, 44),
    }
}
