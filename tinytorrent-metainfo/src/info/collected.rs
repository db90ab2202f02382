//! The files of v1, read while the torrent is decoded.

use tinytorrent_bencode::{Document, Known, Values};
use tinytorrent_hash::{Sha1, sha1};

use super::v1::{BITCOMET_PAD, read_file};
use crate::layout::{FileAttributes, Layout, LayoutBuilder};
use crate::report::Report;
use crate::{Error, ReadOptions};

/// The entries of `files`, as long as there is nothing to say of them.
///
/// Where there is, the torrent is read again from a table of all its values, which alone tells in which
/// of them it is. Nearly all torrents do without, and without the memory for it.
pub(crate) struct Collected {
    builder: LayoutBuilder,
    report: Report,
    is_plain: bool,
    hash: RunningHash,
    /// The elements of the last entry's path but the name, as they stand in the torrent, and where
    /// each of them ends.
    way: Vec<u8>,
    ends: Vec<usize>,
}

impl Collected {
    fn new(options: &ReadOptions) -> Self {
        let mut builder = Layout::builder(1);
        builder.policy(options.policy);
        let report = Report::new(false, 0);
        let hash = RunningHash::from(0);
        Self { builder, report, is_plain: true, hash, way: Vec::new(), ends: Vec::new() }
    }

    /// Reads a torrent whose files give no reason for a warning, without a table of all its values.
    /// `files` is the key path of the list of files. `None` if something may be wrong with it: only a
    /// table has the places of errors and warnings.
    pub(crate) fn read_plain<T>(
        options: &ReadOptions,
        bytes: &[u8],
        files: &[&str],
        read: impl FnOnce(&Document<'_>, Self) -> Result<T, Error>,
    ) -> Option<T> {
        let mut collected = Self::new(options);
        let document = options.bencode.decode_each(bytes, files, &mut collected)?;
        if collected.is_plain() { read(&document, collected).ok() } else { None }
    }

    /// Whether there is nothing to say of any file.
    fn is_plain(&self) -> bool {
        self.is_plain && self.report.is_empty()
    }

    /// The SHA-1 of the info dictionary that the files are in, and the builder that has them.
    pub(super) fn finish(self, info: &[u8]) -> ([u8; 20], LayoutBuilder) {
        (self.hash.finish(info), self.builder)
    }

    /// Goes the way of a path that follows, and answers its name and what is behind it.
    fn path<'a>(&mut self, rest: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let paths = self.builder.paths();
        // Most of the way is that of the file before.
        let same = common(rest, &self.way);
        while self.ends.pop_if(|end| *end > same).is_some() {
            paths.leave();
        }
        self.way.truncate(self.ends.last().map_or(0, |&end| end));
        let (mut name, mut after) = string(&rest[self.way.len()..])?;
        while after.first() != Some(&b'e') {
            if name.starts_with(BITCOMET_PAD) {
                return None;
            }
            self.way.extend_from_slice(&rest[self.way.len()..rest.len() - after.len()]);
            self.ends.push(self.way.len());
            paths.enter(name);
            (name, after) = string(after)?;
        }
        Some((name, after.strip_prefix(b"ee")?))
    }
}

impl<'a> Values<'a> for &mut Collected {
    fn begin(&mut self, dict: usize) {
        self.hash = RunningHash::from(dict);
    }

    fn value(&mut self, value: &Document<'a>) {
        self.is_plain =
            self.is_plain && read_file(value.root(), &mut self.builder, &mut self.report).is_ok();
        self.builder.paths().go_to_root();
        self.ends.clear();
    }

    /// An entry that has `length` and `path` and nothing else, as nearly all have.
    fn known(&mut self, input: &'a [u8], at: usize) -> Option<Known> {
        self.hash.up_to(at, input);
        let rest = &input[at..];
        let (length, after) = number(rest.strip_prefix(b"d6:lengthi")?)?;
        let path = after.strip_prefix(b"e4:pathl")?;
        let (name, after) = self.path(path)?;
        if name.starts_with(BITCOMET_PAD) {
            return None;
        }
        let paths = self.builder.paths();
        paths.set_name(name);
        // The dictionary, two keys, the length and the list, beside the elements of the path.
        let nodes = 5 + paths.depth();
        self.builder.end_file(length, FileAttributes::NONE);
        Some(Known { bytes: rest.len() - after.len(), nodes, depth: 2 })
    }
}

/// The SHA-1 of bytes of the input as far as they were read.
///
/// It is bound by its latency: the processor reads on meanwhile, which costs a third less time than one
/// after the other.
struct RunningHash {
    hasher: Sha1,
    start: usize,
    /// Bytes from there on that were hashed.
    done: usize,
}

impl RunningHash {
    fn from(start: usize) -> Self {
        Self { hasher: Sha1::new(), start, done: 0 }
    }

    /// Hashes the whole blocks that end here.
    #[inline]
    fn up_to(&mut self, end: usize, input: &[u8]) {
        let from = self.start + self.done;
        let blocks = end.saturating_sub(from) / SHA1_BLOCK * SHA1_BLOCK;
        if blocks > 0 {
            self.hasher.update(&input[from..from + blocks]);
            self.done += blocks;
        }
    }

    /// Hashes what is left of these bytes, the first of which was the first.
    fn finish(mut self, bytes: &[u8]) -> [u8; 20] {
        self.hasher.update(bytes.get(self.done..).unwrap_or_default());
        let hash = self.hasher.finalize();
        debug_assert_eq!(hash, sha1(bytes));
        hash
    }
}

/// In bytes (FIPS 180-4, section 5.2.1).
const SHA1_BLOCK: usize = 64;

/// How many bytes both begin with.
#[inline]
fn common(one: &[u8], other: &[u8]) -> usize {
    let mut at = 0;
    while let (Some(one), Some(other)) = (one[at..].first_chunk(), other[at..].first_chunk()) {
        let differ = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
        if differ != 0 {
            return at + differ.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + one[at..].iter().zip(&other[at..]).take_while(|(one, other)| one == other).count()
}

/// The canonical string that follows, of fewer than a hundred bytes, and what is behind it.
#[inline]
fn string(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    match rest {
        [ones @ b'0'..=b'9', b':', rest @ ..] => rest.split_at_checked(usize::from(ones - b'0')),
        [tens @ b'1'..=b'9', ones @ b'0'..=b'9', b':', rest @ ..] => {
            rest.split_at_checked(usize::from(tens - b'0') * 10 + usize::from(ones - b'0'))
        }
        _ => None,
    }
}

/// The digits of a canonical number below 10^16 that follow, and what is behind them.
#[inline]
fn number(rest: &[u8]) -> Option<(u64, &[u8])> {
    let count = rest.iter().take(16).take_while(|digit| digit.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at(count);
    let add = |number, digit: &u8| number * 10 + u64::from(digit - b'0');
    let is_canonical = !matches!(digits, [] | [b'0', _, ..]);
    is_canonical.then(|| (digits.iter().fold(0, add), rest))
}
