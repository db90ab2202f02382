//! A naive decoder that serves as the specification, and values to try it with.

mod values;

use std::collections::BTreeMap;

use proptest::prelude::*;
use tinytorrent_bencode::Value;

pub(crate) use values::value;

/// What the naive decoder makes of the start of an input.
pub(crate) struct Parsed {
    pub(crate) value: Value,
    pub(crate) end: usize,
    /// Nothing in it departs from canonical bencode.
    pub(crate) canonical: bool,
}

/// Reads the value at `start`, by recursion and with copies; `None` if there is none.
pub(crate) fn parse(input: &[u8], start: usize) -> Option<Parsed> {
    match input.get(start)? {
        b'i' => {
            let end = start + input[start..].iter().position(|byte| *byte == b'e')?;
            let text = std::str::from_utf8(&input[start + 1..end]).ok()?;
            let digits = text.strip_prefix('-').unwrap_or(text);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let number = match digits.trim_start_matches('0') {
                "" => "0".to_owned(),
                rest => text[..text.len() - digits.len()].to_owned() + rest,
            };
            let canonical = number == text;
            let canonical_bytes = format!("i{number}e").into_bytes();
            let doc = tinytorrent_bencode::decode(&canonical_bytes).unwrap();
            let value = doc.root().to_value().unwrap();
            Some(Parsed { value, end: end + 1, canonical })
        }
        b'l' => {
            let (mut values, mut at, mut canonical) = (Vec::new(), start + 1, true);
            while *input.get(at)? != b'e' {
                let parsed = parse(input, at)?;
                values.push(parsed.value);
                at = parsed.end;
                canonical &= parsed.canonical;
            }
            Some(Parsed { value: values.into(), end: at + 1, canonical })
        }
        b'd' => {
            let (mut entries, mut at, mut canonical) = (BTreeMap::new(), start + 1, true);
            let mut last: Option<Vec<u8>> = None;
            while *input.get(at)? != b'e' {
                if !input[at].is_ascii_digit() {
                    return None;
                }
                let key = parse(input, at)?;
                let value = parse(input, key.end)?;
                let name = key.value.into_bytes()?;
                canonical &= key.canonical && value.canonical;
                canonical &= last.is_none_or(|last| last < name);
                last = Some(name.clone());
                entries.entry(name).or_insert(value.value);
                at = value.end;
            }
            Some(Parsed { value: entries.into(), end: at + 1, canonical })
        }
        b'0'..=b'9' => {
            let colon = start + input[start..].iter().position(|byte| *byte == b':')?;
            let text = std::str::from_utf8(&input[start..colon]).ok()?;
            if !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let length: usize = text.parse().ok()?;
            let content = input[colon + 1..].get(..length)?;
            let canonical = length.to_string() == text;
            Some(Parsed { value: content.into(), end: colon + 1 + length, canonical })
        }
        _ => None,
    }
}

/// Bytes that are bencode more often than chance would have it.
pub(crate) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        value().prop_map(|value| value.encode()),
        prop::collection::vec(letter(), 0..40),
        (value(), prop::collection::vec(edit(), 1..4)).prop_map(|(value, edits)| {
            let mut bytes = value.encode();
            edits.into_iter().for_each(|edit| edit.apply(&mut bytes));
            bytes
        }),
    ]
}

fn letter() -> impl Strategy<Value = u8> {
    prop::sample::select(b"000111234ilde:-aildeile:1:".to_vec())
}

/// A small change of what was bencode.
#[derive(Debug, Clone)]
enum Edit {
    Replace(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Cut(prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    use prop::sample::Index;
    prop_oneof![
        (any::<Index>(), letter()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (any::<Index>(), letter()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        any::<Index>().prop_map(Edit::Remove),
        any::<Index>().prop_map(Edit::Cut),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Edit::Repeat(from, to)),
    ]
}

impl Edit {
    fn apply(self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Replace(at, byte) => bytes[at.index(length)] = byte,
            Self::Insert(at, byte) => bytes.insert(at.index(length), byte),
            Self::Remove(at) => drop(bytes.remove(at.index(length))),
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                let part = bytes[from.min(to)..=from.max(to)].to_vec();
                let after = from.max(to) + 1;
                bytes.splice(after..after, part);
            }
        }
    }
}
