use tinytorrent_metainfo::FileIndex;
use url::Url;

use crate::{FileRange, PieceRanges};

/// A part of a fetch, in the line of a connection.
#[derive(Debug)]
pub(super) struct Item {
    /// The fetch.
    pub(super) fetch: u64,
    pub(super) what: What,
    /// Bytes of it that have come.
    pub(super) done: u64,
    /// The place of the redirect that it follows; `None` for where the file is known to be.
    pub(super) url: Option<Url>,
    /// Redirects that it has followed.
    pub(super) hops: u8,
    /// Failures in a row without a byte.
    failures: u8,
    /// Failures.
    breaks: u8,
    /// The place that was kept from an earlier redirect has failed, and is not used again.
    pub(super) is_anew: bool,
}

/// The bytes of an [`Item`].
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    File(FileRange),
    Piece(PieceRanges),
    Pad(u64),
}

/// Failures in a row without a byte, after which a fetch ends. What a server closed while it was idle is noticed
/// at the next request only.
const MAX_FAILURES: u8 = 2;

/// Failures of one request, after which its fetch ends though something came each time.
const MAX_BREAKS: u8 = 16;

impl Item {
    pub(super) fn new(fetch: u64, what: What) -> Self {
        Self { fetch, what, done: 0, url: None, hops: 0, failures: 0, breaks: 0, is_anew: false }
    }

    /// The bytes that are to come.
    pub(super) fn left(&self) -> u64 {
        let length = match self.what {
            What::File(range) => range.length,
            What::Piece(ranges) => ranges.length.into(),
            What::Pad(length) => length,
        };
        length - self.done
    }

    /// The range of the file that is to come.
    pub(super) fn file_range(&self) -> Option<FileRange> {
        match self.what {
            What::File(range) => Some(FileRange {
                offset: range.offset + self.done,
                length: range.length - self.done,
                ..range
            }),
            What::Piece(_) | What::Pad(_) => None,
        }
    }

    /// The file that it is a part of.
    pub(super) fn file(&self) -> Option<FileIndex> {
        self.file_range().map(|range| range.file)
    }

    /// True if it is requested from the server.
    pub(super) fn is_request(&self) -> bool {
        !matches!(self.what, What::Pad(_))
    }

    /// Bytes of it have come.
    pub(super) fn note_bytes(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if bytes > 0 {
            self.failures = 0;
        }
    }

    /// Its connection failed. Returns true if another one may be tried: a server may close an idle connection in the
    /// moment in which it is used again.
    pub(super) fn survives_failure(&mut self) -> bool {
        (self.failures, self.breaks) = (self.failures + 1, self.breaks + 1);
        self.failures < MAX_FAILURES && self.breaks < MAX_BREAKS
    }
}
