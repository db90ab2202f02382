//! The errors of the decoder, and the bytes that could complete an input.

use nom::error::Error as NomError;

use super::Decoder;
use crate::token::NO_PARENT;
use crate::{DeviationKind, Error, ErrorKind, KeyPath, Kind, NotBencode, grammar};

/// The length of the shortest values: `0:`, `le` and `de`.
const LEAST_VALUE: usize = 2;

/// The least number of bytes that could complete a token at the end of the input.
fn token_needs(token: &[u8]) -> usize {
    match token {
        // A digit and the `e`.
        [b'i'] | [b'i', b'-'] => 2,
        [b'i', ..] => 1,
        // The digits may be all of the length, and then the colon and the content follow.
        digits => grammar::number(digits)
            .and_then(|count| usize::try_from(count).ok()?.checked_add(1))
            .unwrap_or(usize::MAX),
    }
}

/// An error whose path is not known yet.
pub(super) struct Fault {
    pub(super) kind: ErrorKind,
    pub(super) offset: usize,
    /// True if the error is in a key, so that a value has to follow.
    in_key: bool,
}

impl Fault {
    pub(super) fn new(kind: ErrorKind, offset: usize) -> Self {
        Self { kind, offset, in_key: false }
    }

    pub(super) fn of_key(mut self) -> Self {
        if let ErrorKind::UnexpectedEnd { needed, .. } = &mut self.kind {
            *needed = needed.saturating_add(LEAST_VALUE);
        }
        self.in_key = true;
        self
    }
}

impl Decoder<'_, '_> {
    /// The error of a list or dictionary at `at` that exceeds the limit of depth.
    #[cold]
    pub(super) fn too_deep(&self, at: usize) -> Fault {
        Fault::new(ErrorKind::TooDeep { limit: self.options.max_depth }, at)
    }

    /// The error of a key or value at `at` that exceeds the limit of nodes.
    #[cold]
    pub(super) fn too_many_nodes(&self, at: usize) -> Fault {
        Fault::new(ErrorKind::TooManyNodes { limit: self.options.max_nodes }, at)
    }

    /// The error of a malformed token at `at`, from that of nom.
    #[cold]
    pub(super) fn malformed(
        &self,
        at: usize,
        error: nom::Err<NomError<&[u8]>>,
        inside: Kind,
    ) -> Fault {
        let rest = match error {
            nom::Err::Error(error) | nom::Err::Failure(error) => error.input,
            // The complete parsers of nom do not return this.
            nom::Err::Incomplete(_) => &[],
        };
        let Some(found) = rest.first() else {
            // A token without an end must not grow for ever in a stream.
            let token = &self.input[at..];
            let digits = token.strip_prefix(b"i").unwrap_or(token);
            let digits = digits.strip_prefix(b"-").unwrap_or(digits);
            if let Err(fault) = self.check_digits(digits, at) {
                return fault;
            }
            return self.unexpected_end(at, Some(inside), token_needs(token));
        };
        let expected =
            if inside == Kind::String { "a digit or `:`" } else { "a digit, `-` or `e`" };
        let kind = ErrorKind::UnexpectedByte { found: *found, expected };
        Fault::new(kind, self.input.len() - rest.len())
    }

    #[cold]
    pub(super) fn unexpected_end(&self, at: usize, inside: Option<Kind>, needed: usize) -> Fault {
        // Each open container still needs its `e`.
        let needed = needed.saturating_add(self.depth);
        Fault::new(ErrorKind::UnexpectedEnd { inside, needed }, at)
    }

    /// The error of a missing value at `at`.
    #[cold]
    pub(super) fn no_value(&self, at: usize, found: Option<u8>) -> Fault {
        let awaited_by_key = self.open != NO_PARENT && !self.in_list();
        match found {
            None if self.open == NO_PARENT => self.unexpected_end(at, None, LEAST_VALUE),
            None => self.unterminated(if awaited_by_key { LEAST_VALUE } else { 0 }),
            Some(found) if self.open == NO_PARENT => {
                let kind = ErrorKind::NotBencode(NotBencode::new(self.input, found));
                Fault::new(kind, at)
            }
            Some(b'e') if awaited_by_key => Fault::new(ErrorKind::KeyWithoutValue, at),
            Some(found) => {
                let kind = ErrorKind::UnexpectedByte { found, expected: "a value" };
                Fault::new(kind, at)
            }
        }
    }

    /// The error of a missing key at `at`.
    #[cold]
    pub(super) fn no_key(&self, at: usize, found: Option<u8>) -> Fault {
        let kind = match found {
            None => return self.unterminated(0),
            Some(b'i' | b'l' | b'd') => ErrorKind::KeyNotString,
            Some(found) => ErrorKind::UnexpectedByte { found, expected: "a key or `e`" },
        };
        Fault::new(kind, at)
    }

    /// The error of an input that ends in the innermost container, but not inside a token.
    fn unterminated(&self, needed: usize) -> Fault {
        let container = self.tape[self.open as usize];
        self.unexpected_end(container.start(), Some(container.kind()), needed)
    }

    /// The least number of further bytes that could complete the input; `None` if it is malformed.
    pub(super) fn needed(&self, fault: &Fault) -> Option<u64> {
        match fault.kind {
            ErrorKind::UnexpectedEnd { needed, .. } => Some(needed as u64),
            ErrorKind::StringTooLong { declared, available } => {
                let after = if fault.in_key { LEAST_VALUE } else { 0 } + self.depth;
                Some((declared - available as u64).saturating_add(after as u64))
            }
            _ => None,
        }
    }

    #[cold]
    pub(super) fn error(&self, fault: Fault) -> Error {
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
}
