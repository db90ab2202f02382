//! Owned values and raw bytes in serde's data model, with bencode and with JSON at the other end.

#[path = "support/values.rs"]
mod values;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tinytorrent_bencode::serde::{WithRaw, from_slice, from_slice_with, to_vec};
use tinytorrent_bencode::{Options, Raw, Value, decode};

/// The message for a raw value where serde has only copies.
const NO_RAW_BYTES: &str = "only bencode has raw bytes, and not below `#[serde(flatten)]`";

/// Any owned value whose strings are text.
fn text_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(|text| Value::from(&text[..])),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let key = any::<String>().prop_map(String::into_bytes);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6).prop_map(Value::from),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn value_is_the_same_through_serde_and_without_it(value in values::value()) {
        let bytes = value.encode();
        prop_assert_eq!(&to_vec(&value).unwrap(), &bytes);
        prop_assert_eq!(from_slice::<Value>(&bytes).unwrap(), value);
    }

    #[test]
    fn text_and_integers_survive_json(value in text_value()) {
        let json = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
    }
}

#[test]
fn value_in_json_is_text_numbers_lists_and_maps() {
    let doc = decode(b"d4:listli-1e0:e4:name3:\xc3\xa9e6:pieces2:\xff\0e").unwrap();
    let value = doc.root().to_value().unwrap();
    let json = json!({ "list": [-1, ""], "name": "ée", "pieces": [255, 0] });
    assert_eq!(serde_json::to_value(&value).unwrap(), json);
    let read: Value = serde_json::from_str(r#"{"a": true, "b": [1, "x"], "a": 2}"#).unwrap();
    assert_eq!(read.encode(), b"d1:ai1e1:bli1e1:xee");
    for (json, error) in [
        ("[1.5]", "invalid type: floating point `1.5`, expected a string, an integer, a list"),
        ("[null]", "invalid type: null, expected a string, an integer, a list"),
    ] {
        let found = serde_json::from_str::<Value>(json).unwrap_err().to_string();
        assert!(found.starts_with(error), "{found}");
    }
}

#[test]
fn integers_of_a_value_have_up_to_128_bits() {
    for number in ["-9223372036854775809", "340282366920938463463374607431768211455"] {
        let bytes = format!("i{number}e").into_bytes();
        let value: Value = from_slice(&bytes).unwrap();
        assert_eq!(to_vec(&value).unwrap(), bytes);
    }
    let bytes = format!("li{}ee", "9".repeat(40)).into_bytes();
    let error = from_slice::<Value>(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "the integer does not fit in i128, at byte 1 in `[0]`");
    let value = decode(&bytes).unwrap().root().to_value().unwrap();
    assert_eq!(to_vec(&value).unwrap_err().to_string(), "an integer of more than 128 bits");
}

// B-31
#[test]
fn depth_of_a_value_is_limited_before_serde_recurses() {
    let nested = |depth: usize| [vec![b'l'; depth], vec![b'e'; depth]].concat();
    let mut options = Options::strict();
    options.max_depth(1_000_000);
    let value: Value = from_slice_with(&options, &nested(128)).unwrap();
    assert_eq!(to_vec(&value).unwrap(), nested(128));
    for depth in [129, 1_000_000] {
        let input = nested(depth);
        let error = from_slice_with::<Value>(&options, &input).unwrap_err().to_string();
        assert!(error.starts_with("lists and dictionaries are nested more than 128 deep"));
        let deep = (1..depth).fold(Value::List(vec![]), |value, _| Value::List(vec![value]));
        let error = to_vec(&deep).unwrap_err().to_string();
        assert_eq!(error, "lists and dictionaries are nested more than 128 deep");
    }
}

#[test]
fn value_takes_what_no_field_does() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Torrent {
        announce: String,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }
    let input = b"d8:announce3:url4:infod6:pieces2:\xff\0e4:timei7ee";
    let torrent: Torrent = from_slice(input).unwrap();
    assert_eq!(torrent.announce, "url");
    assert_eq!(torrent.rest["info"].encode(), b"d6:pieces2:\xff\0e");
    assert_eq!(to_vec(&torrent).unwrap(), input);
}

#[test]
fn raw_below_flatten_is_refused_with_words() {
    #[derive(Debug, Deserialize, Serialize)]
    struct Torrent<'a> {
        #[serde(flatten, borrow)]
        rest: BTreeMap<String, Raw<'a>>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    enum Either<'a> {
        Number(u32),
        #[expect(dead_code, reason = "it cannot be read")]
        Other(#[serde(borrow)] WithRaw<'a, String>),
    }
    #[derive(Debug, Deserialize)]
    struct Flat<'a> {
        #[serde(flatten, borrow)]
        _rest: WithRaw<'a, BTreeMap<String, u32>>,
    }
    let input = b"d4:infod1:ai1eee";
    let error = from_slice::<Torrent<'_>>(input).unwrap_err().to_string();
    assert!(error.starts_with(NO_RAW_BYTES) && error.contains("use `Value` there"), "{error}");
    let error = from_slice::<Flat<'_>>(input).unwrap_err().to_string();
    assert!(error.starts_with(NO_RAW_BYTES), "{error}");
    assert!(matches!(from_slice(b"i7e"), Ok(Either::Number(7))));
    assert!(from_slice::<Either<'_>>(b"1:a").is_err());
    let error = serde_json::from_str::<Raw<'_>>("[1]").unwrap_err().to_string();
    assert!(error.starts_with(NO_RAW_BYTES), "{error}");
    // Writing needs no bytes of an input.
    let rest = BTreeMap::from([("info".to_owned(), Raw::new(b"d1:ai1ee").unwrap())]);
    assert_eq!(to_vec(&Torrent { rest }).unwrap(), input);
}

// B-23
#[test]
fn value_and_its_raw_bytes_are_read_at_once() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Torrent<'a> {
        #[serde(borrow)]
        files: Vec<WithRaw<'a, File<'a>>>,
        comment: Option<WithRaw<'a, u8>>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct File<'a> {
        path: &'a str,
    }
    let input = b"d5:filesld6:lengthi03e4:path1:aeee";
    let torrent: Torrent<'_> = from_slice_with(&Options::lenient(), input).unwrap();
    assert_eq!((torrent.files[0].path, torrent.files[0].value().path), ("a", "a"));
    assert_eq!(torrent.files[0].raw().as_bytes(), b"d6:lengthi03e4:path1:ae");
    // Keys without a field and odd integers are written as they were read.
    assert_eq!(to_vec(&torrent).unwrap(), input);
    let (file, raw) = torrent.files.into_iter().next().unwrap().into_parts();
    assert_eq!((file.path, raw.into_bytes().len()), ("a", 23));
    let error = from_slice::<Torrent<'_>>(b"d5:filesldeee").unwrap_err();
    assert_eq!(error.to_string(), "missing field `path`, at byte 9 in `files[0]`");
}
