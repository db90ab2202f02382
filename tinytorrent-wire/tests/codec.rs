//! The bytes of messages, and the messages of bytes, however the stream is split.

mod common;

use bytes::{Buf, BytesMut};
use common::message;
use proptest::collection::vec;
use proptest::prelude::*;
use tinytorrent_wire::{
    DecodeError, DecodeErrorKind, Decoder, Extended, HashRequest, Hashes, Message, Piece,
    PieceHeader, Request,
};

fn encoded(messages: &[Message]) -> BytesMut {
    let mut out = BytesMut::new();
    messages.iter().for_each(|message| message.encode(&mut out));
    out
}

fn decode(bytes: &[u8]) -> Result<Option<Message>, DecodeErrorKind> {
    Decoder::new().decode(&mut BytesMut::from(bytes)).map_err(|error| error.kind)
}

/// All messages of a stream, then the error that ended them, if there is one.
type Read = (Vec<Message>, Option<DecodeError>);

fn read_one_by_one(decoder: &mut Decoder, buffer: &mut BytesMut) -> Read {
    let mut messages = Vec::new();
    loop {
        match decoder.decode(buffer) {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, None),
            Err(error) => return (messages, Some(error)),
        }
    }
}

fn read_in_batches(decoder: &mut Decoder, buffer: &mut BytesMut) -> Read {
    let mut messages = Vec::new();
    for message in decoder.split_frames(buffer) {
        match message {
            Ok(message) => messages.push(message),
            Err(error) => return (messages, Some(error)),
        }
    }
    (messages, None)
}

/// Feeds the stream in the parts given and reads after each.
fn read_in_parts(
    bytes: &[u8],
    parts: &[usize],
    mut read: impl FnMut(&mut Decoder, &mut BytesMut) -> Read,
) -> Read {
    let (mut decoder, mut buffer, mut messages) = (Decoder::new(), BytesMut::new(), Vec::new());
    let mut rest = bytes;
    let mut parts = parts.iter().copied().cycle();
    while !rest.is_empty() {
        let part = parts.next().unwrap_or(1).clamp(1, rest.len());
        buffer.extend_from_slice(&rest[..part]);
        rest.advance(part);
        let (more, error) = read(&mut decoder, &mut buffer);
        messages.extend(more);
        if error.is_some() {
            return (messages, error);
        }
    }
    (messages, None)
}

/// BEP 3, 5, 6, 10, 52: each message with its bytes.
fn vectors() -> Vec<(Message, Vec<u8>)> {
    let request = Request { index: 0x0102_0304, begin: 0x0506_0708, length: 0x090a_0b0c };
    let ranged = |id: u8| [&[0, 0, 0, 13, id][..], &(1..=12).collect::<Vec<u8>>()].concat();
    let hashes =
        HashRequest { pieces_root: [7; 32], base_layer: 1, index: 2, length: 4, proof_layers: 3 };
    let hashed = |length: u8, id: u8, rest: &[u8]| {
        let fields = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 3];
        [&[0, 0, 0, length, id][..], &[7; 32], &fields, rest].concat()
    };
    vec![
        (Message::KeepAlive, vec![0, 0, 0, 0]),
        (Message::Choke, vec![0, 0, 0, 1, 0]),
        (Message::Unchoke, vec![0, 0, 0, 1, 1]),
        (Message::Interested, vec![0, 0, 0, 1, 2]),
        (Message::NotInterested, vec![0, 0, 0, 1, 3]),
        (Message::Have(0xffff_fffe), vec![0, 0, 0, 5, 4, 0xff, 0xff, 0xff, 0xfe]),
        (Message::Bitfield(vec![0x80, 0x01].into()), vec![0, 0, 0, 3, 5, 0x80, 0x01]),
        (Message::Request(request), ranged(6)),
        (
            Message::Piece(Piece { index: 1, begin: 0x4000, data: vec![9, 8].into() }),
            vec![0, 0, 0, 11, 7, 0, 0, 0, 1, 0, 0, 0x40, 0, 9, 8],
        ),
        (Message::Cancel(request), ranged(8)),
        (Message::Port(6881), vec![0, 0, 0, 3, 9, 0x1a, 0xe1]),
        (Message::Suggest(5), vec![0, 0, 0, 5, 13, 0, 0, 0, 5]),
        (Message::HaveAll, vec![0, 0, 0, 1, 14]),
        (Message::HaveNone, vec![0, 0, 0, 1, 15]),
        (Message::Reject(request), ranged(16)),
        (Message::AllowedFast(5), vec![0, 0, 0, 5, 17, 0, 0, 0, 5]),
        (
            Message::Extended(Extended { id: 3, payload: b"de".to_vec().into() }),
            vec![0, 0, 0, 4, 20, 3, b'd', b'e'],
        ),
        (Message::HashRequest(hashes), hashed(49, 21, &[])),
        (
            Message::Hashes(Box::new(Hashes { request: hashes, hashes: vec![1; 64].into() })),
            hashed(113, 22, &[1; 64]),
        ),
        (Message::HashReject(hashes), hashed(49, 23, &[])),
        (Message::Unknown { id: 0x73, payload: vec![1].into() }, vec![0, 0, 0, 2, 0x73, 1]),
    ]
}

