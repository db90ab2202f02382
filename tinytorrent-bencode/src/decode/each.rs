//! A list whose values are handed on one by one.

use alloc::vec::Vec;
use core::mem;

use super::{Decoder, Fault, keep};
use crate::token::{NO_PARENT, Token};
use crate::{Document, Options};

/// What [`Options::decode_each`] hands the values of a list to.
///
/// A closure that takes a document is one.
pub trait Values<'a> {
    /// Takes a value, which is the root of the document. Its path starts there, its offsets count from
    /// the start of the input.
    fn value(&mut self, value: &Document<'a>);

    /// The list begins, in the dictionary that begins at this offset; in none, at its own.
    fn begin(&mut self, dict: usize) {
        let _ = dict;
    }

    /// Sees each value before it is decoded: it begins at this offset of the input. If it is of a shape
    /// that is known by sight, it may be taken here, and the answer is how much that was. It must be
    /// canonical.
    fn known(&mut self, input: &'a [u8], at: usize) -> Option<Known> {
        let _ = (input, at);
        None
    }
}

impl<'a, F: FnMut(&Document<'a>)> Values<'a> for F {
    fn value(&mut self, value: &Document<'a>) {
        self(value);
    }
}

/// A value that [`Values::known`] took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its bytes, at least one, and no more than there are.
    pub bytes: usize,
    /// Keys and values of it, itself included.
    pub nodes: usize,
    /// Lists and dictionaries within each other, itself included.
    pub depth: usize,
}

/// Decodes a value that fills the input, all but the list at `path`; see [`Options::decode_each`].
pub(crate) fn each<'a>(
    options: &Options,
    input: &'a [u8],
    path: &[&str],
    each: &mut impl Values<'a>,
) -> Option<Document<'a>> {
    if input.len() > options.max_bytes {
        return None;
    }
    let strict = Options { lenient: false, ..options.clone() };
    let mut decoder = Decoder::new(&strict, input);
    // Its table is used again for each value.
    let mut values = Decoder::new(&strict, &input[..0]);
    values.input = input;
    let end = decoder.run(0, |decoder, at| match decoder.is_at(path, at) {
        true => decoder.hand_on(at, &mut values, each).map(Some),
        false => Ok(None),
    });
    end.is_ok_and(|end| end == input.len()).then(|| decoder.finish())
}

impl<'a> Decoder<'a, '_> {
    /// Whether the value that begins at `at` is at this path of keys.
    fn is_at(&self, path: &[&str], at: usize) -> bool {
        if self.depth != path.len() {
            return false;
        }
        // The key of a value stands before it in the tape.
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

    /// Decodes the values of the list at `at`, each for itself, and answers where the list ends.
    fn hand_on(
        &mut self,
        at: usize,
        values: &mut Decoder<'a, '_>,
        each: &mut impl Values<'a>,
    ) -> Result<usize, Fault> {
        if self.depth >= self.options.max_depth {
            return Err(self.too_deep(at));
        }
        each.begin(self.tape.get(self.open as usize).map_or(at, |dict| dict.start()));
        self.push(at, Token::LIST, 2)?;
        let mut next = at + 1;
        while self.input.get(next) != Some(&b'e') {
            if let Some(known) = each.known(self.input, next) {
                next += self.count(known, next)?;
                continue;
            }
            values.tape.clear();
            (values.depth, values.nodes_left) = (self.depth + 1, self.nodes_left);
            next = values.run(next, keep)?;
            self.nodes_left = values.nodes_left;
            let tape = mem::take(&mut values.tape);
            let noted = Vec::new();
            let value = Document { input: self.input, tape, noted, deviation_count: 0 };
            each.value(&value);
            values.tape = value.tape;
        }
        self.tape.push(Token::new(next, Token::END, 0));
        Ok(next + 1)
    }

    /// Holds what was not decoded against the limits.
    #[inline]
    fn count(&mut self, known: Known, at: usize) -> Result<usize, Fault> {
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
