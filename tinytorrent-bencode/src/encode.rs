//! Builders that write canonical bencode into the caller's buffer.
//!
//! Lists and dictionaries are closures, so that each gets its end. Keys should be added in ascending
//! order of their bytes. Otherwise they are sorted at the end of the dictionary, which takes time. Of
//! equal keys the last value is kept.
//!
//! ```
//! use tinytorrent_bencode::{decode, encode};
//!
//! let doc = decode(b"d4:infod6:lengthi1eee").unwrap();
//! let mut out = Vec::new();
//! encode::dict(&mut out, |d| {
//!     d.bytes("announce", "http://tracker.example/announce");
//!     d.raw("info", &doc.get("info").unwrap().to_raw());
//!     d.list("nodes", |l| {
//!         l.list(|l| {
//!             l.bytes("router.example");
//!             l.integer(6881);
//!         });
//!     });
//! });
//! assert!(decode(&out).is_ok());
//! ```

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::{Integer, Raw, Value};

/// Appends a dictionary.
pub fn dict<R>(out: &mut Vec<u8>, fill: impl FnOnce(&mut DictEncoder<'_>) -> R) -> R {
    let mut encoder = DictEncoder::begin(out);
    let result = fill(&mut encoder);
    encoder.end();
    result
}

/// Appends a list.
pub fn list<R>(out: &mut Vec<u8>, fill: impl FnOnce(&mut ListEncoder<'_>) -> R) -> R {
    out.push(b'l');
    let result = fill(&mut ListEncoder { out });
    out.push(b'e');
    result
}

/// Appends a string.
pub fn bytes(out: &mut Vec<u8>, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    // Most strings are short, and two or three bytes take less time than a loop over digits.
    match bytes.len() {
        length @ 0..10 => out.extend_from_slice(&[digit(length), b':']),
        length @ 10..100 => {
            out.extend_from_slice(&[digit(length / 10), digit(length % 10), b':']);
        }
        length => {
            out.reserve(length + ROOM_AROUND);
            number(out, length as u64, false);
            out.push(b':');
        }
    }
    out.extend_from_slice(bytes);
}

/// Bytes that are reserved with a long string: for its length, for the ends of the containers around
/// it and for a few short keys. Without them the last `e` of a torrent could copy all of its hashes.
const ROOM_AROUND: usize = 128;

/// The digit of a number below 10.
const fn digit(number: usize) -> u8 {
    b'0' + number as u8
}

/// Appends an integer of any size.
pub fn integer(out: &mut Vec<u8>, integer: impl Into<Integer>) {
    out.push(b'i');
    integer.into().write(out);
    out.push(b'e');
}

/// Appends an encoded value as it is.
pub fn raw(out: &mut Vec<u8>, raw: &Raw<'_>) {
    out.extend_from_slice(raw.as_bytes());
}

/// Appends an owned value.
pub fn value(out: &mut Vec<u8>, value: &Value) {
    value.encode_into(out);
}

/// A builder of the values of a list.
pub struct ListEncoder<'out> {
    out: &'out mut Vec<u8>,
}

impl fmt::Debug for ListEncoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListEncoder").field("written", &self.out.len()).finish_non_exhaustive()
    }
}

impl ListEncoder<'_> {
    /// Adds a string.
    pub fn bytes(&mut self, value: impl AsRef<[u8]>) {
        bytes(self.out, value);
    }

    /// Adds an integer.
    pub fn integer(&mut self, value: impl Into<Integer>) {
        integer(self.out, value);
    }

    /// Adds a value that is encoded already.
    pub fn raw(&mut self, value: &Raw<'_>) {
        raw(self.out, value);
    }

    /// Adds an owned value.
    pub fn value(&mut self, value: &Value) {
        value.encode_into(self.out);
    }

    /// Adds a list.
    pub fn list<R>(&mut self, fill: impl FnOnce(&mut ListEncoder<'_>) -> R) -> R {
        list(self.out, fill)
    }

    /// Adds a dictionary.
    pub fn dict<R>(&mut self, fill: impl FnOnce(&mut DictEncoder<'_>) -> R) -> R {
        dict(self.out, fill)
    }
}

/// A builder of the keys and values of a dictionary.
pub struct DictEncoder<'out> {
    out: &'out mut Vec<u8>,
    /// The offset of the first key.
    start: usize,
    /// The range in `out` of the last key's content.
    last_key: Option<Range<usize>>,
    /// True once a key was not greater than the one before it.
    unsorted: bool,
}

impl fmt::Debug for DictEncoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DictEncoder").field("written", &self.out.len()).finish_non_exhaustive()
    }
}

impl<'out> DictEncoder<'out> {
    pub(crate) fn begin(out: &'out mut Vec<u8>) -> Self {
        out.push(b'd');
        let start = out.len();
        Self { out, start, last_key: None, unsorted: false }
    }

