use tinytorrent_metainfo::{FileIndex, Layout};
use tinytorrent_types::BlockInfo;

/// A range of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRange {
    /// The file.
    pub file: FileIndex,
    /// The offset of the first byte in the file.
    pub offset: u64,
    /// Bytes of the range, never zero.
    pub length: u64,
    /// Bytes of the whole file.
    pub file_length: u64,
}

impl FileRange {
    /// True if the range is the whole file.
    pub const fn is_whole(&self) -> bool {
        self.length == self.file_length
    }

    /// The offset of the last byte.
    pub const fn last(&self) -> u64 {
        self.offset + self.length - 1
    }
}

/// A part of the bytes of some blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Bytes of a file, to be requested.
    Range(FileRange),
    /// So many zeros: padding, which no server has (BEP 47).
    Pad(u64),
}

impl Part {
    /// Bytes of the part.
    pub const fn length(&self) -> u64 {
        match self {
            Part::Range(range) => range.length,
            Part::Pad(length) => *length,
        }
    }
}

/// The parts that make up these blocks, in their order. Neighbours in one file are one range.
pub fn plan(layout: &Layout, blocks: &[BlockInfo]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for span in blocks.iter().flat_map(|block| layout.block_spans(*block)) {
        match (parts.last_mut(), span.is_pad) {
            (Some(Part::Pad(length)), true) => *length += span.length,
            (_, true) => parts.push(Part::Pad(span.length)),
            (Some(Part::Range(range)), false)
                if range.file == span.file && range.offset + range.length == span.offset =>
            {
                range.length += span.length;
            }
            (_, false) => parts.push(Part::Range(FileRange {
                file: span.file,
                offset: span.offset,
                length: span.length,
                file_length: layout.file(span.file.get()).map_or(0, |file| file.length),
            })),
        }
    }
    parts
}

/// A range of one piece, as BEP 17 asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceRanges {
    /// The index of the piece.
    pub piece: u32,
    /// The offset of the first byte in the piece.
    pub begin: u32,
    /// Bytes of the range, never zero.
    pub length: u32,
}

/// The ranges of pieces that make up these blocks, in their order. Neighbours in one piece are one range.
pub fn plan_pieces(blocks: &[BlockInfo]) -> Vec<PieceRanges> {
    let mut ranges: Vec<PieceRanges> = Vec::new();
    for block in blocks {
        let piece = block.piece().get();
        match ranges.last_mut() {
            Some(last) if last.piece == piece && last.begin + last.length == block.begin() => {
                last.length += block.length();
            }
            _ => ranges.push(PieceRanges { piece, begin: block.begin(), length: block.length() }),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let mut builder = Layout::builder(32_768);
        builder.root("x").file(["a"], 20_000).pad(12_768).file(["b"], 70_000).file(["c"], 0);
        builder.file(["d"], 5);
        builder.build().unwrap()
    }

    fn all(layout: &Layout) -> Vec<BlockInfo> {
        let geometry = layout.geometry();
        geometry.pieces().flat_map(|piece| geometry.blocks(piece)).collect()
    }

    fn range(file: u32, offset: u64, length: u64, file_length: u64) -> Part {
        let file = FileIndex::new(file);
        Part::Range(FileRange { file, offset, length, file_length })
    }

    /// F-10, F-11
    #[test]
    fn a_span_over_files_is_a_request_each_in_order_and_padding_is_none() {
        let layout = layout();
        let parts = plan(&layout, &all(&layout));
        let expected = [
            range(0, 0, 20_000, 20_000),
            Part::Pad(12_768),
            range(2, 0, 70_000, 70_000),
            range(4, 0, 5, 5),
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn blocks_with_a_gap_between_them_are_two_ranges() {
        let layout = layout();
        let blocks = all(&layout);
        let parts = plan(&layout, &[blocks[2], blocks[3], blocks[5]]);
        assert_eq!(parts, [range(2, 0, 32_768, 70_000), range(2, 49_152, 16_384, 70_000)]);
        let length: u64 = parts.iter().map(Part::length).sum();
        assert_eq!(length, 3 * 16_384);
    }

    /// F-19
    #[test]
    fn ranges_of_pieces_end_with_them() {
        let layout = layout();
        let blocks = all(&layout);
        let pieces = plan_pieces(&blocks[1..5]);
        let range = |piece, begin, length| PieceRanges { piece, begin, length };
        let expected = [range(0, 16_384, 16_384), range(1, 0, 32_768), range(2, 0, 16_384)];
        assert_eq!(pieces, expected);
    }
}
