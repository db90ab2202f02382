//! The rules of bencode, one test each.

use tinytorrent_bencode::{
    DeviationKind, Error, ErrorKind, Kind, MaybeNode, NotBencode, Options, Prefix, Scanner, decode,
    decode_lenient, encode,
};

fn strict_error(input: &[u8]) -> Error {
    decode(input).map(|_| ()).unwrap_err()
}

/// What strict reading refuses at `offset` and lenient reading notes there.
fn deviates(input: &[u8], kind: DeviationKind, offset: usize) {
    let error = strict_error(input);
    assert_eq!((error.kind(), error.offset()), (&ErrorKind::NotCanonical(kind), offset));
    let doc = decode_lenient(input).unwrap();
    let noted: Vec<_> = doc.deviations().map(|noted| (noted.kind, noted.offset)).collect();
    assert_eq!(noted, [(kind, offset)]);
}

/// What both modes refuse at `offset`.
fn refused(input: &[u8], offset: usize) -> ErrorKind {
    let error = strict_error(input);
    assert_eq!(error.offset(), offset, "{error}");
    assert_eq!(decode_lenient(input).map(|_| ()).unwrap_err(), error);
    error.kind().clone()
}

// B-01, BEP 3 "bencoding"
#[test]
fn negative_zero_is_a_deviation_read_as_zero() {
    deviates(b"i-0e", DeviationKind::NegativeZero, 0);
    let doc = decode_lenient(b"i-0e").unwrap();
    assert_eq!((doc.root().as_i64(), doc.root().as_u64()), (Some(0), Some(0)));
}

// B-02, BEP 3 "bencoding"
#[test]
fn leading_zero_of_an_integer_is_a_deviation() {
    for (input, value) in [(&b"i03e"[..], 3), (b"i-03e", -3), (b"i00e", 0), (b"i-00e", 0)] {
        deviates(input, DeviationKind::IntegerLeadingZero, 0);
        assert_eq!(decode_lenient(input).unwrap().root().as_i64(), Some(value));
    }
}

// B-03
#[test]
fn integer_of_another_shape_is_an_error() {
    for (input, offset) in
        [(&b"ie"[..], 1), (b"i-e", 2), (b"i+1e", 1), (b"i 1e", 1), (b"i1.0e", 2), (b"i--1e", 2)]
    {
        assert!(matches!(refused(input, offset), ErrorKind::UnexpectedByte { .. }), "{input:?}");
    }
    for (input, needed) in [(&b"i"[..], 2), (b"i-", 2), (b"i1", 1), (b"i123456789", 1)] {
        let kind = refused(input, 0);
        assert_eq!(kind, ErrorKind::UnexpectedEnd { inside: Some(Kind::Integer), needed });
    }
}

// B-04
#[test]
fn integer_beyond_64_bits_keeps_its_digits() {
    let doc = decode(b"li9223372036854775807ei-9223372036854775808ee").unwrap();
    assert_eq!(doc.root().index(0).as_i64(), Some(i64::MAX));
    assert_eq!(doc.root().index(1).as_i64(), Some(i64::MIN));

    let doc = decode(b"li9223372036854775808ei-9223372036854775809ee").unwrap();
    for node in doc.root().list() {
        assert_eq!(node.as_i64(), None);
        let error = node.to_i64().unwrap_err();
        assert_eq!((error.kind(), error.offset()), (&ErrorKind::OutOfRange("i64"), node.offset()));
    }
    let digits = doc.root().index(1).unwrap().as_digits();
    assert_eq!(digits, Some(&b"-9223372036854775809"[..]));

    let digits = "7".repeat(250);
    let input = format!("i{digits}e");
    let doc = decode(input.as_bytes()).unwrap();
    assert_eq!(doc.root().as_integer().unwrap().to_string(), digits);
}

// B-05
#[test]
fn unsigned_and_signed_integers_have_their_own_ranges() {
    let doc = decode(b"li18446744073709551615ei18446744073709551616ei-1ee").unwrap();
    let numbers: Vec<_> = doc.root().list().map(|node| (node.as_u64(), node.as_i64())).collect();
    assert_eq!(numbers, [(Some(u64::MAX), None), (None, None), (None, Some(-1))]);
}

