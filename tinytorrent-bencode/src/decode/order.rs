//! The order of keys, and the deviations that lenient decoding records.

use alloc::vec::Vec;

use super::{Decoder, Fault};
use crate::deviation::Noted;
use crate::token::Token;
use crate::{DeviationKind, ErrorKind};

impl<'a> Decoder<'a, '_> {
    /// Decodes a key, and checks its order.
    #[inline(always)]
    pub(super) fn key(&mut self, at: usize) -> Result<usize, Fault> {
        let previous = self.last_key as usize;
        let index = self.tape.len();
        let end = self.string(at).map_err(Fault::of_key)?;
        self.last_key = index as u32;
        if previous != 0 {
            let start = at + self.tape[index].number() as usize;
            let (previous, key) = (self.key_at(previous), &self.input[start..end]);
            // Most neighbours differ in the first byte, which spares a call to compare them.
            let by_first_byte = matches!((previous, key), ([a, ..], [b, ..]) if a < b);
            if !by_first_byte && previous >= key {
                self.out_of_order(at, index, previous == key)?;
            }
        }
        Ok(end)
    }

    /// The content of a key that is not the last token.
    #[inline]
    fn key_at(&self, index: usize) -> &'a [u8] {
        let token = self.tape[index];
        &self.input[token.start() + token.number() as usize..self.tape[index + 1].start()]
    }

    #[cold]
    fn out_of_order(&mut self, at: usize, index: usize, equal: bool) -> Result<(), Fault> {
        if !equal {
            self.note(DeviationKind::UnsortedKey, at, index)?;
        } else if !self.options.lenient {
            self.note(DeviationKind::DuplicateKey, at, index)?;
        }
        // In an unsorted dictionary equal keys need not be neighbours, so they are searched at its end.
        if self.unsorted.last() != Some(&self.open) {
            self.unsorted.push(self.open);
        }
        Ok(())
    }

    /// Records each key of a closed dictionary that occurs earlier in it.
    #[cold]
    pub(super) fn note_duplicates(&mut self, dict: usize) -> Result<(), Fault> {
        // Sorting takes n log n steps, where a comparison of all pairs would take n².
        let mut keys = Vec::new();
        let mut index = dict + 1;
        while self.tape[index].tag() != Token::END {
            keys.push(index);
            index += 1 + self.tape[index + 1].width();
        }
        // A stable sort, so that the first of equal keys is the first in the input.
        keys.sort_by(|a, b| self.key_at(*a).cmp(self.key_at(*b)));
        for pair in keys.windows(2) {
            if self.key_at(pair[0]) == self.key_at(pair[1]) {
                self.note(DeviationKind::DuplicateKey, self.tape[pair[1]].start(), pair[1])?;
            }
        }
        Ok(())
    }

    /// Records a deviation. Strict decoding refuses it.
    #[cold]
    pub(super) fn note(
        &mut self,
        kind: DeviationKind,
        offset: usize,
        token: usize,
    ) -> Result<(), Fault> {
        if !self.options.lenient {
            return Err(Fault::new(ErrorKind::NotCanonical(kind), offset));
        }
        self.deviation_count += 1;
        if self.noted.len() < self.options.max_deviations {
            self.noted.push(Noted { kind, offset, token });
        }
        Ok(())
    }
}
