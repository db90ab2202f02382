//! The search for the end of a value in a stream.

use crate::{Error, ErrorKind, KeyPath, NotBencode, Options};

/// A search for the end of a value that arrives in parts. Each byte is read once.
///
/// A scanner keeps a few numbers and no bytes; the caller [decodes](Options::decode) the complete
/// value. It checks tokens, nesting and the limits of its [`Options`], but not keys.
///
/// ```
/// use tinytorrent_bencode::{Options, Scan, Scanner};
///
/// let mut scanner = Scanner::new(&Options::strict());
/// assert_eq!(scanner.feed(b"d1:a5:he").unwrap(), Scan::Incomplete { needed: 4 });
/// assert_eq!(scanner.feed(b"lloe rest").unwrap(), Scan::Complete { used: 4 });
/// ```
#[derive(Debug, Clone)]
pub struct Scanner {
    max_depth: usize,
    max_bytes: usize,
    max_digits: usize,
    depth: usize,
    /// The number of bytes of the value so far.
    seen: usize,
    state: State,
}

/// The result of a [`Scanner`] for the last bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// The value ends within the bytes.
    Complete {
        /// The number of bytes that belong to the value; 0 if it ended before.
        used: usize,
    },
    /// All bytes belong to the value, which goes on.
    Incomplete {
        /// The least number of further bytes that could complete the value, at least 1.
        needed: usize,
    },
}

/// The state of a scanner between two bytes.
///
/// ```text
///           digit             ":"
///  Between ───────▶ Length ─────────▶ String ──┐ content read
///   │  ▲  "i"                                  │
///   │  └──────────▶ Integer ──── "e" ──────────┤
///   │ "l" "d" deeper, "e" higher               │
///   └──▶ Between or, at depth 0, Done ◀────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    Length { value: u64, digits: usize },
    Integer { digits: usize, signed: bool },
    String { left: usize },
    Done,
}

impl Scanner {
    /// A scanner at the start of a value.
    pub fn new(options: &Options) -> Self {
        Self {
            max_depth: options.max_depth,
            max_bytes: options.max_bytes,
            max_digits: options.max_digits,
            depth: 0,
            seen: 0,
            state: State::Between,
        }
    }

    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    ///
    /// [`Error`] with the offset from the start of the value and without a path, if no further bytes
    /// could complete a value. The scanner cannot be used after that.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Scan, Error> {
        let mut used = 0;
        while self.state != State::Done {
            let Some(byte) = bytes.get(used) else {
                return self.incomplete();
            };
            // The content of a string is skipped at once, all else goes byte by byte.
            if let State::String { left } = &mut self.state {
                let step = (*left).min(bytes.len() - used);
                *left -= step;
                let finished = *left == 0;
                used += step;
                self.seen += step;
                if finished {
                    self.after_value();
                }
            } else {
                self.step(bytes, *byte)?;
                used += 1;
                self.seen += 1;
            }
        }
        if self.seen > self.max_bytes {
            return Err(self.too_large());
        }
        Ok(Scan::Complete { used })
    }

    fn incomplete(&self) -> Result<Scan, Error> {
        // The least that could follow: the shortest value has two bytes, and each container an `e`.
        let inside = match self.state {
            State::Done => 0,
            State::Between if self.depth == 0 => 2,
            State::Between => 0,
            State::Length { value, .. } => {
                usize::try_from(value).map_or(usize::MAX, |v| v.saturating_add(1))
            }
            State::Integer { digits: 0, .. } => 2,
            State::Integer { .. } => 1,
            State::String { left } => left,
        };
        let needed = inside.saturating_add(self.depth);
        // An error now spares the caller bytes that would be refused later.
        if self.seen.saturating_add(needed) > self.max_bytes {
            return Err(self.too_large());
        }
        Ok(Scan::Incomplete { needed })
    }

    /// Takes one byte that is not content of a string.
    fn step(&mut self, bytes: &[u8], byte: u8) -> Result<(), Error> {
        match (self.state, byte) {
            (State::Between, b'0'..=b'9') => {
                self.state = State::Length { value: u64::from(byte - b'0'), digits: 1 };
            }
            (State::Between, b'i') => self.state = State::Integer { digits: 0, signed: false },
            (State::Between, b'l' | b'd') if self.depth == self.max_depth => {
                return Err(self.error(ErrorKind::TooDeep { limit: self.max_depth }));
            }
            // A depth is enough, since lists and dictionaries have the same end.
            (State::Between, b'l' | b'd') => self.depth += 1,
            (State::Between, b'e') if self.depth > 0 => {
                self.depth -= 1;
                self.after_value();
            }
            (State::Length { value, digits }, b'0'..=b'9') => {
                self.state = State::Length {
                    value: value
                        .checked_mul(10)
                        .and_then(|value| value.checked_add(u64::from(byte - b'0')))
                        .ok_or_else(|| self.error(ErrorKind::LengthOverflow))?,
                    digits: self.one_more(digits)?,
                };
            }
            // Leading zeros are left to decoding, which may be lenient.
            (State::Length { value: 0, .. }, b':') => self.after_value(),
            (State::Length { value, .. }, b':') => {
                let left = usize::try_from(value).map_err(|_| self.too_large())?;
                self.state = State::String { left };
            }
            (State::Integer { digits: 0, signed: false }, b'-') => {
                self.state = State::Integer { digits: 0, signed: true };
            }
            (State::Integer { digits, signed }, b'0'..=b'9') => {
                self.state = State::Integer { digits: self.one_more(digits)?, signed };
            }
            (State::Integer { digits: 1.., .. }, b'e') => self.after_value(),
            _ => return Err(self.unexpected(bytes, byte)),
        }
        Ok(())
    }

    fn one_more(&self, digits: usize) -> Result<usize, Error> {
        if digits < self.max_digits {
            Ok(digits + 1)
        } else {
            Err(self.error(ErrorKind::TooManyDigits { limit: self.max_digits }))
        }
    }

    fn after_value(&mut self) {
        self.state = if self.depth == 0 { State::Done } else { State::Between };
    }

    fn unexpected(&self, bytes: &[u8], found: u8) -> Error {
        let expected = match self.state {
            State::Length { .. } => "a digit or `:`",
            State::Integer { .. } => "a digit, `-` or `e`",
            _ if self.seen == 0 => {
                return self.error(ErrorKind::NotBencode(NotBencode::new(bytes, found)));
            }
            _ => "a value or `e`",
        };
        self.error(ErrorKind::UnexpectedByte { found, expected })
    }

    fn too_large(&self) -> Error {
        self.error(ErrorKind::TooManyBytes { limit: self.max_bytes })
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.seen, KeyPath::default())
    }
}
