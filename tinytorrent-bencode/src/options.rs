//! How to read: mode and limits.

use crate::token::{MAX_BYTES, MAX_NODES};
use crate::{Document, Error, Prefix, Values, decode};

/// Mode and limits of decoding.
///
/// # Defaults
///
/// | option | default |
/// |---|---|
/// | mode | strict |
/// | [`max_depth`](Self::max_depth) | 100 |
/// | [`max_nodes`](Self::max_nodes) | 3,000,000 |
/// | [`max_bytes`](Self::max_bytes) | 256 MiB |
/// | [`max_digits`](Self::max_digits) | 256 |
/// | [`max_deviations`](Self::max_deviations) | 100 |
///
/// ```
/// use tinytorrent_bencode::{DeviationKind, Options};
///
/// let mut options = Options::lenient();
/// options.max_depth(10);
/// let doc = options.decode(b"d1:bi03e1:a0:e").unwrap();
/// let kinds: Vec<_> = doc.deviations().map(|deviation| deviation.kind).collect();
/// assert_eq!(kinds, [DeviationKind::IntegerLeadingZero, DeviationKind::UnsortedKey]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub(crate) lenient: bool,
    pub(crate) max_depth: usize,
    pub(crate) max_nodes: usize,
    pub(crate) max_bytes: usize,
    pub(crate) max_digits: usize,
    pub(crate) max_deviations: usize,
}

impl Options {
    /// Canonical bencode only: one value, sorted and unique keys, no superfluous zero, nothing after it.
    pub const fn strict() -> Self {
        Self {
            lenient: false,
            max_depth: 100,
            max_nodes: 3_000_000,
            max_bytes: 256 << 20,
            max_digits: 256,
            max_deviations: 100,
        }
    }

    /// What is deployed: each [`DeviationKind`](crate::DeviationKind) is accepted and listed.
    pub const fn lenient() -> Self {
        Self { lenient: true, ..Self::strict() }
    }

    /// How many lists and dictionaries may be within each other, the outermost included.
    ///
    /// Default 100, as libtorrent. Decoding and navigation need no stack, so more costs nothing here;
    /// it may cost those who walk the document by recursion.
    pub fn max_depth(&mut self, depth: usize) -> &mut Self {
        self.max_depth = depth;
        self
    }

    /// How many values and keys there may be in all.
    ///
    /// Default 3,000,000, enough for a torrent of 400,000 files. A node costs 8 bytes, a list or
    /// dictionary 16. At most 2^27.
    pub fn max_nodes(&mut self, nodes: usize) -> &mut Self {
        self.max_nodes = nodes.min(MAX_NODES);
        self
    }

    /// How many bytes the input may have; for a prefix, the value.
    ///
    /// Default 256 MiB. The input is not copied, so this bounds the time spent and, for a prefix, how
    /// long a stream is awaited. At most 4 GiB less two bytes.
    pub fn max_bytes(&mut self, bytes: usize) -> &mut Self {
        self.max_bytes = bytes.min(MAX_BYTES);
        self
    }

    /// How many digits an integer or a string length may have.
    ///
    /// Default 256, which is beyond every number in the BEPs. At least 20, so that each 64-bit integer
    /// fits; at most 2^20.
    pub fn max_digits(&mut self, digits: usize) -> &mut Self {
        self.max_digits = digits.clamp(20, 1 << 20);
        self
    }

    /// How many deviations lenient reading remembers; the others are counted.
    ///
    /// Default 100, enough to tell a person what is wrong.
    pub fn max_deviations(&mut self, deviations: usize) -> &mut Self {
        self.max_deviations = deviations;
        self
    }

    /// Decodes one value that fills the input; lenient reading notes bytes after it as a deviation.
    ///
    /// # Errors
    ///
    /// [`Error`] with kind, byte offset and key path.
    pub fn decode<'a>(&self, input: &'a [u8]) -> Result<Document<'a>, Error> {
        decode::whole(self, input)
    }

    /// Decodes canonical bencode without keeping the values of one list, which may be long: each is
    /// handed on, in order, as a document of its own, and dropped.
    ///
    /// `path` leads to the list by keys. In the document that is returned it is there, with its bytes,
    /// but has no values. Offsets count from the start of the input, paths from the value handed on.
    /// Memory is bounded by the largest value and by what is around the list; the limits count all
    /// values alike.
    ///
    /// `None` is for what [`decode`](Self::decode) refuses when strict, and after it no value that was
    /// handed on may count: `decode` says what is wrong, or lists it when lenient.
    ///
    /// ```
    /// use tinytorrent_bencode::{Document, Options};
    ///
    /// let input = b"d4:infod5:filesld6:lengthi1eed6:lengthi2eee4:name1:aee";
    /// let mut total = 0;
    /// let doc = Options::strict()
    ///     .decode_each(input, &["info", "files"], |file: &Document<'_>| {
    ///         total += file.get("length").and_then(|length| length.as_u64()).unwrap_or(0);
    ///     })
    ///     .unwrap();
    /// assert_eq!(total, 3);
    /// assert_eq!(doc.get("info").unwrap().get("name").unwrap().as_str(), Some("a"));
    /// ```
    pub fn decode_each<'a>(
        &self,
        input: &'a [u8],
        path: &[&str],
        mut each: impl Values<'a>,
    ) -> Option<Document<'a>> {
        decode::each(self, input, path, &mut each)
    }

    /// Decodes the value at the start of the input, whatever follows it.
    ///
    /// For messages with bytes after the dictionary (BEP 9 `data`) and for streams. Those who feed a
    /// stream a few bytes at a time should wait for [`Prefix::Incomplete`]'s count before the next call.
    ///
    /// # Errors
    ///
    /// [`Error`] when no bytes to come could make it a value.
    pub fn decode_prefix<'a>(&self, input: &'a [u8]) -> Result<Prefix<'a>, Error> {
        decode::prefix(self, input)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::strict()
    }
}
