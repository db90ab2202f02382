//! What strict decoding accepts is exactly what the encoder writes, and memory is in proportion to the input.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_bencode::{Document, MaybeNode, Node, PathElement, decode};
use tinytorrent_fuzz::within;

fuzz_target!(|input: &[u8]| {
    // A node takes eight bytes, and is one or two long; the list of them grows by doubling.
    match within(input.len(), 32, 16 << 10, || decode(input)) {
        Ok(doc) => {
            assert_eq!(doc.raw(), input);
            let value = doc.root().to_value().unwrap();
            assert_eq!(value.encode(), input);
            assert!(doc.is_canonical());
            nodes_are_consistent(&doc);
        }
        Err(error) => {
            assert!(error.offset() <= input.len());
            assert!(!error.to_string().is_empty());
        }
    }
});

fn nodes_are_consistent(doc: &Document<'_>) {
    let (mut pending, mut seen) = (vec![doc.root()], 0);
    while let Some(node) = pending.pop() {
        let again = decode(node.raw()).unwrap();
        assert_eq!(again.root().kind(), node.kind());
        // Paths and re-decoding cost time in proportion to the document.
        if seen < 50 {
            let found = node.path().elements().iter().fold(Some(doc.root()), follow);
            // Keys are cut in paths.
            assert!(found.is_none_or(|found| found.offset() == node.offset()));
        }
        seen += 1;
        if seen < 500 {
            pending.extend(node.list());
            pending.extend(node.dict().map(|(_, value)| value));
        }
    }
}

fn follow<'d, 'a>(node: Option<Node<'d, 'a>>, step: &PathElement) -> Option<Node<'d, 'a>> {
    match step {
        PathElement::Key(key) => node.get(key),
        PathElement::Index(position) => node.index(*position),
    }
}
