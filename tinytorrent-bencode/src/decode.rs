//! The decoder: one pass over the input, no recursion, one growing table.
//!
//! Canonical tokens take a short way by hand; whatever is odd goes to the nom [`grammar`], which says
//! exactly what is wrong. The stack of open containers lives in the tape: an open container's token
//! holds its parent's index until it is closed.

use alloc::vec::Vec;

use nom::error::Error as NomError;

use crate::deviation::Noted;
use crate::grammar;
use crate::token::{NO_PARENT, Token};
use crate::{
    DeviationKind, Document, Error, ErrorKind, KeyPath, Kind, NotBencode, Options, Prefix,
};

/// Decodes a value that fills the input.
pub(crate) fn whole<'a>(options: &Options, input: &'a [u8]) -> Result<Document<'a>, Error> {
    if input.len() > options.max_bytes {
        let kind = ErrorKind::TooManyBytes { limit: options.max_bytes };
        return Err(Error::new(kind, 0, KeyPath::default()));
    }
    let mut decoder = Decoder::new(options, input);
    let end = decoder.run().map_err(|fault| decoder.error(fault))?;
    if end < input.len() {
        let kind = DeviationKind::TrailingBytes { count: input.len() - end };
        decoder.note(kind, end, 0).map_err(|fault| decoder.error(fault))?;
    }
    Ok(decoder.finish())
}

/// Decodes the value at the start of the input.
pub(crate) fn prefix<'a>(options: &Options, input: &'a [u8]) -> Result<Prefix<'a>, Error> {
    let window = &input[..input.len().min(options.max_bytes)];
    let mut decoder = Decoder::new(options, window);
    match decoder.run() {
        Ok(end) => Ok(Prefix::Complete(decoder.finish(), end)),
        Err(fault) => match decoder.needed(&fault) {
            Some(needed) if needed <= (options.max_bytes - window.len()) as u64 => {
                Ok(Prefix::Incomplete { needed: usize::try_from(needed).unwrap_or(usize::MAX) })
            }
            Some(_) => {
                let kind = ErrorKind::TooManyBytes { limit: options.max_bytes };
                Err(decoder.error(Fault { kind, offset: fault.offset }))
            }
            None => Err(decoder.error(fault)),
        },
    }
}

/// An error whose path is not known yet.
struct Fault {
    kind: ErrorKind,
    offset: usize,
}

struct Decoder<'a, 'o> {
    options: &'o Options,
    input: &'a [u8],
    tape: Vec<Token>,
    /// The innermost open container.
    open: u32,
    /// Open containers.
    depth: usize,
    /// Keys and values that may still come.
    nodes_left: usize,
    noted: Vec<Noted>,
    deviation_count: usize,
    /// The last key of the innermost container, if that is a dictionary and has one; else 0.
    last_key: u32,
    /// The open dictionaries in which a key was out of order.
    unsorted: Vec<u32>,
}

impl<'a, 'o> Decoder<'a, 'o> {
    fn new(options: &'o Options, input: &'a [u8]) -> Self {
        Self {
            options,
            input,
            // Between the density of a DHT message and that of a torrent with few files; large tables
            // grow by doubling, which the allocator does without a copy.
            tape: Vec::with_capacity((input.len() / 4 + 2).min(1024)),
            open: NO_PARENT,
            depth: 0,
            last_key: 0,
            nodes_left: options.max_nodes,
            noted: Vec::new(),
            deviation_count: 0,
            unsorted: Vec::new(),
        }
    }

