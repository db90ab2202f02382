//! Decoding of a list whose values are visited one by one and not kept.

use alloc::vec::Vec;
use core::mem;

use super::{Decoder, Fault, keep};
use crate::token::{NO_PARENT, Token};
use crate::{Document, Options};

/// A visitor of the values of a list, for [`Options::decode_each`].
///
/// A closure that takes a document is a visitor.
pub trait ListVisitor<'a> {
    /// Takes a value, which is the root of a document. Paths start at the value, and offsets count
    /// from the start of the input.
    fn visit(&mut self, value: &Document<'a>);

    /// Called at the start of the list, with the offset of the dictionary around it; with the offset
    /// of the list if there is none.
    fn begin(&mut self, dict: usize) {
        let _ = dict;
    }

    /// Called with the offset of each value before it is decoded. A visitor that parses common values
    /// itself returns their size, and they are not decoded. Such a value must be canonical.
    fn parse_known(&mut self, input: &'a [u8], at: usize) -> Option<KnownValue> {
        let _ = (input, at);
        None
    }
}

impl<'a, F: FnMut(&Document<'a>)> ListVisitor<'a> for F {
    fn visit(&mut self, value: &Document<'a>) {
        self(value);
    }
}

/// The size of a value that [`ListVisitor::parse_known`] has parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownValue {
    /// The length in bytes, at least one and within the input.
    pub bytes: usize,
    /// The number of keys and values, itself included.
    pub nodes: usize,
    /// The number of nested lists and dictionaries, itself included.
    pub depth: usize,
}

/// Decodes a value that fills the input, without the list at `path`; see [`Options::decode_each`].
pub(crate) fn each<'a>(
    options: &Options,
    input: &'a [u8],
    path: &[&str],
    visitor: &mut impl ListVisitor<'a>,
) -> Option<Document<'a>> {
    // No error is made here, since the caller gets it from `decode`.
    if input.len() > options.max_bytes {
        return None;
    }
    // The documents of the visitor have no list of deviations, so there must be none.
    let strict = Options { lenient: false, ..options.clone() };
    let mut decoder = Decoder::new(&strict, input);
    // One decoder for all values of the list, since allocating a table for each takes time.
    let mut values = Decoder::new(&strict, &input[..0]);
    values.input = input;
    let end = decoder.run(0, |decoder, at| match decoder.is_at(path, at) {
        true => decoder.visit_list(at, &mut values, visitor).map(Some),
        false => Ok(None),
    });
    end.is_ok_and(|end| end == input.len()).then(|| decoder.finish())
}

impl<'a> Decoder<'a, '_> {
    /// True if the value that begins at `at` is at this path of keys.
    fn is_at(&self, path: &[&str], at: usize) -> bool {
        if self.depth != path.len() {
            return false;
        }
        // The key of a value is the token before it.
        let (mut value, mut open) = (self.tape.len(), self.open);
        path.iter().rev().all(|key| {
            if open == NO_PARENT || self.tape[open as usize].tag() != Token::DICT {
                return false;
            }
            let token = self.tape[value - 1];
            let end = self.tape.get(value).map_or(at, |value| value.start());
            let found = &self.input[token.start() + token.number() as usize..end];
            (value, open) = (open as usize, self.tape[open as usize].number());
            found == key.as_bytes()
        })
    }

    /// Decodes the values of the list at `at` one by one, and returns the offset of the list's end.
    fn visit_list(
        &mut self,
        at: usize,
        values: &mut Decoder<'a, '_>,
        visitor: &mut impl ListVisitor<'a>,
    ) -> Result<usize, Fault> {
        if self.depth >= self.options.max_depth {
            return Err(self.too_deep(at));
        }
        visitor.begin(self.tape.get(self.open as usize).map_or(at, |dict| dict.start()));
        // Two tokens, the list and its end: the values are visited and not kept.
        self.push(at, Token::LIST, 2)?;
        let mut next = at + 1;
        while self.input.get(next) != Some(&b'e') {
            if let Some(known) = visitor.parse_known(self.input, next) {
                next += self.count(known, next)?;
                continue;
            }
            // The limits of depth and nodes count over the whole input.
            values.tape.clear();
            (values.depth, values.nodes_left) = (self.depth + 1, self.nodes_left);
            next = values.run(next, keep)?;
            self.nodes_left = values.nodes_left;
            let tape = mem::take(&mut values.tape);
            let noted = Vec::new();
            let value = Document { input: self.input, tape, noted, deviation_count: 0 };
            visitor.visit(&value);
            values.tape = value.tape;
        }
        self.tape.push(Token::new(next, Token::END, 0));
        Ok(next + 1)
    }

    /// Checks a value that was not decoded against the limits, and returns its length.
    #[inline]
    fn count(&mut self, known: KnownValue, at: usize) -> Result<usize, Fault> {
        // A visitor that returns 0 would loop for ever, and a large number would leave the input.
        if !(1..=self.input.len() - at).contains(&known.bytes) {
            return Err(self.unexpected_end(at, None, known.bytes));
        }
        if known.depth > self.options.max_depth - self.depth - 1 {
            return Err(self.too_deep(at));
        }
        let Some(left) = self.nodes_left.checked_sub(known.nodes) else {
            return Err(self.too_many_nodes(at));
        };
        self.nodes_left = left;
        Ok(known.bytes)
    }
}