/// W-14, BEP 3: four bytes, big-endian, unsigned.
#[test]
fn messages_have_the_bytes_of_the_beps() {
    for (message, bytes) in vectors() {
        assert_eq!(&encoded(std::slice::from_ref(&message))[..], bytes, "{}", message.name());
        assert_eq!(message.encoded_length(), bytes.len(), "{}", message.name());
        assert_eq!(decode(&bytes), Ok(Some(message)));
    }
}

/// W-10, BEP 3: it is a message, since it shows the caller that the peer is there.
#[test]
fn keep_alive_is_an_empty_frame() {
    let mut buffer = BytesMut::from(&[0; 9][..]);
    let (messages, error) = read_one_by_one(&mut Decoder::new(), &mut buffer);
    assert_eq!((messages, error), (vec![Message::KeepAlive; 2], None));
    assert_eq!(buffer.len(), 1);
}

/// W-12: a fixed message of another length is the peer's fault.
#[test]
fn fixed_messages_of_another_size_are_refused() {
    let sizes = [
        (0, 1),
        (1, 1),
        (2, 1),
        (3, 1),
        (4, 5),
        (6, 13),
        (8, 13),
        (9, 3),
        (13, 5),
        (14, 1),
        (15, 1),
        (16, 13),
        (17, 5),
        (21, 49),
        (23, 49),
    ];
    for (id, due) in sizes {
        for size in 1..80 {
            let mut frame = vec![0; 4 + size];
            (frame[3], frame[4]) = (size as u8, id);
            match decode(&frame) {
                Ok(Some(_)) => assert_eq!(size, due, "id {id}"),
                Err(DecodeErrorKind::WrongLength { expected, found, .. }) => {
                    assert_ne!(size, due, "id {id}");
                    assert_eq!((expected, found), (due, size));
                }
                other => panic!("id {id}, {size} bytes: {other:?}"),
            }
        }
    }
}

/// W-12, W-38, W-48: a message with a payload must have its fixed part.
#[test]
fn messages_with_a_payload_have_a_least_size() {
    for (id, least) in [(7, 9), (20, 2), (22, 49)] {
        for size in 1..least {
            let mut frame = vec![0; 4 + size];
            (frame[3], frame[4]) = (size as u8, id);
            assert!(
                matches!(decode(&frame), Err(DecodeErrorKind::TooShort { least: l, found, .. })
                    if (l, found) == (least, size)),
                "id {id}, {size} bytes"
            );
        }
    }
    let mut ragged = vec![0; 4 + 49 + 33];
    (ragged[3], ragged[4]) = (49 + 33, 22);
    assert_eq!(decode(&ragged), Err(DecodeErrorKind::RaggedHashes { found: 33 }));
}

/// W-18: a bitfield of no bytes is a frame. The session judges it, as it knows the torrent.
#[test]
fn empty_bitfield_is_a_frame() {
    assert_eq!(decode(&[0, 0, 0, 1, 5]), Ok(Some(Message::Bitfield(Default::default()))));
}

/// W-13: the whole message is skipped, and the stream goes on.
#[test]
fn unknown_message_is_skipped_whole() {
    let mut buffer = BytesMut::from(&[0, 0, 0, 3, 99, 1, 2, 0, 0, 0, 1, 1][..]);
    let (messages, error) = read_one_by_one(&mut Decoder::new(), &mut buffer);
    assert_eq!(error, None);
    let unknown = Message::Unknown { id: 99, payload: vec![1, 2].into() };
    assert_eq!(messages, [unknown, Message::Unchoke]);
}

