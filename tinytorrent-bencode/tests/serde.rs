//! Rust types from and to bencode.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};
use tinytorrent_bencode::serde::{
    Error, from_node, from_slice, from_slice_with, to_buffer, to_vec,
};
use tinytorrent_bencode::{ErrorKind, MaybeNode, Options, Raw, decode};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct File<'a> {
    // Not in the order of the keys.
    #[serde(borrow)]
    path: Vec<&'a str>,
    length: u64,
    md5sum: Option<&'a str>,
}

fn there_and_back<'de, T>(value: &T, bytes: &'de [u8])
where
    T: Serialize + Deserialize<'de> + PartialEq + std::fmt::Debug,
{
    assert_eq!(to_vec(value).unwrap().escape_ascii().to_string(), bytes.escape_ascii().to_string());
    assert!(decode(bytes).is_ok());
    assert_eq!(from_slice::<T>(bytes).unwrap(), *value);
}

#[test]
fn struct_is_a_sorted_dictionary_of_borrowed_strings() {
    let file = File { path: vec!["a", "b"], length: 3, md5sum: None };
    there_and_back(&file, b"d6:lengthi3e4:pathl1:a1:bee");
    let file = File { path: vec![], length: u64::MAX, md5sum: Some("x") };
    there_and_back(&file, b"d6:lengthi18446744073709551615e6:md5sum1:x4:pathlee");
}

// B-11
#[test]
fn bytes_are_borrowed_and_need_not_be_utf8() {
    there_and_back(&Bytes::new(b"\xff\0"), b"2:\xff\0");
    there_and_back(&ByteBuf::from(b"\xff".to_vec()), b"1:\xff");
    let error = from_slice::<&str>(b"1:\xff").unwrap_err();
    assert!(matches!(&error, Error::Bencode(error) if *error.kind() == ErrorKind::NotUtf8));
    let map = BTreeMap::from([(ByteBuf::from(vec![0xff]), 1u8), (ByteBuf::new(), 2)]);
    there_and_back(&map, b"d0:i2e1:\xffi1ee");
}

#[test]
fn integers_keep_their_range() {
    there_and_back(
        &(i64::MIN, u64::MAX, i128::MAX),
        b"li-9223372036854775808ei18446744073709551615ei170141183460469231731687303715884105727ee",
    );
    let error = from_slice::<Vec<u8>>(b"li1ei256ee").unwrap_err();
    assert_eq!(error.to_string(), "the integer does not fit in u8, at byte 4 in `[1]`");
    assert!(from_slice::<u32>(b"i-1e").is_err());
}

// B-29
#[test]
fn booleans_are_integers() {
    there_and_back(&(true, false), b"li1ei0ee");
    assert!(from_slice::<bool>(b"i2e").unwrap());
}

// B-23
#[test]
fn raw_keeps_the_exact_bytes() {
    #[derive(Serialize, Deserialize)]
    struct Torrent<'a> {
        #[serde(borrow)]
        info: Raw<'a>,
    }
    let input = b"d4:infod1:bi03e1:a0:ee";
    let torrent: Torrent<'_> = from_slice_with(&Options::lenient(), input).unwrap();
    assert_eq!(torrent.info.as_bytes(), b"d1:bi03e1:a0:e");
    assert_eq!(to_vec(&torrent).unwrap(), input);
}

#[test]
fn variants_are_strings_or_dictionaries_of_one_key() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Message {
        Ping,
        Have(u32),
        Request(u32, u32),
        Find { target: String },
    }
    there_and_back(&Message::Ping, b"4:Ping");
    there_and_back(&Message::Have(7), b"d4:Havei7ee");
    there_and_back(&Message::Request(1, 2), b"d7:Requestli1ei2eee");
    there_and_back(&Message::Find { target: "x".into() }, b"d4:Findd6:target1:xee");
    assert!(from_slice::<Message>(b"d4:Pingi1ee").is_err());
    assert!(from_slice::<Message>(b"4:Have").is_err());
    assert!(from_slice::<Message>(b"d4:Havei7e5:Have2i7ee").is_err());
}

#[test]
fn untagged_and_flattened_types_read_strings() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Peers {
        Compact(ByteBuf),
        List(Vec<BTreeMap<String, i64>>),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Reply {
        peers: Peers,
        #[serde(flatten)]
        rest: BTreeMap<String, u32>,
    }
    let reply: Reply = from_slice(b"d8:intervali9e5:peers6:\x7f\0\0\x01\x1a\xe1e").unwrap();
    assert_eq!(reply.peers, Peers::Compact(ByteBuf::from(b"\x7f\0\0\x01\x1a\xe1".to_vec())));
    assert_eq!(reply.rest, BTreeMap::from([("interval".into(), 9)]));
    let reply: Reply = from_slice(b"d5:peersld4:porti1eeee").unwrap();
    assert_eq!(reply.peers, Peers::List(vec![BTreeMap::from([("port".into(), 1)])]));
}

#[test]
fn addresses_are_text() {
    let address: std::net::IpAddr = "127.0.0.1".parse().unwrap();
    there_and_back(&address, b"9:127.0.0.1");
}

// B-15
#[test]
fn first_of_equal_keys_wins_in_lenient_reading() {
    let input = b"d6:lengthi1e4:pathle6:lengthi2ee";
    let file: File<'_> = from_slice_with(&Options::lenient(), input).unwrap();
    assert_eq!(file.length, 1);
    assert!(from_slice::<File<'_>>(input).is_err());
}

// B-22
#[test]
fn error_of_a_type_has_its_place() {
    #[derive(Debug, Deserialize)]
    struct Info<'a> {
        #[serde(borrow)]
        files: Vec<File<'a>>,
    }
    let error = from_slice::<Info<'_>>(b"d5:filesld6:lengthi1eeee").unwrap_err();
    assert_eq!(error.to_string(), "missing field `path`, at byte 9 in `files[0]`");
    assert!(matches!(&error, Error::Message { place, .. } if place.offset() == Some(9)));
    let info: Info<'_> = from_slice(b"d5:filesld6:lengthi1e4:pathleeee").unwrap();
    assert_eq!(info.files[0].length, 1);
}

#[test]
fn node_reads_alone() {
    let doc = decode(b"d4:infod6:lengthi5e4:pathleee").unwrap();
    let file: File<'_> = from_node(doc.get("info").unwrap()).unwrap();
    assert_eq!(file.length, 5);
    assert_eq!(doc.get("info").get("length").as_u64(), Some(5));
}

// B-25
#[test]
fn what_has_no_bencode_is_refused_and_nothing_written() {
    let mut out = b"before".to_vec();
    for error in [
        to_buffer(&(1, 1.5f64), &mut out),
        to_buffer(&(1, ()), &mut out),
        to_buffer(&vec![None, Some(1)], &mut out),
        to_buffer(&None::<u8>, &mut out),
        to_buffer(&BTreeMap::from([(1, 2)]), &mut out),
    ] {
        assert!(matches!(error, Err(Error::Unsupported(_))), "{error:?}");
    }
    assert_eq!(out, b"before");
}

// B-20
#[test]
fn depth_is_limited_before_a_type_recurses() {
    #[derive(Debug, Deserialize)]
    struct Nested(#[expect(dead_code)] Vec<Nested>);
    let megabyte = vec![b'l'; 1 << 20];
    let error = from_slice::<Nested>(&megabyte).unwrap_err();
    assert!(
        matches!(&error, Error::Bencode(error) if *error.kind() == ErrorKind::TooDeep { limit: 100 })
    );
}