    /// Reads one value and returns where it ends.
    fn run(&mut self) -> Result<usize, Fault> {
        let mut at = 0;
        loop {
            at = match self.input.get(at) {
                Some(b'0'..=b'9') => self.string(at)?,
                Some(b'i') => self.integer(at)?,
                Some(b'l') => self.begin(at, Token::LIST)?,
                Some(b'd') => self.begin(at, Token::DICT)?,
                Some(b'e') if self.in_list() => self.end(at)?,
                found => return Err(self.no_value(at, found.copied())),
            };
            // Between two values: ends and keys, until the next value or the end of all.
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

    #[inline]
    fn in_list(&self) -> bool {
        self.open != NO_PARENT && self.tape[self.open as usize].tag() == Token::LIST
    }

    #[inline]
    fn push(&mut self, at: usize, tag: u32, number: u32) -> Result<(), Fault> {
        if self.nodes_left == 0 {
            let kind = ErrorKind::TooManyNodes { limit: self.options.max_nodes };
            return Err(Fault { kind, offset: at });
        }
        self.nodes_left -= 1;
        self.tape.push(Token::new(at, tag, number));
        Ok(())
    }

    #[inline]
    fn begin(&mut self, at: usize, tag: u32) -> Result<usize, Fault> {
        if self.depth >= self.options.max_depth {
            let kind = ErrorKind::TooDeep { limit: self.options.max_depth };
            return Err(Fault { kind, offset: at });
        }
        let index = self.tape.len() as u32;
        self.push(at, tag, self.open)?;
        self.open = index;
        self.last_key = 0;
        self.depth += 1;
        Ok(at + 1)
    }

    #[inline]
    fn end(&mut self, at: usize) -> Result<usize, Fault> {
        let index = self.open;
        self.tape.push(Token::new(at, Token::END, 0));
        let width = self.tape.len() as u32 - index;
        let token = &mut self.tape[index as usize];
        self.open = token.number();
        token.set_number(width);
        self.depth -= 1;
        // The key of a dictionary's value stands before it in the tape.
        self.last_key = index.saturating_sub(1);
        if self.unsorted.last() == Some(&index) {
            self.unsorted.pop();
            self.note_duplicates(index as usize)?;
        }
        Ok(at + 1)
    }

    fn string(&mut self, at: usize) -> Result<usize, Fault> {
        let (header, count) = self.string_header(at)?;
        self.push(at, Token::STRING, header as u32)?;
        let start = at + header;
        let available = self.input.len() - start;
        if count > available as u64 {
            self.tape.pop();
            return Err(Fault {
                kind: ErrorKind::StringTooLong { declared: count, available },
                offset: at,
            });
        }
        Ok(start + count as usize)
    }

    /// The bytes before a string's content, and the bytes of its content.
    fn string_header(&mut self, at: usize) -> Result<(usize, u64), Fault> {
        let rest = &self.input[at..];
        match grammar::length(rest) {
            Ok((_, digits)) => {
                self.check_digits(digits, at)?;
                let count = grammar::number(digits)
                    .ok_or(Fault { kind: ErrorKind::LengthOverflow, offset: at })?;
                if digits.len() > 1 && digits[0] == b'0' {
                    self.note(DeviationKind::LengthLeadingZero, at, self.tape.len())?;
                }
                Ok((digits.len() + 1, count))
            }
            Err(error) => Err(self.broken(at, error, Kind::String, "a digit or `:`")),
        }
    }

    fn integer(&mut self, at: usize) -> Result<usize, Fault> {
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
            Err(error) => Err(self.broken(at, error, Kind::Integer, "a digit or `e`")),
        }
    }

    fn check_digits(&self, digits: &[u8], at: usize) -> Result<(), Fault> {
        if digits.len() > self.options.max_digits {
            let kind = ErrorKind::TooManyDigits { limit: self.options.max_digits };
            return Err(Fault { kind, offset: at });
        }
        Ok(())
    }

    /// What nom's refusal of the token at `at` means.
    #[cold]
    fn broken(
        &self,
        at: usize,
        error: nom::Err<NomError<&[u8]>>,
        inside: Kind,
        expected: &'static str,
    ) -> Fault {
        let rest = match &error {
            nom::Err::Error(error) | nom::Err::Failure(error) => error.input,
            nom::Err::Incomplete(_) => &[],
        };
        match rest.first() {
            Some(found) => Fault {
                kind: ErrorKind::UnexpectedByte { found: *found, expected },
                offset: self.input.len() - rest.len(),
            },
            None => self.unexpected_end(at, Some(inside), 1),
        }
    }

    #[cold]
    fn unexpected_end(&self, at: usize, inside: Option<Kind>, needed: usize) -> Fault {
        let needed = needed.saturating_add(self.depth);
        Fault { kind: ErrorKind::UnexpectedEnd { inside, needed }, offset: at }
    }

    /// Reads a key and judges its place among the others.
    fn key(&mut self, at: usize) -> Result<usize, Fault> {
        let previous = self.last_key as usize;
        let index = self.tape.len();
        let end = self.string(at)?;
        self.last_key = index as u32;
        if previous != 0 {
            let start = at + self.tape[index].number() as usize;
            let (previous, key) = (self.key_at(previous), &self.input[start..end]);
            if previous >= key {
                self.out_of_order(at, index, previous == key)?;
            }
        }
        Ok(end)
    }

    /// The content of a key whose value has begun.
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
        // Equal keys need not be neighbours now: they are looked for when the dictionary ends.
        if self.unsorted.last() != Some(&self.open) {
            self.unsorted.push(self.open);
        }
        Ok(())
    }

