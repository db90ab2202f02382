//! The decoder: one pass over the input, without recursion, into one growing table.
//!
//! Canonical tokens have fast code of their own. All others are parsed by the nom [`grammar`], which
//! gives the exact error. The stack of open containers is in the tape: the token of an open container
//! holds the index of its parent until it is closed.

mod each;
mod fault;
mod order;

use alloc::vec::Vec;

pub(crate) use crate::decode::each::each;
pub use crate::decode::each::{KnownValue, ListVisitor};
use crate::decode::fault::Fault;
use crate::deviation::Noted;
use crate::grammar;
use crate::token::{NO_PARENT, Token};
use crate::{DeviationKind, Document, Error, ErrorKind, KeyPath, Kind, Options, Prefix};

/// Decodes a value that fills the input.
pub(crate) fn whole<'a>(options: &Options, input: &'a [u8]) -> Result<Document<'a>, Error> {
    if input.len() > options.max_bytes {
        let kind = ErrorKind::TooManyBytes { limit: options.max_bytes };
        return Err(Error::new(kind, 0, KeyPath::default()));
    }
    let mut decoder = Decoder::new(options, input);
    let end = decoder.run(0, keep).map_err(|fault| decoder.error(fault))?;
    if end < input.len() {
        let kind = DeviationKind::TrailingBytes { count: input.len() - end };
        // No value has these bytes, so they are noted at the root, which is token 0.
        decoder.note(kind, end, 0).map_err(|fault| decoder.error(fault))?;
    }
    Ok(decoder.finish())
}

/// Decodes the value at the start of the input.
pub(crate) fn prefix<'a>(options: &Options, input: &'a [u8]) -> Result<Prefix<'a>, Error> {
    // The limit is one of the value, and not of the bytes behind it.
    let window = &input[..input.len().min(options.max_bytes)];
    let mut decoder = Decoder::new(options, window);
    match decoder.run(0, keep) {
        Ok(end) => Ok(Prefix::Complete(decoder.finish(), end)),
        Err(fault) => match decoder.needed(&fault) {
            // A caller must not wait for the rest of a value that the limit refuses.
            Some(needed) if needed <= (options.max_bytes - window.len()) as u64 => {
                Ok(Prefix::Incomplete { needed: usize::try_from(needed).unwrap_or(usize::MAX) })
            }
            Some(_) => {
                let kind = ErrorKind::TooManyBytes { limit: options.max_bytes };
                Err(decoder.error(Fault::new(kind, fault.offset)))
            }
            None => Err(decoder.error(fault)),
        },
    }
}

/// The largest number of unused tokens in a finished document. 32 KiB, a guess: shrinking the table
/// can copy all of it.
const MAX_SPARE: usize = 4096;

/// The largest capacity of a new table, in tokens. A guess, 8 KiB.
const FIRST_ROOM: usize = 1024;

/// The least number of free tokens in a large table when a list or dictionary begins. Most have fewer
/// tokens, so that the table grows here, and rarely while tokens are pushed.
const MIN_ROOM: usize = 32;

/// Decodes all lists into the document.
fn keep(_: &mut Decoder<'_, '_>, _: usize) -> Result<Option<usize>, Fault> {
    Ok(None)
}

/// The number of digits at the start of a word.
#[inline]
fn leading_digits(word: [u8; 8]) -> usize {
    // Without a branch, as the number is random to the processor.
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    // Digits become 0 to 9, and the high bit of the sum is set for other bytes. A carry changes later
    // bytes only.
    let less = u64::from_le_bytes(word) ^ (EACH * 0x30);
    let others = (less | less.wrapping_add(EACH * (0x80 - 10))) & (EACH * 0x80);
    others.trailing_zeros() as usize / 8
}

struct Decoder<'a, 'o> {
    options: &'o Options,
    input: &'a [u8],
    tape: Vec<Token>,
    /// The index of the innermost open container.
    open: u32,
    /// The number of open containers.
    depth: usize,
    /// The number of keys and values until the limit.
    nodes_left: usize,
    noted: Vec<Noted>,
    deviation_count: usize,
    /// The index of the last key of the innermost container; 0 if it is a list or has no key yet.
    last_key: u32,
    /// The open dictionaries with a key that is out of order.
    unsorted: Vec<u32>,
}

