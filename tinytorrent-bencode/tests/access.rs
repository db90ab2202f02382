//! Typed access to a decoded document.

use tinytorrent_bencode::{Kind, MaybeNode, decode, decode_lenient};

#[test]
fn chain_of_lookups_reaches_the_value() {
    let doc = decode(b"d4:infod5:filesli1ei2e3:abcd1:k1:veeee").unwrap();
    let files = doc.get("info").get("files");
    assert_eq!(files.list().count(), 4);
    assert_eq!(files.index(1).as_i64(), Some(2));
    assert_eq!(files.index(2).as_str(), Some("abc"));
    assert_eq!(files.index(3).get("k").as_bytes(), Some(&b"v"[..]));
    assert!(files.index(4).is_none());
    assert_eq!(doc.get("info").unwrap().kind(), Kind::Dict);
}

// B-28: libtorrent's dict_find is linear for the same reason.
#[test]
fn lookup_finds_keys_in_any_order_and_the_first_of_equals() {
    let doc = decode_lenient(b"d1:bi1e1:ai2e1:bi3ee").unwrap();
    assert_eq!(doc.get("a").as_u64(), Some(2));
    assert_eq!(doc.get("b").as_u64(), Some(1));
}

#[test]
fn required_key_that_is_missing_says_where() {
    let doc = decode(b"d4:infod5:filesld4:pathl1:aeeeee").unwrap();
    let file = doc.get("info").get("files").index(0).unwrap();
    let error = file.require("length").unwrap_err();
    assert_eq!(error.to_string(), "key `length` is missing, at byte 16 in `info.files[0]`");
    let error = file.require("path").unwrap().to_u64().unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected an integer, found a list, at byte 23 in `info.files[0].path`"
    );
}

#[test]
fn strings_of_a_length_and_integers_of_a_type_are_read_whole() {
    let doc = decode(b"d4:hash4:abcd4:porti6881e4:timei-1ee").unwrap();
    assert_eq!(doc.get("hash").as_array::<4>(), Some(b"abcd"));
    assert_eq!(doc.get("hash").as_array::<5>(), None);
    assert_eq!(doc.get("port").as_array::<4>(), None);
    assert_eq!(doc.get("port").as_uint::<u16>(), Some(6881));
    assert_eq!(doc.get("port").as_uint::<u8>(), None);
    assert_eq!(doc.get("time").as_uint::<u64>(), None);
    assert_eq!(doc.get("hash").as_uint::<u64>(), None);
    let error = doc.get("port").unwrap().to_array::<4>().unwrap_err();
    assert_eq!(error.to_string(), "expected a string, found an integer, at byte 19 in `port`");
    let error = doc.get("hash").unwrap().to_uint::<u8>().unwrap_err();
    assert_eq!(error.to_string(), "expected an integer, found a string, at byte 7 in `hash`");
}
