//! Mode and limits of decoding.

use crate::token::{MAX_BYTES, MAX_NODES};
use crate::{Document, Error, ListVisitor, Prefix, decode};

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
    /// Strict mode: canonical bencode only, which is one value with sorted and unique keys, without
    /// leading zeros, and without bytes behind it.
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

    /// Lenient mode: each [`DeviationKind`](crate::DeviationKind) is accepted and listed.
    pub const fn lenient() -> Self {
        Self { lenient: true, ..Self::strict() }
    }

    /// The largest number of nested lists and dictionaries, the outermost included.
    ///
    /// Default: 100, as in libtorrent. This crate does not recurse, so that more costs nothing here,
    /// but a caller who walks the document by recursion needs more stack.
    pub fn max_depth(&mut self, depth: usize) -> &mut Self {
        self.max_depth = depth;
        self
    }

    /// The largest number of keys and values.
    ///
    /// Default: 3,000,000, enough for a torrent of 400,000 files. A key or a value takes 8 bytes, a list
    /// or a dictionary 16. At most 2^27.
    pub fn max_nodes(&mut self, nodes: usize) -> &mut Self {
        // The number of a token has 29 bits, which have to hold the index of any other token.
        self.max_nodes = nodes.min(MAX_NODES);
        self
    }

    /// The largest length in bytes of the input, or of the value for a prefix.
    ///
    /// Default: 256 MiB. The input is not copied, so this limits the time for decoding, and for a
    /// prefix the bytes that a caller has to buffer. At most 4 GiB less two bytes.
    pub fn max_bytes(&mut self, bytes: usize) -> &mut Self {
        // A token has 32 bits for its offset.
        self.max_bytes = bytes.min(MAX_BYTES);
        self
    }

    /// The largest number of digits of an integer or a string length.
    ///
    /// Default: 256, which is above every number in the BEPs. At least 20, so that each 64-bit integer
    /// fits, and at most 2^20.
    pub fn max_digits(&mut self, digits: usize) -> &mut Self {
        self.max_digits = digits.clamp(20, 1 << 20);
        self
    }

    /// The largest number of deviations that lenient decoding records; further ones are counted.
    ///
    /// Default: 100, a guess at what a user wants to read.
    pub fn max_deviations(&mut self, deviations: usize) -> &mut Self {
        self.max_deviations = deviations;
        self
    }

    /// Decodes one value that fills the input. In lenient mode, bytes behind it are a deviation.
    ///
    /// # Errors
    ///
    /// [`Error`] with kind, byte offset and key path.
    pub fn decode<'a>(&self, input: &'a [u8]) -> Result<Document<'a>, Error> {
        decode::whole(self, input)
    }

    /// Decodes canonical bencode, and visits the values of one list in order without keeping them.
    ///
    /// `path` has the keys that lead to the list. In the returned document the list has its bytes, but
    /// no values. Each value is visited as a document of its own: offsets count from the start of the
    /// input, and paths from the value. Memory is needed for the largest value and for the values
    /// around the list. The limits apply to all values together.
    ///
    /// Returns `None` if the input is not canonical or exceeds a limit. The visited values are invalid
    /// then, and [`decode`](Self::decode) gives the error.
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
        mut visitor: impl ListVisitor<'a>,
    ) -> Option<Document<'a>> {
        decode::each(self, input, path, &mut visitor)
    }

    /// Decodes the value at the start of the input, with any bytes behind it.
    ///
    /// This is for messages with bytes behind the dictionary (BEP 9, `data`), and for streams. The next
    /// call for a stream should have the bytes that [`Prefix::Incomplete`] needs, as each call begins
    /// anew.
    ///
    /// # Errors
    ///
    /// [`Error`] if no further bytes could complete a value.
    pub fn decode_prefix<'a>(&self, input: &'a [u8]) -> Result<Prefix<'a>, Error> {
        decode::prefix(self, input)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::strict()
    }
}