impl<'a, 'o> Decoder<'a, 'o> {
    fn new(options: &'o Options, input: &'a [u8]) -> Self {
        Self {
            options,
            input,
            // A token for each four bytes: fewer than in DHT messages, more than in most torrents.
            tape: Vec::with_capacity((input.len() / 4 + 2).min(FIRST_ROOM)),
            open: NO_PARENT,
            depth: 0,
            last_key: 0,
            nodes_left: options.max_nodes,
            noted: Vec::new(),
            deviation_count: 0,
            unsorted: Vec::new(),
        }
    }

    /// Decodes the value at `at`, and returns the offset of its end. `intercept` is called with the
    /// offset of each list, and can decode it instead and return the offset of its end.
    #[inline]
    fn run(
        &mut self,
        mut at: usize,
        mut intercept: impl FnMut(&mut Self, usize) -> Result<Option<usize>, Fault>,
    ) -> Result<usize, Fault> {
        loop {
            at = match self.input.get(at) {
                Some(b'0'..=b'9') => self.string(at)?,
                Some(b'i') => self.integer(at)?,
                Some(b'l') => match intercept(self, at)? {
                    Some(end) => end,
                    None => self.begin(at, Token::LIST)?,
                },
                Some(b'd') => self.begin(at, Token::DICT)?,
                Some(b'e') if self.in_list() => self.end(at)?,
                found => return Err(self.no_value(at, found.copied())),
            };
            // Between two values: ends of containers and keys, until the next value or the end.
            while !self.in_list() {
                if self.open == NO_PARENT {
                    self.tape.push(Token::new(at, Token::END, 0));
                    return Ok(at);
                }
                match self.input.get(at) {
                    Some(b'0'..=b'9') => {
                        at = self.key(at)?;
                        break;
                    }
                    Some(b'e') => at = self.end(at)?,
                    found => return Err(self.no_key(at, found.copied())),
                }
            }
        }
    }

    #[inline(always)]
    fn in_list(&self) -> bool {
        self.open != NO_PARENT && self.tape[self.open as usize].tag() == Token::LIST
    }

    #[inline(always)]
    fn push(&mut self, at: usize, tag: u32, number: u32) -> Result<(), Fault> {
        if self.nodes_left == 0 {
            return Err(self.too_many_nodes(at));
        }
        self.nodes_left -= 1;
        self.tape.push(Token::new(at, tag, number));
        Ok(())
    }

    /// Reserves room for all further tokens, assuming the density of those before `at`.
    #[cold]
    fn grow(&mut self, at: usize) {
        // Doubling would copy a large table several times. The bounds keep a wrong estimate within
        // a factor of the tokens in use.
        let count = self.tape.len();
        let rest = (self.input.len() - at) as u64;
        let expected = rest.saturating_mul(count as u64) / (at as u64 + 1);
        let expected = usize::try_from(expected + expected / 16).unwrap_or(usize::MAX);
        self.tape.reserve_exact(expected.clamp(count / 2 + MIN_ROOM, 7 * count + MIN_ROOM));
    }

    #[inline(always)]
    fn begin(&mut self, at: usize, tag: u32) -> Result<usize, Fault> {
        if self.depth >= self.options.max_depth {
            return Err(self.too_deep(at));
        }
        // Small tables double, which is cheap; only large ones are worth an estimate.
        if self.tape.capacity() - self.tape.len() < MIN_ROOM && self.tape.len() >= FIRST_ROOM / 2 {
            self.grow(at);
        }
        let index = self.tape.len() as u32;
        self.push(at, tag, self.open)?;
        self.open = index;
        self.last_key = 0;
        self.depth += 1;
        Ok(at + 1)
    }

    #[inline(always)]
    fn end(&mut self, at: usize) -> Result<usize, Fault> {
        let index = self.open;
        // Not by `push`, as an end is neither a key nor a value, and does not count for the limit.
        self.tape.push(Token::new(at, Token::END, 0));
        let width = self.tape.len() as u32 - index;
        let token = &mut self.tape[index as usize];
        self.open = token.number();
        token.set_number(width);
        self.depth -= 1;
        // If the container is the value of a key, the key is the token before it.
        self.last_key = index.saturating_sub(1);
        if self.unsorted.last() == Some(&index) {
            self.unsorted.pop();
            self.note_duplicates(index as usize)?;
        }
        Ok(at + 1)
    }