// B-06
#[test]
fn leading_zero_of_a_string_length_is_a_deviation() {
    deviates(b"03:abc", DeviationKind::LengthLeadingZero, 0);
    deviates(b"00:", DeviationKind::LengthLeadingZero, 0);
    deviates(b"d02:ab1:ce", DeviationKind::LengthLeadingZero, 1);
    let doc = decode_lenient(b"d02:ab0003:abce").unwrap();
    assert_eq!(doc.get("ab").as_bytes(), Some(&b"abc"[..]));
    assert_eq!(doc.get("ab").raw(), Some(&b"0003:abc"[..]));
}

// B-07, BEP 52 "file tree"
#[test]
fn empty_string_is_a_value_and_a_key() {
    assert_eq!(decode(b"0:").unwrap().root().as_bytes(), Some(&b""[..]));
    let doc = decode(b"d0:d6:lengthi1eee").unwrap();
    assert_eq!(doc.get("").get("length").as_u64(), Some(1));
}

// B-08
#[test]
fn string_length_is_digits_only() {
    assert!(matches!(
        refused(b"l-1:ae", 1),
        ErrorKind::UnexpectedByte { found: b'-', expected: "a value" }
    ));
    assert!(matches!(refused(b"l1 :ae", 2), ErrorKind::UnexpectedByte { found: b' ', .. }));
    assert!(matches!(refused(b"l+1:ae", 1), ErrorKind::UnexpectedByte { found: b'+', .. }));
    assert!(matches!(refused(b"-1:a", 0), ErrorKind::NotBencode(NotBencode::Byte(b'-'))));
}

// B-21
#[test]
fn digits_beyond_the_limit_are_not_waited_for() {
    for before in ["", "i", "i-"] {
        let start = |digits: usize| format!("{before}{}", "0".repeat(digits)).into_bytes();
        let limit = Options::lenient();
        let is_awaited = |digits: usize| {
            let stream = start(digits);
            limit.decode_prefix(&stream).map(|found| matches!(found, Prefix::Incomplete { .. }))
        };
        assert_eq!(is_awaited(256).ok(), Some(true), "{before}");
        let refused = is_awaited(257).unwrap_err();
        assert_eq!(*refused.kind(), ErrorKind::TooManyDigits { limit: 256 }, "{before}");
        assert!(Scanner::new(&limit).feed(&start(256)).is_ok());
        assert!(Scanner::new(&limit).feed(&start(257)).is_err());
    }
}

// B-09, synapse#168
#[test]
fn string_longer_than_the_input_is_refused_without_memory() {
    assert_eq!(
        refused(b"d2222222222:le", 1),
        ErrorKind::StringTooLong { declared: 2_222_222_222, available: 2 }
    );
    assert_eq!(
        refused(b"9223372036854775808:", 0),
        ErrorKind::StringTooLong { declared: 1 << 63, available: 0 }
    );
}

// B-10
#[test]
fn string_length_beyond_64_bits_overflows() {
    assert_eq!(refused(b"18446744073709551616:a", 0), ErrorKind::LengthOverflow);
    let input = format!("{}:a", "9".repeat(300));
    assert_eq!(refused(input.as_bytes(), 0), ErrorKind::TooManyDigits { limit: 256 });
}

// B-11, BEP 52
#[test]
fn strings_and_keys_are_bytes() {
    let doc = decode(b"d2:\xff\xfe2:\xc3\x28e").unwrap();
    let value = doc.get([0xff, 0xfe]).unwrap();
    assert_eq!((value.as_bytes(), value.as_str()), (Some(&b"\xc3\x28"[..]), None));
    assert_eq!(value.to_str().unwrap_err().kind(), &ErrorKind::NotUtf8);
    assert_eq!(value.path().to_string(), r"\xff\xfe");
}

// B-12, BEP 3
#[test]
fn key_that_is_no_string_is_refused_where_it_stands() {
    assert_eq!(refused(b"di1ei2ee", 1), ErrorKind::KeyNotString);
    assert_eq!(refused(b"d1:a0:le0:e", 6), ErrorKind::KeyNotString);
    assert_eq!(refused(b"ld1:a0:de0:ee", 7), ErrorKind::KeyNotString);
}