    /// Notes each key of the dictionary just closed that occurs earlier in it.
    #[cold]
    fn note_duplicates(&mut self, dict: usize) -> Result<(), Fault> {
        let mut keys = Vec::new();
        let mut index = dict + 1;
        while self.tape[index].tag() != Token::END {
            keys.push(index);
            index += 1 + self.tape[index + 1].width();
        }
        keys.sort_by(|a, b| self.key_at(*a).cmp(self.key_at(*b)));
        for pair in keys.windows(2) {
            if self.key_at(pair[0]) == self.key_at(pair[1]) {
                self.note(DeviationKind::DuplicateKey, self.tape[pair[1]].start(), pair[1])?;
            }
        }
        Ok(())
    }

    /// Refuses a deviation when strict, remembers it when lenient.
    #[cold]
    fn note(&mut self, kind: DeviationKind, offset: usize, token: usize) -> Result<(), Fault> {
        if !self.options.lenient {
            return Err(Fault { kind: ErrorKind::NotCanonical(kind), offset });
        }
        self.deviation_count += 1;
        if self.noted.len() < self.options.max_deviations {
            self.noted.push(Noted { kind, offset, token });
        }
        Ok(())
    }

    /// Why there is no value at `at`.
    #[cold]
    fn no_value(&self, at: usize, found: Option<u8>) -> Fault {
        let awaited_by_key = self.open != NO_PARENT && !self.in_list();
        match found {
            None if self.open == NO_PARENT => self.unexpected_end(at, None, 2),
            None => self.unterminated(if awaited_by_key { 2 } else { 0 }),
            Some(found) if self.open == NO_PARENT => {
                let kind = ErrorKind::NotBencode(NotBencode::new(self.input, found));
                Fault { kind, offset: at }
            }
            Some(b'e') if awaited_by_key => Fault { kind: ErrorKind::KeyWithoutValue, offset: at },
            Some(found) => {
                let kind = ErrorKind::UnexpectedByte { found, expected: "a value" };
                Fault { kind, offset: at }
            }
        }
    }

    /// Why there is no key at `at`.
    #[cold]
    fn no_key(&self, at: usize, found: Option<u8>) -> Fault {
        let kind = match found {
            None => return self.unterminated(0),
            Some(b'i' | b'l' | b'd') => ErrorKind::KeyNotString,
            Some(found) => ErrorKind::UnexpectedByte { found, expected: "a key or `e`" },
        };
        Fault { kind, offset: at }
    }

    /// The input ends in the innermost container, not within a token of it.
    fn unterminated(&self, needed: usize) -> Fault {
        let container = self.tape[self.open as usize];
        self.unexpected_end(container.start(), Some(container.kind()), needed)
    }

    /// The least number of bytes to come that could mend a fault; `None` if none can.
    fn needed(&self, fault: &Fault) -> Option<u64> {
        match fault.kind {
            ErrorKind::UnexpectedEnd { needed, .. } => Some(needed as u64),
            ErrorKind::StringTooLong { declared, available } => {
                Some((declared - available as u64).saturating_add(self.depth as u64))
            }
            _ => None,
        }
    }

    #[cold]
    fn error(&self, fault: Fault) -> Error {
        let path = match fault.kind {
            // The end of an unterminated container has no place in it.
            ErrorKind::UnexpectedEnd { inside: Some(Kind::List | Kind::Dict), .. } => {
                KeyPath::of_container(self.input, &self.tape, self.open)
            }
            ErrorKind::NotCanonical(DeviationKind::TrailingBytes { .. }) => KeyPath::default(),
            _ => KeyPath::of_next(self.input, &self.tape, self.open),
        };
        Error::new(fault.kind, fault.offset, path)
    }

    fn finish(mut self) -> Document<'a> {
        self.noted.sort_by_key(|noted| noted.offset);
        Document {
            input: self.input,
            tape: self.tape,
            noted: self.noted,
            deviation_count: self.deviation_count,
        }
    }
}