    #[inline(always)]
    fn string(&mut self, at: usize) -> Result<usize, Fault> {
        // Most lengths have one or two digits.
        let (header, count) = match self.input[at..] {
            [ones, b':', ..] => (2, u64::from(ones - b'0')),
            [tens @ b'1'..=b'9', ones @ b'0'..=b'9', b':', ..] => {
                (3, u64::from(tens - b'0') * 10 + u64::from(ones - b'0'))
            }
            _ => self.string_header(at)?,
        };
        let start = at + header;
        let available = self.input.len() - start;
        // Compared as 64 bits, as the declared length need not fit in `usize`.
        if count > available as u64 {
            let kind = ErrorKind::StringTooLong { declared: count, available };
            return Err(Fault::new(kind, at));
        }
        self.push(at, Token::STRING, header as u32)?;
        Ok(start + count as usize)
    }

    /// The lengths in bytes of a string's header and of its content.
    fn string_header(&mut self, at: usize) -> Result<(usize, u64), Fault> {
        let rest = &self.input[at..];
        match grammar::length(rest) {
            Ok((_, digits)) => {
                self.check_digits(digits, at)?;
                let count =
                    grammar::number(digits).ok_or(Fault::new(ErrorKind::LengthOverflow, at))?;
                if digits.len() > 1 && digits[0] == b'0' {
                    self.note(DeviationKind::LengthLeadingZero, at, self.tape.len())?;
                }
                Ok((digits.len() + 1, count))
            }
            Err(error) => Err(self.malformed(at, error, Kind::String)),
        }
    }

    #[inline(always)]
    fn integer(&mut self, at: usize) -> Result<usize, Fault> {
        // The fast code is for canonical integers above 0 with at most 19 digits, which every limit of
        // digits allows.
        let rest = &self.input[at + 1..];
        if let [b'1'..=b'9', ..] = rest {
            let mut digits = rest.first_chunk().map_or(0, |word| leading_digits(*word));
            while digits < 19 && matches!(rest.get(digits), Some(b'0'..=b'9')) {
                digits += 1;
            }
            if rest.get(digits) == Some(&b'e') {
                self.push(at, Token::INTEGER, 0)?;
                return Ok(at + 1 + digits + 1);
            }
        }
        self.any_integer(at)
    }

    fn any_integer(&mut self, at: usize) -> Result<usize, Fault> {
        let rest = &self.input[at..];
        match grammar::integer(rest) {
            Ok((after, text)) => {
                let digits = text.strip_prefix(b"-").unwrap_or(text);
                self.check_digits(digits, at)?;
                let token = self.tape.len();
                if digits.len() > 1 && digits[0] == b'0' {
                    self.note(DeviationKind::IntegerLeadingZero, at, token)?;
                } else if text == b"-0" {
                    self.note(DeviationKind::NegativeZero, at, token)?;
                }
                self.push(at, Token::INTEGER, 0)?;
                Ok(self.input.len() - after.len())
            }
            Err(error) => Err(self.malformed(at, error, Kind::Integer)),
        }
    }

    /// Checks the limit of digits.
    fn check_digits(&self, digits: &[u8], at: usize) -> Result<(), Fault> {
        if digits.len() > self.options.max_digits {
            let kind = ErrorKind::TooManyDigits { limit: self.options.max_digits };
            return Err(Fault::new(kind, at));
        }
        Ok(())
    }

    fn finish(mut self) -> Document<'a> {
        // Duplicate keys are found at the end of their dictionary.
        self.noted.sort_by_key(|noted| noted.offset);
        if self.tape.capacity() - self.tape.len() > MAX_SPARE {
            self.tape.shrink_to_fit();
        }
        Document {
            input: self.input,
            tape: self.tape,
            noted: self.noted,
            deviation_count: self.deviation_count,
        }
    }
}
