//! Values as people see them in a log or in a failed test.

use tinytorrent_bencode::{Options, Raw, Value, decode};

#[test]
fn strings_are_text_or_digits_and_long_ones_are_cut() {
    let name = "n".repeat(200);
    let hashes = [0xab; 200];
    let input = [
        b"d4:key\x003:\"a\n6:lengthi42e4:name200:".as_slice(),
        name.as_bytes(),
        b"6:pieces200:",
        &hashes,
        b"4:rootl2:\xff\0ee",
    ];
    let input = input.concat();
    let doc = decode(&input).unwrap();
    let expected = format!(
        r#"{{0x6b657900: "\"a\n", "length": 42, "name": "{}"… (200 bytes), "pieces": 0x{}… (200 bytes), "root": [0xff00]}}"#,
        &name[..80],
        "ab".repeat(32),
    );
    assert_eq!(format!("{doc:?}"), expected);
    assert_eq!(format!("{:?}", doc.root()), expected);
    assert_eq!(format!("{:?}", doc.root().to_value().unwrap()), expected);
}

#[test]
fn alternate_form_has_a_line_for_each_value() {
    let doc = decode(b"d1:ai1e1:bli2edee1:c0:e").unwrap();
    let expected = r#"{
    "a": 1,
    "b": [
        2,
        {}
    ],
    "c": ""
}"#;
    assert_eq!(format!("{doc:#?}"), expected);
    assert_eq!(format!("{:#?}", doc.root().to_value().unwrap()), expected);
    assert_eq!(format!("{:?}", doc.get("b").unwrap().list()), "[2, {}]");
    assert_eq!(format!("{:?}", doc.root().dict()), r#"{"a": 1, "b": [2, {}], "c": ""}"#);
}

#[test]
fn only_the_first_values_are_shown() {
    let input = format!("ld1:al{}eee", "i7e".repeat(1_000));
    let doc = decode(input.as_bytes()).unwrap();
    let expected = format!(r#"[{{"a": [{}…]}}]"#, "7, ".repeat(97));
    assert_eq!(format!("{doc:?}"), expected);
    assert!(format!("{doc:#?}").ends_with("7,\n            …\n        ]\n    }\n]"));
}

#[test]
fn raw_bytes_errors_and_paths_are_readable() {
    let input = b"d4:infod6:pieces2:\xff\x004:sizei1eee";
    let raw = Raw::new(input).unwrap();
    assert_eq!(format!("{raw:?}"), r"Raw(d4:infod6:pieces2:\xff\x004:sizei1eee)");
    let doc = decode(input).unwrap();
    let error = doc.get("info").unwrap().require("name").unwrap_err();
    assert_eq!(
        format!("{error:?}"),
        r#"Error { kind: MissingKey("name"), offset: 7, path: KeyPath(`info`) }"#
    );
    assert_eq!(format!("{:?}", doc.get("info").unwrap().path().elements()), r#"[Key("info")]"#);
}

#[test]
fn long_integers_are_cut() {
    let input = format!("i-{}e", "9".repeat(200));
    let doc = decode(input.as_bytes()).unwrap();
    let expected = format!("-{}… (200 digits)", "9".repeat(79));
    assert_eq!(format!("{doc:?}"), expected);
    assert_eq!(format!("{:?}", doc.root().as_integer().unwrap()), expected);
}

#[test]
fn depth_costs_no_stack() {
    let depth = 1_000_000;
    let input = [vec![b'l'; depth], vec![b'e'; depth]].concat();
    let doc = Options::strict().max_depth(depth).decode(&input).unwrap();
    let expected = format!("{}…{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(format!("{doc:?}"), expected);
    let value = (1..depth).fold(Value::List(vec![]), |value, _| Value::List(vec![value]));
    assert_eq!(format!("{value:?}"), expected);
}