/// W-09: refused by its prefix alone, before anything is allocated for it.
#[test]
fn frame_over_the_limit_is_refused_by_its_prefix() {
    let mut decoder = Decoder::new();
    decoder.max_frame_length(100);
    let mut buffer = BytesMut::from(&[0, 0, 0, 1, 1, 0, 0, 0, 101][..]);
    assert_eq!(decoder.decode(&mut buffer), Ok(Some(Message::Unchoke)));
    let capacity = buffer.capacity();
    let error = decoder.decode(&mut buffer).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::FrameTooLong { length: 101, limit: 100 });
    assert_eq!((error.offset, buffer.capacity()), (5, capacity));
    assert!(decode(&[0xff; 4]).is_err(), "the default has a limit, too");
    let mut at_limit = vec![0, 0, 0, 100, 99];
    at_limit.resize(104, 0);
    assert!(decoder.decode(&mut BytesMut::from(&at_limit[..])).unwrap().is_some());
}

/// W-09: no memory is reserved for a frame within the limit either.
#[test]
fn a_claim_costs_no_memory() {
    let mut buffer = BytesMut::from(&[0, 0x0f, 0xff, 0xff, 7][..]);
    let capacity = buffer.capacity();
    assert_eq!(Decoder::new().decode(&mut buffer), Ok(None));
    assert_eq!(buffer.capacity(), capacity);
}

/// The data of a block is a slice of the receive buffer.
#[test]
fn piece_payload_is_not_copied() {
    let block = Message::Piece(Piece { index: 1, begin: 2, data: vec![3; 16_384].into() });
    let mut buffer = encoded(&[Message::Unchoke, block.clone(), block]);
    let arrived = buffer.as_ptr() as usize;
    let mut offsets = Vec::new();
    for message in Decoder::new().split_frames(&mut buffer) {
        if let Message::Piece(piece) = message.unwrap() {
            assert_eq!(piece.header(), PieceHeader { index: 1, begin: 2, length: 16_384 });
            offsets.push(piece.data.as_ptr() as usize - arrived);
        }
    }
    assert_eq!(offsets, [5 + 13, 5 + 13 + 16_384 + 13]);
}

/// W-54: the header and the data behind it are the message.
#[test]
fn piece_header_precedes_the_block() {
    let piece = Piece { index: 1, begin: 2, data: vec![3; 5].into() };
    let vectored = [&piece.header().to_frame()[..], &piece.data].concat();
    assert_eq!(vectored, encoded(&[Message::Piece(piece.clone())]));
    assert_eq!(Decoder::peek_piece(&vectored[..13]), Some(piece.header()));
    assert_eq!(Decoder::peek_piece(&vectored[..12]), None);
    assert_eq!(Decoder::peek_piece(&encoded(&[Message::Request(piece.header().request())])), None);
}

#[test]
fn errors_say_where_and_what() {
    let mut buffer = BytesMut::from(&[0, 0, 0, 0, 0, 0, 0, 2, 1, 0][..]);
    let (_, error) = read_in_batches(&mut Decoder::new(), &mut buffer);
    assert_eq!(
        error.unwrap().to_string(),
        "unchoke message of 2 bytes instead of 1, in the frame at byte 4 after the handshake"
    );
}

proptest! {
    #[test]
    fn what_goes_out_comes_in(message in message()) {
        let bytes = encoded(std::slice::from_ref(&message));
        prop_assert_eq!(bytes.len(), message.encoded_length());
        prop_assert_eq!(decode(&bytes), Ok(Some(message)));
    }

    /// W-53: any split of the stream gives the same messages, read either way.
    #[test]
    fn any_split_gives_the_same_messages(
        messages in vec(message(), 0..20),
        parts in vec(1..40_usize, 1..20),
    ) {
        let bytes = encoded(&messages);
        let expected = (messages, None);
        prop_assert_eq!(&read_in_parts(&bytes, &[usize::MAX], read_in_batches), &expected);
        prop_assert_eq!(&read_in_parts(&bytes, &parts, read_in_batches), &expected);
        prop_assert_eq!(&read_in_parts(&bytes, &parts, read_one_by_one), &expected);
        prop_assert_eq!(&read_in_parts(&bytes, &[1], read_one_by_one), &expected);
    }

    /// W-53: invalid bytes end in the same error at the same place.
    #[test]
    fn nonsense_ends_the_same_however_it_is_split(
        // Small numbers make frames that are whole.
        bytes in vec(prop_oneof![Just(0_u8), 0..24_u8, any::<u8>()], 0..300),
        parts in vec(1..40_usize, 1..20),
    ) {
        let whole = read_in_parts(&bytes, &[usize::MAX], read_one_by_one);
        prop_assert_eq!(&read_in_parts(&bytes, &[usize::MAX], read_in_batches), &whole);
        prop_assert_eq!(&read_in_parts(&bytes, &parts, read_in_batches), &whole);
        prop_assert_eq!(&read_in_parts(&bytes, &parts, read_one_by_one), &whole);
    }
}