// B-13, BEP 3
#[test]
fn keys_sort_as_raw_bytes_with_the_prefix_first() {
    for sorted in [
        &b"d1:a0:2:aa0:1:b0:e"[..],
        b"d0:0:1:\x000:1:a0:e",
        b"d1:B0:1:a0:e",
        b"d2:zz0:2:\xc3\xa90:e",
        // By code units of UTF-16, U+FF5E would come after U+1F600.
        b"d3:\xef\xbd\x9e0:4:\xf0\x9f\x98\x800:e",
    ] {
        assert!(decode(sorted).is_ok(), "{}", sorted.escape_ascii());
    }
    deviates(b"d2:aa0:1:a0:e", DeviationKind::UnsortedKey, 7);
    deviates(b"d1:a0:1:B0:e", DeviationKind::UnsortedKey, 6);
}

// B-14, intermodal#454
#[test]
fn unsorted_key_is_a_deviation() {
    deviates(b"d1:bi1e1:ai2ee", DeviationKind::UnsortedKey, 7);
    // Sorted again after a nested dictionary, which has an order of its own.
    deviates(b"d1:bd1:z0:e1:a0:1:c0:e", DeviationKind::UnsortedKey, 11);
    assert!(decode(b"d1:bd1:z0:e1:c0:e").is_ok());
    assert!(decode(b"d1:bld1:z0:eled1:a0:ee1:c0:e").is_ok());
}

// B-15, carl#76
#[test]
fn duplicate_key_is_noted_and_the_first_wins() {
    deviates(b"d1:ai1e1:ai2ee", DeviationKind::DuplicateKey, 7);
    let input = b"d1:ai1e1:bi2e1:ai3e1:c0:1:b0:e";
    let doc = decode_lenient(input).unwrap();
    assert_eq!(doc.get("a").as_u64(), Some(1));
    let noted: Vec<_> = doc.deviations().map(|noted| noted.to_string()).collect();
    assert_eq!(
        noted,
        [
            "a key is out of order, at byte 13 in `a`",
            "a key occurs twice, at byte 13 in `a`",
            "a key is out of order, at byte 24 in `b`",
            "a key occurs twice, at byte 24 in `b`",
        ]
    );
}

// B-16
#[test]
fn key_without_value_is_refused() {
    assert_eq!(refused(b"d1:ae", 4), ErrorKind::KeyWithoutValue);
    assert_eq!(refused(b"d1:a0:1:be", 9), ErrorKind::KeyWithoutValue);
}

// B-17
#[test]
fn unterminated_container_is_reported_at_its_start() {
    let list = ErrorKind::UnexpectedEnd { inside: Some(Kind::List), needed: 2 };
    assert_eq!(refused(b"d1:ali1ei2e", 4), list);
    let error = strict_error(b"d1:ali1ei2e");
    assert_eq!(error.path().to_string(), "a");
    let dict = ErrorKind::UnexpectedEnd { inside: Some(Kind::Dict), needed: 1 };
    assert_eq!(refused(b"d1:a0:", 0), dict);
    let dict = ErrorKind::UnexpectedEnd { inside: Some(Kind::Dict), needed: 3 };
    assert_eq!(refused(b"d1:a", 0), dict);
    assert_eq!(refused(b"", 0), ErrorKind::UnexpectedEnd { inside: None, needed: 2 });
    let told = |inside| ErrorKind::UnexpectedEnd { inside, needed: 2 }.to_string();
    assert_eq!(told(None), "the input ends before a value, at least 2 more bytes are needed");
    assert!(told(Some(Kind::List)).starts_with("the input ends inside a list, "));
}

// B-18, BEP 9 "data"
#[test]
fn trailing_bytes_are_a_deviation_and_a_prefix_leaves_them() {
    deviates(b"deabc", DeviationKind::TrailingBytes { count: 3 }, 2);
    let input = b"d8:msg_typei1eePIECE";
    let Prefix::Complete(doc, used) = Options::strict().decode_prefix(input).unwrap() else {
        panic!("a whole dictionary is complete");
    };
    assert_eq!(doc.get("msg_type").as_u64(), Some(1));
    assert_eq!((doc.raw(), &input[used..]), (&input[..15], &b"PIECE"[..]));
}

