//! The files of a v1 torrent, read during decoding.

use tinytorrent_bencode::{Document, KnownValue, ListVisitor};
use tinytorrent_hash::{Sha1, sha1};

use super::v1::{BITCOMET_PAD, read_file};
use crate::layout::{FileAttributes, Layout, LayoutBuilder};
use crate::report::Report;
use crate::{Error, ReadOptions};

/// The entries of `files`, as long as they give no reason for an error or a warning.
///
/// If one does, the torrent is read again from a table of all values, since only the table has the places
/// of errors. Nearly all torrents are read without it, and need no memory for it.
pub(crate) struct Collected {
    builder: LayoutBuilder,
    report: Report,
    is_plain: bool,
    hash: RunningHash,
    /// The folders of the previous path, as bencode.
    folders: Vec<u8>,
    /// The end of each folder in `folders`.
    ends: Vec<usize>,
}

impl Collected {
    fn new(options: &ReadOptions) -> Self {
        // The piece length and the seed are set when they are known.
        let mut builder = Layout::builder(1);
        builder.policy(options.policy);
        // A strict report, so that every fault is an error.
        let report = Report::new(false, 0);
        let hash = RunningHash::starting_at(0);
        Self { builder, report, is_plain: true, hash, folders: Vec::new(), ends: Vec::new() }
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

    /// Returns true if no file gave a reason for an error or a warning.
    fn is_plain(&self) -> bool {
        self.is_plain && self.report.is_empty()
    }

    /// The SHA-1 of the info dictionary, and the builder with its files.
    pub(super) fn finish(self, info: &[u8]) -> ([u8; 20], LayoutBuilder) {
        (self.hash.finish(info), self.builder)
    }

    /// Reads the path at the beginning of `rest`, and enters its folders. Returns the name of the file
    /// and the bytes after the path.
    fn read_path<'a>(&mut self, rest: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let paths = self.builder.paths();
        // Most files are in the same folders as the previous file.
        let same = common(rest, &self.folders);
        while self.ends.pop_if(|end| *end > same).is_some() {
            paths.leave();
        }
        self.folders.truncate(self.ends.last().map_or(0, |&end| end));
        let (mut name, mut after) = string(&rest[self.folders.len()..])?;
        while after.first() != Some(&b'e') {
            if name.starts_with(BITCOMET_PAD) {
                return None;
            }
            self.folders.extend_from_slice(&rest[self.folders.len()..rest.len() - after.len()]);
            self.ends.push(self.folders.len());
            paths.enter(name);
            (name, after) = string(after)?;
        }
        Some((name, after.strip_prefix(b"ee")?))
    }
}

impl<'a> ListVisitor<'a> for &mut Collected {
    fn begin(&mut self, dict: usize) {
        self.hash = RunningHash::starting_at(dict);
    }

    fn visit(&mut self, value: &Document<'a>) {
        self.is_plain =
            self.is_plain && read_file(value.root(), &mut self.builder, &mut self.report).is_ok();
        // The current folder is no longer the one in `folders`.
        self.builder.paths().go_to_root();
        self.ends.clear();
    }

    /// Reads an entry that has only `length` and `path`, as nearly all have.
    fn parse_known(&mut self, input: &'a [u8], at: usize) -> Option<KnownValue> {
        self.hash.advance_to(at, input);
        let rest = &input[at..];
        // Keys are sorted, so `length` comes before `path`. Entries with other keys go to `visit`.
        let (length, after) = number(rest.strip_prefix(b"d6:lengthi")?)?;
        let path = after.strip_prefix(b"e4:pathl")?;
        let (name, after) = self.read_path(path)?;
        if name.starts_with(BITCOMET_PAD) {
            return None;
        }
        let paths = self.builder.paths();
        paths.set_name(name);
        // The dictionary, two keys, the length and the list, besides the elements of the path.
        let nodes = 5 + paths.depth();
        self.builder.end_file(length, FileAttributes::NONE);
        Some(KnownValue { bytes: rest.len() - after.len(), nodes, depth: 2 })
    }
}

/// The SHA-1 of the input up to the current position of the decoder.
///
/// SHA-1 is limited by latency, so the processor decodes at the same time. That takes a third less time
/// than hashing after decoding.
struct RunningHash {
    hasher: Sha1,
    start: usize,
    /// Bytes from the start that were hashed.
    done: usize,
}

impl RunningHash {
    fn starting_at(start: usize) -> Self {
        Self { hasher: Sha1::new(), start, done: 0 }
    }

    /// Hashes the whole blocks before `end`.
    #[inline]
    fn advance_to(&mut self, end: usize, input: &[u8]) {
        let from = self.start + self.done;
        let blocks = end.saturating_sub(from) / SHA1_BLOCK * SHA1_BLOCK;
        if blocks > 0 {
            self.hasher.update(&input[from..from + blocks]);
            self.done += blocks;
        }
    }

    /// Hashes the rest of `bytes`, which begin at the start.
    fn finish(mut self, bytes: &[u8]) -> [u8; 20] {
        self.hasher.update(bytes.get(self.done..).unwrap_or_default());
        let hash = self.hasher.finalize();
        debug_assert_eq!(hash, sha1(bytes));
        hash
    }
}

/// Bytes of a block of SHA-1 (FIPS 180-4, section 5.2.1).
const SHA1_BLOCK: usize = 64;

/// The length of the common prefix of both.
#[inline]
fn common(one: &[u8], other: &[u8]) -> usize {
    let mut at = 0;
    // Eight bytes at a time; the lowest bit that differs is in the first byte that does.
    while let (Some(one), Some(other)) = (one[at..].first_chunk(), other[at..].first_chunk()) {
        let differ = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
        if differ != 0 {
            return at + differ.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + one[at..].iter().zip(&other[at..]).take_while(|(one, other)| one == other).count()
}

/// Reads a canonical string of fewer than a hundred bytes. Returns it and the bytes after it.
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

/// Reads the digits of a canonical number below 10^16. Returns it and the bytes after them.
#[inline]
fn number(rest: &[u8]) -> Option<(u64, &[u8])> {
    // Sixteen digits cannot overflow; longer numbers are left to the table.
    let count = rest.iter().take(16).take_while(|digit| digit.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at(count);
    let add = |number, digit: &u8| number * 10 + u64::from(digit - b'0');
    let is_canonical = !matches!(digits, [] | [b'0', _, ..]);
    is_canonical.then(|| (digits.iter().fold(0, add), rest))
}
