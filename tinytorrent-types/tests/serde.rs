//! Ids, hashes, pieces and blocks in serde's data model.

use serde::{Deserialize, Serialize};
use serde_test::{Configure, Token, assert_de_tokens_error, assert_ser_tokens, assert_tokens};
use tinytorrent_types::{
    Bitfield, Geometry, InfoHashV1, InfoHashV2, InfoHashes, PeerId, WireInfoHash,
};

const HEX: &str = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";

fn v1() -> InfoHashV1 {
    HEX.parse().unwrap()
}

#[test]
fn hash_is_text_for_people_and_bytes_for_others() {
    let v2 = InfoHashV2::from_bytes([7; 32]);
    assert_tokens(&v1().readable(), &[Token::Str(HEX)]);
    assert_tokens(&v1().to_wire().readable(), &[Token::Str(HEX)]);
    let bytes: &'static [u8; 20] = Box::leak(Box::new(*v1().as_bytes()));
    assert_tokens(&v1().compact(), &[Token::Bytes(bytes)]);
    assert_tokens(&WireInfoHash::from(v1()).compact(), &[Token::Bytes(bytes)]);
    assert_tokens(&v2.compact(), &[Token::Bytes(&[7; 32])]);
}

#[test]
fn peer_id_is_text_for_people_and_bytes_for_others() {
    let id = PeerId::from_bytes(*b"-TR4060-\0%bcdefghijk");
    assert_tokens(&id.readable(), &[Token::Str("-TR4060-%00%25bcdefghijk")]);
    assert_tokens(&id.compact(), &[Token::Bytes(b"-TR4060-\0%bcdefghijk")]);
}

#[test]
fn identity_has_one_or_two_hashes_in_both_forms() {
    let (short, long) = (InfoHashV1::from_bytes([1; 20]), InfoHashV2::from_bytes([2; 32]));
    let both = [[1; 20].as_slice(), &[2; 32]].concat().leak();
    assert_tokens(&InfoHashes::from(short).compact(), &[Token::Bytes(&[1; 20])]);
    assert_tokens(&InfoHashes::from(long).compact(), &[Token::Bytes(&[2; 32])]);
    assert_tokens(&InfoHashes::from((short, long)).compact(), &[Token::Bytes(both)]);
    for hashes in [short.into(), long.into(), InfoHashes::from((short, long))] {
        assert_tokens(&hashes.readable(), &[Token::Str(hashes.to_string().leak())]);
    }
}

#[test]
fn error_says_what_was_expected() {
    assert_de_tokens_error::<serde_test::Readable<InfoHashV1>>(
        &[Token::Str("abc")],
        "expected 40 hexadecimal digits, found 3",
    );
    assert_de_tokens_error::<serde_test::Readable<InfoHashes>>(
        &[Token::Str("abc")],
        "expected an info-hash of 40 hexadecimal digits (v1) or 64 (v2), found 3",
    );
    assert_de_tokens_error::<serde_test::Compact<PeerId>>(
        &[Token::Bytes(b"abc")],
        "invalid length 3, expected the text of a peer id, or its 20 bytes",
    );
}

#[test]
fn bitfield_is_checked_when_it_is_read() {
    let field = Bitfield::full(10);
    let pair = |bits| [Token::Tuple { len: 2 }, Token::U32(10), bits, Token::TupleEnd];
    assert_tokens(&field.clone().readable(), &pair(Token::Str("ffc0")));
    assert_tokens(&field.compact(), &pair(Token::Bytes(b"\xff\xc0")));
    assert_de_tokens_error::<serde_test::Readable<Bitfield>>(
        &pair(Token::Str("ffff")),
        "a bitfield with spare bits set",
    );
    // A count that the bytes do not have reserves no memory.
    assert_de_tokens_error::<serde_test::Readable<Bitfield>>(
        &[Token::Tuple { len: 2 }, Token::U32(u32::MAX), Token::Str("ff"), Token::TupleEnd],
        "a bitfield of 1 bytes, expected 536870912",
    );
}

#[test]
fn pieces_blocks_and_names_of_clients_are_written() {
    let geometry = Geometry::new(100_000, 32_768).unwrap();
    assert_ser_tokens(&geometry.piece(2).unwrap(), &[Token::U32(2)]);
    assert_ser_tokens(
        &geometry.block(1, 16_384, 5).unwrap(),
        &[
            Token::Struct { name: "BlockInfo", len: 3 },
            Token::Str("piece"),
            Token::U32(1),
            Token::Str("begin"),
            Token::U32(16_384),
            Token::Str("length"),
            Token::U32(5),
            Token::StructEnd,
        ],
    );
    let client = PeerId::from_bytes(*b"-qB4650-abcdefghijkl").client().unwrap();
    assert_ser_tokens(&client, &[Token::Str("qBittorrent 4.6.5")]);
}

#[test]
fn as_bytes_has_the_bytes_in_every_format() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(transparent)]
    struct InMessages(#[serde(with = "tinytorrent_types::as_bytes")] InfoHashV1);
    let hash = InMessages(InfoHashV1::from_bytes([1; 20]));
    assert_tokens(&hash, &[Token::Bytes(&[1; 20])]);
    assert_de_tokens_error::<InMessages>(
        &[Token::Bytes(b"abc")],
        "invalid length 3, expected the 20 bytes of an id or a hash",
    );
}

#[test]
fn times_are_numbers_of_seconds() {
    use serde::de::value::F64Deserializer;
    use std::time::Duration;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(transparent)]
    struct Age(#[serde(with = "tinytorrent_types::as_seconds")] Duration);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(transparent)]
    struct Next(#[serde(with = "tinytorrent_types::as_seconds")] Option<Duration>);

    assert_tokens(&Age(Duration::from_millis(2_500)), &[Token::F64(2.5)]);
    assert_tokens(&Next(Some(Duration::from_secs(7))), &[Token::Some, Token::F64(7.0)]);
    assert_tokens(&Next(None), &[Token::None]);
    for bad in [-1.0, f64::NAN, f64::INFINITY, 1e30] {
        let number = F64Deserializer::<serde::de::value::Error>::new(bad);
        assert!(Age::deserialize(number).is_err(), "{bad}");
    }
}
