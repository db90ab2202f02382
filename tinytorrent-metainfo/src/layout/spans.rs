use super::Layout;
use crate::FileIndex;

/// A part of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSpan {
    /// The file.
    pub file: FileIndex,
    /// The start of the part in the file, in bytes.
    pub offset: u64,
    /// The length of the part in bytes; never zero.
    pub length: u64,
    /// True if the file is padding: its bytes are zero, and not on disk (BEP 47).
    pub is_pad: bool,
}

/// An iterator over the parts of files that make up a range of the content; see [`Layout::spans`].
#[derive(Debug, Clone)]
pub struct Spans<'a> {
    layout: &'a Layout,
    file: usize,
    at: u64,
    end: u64,
}

impl<'a> Spans<'a> {
    pub(super) fn new(layout: &'a Layout, file: usize, at: u64, end: u64) -> Self {
        Self { layout, file, at, end }
    }
}

impl Iterator for Spans<'_> {
    type Item = FileSpan;

    fn next(&mut self) -> Option<FileSpan> {
        if self.at >= self.end {
            return None;
        }
        let starts = &self.layout.starts;
        // `at` is below the total, so one of the files from here on ends beyond it. A search skips empty
        // files, of which a torrent may have millions in a row.
        if starts[self.file + 1] <= self.at {
            self.file += starts[self.file..].partition_point(|&start| start <= self.at) - 1;
        }
        let end = starts[self.file + 1].min(self.end);
        let span = FileSpan {
            file: FileIndex::new(self.file as u32),
            offset: self.at - starts[self.file],
            length: end - self.at,
            is_pad: self.layout.attributes[self.file].is_pad(),
        };
        self.at = end;
        Some(span)
    }
}
