//! What a hostile peer says.

use bytes::Bytes;
use tinytorrent_wire::{Extended, HashRequest, Message, Request};

/// A message of a peer that means no good, or knows no better.
pub(crate) fn message(kind: u8, b: u8, c: u8) -> Message {
    match kind / 16 {
        0 => Message::Choke,
        1 => Message::Unchoke,
        2 => Message::Interested,
        3 => Message::NotInterested,
        4 => Message::Have(number(b)),
        5 => Message::Bitfield(Bytes::from(vec![b; usize::from(c % 3)])),
        6 | 7 => Message::Request(range(b, c)),
        8 => Message::Cancel(range(b, c)),
        9 => Message::Reject(range(b, c)),
        10 => [Message::AllowedFast(number(b)), Message::Suggest(number(b))][usize::from(c & 1)]
            .clone(),
        11 => [Message::HaveAll, Message::HaveNone][usize::from(b & 1)].clone(),
        12 => Message::Extended(Extended { id: 0, payload: handshake(b, c) }),
        13 if b % 7 == 5 => Message::Extended(Extended { id: 5, payload: introduction(b, c) }),
        13 if b % 7 == 6 => Message::Extended(Extended { id: 6, payload: twin(b, c) }),
        13 => Message::Extended(Extended { id: b % 7, payload: metadata(b, c) }),
        14 => hashes(b, c),
        _ => other(b, c),
    }
}

/// A range, most often one of those that are asked for.
pub(crate) fn range(b: u8, c: u8) -> Request {
    let (index, begin) = (number(b), u32::from(c % 4) << 14);
    match c {
        0..200 => Request { index, begin, length: 16_384 },
        200..220 => Request { index, begin, length: u32::from(c) },
        220..240 => Request { index, begin: begin + 1, length: 16_384 },
        _ => Request { index, begin: u32::MAX - 3, length: 1 << (c - 225) },
    }
}

/// Most often the number of a piece.
fn number(b: u8) -> u32 {
    if b < 240 { u32::from(b) % 7 } else { u32::MAX - u32::from(b % 4) }
}

fn handshake(b: u8, c: u8) -> Bytes {
    let (id, size, queue) = (b % 4, u32::from(c) * 100, b % 8);
    let only = c & 1;
    let payload = format!(
        "d1:md11:lt_donthavei7e7:tt_twini9e12:ut_holepunchi2e11:ut_metadatai{id}e6:ut_pexi3ee\
         13:metadata_sizei{size}e1:pi{}e4:reqqi{queue}e11:upload_onlyi{only}ee",
        5_000 + u32::from(b)
    );
    payload.into()
}

fn metadata(b: u8, c: u8) -> Bytes {
    match c % 4 {
        // `lt_donthave`, where its id is ours.
        3 => Bytes::copy_from_slice(&number(b).to_be_bytes()),
        kind => format!("d8:msg_typei{kind}e5:piecei{}e10:total_sizei300ee", b >> 4).into(),
    }
}

/// A wish for an introduction, an introduction, an error, or something like them.
fn introduction(b: u8, c: u8) -> Bytes {
    let mut message = vec![c % 4, c >> 2 & 1, 10, 0, 0, b % 8];
    message.extend((5_000 + u16::from(b)).to_be_bytes());
    message.extend([0, 0, 0, c]);
    message.truncate(12 - usize::from(c % 7 == 6));
    message.into()
}

/// A question about connections to the same peer, or an answer.
fn twin(b: u8, c: u8) -> Bytes {
    let mut message = vec![c % 3];
    message.extend([b; 8]);
    message.truncate(9 - usize::from(c % 7 == 6));
    message.into()
}

fn hashes(b: u8, c: u8) -> Message {
    let request = HashRequest {
        pieces_root: [b; 32],
        base_layer: u32::from(c % 3),
        index: u32::from(b % 4) * 2,
        length: 2,
        proof_layers: u32::from(c % 2),
    };
    if c & 4 == 0 { Message::HashRequest(request) } else { Message::HashReject(request) }
}

fn other(b: u8, c: u8) -> Message {
    match b % 3 {
        0 => Message::KeepAlive,
        1 => Message::Port(u16::from(c)),
        _ => Message::Unknown { id: 100 + c % 100, payload: Bytes::new() },
    }
}