// B-19
#[test]
fn what_is_not_bencode_is_named() {
    for (input, hint) in [
        (&b"<!DOCTYPE html>"[..], NotBencode::Markup),
        (b"\x1f\x8b\x08\0", NotBencode::Gzip),
        (b"\xef\xbb\xbfd1:a0:e", NotBencode::ByteOrderMark),
        (b"\nde", NotBencode::WhiteSpace),
        (b" de", NotBencode::WhiteSpace),
        (b"{}", NotBencode::Byte(b'{')),
        (b"e", NotBencode::Byte(b'e')),
    ] {
        assert_eq!(refused(input, 0), ErrorKind::NotBencode(hint));
    }
    let message = strict_error(b"<html>").to_string();
    assert_eq!(message, "this is not bencode: it starts with `<`, perhaps an html page, at byte 0");
}

// B-20, bip-rs#41
#[test]
fn depth_is_limited() {
    let megabyte = vec![b'l'; 1 << 20];
    assert_eq!(refused(&megabyte, 100), ErrorKind::TooDeep { limit: 100 });
    let nested = |depth: usize| [vec![b'l'; depth], vec![b'e'; depth]].concat();
    assert!(decode(&nested(100)).is_ok());
    assert_eq!(refused(&nested(101), 100), ErrorKind::TooDeep { limit: 100 });
}

// B-20
#[test]
fn depth_without_limit_takes_no_stack() {
    let depth = 1 << 20;
    let input = [vec![b'l'; depth], vec![b'e'; depth]].concat();
    let mut options = Options::strict();
    options.max_depth(usize::MAX);
    let doc = options.decode(&input).unwrap();
    assert_eq!(doc.node_count(), depth);
    let error = doc.root().to_value().unwrap_err();
    assert_eq!((error.kind(), error.offset()), (&ErrorKind::TooDeep { limit: 1000 }, 1000));
}

// B-21
#[test]
fn nodes_are_limited() {
    let mut options = Options::strict();
    options.max_nodes(4);
    assert_eq!(options.decode(b"li1ei2ei3ee").unwrap().node_count(), 4);
    let error = options.decode(b"li1ei2ei3ei4ee").unwrap_err();
    assert_eq!((error.kind(), error.offset()), (&ErrorKind::TooManyNodes { limit: 4 }, 10));
    let flood = [&b"l"[..], &b"0:".repeat(4_000_000), b"e"].concat();
    assert_eq!(refused(&flood, 5_999_999), ErrorKind::TooManyNodes { limit: 3_000_000 });
}

// B-22
#[test]
fn error_has_offset_and_key_path() {
    let input = b"d4:infod5:filesld4:pathl1:aeed4:pathl1:bi-0eeeeee";
    let error = strict_error(input);
    assert_eq!(
        error.to_string(),
        "an integer is negative zero, at byte 40 in `info.files[1].path[1]`"
    );
    let noted = decode_lenient(input).unwrap().deviations().next().unwrap();
    assert_eq!((noted.offset, noted.path), (error.offset(), error.path().clone()));
    assert_eq!(input[error.offset()..][..4], *b"i-0e");
}

// B-23, BEP 3 "info_hash"
#[test]
fn raw_span_of_any_value_is_its_source() {
    let input = b"d1:ali7e3:abcd1:xleee1:bi-5ee";
    let doc = decode(input).unwrap();
    assert_eq!(doc.raw(), input);
    assert_eq!(doc.get("a").raw(), Some(&b"li7e3:abcd1:xleee"[..]));
    assert_eq!(doc.get("a").index(0).raw(), Some(&b"i7e"[..]));
    assert_eq!(doc.get("a").index(1).raw(), Some(&b"3:abc"[..]));
    assert_eq!(doc.get("a").index(2).raw(), Some(&b"d1:xlee"[..]));
    assert_eq!(doc.get("a").index(2).get("x").raw(), Some(&b"le"[..]));
    assert_eq!(doc.get("b").raw(), Some(&b"i-5e"[..]));
}

// B-24
#[test]
fn encoder_sorts_keys_and_writes_canonical_integers() {
    let mut out = Vec::new();
    encode::dict(&mut out, |d| {
        d.integer("b", u64::MAX);
        d.integer("aa", i64::MIN);
        d.list("a", |l| {
            l.integer(0);
            l.dict(|d| {
                d.bytes("z", "1");
                d.bytes("y", "2");
            });
        });
        d.bytes("", "empty");
    });
    let expected =
        b"d0:5:empty1:ali0ed1:y1:21:z1:1ee2:aai-9223372036854775808e1:bi18446744073709551615ee";
    assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert!(decode(&out).is_ok());
}

