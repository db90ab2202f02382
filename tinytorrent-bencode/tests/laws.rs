//! Laws that hold for every input, stated against a naive decoder.

mod support;

use proptest::prelude::*;
use tinytorrent_bencode::{
    Document, ErrorKind, Kind, MaybeNode, Node, Options, PathElement, Prefix, Raw, Scan, Scanner,
    Value, decode, decode_lenient, encode,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    // B-31
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), odd in support::bytes()) {
        for input in [bytes, odd] {
            for options in [Options::strict(), Options::lenient()] {
                let error = options.decode(&input).map(|_| ()).err();
                let _ = (options.decode_prefix(&input), Scanner::new(&options).feed(&input));
                prop_assert!(error.is_none_or(|error| error.offset() <= input.len()));
            }
        }
    }

    // B-24
    #[test]
    fn encoded_value_decodes_to_itself(value in support::value()) {
        let bytes = value.encode();
        let doc = decode(&bytes).unwrap();
        prop_assert_eq!(doc.raw(), &bytes);
        prop_assert_eq!(doc.root().to_value().unwrap(), value);
    }

    // B-05
    #[test]
    fn integers_are_what_their_digits_say(number: u64, width in 0u32..64, before in "[a-z]{0,9}", zeros in 0usize..9) {
        let number = number >> width;
        let bytes = format!("l{}:{before}i{}{number}ei-{number}ee", before.len(), "0".repeat(zeros));
        let doc = decode_lenient(bytes.as_bytes()).unwrap();
        prop_assert_eq!(doc.root().index(1).as_u64(), Some(number));
        prop_assert_eq!(doc.root().index(2).as_u64(), (number == 0).then_some(0));
        prop_assert_eq!(doc.root().index(2).as_i64(), 0i64.checked_sub_unsigned(number));
    }

    #[test]
    fn values_of_a_list_are_the_same_when_handed_on(
        before in support::value(),
        values in prop::collection::vec(support::bytes(), 0..4),
        after in support::value(),
    ) {
        let [before, values, after] = [before.encode(), values.concat(), after.encode()];
        // Others are at paths that are alike: `a`, `b.a`, and `b` within another list.
        let list: &[&[u8]] = &[b"l", &values, b"e"];
        let parts: &[&[u8]] = &[b"d1:al", &before, b"e1:bd1:al", &before, b"e1:b", &list.concat(), b"e1:cld1:bl", &after, b"eeee"];
        let input = parts.concat();
        let mut handed_on = Vec::new();
        let found = Options::lenient().decode_each(&input, &["b", "b"], |value: &Document<'_>| {
            let value = value.root();
            handed_on.push((value.offset(), value.raw().to_vec(), value.to_value().unwrap()));
        });
        let whole = decode(&input).ok();
        prop_assert_eq!(found.is_some(), whole.is_some());
        let (Some(found), Some(whole)) = (found, whole) else { return Ok(()) };
        // Odd values may have ended the list, and be something else altogether.
        let Some(list) = whole.get("b").get("b").filter(|list| list.kind() == Kind::List) else {
            prop_assert_eq!(handed_on, []);
            return Ok(());
        };
        let kept: Vec<_> = list.list().map(|value| (value.offset(), value.raw().to_vec(), value.to_value().unwrap())).collect();
        prop_assert_eq!(handed_on, kept);
        let emptied = found.get("b").get("b").unwrap();
        prop_assert_eq!((emptied.list().count(), emptied.raw(), emptied.offset()), (0, list.raw(), list.offset()));
        let others = |doc: &Document<'_>| -> Vec<_> {
            doc.root().dict().filter(|(key, _)| *key != b"b").map(|(_, value)| value.to_value().unwrap()).collect()
        };
        prop_assert_eq!(others(&found), others(&whole));
    }

    // B-24
    #[test]
    fn strict_accepts_exactly_what_the_encoder_writes(bytes in support::bytes()) {
        let canonical = support::parse(&bytes, 0)
            .filter(|parsed| parsed.canonical && parsed.end == bytes.len());
        let decoded = decode(&bytes).map(|doc| doc.root().to_value().unwrap());
        prop_assert_eq!(decoded.as_ref().ok(), canonical.as_ref().map(|parsed| &parsed.value));
        if let Ok(value) = decoded {
            prop_assert_eq!(value.encode(), bytes);
        }
    }

    // B-01, B-02, B-06, B-14, B-15, B-18
    #[test]
    fn lenient_accepts_all_of_the_grammar_and_notes_what_strict_refuses(
        bytes in support::bytes(),
    ) {
        let parsed = support::parse(&bytes, 0);
        let Ok(doc) = decode_lenient(&bytes) else {
            prop_assert!(parsed.is_none());
            return Ok(());
        };
        let parsed = parsed.unwrap();
        prop_assert_eq!(doc.root().to_value().unwrap(), parsed.value.clone());
        prop_assert_eq!(doc.raw(), &bytes[..parsed.end]);
        prop_assert_eq!(doc.is_canonical(), parsed.canonical && parsed.end == bytes.len());
        prop_assert_eq!(doc.is_canonical(), decode(&bytes).is_ok());
        prop_assert_eq!(doc.deviations().count(), doc.deviation_count().min(100));
        if let Err(error) = decode(&bytes) {
            let ErrorKind::NotCanonical(kind) = *error.kind() else {
                return Err(TestCaseError::fail(error.to_string()));
            };
            let wanted = (kind, error.offset());
            prop_assert!(doc.deviations().any(|noted| (noted.kind, noted.offset) == wanted));
        }
    }

    // B-18, B-27
    #[test]
    fn prefix_is_complete_at_its_end_and_never_asks_for_too_much(
        value in support::value(),
        rest in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let bytes = value.encode();
        let long = [&bytes[..], &rest].concat();
        let options = Options::strict();
        let Ok(Prefix::Complete(doc, used)) = options.decode_prefix(&long) else {
            return Err(TestCaseError::fail("a whole value is complete"));
        };
        prop_assert_eq!((used, doc.raw()), (bytes.len(), &bytes[..]));
        for cut in 0..bytes.len() {
            let Ok(Prefix::Incomplete { needed }) = options.decode_prefix(&bytes[..cut]) else {
                return Err(TestCaseError::fail(format!("{cut} bytes are the start of a value")));
            };
            prop_assert!((1..=bytes.len() - cut).contains(&needed), "{} at {}", needed, cut);
        }
    }

    // B-27
    #[test]
    fn scanner_finds_the_end_however_the_stream_is_cut(
        value in support::value(),
        cuts in prop::collection::vec(1usize..9, 1..20),
    ) {
        let bytes = value.encode();
        let stream = [&bytes[..], b"rest"].concat();
        let mut scanner = Scanner::new(&Options::strict());
        let mut at = 0;
        for length in cuts.iter().cycle() {
            let part = &stream[at..stream.len().min(at + length)];
            match scanner.feed(part).unwrap() {
                Scan::Complete { used } => {
                    prop_assert_eq!(at + used, bytes.len());
                    break;
                }
                Scan::Incomplete { needed } => {
                    at += part.len();
                    prop_assert!((1..=bytes.len() - at).contains(&needed));
                }
            }
        }
    }

    // B-27
    #[test]
    fn scanner_accepts_what_lenient_reading_accepts(bytes in support::bytes()) {
        let mut scanner = Scanner::new(&Options::lenient());
        let scan = scanner.feed(&bytes);
        if let Ok(Prefix::Complete(_, used)) = Options::lenient().decode_prefix(&bytes) {
            prop_assert_eq!(scan, Ok(Scan::Complete { used }));
        } else if scan.is_err() {
            prop_assert!(Options::lenient().decode_prefix(&bytes).is_err());
        }
    }

    // B-22, B-23
    #[test]
    fn raw_span_and_path_of_each_node_lead_back_to_it(value in support::value()) {
        let bytes = value.encode();
        let doc = decode(&bytes).unwrap();
        let mut pending = vec![doc.root()];
        while let Some(node) = pending.pop() {
            let value = node.to_value().unwrap();
            prop_assert_eq!(node.raw(), value.encode());
            prop_assert_eq!(&bytes[node.offset()..][..node.raw().len()], node.raw());
            let found = node.path().elements().iter().fold(Some(doc.root()), follow).unwrap();
            prop_assert_eq!(found.offset(), node.offset());
            pending.extend(node.list());
            pending.extend(node.dict().map(|(_, node)| node));
        }
    }

    #[test]
    fn values_and_documents_look_alike_and_are_short(value in support::value()) {
        let bytes = value.encode();
        let (shown, lines) = (format!("{value:?}"), format!("{value:#?}"));
        prop_assert_eq!(&shown, &format!("{:?}", decode(&bytes).unwrap()));
        prop_assert!(!shown.contains(char::is_control), "{}", shown);
        // A key and a value for each of a hundred, and at most ten characters for a byte of text.
        let longest = 100 * 2 * (80 * 10 + 40) + 100 * 4 * 100;
        prop_assert!(lines.len() < longest, "{}", lines.len());
    }

    // B-24
    #[test]
    fn builder_writes_the_same_in_any_order_of_keys(
        entries in prop::collection::btree_map("[a-c]{0,3}", support::value(), 0..6),
        order in any::<u64>(),
    ) {
        let mut shuffled: Vec<_> = entries.iter().collect();
        shuffled.sort_by_key(|(key, _)| key.bytes().fold(order, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        }));
        let mut out = Vec::new();
        encode::dict(&mut out, |d| {
            for (key, value) in shuffled {
                let bytes = value.encode();
                d.raw(key, &Raw::new(&bytes).unwrap());
            }
        });
        let tree = entries.into_iter().map(|(key, value)| (key.into_bytes(), value));
        prop_assert_eq!(out, Value::Dict(tree.collect()).encode());
    }
}

// B-05
#[test]
fn integer_ends_at_the_first_byte_that_is_no_digit() {
    for digits in 1..=20 {
        for byte in 0..=u8::MAX {
            for next in [&b""[..], b"10:0123456789"] {
                let number = &"98765432109876543210".as_bytes()[..digits];
                let input = [b"li", number, &[byte], b"e", next, b"e"].concat();
                let found = decode(&input).map(|doc| doc.root().index(0).raw().unwrap().len());
                match byte {
                    b'0'..=b'9' => assert_eq!(found.unwrap(), digits + 3),
                    // The list ends as well, where more follows.
                    b'e' => assert_eq!(found.unwrap_err().offset(), digits + 4),
                    _ => assert_eq!(found.unwrap_err().offset(), digits + 2, "{byte}"),
                }
            }
        }
    }
}

fn follow<'d, 'a>(node: Option<Node<'d, 'a>>, step: &PathElement) -> Option<Node<'d, 'a>> {
    match step {
        PathElement::Key(key) => node.get(key),
        PathElement::Index(position) => node.index(*position),
    }
}
