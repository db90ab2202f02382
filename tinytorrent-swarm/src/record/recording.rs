//! The reader of recordings. They come from outside.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use thiserror::Error;
use tinytorrent_types::Geometry;

use super::Call;
use super::code::{Malformed, Reader, Writer};
use super::head::{Head, MAGIC, MAX_ENTRY};
use super::primitives::instant_at;

/// A recording that is being read.
///
/// It may be growing, or that of a program that was killed: what is there up to the last whole entry is good.
/// An entry is read as a whole, and takes memory in proportion to its bytes, which are 40 MiB at most.
#[derive(Debug)]
pub struct Recording<R> {
    source: R,
    /// The instant at which it begins now.
    start: Instant,
    head: Head,
    /// Offset of the next entry.
    offset: u64,
    number: u64,
    /// Nanoseconds from the beginning to the last call.
    nanos: i64,
    geometry: Option<Geometry>,
    entry: Vec<u8>,
    is_cut: bool,
}

/// The error of a recording that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The source failed.
    #[error("recording cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It does not begin as recordings of this version do.
    #[error("no recording of version 1")]
    NotARecording,
    /// An entry is longer than the limit.
    #[error(
        "entry of {length} bytes at byte {offset} of the recording is over the limit of {MAX_ENTRY}"
    )]
    TooLong {
        /// Offset of the entry in bytes.
        offset: u64,
        /// Bytes that it says it has.
        length: u64,
    },
    /// An entry holds something else than it should.
    #[error("byte {offset} of the recording is not {expected}")]
    Malformed {
        /// Offset in bytes.
        offset: u64,
        /// The value that should be there.
        expected: &'static str,
    },
}

/// A call in a recording, and its answer.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The number of the call, the first being 1.
    pub number: u64,
    /// Offset of the entry in the recording, in bytes.
    pub offset: u64,
    /// Time since the recording began.
    pub at: Duration,
    /// The call.
    pub call: Call,
    /// The instant of the call.
    pub(super) now: Instant,
    /// The answer as it was written. It is empty if the program ended in the call.
    pub(super) answer: Vec<u8>,
}

impl<R: Read> Recording<R> {
    /// Begins to read. `start` is the instant at which the recording is to begin now.
    ///
    /// # Errors
    /// The source fails, or is no recording of this version.
    pub fn new(start: Instant, mut source: R) -> Result<Self, RecordingError> {
        let mut magic = [0; MAGIC.len()];
        match source.read_exact(&mut magic) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(RecordingError::NotARecording);
            }
            result => result?,
        }
        if magic != MAGIC {
            return Err(RecordingError::NotARecording);
        }
        let mut entry = Vec::new();
        let mut offset = MAGIC.len() as u64;
        let Next::Entry { content, end } = next(&mut source, offset, &mut entry)? else {
            return Err(RecordingError::NotARecording);
        };
        let mut input = Reader::new(&entry, start, None);
        let head = Head::decode(&mut input).map_err(|error| malformed(content, error))?;
        offset = end;
        Ok(Self {
            source,
            start,
            head,
            offset,
            number: 0,
            nanos: 0,
            geometry: None,
            entry,
            is_cut: false,
        })
    }

    /// Returns true if addresses and names are not the real ones.
    pub fn is_masked(&self) -> bool {
        self.head.is_masked
    }

    /// Returns true if the recording ends within an entry, which is left out.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }

    pub(super) fn geometry(&self) -> Option<&Geometry> {
        self.geometry.as_ref()
    }

    /// The next call; `None` at the end.
    ///
    /// # Errors
    /// The source fails, or the entry cannot be read. Nothing after it can be.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, RecordingError> {
        let offset = self.offset;
        let content = match next(&mut self.source, offset, &mut self.entry)? {
            Next::Entry { content, end } => {
                self.offset = end;
                content
            }
            Next::End { is_cut } => {
                self.is_cut = is_cut;
                return Ok(None);
            }
        };
        self.number += 1;
        let entry = self.parse(offset).map_err(|error| malformed(content, error))?;
        Ok(Some(entry))
    }

    /// Panics if a call cannot be written and read again. For fuzzers.
    pub(crate) fn check_again(&self, entry: &Entry) {
        let mut out = Writer::new(self.start);
        entry.call.encode(&mut out);
        let mut input = Reader::new(&out.bytes, self.start, self.geometry.clone());
        let again = Call::decode(entry.call.tag(), &mut input);
        assert_eq!(again.as_ref(), Ok(&entry.call));
        assert!(input.rest().is_empty());
    }

    fn parse(&mut self, offset: u64) -> Result<Entry, Malformed> {
        let mut input = Reader::new(&self.entry, self.start, self.geometry.take());
        let tag = input.byte()?;
        let error = input.malformed("an instant near the others");
        if Call::is_timed(tag) {
            self.nanos = self.nanos.checked_add(input.signed()?).ok_or(error)?;
        }
        let now = instant_at(self.start, self.nanos).ok_or(error)?;
        let call = Call::decode(tag, &mut input)?;
        let answer = input.rest().to_vec();
        self.geometry = input.geometry;
        let at = Duration::from_nanos(self.nanos.max(0).unsigned_abs());
        Ok(Entry { number: self.number, offset, at, call, now, answer })
    }
}

fn malformed(entry: u64, Malformed { at, what }: Malformed) -> RecordingError {
    RecordingError::Malformed { offset: entry + at as u64, expected: what }
}

enum Next {
    /// The offsets of its content and of the next one.
    Entry {
        content: u64,
        end: u64,
    },
    End {
        is_cut: bool,
    },
}

/// Reads the next entry into the buffer.
fn next(source: &mut impl Read, offset: u64, entry: &mut Vec<u8>) -> Result<Next, RecordingError> {
    let (mut length, mut prefix) = (0_u64, 0);
    loop {
        let mut byte = [0];
        match source.read_exact(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(Next::End { is_cut: prefix > 0 });
            }
            result => result?,
        }
        // Far above the limit, and far from an overflow.
        if prefix == 5 {
            return Err(RecordingError::TooLong { offset, length });
        }
        length |= u64::from(byte[0] & 0x7f) << (7 * prefix);
        prefix += 1;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    if length > MAX_ENTRY as u64 {
        return Err(RecordingError::TooLong { offset, length });
    }
    entry.clear();
    // It grows as the bytes come: the length is a claim.
    let read = source.take(length).read_to_end(entry)?;
    let content = offset + prefix;
    if (read as u64) < length {
        return Ok(Next::End { is_cut: true });
    }
    Ok(Next::Entry { content, end: content + length })
}