// B-24
#[test]
fn encoder_keeps_the_last_of_equal_keys() {
    let mut out = Vec::new();
    encode::dict(&mut out, |d| {
        d.integer("a", 1);
        d.integer("a", 2);
        d.dict("b", |d| d.bytes("x", "y"));
        d.integer("a", 3);
    });
    assert_eq!(out, b"d1:ai3e1:bd1:x1:yee");
}

// B-25, tortillas#62, torrust#366
#[test]
fn encoder_neither_invents_nor_drops_keys() {
    let input = b"d4:infod6:lengthi1e9:x-unknownl1:a0:ee7:unknownde";
    let input = [&input[..], b"e"].concat();
    assert_eq!(decode(&input).unwrap().root().to_value().unwrap().encode(), input);
}

// B-26
#[test]
fn value_that_ends_with_the_buffer_parses() {
    for input in [&b"i1e"[..], b"0:", b"1:a", b"10:0123456789", b"le", b"de", b"d1:a1:be"] {
        let mut options = Options::strict();
        options.max_bytes(input.len());
        assert_eq!(options.decode(input).unwrap().raw(), input);
        for end in 0..input.len() {
            assert!(options.decode(&input[..end]).is_err());
        }
        options.max_bytes(input.len() - 1);
        let limit = input.len() - 1;
        let error = options.decode(input).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::TooManyBytes { limit });
    }
}

// B-27
#[test]
fn incomplete_prefix_says_the_least_that_is_missing() {
    let needed = |input: &[u8]| match Options::strict().decode_prefix(input).unwrap() {
        Prefix::Incomplete { needed } => needed,
        Prefix::Complete(_, used) => panic!("{used} of {} bytes are a value", input.len()),
    };
    assert_eq!(needed(b""), 2);
    assert_eq!(needed(b"i"), 2);
    assert_eq!(needed(b"i1"), 1);
    assert_eq!(needed(b"l"), 1);
    assert_eq!(needed(b"d1:a"), 3);
    assert_eq!(needed(b"d1"), 5);
    assert_eq!(needed(b"ld1:a100:x"), 99 + 2);
    let mut options = Options::strict();
    options.max_bytes(50);
    let error = options.decode_prefix(b"ld1:a100:x").unwrap_err();
    assert_eq!((error.kind(), error.offset()), (&ErrorKind::TooManyBytes { limit: 50 }, 5));
}

// B-29, libtorrent `dict_find_int_value("private", 0) != 0`
#[test]
fn any_integer_but_zero_is_true() {
    let doc = decode_lenient(b"li0ei1ei2ei-1ei-0ei99999999999999999999e1:1e").unwrap();
    let flags: Vec<_> = doc.root().list().map(|node| node.as_bool()).collect();
    let expected = [Some(false), Some(true), Some(true), Some(true), Some(false), Some(true), None];
    assert_eq!(flags, expected);
}

// B-30, libtorrent `dict_find_string`
#[test]
fn optional_value_of_another_kind_reads_as_missing() {
    let doc = decode(b"d1:ai1e1:b1:x1:cle1:ddee").unwrap();
    assert_eq!(doc.get("a").as_bytes(), None);
    assert_eq!(doc.get("b").as_i64(), None);
    assert_eq!(doc.get("b").list().count(), 0);
    assert_eq!(doc.get("c").dict().count(), 0);
    assert!(doc.get("c").get("x").is_none());
    assert!(doc.get("d").index(0).is_none());
}

// B-31
#[test]
fn owned_value_of_any_depth_drops_without_stack() {
    use std::collections::BTreeMap;
    use tinytorrent_bencode::Value;

    let mut value = Value::from("leaf");
    for level in 0..1 << 20 {
        value = match level % 2 {
            0 => Value::List(vec![value]),
            _ => Value::Dict(BTreeMap::from([(b"k".to_vec(), value)])),
        };
    }
    assert_eq!(value.encode().len(), 6 + (1 << 19) * (2 + 5));
    drop(value);
}

// B-32
#[test]
fn whole_input_never_asks_for_more() {
    // Each of these ends in the midst of a token, where a streaming parser would wait.
    for input in [&b"12"[..], b"l12", b"i12", b"4:spa", b"d4", b"d4:spam"] {
        let error = strict_error(input);
        assert!(matches!(
            error.kind(),
            ErrorKind::UnexpectedEnd { .. } | ErrorKind::StringTooLong { .. }
        ));
    }
}