    /// Adds a string.
    pub fn bytes(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        bytes(self.key(key.as_ref()), value);
    }

    /// Adds an integer.
    pub fn integer(&mut self, key: impl AsRef<[u8]>, value: impl Into<Integer>) {
        integer(self.key(key.as_ref()), value);
    }

    /// Adds a value that is encoded already.
    pub fn raw(&mut self, key: impl AsRef<[u8]>, value: &Raw<'_>) {
        raw(self.key(key.as_ref()), value);
    }

    /// Adds an owned value.
    pub fn value(&mut self, key: impl AsRef<[u8]>, value: &Value) {
        value.encode_into(self.key(key.as_ref()));
    }

    /// Adds a list.
    pub fn list<R>(
        &mut self,
        key: impl AsRef<[u8]>,
        fill: impl FnOnce(&mut ListEncoder<'_>) -> R,
    ) -> R {
        list(self.key(key.as_ref()), fill)
    }

    /// Adds a dictionary.
    pub fn dict<R>(
        &mut self,
        key: impl AsRef<[u8]>,
        fill: impl FnOnce(&mut DictEncoder<'_>) -> R,
    ) -> R {
        dict(self.key(key.as_ref()), fill)
    }

    /// Appends a key, and returns the buffer for its value, of which there must be exactly one.
    pub(crate) fn key(&mut self, key: &[u8]) -> &mut Vec<u8> {
        if self.last_key.as_ref().is_some_and(|last| self.out[last.clone()] >= *key) {
            self.unsorted = true;
        }
        bytes(self.out, key);
        self.last_key = Some(self.out.len() - key.len()..self.out.len());
        self.out
    }

    /// Adds an entry with the value that `write` appends. Adds no entry if it appends nothing.
    #[cfg(feature = "serde")]
    pub(crate) fn try_entry<E>(
        &mut self,
        key: &[u8],
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = (self.out.len(), self.last_key.clone(), self.unsorted);
        let out = self.key(key);
        let value = out.len();
        write(out)?;
        // Bencode has no null, so that a `None` leaves out its key too.
        if self.out.len() == value {
            self.out.truncate(before.0);
            (self.last_key, self.unsorted) = (before.1, before.2);
        }
        Ok(())
    }
}

impl<'out> DictEncoder<'out> {
    /// Ends the dictionary, and returns the buffer.
    pub(crate) fn end(self) -> &'out mut Vec<u8> {
        if self.unsorted {
            sort_entries(self.out, self.start);
        }
        self.out.push(b'e');
        self.out
    }
}

/// Sorts the entries in `out` from `start` on. Of equal keys the last entry is kept.
#[cold]
fn sort_entries(out: &mut Vec<u8>, start: usize) {
    let mut entries: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    let mut next = start;
    while next < out.len() {
        let key = string_at(out, next);
        let end = value_end(out, key.end);
        entries.push((key, next..end));
        next = end;
    }
    // A stable sort keeps the order of equal keys.
    entries.sort_by(|(a, _), (b, _)| out[a.clone()].cmp(&out[b.clone()]));
    let mut sorted = Vec::with_capacity(out.len() - start);
    for (position, (key, entry)) in entries.iter().enumerate() {
        let next = entries.get(position + 1);
        if next.is_none_or(|(next, _)| out[next.clone()] != out[key.clone()]) {
            sorted.extend_from_slice(&out[entry.clone()]);
        }
    }
    out.truncate(start);
    out.extend_from_slice(&sorted);
}

/// The range of the content of the string at `start`, in output of this module.
fn string_at(out: &[u8], start: usize) -> Range<usize> {
    let (mut length, mut next) = (0, start);
    while out[next] != b':' {
        length = length * 10 + usize::from(out[next] - b'0');
        next += 1;
    }
    next + 1..next + 1 + length
}

/// The end of the value at `start`, in output of this module.
fn value_end(out: &[u8], start: usize) -> usize {
    let (mut depth, mut next) = (0usize, start);
    loop {
        match out[next] {
            b'l' | b'd' => (depth, next) = (depth + 1, next + 1),
            b'e' => (depth, next) = (depth - 1, next + 1),
            b'i' => {
                while out[next] != b'e' {
                    next += 1;
                }
                next += 1;
            }
            _ => next = string_at(out, next).end,
        }
        if depth == 0 {
            return next;
        }
    }
}

/// Appends the decimal digits of a number.
pub(crate) fn number(out: &mut Vec<u8>, mut magnitude: u64, negative: bool) {
    // 2^64 has 20 digits.
    let mut digits = [0; 21];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (magnitude % 10) as u8;
        magnitude /= 10;
        if magnitude == 0 {
            break;
        }
    }
    if negative {
        start -= 1;
        digits[start] = b'-';
    }
    out.extend_from_slice(&digits[start..]);
}
